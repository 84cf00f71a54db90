//! Rewrites change no result: every query gives the same with and without them, written at once or from a sequence.
//!
//! Queries are put together from parts, so that the forms the rewrites look for meet all kinds of values: texts that are
//! numbers and texts that are not, missing and repeated keys, names at several depths, small trees without a summary
//! and large ones with it.

use crate::{DynamicContext, NoResolver, Options, Query};
use phoenixmldb_xdm::atomic::Moment;
use phoenixmldb_xdm::serialize::{self, Method, Parameters};
use phoenixmldb_xdm::{Item, Node, ParseOptions, parse_xml};
use std::fmt::Write;
use std::sync::Arc;

/// A shop: items at two depths, some without price, some with several tags, notes that are no numbers.
fn shop(items: usize) -> String {
    let mut out = String::from("<shop><!--c--><items>");
    for n in 0..items {
        write!(out, "<item id='i{n}' owner='p{}'>", n % 7).unwrap();
        if n % 3 != 0 {
            write!(out, "<price>{}.{}</price>", n % 11, n % 4).unwrap();
        }
        for tag in 0..n % 4 {
            write!(out, "<tag>t{}</tag>", (n + tag) % 5).unwrap();
        }
        write!(out, "<note>{}</note>", ["7", "x", "NaN", " 3 ", ""][n % 5]).unwrap();
        if n % 10 == 0 {
            write!(out, "<box><item id='b{n}'><tag>t1</tag></item></box>").unwrap();
        }
        out.push_str("</item>");
    }
    out.push_str("</items><people>");
    for n in 0..9 {
        write!(out, "<person id='p{n}' age='{}'><name>n{n}</name><wants>t{}</wants></person>", 20 + n, n % 6).unwrap();
    }
    out.push_str("</people></shop>");
    out
}

fn context(items: usize) -> DynamicContext {
    let now = Moment { year: 2024, month: 2, day: 29, nanos: 0, zone: Some(0) };
    let mut context = DynamicContext::new(now, Arc::new(NoResolver));
    let tree = parse_xml(shop(items).as_bytes(), &ParseOptions::default()).unwrap();
    assert_eq!(tree.summary().is_some(), items > 50);
    context.context_item = Some(Item::Node(Node::root_of(&tree)));
    context
}

fn outcome(query: &str, optimize: bool, context: &DynamicContext, method: Method) -> Result<String, String> {
    let options = Options { optimize, ..Options::default() };
    let parameters = Parameters { method, ..Parameters::default() };
    let code = |error: Box<phoenixmldb_xdm::Error>| error.code.local.to_string();
    let query = Query::compile(query, &options, &NoResolver).map_err(code)?;
    let separate = query.run(context).and_then(|value| serialize::sequence(&value, &parameters)).map_err(code);
    let at_once = query.serialize(context, &parameters).map_err(code);
    assert_eq!(separate, at_once, "written at once");
    separate
}

fn same(query: &str, contexts: &[DynamicContext]) {
    for context in contexts {
        for method in [Method::Adaptive, Method::Xml] {
            let plain = outcome(query, false, context, method);
            let optimized = outcome(query, true, context, method);
            assert_eq!(optimized, plain, "{query}");
        }
    }
}

fn contexts() -> [DynamicContext; 2] {
    [context(12), context(60)]
}

#[test]
fn paths_are_the_same_as_routes() {
    let contexts = contexts();
    let starts = ["/shop", "/", "//item", "/shop/items/item", "(//item)[position() < 9]", "//item/.."];
    let steps = [
        "item",
        "items/item",
        "@id",
        "*",
        "//tag",
        "//item",
        "text()",
        "//text()",
        "node()",
        ".",
        "self::item",
        "box//tag",
        "item[2]",
        "item[last()]",
        "tag[1]",
        "*[2]",
        "item[box]",
        "item[@id = 'i7']",
        "item[tag = ('t1', 't3')]",
        "item[price = 3.1]",
        "item[note = 7]",
        "item[@id eq 'i3']",
        "tag[. = 't2'][1]",
        "descendant-or-self::item/@owner",
        "element(item)",
        "attribute(*)",
        "comment()",
        "*:item",
        "ancestor::items",
        "item[not(price)]",
        "box/../tag",
    ];
    for start in starts {
        for first in steps {
            let step = if first.starts_with('/') || start == "/" && !first.starts_with('/') { "" } else { "/" };
            let path = format!("{start}{step}{first}");
            let path = path.replace("///", "//");
            same(&path, &contexts);
            same(&format!("count({path}), exists({path}), empty({path}), boolean({path})"), &contexts);
            for second in ["tag", "@id", "*[1]", "//tag", "note/text()", "..", "self::*"] {
                let step = if second.starts_with('/') { "" } else { "/" };
                same(&format!("{path}{step}{second}"), &contexts);
            }
        }
    }
}

