//! What a node is started with: flags over the JSON file over defaults. Shared by both server programs.
//!
//! The file has the shape of the product's documentation; `raft` and `sharding` may also stand inside `cluster`, and peers
//! may be strings. A key that nobody knows is an error, so that a typing error never passes for a default.

use phoenixmldb_types::intent::{PEER_PORT_DEFAULT, peer_address};
use phoenixmldb_types::limits::{REPLICATION_FACTOR_MAX, SHARDS_MAX};
use phoenixmldb_types::{ClusterId, NodeName, Settings};
use serde_json::{Map, Value};
use std::path::PathBuf;

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
    /// `server.data`
    pub data: Option<PathBuf>,
    /// `server.port`
    pub port: Option<u16>,
    /// `server.raftPort`
    pub raft_port: Option<u16>,
    /// The `raft` and `sharding` sections over the defaults.
    pub settings: Settings,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
}

/// A duration: `50ms`, `2s`, or a number of milliseconds.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is not a duration such as 50ms"))?;
    match unit.trim() {
        "" | "ms" => Ok(number),
        "s" => Ok(number.saturating_mul(1000)),
        _ => Err(format!("{text:?} is not a duration such as 50ms or 2s")),
    }
}

/// A range of durations, `150-300ms` or `150ms-300ms`; a single one counts up to its double.
pub fn duration_range_ms(text: &str) -> Result<(u64, u64), String> {
    let Some((low, high)) = text.split_once('-') else {
        let low = duration_ms(text)?;
        return Ok((low, low.saturating_mul(2)));
    };
    let high_ms = duration_ms(high)?;
    let unit: String = high.chars().filter(|c| c.is_ascii_alphabetic()).collect();
    let low_ms = if low.trim().ends_with(|c: char| c.is_ascii_digit()) {
        duration_ms(&format!("{low}{unit}"))?
    } else {
        duration_ms(low)?
    };
    if low_ms >= high_ms {
        return Err(format!("{text:?}: the second value has to be larger than the first"));
    }
    Ok((low_ms, high_ms))
}

/// A share: `10%` or `0.1`, above 0 and at most 1.
pub fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let value =
        number.trim().parse::<f64>().map_err(|_| format!("{text:?} is not a share such as 10% or 0.1"))? / scale;
    if value > 0.0 && value <= 1.0 { Ok(value) } else { Err(format!("{text:?} is not above 0% and at most 100%")) }
}

/// Checks the rules between settings.
pub fn check_settings(settings: &Settings) -> Result<(), ConfigError> {
    if settings.heartbeat_ms == 0 {
        return Err(wrong("raft.heartbeatInterval", "it has to be longer than 0"));
    }
    if settings.election_timeout_min_ms < 2 * settings.heartbeat_ms {
        let rule = format!(
            "{} ms is less than twice the heartbeat interval of {} ms",
            settings.election_timeout_min_ms, settings.heartbeat_ms
        );
        return Err(wrong("raft.electionTimeout", rule));
    }
    if settings.snapshot_threshold == 0 {
        return Err(wrong("raft.snapshotThreshold", "it has to be at least 1"));
    }
    if settings.max_log_entries < settings.snapshot_threshold {
        let rule =
            format!("{} is less than snapshotThreshold, {}", settings.max_log_entries, settings.snapshot_threshold);
        return Err(wrong("raft.maxLogEntries", rule));
    }
    if settings.shard_count == 0 || settings.shard_count > SHARDS_MAX {
        return Err(wrong("sharding.shardCount", format!("{} is not from 1 to {SHARDS_MAX}", settings.shard_count)));
    }
    if settings.replication_factor == 0 || settings.replication_factor > REPLICATION_FACTOR_MAX {
        let rule = format!("{} is not from 1 to {REPLICATION_FACTOR_MAX}", settings.replication_factor);
        return Err(wrong("sharding.replicationFactor", rule));
    }
    Ok(())
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

impl FileConfig {
    /// Reads the file's text. Errors name line and column, or the path and the rule.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| wrong(format!("line {}:{}", error.line(), error.column()), error))?;
        let mut config = Self::default();
        let mut root = Section::new("", &value)?;
        let (mut raft, mut sharding) = (root.key("raft"), root.key("sharding"));
        let (path, cluster) = root.key("cluster");
        if let Some(cluster) = cluster {
            let mut section = Section::new(&path, cluster)?;
            config.enabled = section.get("enabled", "true or false", Value::as_bool)?;
            config.node_id = section.text("nodeId", |text| NodeName::parse(text).map_err(|error| error.to_string()))?;
            config.cluster_id =
                section.text("clusterId", |text| ClusterId::parse(text).map_err(|error| error.to_string()))?;
            let (path, peers) = section.key("peers");
            if let Some(peers) = peers {
                config.peers = read_peers(&path, peers, config.node_id.as_ref())?;
            }
            for (outer, inner) in [(&mut raft, section.key("raft")), (&mut sharding, section.key("sharding"))] {
                match (outer.1, inner.1) {
                    (Some(one), Some(other)) if one != other => {
                        return Err(wrong(&inner.0, format!("it stands at {} too, with another value", outer.0)));
                    }
                    (None, Some(_)) => *outer = inner,
                    _ => {}
                }
            }
            section.finish()?;
            if config.enabled == Some(true) && config.node_id.is_none() {
                return Err(wrong("cluster.nodeId", "it is missing"));
            }
        }
        if let (path, Some(raft)) = raft {
            config.read_raft(Section::new(&path, raft)?)?;
        }
        if let (path, Some(sharding)) = sharding {
            config.read_sharding(Section::new(&path, sharding)?)?;
        }
        let (path, server) = root.key("server");
        if let Some(server) = server {
            let mut section = Section::new(&path, server)?;
            config.data = section.text("data", |text| Ok(PathBuf::from(text)))?;
            config.port = port("server.port", section.number("port")?)?;
            config.raft_port = port("server.raftPort", section.number("raftPort")?)?;
            section.finish()?;
        }
        root.finish()?;
        check_settings(&config.settings)?;
        Ok(config)
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
        section.finish()
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
        }
        if let Some(copies) = small("sharding.replicationFactor", section.number("replicationFactor")?)? {
            settings.replication_factor = copies;
            if copies % 2 == 0 {
                self.warnings.push(format!(
                    "sharding.replicationFactor {copies} is even: {} copies bear as many losses",
                    copies - 1
                ));
            }
        }
        if let Some(value) = section.text("rebalanceThreshold", share)? {
            settings.rebalance_threshold = value;
        }
        section.finish()
    }
}

