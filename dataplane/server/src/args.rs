//! The command line of `phoenixmldb-server`, and what it means together with the file.

use clap::Parser;
use phoenixmldb_controller::config::{ConfigError, check_settings, duration_ms, duration_range_ms, peers};
use phoenixmldb_controller::{FileConfig, ProcessConfig};
use phoenixmldb_types::clock::SystemClock;
use phoenixmldb_types::intent::{CLIENT_PORT_DEFAULT, PEER_PORT_DEFAULT};
use phoenixmldb_types::{ClusterId, NodeName, Settings};
use std::path::PathBuf;
use std::sync::Arc;

const EXAMPLES: &str = "Examples:
  phoenixmldb-server --data d --port 5432
      a database on one node
  phoenixmldb-server --cluster --node-id node1 --data /data/node1 --port 5432 --raft-port 5433
      a node of a cluster, after phoenixmldb-cluster init or join
  phoenixmldb-server --cluster --node-id node1 --peers node2:5433,node3:5433
      the same without init: the cluster forms once all three are up
  phoenixmldb-server --node-id d1 --data /data/d1 --controllers c1:5433,c2:5433,c3:5433
      a data node beside separate controllers";

/// A node of PhoenixmlDb: documents, queries, and with --cluster a vote in the control plane.
#[derive(Parser, Debug)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Take part in a cluster, as controller and data node
    #[arg(long)]
    cluster: bool,
    /// Name of this node: [a-z0-9][a-z0-9._-]{0,62}
    #[arg(long)]
    node_id: Option<NodeName>,
    /// Name of the cluster; learned from the others when it is not given
    #[arg(long)]
    cluster_id: Option<ClusterId>,
    /// Folder of this node
    #[arg(long, env = "PHOENIXMLDB_DATA")]
    data: Option<PathBuf>,
    /// Client port: gRPC, /health, /metrics [default: 5432]
    #[arg(long)]
    port: Option<u16>,
    /// Port for other nodes [default: 5433]
    #[arg(long)]
    raft_port: Option<u16>,
    /// Raft ports of the other first members, as host:port
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Raft ports of separate controllers, as host:port; this node holds data only
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["cluster", "peers"])]
    controllers: Vec<String>,
    /// JSON configuration file
    #[arg(long)]
    config: Option<PathBuf>,
    /// Address both ports listen on
    #[arg(long, default_value = "0.0.0.0")]
    bind: String,
    /// Host, or host:port, that others reach this node by
    #[arg(long)]
    advertise: Option<String>,
    /// As --advertise, for the raft port alone
    #[arg(long)]
    advertise_raft: Option<String>,
    /// Where this node stands, for spreading copies
    #[arg(long, default_value = "")]
    zone: String,
    /// Number of shards, fixed when the cluster forms
    #[arg(long)]
    shards: Option<u32>,
    /// Copies of each shard
    #[arg(long)]
    replicas: Option<u32>,
    /// Election timeout, such as 150-300ms
    #[arg(long)]
    election_timeout: Option<String>,
    /// Heartbeat interval, such as 50ms
    #[arg(long)]
    heartbeat_interval: Option<String>,
}

fn fail(what: &str, rule: impl std::fmt::Display) -> ConfigError {
    ConfigError { what: what.to_owned(), rule: rule.to_string() }
}

impl Args {
    fn settings(&self, file: &FileConfig) -> Result<Settings, ConfigError> {
        let mut settings = file.settings.clone();
        settings.shard_count = self.shards.unwrap_or(settings.shard_count);
        settings.replication_factor = self.replicas.unwrap_or(settings.replication_factor);
        if let Some(range) = &self.election_timeout {
            (settings.election_timeout_min_ms, settings.election_timeout_max_ms) =
                duration_range_ms(range).map_err(|rule| fail("--election-timeout", rule))?;
        }
        if let Some(interval) = &self.heartbeat_interval {
            settings.heartbeat_ms = duration_ms(interval).map_err(|rule| fail("--heartbeat-interval", rule))?;
        }
        check_settings(&settings)?;
        Ok(settings)
    }

    /// Puts flags over file over defaults; notes are for the log. Errors name the flag or the path in the file.
    pub(crate) fn configure(self, raft: &tokio::runtime::Handle) -> Result<(ProcessConfig, Vec<String>), ConfigError> {
        let file = match &self.config {
            None => FileConfig::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| fail("--config", format!("{}: {error}", path.display())))?;
                FileConfig::parse(&text)?
            }
        };
        let settings = self.settings(&file)?;
        let mut notes = file.warnings.clone();
        let (mut others, more) = peers("--peers", &self.peers)?;
        notes.extend(more);
        let (bootstrap, more) = peers("--controllers", &self.controllers)?;
        notes.extend(more);
        if others.is_empty() {
            others.clone_from(&file.peers);
        }
        let split = !bootstrap.is_empty();
        let combined = self.cluster || file.enabled == Some(true);
        if !combined && !split {
            if self.raft_port.is_some() {
                return Err(fail("--raft-port", "it needs --cluster or --controllers"));
            }
            if !others.is_empty() {
                return Err(fail("--peers", "it needs --cluster"));
            }
        }
        let single = !combined && !split;
        let node_id = match self.node_id.or(file.node_id) {
            Some(name) => name,
            None if single => NodeName::parse("local").expect("a checked name"),
            None => return Err(fail("--node-id", "it is missing")),
        };
        let port = self.port.or(file.port).unwrap_or(CLIENT_PORT_DEFAULT);
        let raft_port = if single { 0 } else { self.raft_port.or(file.raft_port).unwrap_or(PEER_PORT_DEFAULT) };
        if port == raft_port && port != 0 {
            return Err(fail("--port", format!("{port} is the raft port too")));
        }
        let own = format!("{node_id}:{raft_port}");
        if others.contains(&own) && !self.peers.is_empty() {
            return Err(fail("--peers", format!("{own} is this node itself; list the others")));
        }
        let config = ProcessConfig {
            node_id,
            data: self.data.or(file.data).unwrap_or_else(|| PathBuf::from("/data")),
            raft_bind: if single { "127.0.0.1".to_owned() } else { self.bind.clone() },
            bind: self.bind,
            port,
            raft_port,
            advertise: self.advertise,
            advertise_raft: self.advertise_raft,
            controller: !split,
            data_role: true,
            zone: self.zone,
            cluster_id: self.cluster_id.or(file.cluster_id),
            peers: others,
            bootstrap,
            alone: single,
            settings,
            clock: Arc::new(SystemClock),
            raft_runtime: raft.clone(),
        };
        Ok((config, notes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configure(line: &str) -> Result<(ProcessConfig, Vec<String>), ConfigError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Args::try_parse_from(line.split_whitespace()).unwrap().configure(runtime.handle())
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
        let message = Args::try_parse_from(["ps", "--node-id", "a b"]).unwrap_err().to_string();
        assert!(message.contains("[a-z0-9][a-z0-9._-]{0,62}"), "{message}");
    }
}
