//! Golden scripts: command lines with what they print and how they end; and the command lines the documentation shows.
//!
//! A script is text. Lines before the first command are its title. Then, for each command:
//!
//! ```text
//! $ phoenixmldb-cluster join --node-id "a b" --bootstrap-peer node1:5433
//! ? 2
//! ! error: what is printed on standard error
//! what is printed on standard output
//! ```
//!
//! `? 0` is left out. Commands of a script run one after the other through `sh` in a new folder, which is their home too;
//! its path is written as `[DIR]`. With `PHOENIXMLDB_GOLDEN=write` the scripts are written anew from what happened.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a script runs with.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Folders searched for programs before those of the machine.
    pub programs: Vec<PathBuf>,
    /// Environment beside `HOME` and `PATH`.
    pub env: Vec<(String, String)>,
    /// Texts that differ from run to run, and what stands for them in the script.
    pub replace: Vec<(String, String)>,
}

/// Runs every script of a folder; panics with both texts at the first that differs.
pub fn run_all(folder: &Path, setting: &Setting) {
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    scripts.sort();
    assert!(!scripts.is_empty(), "{} holds no scripts", folder.display());
    scripts.iter().for_each(|script| run(script, setting));
}

/// Runs one script.
pub fn run(script: &Path, setting: &Setting) {
    let expected = std::fs::read_to_string(script).unwrap();
    let seen = play(&expected, setting);
    if std::env::var("PHOENIXMLDB_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::write(script, seen).unwrap();
        return;
    }
    assert!(expected == seen, "{} differs.\n--- expected\n{expected}\n--- seen\n{seen}", script.display());
}

/// What a script would have to say.
fn play(script: &str, setting: &Setting) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = String::new();
    for line in script.lines().take_while(|line| !line.starts_with("$ ")) {
        writeln!(seen, "{line}").unwrap();
    }
    let mut first = true;
    for line in script.lines().filter_map(|line| line.strip_prefix("$ ")) {
        if !std::mem::take(&mut first) {
            seen.push('\n');
        }
        writeln!(seen, "$ {line}").unwrap();
        let (exit, out, err) = command(line, folder.path(), setting);
        if exit != 0 {
            writeln!(seen, "? {exit}").unwrap();
        }
        for line in err.lines() {
            writeln!(seen, "! {line}").unwrap();
        }
        for line in out.lines() {
            writeln!(seen, "{line}").unwrap();
        }
    }
    seen
}

fn command(line: &str, folder: &Path, setting: &Setting) -> (i32, String, String) {
    let mut path: Vec<PathBuf> = setting.programs.clone();
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", folder)
        .envs(setting.env.iter().cloned())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| {
        let mut text = String::from_utf8_lossy(bytes).replace(&folder.display().to_string(), "[DIR]");
        for (from, to) in &setting.replace {
            text = text.replace(from, to);
        }
        text
    };
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A command line of the documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Documented {
    /// File and line number.
    pub place: String,
    /// The words, as a shell splits them, without assignments before the program.
    pub words: Vec<String>,
}

/// All lines of `sh` and `console` blocks of the README and of `docs/` that run this program.
pub fn documented(root: &Path, program: &str) -> Vec<Documented> {
    let mut files = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().display().to_string();
        found.extend(lines_of(&std::fs::read_to_string(&file).unwrap(), &name, program));
    }
    found
}

fn lines_of(text: &str, name: &str, program: &str) -> Vec<Documented> {
    let mut found = Vec::new();
    let mut block: Option<bool> = None; // whether it is a console, whose commands begin with `$ `
    let mut pending = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = match (block, language.trim()) {
                (None, "sh") => Some(false),
                (None, "console") => Some(true),
                _ => None,
            };
            continue;
        }
        let Some(console) = block else { continue };
        let line = match (console && pending.is_empty(), line.strip_prefix("$ ")) {
            (true, Some(command)) => command,
            (true, None) => continue,
            (false, _) => line,
        };
        if let Some(begun) = line.strip_suffix('\\') {
            pending.push_str(begun);
            pending.push(' ');
            continue;
        }
        let whole = format!("{}{line}", std::mem::take(&mut pending));
        found.extend(commands(&whole, program).into_iter().map(|words| {
            let place = format!("{name}:{number}");
            Documented { place, words }
        }));
    }
    found
}

/// The commands of a shell line that run this program: split at pipes and `&&`, without comments and redirections.
pub fn commands(line: &str, program: &str) -> Vec<Vec<String>> {
    let words = shlex::split(line).unwrap_or_default();
    let parts = words.split(|word| matches!(word.as_str(), "|" | "&&" | "||" | ";" | "&"));
    let calls = parts.filter_map(|part| {
        let start = part.iter().position(|word| !word.contains('=') || word.starts_with('-'))?;
        let end = part.iter().position(|word| word.starts_with('>') || word.starts_with("2>")).unwrap_or(part.len());
        part.get(start..end).map(<[String]>::to_vec)
    });
    calls.filter(|words| words.first().is_some_and(|first| first == program)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_what_its_commands_do() {
        let script = "a title\n\n$ echo out; echo err >&2; exit 3\n? 3\n! err\nout\n\n$ pwd\n[DIR]\n";
        assert_eq!(play(script, &Setting::default()), script);
    }

    #[test]
    fn commands_are_found_in_blocks_and_joined_over_lines() {
        let text = "p x\n```sh\nA=1 p a \\\n   'b c' > f   # why\necho p | p d\n```\n```console\n$ p e\np f\n```\n";
        let words: Vec<Vec<String>> = lines_of(text, "n", "p").into_iter().map(|found| found.words).collect();
        assert_eq!(words, [vec!["p", "a", "b c"], vec!["p", "d"], vec!["p", "e"]]);
    }
}
