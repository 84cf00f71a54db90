//! The documentation and the programs agree: command lines parse, outputs are as shown, the status follows its schema.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

mod common;

use std::path::Path;

#[test]
fn the_status_follows_its_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let schema = std::fs::read_to_string(root.join("docs/status.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let cluster = common::snapshot();
    let mut status = serde_json::to_value(phoenixmldb_cli::status::Report::new(&cluster)).unwrap();
    status["apiVersion"] = "phoenixmldb.io/v1".into();
    status["kind"] = "ClusterStatus".into();
    assert_eq!(status["leader"], "node1");
    valid(&schema, &schema, &status, "$");
}

/// The part of JSON Schema that the description of the status uses.
fn valid(root: &serde_json::Value, schema: &serde_json::Value, value: &serde_json::Value, at: &str) {
    use serde_json::Value;
    if let Some(reference) = schema["$ref"].as_str() {
        return valid(root, root.pointer(reference.trim_start_matches('#')).unwrap(), value, at);
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{at}: the schema has a type {other}"),
    };
    match &schema["type"] {
        Value::String(kind) => assert!(is(kind), "{at}: {value} is no {kind}"),
        Value::Array(kinds) => assert!(kinds.iter().any(|kind| is(kind.as_str().unwrap())), "{at}: {value}"),
        other => panic!("{at}: the schema says no type: {other}"),
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value} is none of {allowed:?}");
    }
    if let (Some(object), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(object.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
        }
        for (name, value) in object {
            let known = properties.get(name).unwrap_or_else(|| panic!("{at}: {name} is not in the schema"));
            valid(root, known, value, &format!("{at}.{name}"));
        }
    }
    if let Some(items) = value.as_array() {
        items.iter().for_each(|item| valid(root, &schema["items"], item, &format!("{at}[]")));
    }
}

#[test]
fn the_lines_of_the_documentation_parse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let documented = phoenixmldb_script::documented(&root, "phoenixmldb-cluster");
    assert!(documented.len() >= 10, "the documentation shows commands");
    for line in documented {
        if let Err(error) = phoenixmldb_cli::examples::grammar().try_get_matches_from(&line.words) {
            let shown =
                matches!(error.kind(), clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion);
            assert!(shown, "{}: {:?}: {error}", line.place, line.words);
        }
    }
}

#[test]
fn what_the_documentation_shows_is_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let shown = format!("$ phoenixmldb-cluster status\n{}```", read("tests/golden/status.txt"));
    assert!(read("README.md").contains(&shown), "{shown}");
    let shown = format!("$ phoenixmldb-cluster exit-codes\n{}```", phoenixmldb_cli::exit::text());
    assert!(read("docs/operations.md").contains(&shown), "{shown}");
}
