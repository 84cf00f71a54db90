(: Reconstruction: names and descriptions of the items in Australia. :)
for $item in /site/regions/australia/item
return <item name="{ $item/name/text() }">{ $item/description }</item>
