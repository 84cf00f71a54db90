//! Random mutations of documents, queries and JSON: nothing panics, overflows the stack or hangs, and what is read and
//! written again is the same.
//!
//! ```text
//!  tests/fuzz/corpus/{xml,query,json} + seeds below ─► mutate (seeded) ─► check
//! ```
//!
//! The plain run is short and always the same. A long one takes a time and a seed:
//!
//! ```text
//!  FUZZ_SECONDS=300 FUZZ_SEED=7 FUZZ_CURRENT=input cargo test -p phoenixmldb-xquery --test mutations -- --nocapture
//! ```
//!
//! The input at work is kept in the file `FUZZ_CURRENT`, so that one that ends the process is not lost. What was found
//! goes to the corpus, which is always run whole.

#![allow(clippy::disallowed_methods, reason = "a hang is found by measuring")]
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a step that fails is a failed test; what was tried is shown

use phoenixmldb_xdm::atomic::Moment;
use phoenixmldb_xdm::serialize::xml::to_xml;
use phoenixmldb_xdm::{Atomic, Meter, Node, NodeKind, ParseOptions, QName, Sequence, parse_xml};
use phoenixmldb_xquery::syntax::parse_module;
use phoenixmldb_xquery::{DynamicContext, NoResolver, Options, Query};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time one input may take, in a build without optimisation on a busy machine.
const SLOW: Duration = Duration::from_secs(10);

/// Inputs of the plain run, for each kind.
const PLAIN_INPUTS: u64 = 1_500;

/// Longest input, in bytes.
const INPUT_BYTES_MAX: usize = 4_096;

const XML: &[&str] = &[
    "<a b='1' c=\"&lt;&#10;\"><!-- c --><?p d?>t<b/>&amp;<![CDATA[x]]></a>",
    "<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE a [<!ENTITY e 'x<b/>'><!ATTLIST a i ID #IMPLIED d CDATA 'v'>]><a i='k'>&e;</a>",
    "<p:a xmlns:p='u' xmlns='v'><b xmlns='' p:c='1' xml:space='preserve'> </b></p:a>",
    "<!DOCTYPE a PUBLIC 'p' 's' [<!ELEMENT a (b|c)*><!NOTATION n SYSTEM 'x'><!ENTITY % p 'q'>]><a>\r\n\t\u{e9}\u{1F600}</a>",
];

const JSON: &[&str] = &[
    "{\"a\":[1,2.5e-3,true,null,\"\\u0041\\n\\ud83d\\ude00\"],\"b\":{\"c\":{}}}",
    "[[],[[]],-0,1E400,\"\",{\"a\":1,\"a\":2}]",
];

const QUERIES: &[&str] = &[
    "for $x at $i in 1 to 5 let $y := $x * 2 where $y > 3 group by $k := $y mod 3 order by $k descending return ($k, count($x))",
    "let $d := <a><b n='1'>x</b><b n='2'/></a> return $d//b[@n > 1]/../b[1]/preceding-sibling::*/string()",
    "declare variable $v as xs:integer? external := 5; declare function local:f($n as xs:integer) as xs:integer { if ($n le 1) then 1 else $n * local:f($n - 1) }; local:f(10)",
    "map { 'a': [1, (2, 3)], 'b': map:merge((map { 1: 2 }, map { 1: 3 })) }?a?*",
    "try { error(QName('u', 'p:c'), 'm', 1) } catch *:c { $err:code, $err:description } catch * { 2 }",
    "typeswitch (<a/>) case $e as element(b) return 1 case document-node() | attribute() return 2 default $d return name($d)",
    "for tumbling window $w in (1 to 9) start $s at $p when $s mod 3 = 1 end $e next $n when $n > 7 return sum($w)",
    "replace('abcabc', '(a)(b)?', '$2$1'), tokenize('a,b;c', '[,;]'), matches('aa', '(.)\\1'), analyze-string('x1y', '\\d')",
    "format-number(1234.5, '#,##0.00'), format-date(current-date(), '[Y0001]-[M01]-[D01]'), format-integer(12, 'w')",
    "xs:date('2024-02-29') + xs:yearMonthDuration('P1Y'), xs:dateTime('2024-01-01T00:00:00Z') - xs:dayTimeDuration('PT1S')",
    "``[a`{1 + 1}`b]``, \"&lt;&#x41;\", 'it''s', 1e3, .5, 5., 0x",
    "fold-left(1 to 5, 0, function($a, $b) { $a + $b }), sort((3, 1, 2)), for-each-pair(1 to 2, 3 to 4, concat#2), (1, 2) ! (. + 1)",
    "element { 'a' } { attribute b { 1 }, text { 'x' }, comment { 'c' }, processing-instruction p { 'd' }, namespace q { 'u' } }",
    "parse-json('[1,{\"a\":null}]') => serialize(map { 'method': 'json' }), xml-to-json(json-to-xml('{\"a\":[true]}'))",
    "copy $c := <a><b/></a> modify (insert node <c/> into $c, delete node $c/b, rename node $c as 'd') return $c",
    "every $x in (1, 2), $y in ($x, 3) satisfies $x <= $y and not($x is $y) or $x << $y",
    "xquery version '3.1'; declare default element namespace 'u'; declare option output:method 'json'; declare boundary-space preserve; <a> {1} </a>",
    "serialize(<a>{1 to 3}</a>, map { 'indent': true() }), parse-xml('<a/>'), path(<a><b/></a>/b), deep-equal((1, <a/>), (1.0, <a/>))",
    "substring('abc', 2, 1) || upper-case('x') || string-join(('a', 'b'), '-') || normalize-unicode('é', 'NFD') || codepoints-to-string((65, 66))",
    "switch (5) case 1 case 2 return 'a' default return distinct-values((1, 1.0, 'a')) = index-of((1, 2), 2)",
];

