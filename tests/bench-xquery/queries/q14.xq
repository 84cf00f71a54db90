(: Text search: names of the items whose description mentions gold. :)
for $item in /site//item
where contains(string(exactly-one($item/description)), "gold")
return $item/name/text()
