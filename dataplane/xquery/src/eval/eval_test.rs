//! What expressions give: results written as by the adaptive method, errors by their code.

use crate::{DynamicContext, NoResolver, Options, Query};
use phoenixmldb_xdm::atomic::Moment;
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::serialize::xml::to_xml;
use phoenixmldb_xdm::{Function, Item, Meter, NodeKind, ParseOptions, Sequence, parse_xml};
use std::sync::Arc;

const SHOP: &str = "<shop><item id='1'><name>pen</name><price>2</price></item><item id='2'><name>ink</name>\
    <price>7</price></item><box><item id='3'><name>cap</name><price>7</price></item></box></shop>";

fn context() -> DynamicContext {
    let now = Moment { year: 2024, month: 2, day: 29, nanos: 0, zone: Some(0) };
    let mut context = DynamicContext::new(now, Arc::new(NoResolver));
    let tree = parse_xml(SHOP.as_bytes(), &ParseOptions::default()).unwrap();
    context.context_item = Some(Item::Node(phoenixmldb_xdm::Node::root_of(&tree)));
    context
}

fn run(query: &str) -> Result<Sequence> {
    Query::compile(query, &Options::default(), &NoResolver)?.run(&context())
}

fn show(sequence: &Sequence) -> String {
    let items: Vec<String> = sequence.iter().map(|item| show_item(&item)).collect();
    items.join(" ")
}

fn show_item(item: &Item) -> String {
    match item {
        Item::Atomic(atomic) => atomic.to_str().to_string(),
        Item::Node(node) if node.kind() == NodeKind::Attribute => {
            format!("{}={:?}", node.name().unwrap().lexical(), node.string_value())
        }
        Item::Node(node) => to_xml(node),
        Item::Function(Function::Array(array)) => {
            format!("[{}]", array.members().iter().map(show).collect::<Vec<_>>().join(","))
        }
        Item::Function(Function::Map(map)) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{}:{}", k.to_str(), show(v))).collect();
            format!("{{{}}}", entries.join(","))
        }
        Item::Function(Function::Callable(callable)) => format!("function#{}", callable.arity()),
    }
}

fn check(query: &str, expected: &str) {
    match run(query) {
        Ok(result) => assert_eq!(show(&result), expected, "{query}"),
        Err(error) => panic!("{query}\n{error}"),
    }
}

fn fails(query: &str, code: &str) {
    match run(query) {
        Ok(result) => panic!("{query}\ngives {}", show(&result)),
        Err(error) => assert_eq!(&*error.code.local, code, "{query}: {error}"),
    }
}

#[test]
fn paths_select_in_document_order_without_duplicates() {
    check("//name/string()", "pen ink cap");
    check("count(//item), count(/shop/item), count(//item/..), count(//node())", "3 2 2 17");
    check("//item[price = 7]/@id/string()", "2 3");
    check("//item[2]/@id", "id=\"2\"");
    check("(//item)[last()]/@id/data()", "3");
    check("//item/following-sibling::*[1]/@id/data(), //box/preceding-sibling::*[1]/name/string()", "2 ink");
    fails("/ < 5", "XPST0003");
    check("//item[position() = (1, 3)]/@id/data()", "1 3");
    check("(//item)[position() = 1 to 2]/@id/data()", "1 2");
    check("//price/ancestor::*/name()", "shop item item box item");
    check("(//price)[3]/ancestor::*[1]/name()", "item");
    check("//box/preceding-sibling::item[1]/name/text()", "ink");
    check("/shop/item/following-sibling::*/name()", "item box");
    check("//(price | name)[. > 'i']/string()", "pen ink");
    check("(//name | //item)/name()", "item name item name item name");
    check("//item/(name || '!')", "pen! ink! cap!");
    check("//item ! @id ! string()", "1 2 3");
    check("//@id[. = '2']/../name/string()", "ink");
    check("//*:name/self::name[1]/string()", "pen ink cap");
    check("(//item intersect /shop/item)/@id/string(), (//item except /shop/item)/@id/string()", "1 2 3");
    check("let $i := //item return ($i[1] is $i[1], $i[1] << $i[2], $i[1] >> $i[2])", "true true false");
    fails("(1, 2)/a", "XPTY0019");
    fails("//item/(name, 1)", "XPTY0018");
    fails("1 ! a", "XPTY0020");
    fails("declare function local:f() { . }; local:f()", "XPDY0002");
}

