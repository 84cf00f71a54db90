//! Where text goes: results to stdout as text or JSON, notes and errors to stderr.

use crate::args::{Color, Output};
use crate::error::CliError;
use crate::exit::Exit;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Version of the JSON that is printed.
const API_VERSION: &str = "phoenixmldb.io/v1";

/// Writes results and notes.
pub struct Out {
    kind: Output,
    quiet: bool,
    color: bool,
}

impl Out {
    /// Writes in this way, as text unless told otherwise; `quiet` leaves notes out. Error: an output method, which only
    /// queries have.
    pub fn new(kind: Option<Output>, quiet: bool, color: Color) -> Result<Self, CliError> {
        let kind = kind.unwrap_or_default();
        if matches!(kind, Output::Xml | Output::Html | Output::Xhtml | Output::Adaptive) {
            return Err(CliError::usage("only query prints xml, html, xhtml or adaptive").next("-o text, or -o json"));
        }
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Ok(Self { kind, quiet, color })
    }

    /// Whether programs read it.
    #[must_use]
    pub fn json(&self) -> bool {
        self.kind == Output::Json
    }

    /// Whether tables show all columns.
    #[must_use]
    pub fn wide(&self) -> bool {
        self.kind == Output::Wide
    }

    /// Whether a table was asked for where text is something else.
    #[must_use]
    pub fn tabular(&self) -> bool {
        matches!(self.kind, Output::Table | Output::Wide)
    }

    /// Text as it is. A reader that went away ends the program quietly.
    pub fn text(&self, text: &str) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            other => other.map_err(|error| CliError::io(&error)),
        }
    }

    /// A line.
    pub fn line(&self, line: &str) -> Result<(), CliError> {
        self.text(&format!("{line}\n"))
    }

    /// Text in which states stand out when a terminal shows it.
    pub fn states(&self, text: &str) -> Result<(), CliError> {
        if self.color { self.text(&painted(text)) } else { self.text(text) }
    }

    /// What is no result: on stderr, and not at all with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            complain(&format!("{text}\n"));
        }
    }

    /// Takes a terminal back to its first line and clears it; nothing when a program or a file takes the text.
    pub fn restart(&self) -> Result<(), CliError> {
        if std::io::stdout().is_terminal() { self.text("\u{1b}[H\u{1b}[2J") } else { Ok(()) }
    }

    /// A value as one line of JSON, with the version of this format and its kind. A list stands at `items`.
    pub fn value(&self, kind: &str, value: &impl serde::Serialize) -> Result<(), CliError> {
        let value = serde_json::to_value(value).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
        let mut whole = json!({ "apiVersion": API_VERSION, "kind": kind });
        match (whole.as_object_mut(), value) {
            (Some(whole), Value::Object(fields)) => whole.extend(fields),
            (Some(whole), value) => drop(whole.insert("items".to_owned(), value)),
            (None, _) => {}
        }
        self.line(&whole.to_string())
    }
}

/// Text on stderr. Nobody is left to tell when that fails.
pub fn complain(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// Colours the states of a status text: green is well, yellow is less, red is missing.
fn painted(text: &str) -> String {
    let paint = [("healthy", 32), ("(balanced)", 32), ("down", 31), ("unavailable", 31), ("none", 31)];
    let warn =
        ["lagging", "suspect", "joining", "draining", "under-replicated", "unbalanced", "rebalancing", "forming"];
    let paint = paint.into_iter().chain(warn.map(|word| (word, 33)));
    let paint: Vec<(&str, u8)> = paint.collect();
    let line = |line: &str| {
        let found = paint.iter().filter_map(|(word, color)| Some((line.find(word)?, *word, *color)));
        match found.min() {
            Some((at, word, color)) => {
                format!("{}\u{1b}[{color}m{word}\u{1b}[0m{}\n", &line[..at], &line[at + word.len()..])
            }
            None => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

/// Columns as wide as their widest cell; the last one is not padded.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(
                |(column, cell)| {
                    if column + 1 == row.len() { cell.clone() } else { format!("{cell:<w$}", w = widths[column]) }
                },
            )
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect();
        assert_eq!(table(&[row(&["NAME", "N"]), row(&["a", "10"])]), "NAME  N\na     10\n");
    }

    #[test]
    fn the_first_state_of_a_line_stands_out() {
        let text = painted("Leader: node1\n  node1: healthy (leader)\n  node3: down 4s (follower)\n");
        assert_eq!(
            text,
            "Leader: node1\n  node1: \u{1b}[32mhealthy\u{1b}[0m (leader)\n  node3: \u{1b}[31mdown\u{1b}[0m 4s (follower)\n"
        );
    }
}