/// Peers as objects of the documentation or as plain addresses.
fn read_peers(path: &str, value: &Value, own: Option<&NodeName>) -> Result<Vec<String>, ConfigError> {
    let list = value.as_array().ok_or_else(|| wrong(path, "it has to be a list"))?;
    let (mut addresses, mut ids) = (Vec::new(), Vec::new());
    for (index, entry) in list.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let address = match entry {
            Value::String(address) => address.clone(),
            Value::Object(_) => {
                let mut section = Section::new(&path, entry)?;
                let id = section.text("id", |text| NodeName::parse(text).map_err(|error| error.to_string()))?;
                let address = section.text("address", |text| Ok(text.to_owned()))?;
                section.finish()?;
                if let Some(id) = id {
                    if ids.contains(&id) || own == Some(&id) {
                        return Err(wrong(path, format!("node id {:?} is used twice", id.as_str())));
                    }
                    ids.push(id);
                }
                address.ok_or_else(|| wrong(&path, "address is missing"))?
            }
            _ => return Err(wrong(path, "a peer is host:port, or an object with id and address")),
        };
        addresses.push(address);
    }
    Ok(peers(path, &addresses)?.0)
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
        let config = FileConfig::parse(PAGE).unwrap();
        assert_eq!(config.enabled, Some(true));
        assert_eq!(config.node_id.unwrap().as_str(), "node1");
        assert_eq!(config.cluster_id.unwrap().as_str(), "my-cluster");
        assert_eq!(config.peers, ["10.0.0.2:5433", "10.0.0.3:5433"]);
        assert_eq!(config.settings, Settings::default());
        assert!(config.warnings.is_empty());
    }

    #[test]
    fn sections_may_stand_inside_cluster_but_not_twice_with_different_values() {
        let inner = r#"{"cluster":{"raft":{"heartbeatInterval":20},"peers":["node2"]}}"#;
        let config = FileConfig::parse(inner).unwrap();
        assert_eq!((config.settings.heartbeat_ms, config.peers), (20, vec!["node2:5433".to_owned()]));
        let both = r#"{"raft":{"heartbeatInterval":10},"cluster":{"raft":{"heartbeatInterval":20}}}"#;
        assert_eq!(FileConfig::parse(both).unwrap_err().what, "cluster.raft");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_path_and_rule() {
        for (text, what, rule) in [
            ("{", "line 1:1", "EOF"),
            (r#"{"cluster":{"enabled":"yes"}}"#, "cluster.enabled", "true or false"),
            (r#"{"cluster":{"enabled":true}}"#, "cluster.nodeId", "missing"),
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
            let error = FileConfig::parse(text).unwrap_err();
            assert!(error.what.starts_with(what) && error.rule.contains(rule), "{text}: {error}");
        }
    }

    #[test]
    fn odd_values_are_told() {
        let config =
            FileConfig::parse(r#"{"sharding":{"enabled":false,"shardCount":16,"replicationFactor":2}}"#).unwrap();
        assert_eq!(config.settings.shard_count, 1);
        assert_eq!(config.warnings.len(), 2);
    }

    #[test]
    fn durations_and_shares_take_the_documented_forms() {
        assert_eq!(duration_range_ms("150-300ms"), Ok((150, 300)));
        assert_eq!(duration_range_ms("150ms-300ms"), Ok((150, 300)));
        assert_eq!(duration_range_ms("1-2s"), Ok((1000, 2000)));
        assert_eq!(duration_range_ms("150ms"), Ok((150, 300)));
        assert_eq!(share("10%"), Ok(0.1));
        assert_eq!(share("0.1"), Ok(0.1));
        assert!(duration_ms("fast").is_err());
    }
}
