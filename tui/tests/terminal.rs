//! The real program on a real (pseudo-)terminal, with a recording for a cluster: drawing, keys, restoring, no colour.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

mod pty;

use pty::{Pty, and_then_modes};
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_phoenixmldb-tui");
/// Four data nodes; one is killed on the way.
const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/demo.ndjson");

fn dashboard(arguments: &str) -> String {
    format!("{PROGRAM} --replay {RECORDING} {arguments}")
}

#[test]
fn it_draws_answers_keys_and_leaves_the_terminal_as_it_was() {
    let mut pty = Pty::start(&and_then_modes(&dashboard("")), (120, 40), &[]);
    pty.until("the overview", |text| text.contains("> Overview") && text.contains("Nodes ("));
    pty.press("2");
    pty.until("the shard map", |text| text.contains("Shard map"));
    pty.press("?");
    pty.until("the help", |text| text.contains("Help: Shards"));
    pty.press("\u{1b}");
    pty.until("no help", |text| !text.contains("Help: Shards"));
    pty.press("q");
    let pty = pty.end();
    assert!(pty.text().contains("code=0"), "{}", pty.text());
    pty.assert_restored();
}

#[test]
fn a_panic_and_a_signal_leave_the_terminal_as_it_was_too() {
    let folder = std::path::Path::new(PROGRAM).parent().unwrap();
    let example = folder.join("examples/panic");
    let pty = Pty::start(&and_then_modes(&example.display().to_string()), (80, 24), &[("RUST_BACKTRACE", "0")]).end();
    assert!(pty.text().contains("a bug in the middle of a frame"), "the report is readable: {}", pty.text());
    assert!(pty.text().contains("code=101"), "{}", pty.text());
    pty.assert_restored();

    // The shell gives its own id to the program, so that the signal needs no guess.
    let line = and_then_modes(&format!("sh -c 'echo $$ > \"$PID\"; exec {}'", dashboard("")));
    let pid = std::env::temp_dir().join(format!("phoenixmldb-tui-{}.pid", std::process::id()));
    let mut pty = Pty::start(&line, (80, 24), &[("PID", pid.to_str().unwrap())]);
    pty.until("a frame", |text| text.contains("Nodes ("));
    let id = std::fs::read_to_string(&pid).unwrap();
    assert!(Command::new("kill").args(["-TERM", id.trim()]).status().unwrap().success());
    let pty = pty.end();
    std::fs::remove_file(pid).unwrap();
    assert!(pty.text().contains("code=0"), "{}", pty.text());
    pty.assert_restored();
}

#[test]
fn no_color_means_no_colour_in_any_byte() {
    let line = and_then_modes(&dashboard("--palette default"));
    let mut pty = Pty::start(&line, (120, 40), &[("NO_COLOR", "1")]);
    // The last line is drawn last: the frame is complete.
    pty.until("the overview", |text| text.contains("│ > ") && text.contains("<q>quit"));
    let marked = |pty: &Pty| {
        let screen = pty.screen.screen();
        let row = screen.rows(0, 120).position(|row| row.contains("│ > ")).unwrap();
        screen.cell(u16::try_from(row).unwrap(), 4).is_some_and(vt100::Cell::inverse)
    };
    assert!(marked(&pty), "the row under the cursor is reversed");
    pty.press("q");
    let pty = pty.end();
    let text = String::from_utf8_lossy(&pty.bytes).into_owned();
    // With the kind of colour: a place on the screen may begin with 38, too.
    for set in
        ["\u{1b}[38;5;", "\u{1b}[38;2;", "\u{1b}[48;5;", "\u{1b}[48;2;", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"]
    {
        assert!(!text.contains(set), "{set:?}");
    }
}

#[test]
fn a_locale_that_is_not_utf8_gets_ascii() {
    let mut pty = Pty::start(&dashboard(""), (100, 30), &[("LC_ALL", "C")]);
    pty.until("the overview", |text| text.contains("+ Nodes (") || text.contains("+>Nodes ("));
    assert!(pty.text().is_ascii(), "{}", pty.text());
    pty.press("q");
    pty.end();
}

#[test]
fn a_small_terminal_says_which_size_it_needs() {
    let mut pty = Pty::start(&dashboard(""), (38, 8), &[]);
    pty.until("the notice", |text| text.contains("40x10 needed") && text.contains("this is 38x8"));
    pty.press("q");
    pty.end();
}

/// Runs without a terminal.
fn piped(arguments: &[&str], variables: &[(&str, &str)]) -> (String, Option<i32>) {
    let mut command = Command::new(PROGRAM);
    command.args(["--replay", RECORDING]).args(arguments).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    for (name, value) in variables {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn without_a_terminal_it_prints_one_frame_of_plain_text() {
    let (text, code) = piped(&[], &[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("> Overview") && text.contains("Nodes (") && !text.contains('\u{1b}'), "{text}");
    assert!(!text.contains("<q>quit"), "nobody can press keys");
    assert!(text.lines().all(|line| line.chars().count() <= 120));
    let (narrow, _) = piped(&["--once", "--width", "60", "--screen", "shards"], &[]);
    assert!(narrow.lines().all(|line| line.chars().count() <= 60) && narrow.contains("Shard map"), "{narrow}");
}

#[test]
fn json_is_one_object_and_watch_is_the_recording_again() {
    let (text, code) = piped(&["--json"], &[]);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &value["apiVersion"], &value["kind"]),
        (Some(0), &serde_json::json!("phoenixmldb.io/v1"), &serde_json::json!("ClusterSnapshot"),)
    );
    assert!(value["data"]["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty()));
}

#[test]
fn what_is_no_recording_is_refused_with_its_line() {
    let file = std::env::temp_dir().join(format!("phoenixmldb-tui-{}.ndjson", std::process::id()));
    std::fs::write(&file, "{\"apiVersion\":\"phoenixmldb.io/v1\",\"kind\":\"Nothing\",\"data\":{}}\n").unwrap();
    let output = Command::new(PROGRAM).arg("--once").arg("--replay").arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains(", line 1: "), "{error}");
}

/// The pictures of the documentation are what the program draws today.
/// After a wanted change: `phoenixmldb-tui --replay tui/tests/data/demo.ndjson --once --svg docs/images/overview.svg`,
/// and the same with `--screen shards --svg docs/images/shards.svg`.
#[test]
fn the_pictures_of_the_documentation_are_current() {
    for screen in ["overview", "shards"] {
        let file = std::env::temp_dir().join(format!("phoenixmldb-tui-{}-{screen}.svg", std::process::id()));
        let (_, code) = piped(&["--once", "--screen", screen, "--svg", file.to_str().unwrap()], &[]);
        assert_eq!(code, Some(0));
        let drawn = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let kept = format!("{}/../docs/images/{screen}.svg", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(kept).unwrap();
        assert!(drawn == kept, "docs/images/{screen}.svg is not what the program draws");
        let parsed = roxmltree::Document::parse(&drawn).unwrap();
        assert!(parsed.descendants().filter(|node| node.tag_name().name() == "text").count() > 20);
    }
}