#[test]
fn joins_give_what_loops_give() {
    let contexts = contexts();
    let keys = [
        "$i/@owner",
        "$i/tag",
        "$i/price",
        "$i/note",
        "number($i/price)",
        "xs:decimal($i/price)",
        "string($i/@id)",
        "xs:integer(5)",
        "$i/price * 2",
        "count($i/tag)",
        "$i/missing",
        "exactly-one($i/price)",
        "($i/price, 'x')",
        "$i/tag/text()",
        "xs:float($i/price[1])",
        "$i/price > 3",
    ];
    let probes = [
        "$p/@id",
        "$p/wants",
        "$p/@age",
        "number($p/@age) - 18",
        "xs:integer($p/@age) - 20",
        "($p/@id, 'p3')",
        "$p/none",
        "xs:decimal('3.1') + 0 * $p/@age",
        "string($p/wants)",
        "$p/@age - 19.5",
        "error()[$p/@id = 'p2']",
        "xs:float(3.1)[$p]",
        "$p/wants = 't1'",
        "xs:double('NaN')[$p]",
        "$p",
    ];
    for key in keys {
        for probe in probes {
            for op in ["=", "<", ">=", "eq", "gt", "!="] {
                let condition = format!("{probe} {op} {key}");
                same(
                    &format!(
                        "for $p in //person let $m := for $i in /shop/items/item where {condition} return $i \
                         return <p id='{{$p/@id}}'>{{count($m)}}</p>"
                    ),
                    &contexts,
                );
            }
            same(
                &format!(
                    "for $p in //person, $i in /shop/items/item where {key} = {probe} and $i/tag return ($p/@id/string(), \
                     $i/@id/string())"
                ),
                &contexts,
            );
            same(
                &format!("for $p in //person where some $i in //item satisfies {key} = {probe} return $p/name"),
                &contexts,
            );
        }
    }
}

#[test]
fn variables_constants_and_remembered_values_change_nothing() {
    let contexts = contexts();
    let queries = [
        "let $a := //item[1] let $b := $a return ($b, 1)",
        "let $a := <a/> return ($a is $a, count(($a | $a)))",
        "for $i in 1 to 3 let $n := <n>{$i}</n> order by -$i return $n",
        "for $i in //item let $t := $i/tag group by $o := $i/@owner return <g o='{$o}'>{count($t)}</g>",
        "for $i in //item where $i/price > avg(//price) return $i/@id/string()",
        "for $i in //item return count(//item[price > 3][@owner = $i/@owner])",
        "//person[@id = //item[1]/@owner]/name",
        "for $p in //person return //item[@owner = $p/@id][1]/@id/string()",
        "//item[contains(note, 'x')]/@id/string(), //item[starts-with(@id, 'i1')]/note, //item[ends-with(@id, '9')]/note",
        "contains((), ''), contains('a', ()), contains('', 'b'), contains(//note, 'x')",
        "//item[contains(., 't1')][2], contains(5, '5')",
        "if (1 + 1 = 2) then 3 * 4 else 1 idiv 0",
        "try { let $x := 1 idiv 0 return $x } catch * { 'caught' }",
        "let $x := trace(1, 'x') return 2",
        "some $x in //price satisfies $x > 10, every $x in //price satisfies $x >= 0",
        "let $f := function($x) { $x + 1 } return for $i in 1 to 3 return $f($i)",
        "declare function local:f($n) { if ($n = 0) then 'end' else local:f($n - 1) }; local:f(300)",
        "for $i in (1, 2, 1) let $s := sum(1 to 10) return $s + $i",
        "for $x in //item for $y in $x/tag where $y = $x/tag[1] return $y/text()",
        "<a x='1'>{//item[3], 1, 2, 'a', <b xmlns='u'>{//item[4]}</b>}</a>",
        "<a xmlns:p='u'>{//person[1]}</a>, 1, 2, <b/>, 'x', attribute c {1}",
        "declare copy-namespaces preserve, no-inherit; let $a := <a xmlns='u'/> let $b := <p:b xmlns:p='v' xmlns='w'>{$a}</p:b> \
         return in-scope-prefixes($b/*)",
        "declare copy-namespaces no-preserve, inherit; let $a := <a xmlns:q='u'/> return <p:b xmlns:p='v'>{$a}</p:b>",
        "document { <a>{1 to 3}</a> }, text { 'x' }, //comment()",
        "<r>{ for $p in //person return ($p/@age, 5) }</r>",
        "<r>{ for $p in //person return (data($p/@age), 5) }</r>",
        "for $p in //person return $p/name/text()",
        "for $n at $at in //note where $n = '7' return $at",
        "(1 to 5)[. = 3], //item[3]/tag[. = 't3'], (//tag)[. = 't3'][2]",
        "for $x in //item[note = 7] return $x/@id/string()",
        "map { 'a' : //item[1] }?a/@id/string(), [1, <a/>]?2",
        "string-join(for $i in //item order by $i/note, $i/@id descending return $i/@id, ' ')",
        "for tumbling window $w in //item start when true() end $e when $e/tag return <w>{count($w)}</w>",
    ];
    for query in queries {
        same(query, &contexts);
    }
}

#[test]
fn only_errors_that_nothing_depends_on_are_left_out() {
    let [context, _] = contexts();
    let query = "let $unused := 1 div 0 return 2";
    assert_eq!(outcome(query, false, &context, Method::Xml), Err("FOAR0001".to_owned()));
    assert_eq!(outcome(query, true, &context, Method::Xml), Ok("2".to_owned()));
    // An error on purpose, and one whose value is used, stay.
    for query in ["let $unused := error() return 2", "let $used := 1 div 0 return ($used, 2)"] {
        assert_eq!(outcome(query, true, &context, Method::Xml), outcome(query, false, &context, Method::Xml));
        assert!(outcome(query, true, &context, Method::Xml).is_err());
    }
}
