//! Depth: texts, values and documents that nest 100,000 levels end with a result or an error, never with the stack.
//!
//! Everything runs on test threads of 2 MiB. An overflow would end the whole test program.

use phoenixmldb_xdm::atomic::Moment;
use phoenixmldb_xdm::error::Error;
use phoenixmldb_xdm::serialize::{self, Parameters};
use phoenixmldb_xdm::{Atomic, Item, Meter, QName, Sequence};
use phoenixmldb_xquery::{DynamicContext, NoResolver, Options, Query};
use std::sync::Arc;

const DEEP: usize = 100_000;

fn run(query: &str) -> Result<String, Box<Error>> {
    run_with(query, &[])
}

fn run_with(query: &str, variables: &[(&str, &str)]) -> Result<String, Box<Error>> {
    let query = Query::compile(query, &Options::default(), &NoResolver)?;
    let now = Moment { year: 2024, zone: Some(0), ..Moment::DEFAULT };
    let mut context = DynamicContext::new(now, Arc::new(NoResolver));
    context.meter = Arc::new(Meter::new(2_000_000_000, None));
    for (name, value) in variables {
        context.variables.insert(QName::new("", "", *name), Sequence::from(Atomic::string(*value)));
    }
    let result = query.run(&context)?;
    serialize::sequence(&result, &Parameters::default())
}

/// A result, or an error with a code; which one it is does not matter here.
fn ends(query: &str) {
    if let Err(error) = run(query) {
        assert!(!error.code.local.is_empty());
    }
}

fn fails(query: &str, code: &str) {
    let shown: String = query.chars().take(60).collect();
    match run(query) {
        Err(error) => assert_eq!(error.code.local, code, "{shown}: {error}"),
        Ok(_) => panic!("{shown} should fail with {code}"),
    }
}

#[test]
fn nested_expressions_are_bounded() {
    let nested = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(DEEP), close.repeat(DEEP));
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("array {", "1", "}"),
        ("map { 1: ", "1", "}"),
        ("<a>", "", "</a>"),
        ("<a>{", "1", "}</a>"),
        ("<a b='{", "1", "}'/>"),
        ("element a {", "1", "}"),
        ("document {", "1", "}"),
        ("not(", "1", ")"),
        ("(1)[", "1", "]"),
        ("if (1) then ", "1", " else 2"),
        ("if (", "1", ") then 1 else 2"),
        ("let $x := 1 return ", "1", ""),
        ("let $x := ", "1", " return 1"),
        ("for $x in ", "1", " return 1"),
        ("some $x in ", "1", " satisfies 1"),
        ("function($x) {", "1", "}"),
        ("try {", "1", "} catch * { 2 }"),
        ("switch (", "1", ") case 1 return 1 default return 2"),
        ("typeswitch (1) case xs:integer return ", "1", " default return 2"),
        ("``[`{", "1", "}`]``"),
        ("ordered {", "1", "}"),
        ("(# a:b #) {", "1", "}"),
        ("1 instance of map(xs:string, ", "item()", ")"),
        ("$x instance of function(", "item()", ") as item()"),
        ("-", "1", ""),
        ("validate {", "1", "}"),
        ("(:", "", ":)"),
        ("copy $c := ", "<a/>", " modify () return $c"),
        ("1 + (", "1", ")"),
        ("1, (", "1", ")"),
        ("a[", "b", "]"),
        ("a/(", "b", ")"),
        ("f#1(", "b", ")"),
        ("1 => f(", "b", ")"),
    ] {
        ends(&nested(open, inner, close));
        // Never closed, and closed without being opened.
        ends(&nested(open, inner, ""));
        ends(&nested("", inner, close));
    }
    fails(&nested("(", "1", ")"), "XPST0003");
}

