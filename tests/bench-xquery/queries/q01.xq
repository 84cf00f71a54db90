(: Exact match: the name of the person registered first. :)
for $person in /site/people/person[@id = "person0"]
return $person/name/text()
