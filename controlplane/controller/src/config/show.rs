//! `config show` and `config validate` of both server programs.

use super::{ConfigError, FileConfig, Origin};
use std::io::Write;
use std::path::PathBuf;

/// What can be asked of the configuration. `F` are the program's flags.
#[derive(clap::Subcommand, Debug)]
pub enum ConfigVerb<F: clap::Args> {
    /// Print every value that holds with these flags, environment and file
    Show {
        /// Also print where each value comes from: flag, environment, file or default
        #[arg(long)]
        origin: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The flags the program would be started with
        #[command(flatten)]
        flags: F,
    },
    /// Check a configuration file
    Validate {
        /// The file
        file: PathBuf,
    },
}

/// A value and where it comes from.
pub struct Row {
    /// Its key in the file.
    pub key: &'static str,
    /// As it is written in the file; empty when there is none.
    pub value: String,
    /// Who gave it.
    pub origin: Origin,
}

/// Runs a verb; `rows` works out what holds. Writes to stdout. Errors are those of the program's start.
pub fn run<F: clap::Args>(
    verb: &ConfigVerb<F>,
    rows: impl FnOnce(&F) -> Result<(Vec<Row>, Vec<String>), ConfigError>,
) -> Result<(), ConfigError> {
    let text = match verb {
        ConfigVerb::Validate { file } => {
            let config = FileConfig::read(file)?;
            let warnings: String = config.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
            format!("{}: valid, {} keys\n{warnings}", file.display(), config.given.len())
        }
        ConfigVerb::Show { origin, json, flags } => {
            let (rows, notes) = rows(flags)?;
            if *json { as_json(&rows) } else { as_text(&rows, *origin, &notes) }
        }
    };
    // A reader that went away wants no more.
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
    Ok(())
}

fn as_text(rows: &[Row], origin: bool, notes: &[String]) -> String {
    let shown = |row: &Row| if row.value.is_empty() { "-".to_owned() } else { row.value.clone() };
    let wide = |of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (keys, values) = (wide(&|row| row.key.len()), wide(&|row| shown(row).chars().count()));
    let line = |row: &Row| {
        if origin {
            format!("{:keys$}  {:values$}  {}\n", row.key, shown(row), row.origin)
        } else {
            format!("{:keys$}  {}\n", row.key, shown(row))
        }
    };
    let notes = notes.iter().map(|note| format!("warning: {note}\n"));
    rows.iter().map(line).chain(notes).collect()
}

fn as_json(rows: &[Row]) -> String {
    let row = |row: &Row| serde_json::json!({ "key": row.key, "value": row.value, "origin": row.origin.to_string() });
    let items: Vec<_> = rows.iter().map(row).collect();
    format!("{}\n", serde_json::json!({ "apiVersion": "phoenixmldb.io/v1", "kind": "Configuration", "items": items }))
}
