//! The rules of the source tree: who may import whom, and what every file owes its reader.
//!
//! The import table is the one of `docs/architecture.md`; a new edge is added here and there, with its reason.

#![allow(clippy::unwrap_used)] // a broken checkout is a failed test

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file accepted, in lines before its tests; 500 is a warning.
const LINES_MAX: usize = 800;
const LINES_WARN: usize = 500;

/// What each crate may import of ours.
const IMPORTS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("proto", &["types"]),
    ("raft", &["proto", "types"]),
    ("raft-rocks", &["raft", "types"]),
    ("state", &["types"]),
    ("placement", &["state", "types"]),
    ("controller", &["state", "placement", "raft", "raft-rocks", "proto", "types"]),
    ("xdm", &[]),
    ("xquery", &["xdm"]),
    ("store", &["xdm", "types"]),
    ("engine", &["store"]),
    ("shard", &["store", "xdm", "types"]),
    ("coordinator", &["shard", "store", "xquery", "xdm", "types"]),
    ("node", &["coordinator", "shard", "store", "engine", "xquery", "xdm", "raft", "raft-rocks", "proto", "types"]),
    ("client", &["proto", "types"]),
    ("server", &["node", "controller", "proto", "types"]),
    ("tui", &["client", "types"]),
    ("cli", &["client", "types", "tui", "xquery", "xdm"]),
];

/// Crates whose types stop at a border, and the crates allowed to name them.
const BORDERS: &[(&str, &[&str])] = &[
    ("openraft", &["raft"]),
    ("rocksdb", &["raft-rocks", "engine"]),
    ("ratatui", &["tui"]),
    ("crossterm", &["tui"]),
    ("tonic", &["proto", "raft", "controller", "node", "server", "client", "cli", "tui"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn short(name: &str) -> Option<&str> {
    name.strip_prefix("phoenixmldb-")
}

#[test]
fn every_crate_imports_only_what_the_table_allows() {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let table: BTreeMap<&str, BTreeSet<&str>> =
        IMPORTS.iter().map(|(name, imports)| (*name, imports.iter().copied().collect())).collect();
    for package in &metadata.packages {
        let name = short(&package.name).expect("our crates are named phoenixmldb-…");
        let in_tests_folder = package.manifest_path.as_str().contains("/tests/");
        for dependency in &package.dependencies {
            if dependency.kind != cargo_metadata::DependencyKind::Normal {
                continue;
            }
            if let Some(ours) = short(&dependency.name) {
                let allowed = in_tests_folder || table.get(name).is_some_and(|allowed| allowed.contains(ours));
                assert!(allowed, "{name} may not import {ours}");
            }
            for (foreign, allowed) in BORDERS {
                if dependency.name == *foreign {
                    assert!(in_tests_folder || allowed.contains(&name), "{foreign} may not be named in {name}");
                }
            }
        }
    }
}

/// All files of the tree with this ending, without build output.
fn files(ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !name.starts_with("target") {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), ending, &mut found);
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn every_source_file_opens_with_what_and_why() {
    for path in files(".rs") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with //!", name(&path));
    }
}

#[test]
fn no_source_file_is_a_book() {
    for path in files(".rs") {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().lines().count();
        let is_test = name(&path).contains("tests/") || name(&path).ends_with("_test.rs");
        if is_test {
            continue;
        }
        assert!(code <= LINES_MAX, "{} has {code} lines; {LINES_MAX} is the bound", name(&path));
        if code > LINES_WARN {
            println!("note: {} has {code} lines", name(&path));
        }
    }
}

#[test]
fn every_bound_names_its_unit() {
    let units = [
        "_BYTES",
        "_MS",
        "_ENTRIES",
        "_S",
        "_MAX",
        "_MIN",
        "_DEFAULT",
        "_BITS",
        "_PERCENT",
        "_ATTEMPTS",
        "_ITEMS",
        "_PIECES",
        "_DOCUMENTS",
    ];
    for path in files("limits.rs") {
        let text = fs::read_to_string(&path).unwrap();
        let mut documented = false;
        for line in text.lines() {
            if line.starts_with("///") {
                documented = true;
            } else if let Some(rest) = line.strip_prefix("pub const ") {
                let constant = rest.split(':').next().unwrap_or_default();
                assert!(documented, "{}: {constant} has no reason", name(&path));
                assert!(units.iter().any(|unit| constant.contains(unit)), "{}: {constant} has no unit", name(&path));
                documented = false;
            }
        }
    }
}

#[test]
fn links_between_documents_resolve() {
    for path in files(".md") {
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(path.parent().unwrap().join(target).exists(), "{}: {target} does not exist", name(&path));
        }
    }
}

#[test]
fn clocks_are_read_in_one_file() {
    for path in files(".rs") {
        let text = fs::read_to_string(&path).unwrap();
        let reads = ["SystemTime::now(", "std::time::Instant::now("].iter().any(|read| text.contains(read));
        let allowed = ["proto/types/src/clock.rs", "tests/tidy.rs"].contains(&name(&path).as_str());
        assert!(allowed || !reads, "{} reads a clock; take a types::Clock", name(&path));
    }
}