/// Pieces of the languages, to be put anywhere.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "</",
    "/>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "&",
    ";",
    "&#x",
    "\"",
    "'",
    "$x",
    "$",
    "@",
    "*",
    "//",
    "/",
    "..",
    ".",
    "::",
    ":",
    ":=",
    ",",
    "|",
    "||",
    "!",
    "=>",
    "?",
    "#",
    "1",
    "0",
    "-",
    "+",
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "INF",
    "NaN",
    "()",
    "[]",
    "map { }",
    "<a/>",
    "xs:",
    "fn:",
    "for ",
    "let ",
    "return ",
    "if ",
    "then ",
    "else ",
    "some ",
    "in ",
    "order by ",
    "group by ",
    "count ",
    "where ",
    "function(",
    "%",
    "as ",
    "instance of ",
    "cast as xs:integer",
    "treat as item()*",
    "to ",
    "div ",
    "idiv ",
    "mod ",
    "eq ",
    "is ",
    "union ",
    "declare ",
    "variable ",
    "external ",
    "import module ",
    "namespace ",
    "Q{u}",
    "(:",
    ":)",
    "(#",
    "#)",
    "``[",
    "]``",
    "`{",
    "}`",
    "\u{0}",
    "\u{fffe}",
    "\u{1F600}",
    "\r\n",
    "\t",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "xmlns",
    "xml:",
    "xmlns:p=''",
    "<!DOCTYPE a [",
    "<!ENTITY e '&e;'>",
    "&e;",
    "%p;",
    "last()",
    "position()",
    "child::",
    "ancestor-or-self::",
    "text()",
    "node()",
    "array { ",
    "validate ",
    "try {",
    "} catch * {",
    "insert node ",
    "delete node ",
    "modify ",
    "copy $c := ",
];

/// A small generator, so that a seed always gives the same inputs (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

fn mutate(random: &mut Random, seeds: &[String]) -> String {
    let mut chars: Vec<char> = seeds[random.below(seeds.len())].chars().collect();
    for _ in 0..=random.below(6) {
        let at = random.below(chars.len() + 1);
        let end = (at + 1 + random.below(12)).min(chars.len());
        match random.below(8) {
            0 => drop(chars.drain(at..end)),
            1 => drop(chars.splice(at..at, random.one(PIECES).chars())),
            2 => drop(chars.splice(at..end, random.one(PIECES).chars())),
            3 => {
                let part: Vec<char> = chars[at..end].to_vec();
                let times = 1 + random.below(30);
                drop(chars.splice(at..at, part.iter().copied().cycle().take(part.len() * times).collect::<Vec<_>>()));
            }
            4 => {
                let other: Vec<char> = seeds[random.below(seeds.len())].chars().collect();
                let from = random.below(other.len() + 1);
                let to = from + random.below(other.len() - from + 1);
                drop(chars.splice(at..end, other[from..to].iter().copied()));
            }
            5 if at < chars.len() => {
                let other = random.below(chars.len());
                chars.swap(at, other);
            }
            6 if at < chars.len() => {
                chars[at] = char::from_u32(u32::try_from(random.next() % 0x300).unwrap()).unwrap();
            }
            _ => chars.truncate(at.max(1)),
        }
    }
    let mut text: String = chars.into_iter().collect();
    while text.len() > INPUT_BYTES_MAX {
        text.pop();
    }
    text
}

