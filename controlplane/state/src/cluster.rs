//! What the control group agrees on.

use crate::command::{DecodeError, decode, encode};
use crate::limits::EVENTS_MAX;
use phoenixmldb_types::{
    ClusterId, ClusterMap, ContainerName, MapContainer, MapNode, NodeName, RaftId, Settings, ShardMap,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How bad an event is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As intended.
    Info,
    /// Something is missing, service goes on.
    Warn,
    /// Service is missing.
    Error,
}

impl Level {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Counts up without gaps.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// How bad.
    pub level: Level,
    /// What it is about.
    pub subject: String,
    /// What happened.
    pub text: String,
    /// Who caused it.
    pub by: String,
}

/// A node, and what only the control plane needs to know of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeRecord {
    /// What everybody knows.
    pub node: MapNode,
    /// Release it runs.
    pub version: String,
    /// When it first registered, in milliseconds since 1970.
    pub since_ms: u64,
}

/// What the control group agrees on. Changed by [`apply`](crate::apply) and nothing else.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ClusterState {
    /// Name and identity; `None` until formed.
    pub identity: Option<(ClusterId, String)>,
    /// Settings.
    pub settings: Settings,
    /// All nodes.
    pub nodes: BTreeMap<NodeName, NodeRecord>,
    /// All containers.
    pub containers: BTreeMap<ContainerName, MapContainer>,
    /// Id of the next container.
    pub next_container: u64,
    /// Where shards are.
    pub shards: ShardMap,
    /// The newest events, oldest first.
    pub events: VecDeque<Event>,
    /// Id of the next event.
    pub next_event: u64,
    /// Counts changes of what nodes are told.
    pub version: u64,
}

impl ClusterState {
    /// What nodes are told; `None` until formed.
    #[must_use]
    pub fn map(&self) -> Option<ClusterMap> {
        let (cluster_id, incarnation) = self.identity.clone()?;
        Some(ClusterMap {
            cluster_id,
            incarnation,
            version: self.version,
            shards: self.shards.clone(),
            nodes: self.nodes.values().map(|record| record.node.clone()).collect(),
            containers: self.containers.values().cloned().collect(),
            settings: self.settings.clone(),
        })
    }

    /// Data nodes.
    pub fn data_nodes(&self) -> impl Iterator<Item = &MapNode> {
        self.nodes.values().map(|record| &record.node).filter(|node| node.data)
    }

    /// The node whose disk has this identity.
    #[must_use]
    pub fn by_raft_id(&self, id: RaftId) -> Option<&MapNode> {
        self.nodes.values().map(|record| &record.node).find(|node| node.raft_id == id)
    }

    /// Data nodes that have to be there before shards are placed: as set, or the founders with a data role, or enough
    /// for all copies.
    #[must_use]
    pub fn expected_data_nodes(&self, founders_with_data: u32) -> u32 {
        match (self.settings.expect_data_nodes, founders_with_data) {
            (0, 0) => self.settings.replication_factor,
            (0, founders) => founders,
            (set, _) => set,
        }
    }

    pub(crate) fn record(&mut self, time_ms: u64, level: Level, subject: &str, text: String, by: &str) {
        let (id, subject, by) = (self.next_event, subject.to_owned(), by.to_owned());
        self.next_event += 1;
        self.events.push_back(Event { id, time_ms, level, subject, text, by });
        if self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// The snapshot.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a snapshot.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("a control snapshot", bytes)
    }
}
