(: Regular paths: items on each continent. :)
for $region in /site/regions/*
return count($region//item)
