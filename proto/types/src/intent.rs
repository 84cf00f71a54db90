//! What `init` and `join` record for a node's first start, and the rule for addresses, shared by CLI and server.

use crate::ids::{ClusterId, NodeName};
use serde::{Deserialize, Serialize};

/// Name of the file in a node's data directory.
pub const INTENT_FILE: &str = "bootstrap.json";

/// The port of other nodes where an address names none.
pub const PEER_PORT_DEFAULT: u16 = 5433;

/// The port of clients where an address names none.
pub const CLIENT_PORT_DEFAULT: u16 = 5432;

/// Format of the intent file.
pub const INTENT_FORMAT: u32 = 1;

/// What a node is to do at its first start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapIntent {
    /// Version of this file.
    pub format: u32,
    /// The node.
    pub node_id: NodeName,
    /// The cluster; a node that joins learns it when it is not given.
    pub cluster_id: Option<ClusterId>,
    /// `init`: the other first voters, as `host:port`. Empty with no bootstrap peer: a cluster of one.
    #[serde(default)]
    pub peers: Vec<String>,
    /// `join`: any member, as `host:port`.
    #[serde(default)]
    pub bootstrap_peer: Option<String>,
    /// Where the node stands; empty when unknown.
    #[serde(default)]
    pub zone: String,
    /// `init --shards`.
    #[serde(default)]
    pub shard_count: Option<u32>,
    /// `init --replicas`.
    #[serde(default)]
    pub replication_factor: Option<u32>,
}

/// Checks `host:port` and adds `default_port` where there is none; the second value says that it was added.
///
/// Error: the broken rule in words, with what was given.
pub fn peer_address(given: &str, default_port: u16) -> Result<(String, bool), String> {
    let rule = |rule: &str| Err(format!("{given:?} is not host:port: {rule}"));
    if given.is_empty() || given.contains(char::is_whitespace) || given.contains('/') {
        return rule("a host name or address, a colon, a port");
    }
    let (host, port) = match given.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || (host.starts_with('[') && host.ends_with(']')) => {
            (host, Some(port))
        }
        Some(_) if given.starts_with('[') && given.ends_with(']') => (given, None),
        Some(_) => return rule("an IPv6 address needs brackets, as in [::1]:5433"),
        None => (given, None),
    };
    if host.is_empty() {
        return rule("the host is missing");
    }
    match port {
        None => Ok((format!("{host}:{default_port}"), true)),
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok((format!("{host}:{port}"), false)),
            _ => rule("the port is a number from 1 to 65535"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for (given, whole) in [
            ("node2:5433", ("node2:5433", false)),
            ("node2", ("node2:5433", true)),
            ("[::1]:5433", ("[::1]:5433", false)),
            ("[::1]", ("[::1]:5433", true)),
            ("10.0.0.2:6000", ("10.0.0.2:6000", false)),
        ] {
            assert_eq!(peer_address(given, 5433), Ok((whole.0.to_owned(), whole.1)));
        }
        for bad in ["", "node2:99999", "node2:0", "node2:x", ":5433", "::1", "::1:5433", "a b:1", "http://node2:5433"] {
            assert!(peer_address(bad, 5433).unwrap_err().contains("host:port"), "{bad}");
        }
    }

    #[test]
    fn an_intent_round_trips_as_json() {
        let json = r#"{"format":1,"nodeId":"node2","clusterId":null,"bootstrapPeer":"node1:5433"}"#;
        let intent: BootstrapIntent = serde_json::from_str(json).unwrap();
        assert_eq!(intent.bootstrap_peer.as_deref(), Some("node1:5433"));
        assert_eq!(serde_json::from_str::<BootstrapIntent>(&serde_json::to_string(&intent).unwrap()).unwrap(), intent);
    }
}
