//! Where results go: stdout, as text or JSON. Everything else is on stderr.

use crate::args::Output;
use crate::error::CliError;
use std::io::Write;

/// Writes results.
pub struct Out {
    kind: Output,
}

impl Out {
    /// Writes in this way.
    #[must_use]
    pub fn new(kind: Output) -> Self {
        Self { kind }
    }

    /// Whether programs read it.
    #[must_use]
    pub fn json(&self) -> bool {
        self.kind == Output::Json
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

    /// A value as JSON, with the version of this format.
    pub fn value(&self, kind: &str, value: &impl serde::Serialize) -> Result<(), CliError> {
        let mut json = serde_json::json!({ "apiVersion": "phoenixmldb.io/v1", "kind": kind });
        json["data"] =
            serde_json::to_value(value).map_err(|error| CliError::new(crate::exit::Exit::Failed, error.to_string()))?;
        self.line(&json.to_string())
    }
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
}
