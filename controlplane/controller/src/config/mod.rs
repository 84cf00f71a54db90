//! What a node is started with: flags over the JSON file over defaults. Shared by both server programs.
//!
//! The file has the shape of the product's documentation; `raft` and `sharding` may also stand inside `cluster`, and peers
//! may be strings. A key that nobody knows is an error, so that a typing error never passes for a default.

mod flags;
mod show;
mod unique;
mod values;

use phoenixmldb_types::intent::{PEER_PORT_DEFAULT, peer_address};
use phoenixmldb_types::{ClusterId, NodeName, Settings};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use flags::{Given, NodeFlags, Origin, Sources};
pub use show::{ConfigVerb, Row, run};
pub use values::{check_settings, duration_ms, duration_range_ms, share, shown};

/// A value that breaks a rule. Final; the program ends with exit code 2.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}: {rule}")]
pub struct ConfigError {
    /// Flag or path in the file.
    pub what: String,
    /// The rule, with what was given.
    pub rule: String,
}

fn wrong(what: impl Into<String>, rule: impl std::fmt::Display) -> ConfigError {
    ConfigError { what: what.into(), rule: rule.to_string() }
}

/// What the file says; absent where it says nothing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FileConfig {
    /// `cluster.enabled`
    pub enabled: Option<bool>,
    /// `cluster.nodeId`
    pub node_id: Option<NodeName>,
    /// `cluster.clusterId`
    pub cluster_id: Option<ClusterId>,
    /// `cluster.peers`, as addresses.
    pub peers: Vec<String>,
    /// The ids of `cluster.peers`, by address, where the file names them.
    pub peer_ids: BTreeMap<String, NodeName>,
    /// `cluster.controllers`, as addresses.
    pub controllers: Vec<String>,
    /// `server.data`
    pub data: Option<PathBuf>,
    /// `server.port`
    pub port: Option<u16>,
    /// `server.raftPort`
    pub raft_port: Option<u16>,
    /// `server.bind`
    pub bind: Option<String>,
    /// `server.advertise`
    pub advertise: Option<String>,
    /// `server.advertiseRaft`
    pub advertise_raft: Option<String>,
    /// `server.zone`
    pub zone: Option<String>,
    /// The `raft` and `sharding` sections over the defaults.
    pub settings: Settings,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
    /// Every key that stands there, as `raft.electionTimeout`.
    pub given: BTreeSet<String>,
}

/// Addresses of other nodes as a flag lists them; notes say where a port was added.
pub fn peers(flag: &str, given: &[String]) -> Result<(Vec<String>, Vec<String>), ConfigError> {
    let (mut addresses, mut notes) = (Vec::new(), Vec::new());
    for text in given.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|text| !text.is_empty()) {
        let (address, added) = peer_address(text, PEER_PORT_DEFAULT).map_err(|rule| wrong(flag, rule))?;
        if added {
            notes.push(format!("{text}: no port given, using {PEER_PORT_DEFAULT}"));
        }
        if addresses.contains(&address) {
            return Err(wrong(flag, format!("{address} is listed twice")));
        }
        addresses.push(address);
    }
    Ok((addresses, notes))
}

/// One object of the file while it is read: every key has to be asked for.
struct Section<'a> {
    path: String,
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    fn new(path: &str, value: &'a Value) -> Result<Self, ConfigError> {
        let object = value.as_object().ok_or_else(|| wrong(path, "it has to be an object"))?;
        Ok(Self { path: path.to_owned(), object, known: Vec::new() })
    }

    fn key(&mut self, key: &'static str) -> (String, Option<&'a Value>) {
        self.known.push(key);
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        (path, self.object.get(key))
    }

    fn get<T>(
        &mut self,
        key: &'static str,
        what: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let (path, value) = self.key(key);
        let Some(value) = value else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| wrong(path, format!("{value} is not {what}")))
    }

    fn text<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let (path, value) = self.key(key);
        let Some(value) = value else { return Ok(None) };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(wrong(path, format!("{value} is not a text"))),
        };
        read(&text).map(Some).map_err(|rule| wrong(path, rule))
    }

    fn number(&mut self, key: &'static str) -> Result<Option<u64>, ConfigError> {
        self.get(key, "a whole number from 0", Value::as_u64)
    }

    /// Refuses what was not asked for, naming the nearest key that exists.
    fn finish(self) -> Result<(), ConfigError> {
        let Some(unknown) = self.object.keys().find(|key| !self.known.contains(&key.as_str())) else { return Ok(()) };
        let nearest = self.known.iter().max_by_key(|known| common(known, unknown));
        let path = if self.path.is_empty() { unknown.clone() } else { format!("{}.{unknown}", self.path) };
        let hint = nearest.map(|known| format!("; did you mean {known:?}?")).unwrap_or_default();
        Err(wrong(path, format!("unknown key{hint}")))
    }
}

