//! The command line of `phoenixmldb-server`, and what it means together with the file.

use clap::{ArgMatches, Args, Parser, Subcommand};
use phoenixmldb_controller::ProcessConfig;
use phoenixmldb_controller::config::{ConfigError, ConfigVerb, FileConfig, NodeFlags, Row, Sources, peers};
use phoenixmldb_types::clock::SystemClock;
use phoenixmldb_types::intent::{CLIENT_PORT_DEFAULT, PEER_PORT_DEFAULT};
use phoenixmldb_types::{NodeName, Settings};
use std::path::PathBuf;
use std::sync::Arc;

const EXAMPLES: &str = "Every flag can be set in the environment: --raft-port as PHOENIXMLDB_RAFT_PORT.

Examples:
  phoenixmldb-server --data d --port 5432
      a database on one node
  phoenixmldb-server --cluster --node-id node1 --data /data/node1 --port 5432 --raft-port 5433
      a node of a cluster, after phoenixmldb-cluster init or join
  phoenixmldb-server --cluster --node-id node1 --peers node2:5433,node3:5433
      the same without init: the cluster forms once all three are up
  phoenixmldb-server --node-id d1 --data /data/d1 --controllers c1:5433,c2:5433,c3:5433
      a data node beside separate controllers";

const CONFIG_EXAMPLES: &str = "Examples:
  phoenixmldb-server config show --origin --config cluster.json
  phoenixmldb-server config validate cluster.json";

/// Release, commit and protocol.
fn version() -> &'static str {
    static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let (release, commit) = (env!("CARGO_PKG_VERSION"), env!("PHOENIXMLDB_COMMIT"));
        format!("{release} (commit {commit}, protocol {})", phoenixmldb_types::PROTOCOL_VERSION)
    });
    &TEXT
}

/// A node of PhoenixmlDb: documents, queries, and with --cluster a vote in the control plane.
#[derive(Parser, Debug)]
#[command(name = "phoenixmldb-server", version = version(), after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// What it does instead of serving.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Show or check the configuration
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(ConfigVerb<Flags>),
}

/// The command line of a node.
#[derive(Args, Clone, Debug)]
pub(crate) struct Flags {
    /// Take part in a cluster, as controller and data node
    #[arg(long, env = "PHOENIXMLDB_CLUSTER", hide_env_values = true, value_parser = clap::builder::BoolishValueParser::new())]
    cluster: bool,
    /// Raft ports of separate controllers, as host:port; this node holds data only
    #[arg(
        long,
        value_delimiter = ',',
        env = "PHOENIXMLDB_CONTROLLERS",
        hide_env_values = true,
        conflicts_with_all = ["cluster", "peers"]
    )]
    controllers: Vec<String>,
    #[command(flatten)]
    node: NodeFlags,
}

fn fail(what: &str, rule: impl std::fmt::Display) -> ConfigError {
    ConfigError { what: what.to_owned(), rule: rule.to_string() }
}

/// What holds with these flags, this environment and this file.
struct Resolved {
    file: FileConfig,
    settings: Settings,
    notes: Vec<String>,
    combined: bool,
    node_id: NodeName,
    data: PathBuf,
    ports: (u16, u16),
    peers: Vec<String>,
    controllers: Vec<String>,
}

impl Resolved {
    /// Neither combined with a controller nor beside separate ones: a database of its own.
    fn single(&self) -> bool {
        !self.combined && self.controllers.is_empty()
    }
}

