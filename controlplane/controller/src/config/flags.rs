//! The flags that both server programs share, each with its environment variable, and where a value comes from.

use super::{ConfigError, FileConfig, check_settings, duration_ms, duration_range_ms, peers, share, shown, wrong};
use clap::ArgMatches;
use clap::parser::ValueSource;
use phoenixmldb_types::{ClusterId, NodeName, Settings};
use std::fmt;
use std::path::PathBuf;

/// Flags of a node, whatever its role. Flags win over the environment, that over the file, that over defaults.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct NodeFlags {
    /// Name of this node: [a-z0-9][a-z0-9._-]{0,62}
    #[arg(long, env = "PHOENIXMLDB_NODE_ID", hide_env_values = true)]
    pub node_id: Option<NodeName>,
    /// Name of the cluster; learned from the others when it is not given
    #[arg(long, env = "PHOENIXMLDB_CLUSTER_ID", hide_env_values = true)]
    pub cluster_id: Option<ClusterId>,
    /// Folder of this node [default: /data]
    #[arg(long, env = "PHOENIXMLDB_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// Client port: gRPC, /health, /metrics [default: 5432]
    #[arg(long, env = "PHOENIXMLDB_PORT", hide_env_values = true)]
    pub port: Option<u16>,
    /// Port for other nodes [default: 5433]
    #[arg(long, env = "PHOENIXMLDB_RAFT_PORT", hide_env_values = true)]
    pub raft_port: Option<u16>,
    /// Raft ports of the other first members, as host:port
    #[arg(long, value_delimiter = ',', env = "PHOENIXMLDB_PEERS", hide_env_values = true)]
    pub peers: Vec<String>,
    /// JSON configuration file
    #[arg(long, env = "PHOENIXMLDB_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Address both ports listen on [default: 0.0.0.0]
    #[arg(long, env = "PHOENIXMLDB_BIND", hide_env_values = true)]
    pub bind: Option<String>,
    /// Host, or host:port, that others reach this node by
    #[arg(long, env = "PHOENIXMLDB_ADVERTISE", hide_env_values = true)]
    pub advertise: Option<String>,
    /// As --advertise, for the raft port alone
    #[arg(long, env = "PHOENIXMLDB_ADVERTISE_RAFT", hide_env_values = true)]
    pub advertise_raft: Option<String>,
    /// Where this node stands, for spreading copies
    #[arg(long, env = "PHOENIXMLDB_ZONE", hide_env_values = true)]
    pub zone: Option<String>,
    /// Number of shards, fixed when the cluster forms [default: 16]
    #[arg(long, env = "PHOENIXMLDB_SHARDS", hide_env_values = true)]
    pub shards: Option<u32>,
    /// Copies of each shard [default: 3]
    #[arg(long, env = "PHOENIXMLDB_REPLICAS", hide_env_values = true)]
    pub replicas: Option<u32>,
    /// Imbalance above which shards move [default: 10%]
    #[arg(long, env = "PHOENIXMLDB_REBALANCE_THRESHOLD", hide_env_values = true)]
    pub rebalance_threshold: Option<String>,
    /// Election timeout, a range or its lower end [default: 150-300ms]
    #[arg(long, env = "PHOENIXMLDB_ELECTION_TIMEOUT", hide_env_values = true)]
    pub election_timeout: Option<String>,
    /// Heartbeat interval [default: 50ms]
    #[arg(long, env = "PHOENIXMLDB_HEARTBEAT_INTERVAL", hide_env_values = true)]
    pub heartbeat_interval: Option<String>,
    /// Log entries between two snapshots [default: 10000]
    #[arg(long, env = "PHOENIXMLDB_SNAPSHOT_THRESHOLD", hide_env_values = true)]
    pub snapshot_threshold: Option<u64>,
    /// Most log entries kept [default: 100000]
    #[arg(long, env = "PHOENIXMLDB_MAX_LOG_ENTRIES", hide_env_values = true)]
    pub max_log_entries: Option<u64>,
}