#[test]
fn flwor_clauses_make_order_group_and_count_tuples() {
    check("for $x in 1 to 3 return $x * 2", "2 4 6");
    check("for $x at $i in ('a', 'b'), $y in 1 to 2 return $x || $i || $y", "a11 a12 b21 b22");
    check("for $x allowing empty at $i in () return [$x, $i]", "[,0]");
    check("for $i in //item where $i/price > 2 order by $i/name descending return $i/name/string()", "ink cap");
    check("for $x in (3, 1, 2) order by $x count $c return $c || ':' || $x", "1:1 2:2 3:3");
    check("for $x in (1, (), 2) let $k := if ($x = 1) then () else $x order by $k empty greatest return $x", "2 1");
    check("for $i in //item group by $p := $i/price/string() return $p || count($i)", "21 72");
    check(
        "for $x in 1 to 6 let $k := $x mod 2 group by $k order by $k return <g k='{$k}'>{$x}</g>",
        "<g k=\"0\">2 4 6</g> <g k=\"1\">1 3 5</g>",
    );
    check("for $x in 1 to 4 where $x mod 2 = 0 count $n order by $n descending return $x", "4 2");
    check("let $x := 1, $x := $x + 1 return $x", "2");
    check("count(for $y in 1 to 10 group by $y := $y, $y := $y mod 2 return $y)", "2");
    check(
        "for tumbling window $w in 1 to 7 start at $s when true() end at $e when $e - $s = 2 return [$w]",
        "[1 2 3] [4 5 6] [7]",
    );
    check(
        "for sliding window $w in 1 to 4 start at $s when true() only end at $e when $e - $s = 1 return sum($w)",
        "3 5 7",
    );
    check(
        "for tumbling window $w in (1, 2, 5, 6) start $s previous $p when not($p = $s - 1) return [$w]",
        "[1 2] [5 6]",
    );
    check("some $x in 1 to 3, $y in 2 to 4 satisfies $x = $y", "true");
    check("every $x in () satisfies false()", "true");
    fails("for $x at $x in 1 return $x", "XQST0089");
    fails("for $x as xs:string in 1 return $x", "XPTY0004");
    fails("for $x in 1 group by $y return $x", "XQST0094");
    fails("for $x in (1, 'a') order by $x return $x", "XPTY0004");
}

#[test]
fn operators_follow_the_type_rules() {
    check("1 + 2 * 3 - 4 idiv 3, 7 mod 4, 1 div 2, -3, +2", "6 3 0.5 -3 2");
    check("() + 1, 1 to 3, 3 to 1", "1 2 3");
    check("1 = (1, 2), (1, 2) != 1, () = (), 'a' lt 'b', 1 eq 1.0", "true true false true true");
    check("(1, 2) = (3, 4) or 1 = 1 and 1 = 2", "false");
    check("'a' || 1 || () || 'b'", "a1b");
    check("if (()) then 1 else 2, if (//item) then 1 else 2", "2 1");
    check("switch (3) case 1 case 3 return 'x' default return 'y'", "x");
    check(
        "typeswitch (1.5) case xs:integer return 'i' case $d as xs:decimal | xs:string return $d + 1 default return 0",
        "2.5",
    );
    check("1 instance of xs:decimal, (1, 2) instance of xs:integer+, 'a' instance of node()", "true true false");
    check("'12' cast as xs:integer + 1, 'x' castable as xs:integer, () castable as xs:integer?", "13 false true");
    check("xs:integer('7'), xs:date('2024-02-29') + xs:yearMonthDuration('P1Y')", "7 2025-02-28");
    check("``[a `{1 + 1}` b`{()}`]``", "a 2 b");
    fails("1 + 'a'", "XPTY0004");
    fails("(1, 2) + 1", "XPTY0004");
    fails("1 div 0", "FOAR0001");
    fails("1 eq 'a'", "XPTY0004");
    fails("'a' treat as xs:integer", "XPDY0050");
    fails("xs:integer('x')", "FORG0001");
}