/// Pairs of neighbouring letters that two words share: enough to find the key that was meant.
fn common(a: &str, b: &str) -> usize {
    let pairs = |text: &str| {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        text.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
    };
    let others = pairs(b);
    pairs(a).iter().filter(|pair| others.contains(pair)).count()
}

fn small(path: &str, value: Option<u64>) -> Result<Option<u32>, ConfigError> {
    value.map(|value| u32::try_from(value).map_err(|_| wrong(path, format!("{value} is too large")))).transpose()
}

fn port(path: &str, value: Option<u64>) -> Result<Option<u16>, ConfigError> {
    let read = |value| u16::try_from(value).ok().filter(|port| *port > 0);
    value.map(|value| read(value).ok_or_else(|| wrong(path, format!("{value} is not from 1 to 65535")))).transpose()
}

/// A section that may also stand inside `cluster`: both together. Error: a key stands in both with different values.
fn both(key: &str, outer: Option<&Value>, inner: Option<&Value>) -> Result<Option<(String, Value)>, ConfigError> {
    let path = format!("cluster.{key}");
    let (outer, inner) = match (outer, inner) {
        (None, None) => return Ok(None),
        (Some(outer), None) => return Ok(Some((key.to_owned(), outer.clone()))),
        (None, Some(inner)) => return Ok(Some((path, inner.clone()))),
        (Some(outer), Some(inner)) => (outer, inner),
    };
    let mut whole = outer.as_object().ok_or_else(|| wrong(key, "it has to be an object"))?.clone();
    for (name, value) in inner.as_object().ok_or_else(|| wrong(&path, "it has to be an object"))? {
        if whole.get(name).is_some_and(|known| known != value) {
            return Err(wrong(format!("{path}.{name}"), format!("{key}.{name} has another value; keep one of them")));
        }
        whole.insert(name.clone(), value.clone());
    }
    Ok(Some((key.to_owned(), Value::Object(whole))))
}

impl FileConfig {
    /// Reads a file. Errors name the file, and line and column, or the path of the key and its rule.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs_err::read_to_string(path).map_err(|error| wrong("--config", error))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a file of this name.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let value = unique::from_str(text).map_err(|error| {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let rule = error.to_string();
            wrong(format!("{name}:{}:{}", error.line(), error.column()), rule.strip_suffix(&place).unwrap_or(&rule))
        })?;
        Self::from_value(&value).map_err(|error| wrong(format!("{name}: {}", error.what), error.rule))
    }

    fn from_value(value: &Value) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let mut root = Section::new("", value)?;
        let (raft, sharding) = (root.key("raft").1, root.key("sharding").1);
        let (mut inner_raft, mut inner_sharding) = (None, None);
        let (path, cluster) = root.key("cluster");
        if let Some(cluster) = cluster {
            let mut section = Section::new(&path, cluster)?;
            config.enabled = section.get("enabled", "true or false", Value::as_bool)?;
            config.node_id = section.text("nodeId", |text| NodeName::parse(text).map_err(|error| error.to_string()))?;
            config.cluster_id =
                section.text("clusterId", |text| ClusterId::parse(text).map_err(|error| error.to_string()))?;
            let (path, peers) = section.key("peers");
            if let Some(peers) = peers {
                (config.peers, config.peer_ids) = read_peers(&path, peers, config.node_id.as_ref())?;
            }
            let (path, controllers) = section.key("controllers");
            if let Some(controllers) = controllers {
                config.controllers = read_peers(&path, controllers, None)?.0;
            }
            (inner_raft, inner_sharding) = (section.key("raft").1, section.key("sharding").1);
            config.finish(section)?;
        }
        if let Some((path, raft)) = both("raft", raft, inner_raft)? {
            config.read_raft(Section::new(&path, &raft)?)?;
        }
        if let Some((path, sharding)) = both("sharding", sharding, inner_sharding)? {
            config.read_sharding(Section::new(&path, &sharding)?)?;
        }
        let (path, server) = root.key("server");
        if let Some(server) = server {
            let mut section = Section::new(&path, server)?;
            config.data = section.text("data", |text| Ok(PathBuf::from(text)))?;
            config.port = port("server.port", section.number("port")?)?;
            config.raft_port = port("server.raftPort", section.number("raftPort")?)?;
            config.bind = section.text("bind", |text| Ok(text.to_owned()))?;
            config.advertise = section.text("advertise", |text| Ok(text.to_owned()))?;
            config.advertise_raft = section.text("advertiseRaft", |text| Ok(text.to_owned()))?;
            config.zone = section.text("zone", |text| Ok(text.to_owned()))?;
            config.finish(section)?;
        }
        root.finish()?;
        check_settings(&config.settings)?;
        Ok(config)
    }

    /// Ends a section: refuses what nobody asked for and remembers what was given.
    fn finish(&mut self, section: Section<'_>) -> Result<(), ConfigError> {
        // What stands inside `cluster` is known by the name it has outside.
        let outside = section.path.strip_prefix("cluster.").unwrap_or(&section.path);
        self.given.extend(section.object.keys().map(|key| format!("{outside}.{key}")));
        section.finish()
    }

    fn read_raft(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        let settings = &mut self.settings;
        if let Some((low, high)) = section.text("electionTimeout", duration_range_ms)? {
            (settings.election_timeout_min_ms, settings.election_timeout_max_ms) = (low, high);
        }
        if let Some(ms) = section.text("heartbeatInterval", duration_ms)? {
            settings.heartbeat_ms = ms;
        }
        if let Some(entries) = section.number("snapshotThreshold")? {
            settings.snapshot_threshold = entries;
        }
        if let Some(entries) = section.number("maxLogEntries")? {
            settings.max_log_entries = entries;
        }
        self.finish(section)
    }

    fn read_sharding(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        let settings = &mut self.settings;
        let enabled = section.get("enabled", "true or false", Value::as_bool)?;
        let count = small("sharding.shardCount", section.number("shardCount")?)?;
        if let Some(count) = count {
            settings.shard_count = count;
        }
        if enabled == Some(false) {
            if count.is_some_and(|count| count != 1) {
                self.warnings.push("sharding.enabled is false: shardCount is ignored, there is one shard".to_owned());
            }
            settings.shard_count = 1;
            self.given.insert("sharding.shardCount".to_owned());
        }
        if let Some(copies) = small("sharding.replicationFactor", section.number("replicationFactor")?)? {
            settings.replication_factor = copies;
        }
        if let Some(value) = section.text("rebalanceThreshold", share)? {
            settings.rebalance_threshold = value;
        }
        self.finish(section)
    }
}