/// Each cluster-wide setting and the flag that sets it.
const SETTING_FLAGS: [(&str, &str); 7] = [
    ("raft.electionTimeout", "election_timeout"),
    ("raft.heartbeatInterval", "heartbeat_interval"),
    ("raft.snapshotThreshold", "snapshot_threshold"),
    ("raft.maxLogEntries", "max_log_entries"),
    ("sharding.shardCount", "shards"),
    ("sharding.replicationFactor", "replicas"),
    ("sharding.rebalanceThreshold", "rebalance_threshold"),
];

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The command line.
    Flag(String),
    /// The environment.
    Env(String),
    /// The file.
    File(String),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(name) => write!(f, "file {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A cluster-wide setting that this node was given. The cluster's own value wins where they differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Its key in the file.
    pub key: &'static str,
    /// As it is written in the file.
    pub value: String,
    /// Who gave it.
    pub origin: Origin,
}

impl Given {
    /// What was given but does not hold, because the cluster has another value; in words.
    #[must_use]
    pub fn ignored(given: &[Self], cluster: &Settings) -> Vec<String> {
        let known = shown(cluster);
        let value = |key: &str| known.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
        let differs = given.iter().filter_map(|given| {
            let holds = value(given.key).filter(|holds| *holds != given.value)?;
            Some(format!("{} {} ({}) is ignored; the cluster uses {holds}", given.key, given.value, given.origin))
        });
        differs.collect()
    }
}

/// Tells where each value comes from.
pub struct Sources<'a> {
    matches: &'a ArgMatches,
    file: &'a FileConfig,
    file_name: String,
}

impl<'a> Sources<'a> {
    /// Of a parsed command line and the file it names.
    #[must_use]
    pub fn new(matches: &'a ArgMatches, file: &'a FileConfig, flags: &NodeFlags) -> Self {
        let file_name = flags.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        Self { matches, file, file_name }
    }

    /// Where the value of a key comes from, `flag` being the name of its field.
    #[must_use]
    pub fn of(&self, flag: &str, key: &str) -> Origin {
        let known = self.matches.ids().any(|id| id.as_str() == flag);
        match known.then(|| self.matches.value_source(flag)).flatten() {
            Some(ValueSource::CommandLine) => Origin::Flag(format!("--{}", flag.replace('_', "-"))),
            Some(ValueSource::EnvVariable) => Origin::Env(format!("PHOENIXMLDB_{}", flag.to_uppercase())),
            _ if self.file.given.contains(key) => Origin::File(self.file_name.clone()),
            _ => Origin::Default,
        }
    }

    /// The cluster-wide settings that somebody gave.
    #[must_use]
    pub fn given(&self, settings: &Settings) -> Vec<Given> {
        let values = shown(settings).into_iter().zip(SETTING_FLAGS);
        let given = values.map(|((key, value), (_, flag))| Given { key, value, origin: self.of(flag, key) });
        given.filter(|given| given.origin != Origin::Default).collect()
    }

    /// Each cluster-wide setting with its value and where that comes from.
    #[must_use]
    pub fn settings(&self, settings: &Settings) -> Vec<(&'static str, String, Origin)> {
        let values = shown(settings).into_iter().zip(SETTING_FLAGS);
        values.map(|((key, value), (_, flag))| (key, value, self.of(flag, key))).collect()
    }
}

impl NodeFlags {
    /// The file that is named, or an empty one.
    pub fn file(&self) -> Result<FileConfig, ConfigError> {
        self.config.as_deref().map_or_else(|| Ok(FileConfig::default()), FileConfig::read)
    }