#[test]
fn functions_are_values_that_capture_and_convert() {
    check(
        "declare function local:f($n as xs:integer) as xs:integer { if ($n le 1) then 1 else $n * local:f($n - 1) };
        local:f(10)",
        "3628800",
    );
    check("let $n := 10 return function($x) { $x + $n }(1)", "11");
    check("let $f := concat('a', ?, 'c') return $f('b')", "abc");
    check("(1 to 3) ! function($x) { function($y) { $x * $y } }(.)(10)", "10 20 30");
    check("fold-left(1 to 5, 0, function($a, $b) { $a + $b })", "15");
    check("for-each(('a', 'b'), upper-case#1)", "A B");
    check("let $f := function($x as xs:double) as xs:string { string($x) } return $f(1)", "1");
    check("'a' => upper-case() => concat('!')", "A!");
    check(
        "declare function local:loop($n, $a) { if ($n = 0) then $a else local:loop($n - 1, $a + 1) }; local:loop(200000, 0)",
        "200000",
    );
    check(
        "declare function local:deep($n) { if ($n = 0) then 0 else 1 + local:deep($n - 1) }; local:deep(10000)",
        "10000",
    );
    check("function-lookup(xs:QName('fn:concat'), 3)('a', 'b', 'c'), function-lookup(xs:QName('xs:none'), 1)", "abc");
    fails("declare function local:f() { 1 + local:f() }; local:f()", "PXLM0005");
    fails("declare function local:f($x as xs:string) { $x }; local:f(1)", "XPTY0004");
    fails("function($x) { 1 }()", "XPTY0004");
}

#[test]
fn maps_and_arrays_are_built_looked_up_and_called() {
    check("map { 'a' : 1, 2 : (3, 4) }?a, map { 2 : (3, 4) }(2)", "1 3 4");
    check("[1, (2, 3)]?2, array { 1 to 3 }(3), [1, 2]?*", "2 3 3 1 2");
    check("(map { 'k' : 1 }, map { 'k' : 2 })?k, map { 'k' : [5, 6] } ! ?k?1", "1 2 5");
    check("data([1, [2, 3]])", "1 2 3");
    fails("map { 1 : 2, 1.0 : 3 }", "XQDY0137");
    fails("[1]?2", "FOAY0001");
}

