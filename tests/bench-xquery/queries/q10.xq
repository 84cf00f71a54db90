(: Construction: people by interest, with all that is known of them, in new markup. :)
for $interest in distinct-values(/site/people/person/profile/interest/@category)
let $members :=
  for $person in /site/people/person
  where $person/profile/interest/@category = $interest
  return
    <personne>
      <statistiques>
        <sexe>{ $person/profile/gender/text() }</sexe>
        <age>{ $person/profile/age/text() }</age>
        <education>{ $person/profile/education/text() }</education>
        <revenu>{ data($person/profile/@income) }</revenu>
      </statistiques>
      <coordonnees>
        <nom>{ $person/name/text() }</nom>
        <rue>{ $person/address/street/text() }</rue>
        <ville>{ $person/address/city/text() }</ville>
        <pays>{ $person/address/country/text() }</pays>
        <reseau>
          <courrier>{ $person/emailaddress/text() }</courrier>
          <pagePerso>{ $person/homepage/text() }</pagePerso>
        </reseau>
      </coordonnees>
      <cartePaiement>{ $person/creditcard/text() }</cartePaiement>
    </personne>
return <categorie>{ <id>{ $interest }</id>, $members }</categorie>
