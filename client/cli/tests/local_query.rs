//! Queries without a cluster, through the program: results, files, variables, limits, and how errors look.
//!
//! The errors are a golden script: `golden/query-errors.txt` holds each command with what it prints on stderr and how it
//! ends. `UPDATE_GOLDEN=1` writes it anew, to be read before it is committed.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test
#![allow(clippy::disallowed_methods, reason = "a query that does not end is found by measuring")]

use assert_cmd::Command;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const ORDER: &str = "<order id='7'><item n='1'>pen</item><item n='2'>ink &amp; paper</item></order>";

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_phoenixmldb-cluster"))
}

fn pc(folder: &Path) -> Command {
    let mut command = program();
    command.current_dir(folder).env("NO_COLOR", "1").arg("query");
    command
}

/// A folder with what the tests read.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("order.xml", ORDER);
    write("broken.xml", "<a>\n  <b></c>\n</a>");
    write("sum.xq", "declare variable $least as xs:integer external;\nsum(//item/@n[. >= $least])\n");
    write("wrong.xq", "let $total := 5\nreturn\n  $totals + 1\n");
    std::fs::create_dir(folder.path().join("lib")).unwrap();
    write("lib/m.xqm", "module namespace m = 'urn:m';\ndeclare function m:half($n) {\n  $n div 2\n};\n");
    folder
}

fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_document_is_the_context_and_items_are_lines() {
    let folder = folder();
    let run = |args: &[&str]| ok(pc(folder.path()).args(["--input", "order.xml"]).args(args));
    assert_eq!(run(&["//item"]), "<item n=\"1\">pen</item>\n<item n=\"2\">ink &amp; paper</item>\n");
    assert_eq!(run(&["-o", "text", "//item"]), "pen\nink & paper\n");
    assert_eq!(run(&["-o", "adaptive", "//@n, 'a', 1e0"]), "n=\"1\"\nn=\"2\"\n\"a\"\n1.0e0\n");
    assert_eq!(run(&["-o", "json", "map { 'n': array { //item/string() } }"]), "{\"n\":[\"pen\",\"ink & paper\"]}\n");
    assert_eq!(run(&["-o", "html", "<p><br/></p>"]), "<p><br></p>\n");
    assert_eq!(run(&["//@id"]), "id=\"7\"\n");
    assert_eq!(run(&["//nothing"]), "");
    assert_eq!(run(&["-f", "sum.xq", "--var", "least=2"]), "2\n");
    let prolog = "declare namespace output = 'http://www.w3.org/2010/xslt-xquery-serialization'; \
                  declare option output:method 'text'; declare option output:item-separator '; '; //item";
    assert_eq!(run(&[prolog]), "pen; ink & paper\n");
}

