//! What every node knows of the cluster: its nodes, containers, settings and the shard map.
//!
//! Made by the control plane, pushed to all nodes, kept on each node's disk, so that a node restarts and serves while no
//! controller is up. Travels as JSON: fields that a reader does not know are skipped, so versions may differ.

use crate::ids::{ClusterId, ContainerId, NodeName, RaftId};
use crate::name::ContainerName;
use crate::shard_map::ShardMap;
use serde::{Deserialize, Serialize};

/// Settings that hold for the whole cluster.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Number of shards, fixed when the cluster forms.
    pub shard_count: u32,
    /// Copies of each shard.
    pub replication_factor: u32,
    /// Imbalance above which shards move, as a fraction.
    pub rebalance_threshold: f64,
    /// Shortest election timeout, in milliseconds.
    pub election_timeout_min_ms: u64,
    /// Longest election timeout, in milliseconds.
    pub election_timeout_max_ms: u64,
    /// Time between heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// Log entries between two snapshots.
    pub snapshot_threshold: u64,
    /// Most log entries kept.
    pub max_log_entries: u64,
    /// Data nodes that have to be there before shards are placed; 0: all listed peers.
    pub expect_data_nodes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shard_count: 16,
            replication_factor: 3,
            rebalance_threshold: 0.10,
            election_timeout_min_ms: 150,
            election_timeout_max_ms: 300,
            heartbeat_ms: 50,
            snapshot_threshold: 10_000,
            max_log_entries: 100_000,
            expect_data_nodes: 0,
        }
    }
}

/// A node, as the others reach it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MapNode {
    /// Its name.
    pub name: NodeName,
    /// Identity of its data directory.
    pub raft_id: RaftId,
    /// `host:port` for clients.
    pub client_address: String,
    /// `host:port` for other nodes.
    pub peer_address: String,
    /// Votes in the control group.
    pub controller: bool,
    /// Holds shards.
    pub data: bool,
    /// Where it stands, for spreading copies; empty when unknown.
    pub zone: String,
}

/// A container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MapContainer {
    /// Its name.
    pub name: ContainerName,
    /// Never reused.
    pub id: ContainerId,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// Drop white-space-only text when parsing.
    pub strip_whitespace: bool,
}

/// What every node knows of the cluster.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClusterMap {
    /// Name of the cluster.
    pub cluster_id: ClusterId,
    /// Identity of this life of the cluster.
    pub incarnation: String,
    /// Counts changes of anything in here.
    pub version: u64,
    /// Where the shards are.
    pub shards: ShardMap,
    /// All nodes.
    pub nodes: Vec<MapNode>,
    /// All containers.
    pub containers: Vec<MapContainer>,
    /// Settings.
    pub settings: Settings,
}

impl ClusterMap {
    /// The node with this name.
    #[must_use]
    pub fn node(&self, name: &NodeName) -> Option<&MapNode> {
        self.nodes.iter().find(|node| node.name == *name)
    }

    /// The container with this name.
    #[must_use]
    pub fn container(&self, name: &ContainerName) -> Option<&MapContainer> {
        self.containers.iter().find(|container| container.name == *name)
    }
}