/// What a reader sees of a document.
fn shape(node: &Node) -> Vec<(NodeKind, u16, String, String)> {
    let tree = &node.tree;
    let row = |pre: u32| {
        let node = Node { tree: tree.clone(), pre };
        let name = node.name().map(|name| format!("{{{}}}{}", name.uri, name.local)).unwrap_or_default();
        (node.kind(), tree.level(pre), name, node.string_value().to_owned())
    };
    (0..tree.len()).map(row).collect()
}

fn check_xml(text: &str) {
    let Ok(tree) = parse_xml(text.as_bytes(), &ParseOptions::default()) else { return };
    let root = Node::root_of(&tree);
    let written = to_xml(&root);
    let again = parse_xml(written.as_bytes(), &ParseOptions::default());
    let again = again.unwrap_or_else(|error| panic!("{written:?} cannot be read again: {error}"));
    assert_eq!(shape(&root), shape(&Node::root_of(&again)), "{written:?}");
}

fn run(query: &str, text: Option<&str>) -> Result<Sequence, Box<phoenixmldb_xdm::Error>> {
    let query = Query::compile(query, &Options::default(), &NoResolver)?;
    let now = Moment { year: 2024, zone: Some(0), ..Moment::DEFAULT };
    let mut context = DynamicContext::new(now, Arc::new(NoResolver));
    context.meter = Arc::new(Meter::new(100_000, None).with_memory(32 << 20).with_stack(32 << 20));
    if let Some(text) = text {
        context.variables.insert(QName::new("", "", "t"), Sequence::from(Atomic::string(text)));
    }
    query.run(&context)
}

fn check_query(text: &str) {
    if parse_module(text, None).is_ok()
        && let Ok(result) = run(text, None)
    {
        for method in ["xml", "adaptive", "json"] {
            let mut parameters = phoenixmldb_xdm::serialize::Parameters::default();
            parameters.set("method", method).unwrap();
            if result.len() < 10_000 {
                drop(phoenixmldb_xdm::serialize::sequence(&result, &parameters));
            }
        }
    }
}

fn check_json(text: &str) {
    let prolog =
        "declare variable $t external; declare variable $o := map { 'duplicates': 'use-last', 'escape': true() };";
    let again =
        "let $v := parse-json($t, $o) return deep-equal($v, parse-json(serialize($v, map { 'method': 'json' })))";
    drop(run(&format!("{prolog} {again}"), Some(text)));
    drop(run(&format!("{prolog} xml-to-json(json-to-xml($t))"), Some(text)));
}

fn corpus(kind: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(kind);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
}

fn fuzz(kind: &str, seeds: &[&str], check: fn(&str)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = number("FUZZ_SECONDS");
    let current = std::env::var_os("FUZZ_CURRENT").map(|path| PathBuf::from(path).with_extension(kind));
    let mut random = Random(number("FUZZ_SEED").unwrap_or(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let known = corpus(kind);
    let seeds: Vec<String> = seeds.iter().map(|seed| (*seed).to_owned()).chain(known.iter().cloned()).collect();
    let started = Instant::now();
    let (mut inputs, mut failures) = (0_u64, Vec::new());
    let mut waiting = seeds.iter();
    loop {
        let more = seconds.map_or(inputs < PLAIN_INPUTS, |seconds| started.elapsed().as_secs() < seconds);
        let input = match waiting.next() {
            Some(seed) => seed.clone(),
            None if more => mutate(&mut random, &seeds),
            None => break,
        };
        if let Some(current) = &current {
            std::fs::write(current, &input).unwrap();
        }
        let began = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| check(&input)));
        if ended.is_err() || began.elapsed() > SLOW {
            println!("FOUND {kind} after {:?}: {input:?}", began.elapsed());
            failures.push(input);
        }
        inputs += 1;
    }
    println!("{kind}: {inputs} inputs in {:?}", started.elapsed());
    assert!(failures.is_empty(), "{} inputs failed: {failures:#?}", failures.len());
}

#[test]
fn documents_survive_mutation() {
    fuzz("xml", XML, check_xml);
}

#[test]
fn queries_survive_mutation() {
    fuzz("query", QUERIES, check_query);
}

#[test]
fn json_survives_mutation() {
    fuzz("json", JSON, check_json);
}
