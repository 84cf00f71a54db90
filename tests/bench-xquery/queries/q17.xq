(: Missing elements: people without homepage. :)
for $person in /site/people/person
where empty($person/homepage/text())
return <person name="{ $person/name/text() }"/>
