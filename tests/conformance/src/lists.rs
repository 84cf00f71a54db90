//! Lists of cases in files.
//!
//! A selection is JSON, `[{"set": "fn-abs", "case": "K-ABSFunc-1"}, …]`. Known failures are text: a line per case, set and
//! case and the reason, sorted, so that a change reads as a change; lines that begin with `#` say something about all.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A set's name and a case's name.
pub type CaseName = (String, String);

#[derive(Deserialize)]
struct Selected {
    set: String,
    case: String,
}

/// Reads a selection. Error: what is wrong with the JSON.
pub fn read_selection(text: &str) -> Result<BTreeSet<CaseName>, String> {
    let selected: Vec<Selected> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(selected.into_iter().map(|entry| (entry.set, entry.case)).collect())
}

/// Reads known failures with their reasons.
#[must_use]
pub fn read_known(text: &str) -> BTreeMap<CaseName, String> {
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let name = (words.next()?.to_owned(), words.next()?.to_owned());
        Some((name, words.next().unwrap_or_default().to_owned()))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_they_are_written() {
        let selection = read_selection(r#"[{"set": "fn-abs", "case": "a-1"}, {"set": "op-to", "case": "b"}]"#).unwrap();
        assert!(selection.contains(&("op-to".to_owned(), "b".to_owned())));
        let known = read_known("# why\nfn-abs a-1 no schemas\nop-to b\n");
        assert_eq!(known.len(), 2);
        assert_eq!(known[&("fn-abs".to_owned(), "a-1".to_owned())], "no schemas");
        assert!(read_selection("{}").is_err());
    }
}