impl Flags {
    fn resolve(&self) -> Result<Resolved, ConfigError> {
        let file = self.node.file()?;
        let mut notes = Vec::new();
        let settings = self.node.settings(&file, &mut notes)?;
        let (mut controllers, more) = peers("--controllers", &self.controllers)?;
        notes.extend(more);
        let combined = self.cluster || file.enabled == Some(true);
        if controllers.is_empty() && !combined {
            controllers.clone_from(&file.controllers);
        }
        let single = !combined && controllers.is_empty();
        if single && self.node.raft_port.is_some() {
            return Err(fail("--raft-port", "it needs --cluster or --controllers"));
        }
        let node_id = match self.node.node_id.clone().or_else(|| file.node_id.clone()) {
            Some(name) => name,
            None if single => NodeName::parse("local").expect("a checked name"),
            None => return Err(fail("--node-id", "it is missing, and cluster.nodeId in the file too")),
        };
        let (port, raft_port) = self.node.ports(&file, (CLIENT_PORT_DEFAULT, PEER_PORT_DEFAULT))?;
        let peers = self.node.peers(&file, &node_id, raft_port, &mut notes)?;
        if single && !self.node.peers.is_empty() {
            return Err(fail("--peers", "it needs --cluster"));
        }
        let data = self.node.data.clone().or_else(|| file.data.clone()).unwrap_or_else(|| PathBuf::from("/data"));
        let ports = (port, if single { 0 } else { raft_port });
        Ok(Resolved { file, settings, notes, combined, node_id, data, ports, peers, controllers })
    }

    /// Puts flags over the environment over the file over defaults; notes are for the log. Errors name the flag or the
    /// path in the file. `matches` is what these flags were read from.
    pub(crate) fn configure(
        &self,
        matches: &ArgMatches,
        raft: &tokio::runtime::Handle,
    ) -> Result<(ProcessConfig, Vec<String>), ConfigError> {
        let resolved = self.resolve()?;
        let given = Sources::new(matches, &resolved.file, &self.node).given(&resolved.settings);
        let single = resolved.single();
        let file = resolved.file;
        let bind = self.node.bind.clone().or(file.bind).unwrap_or_else(|| "0.0.0.0".to_owned());
        let config = ProcessConfig {
            node_id: resolved.node_id,
            data: resolved.data,
            raft_bind: if single { "127.0.0.1".to_owned() } else { bind.clone() },
            bind,
            port: resolved.ports.0,
            raft_port: resolved.ports.1,
            advertise: self.node.advertise.clone().or(file.advertise),
            advertise_raft: self.node.advertise_raft.clone().or(file.advertise_raft),
            controller: resolved.controllers.is_empty(),
            data_role: true,
            zone: self.node.zone.clone().or(file.zone).unwrap_or_default(),
            cluster_id: self.node.cluster_id.clone().or(file.cluster_id),
            peers: if single { Vec::new() } else { resolved.peers },
            peer_ids: file.peer_ids,
            bootstrap: resolved.controllers,
            alone: single,
            settings: resolved.settings,
            given,
            clock: Arc::new(SystemClock),
            raft_runtime: raft.clone(),
        };
        Ok((config, resolved.notes))
    }