#[test]
fn long_chains_are_bounded_or_evaluated() {
    for (first, part) in [
        ("1", " + 1"),
        ("1", " * 1"),
        ("1", " idiv 1"),
        ("1", " or 0"),
        ("1", " and 1"),
        ("1", " || 1"),
        ("1", ", 1"),
        ("1", " ! 1"),
        ("1", " = 1"),
        ("1", " to 1"),
        ("<a/>", " | <a/>"),
        ("<a/>", " except <a/>"),
        ("<a/>", "/a"),
        ("<a/>", "//a"),
        ("<a/>", "/(a)"),
        ("<a/>", "/string()"),
        ("1", "[1]"),
        ("map { }", "?a"),
        ("1", " => abs()"),
        ("abs#1", "(1)"),
        ("1", " cast as xs:integer"),
        ("1", " instance of xs:integer"),
        ("1", " treat as xs:integer"),
        ("-1", " - -1"),
        ("<a/>", "<a/>"),
        ("1", " (: a :)"),
        ("1", "(:"),
    ] {
        ends(&format!("{first}{}", part.repeat(DEEP)));
    }
    let clauses = |clause: &str| format!("{} return 1", clause.repeat(DEEP));
    ends(&clauses("let $x := 1 "));
    ends(&clauses("for $x in 1 "));
    ends(&format!("for $x in 1 {} return 1", "where 1 ".repeat(DEEP)));
    ends(&format!("for $x in 1 {} return 1", "count $c ".repeat(DEEP)));
    ends(&format!("for $x in 1 {} return 1", "order by $x ".repeat(DEEP)));
    ends(&format!("{}1", "declare variable $v := 1;".repeat(DEEP)));
    ends(&format!("some {} $y in 1 satisfies 1", "$x in 1, ".repeat(DEEP)));
    ends(&format!("switch (1) {} default return 1", "case 2 return 2 ".repeat(DEEP)));
    ends(&format!("if (0) then 1 {} else 1", "else if (0) then 2 ".repeat(DEEP)));
    let chain: String = (1..20_000).map(|n| format!("declare variable $v{n} := $v{};", n - 1)).collect();
    ends(&format!("declare variable $v0 := 1; {chain} $v19999"));
    let calls: String =
        (1..20_000).map(|n| format!("declare function local:f{n}() {{ 1 + local:f{}() }};", n - 1)).collect();
    ends(&format!("declare function local:f0() {{ 1 }}; {calls} local:f19999()"));
}

/// Values that nest, made without nesting the query.
const NESTED: [&str; 4] = [
    "fold-left(1 to 100000, [], function($a, $n) { [$a] })",
    "fold-left(1 to 100000, 1, function($a, $n) { map { 1: $a } })",
    "fold-left(1 to 100000, 1, function($a, $n) { array { 1, $a, map { 'a': ($a, 2) } } })",
    "fold-left(1 to 100000, function() { 1 }, function($f, $n) { function() { $f } })",
];

#[test]
fn values_that_nest_are_used_and_dropped() {
    for nested in NESTED {
        for use_of in [
            "count($v)",
            "data($v)",
            "string($v)",
            "array:flatten($v)",
            "deep-equal($v, $v)",
            "deep-equal($v, $w)",
            "($v, $w) ! 1",
            "serialize($v, map { 'method': 'json' })",
            "serialize($v, map { 'method': 'adaptive' })",
            "serialize($v)",
            "$v",
            "<a>{ $v }</a>",
            "sort(($v, $w))",
            "distinct-values(($v, $w))",
            "array:size(array { $v })",
            "map:find($v, 2)",
            "boolean($v)",
            "$v = $w",
            "trace($v) ! 1",
            "$v instance of array(array(array(*)))",
            "error((), 'x', $v)",
        ] {
            ends(&format!("let $v := {nested} let $w := {nested} return {use_of}"));
        }
        // What is shared counts for each place it stands in, so that the memory of some is over the bound.
        match run(&format!("count({nested})")) {
            Ok(count) => assert_eq!(count, "1"),
            Err(error) => assert_eq!(error.code.local, "PXLM0004", "{error}"),
        }
    }
}

#[test]
fn json_that_nests_is_read_and_written() {
    let array = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let object = format!("{}1{}", "{\"a\":".repeat(DEEP), "}".repeat(DEEP));
    for text in [&array, &object, &array[..DEEP + 5].to_owned(), &object[..DEEP].to_owned()] {
        for use_of in [
            "count(parse-json($t))",
            "serialize(parse-json($t), map { 'method': 'json' })",
            "serialize(parse-json($t), map { 'method': 'adaptive' })",
            "deep-equal(parse-json($t), parse-json($t))",
            "count(json-to-xml($t)//*)",
            "xml-to-json(json-to-xml($t))",
        ] {
            drop(run_with(&format!("declare variable $t external; {use_of}"), &[("t", text.as_str())]));
        }
    }
}

#[test]
fn documents_that_nest_are_bounded_and_used() {
    let document = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let parse = |use_of: &str, depth: usize| {
        run_with(
            &format!("declare variable $t external; let $d := parse-xml($t) return {use_of}"),
            &[("t", document(depth).as_str())],
        )
    };
    assert_eq!(parse("count($d//a)", 9_999).unwrap(), "9999");
    assert_eq!(parse("1", DEEP).unwrap_err().code.local, "FODC0006");
    for use_of in [
        "deep-equal($d, parse-xml($t))",
        "string-length(serialize($d))",
        "string-length(serialize($d, map { 'indent': true() }))",
        "string-length(serialize($d, map { 'method': 'html' }))",
        "string-length(serialize($d, map { 'method': 'xhtml', 'indent': true() }))",
        "string-length(serialize($d, map { 'method': 'json' }))",
        "string-length(path(($d//a)[last()]))",
        "count(<b>{ $d }</b>//a)",
        "count(<b>{ <c>{ $d }</c> }</b>//a)",
        "count(($d//a)[last()]/ancestor::a)",
        "generate-id(($d//a)[last()])",
        "count(in-scope-prefixes(($d//a)[last()]))",
        "$d",
    ] {
        parse(use_of, 9_000).unwrap();
    }
    fails(
        "declare function local:f($n) { if ($n = 0) then () else <a>{ local:f($n - 1) }</a> }; local:f(12000)",
        "XQDY0901",
    );
    ends("count(fold-left(1 to 3000, <a/>, function($a, $n) { <a>{ $a }</a> })//a)");
    // Attack by entities.
    let bomb = format!(
        "<!DOCTYPE a [<!ENTITY e0 'xxxxxxxxxx'>{}]><a>&e9;</a>",
        (1..10).map(|n| format!("<!ENTITY e{n} '{}'>", format!("&e{};", n - 1).repeat(10))).collect::<String>()
    );
    assert!(run_with("declare variable $t external; parse-xml($t)", &[("t", bomb.as_str())]).is_err());
}

