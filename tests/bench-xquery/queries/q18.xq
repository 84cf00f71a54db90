(: Function application: reserves in another currency. :)
declare function local:convert($amount as xs:decimal?) as xs:decimal? {
  2.20371 * $amount
};
for $auction in /site/open_auctions/open_auction
return local:convert(zero-or-one($auction/reserve))
