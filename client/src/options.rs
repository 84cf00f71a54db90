//! What a caller can choose, under the names of the product's documentation.

use std::time::Duration;

/// How the node for the next request is chosen among the healthy ones. Writes go to the node that leads the document's
/// shard while the client knows it; this is for everything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LoadBalancing {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// At random.
    Random,
    /// The one that answered fastest lately.
    Nearest,
    /// The first listed one that is healthy.
    Leader,
}

impl std::str::FromStr for LoadBalancing {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, OptionsError> {
        match text.to_ascii_lowercase().as_str() {
            "roundrobin" | "round-robin" => Ok(Self::RoundRobin),
            "random" => Ok(Self::Random),
            "nearest" => Ok(Self::Nearest),
            "leader" => Ok(Self::Leader),
            _ => Err(OptionsError::Strategy { given: text.to_owned() }),
        }
    }
}

/// When a failed attempt is repeated.
#[derive(Clone, PartialEq, Debug)]
pub struct RetryPolicy {
    /// Attempts after the first one; 0 never repeats.
    pub max_retries: u32,
    /// Wait before the first repetition, ±20 % jitter.
    pub retry_delay: Duration,
    /// Doubles the wait each time; otherwise it stays the same.
    pub exponential_backoff: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_retries: 3, retry_delay: Duration::from_millis(100), exponential_backoff: true }
    }
}

/// How to reach a cluster.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterClientOptions {
    /// `host:port` of client ports; one reachable node is enough to learn the rest.
    pub nodes: Vec<String>,
    /// Which node the next request goes to.
    pub load_balancing: LoadBalancing,
    /// When a failed attempt is repeated.
    pub retry_policy: RetryPolicy,
    /// Keep to the given list instead of learning the other nodes' addresses: for port mappings and tunnels.
    pub no_discovery: bool,
    /// Longest time to wait for a connection to one node.
    pub connect_timeout: Duration,
    /// Deadline of one call, all its attempts included.
    pub request_timeout: Duration,
}

impl Default for ClusterClientOptions {
    fn default() -> Self {
        Self {
            nodes: vec!["127.0.0.1:5432".to_owned()],
            load_balancing: LoadBalancing::default(),
            retry_policy: RetryPolicy::default(),
            no_discovery: false,
            connect_timeout: Duration::from_millis(500),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Options that cannot work. Final.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OptionsError {
    /// No node was given.
    #[error("no node given: `nodes` needs at least one host:port")]
    NoNodes,
    /// A node that is not `host:port`.
    #[error("node {given:?} is not host:port: {rule}")]
    Node {
        /// What was given.
        given: String,
        /// The broken rule.
        rule: &'static str,
    },
    /// An unknown strategy.
    #[error("unknown load balancing strategy {given:?}: one of RoundRobin, Random, Nearest, Leader")]
    Strategy {
        /// What was given.
        given: String,
    },
    /// A zero time limit.
    #[error("{field} must be longer than zero")]
    ZeroTime {
        /// Which one.
        field: &'static str,
    },
}

impl ClusterClientOptions {
    /// Finds the first broken rule.
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.nodes.is_empty() {
            return Err(OptionsError::NoNodes);
        }
        for node in &self.nodes {
            let refuse = |rule| Err(OptionsError::Node { given: node.clone(), rule });
            let Some((host, port)) = node.rsplit_once(':') else {
                return refuse("the port is missing (client ports are 5432 by default)");
            };
            if host.is_empty() || (host.contains(':') && !host.starts_with('[')) {
                return refuse("an IPv6 address needs brackets, as in [::1]:5432");
            }
            if port.parse::<u16>().is_ok_and(|port| port != 0) {
                continue;
            }
            return refuse("the port is a number from 1 to 65535");
        }
        for (field, time) in [("connect_timeout", self.connect_timeout), ("request_timeout", self.request_timeout)] {
            if time.is_zero() {
                return Err(OptionsError::ZeroTime { field });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(nodes: &[&str]) -> ClusterClientOptions {
        ClusterClientOptions { nodes: nodes.iter().map(|&n| n.to_owned()).collect(), ..Default::default() }
    }

    #[test]
    fn nodes_are_host_and_port() {
        for good in ["node1:5432", "10.0.0.1:1", "[::1]:5432", "a.example.com:65535"] {
            assert_eq!(with(&[good]).check(), Ok(()), "{good}");
        }
        for bad in ["node1", "node1:", "node1:0", "node1:99999", ":5432", "::1:5432", "node1:x"] {
            let message = with(&[bad]).check().unwrap_err().to_string();
            assert!(message.contains(bad), "{message}");
        }
        assert_eq!(with(&[]).check(), Err(OptionsError::NoNodes));
    }

    #[test]
    fn an_unknown_strategy_lists_the_known_ones() {
        assert_eq!("roundrobin".parse(), Ok(LoadBalancing::RoundRobin));
        let message = "fastest".parse::<LoadBalancing>().unwrap_err().to_string();
        assert!(message.contains("RoundRobin, Random, Nearest, Leader"), "{message}");
    }
}
