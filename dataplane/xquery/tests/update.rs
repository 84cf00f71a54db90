//! The Update Facility 3.0: every primitive, every position, every conflict, every category rule.
//!
//! `becomes` applies the updates of a query to a document and shows it; `gives` shows the value of a query that updates
//! copies; `fails` expects a code, whether it comes from compiling, running or applying.

use phoenixmldb_xdm::atomic::Moment;
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::serialize::xml::to_xml;
use phoenixmldb_xdm::update::{Applied, PendingUpdates};
use phoenixmldb_xdm::{Item, Node, ParseOptions, Sequence, Str, Tree, parse_xml};
use phoenixmldb_xquery::{DynamicContext, NoResolver, Options, Query, Resolver};
use std::sync::Arc;

/// A host where `fn:put` may store below `/db/`.
struct Host;

impl Resolver for Host {
    fn accepts_put(&self, uri: &str) -> Result<()> {
        if uri.starts_with("http://host/db/") { Ok(()) } else { NoResolver.accepts_put(uri) }
    }
    fn module(&self, namespace: &str, _: &[Str]) -> Result<Vec<(Option<Str>, String)>> {
        let text = match namespace {
            "urn:m" => {
                "module namespace m = 'urn:m'; import module namespace n = 'urn:n'; \
                 declare variable $m:v as xs:integer external := 20; declare %private variable $m:hidden := 1; \
                 declare variable $m:double := $m:v * 2; declare variable $m:from := .; \
                 declare function m:add($x) { function($y) { $x + $y + $m:hidden + n:one() } }; \
                 declare function m:add($x, $y) { m:add($x)($y) }; declare %private function m:hidden() { 1 }; \
                 declare %updating function m:drop($x) { delete node $x };"
            }
            "urn:n" => "module namespace n = 'urn:n'; declare function n:one() { 1 };",
            "urn:wrong" => "module namespace w = 'urn:wrong'; declare variable $w:x := $w:y;",
            _ => return NoResolver.module(namespace, &[]),
        };
        Ok(vec![(Some(Str::from(namespace)), text.to_owned())])
    }
}

fn context(tree: &Arc<Tree>) -> DynamicContext {
    let now = Moment { year: 2024, month: 2, day: 29, nanos: 0, zone: Some(0) };
    let mut context = DynamicContext::new(now, Arc::new(Host));
    context.context_item = Some(Item::Node(Node::root_of(tree)));
    context
}

fn evaluate(xml: &str, query: &str) -> Result<(Arc<Tree>, Sequence, PendingUpdates, Applied)> {
    let tree = parse_xml(xml.as_bytes(), &ParseOptions::default()).expect("tests are well-formed");
    let options = Options { base_uri: Some(Str::from("http://host/db/")), ..Options::default() };
    let query = Query::compile(query, &options, &Host)?;
    let (value, pending) = query.update(&context(&tree))?;
    let inherit = query.static_context().copy_namespaces.1;
    let applied = pending.apply(inherit)?;
    Ok((tree, value, pending, applied))
}