#[test]
fn constructors_build_trees_with_their_namespaces() {
    check("<a b='x{1 + 1}y{{'>{1, 2}<c/>{'t', <d/>}</a>", "<a b=\"x2y{\">1 2<c/>t<d/></a>");
    check("<a>{1}{2, (3, 4), 5}</a>", "<a>12 3 4 5</a>");
    check("<a>  <b/>  </a>", "<a><b/></a>");
    check("declare boundary-space preserve; <a> <b/> </a>", "<a> <b/> </a>");
    check("element e { attribute x { 1 }, text { 'v' }, comment { 'c' } }", "<e x=\"1\">v<!--c--></e>");
    check("<p:a xmlns:p='u'><p:b/>{element p:c {}}</p:a>", "<p:a xmlns:p=\"u\"><p:b/><p:c/></p:a>");
    check("<a xmlns='u'>{//*:box/*:item/*:name}</a>", "<a xmlns=\"u\"><name xmlns=\"\">cap</name></a>");
    check("<a>{//item[@id = '1']/@id}</a>, <a xmlns:q='v' q:b='1'/>", "<a id=\"1\"/> <a xmlns:q=\"v\" q:b=\"1\"/>");
    check(
        "element {QName('u', 'p:e')} { attribute {QName('w', 'p:x')} {1} }",
        "<p:e xmlns:p=\"u\" xmlns:ns0=\"w\" ns0:x=\"1\"/>",
    );
    check("(<a><b/></a>)/b/..//b", "<b/>");
    check("document { <a/> }/a instance of element(a), text { () }, count(text { '' })", "true 1");
    check("<?p d?>, processing-instruction q { 'e' }, <!--x-->", "<?p d?> <?q e?> <!--x-->");
    check("let $x := <a/> return $x/.. , <a/> is <a/>", "false");
    fails("<a>{'t', attribute b {1}}</a>", "XQTY0024");
    fails("<a>{attribute b {1}, attribute b {2}}</a>", "XQDY0025");
    fails("<a b='1' b='2'/>", "XQST0040");
    fails("element { '1x' } {}", "XQDY0074");
    fails("<a>{true#0}</a>", "XQTY0105");
}

#[test]
fn errors_are_caught_by_name_and_described() {
    check("try { 1 div 0 } catch err:FOAR0001 { 'zero' }", "zero");
    check("try { error(QName('u', 'e'), 'm', 7) } catch *:e { $err:code, $err:description, $err:value }", "e m 7");
    check("try { xs:integer('x') } catch err:FOAR0001 { 1 } catch * { 2 }", "2");
    check("try {\n 1 +\n 'a' } catch * { $err:line-number }", "2");
    fails("try { 1 div 0 } catch err:XPTY0004 { 1 }", "FOAR0001");
}

#[test]
fn prologs_declare_variables_functions_and_contexts() {
    check("declare variable $x := $y + 1; declare variable $y := 1; $x", "2");
    check("declare namespace p = 'u'; declare variable $p:v := 3; $Q{u}v", "3");
    check("declare context item := 5; . + 1", "6");
    check("declare default element namespace 'u'; count(<a><b/></a>/b)", "1");
    fails("declare variable $x := $y; declare variable $y := $x; $x", "XQDY0054");
    fails("declare variable $x external; $x", "XPDY0002");
    fails("declare function local:f() { 1 }; declare function local:f() { 2 }; 1", "XQST0034");
    fails("declare variable $x := 1; declare variable $x := 2; 1", "XQST0049");
    fails("declare function local:f($a, $a) { 1 }; 1", "XQST0039");
    fails("$nowhere", "XPST0008");
    fails("nowhere()", "XPST0017");
    fails("p:a", "XPST0081");
    fails("1 instance of xs:nothing", "XPST0051");
    fails("1 cast as xs:anyAtomicType", "XPST0080");
    fails("declare default collation 'x'; 1", "XQST0038");
}

#[test]
fn errors_have_line_and_column() {
    let error = run("let $x := 1\nreturn $x + $y").unwrap_err();
    let at = error.location.expect("static errors have a place");
    assert_eq!((at.line, at.column), (2, 13));
    let error = run("1,\n  2 div 0").unwrap_err();
    let at = error.location.expect("dynamic errors have a place");
    assert_eq!((at.line, at.column), (2, 3));
}

#[test]
fn a_query_ends_when_its_fuel_is_used_up_or_it_is_cancelled() {
    let query = Query::compile("for $x in 1 to 1000000000 return $x[. < 0]", &Options::default(), &NoResolver).unwrap();
    let mut context = context();
    context.meter = Arc::new(Meter::new(1_000_000, None));
    assert_eq!(&*query.run(&context).unwrap_err().code.local, "PXLM0001");
    context.meter = Arc::new(Meter::default());
    context.meter.cancel();
    assert!(query.run(&context).is_err());
}
