(: References over three collections: for every person the names of items bought in Europe. :)
for $person in /site/people/person
let $bought :=
  for $sale in /site/closed_auctions/closed_auction
  where $person/@id = $sale/buyer/@person
  return
    let $sold :=
      for $item in /site/regions/europe/item
      where $sale/itemref/@item = $item/@id
      return $item
    return <item>{ $sold/name/text() }</item>
return <person name="{ $person/name/text() }">{ $bought }</person>
