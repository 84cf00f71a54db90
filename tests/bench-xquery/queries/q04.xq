(: Document order: reserves of the auctions in which one person bid before another. :)
for $auction in /site/open_auctions/open_auction
where
  some $earlier in $auction/bidder/personref[@person = "person20"],
       $later in $auction/bidder/personref[@person = "person51"]
  satisfies $earlier << $later
return <history>{ $auction/reserve/text() }</history>