    /// Every value that holds, and where it comes from.
    pub(crate) fn rows(&self, matches: &ArgMatches) -> Result<(Vec<Row>, Vec<String>), ConfigError> {
        let resolved = self.resolve()?;
        let (node, file) = (&self.node, &resolved.file);
        let sources = Sources::new(matches, file, node);
        let text = |flag: Option<&String>, file: Option<&String>| flag.or(file).cloned().unwrap_or_default();
        let cluster_id = node.cluster_id.as_ref().or(file.cluster_id.as_ref()).map(ToString::to_string);
        let bind = node.bind.clone().or_else(|| file.bind.clone()).unwrap_or_else(|| "0.0.0.0".to_owned());
        let raft_port = if resolved.single() { String::new() } else { resolved.ports.1.to_string() };
        let values = [
            ("cluster.enabled", "cluster", resolved.combined.to_string()),
            ("cluster.nodeId", "node_id", resolved.node_id.to_string()),
            ("cluster.clusterId", "cluster_id", cluster_id.unwrap_or_default()),
            ("cluster.peers", "peers", resolved.peers.join(",")),
            ("cluster.controllers", "controllers", resolved.controllers.join(",")),
            ("server.data", "data", resolved.data.display().to_string()),
            ("server.port", "port", resolved.ports.0.to_string()),
            ("server.raftPort", "raft_port", raft_port),
            ("server.bind", "bind", bind),
            ("server.advertise", "advertise", text(node.advertise.as_ref(), file.advertise.as_ref())),
            (
                "server.advertiseRaft",
                "advertise_raft",
                text(node.advertise_raft.as_ref(), file.advertise_raft.as_ref()),
            ),
            ("server.zone", "zone", text(node.zone.as_ref(), file.zone.as_ref())),
        ];
        let rows = values.into_iter().map(|(key, flag, value)| Row { key, value, origin: sources.of(flag, key) });
        let settings = sources.settings(&resolved.settings).into_iter();
        let rows = rows.chain(settings.map(|(key, value, origin)| Row { key, value, origin })).collect();
        Ok((rows, resolved.notes.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches};

    fn configure(line: &str) -> Result<(ProcessConfig, Vec<String>), ConfigError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let matches = Program::command().try_get_matches_from(line.split_whitespace()).unwrap();
        Program::from_arg_matches(&matches).unwrap().flags.configure(&matches, runtime.handle())
    }

    #[test]
    fn the_documented_lines_mean_what_they_say() {
        let (node, _) =
            configure("ps --cluster --node-id node1 --data /data/node1 --port 5432 --raft-port 5433").unwrap();
        assert!(node.controller && node.data_role && !node.alone);
        assert_eq!((node.port, node.raft_port), (5432, 5433));
        let (node, _) = configure("ps --cluster --node-id node1 --peers node2:5433,node3:5433").unwrap();
        assert_eq!(node.peers, ["node2:5433", "node3:5433"]);
        let (node, _) = configure("ps --data d --port 5432").unwrap();
        assert!(node.alone && node.raft_bind == "127.0.0.1");
        let (node, _) = configure("ps --node-id d1 --controllers c1:5433,c2").unwrap();
        assert!(!node.controller && node.data_role);
        assert_eq!(node.bootstrap, ["c1:5433", "c2:5433"]);
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        for (line, what, rule) in [
            ("ps --raft-port 5433", "--raft-port", "--cluster"),
            ("ps --peers node2:5433", "--peers", "--cluster"),
            ("ps --cluster", "--node-id", "missing"),
            ("ps --cluster --node-id node1 --port 5433", "--port", "raft port"),
            ("ps --cluster --node-id node1 --peers node1:5433", "--peers", "this node itself"),
            ("ps --cluster --node-id node1 --peers node2,node2:5433", "--peers", "twice"),
            ("ps --cluster --node-id node1 --peers node2:99999", "--peers", "65535"),
            ("ps --shards 0", "sharding.shardCount", "from 1"),
            ("ps --election-timeout 300-150ms", "--election-timeout", "larger"),
            ("ps --config /nowhere/c.json", "--config", "/nowhere/c.json"),
        ] {
            let error = configure(line).err().unwrap();
            assert!(error.what == what && error.rule.contains(rule), "{line}: {error}");
        }
        let message = Program::try_parse_from(["ps", "--node-id", "a b"]).unwrap_err().to_string();
        assert!(message.contains("[a-z0-9][a-z0-9._-]{0,62}"), "{message}");
    }

    #[test]
    fn the_grammar_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn the_lines_of_the_documentation_and_of_the_help_parse() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let documented = phoenixmldb_script::documented(&root, "phoenixmldb-server");
        assert!(documented.len() >= 4, "the documentation shows how to start a server");
        let lines = documented.into_iter().map(|line| (line.place, line.words));
        let help = [EXAMPLES, CONFIG_EXAMPLES].into_iter().flat_map(str::lines);
        let help = help.flat_map(|line| phoenixmldb_script::commands(line.trim(), "phoenixmldb-server"));
        for (place, words) in lines.chain(help.map(|words| ("--help".to_owned(), words))) {
            if let Err(error) = Program::try_parse_from(&words) {
                let shown = matches!(
                    error.kind(),
                    clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
                );
                assert!(shown, "{place}: {words:?}: {error}");
            }
        }
    }
}