    /// Settings of flags over file over defaults; warnings go to `notes`.
    pub fn settings(&self, file: &FileConfig, notes: &mut Vec<String>) -> Result<Settings, ConfigError> {
        let mut settings = file.settings.clone();
        settings.shard_count = self.shards.unwrap_or(settings.shard_count);
        settings.replication_factor = self.replicas.unwrap_or(settings.replication_factor);
        settings.snapshot_threshold = self.snapshot_threshold.unwrap_or(settings.snapshot_threshold);
        settings.max_log_entries = self.max_log_entries.unwrap_or(settings.max_log_entries);
        if let Some(range) = &self.election_timeout {
            (settings.election_timeout_min_ms, settings.election_timeout_max_ms) =
                duration_range_ms(range).map_err(|rule| wrong("--election-timeout", rule))?;
        }
        if let Some(interval) = &self.heartbeat_interval {
            settings.heartbeat_ms = duration_ms(interval).map_err(|rule| wrong("--heartbeat-interval", rule))?;
        }
        if let Some(text) = &self.rebalance_threshold {
            settings.rebalance_threshold = share(text).map_err(|rule| wrong("--rebalance-threshold", rule))?;
        }
        check_settings(&settings)?;
        notes.extend(file.warnings.iter().cloned());
        let copies = settings.replication_factor;
        if copies.is_multiple_of(2) {
            notes.push(format!("replicationFactor {copies} is even: it bears no more losses than {}", copies - 1));
        }
        Ok(settings)
    }

    /// The other first members: of the flag, else of the file. Error: an address that is none, twice, or this node's.
    pub fn peers(
        &self,
        file: &FileConfig,
        own: &NodeName,
        raft_port: u16,
        notes: &mut Vec<String>,
    ) -> Result<Vec<String>, ConfigError> {
        let (given, more) = peers("--peers", &self.peers)?;
        notes.extend(more);
        let own = format!("{own}:{raft_port}");
        if given.contains(&own) {
            return Err(wrong("--peers", format!("{own} is this node itself; list the others")));
        }
        Ok(if given.is_empty() { file.peers.clone() } else { given })
    }

    /// Client and raft port. Error: they are the same.
    pub fn ports(&self, file: &FileConfig, defaults: (u16, u16)) -> Result<(u16, u16), ConfigError> {
        let port = self.port.or(file.port).unwrap_or(defaults.0);
        let raft_port = self.raft_port.or(file.raft_port).unwrap_or(defaults.1);
        if port == raft_port && port != 0 {
            return Err(wrong("--port", format!("{port} is the raft port too")));
        }
        Ok((port, raft_port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches, Parser};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        flags: NodeFlags,
    }

    #[test]
    fn flags_win_over_the_file_and_say_so() {
        let matches = Program::command().get_matches_from(["p", "--shards", "8", "--rebalance-threshold", "0.25"]);
        let flags = Program::from_arg_matches(&matches).unwrap().flags;
        let text = r#"{"sharding":{"shardCount":4,"replicationFactor":2}}"#;
        let file = FileConfig::parse(text, "c.json").unwrap();
        let mut notes = Vec::new();
        let settings = flags.settings(&file, &mut notes).unwrap();
        assert_eq!((settings.shard_count, settings.replication_factor), (8, 2));
        assert_eq!(notes, ["replicationFactor 2 is even: it bears no more losses than 1"]);
        let sources = Sources { matches: &matches, file: &file, file_name: "c.json".into() };
        assert_eq!(sources.of("shards", "sharding.shardCount").to_string(), "flag --shards");
        assert_eq!(sources.of("replicas", "sharding.replicationFactor").to_string(), "file c.json");
        assert_eq!(sources.of("zone", "server.zone"), Origin::Default);
        let given = sources.given(&settings);
        assert_eq!(given.iter().map(|g| g.key).collect::<Vec<_>>().len(), 3);
        let cluster = Settings { replication_factor: 2, rebalance_threshold: 0.25, ..Settings::default() };
        assert_eq!(
            Given::ignored(&given, &cluster),
            ["sharding.shardCount 8 (flag --shards) is ignored; the cluster uses 16"]
        );
    }
}