#[test]
fn regular_expressions_that_nest_or_repeat_are_bounded() {
    for pattern in [
        format!("{}a{}", "(".repeat(DEEP), ")".repeat(DEEP)),
        format!("{}a{}", "(a|".repeat(DEEP), ")".repeat(DEEP)),
        format!("a{}", "{1,9}".repeat(DEEP)),
        format!("{}a{}", "(".repeat(1_000), "{2}){2}".repeat(1_000)),
        "(((a{1000}){1000}){1000}){1000}".to_owned(),
        format!("{}a{}", "[a-[".repeat(DEEP), "]]".repeat(DEEP)),
        format!("(a){}", r"\1".repeat(DEEP)),
        "a|".repeat(DEEP),
        format!("(.){}", r"\1?".repeat(1_000)),
        r"(.*)\1$".to_owned(),
        r"((a*)*b\2)*$".to_owned(),
    ] {
        let subject = "a".repeat(50_000);
        let variables = [("p", pattern.as_str()), ("s", subject.as_str())];
        for call in ["matches('aaaa', $p)", "replace('aaaa', $p, 'b')", "tokenize('aaaa', $p)"] {
            drop(run_with(&format!("declare variable $p external; declare variable $s external; {call}"), &variables));
        }
    }
}

#[test]
fn numbers_without_end_are_read() {
    let digits = "9".repeat(DEEP);
    for query in [
        digits.clone(),
        format!("{digits}.{digits}"),
        format!("1e{digits}"),
        format!("xs:integer('{digits}')"),
        format!("xs:decimal('0.{digits}')"),
        format!("xs:double('{digits}')"),
        format!("'&#{digits};'"),
        format!("(1)[{digits}]"),
        format!("xs:duration('P{digits}Y')"),
        format!("xs:date('{digits}-01-01')"),
        format!("format-number({digits}, '0')"),
        format!("format-integer(1, '{}')", "0".repeat(DEEP)),
        format!("format-number(1, '{}')", "0".repeat(DEEP)),
        "math:pow(10, 1000000000000)".to_owned(),
        "round(1.5, 1000000000000)".to_owned(),
        "round(1.5, -1000000000000)".to_owned(),
        "format-number(1e300, '#,##0.00')".to_owned(),
        "substring('abc', -1e300, 1e308)".to_owned(),
        "subsequence(1 to 10, xs:double('-INF'), xs:double('INF'))".to_owned(),
        "remove(1 to 10, 9223372036854775807)".to_owned(),
        "insert-before(1 to 10, -9223372036854775808, 1)".to_owned(),
        "count(-9223372036854775808 to 9223372036854775807)".to_owned(),
        "(-9223372036854775808 to 9223372036854775807)[last()]".to_owned(),
        "sum(-9223372036854775808 to 9223372036854775807)".to_owned(),
        "(9223372036854775800 to 9223372036854775807) ! (. + 1)".to_owned(),
        "array:subarray([1, 2], 9223372036854775807, 9223372036854775807)".to_owned(),
        "codepoints-to-string(-1), codepoints-to-string(1114112)".to_owned(),
        "xs:yearMonthDuration('P9223372036854775807M') * 9e300".to_owned(),
        "xs:date('2024-01-01') + xs:yearMonthDuration('P999999999Y')".to_owned(),
        "-9223372036854775808 idiv -1, -9223372036854775808 mod -1".to_owned(),
        "170141183460469231731687303715884105727 + 1".to_owned(),
        "-170141183460469231731687303715884105728 idiv -1".to_owned(),
        "abs(-170141183460469231731687303715884105728)".to_owned(),
        "99999999999999999999999999999 * 99999999999999999999999999999".to_owned(),
    ] {
        ends(&query);
    }
}

#[test]
fn an_error_value_keeps_what_it_was_given() {
    let error = run("error((), 'x', (1, [2]))").unwrap_err();
    assert!(matches!(error.value.unwrap().get(1), Some(Item::Function(_))));
}
