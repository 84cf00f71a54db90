(: References: for every person the number of items bought. :)
for $person in /site/people/person
let $bought :=
  for $sale in /site/closed_auctions/closed_auction
  where $sale/buyer/@person = $person/@id
  return $sale
return <item person="{ $person/name/text() }">{ count($bought) }</item>
