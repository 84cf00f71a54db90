(: Ordered access: open auctions whose last increase is at least twice the first one. :)
for $auction in /site/open_auctions/open_auction
where zero-or-one($auction/bidder[1]/increase/text()) * 2 <= $auction/bidder[last()]/increase/text()
return
  <increase first="{ $auction/bidder[1]/increase/text() }"
            last="{ $auction/bidder[last()]/increase/text() }"/>
