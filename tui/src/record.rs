//! Recordings: one JSON object per line, the very lines that `--json --watch` prints. They are read back by `--replay`.

use crate::error::TuiError;
use phoenixmldb_client::admin_v1::ClusterSnapshot;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Version of the lines, that of everything the command line prints for programs.
const API_VERSION: &str = "phoenixmldb.io/v1";
/// Longest pause between two lines of a replay, in milliseconds: nobody waits for a gap in a recording.
const PAUSE_MS_MAX: u64 = 5_000;

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data")]
pub enum Record {
    /// The cluster was seen.
    ClusterSnapshot(Arc<ClusterSnapshot>),
    /// It was not.
    ClusterLost(Lost),
}

/// The cluster could not be seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Lost {
    /// When, in milliseconds since 1970.
    pub taken_ms: u64,
    /// Why, in words.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
struct Versioned {
    #[serde(rename = "apiVersion")]
    api_version: String,
    #[serde(flatten)]
    record: Record,
}

impl Record {
    /// When it was taken, in milliseconds since 1970.
    #[must_use]
    pub fn taken_ms(&self) -> u64 {
        match self {
            Self::ClusterSnapshot(cluster) => cluster.taken_ms,
            Self::ClusterLost(lost) => lost.taken_ms,
        }
    }

    /// The line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        let line = Versioned { api_version: API_VERSION.to_owned(), record: self.clone() };
        serde_json::to_string(&line).expect("names and numbers are JSON")
    }

    /// Reads a line.
    ///
    /// Error: why it is none, in words.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line: Versioned = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if line.api_version != API_VERSION {
            return Err(format!("its apiVersion is {:?}, not {API_VERSION:?}", line.api_version));
        }
        Ok(line.record)
    }
}

/// Reads a recording: each line with the pause before it, in milliseconds.
///
/// Error: the file cannot be read, holds no line, or one that is no record; an incomplete last line, as a recording that
/// was cut off has one, is left out.
pub fn read(path: &Path) -> Result<Vec<(u64, Record)>, TuiError> {
    let text = fs_err::read_to_string(path).map_err(TuiError::File)?;
    let wrong = |line: usize, why: String| TuiError::Recording { file: path.display().to_string(), line, why };
    let mut records: Vec<(u64, Record)> = Vec::new();
    let complete = text.ends_with('\n');
    let lines = text.lines().count();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match Record::parse(line) {
            Ok(record) => {
                let before = records.last().map_or(record.taken_ms(), |(_, last)| last.taken_ms());
                records.push((record.taken_ms().saturating_sub(before).min(PAUSE_MS_MAX), record));
            }
            Err(_) if index + 1 == lines && !complete => {}
            Err(why) => return Err(wrong(index + 1, why)),
        }
    }
    if records.is_empty() { Err(wrong(1, "it has no line".to_owned())) } else { Ok(records) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_line_says_its_version_and_kind_and_reads_back() {
        let cluster = fixture::degraded();
        let line = Record::ClusterSnapshot(Arc::new(cluster.clone())).line();
        assert!(line.starts_with(r#"{"apiVersion":"phoenixmldb.io/v1","kind":"ClusterSnapshot","data":{"#), "{line}");
        let Ok(Record::ClusterSnapshot(read)) = Record::parse(&line) else { panic!("{line}") };
        assert_eq!(*read, cluster);
    }

    #[test]
    fn another_version_is_refused() {
        let line = Record::ClusterLost(Lost::default()).line().replace("/v1", "/v9");
        assert!(Record::parse(&line).unwrap_err().contains("v9"));
    }
}