/// Peers as objects of the documentation or as plain addresses.
fn read_peers(
    path: &str,
    value: &Value,
    own: Option<&NodeName>,
) -> Result<(Vec<String>, BTreeMap<String, NodeName>), ConfigError> {
    let list = value.as_array().ok_or_else(|| wrong(path, "it has to be a list"))?;
    let (mut addresses, mut ids, mut by_address) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (index, entry) in list.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let (id, address) = match entry {
            Value::String(address) => (None, address.clone()),
            Value::Object(_) => {
                let mut section = Section::new(&path, entry)?;
                let id = section.text("id", |text| NodeName::parse(text).map_err(|error| error.to_string()))?;
                let address = section.text("address", |text| Ok(text.to_owned()))?;
                section.finish()?;
                if let Some(id) = &id {
                    if ids.contains(id) || own == Some(id) {
                        return Err(wrong(path, format!("node id {:?} is used twice", id.as_str())));
                    }
                    ids.push(id.clone());
                }
                (id, address.ok_or_else(|| wrong(&path, "address is missing"))?)
            }
            _ => return Err(wrong(path, "a peer is host:port, or an object with id and address")),
        };
        if let Some(id) = id {
            let whole = peer_address(&address, PEER_PORT_DEFAULT).map_err(|rule| wrong(&path, rule))?.0;
            by_address.insert(whole, id);
        }
        addresses.push(address);
    }
    Ok((peers(path, &addresses)?.0, by_address))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page's file, as it stands there.
    const PAGE: &str = r#"{
    "cluster": {
        "enabled": true,
        "nodeId": "node1",
        "clusterId": "my-cluster",
        "peers": [
            {"id": "node2", "address": "10.0.0.2:5433"},
            {"id": "node3", "address": "10.0.0.3:5433"}
        ]
    },
    "raft": {
        "electionTimeout": "150-300ms",
        "heartbeatInterval": "50ms",
        "snapshotThreshold": 10000,
        "maxLogEntries": 100000
    },
    "sharding": {
        "enabled": true,
        "shardCount": 16,
        "replicationFactor": 3
    }
}"#;

    #[test]
    fn the_documented_file_is_read_as_it_stands() {
        let config = FileConfig::parse(PAGE, "cluster.json").unwrap();
        assert_eq!(config.enabled, Some(true));
        assert_eq!(config.node_id.unwrap().as_str(), "node1");
        assert_eq!(config.cluster_id.unwrap().as_str(), "my-cluster");
        assert_eq!(config.peers, ["10.0.0.2:5433", "10.0.0.3:5433"]);
        assert_eq!(config.peer_ids["10.0.0.2:5433"].as_str(), "node2");
        assert_eq!(config.settings, Settings::default());
        assert!(config.warnings.is_empty() && config.given.contains("raft.maxLogEntries"));
    }

    #[test]
    fn sections_may_stand_inside_cluster_but_not_twice_with_different_values() {
        let inner = r#"{"cluster":{"raft":{"heartbeatInterval":20},"peers":["node2"]}}"#;
        let config = FileConfig::parse(inner, "f").unwrap();
        assert_eq!((config.settings.heartbeat_ms, config.peers), (20, vec!["node2:5433".to_owned()]));
        let both = r#"{"raft":{"heartbeatInterval":10},"cluster":{"raft":{"heartbeatInterval":20}}}"#;
        assert_eq!(FileConfig::parse(both, "f").unwrap_err().what, "f: cluster.raft.heartbeatInterval");
        let apart =
            r#"{"raft":{"heartbeatInterval":20},"cluster":{"raft":{"heartbeatInterval":20,"maxLogEntries":20000}}}"#;
        let settings = FileConfig::parse(apart, "f").unwrap().settings;
        assert_eq!((settings.heartbeat_ms, settings.max_log_entries), (20, 20_000));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path_and_rule() {
        for (text, what, rule) in [
            ("{", ":1:1", "EOF"),
            ("{\n  \"raft\": {},\n}", ":3:1", "trailing comma"),
            ("{\"raft\":{\"maxLogEntries\":1,\n \"maxLogEntries\":2}}", ":2:19", "\"maxLogEntries\" stands twice"),
            (r#"{"cluster":{"enabled":1}}"#, ": cluster.enabled", "1 is not true or false"),
            (r#"{"cluster":{"enabled":"yes"}}"#, "cluster.enabled", "true or false"),
            (r#"{"cluster":{"nodeID":"a"}}"#, "cluster.nodeID", "did you mean \"nodeId\""),
            (r#"{"raft":{"electiontimeout":"1ms"}}"#, "raft.electiontimeout", "did you mean \"electionTimeout\""),
            (r#"{"raft":{"electionTimeout":"300-150ms"}}"#, "raft.electionTimeout", "larger than the first"),
            (r#"{"raft":{"electionTimeout":"60-90ms"}}"#, "raft.electionTimeout", "twice the heartbeat"),
            (r#"{"raft":{"heartbeatInterval":"0ms"}}"#, "raft.heartbeatInterval", "longer than 0"),
            (r#"{"raft":{"snapshotThreshold":-1}}"#, "raft.snapshotThreshold", "whole number"),
            (r#"{"raft":{"maxLogEntries":5}}"#, "raft.maxLogEntries", "less than snapshotThreshold"),
            (r#"{"sharding":{"shardCount":0}}"#, "sharding.shardCount", "from 1 to"),
            (r#"{"sharding":{"shardCount":5000}}"#, "sharding.shardCount", "from 1 to"),
            (r#"{"sharding":{"replicationFactor":8}}"#, "sharding.replicationFactor", "from 1 to 7"),
            (r#"{"sharding":{"rebalanceThreshold":"110%"}}"#, "sharding.rebalanceThreshold", "at most 100%"),
            (r#"{"sharding":{"rebalanceThreshold":"0%"}}"#, "sharding.rebalanceThreshold", "above 0%"),
            (r#"{"cluster":{"peers":["node2:99999"]}}"#, "cluster.peers", "1 to 65535"),
            (
                r#"{"cluster":{"peers":[{"id":"a","address":"x"},{"id":"a","address":"y"}]}}"#,
                "cluster.peers[1]",
                "used twice",
            ),
        ] {
            let error = FileConfig::parse(text, "f").unwrap_err();
            assert!(error.what.starts_with("f") && error.what.contains(what), "{text}: {error}");
            assert!(error.rule.contains(rule), "{text}: {error}");
        }
    }

    #[test]
    fn odd_values_are_told() {
        let config =
            FileConfig::parse(r#"{"sharding":{"enabled":false,"shardCount":16,"replicationFactor":2}}"#, "f").unwrap();
        assert_eq!(config.settings.shard_count, 1);
        assert_eq!(config.warnings, ["sharding.enabled is false: shardCount is ignored, there is one shard"]);
    }
}
