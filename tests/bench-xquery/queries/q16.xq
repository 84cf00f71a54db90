(: Long path upwards: sellers of the auctions that have such keywords. :)
for $auction in /site/closed_auctions/closed_auction
where not(empty($auction/annotation/description/parlist/listitem/parlist/listitem/text/emph/keyword/text()))
return <person id="{ $auction/seller/@person }"/>
