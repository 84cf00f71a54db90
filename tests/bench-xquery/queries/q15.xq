(: Long path: keywords in emphasis deep in the annotations of closed auctions. :)
for $text in /site/closed_auctions/closed_auction/annotation/description/parlist/listitem/parlist/listitem/text/emph/keyword/text()
return <text>{ $text }</text>