#[test]
fn query_and_document_come_from_standard_input() {
    let folder = folder();
    assert_eq!(ok(pc(folder.path()).args(["--input", "-", "count(//item)"]).write_stdin(ORDER)), "2\n");
    assert_eq!(ok(pc(folder.path()).args(["--local", "-"]).write_stdin("1 to 3")), "1\n2\n3\n");
    let both = pc(folder.path()).args(["--input", "-", "-"]).write_stdin("").output().unwrap();
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn files_are_read_only_where_that_was_allowed() {
    let folder = folder();
    let query =
        "doc('order.xml')//item[1]/string(), unparsed-text('sum.xq') => string-length(), count(collection('.'))";
    let refused = pc(folder.path()).args(["--local", query]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--allow-files"));
    std::fs::remove_file(folder.path().join("broken.xml")).unwrap();
    assert_eq!(ok(pc(folder.path()).args(["--local", "--allow-files", ".", query])), "pen\n76\n1\n");
    let out = pc(folder.path()).args(["--local", "--allow-files", "lib", query]).output().unwrap();
    assert_eq!(out.status.code(), Some(3));
}

#[test]
fn modules_are_found_by_location_or_by_namespace() {
    let folder = folder();
    for import in ["import module namespace m = 'urn:m' at 'm.xqm';", "import module namespace m = 'urn:m';"] {
        let query = format!("{import} m:half(5)");
        assert_eq!(ok(pc(folder.path()).args(["--local", "--module-path", "lib", &query])), "2.5\n");
        assert_eq!(pc(folder.path()).args(["--local", &query]).output().unwrap().status.code(), Some(3));
    }
}

#[test]
fn values_are_untyped_or_expressions() {
    let folder = folder();
    let run = |query: &str, vars: &[&str]| {
        let mut command = pc(folder.path());
        for var in vars {
            command.args(["--var", var]);
        }
        ok(command.args(["--local", query]))
    };
    let typed = "declare variable $n external; $n instance of xs:integer, $n instance of xs:untypedAtomic";
    assert_eq!(run(typed, &["n=5"]), "false\ntrue\n");
    assert_eq!(run(typed, &["n:=5"]), "true\nfalse\n");
    assert_eq!(run("declare variable $n as xs:date external; year-from-date($n)", &["n=2024-02-29"]), "2024\n");
    assert_eq!(run("declare variable $n external; count($n)", &["n:=(1, 2, 'x')"]), "3\n");
    assert_eq!(run("declare variable $Q{urn:a}n external; $Q{urn:a}n", &["Q{urn:a}n=x"]), "x\n");
}

#[test]
fn the_flag_for_results_is_the_output_method_only_for_queries() {
    let folder = folder();
    let refused = program().current_dir(folder.path()).args(["-o", "xml", "context", "ls"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    // Before the verb or behind it.
    assert_eq!(ok(program().args(["-o", "json", "query", "--local", "array { 1, 2 }"])), "[1,2]\n");
}

/// Commands whose errors are shown in the golden script.
const ERRORS: &[&[&str]] = &[
    &["--local", "1 +"],
    &["--local", "for $x in 1 to 3\nreturn ($x, $y)"],
    &["--local", "let $s := 'ü'\nreturn $s + 1"],
    &["--local", "nothing:here(1)"],
    &["--local", "substring('a')"],
    &["--local", "xs:date('2024-02-30')"],
    &["--local", "error(QName('urn:shop', 's:stock'), 'out of ink')"],
    &["--local", "/a"],
    &["--local", "<a b='1' b='2'/>"],
    &["--local", "doc('order.xml')"],
    &["--local", "map { 1: 2 }"],
    &["--local", "-f", "wrong.xq"],
    &["--local", "--module-path", "lib", "import module namespace m = 'urn:m';\nm:half('x')"],
    &["--local", "import module namespace n = 'urn:n'; 1"],
    &["--local", "declare variable $n external; $n"],
    &["--local", "--var", "n=x", "declare variable $n as xs:integer external; $n"],
    &["--input", "broken.xml", "."],
    &["--local", "--max-results", "2", "1 to 3"],
    &["--local", "--limit-steps", "1000", "for $x in 1 to 100000\nreturn $x * 2"],
    &["--local", "--limit-memory", "1MiB", "string-join(for $x in 1 to 100000 return 'abcdefghij')"],
    &["--local", "--limit-stack", "8MiB", "declare function local:f($n) {\n  1 + local:f($n + 1)\n};\nlocal:f(0)"],
    &["--local", "--limit-output", "10B", "'abcdefghijklmnop'"],
    &["--local", "--container", "orders", "1"],
    &["--var", "n", "--local", "1"],
];

#[test]
fn errors_show_code_message_and_place() {
    let folder = folder();
    let mut script = String::new();
    for args in ERRORS {
        let output = pc(folder.path()).args(*args).output().unwrap();
        let quoted: Vec<String> = args
            .iter()
            .map(|arg| if arg.contains([' ', '\'', '$', '/']) { format!("\"{arg}\"") } else { (*arg).to_owned() })
            .collect();
        writeln!(script, "$ phoenixmldb-cluster query {}", quoted.join(" ")).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let real = folder.path().canonicalize().unwrap();
        script.push_str(&stderr.replace(&*real.to_string_lossy(), "FOLDER"));
        writeln!(script, "[{}]\n", output.status.code().unwrap()).unwrap();
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/query-errors.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &script).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    for (got, wanted) in script.split("\n\n").zip(expected.split("\n\n")) {
        assert_eq!(got, wanted);
    }
    assert_eq!(script, expected);
}

/// Queries that would never end, or fill the memory or the stack, and the codes that end them.
const RUNAWAYS: &[(&str, &str)] = &[
    ("declare function local:f($n) { 1 + local:f($n + 1) }; local:f(0)", "PXLM0005"),
    ("declare function local:f($n) { local:f($n + 1) }; local:f(0)", "PXLM0002"),
    ("let $f := function($f, $n) { 1 + $f($f, $n + 1) } return $f($f, 0)", "PXLM0005"),
    ("for $x in 1 to 1000000000000 return $x", "PXLM0004"),
    ("count(for $x in 1 to 1000000000000 where $x < 0 return $x)", "PXLM0002"),
    ("(1 to 1000000000000)[. < 0]", "PXLM0002"),
    ("(1 to 1000000000000, 5)", "PXLM0004"),
    ("reverse(1 to 1000000000000)", "PXLM0004"),
    ("sort(1 to 1000000000000)", "PXLM0004"),
    ("avg(1 to 1000000000000)", "PXLM0004"),
    ("data(1 to 1000000000000)", "PXLM0004"),
    ("array { 1 to 1000000000000 }", "PXLM0004"),
    ("<a>{ 1 to 1000000000000 }</a>", "PXLM0004"),
    ("(1 to 1000000000000) = (-1, -2)", "PXLM0004"),
    ("string-join((1 to 1000000000000) ! 'x')", "PXLM0004"),
    ("count(for $a in 1 to 100000, $b in 1 to 100000 where $a + $b < 0 return 1)", "PXLM0002"),
    ("let $v := 1 to 100000 return $v = (for $x in $v return -$x)", "PXLM0002"),
    ("fold-left(1 to 100, 'ab', function($s, $n) { string-join(($s, $s)) })", "PXLM0004"),
    ("fold-left(1 to 100, 'ab', function($s, $n) { $s || $s })", "PXLM0004"),
    ("fold-left(1 to 100, 1, function($s, $n) { $s, $s })", "PXLM0004"),
    ("fold-left(1 to 100, <a/>, function($s, $n) { <a>{ $s, $s }</a> })", "PXLM0004"),
    ("fold-left(1 to 100, 'ab', function($s, $n) { replace($s, '.', '$0$0') })", "PXLM0004"),
    ("let $s := fold-left(1 to 20, 'ab', function($s, $n) { $s || $s }) return replace($s, '.', $s)", "PXLM0004"),
    (r"matches(string-join((1 to 60) ! 'a') || 'b', '^(a*)*(a*)*\1c$')", "PXLM0002"),
    ("for $x in 1 to 1000000000 order by $x descending return $x", "PXLM0004"),
    ("for $x in 1 to 1000000000 group by $k := $x mod 2 return count($x)", "PXLM0004"),
    ("for sliding window $w in 1 to 1000000 start when true() end when false() return count($w)", "PXLM0004"),
    ("some $x in 1 to 1000000000000 satisfies $x < 0", "PXLM0002"),
    (
        "let $t := <a>{ (1 to 30000) ! <b/> }</a> return count($t//b[count(preceding::b) = count(following::b) + 50000])",
        "PXLM0002",
    ),
];

#[test]
fn a_runaway_query_ends_with_its_own_error() {
    let folder = folder();
    for (query, code) in RUNAWAYS {
        let started = Instant::now();
        // Only where time is the bound may it be short: machines are slow at times.
        let timeout = if *code == "PXLM0002" { "1s" } else { "1m" };
        let output = pc(folder.path())
            .args(["--local", "--timeout", timeout, "--limit-memory", "32MB", "--limit-stack", "64MB", query])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let exit = if *code == "PXLM0002" { 7 } else { 3 };
        assert_eq!(output.status.code(), Some(exit), "{query}\n{stderr}");
        assert!(stderr.contains(code), "{query}\n{stderr}");
        assert_eq!(stderr.contains("help: raise --timeout"), *code == "PXLM0002", "{query}\n{stderr}");
        assert!(started.elapsed() < Duration::from_secs(60), "{query} took {:?}", started.elapsed());
    }
}

#[test]
fn a_query_that_only_makes_garbage_may_make_a_lot_of_it() {
    let folder = folder();
    let query = "sum(for $x in 1 to 2000 let $s := string-join((1 to 10000) ! 'abcdefghij') return string-length($s))";
    assert_eq!(ok(pc(folder.path()).args(["--local", "--limit-memory", "20MB", query])), "200000000\n");
}
