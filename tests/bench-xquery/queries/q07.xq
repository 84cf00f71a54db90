(: Regular paths: pieces of prose in the whole document. :)
count(//description) + count(//annotation) + count(//emailaddress)
