//! Lists of cases in files: one line per set, `set: case case …`, sorted, so that a change reads as a change.

use std::collections::{BTreeMap, BTreeSet};

/// Cases by set.
pub type Cases = BTreeMap<String, BTreeSet<String>>;

/// Reads a list.
#[must_use]
pub fn read(text: &str) -> Cases {
    let line = |line: &str| {
        let (set, cases) = line.split_once(": ")?;
        Some((set.to_owned(), cases.split_whitespace().map(str::to_owned).collect()))
    };
    text.lines().filter_map(line).collect()
}

/// Writes a list.
#[must_use]
pub fn write(cases: &Cases) -> String {
    let line = |(set, cases): (&String, &BTreeSet<String>)| {
        format!("{set}: {}\n", cases.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    };
    cases.iter().map(line).collect()
}

/// Whether a case is in a list.
#[must_use]
pub fn contains(cases: &Cases, set: &str, case: &str) -> bool {
    cases.get(set).is_some_and(|cases| cases.contains(case))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_writing_and_reading() {
        let cases = read("fn-abs: a-1 b\nop-to: c\n");
        assert!(contains(&cases, "fn-abs", "b") && !contains(&cases, "op-to", "b"));
        assert_eq!(write(&cases), "fn-abs: a-1 b\nop-to: c\n");
    }
}