fn show(value: &Sequence) -> String {
    let item = |item: Item| match &item {
        Item::Node(node) => to_xml(node),
        item => item.string_value().map(|text| text.to_string()).unwrap_or_default(),
    };
    value.iter().map(item).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn becomes(xml: &str, query: &str, expected: &str) {
    match evaluate(xml, query) {
        Ok((tree, _, _, applied)) => {
            assert_eq!(to_xml(&Node::root_of(&applied.tree(&tree))), expected, "{query}");
            assert_eq!(to_xml(&Node::root_of(&tree)), xml, "the old tree stays as it was");
        }
        Err(error) => panic!("{query}\n{error}"),
    }
}

#[track_caller]
fn gives(query: &str, expected: &str) {
    match evaluate("<r/>", query) {
        Ok((_, value, _, _)) => assert_eq!(show(&value), expected, "{query}"),
        Err(error) => panic!("{query}\n{error}"),
    }
}

#[track_caller]
fn fails(query: &str, code: &str) {
    match evaluate("<r i=\"1\" j=\"2\"><a/><b>t</b><!--c--><?p q?></r>", query) {
        Ok((_, value, _, _)) => panic!("{query}\ngives {}", show(&value)),
        Err(error) => assert_eq!(&*error.code.local, code, "{query}: {error}"),
    }
}

const R: &str = "<r i=\"1\"><a/>t<b><c/></b></r>";

#[test]
fn insert_puts_copies_at_every_position() {
    becomes(R, "insert node <x/> into /r", "<r i=\"1\"><a/>t<b><c/></b><x/></r>");
    becomes(R, "insert nodes (<x/>, <y/>) as first into /r", "<r i=\"1\"><x/><y/><a/>t<b><c/></b></r>");
    becomes(R, "insert node <x/> as last into //b", "<r i=\"1\"><a/>t<b><c/><x/></b></r>");
    becomes(R, "insert node <x/> before //b", "<r i=\"1\"><a/>t<x/><b><c/></b></r>");
    becomes(R, "insert node <x/> after /r/a", "<r i=\"1\"><a/><x/>t<b><c/></b></r>");
    becomes(R, "insert node <x/> after /r/text()", "<r i=\"1\"><a/>t<x/><b><c/></b></r>");
    becomes(R, "insert node (attribute k {3}, <x/>) into //a", "<r i=\"1\"><a k=\"3\"><x/></a>t<b><c/></b></r>");
    becomes(R, "insert node attribute k {3} before //c", "<r i=\"1\"><a/>t<b k=\"3\"><c/></b></r>");
    becomes(R, "insert node attribute k {3} after //a", "<r i=\"1\" k=\"3\"><a/>t<b><c/></b></r>");
    becomes(R, "insert node <!--x--> before /r", "<!--x--><r i=\"1\"><a/>t<b><c/></b></r>");
    becomes(R, "insert node <?x y?> into /", "<r i=\"1\"><a/>t<b><c/></b></r><?x y?>");
    becomes(R, "insert nodes () into /r", R);
    becomes(R, "insert node document { <x/>, 'u' } into //c", "<r i=\"1\"><a/>t<b><c><x/>u</c></b></r>");
    becomes(R, "insert nodes (1, 2, <x/>, 'u', ['v', 3]) into //c", "<r i=\"1\"><a/>t<b><c>1 2<x/>u v 3</c></b></r>");
    becomes(R, "insert node //b into //a", "<r i=\"1\"><a><b><c/></b></a>t<b><c/></b></r>");
    becomes(R, "insert node /r/@i into //a", "<r i=\"1\"><a i=\"1\"/>t<b><c/></b></r>");
}

#[test]
fn groups_inserted_at_one_place_keep_the_order_of_the_query() {
    becomes("<r><a/></r>", "for $n in 1 to 3 return insert node text { $n } into /r", "<r><a/>123</r>");
    becomes("<r><a/></r>", "for $n in 1 to 3 return insert node text { $n } as first into /r", "<r>123<a/></r>");
    becomes("<r><a/></r>", "for $n in 1 to 3 return insert node text { $n } before //a", "<r>123<a/></r>");
    becomes("<r><a/></r>", "for $n in 1 to 3 return insert node text { $n } after //a", "<r><a/>123</r>");
    becomes(
        "<r><a/></r>",
        "insert node <l/> as last into /r, insert node <i/> into /r, insert node <z/> after //a,
         insert node <f/> as first into /r, insert node <y/> before //a",
        "<r><f/><y/><a/><z/><i/><l/></r>",
    );
}

#[test]
fn delete_detaches_and_texts_that_meet_become_one() {
    becomes(R, "delete node //b", "<r i=\"1\"><a/>t</r>");
    becomes(R, "delete nodes (//c, /r/@i, //a, //a)", "<r>t<b/></r>");
    becomes(R, "delete node /", R);
    becomes(R, "delete nodes ()", R);
    becomes("<r>a<x/>b</r>", "delete node //x", "<r>ab</r>");
    becomes("<r>a<x/>b</r>", "delete node /r/text()[1], insert node 'c' before //x", "<r>c<x/>b</r>");
    let (tree, _, _, applied) = evaluate("<r>a<x/>b</r>", "delete node //x").unwrap();
    assert_eq!(applied.tree(&tree).len(), 3, "the texts are one node");
}

#[test]
fn replace_node_puts_others_in_its_place() {
    becomes(R, "replace node //b with <x/>", "<r i=\"1\"><a/>t<x/></r>");
    becomes(R, "replace node //b with ()", "<r i=\"1\"><a/>t</r>");
    becomes(R, "replace node //a with ('u', <x/>, 'v')", "<r i=\"1\">u<x/>vt<b><c/></b></r>");
    becomes(R, "replace node /r/text() with <x/>", "<r i=\"1\"><a/><x/><b><c/></b></r>");
    becomes(R, "replace node /r/@i with (attribute k {1}, attribute l {2})", "<r k=\"1\" l=\"2\"><a/>t<b><c/></b></r>");
    becomes(R, "replace node /r/@i with ()", "<r><a/>t<b><c/></b></r>");
    becomes(R, "replace node /r with <s/>", "<s/>");
}

#[test]
fn replace_value_keeps_the_node() {
    becomes(R, "replace value of node //b with (1, 'x')", "<r i=\"1\"><a/>t<b>1 x</b></r>");
    becomes(R, "replace value of node //b with ()", "<r i=\"1\"><a/>t<b/></r>");
    becomes(R, "replace value of node /r/@i with 2 + 3", "<r i=\"5\"><a/>t<b><c/></b></r>");
    becomes(R, "replace value of node /r/text() with 'u'", "<r i=\"1\"><a/>u<b><c/></b></r>");
    becomes(R, "replace value of node /r/text() with ''", "<r i=\"1\"><a/><b><c/></b></r>");
    becomes("<r><!--c--><?p q?></r>", "replace value of node /r/comment() with 'd'", "<r><!--d--><?p q?></r>");
    becomes(
        "<r><!--c--><?p q?></r>",
        "replace value of node //processing-instruction() with 'd'",
        "<r><!--c--><?p d?></r>",
    );
}

#[test]
fn rename_changes_the_name_and_nothing_below() {
    becomes(R, "rename node //b as 'x'", "<r i=\"1\"><a/>t<x><c/></x></r>");
    becomes(R, "rename node /r/@i as xs:QName('j')", "<r j=\"1\"><a/>t<b><c/></b></r>");
    becomes("<r><?p q?></r>", "rename node //processing-instruction() as 'x'", "<r><?x q?></r>");
    becomes(R, "rename node /r as QName('u', 'p:r')", "<p:r xmlns:p=\"u\" i=\"1\"><a/>t<b><c/></b></p:r>");
    becomes("<r><a/></r>", "rename node /r as QName('u', 'r')", "<r xmlns=\"u\"><a xmlns=\"\"/></r>");
    becomes("<r i=\"1\"/>", "rename node /r/@i as QName('u', 'p:i')", "<r xmlns:p=\"u\" p:i=\"1\"/>");
    becomes("<r i=\"1\"/>", "rename node /r/@i as QName('u', 'i')", "<r xmlns:ns0=\"u\" ns0:i=\"1\"/>");
    becomes("<r><a/><a/></r>", "for $a in //a return rename node $a as 'b'", "<r><b/><b/></r>");
}

#[test]
fn the_order_of_application_is_that_of_the_specification() {
    becomes("<r><a><b/></a></r>", "replace node //b with <c/>, replace value of node //a with 'x'", "<r><a>x</a></r>");
    becomes("<r><a/></r>", "delete node //a, replace node //a with <b/>", "<r><b/></r>");
    becomes(
        "<r><a/></r>",
        "delete node //a, insert node <b/> before //a, insert node <c/> after //a",
        "<r><b/><c/></r>",
    );
    becomes("<r><a/></r>", "rename node //a as 'b', insert node <c/> into //a", "<r><b><c/></b></r>");
    becomes("<r i=\"1\"/>", "rename node //@i as 'j', replace value of node //@i with 2", "<r j=\"2\"/>");
    becomes("<r i=\"1\"/>", "delete node //@i, insert node attribute i {2} into /r", "<r i=\"2\"/>");
    becomes("<r i=\"1\" j=\"2\"/>", "rename node //@i as 'j', rename node //@j as 'i'", "<r j=\"1\" i=\"2\"/>");
    becomes("<r><a/></r>", "insert node <x/> into //a, delete node /r/a", "<r/>");
    becomes("<r><a/></r>", "insert node <x/> before //a, replace value of node /r with 'v'", "<r>v</r>");
}

#[test]
fn namespaces_follow_what_is_inserted_and_renamed() {
    becomes("<r xmlns=\"d\"/>", "insert node <a/> into /*", "<r xmlns=\"d\"><a xmlns=\"\"/></r>");
    becomes(
        "<r xmlns=\"d\"/>",
        "declare default element namespace 'd'; insert node <a/> into /r",
        "<r xmlns=\"d\"><a/></r>",
    );
    becomes("<r xmlns:p=\"u\"/>", "insert node <p:a xmlns:p='u'/> into /r", "<r xmlns:p=\"u\"><p:a/></r>");
    becomes(
        "<r xmlns:p=\"u\"/>",
        "insert node <p:a xmlns:p='v'/> into /r",
        "<r xmlns:p=\"u\"><p:a xmlns:p=\"v\"/></r>",
    );
    becomes(
        "<r/>",
        "insert node attribute {QName('u', 'p:i')} {1} into /r, insert node attribute {QName('u', 'p:j')} {2} into /r",
        "<r xmlns:p=\"u\" p:i=\"1\" p:j=\"2\"/>",
    );
    becomes("<r xmlns:q=\"u\"/>", "insert node attribute Q{u}i {1} into /r", "<r xmlns:q=\"u\" q:i=\"1\"/>");
    becomes(
        "<r xmlns:q=\"u\"><a/></r>",
        "declare copy-namespaces preserve, no-inherit; insert node <x/> into //a",
        "<r xmlns:q=\"u\"><a><x xmlns:q=\"\"/></a></r>",
    );
    let seen = |inherit: &str| {
        format!(
            "declare copy-namespaces preserve, {inherit}; copy $c := <r><a/></r> \
             modify (rename node $c as QName('u', 'p:r'), insert node <b/> into $c) \
             return $c/* ! (name() || ':' || string-join(in-scope-prefixes(.)[. != 'xml'], ','))"
        )
    };
    gives(&seen("inherit"), "a:p b:p");
    gives(&seen("no-inherit"), "a: b:");
    fails("rename node /r as QName('u', 'xml:r')", "XQDY0096");
    fails("copy $c := <a xmlns:p='u'/> modify rename node $c as QName('v', 'p:b') return $c", "XUDY0023");
    fails("copy $c := <a xmlns='u'/> modify rename node $c as 'b' return $c", "XUDY0023");
    fails(
        "copy $c := <a xmlns:p='u'/> modify insert node attribute {QName('v', 'p:b')} {1} into $c return $c",
        "XUDY0023",
    );
    fails("copy $c := <p:a xmlns:p='u' i='1'/> modify rename node $c/@i as QName('v', 'p:b') return $c", "XUDY0023");
    fails(
        "copy $c := <a xmlns:p='u' i='1'/> modify replace node $c/@i with attribute {QName('v', 'p:b')} {1} return $c",
        "XUDY0023",
    );
    fails("insert nodes (attribute {QName('u', 'p:x')} {1}, attribute {QName('v', 'p:y')} {1}) into /r", "XUDY0024");
    fails(
        "insert node attribute {QName('u', 'p:x')} {1} into /r, insert node attribute {QName('v', 'p:y')} {1} into /r",
        "XUDY0024",
    );
    fails("rename node /r as QName('u', 'p:r'), rename node /r/@i as QName('v', 'p:i')", "XUDY0024");
    fails(
        "replace node /r/@i with attribute {QName('u', 'p:x')} {1}, rename node /r/@j as QName('v', 'p:j')",
        "XUDY0024",
    );
}

#[test]
fn targets_are_checked() {
    fails("insert node <x/> into ()", "XUDY0027");
    fails("insert node <x/> before ()", "XUDY0027");
    fails("replace node () with <x/>", "XUDY0027");
    fails("replace value of node () with 1", "XUDY0027");
    fails("rename node () as 'x'", "XUDY0027");
    fails("insert nodes (<x/>, attribute i {1}) into /r", "XUTY0004");
    fails("insert nodes ('x', attribute i {1}) into /r", "XUTY0004");
    fails("insert node <x/> into /r/@i", "XUTY0005");
    fails("insert node <x/> into /r/b/text()", "XUTY0005");
    fails("insert node <x/> into (/r, /r/a)", "XUTY0005");
    fails("insert node <x/> as first into 1", "XUTY0005");
    fails("insert node <x/> before /r/@i", "XUTY0006");
    fails("insert node <x/> after /", "XUTY0006");
    fails("insert node <x/> after (/r/a, /r/b)", "XUTY0006");
    fails("delete node (1, /r)", "XUTY0007");
    fails("replace node (/) with <x/>", "XUTY0008");
    fails("replace node /r/* with <x/>", "XUTY0008");
    fails("replace value of node (/) with 'x'", "XUTY0008");
    fails("replace value of node 'x' with 'x'", "XUTY0008");
    fails("replace node <x/> with <y/>", "XUDY0009");
    fails("replace node /r/a with attribute k {1}", "XUTY0010");
    fails("replace node /r/@i with <x/>", "XUTY0011");
    fails("replace node /r/@i with 'x'", "XUTY0011");
    fails("rename node (/) as 'x'", "XUTY0012");
    fails("rename node /r/b/text() as 'x'", "XUTY0012");
    fails("rename node /r/* as 'x'", "XUTY0012");
    fails("insert node attribute k {1} into /", "XUTY0022");
    fails("insert node <x/> before <y/>", "XUDY0029");
    fails("insert node attribute k {1} before /r", "XUDY0030");
    fails("insert node function() { 1 } into /r", "XQTY0105");
    fails("replace value of node /r/comment() with 'a--b'", "XQDY0072");
    fails("replace value of node /r/comment() with 'a-'", "XQDY0072");
    fails("replace value of node /r/processing-instruction() with 'a?>b'", "XQDY0026");
    fails("rename node /r as 'a b'", "XQDY0074");
    fails("rename node /r as 'p:b'", "XQDY0074");
    fails("rename node /r as 1", "XPTY0004");
    fails("rename node /r/processing-instruction() as 'a b'", "XQDY0041");
    fails("rename node /r/processing-instruction() as 'xml'", "XQDY0064");
}

#[test]
fn incompatible_updates_are_refused_together() {
    fails("rename node /r/a as 'x', rename node /r/a as 'x'", "XUDY0015");
    fails("replace node /r/a with <x/>, replace node /r/a with <x/>", "XUDY0016");
    fails("replace node /r/@i with (), replace node /r/@i with ()", "XUDY0016");
    fails("replace value of node /r/@i with 1, replace value of node /r/@i with 1", "XUDY0017");
    fails("replace value of node /r/b with 1, replace value of node /r/b with 1", "XUDY0017");
    fails("insert node attribute i {1} into /r", "XUDY0021");
    fails("insert node attribute k {1} into /r, insert node attribute k {1} into /r", "XUDY0021");
    fails("rename node /r/@i as 'j'", "XUDY0021");
    fails("delete node /r/a, insert nodes (attribute k {1}, attribute k {2}) into /r/a", "XUDY0021");
    becomes("<r><a/></r>", "rename node //a as 'b', replace node //a with <c/>", "<r><c/></r>");
    becomes("<r><a/></r>", "delete node //a, delete node //a", "<r/>");
}

#[test]
fn copies_are_modified_and_originals_are_not() {
    gives("copy $c := <a><b/></a> modify delete node $c/b return $c", "<a/>");
    gives("let $a := <a><b/></a> return (copy $c := $a modify delete node $c/b return ($c, $a))", "<a/> <a><b/></a>");
    gives(
        "copy $c := <a>1</a>, $d := $c modify replace value of node $d with $c + 1 return ($c, $d)",
        "<a>1</a> <a>2</a>",
    );
    gives("copy $c := <a i='1'/> modify () return $c is $c", "true");
    gives("let $a := <r><a/></r> return (copy $c := $a/a modify () return (empty($c/..), $c is $a/a))", "true false");
    gives("copy $c := attribute i {1} modify replace value of node $c with 2 return string($c)", "2");
    gives("copy $c := text { 'x' } modify replace value of node $c with '' return string-length($c)", "0");
    gives("copy $c := document { <a/> } modify insert node <b/> before $c/a return $c", "<b/><a/>");
    gives("copy $c := <a/> modify (delete node $c, rename node $c as 'b') return $c", "<b/>");
    gives(
        "for $n in 1 to 3 return copy $c := <a/> modify insert node $n into $c return $c",
        "<a>1</a> <a>2</a> <a>3</a>",
    );
    gives("copy $c := <a/> modify 1 return $c", "<a/>");
    gives("declare copy-namespaces no-preserve, inherit; copy $c := <a xmlns:p='u'/> modify () return $c", "<a/>");
    gives("<a><b/></a> transform with { delete node b, insert node <c/> into . }", "<a><c/></a>");
    gives("<a/> transform with { }", "<a/>");
    gives("(<a/> transform with { rename node . as 'b' }) transform with { rename node . as 'c' }", "<c/>");
    gives(
        "copy $c := <a><b/></a> modify insert node (copy $d := $c/b modify rename node $d as 'e' return $d) into $c return $c",
        "<a><b/><e/></a>",
    );
    becomes(
        "<r><a/></r>",
        "copy $c := <x/> modify insert node <y/> into $c return insert node $c into //a",
        "<r><a><x><y/></x></a></r>",
    );
    fails("copy $c := () modify () return $c", "XUTY0013");
    fails("copy $c := (<a/>, <b/>) modify () return $c", "XUTY0013");
    fails("copy $c := 1 modify () return $c", "XUTY0013");
    fails("(<a/>, <b/>) transform with { }", "XUTY0013");
    fails("copy $c := <a/> modify delete node /r/a return $c", "XUDY0014");
    fails("copy $c := <a/> modify insert node <x/> into <y/> return $c", "XUDY0014");
    fails("copy $c := <a/> modify put($c, 'x.xml') return $c", "XUDY0037");
    fails("copy $c := <a/> modify (rename node $c as 'b', rename node $c as 'c') return $c", "XUDY0015");
    fails("copy $c := <a/> modify () return $d", "XPST0008");
}

#[test]
fn updates_and_values_come_from_one_query() {
    let (_, value, pending, _) = evaluate("<r><a/><a/></r>", "count(//a), delete node //a[1], <done/>").unwrap();
    assert_eq!((show(&value).as_str(), pending.len()), ("2 <done/>", 1));
    becomes("<r><a/></r>", "let $n := 1 return if ($n = 1) then delete node //a else 'nothing'", "<r/>");
    becomes("<r><a/></r>", "switch (1) case 1 return delete node //a default return ()", "<r/>");
    becomes("<r><a/></r>", "typeswitch (1) case xs:integer return delete node //a default return 2", "<r/>");
    becomes("<r><a/></r>", "(# local:y #) { delete node //a }", "<r/>");
    becomes("<r><a/></r>", "<x>{ delete node //a }</x>", "<r/>");
    becomes("<r><a/></r>", "count(delete node //a)", "<r/>");
    becomes("<r><a/><a/></r>", "exists(for $a in //a return (1, delete node $a))", "<r/>");
    becomes("<r><a/></r>", "//a ! (delete node .)", "<r/>");
    becomes("<r><a/></r>", "insert node (delete node //a, <b/>) into /r", "<r><b/></r>");
    becomes("<r><a/></r>", "try { delete node //a, error() } catch * { insert node <b/> into /r }", "<r><a/><b/></r>");
    becomes(
        "<r><a/></r>",
        "try { rename node //a as 'x', rename node //a as 'y' } catch *:XUDY0015 { rename node //a as 'z' }",
        "<r><z/></r>",
    );
}

#[test]
fn updating_functions_are_declared_called_and_passed() {
    becomes("<r><a/></r>", "declare updating function local:f($n) { delete node $n }; local:f(//a)", "<r/>");
    becomes("<r><a/></r>", "declare %updating function local:f($n) { delete node $n, 1 }; local:f(//a)", "<r/>");
    becomes(
        "<r><a/></r>",
        "declare %updating function local:f($n) as xs:integer { delete node $n, 1 }; local:f(//a)",
        "<r/>",
    );
    becomes("<r><a/></r>", "declare %updating function local:f($n) { delete node $n }; //a => local:f()", "<r/>");
    becomes("<r><a/></r>", "let $f := function($n) { delete node $n } return invoke updating $f(//a)", "<r/>");
    becomes(
        "<r><a/></r>",
        "let $f := %updating function($n) { delete node $n } return invoke updating $f(//a)",
        "<r/>",
    );
    becomes(
        "<r><a/></r>",
        "declare %updating function local:f($m, $n) { delete node $n }; let $f := local:f(1, ?) return invoke updating $f(//a)",
        "<r/>",
    );
    becomes(
        "<r><a/></r>",
        "declare %updating function local:g($f as %updating function(item()) as item()*, $n) { invoke updating $f($n) };
         local:g(function($n) { delete node $n }, //a)",
        "<r/>",
    );
    gives("invoke updating (function($x) { $x + 1 })(2)", "3");
    gives("(function($n) { delete node $n }) instance of function(*)", "false");
    gives("(function($n) { delete node $n }) instance of item()", "true");
    gives("(function($n) { delete node $n }) instance of %updating function(*)", "true");
    gives("(function($n) { $n }) instance of %updating function(*)", "true");
    gives("(function($n) { $n }) instance of %updating('required') function(*)", "false");
    gives("(function($n) { delete node $n }) instance of %updating('required') function(item()*) as item()*", "true");
    gives("(function($n) { $n }) instance of %simple function(*)", "true");
    gives("put#2 instance of %updating('required') function(*)", "true");
    fails("let $f := function($n) { delete node $n } return $f(/r/a)", "XUDY0038");
    fails("declare %updating function local:f($n) { delete node $n }; let $f := local:f#1 return $f(/r/a)", "XUDY0038");
    fails("for-each(/r/a, function($n) { delete node $n })", "XPTY0004");
    fails("let $f as function(*) := function($n) { delete node $n } return $f", "XPTY0004");
    fails("declare %updating function local:f() as xs:string { delete node <a/>, 1 }; local:f()", "XPTY0004");
}

#[test]
fn categories_are_checked_while_compiling() {
    for query in [
        "let $x := delete node /r/a return $x",
        "for $x in delete node /r/a return $x",
        "for $x in 1 where delete node /r/a return $x",
        "for $x in 1 order by delete node /r/a return $x",
        "for $x in 1 group by $k := delete node /r/a return $x",
        "if (delete node /r/a) then 1 else 2",
        "switch (delete node /r/a) case 1 return 1 default return 2",
        "switch (1) case delete node /r/a return 1 default return 2",
        "typeswitch (delete node /r/a) case xs:integer return 1 default return 2",
        "(delete node /r/a) ! 1",
        "/r[delete node a]",
        "/r/(delete node a)",
        "(delete node /r/a)[1]",
        "1 + (delete node /r/a)",
        "some $x in 1 satisfies delete node /r/a",
        "[delete node /r/a]",
        "map { 1: delete node /r/a }",
        "(delete node /r/a) instance of item()",
        "(delete node /r/a) = 1",
        "not(1) and (delete node /r/a)",
        "ordered { delete node /r/a }",
        "declare function local:f() { delete node /r/a }; 1",
        "declare %simple function local:f() { delete node /r/a }; 1",
        "declare variable $x := delete node <a/>; 1",
        "declare context item := delete node <a/>; 1",
        "let $f := %simple function() { delete node <a/> } return 1",
        "declare function local:f() { put(<a/>, 'x') }; 1",
    ] {
        fails(query, "XUST0001");
    }
    fails("declare revalidation lax; declare revalidation skip; 1", "XUST0003");
    fails("declare revalidation strict; 1", "XUST0026");
    gives("declare revalidation lax; 1", "1");
    gives("declare revalidation skip; 1", "1");
    fails("declare %updating variable $x := 1; 1", "XUST0032");
    fails("declare %updating %simple function local:f() { 1 }; 1", "XUST0033");
    fails("declare %updating %updating function local:f() { 1 }; 1", "XUST0033");
    fails("%simple %updating function() { 1 }", "XUST0033");
    fails("1 instance of %simple %updating function(*)", "XUST0034");
    fails("invoke updating local:f(?)", "XPST0003");
    let simple =
        Query::compile("copy $c := <a/> modify delete node $c/b return $c", &Options::default(), &Host).unwrap();
    assert!(!simple.is_updating());
    let updating = Query::compile("delete node <a/>", &Options::default(), &Host).unwrap();
    let tree = parse_xml(b"<r/>", &ParseOptions::default()).unwrap();
    assert!(updating.is_updating());
    assert_eq!(&*updating.run(&context(&tree)).unwrap_err().code.local, "XUST0001");
}

#[test]
fn put_asks_the_host_and_stores_what_the_updates_left() {
    let (_, _, _, applied) =
        evaluate("<r><a/></r>", "put(/, 'x.xml'), put(//a, 'y.xml'), rename node //a as 'b'").unwrap();
    let stored: Vec<String> = applied.stored.iter().map(|s| format!("{} {}", s.uri, to_xml(&s.node))).collect();
    assert_eq!(stored, ["http://host/db/x.xml <r><b/></r>", "http://host/db/y.xml <b/>"]);
    fails("put(/r/@i, 'x.xml')", "FOUP0001");
    fails("put(/r/b/text(), 'x.xml')", "FOUP0001");
    fails("put(/r, 'http://[')", "FOUP0002");
    fails("put(/r, 'http://elsewhere/x.xml')", "FOUP0002");
    fails("put(/r, 'x.xml'), put(/r/a, 'x.xml')", "XUDY0031");
    fails("put(1, 'x.xml')", "XPTY0004");
}

#[test]
fn modules_are_loaded_while_running() {
    let module =
        "let $m := load-xquery-module('urn:m', map { 'context-item': 7, 'variables': map { QName('urn:m', 'v'): 5 } })
                  let $f := function($name, $arity) { $m?functions(QName('urn:m', $name))($arity) } return ";
    let check = |query: &str, expected: &str| gives(&format!("{module}({query})"), expected);
    check("sort(map:keys($m?variables) ! local-name-from-QName(.))", "double from v");
    check("$m?variables(QName('urn:m', 'double')), $m?variables(QName('urn:m', 'from'))", "10 7");
    check("sort(map:keys($m?functions) ! local-name-from-QName(.))", "add drop");
    check("$f('add', 2)(1, 2), $f('add', 1)(1)(2)", "5 5");
    check("for-each-pair(1 to 2, 3 to 4, $f('add', 2))", "6 8");
    becomes(
        "<r><a/></r>",
        "let $m := load-xquery-module('urn:m', map { 'context-item': 1 }) return
         let $f := $m?functions(QName('urn:m', 'drop'))(1) return invoke updating $f(//a)",
        "<r/>",
    );
    fails("load-xquery-module('')", "FOQM0001");
    fails("load-xquery-module('urn:none')", "FOQM0002");
    fails("load-xquery-module('urn:wrong')", "FOQM0003");
    fails("load-xquery-module('urn:m', map { 'variables': map { QName('urn:m', 'v'): 'x' } })", "FOQM0005");
    fails("load-xquery-module('urn:m', map { 'xquery-version': 9.9 })", "FOQM0006");
    fails("transform(map { })", "FOXT0004");
    fails("validate { <a/> }", "XQST0075");
}
