//! What the grammar takes and refuses.

use super::ast::{ExprKind, Module};
use super::parse_module;

fn parse(query: &str) -> Module {
    parse_module(query, None).unwrap_or_else(|error| panic!("{query}\n{error}"))
}

/// Both queries mean the same tree.
fn same(a: &str, b: &str) {
    assert_eq!(parse(a), parse(b), "{a}   and   {b}");
}

fn refused(query: &str, code: &str, line: u32, column: u32) {
    let error = parse_module(query, None).expect_err(query);
    let at = error.location.clone().expect("syntax errors have a place");
    assert_eq!((&*error.code.local, at.line, at.column), (code, line, column), "{query}: {error}");
}

#[test]
fn operators_bind_as_the_precedence_table_says() {
    same("1 + 2 * 3 - 4", "(1 + (2 * 3)) - 4");
    same("1 = 2 + 3 or 4 < 5 and 6 ge 7", "(1 = (2 + 3)) or ((4 < 5) and (6 ge 7))");
    same("a | b intersect c", "a | (b intersect c)");
    same("- 2 instance of xs:integer", "(-2) instance of xs:integer");
    same("1 to 2 + 3", "1 to (2 + 3)");
    same("'a' || 'b' = 'c'", "('a' || 'b') = 'c'");
    same("--1", "+1");
    same("a ! b ! c", "a ! b ! c (: comment (: nested :) :)");
    same("1 cast as xs:string castable as xs:int", "(1 cast as xs:string) castable as xs:int");
    same("$x => f() => g(1)", "($x => f()) => g(1)");
}

#[test]
fn words_of_the_language_are_names_where_a_name_is_meant() {
    for query in [
        "for",
        "if",
        "for/let",
        "return",
        "div div div",
        "* * *",
        "element",
        "/element",
        "declare",
        "every",
        "text",
        "<a/>/if",
        "for $for in for return $for",
        "map/array",
        "xquery",
        "document/version",
        "Q",
        "validate",
        "insert",
        "delete/node",
        "copy",
        "function",
        "validate/lax",
        "typeswitch",
        "ordered",
        "switch",
    ] {
        parse(query);
    }
}

#[test]
fn every_kind_of_expression_is_read() {
    for query in [
        "for $x at $i in 1 to 3, $y allowing empty in () let $z as xs:integer := $x where $x > 1 group by $k := $x mod 2
         collation 'c', $y order by $k descending empty greatest collation 'c', $z stable order by $x count $c return $k",
        "for tumbling window $w as item()* in 1 to 9 start $s at $p previous $a next $b when true() only end when $x return 1",
        "for sliding window $w in 1 to 9 start when true() end $e when $e > 3 return $w",
        "some $a in 1, $b as xs:int in 2 satisfies $a = $b", "switch (1) case 1 case 2 return 3 default return 4",
        "typeswitch (1) case $i as xs:int | xs:string return 1 case empty-sequence() return 2 default $d return $d",
        "try { 1 } catch err:* | *:FOO | Q{u}* | * { $err:code }", "if (1) then 2 else 3", "//a[1][@b = 'c']/@*:d/..",
        "child::node()/descendant-or-self::element(*, xs:untyped?)/self::document-node(element(a))",
        "/", "/ , 1", "(/)/a", "/*", "$f(1, ?)", "concat#2", "Q{u}f(?)", "function($a as xs:int) as item()+ { $a }",
        "%private function() {}", "map { 'a' : 1, 'b' : a:b }", "[1, (2, 3)]", "array { 1 to 3 }", "$m?a?1?*?(1 + 1)",
        "?a", ".5e3 + 1. + 1e-3", "``[a `{ 1 }` ]`` ", "<a xmlns:p='u' b=\"{1}x{{\">t{1, 2}<b/>&lt;<![CDATA[<]]><!--c--><?p d?></a>",
        "element a { 1 }", "element { 'a' } {}", "attribute p:a {}", "document { () }", "text { 1 }", "comment { 1 }",
        "processing-instruction a { 1 }", "namespace p { 'u' }", "ordered { 1 }", "(# p:q x #) { 1 }", "(#p:q#) {}",
        "validate lax { <a/> }", "1 treat as item()", "(1, 2)[. > 1]", "$x instance of function(xs:int, item()*) as map(*)?",
        "$x instance of (function(*))*", "1 instance of array(map(xs:string, xs:int))", "insert node <a/> as first into $x",
        "copy $c := $x modify (delete node $c/a, rename node $c as 'b') return $c", "replace value of node $a with 1",
        "$x transform with { delete node a }", "<a>{'{'}</a>", "'it''s' || \"&quot;&#x41;\"",
        "declare variable $x external := 1; declare %public function local:f($a) { $a }; local:f($x)",
        "xquery version '3.1' encoding 'utf-8'; declare default element namespace 'u'; import module namespace m = 'm' at 'x'; 1",
        "declare context item as element() external; .", "declare decimal-format d NaN = 'x' digit = '?'; 1",
        "module namespace m = 'u'; declare variable $m:x := 1;",
    ] {
        parse(query);
    }
    assert!(matches!(parse("a[1]").body().unwrap().kind, ExprKind::Step(_)));
    assert!(matches!(parse("(a)[1]").body().unwrap().kind, ExprKind::Filter { .. }));
}

#[test]
fn mistakes_are_refused_where_they_stand() {
    refused("1 +", "XPST0003", 1, 4);
    refused("for $x in 1\nretrun 2", "XPST0003", 2, 1);
    refused("1 = 2 = 3", "XPST0003", 1, 7);
    refused("10div 3", "XPST0003", 1, 3);
    refused("<a></b>", "XQST0118", 1, 6);
    refused("<a b='1' b2='{'/>", "XPST0003", 1, 15);
    refused("'open", "XPST0003", 1, 1);
    refused("(: open", "XPST0003", 1, 1);
    refused("namespace::a", "XQST0134", 1, 1);
    refused("if(1)", "XPST0003", 1, 6);
    refused("element()()", "XPST0003", 1, 10);
    refused("'&#0;'", "XQST0090", 1, 2);
    refused("<a xmlns:xml='u'/>", "XQST0070", 1, 17);
    refused("declare base-uri 'a'; declare base-uri 'b'; 1", "XQST0032", 1, 23);
    refused("declare variable $x := 1; declare namespace p = 'u'; 1", "XPST0003", 1, 27);
    refused("xquery version '9.0'; 1", "XQST0031", 1, 21);
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for (open, close) in [("(", ")"), ("<a>{", "}</a>"), ("-(", ")"), ("[", "]"), ("if (1) then ", "")] {
        let query = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
        assert_eq!(&*parse_module(&query, None).unwrap_err().code.local, "XPST0003");
    }
    let long = format!("1{}", " + 1".repeat(3_000));
    drop(parse(&long));
    assert!(parse_module(&format!("1{}", " + 1".repeat(30_000)), None).is_err());
}
