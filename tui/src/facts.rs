//! What follows from a snapshot: health, sums, skews. Pure; a figure that is not known is `None`, never zero.

use phoenixmldb_client::admin_v1::{ClusterSnapshot, NodeLoad, NodeView, ShardView};

/// The cluster in one word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Health {
    /// All nodes and all copies are there.
    Healthy,
    /// Everything is served, but something is missing.
    Degraded,
    /// Members are still being waited for.
    Forming,
    /// Some documents, or changes of the cluster, are not served.
    Unavailable,
}

impl Health {
    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "! DEGRADED",
            Self::Forming => "~ FORMING",
            Self::Unavailable => "! UNAVAILABLE",
        }
    }
}

/// How the cluster is.
#[must_use]
pub fn health(cluster: &ClusterSnapshot) -> Health {
    if !cluster.formed {
        Health::Forming
    } else if !cluster.quorum || cluster.shards.iter().any(|shard| shard.state == "unavailable") {
        Health::Unavailable
    } else if cluster.nodes.iter().any(|node| node.state != "healthy")
        || cluster.shards.iter().any(|shard| !matches!(shard.state.as_str(), "ok" | "moving"))
        || !cluster.warnings.is_empty()
    {
        Health::Degraded
    } else {
        Health::Healthy
    }
}

/// How urgent a node's state is; 0 is well.
#[must_use]
pub fn urgency(node: &NodeView) -> u8 {
    match node.state.as_str() {
        "healthy" => 0,
        "joining" | "draining" | "read-only" | "removed" => 1,
        "lagging" | "suspect" => 2,
        "down" => 4,
        _ => 3,
    }
}

/// What a node measured of itself. A process always uses memory: without it nothing was measured. A node that is down
/// measures nothing.
#[must_use]
pub fn load(node: &NodeView) -> Option<&NodeLoad> {
    node.load.as_ref().filter(|load| load.memory_bytes > 0 && node.state != "down")
}

/// Requests of a node, per second.
#[must_use]
pub fn requests_per_s(node: &NodeView) -> Option<f64> {
    load(node).map(|load| load.reads_per_s + load.writes_per_s + load.queries_per_s)
}

/// The slower of reads and writes, at the 99th percentile, in milliseconds.
#[must_use]
pub fn p99_ms(node: &NodeView) -> Option<f64> {
    load(node).map(|load| load.read_p99_ms.max(load.write_p99_ms))
}

/// Used part of a node's disk, 0 to 1.
#[must_use]
pub fn disk(node: &NodeView) -> Option<f64> {
    load(node)
        .filter(|load| load.disk_total_bytes > 0)
        .map(|load| load.disk_used_bytes as f64 / load.disk_total_bytes as f64)
}

/// A figure summed over the nodes that measured it; `None` when none did.
#[must_use]
pub fn sum(cluster: &ClusterSnapshot, figure: impl Fn(&NodeLoad) -> f64) -> Option<f64> {
    cluster.nodes.iter().filter_map(load).map(figure).reduce(|a, b| a + b)
}

/// A figure of the node where it is highest: percentiles cannot be added.
#[must_use]
pub fn highest(cluster: &ClusterSnapshot, figure: impl Fn(&NodeLoad) -> f64) -> Option<f64> {
    cluster.nodes.iter().filter_map(load).map(figure).reduce(f64::max)
}

/// Copies of a shard that answer.
#[must_use]
pub fn alive(shard: &ShardView) -> usize {
    shard.replicas.iter().filter(|replica| matches!(replica.state.as_str(), "healthy" | "lagging")).count()
}

/// Copies each shard should have; 0 when that is not known.
#[must_use]
pub fn copies_wanted(cluster: &ClusterSnapshot) -> usize {
    cluster.settings.as_ref().map_or(0, |settings| settings.replication_factor as usize)
}

/// What the figures of shards are about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Heat {
    /// Requests per second.
    #[default]
    Requests,
    /// Bytes on disk.
    Size,
    /// Documents.
    Documents,
    /// Entries the slowest copy is behind.
    Lag,
}

impl Heat {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Requests => Self::Size,
            Self::Size => Self::Documents,
            Self::Documents => Self::Lag,
            Self::Lag => Self::Requests,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests/s",
            Self::Size => "size",
            Self::Documents => "documents",
            Self::Lag => "lag",
        }
    }

    /// The figure of a shard; `None` when nobody measured it. A shard without a leader has no figures, and a cluster
    /// in which all are zero has not measured them.
    #[must_use]
    pub fn of(self, shard: &ShardView, cluster: &ClusterSnapshot) -> Option<f64> {
        if shard.leader.is_empty() {
            return None;
        }
        let value = self.raw(shard);
        let measured = self == Self::Lag || cluster.shards.iter().any(|other| self.raw(other) > 0.0);
        measured.then_some(value)
    }

    fn raw(self, shard: &ShardView) -> f64 {
        match self {
            Self::Requests => shard.requests_per_s,
            Self::Size => shard.bytes as f64,
            Self::Documents => shard.documents as f64,
            Self::Lag => shard.replicas.iter().map(|replica| replica.lag_entries).max().unwrap_or(0) as f64,
        }
    }
}

/// How uneven some counts are: how far the largest is above the mean, 0 for even ones.
#[must_use]
pub fn skew(counts: &[f64]) -> f64 {
    let mean = counts.iter().sum::<f64>() / counts.len().max(1) as f64;
    let largest = counts.iter().copied().fold(0.0, f64::max);
    if mean > 0.0 { largest / mean - 1.0 } else { 0.0 }
}

/// Nodes with documents, in the order of the snapshot.
pub fn data_nodes(cluster: &ClusterSnapshot) -> impl Iterator<Item = &NodeView> {
    cluster.nodes.iter().filter(|node| node.data)
}

/// Bytes of the copies on a node, as the shards' leaders count them; `None` when that is not known.
#[must_use]
pub fn bytes_on(node: &str, cluster: &ClusterSnapshot) -> Option<f64> {
    let held = cluster.shards.iter().filter(|shard| shard.replicas.iter().any(|replica| replica.node == node));
    held.map(|shard| Heat::Size.of(shard, cluster)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_cluster_is_as_well_as_its_worst_part() {
        let mut cluster = fixture::healthy();
        assert_eq!(health(&cluster), Health::Healthy);
        cluster.nodes[1].state = "suspect".into();
        assert_eq!(health(&cluster), Health::Degraded);
        cluster.quorum = false;
        assert_eq!(health(&cluster), Health::Unavailable);
        assert_eq!(health(&ClusterSnapshot::default()), Health::Forming);
    }

    #[test]
    fn what_nobody_measured_is_not_zero() {
        let mut cluster = fixture::healthy();
        let reads = |cluster: &ClusterSnapshot| sum(cluster, |load| load.reads_per_s);
        assert!(reads(&cluster).is_some_and(|reads| reads > 0.0));
        for node in &mut cluster.nodes {
            node.load = Some(NodeLoad::default());
        }
        assert_eq!(reads(&cluster), None);
        for shard in &mut cluster.shards {
            shard.documents = 0;
        }
        assert_eq!(Heat::Documents.of(&cluster.shards[0], &cluster), None);
        assert_eq!(Heat::Lag.of(&cluster.shards[0], &cluster), Some(0.0));
    }

    #[test]
    fn skew_is_the_distance_of_the_largest_from_the_mean() {
        assert!((skew(&[6.1, 5.8, 5.5, 8.3]) - 0.29).abs() < 0.005);
        assert_eq!(skew(&[4.0, 4.0]), 0.0);
        assert_eq!(skew(&[]), 0.0);
    }
}
