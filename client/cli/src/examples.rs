//! The examples at the end of every `--help`. One table; a test parses each with the grammar itself.

use crate::args::Cli;
use clap::{Command, CommandFactory};

/// Examples by verb; the empty one is the program itself.
pub const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "phoenixmldb-cluster status",
            "phoenixmldb-cluster put orders o1.xml order.xml",
            "phoenixmldb-cluster query \"count(collection('orders')//order)\"",
            "phoenixmldb-cluster help exit-codes",
        ],
    ),
    (
        "init",
        &[
            "phoenixmldb-cluster init --node-id node1 --cluster-id my-cluster --peers node2:5433,node3:5433",
            "phoenixmldb-cluster init --node-id node1 --cluster-id test --data ./node1 --shards 4 --replicas 1",
        ],
    ),
    (
        "join",
        &[
            "phoenixmldb-cluster join --node-id node2 --cluster-id my-cluster --bootstrap-peer node1:5433",
            "phoenixmldb-cluster join --node-id node4 --bootstrap-peer node1:5433",
            "phoenixmldb-cluster join --node-id node4 --bootstrap-peer node1:5433 --wait 1m",
        ],
    ),
    (
        "status",
        &[
            "phoenixmldb-cluster status --check",
            "phoenixmldb-cluster status --wait balanced --timeout 5m",
            "phoenixmldb-cluster status --watch 2s --shards",
            "phoenixmldb-cluster status --json",
        ],
    ),
    ("members", &["phoenixmldb-cluster members", "phoenixmldb-cluster members -o wide"]),
    ("remove-node", &["phoenixmldb-cluster remove-node node4", "phoenixmldb-cluster remove-node node4 --timeout 1m"]),
    ("shards", &["phoenixmldb-cluster shards", "phoenixmldb-cluster shards 7 --json"]),
    (
        "dashboard",
        &[
            "phoenixmldb-cluster dashboard",
            "phoenixmldb-cluster top --screen shards --interval 5s",
            "phoenixmldb-cluster dashboard --once --width 100",
            "phoenixmldb-cluster dashboard --json --watch",
        ],
    ),
    ("locate", &["phoenixmldb-cluster locate orders o1.xml", "phoenixmldb-cluster locate orders o1.xml --json"]),
    ("check", &["phoenixmldb-cluster check", "phoenixmldb-cluster check --shards --json"]),
    ("events", &["phoenixmldb-cluster events", "phoenixmldb-cluster events --after 120 --json"]),
    (
        "transfer-leadership",
        &[
            "phoenixmldb-cluster transfer-leadership --to node2",
            "phoenixmldb-cluster transfer-leadership --to node2 --timeout 5s",
        ],
    ),
    ("container", &["phoenixmldb-cluster container create orders", "phoenixmldb-cluster container ls"]),
    (
        "container create",
        &[
            "phoenixmldb-cluster container create orders",
            "phoenixmldb-cluster container create orders --if-not-exists --strip-whitespace",
        ],
    ),
    ("container ls", &["phoenixmldb-cluster container ls", "phoenixmldb-cluster container ls -o wide"]),
    (
        "container info",
        &["phoenixmldb-cluster container info orders", "phoenixmldb-cluster container info orders --json"],
    ),
    (
        "container delete",
        &[
            "phoenixmldb-cluster container delete orders",
            "phoenixmldb-cluster container delete orders --if-exists --yes",
        ],
    ),
    (
        "put",
        &[
            "phoenixmldb-cluster put orders o1.xml order.xml",
            "echo '<order/>' | phoenixmldb-cluster put orders o2.xml",
            "phoenixmldb-cluster put orders o1.xml order.xml --if-version 7",
        ],
    ),
    ("get", &["phoenixmldb-cluster get orders o1.xml", "phoenixmldb-cluster get orders o1.xml --consistency stale"]),
    ("ls", &["phoenixmldb-cluster ls orders", "phoenixmldb-cluster ls orders 2026/ --json"]),
    ("rm", &["phoenixmldb-cluster rm orders o1.xml", "phoenixmldb-cluster rm orders o1.xml --if-exists"]),
    (
        "query",
        &[
            "phoenixmldb-cluster query \"count(collection('orders')//order)\"",
            "phoenixmldb-cluster query --file report.xq -v year=2026 --method json",
            "phoenixmldb-cluster query --explain \"collection('orders')//order[total > 1000]\"",
        ],
    ),
    ("context", &["phoenixmldb-cluster context ls", "phoenixmldb-cluster context use production"]),
    ("context ls", &["phoenixmldb-cluster context ls", "phoenixmldb-cluster context ls --json"]),
    ("context use", &["phoenixmldb-cluster context use production", "phoenixmldb-cluster context use demo"]),
    (
        "context add",
        &[
            "phoenixmldb-cluster context add production node1:5432,node2:5432,node3:5432",
            "phoenixmldb-cluster context add local 127.0.0.1:5432",
        ],
    ),
    (
        "demo",
        &["phoenixmldb-cluster demo", "phoenixmldb-cluster demo --documents 10000", "phoenixmldb-cluster demo --stop"],
    ),
    (
        "completion",
        &[
            "phoenixmldb-cluster completion bash > ~/.local/share/bash-completion/completions/phoenixmldb-cluster",
            "phoenixmldb-cluster completion zsh",
        ],
    ),
    ("exit-codes", &["phoenixmldb-cluster exit-codes", "phoenixmldb-cluster help exit-codes"]),
];

fn with_examples(command: Command, path: &str) -> Command {
    let found = EXAMPLES.iter().find(|(verb, _)| *verb == path);
    let mut command = command;
    if let Some((_, lines)) = found {
        let before = command.get_after_help().map(|text| format!("{text}\n")).unwrap_or_default();
        command = command.after_help(format!("{before}Examples:\n  {}", lines.join("\n  ")));
    }
    command.mut_subcommands(|verb| {
        let path = format!("{path} {}", verb.get_name()).trim_start().to_owned();
        with_examples(verb, &path)
    })
}

/// The grammar with its examples.
#[must_use]
pub fn grammar() -> Command {
    with_examples(Cli::command(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        grammar().debug_assert();
    }

    /// Every verb and what stands below it.
    fn paths(command: &Command, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        for verb in command.get_subcommands() {
            paths(verb, format!("{path} {}", verb.get_name()).trim_start(), found);
        }
    }

    #[test]
    fn every_verb_ends_its_help_with_two_to_four_examples_that_parse() {
        let mut found = Vec::new();
        paths(&grammar(), "", &mut found);
        let listed: Vec<&str> = EXAMPLES.iter().map(|(verb, _)| *verb).collect();
        for path in &found {
            assert!(listed.contains(&path.as_str()), "{path:?} has no examples in examples.rs");
        }
        for (verb, lines) in EXAMPLES {
            assert!(found.iter().any(|path| path == verb), "there is no verb {verb:?}");
            assert!((2..=4).contains(&lines.len()), "{verb:?} has {} examples", lines.len());
            for line in *lines {
                let commands = phoenixmldb_script::commands(line, "phoenixmldb-cluster");
                assert_eq!(commands.len(), 1, "{line}");
                match grammar().try_get_matches_from(&commands[0]) {
                    Ok(_) => {}
                    Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {}
                    Err(error) => panic!("{line}: {error}"),
                }
            }
        }
    }
}
