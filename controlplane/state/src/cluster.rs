//! What the control group agrees on.

use crate::command::{DecodeError, decode, encode};
use crate::limits::{EVENT_TEXT_BYTES_MAX, EVENTS_MAX};
use phoenixmldb_types::shard_map::Replica;
use phoenixmldb_types::{
    ClusterId, ClusterMap, ContainerName, GroupId, MapContainer, MapNode, NodeName, RaftId, Settings, ShardMap,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

/// What the control leader last said of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It has registered and was not heard of since.
    #[default]
    Joining,
    /// It sends heartbeats.
    Healthy,
    /// Several were missed.
    Suspect,
    /// Many were missed.
    Down,
}

impl NodeState {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Down => "down",
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
    /// What the control leader last said of it.
    #[serde(default)]
    pub state: NodeState,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Since when, in milliseconds since 1970.
    #[serde(default)]
    pub state_since_ms: u64,
}

/// Who leads a group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leading {
    /// Who.
    pub leader: NodeName,
    /// In which term.
    pub term: u64,
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
    /// Nodes that were announced and have not registered yet, with the time of it in milliseconds since 1970.
    #[serde(default)]
    pub announced: BTreeMap<NodeName, u64>,
    /// Disks of nodes that were taken out, with their names: they may not come back.
    #[serde(default)]
    pub removed: BTreeMap<RaftId, NodeName>,
    /// All containers.
    pub containers: BTreeMap<ContainerName, MapContainer>,
    /// Id of the next container.
    pub next_container: u64,
    /// Where shards are.
    pub shards: ShardMap,
    /// The last leader told of each group: what makes a change an event once. Heartbeats know better who leads now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leaders: BTreeMap<GroupId, Leading>,
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

    /// Whether a copy of a shard or of the clock group lies on the node.
    #[must_use]
    pub fn holds_copies(&self, node: &NodeName) -> bool {
        self.copies_on(node) > 0
    }

    /// Copies of shards and of the clock group that lie on the node.
    #[must_use]
    pub fn copies_on(&self, node: &NodeName) -> usize {
        self.replicas().filter(|replica| replica.node == *node).count()
    }

    fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.shards.shards.iter().flat_map(|shard| &shard.replicas).chain(&self.shards.clock)
    }

    pub(crate) fn record(&mut self, time_ms: u64, level: Level, subject: &str, text: &str, by: &str) {
        let (id, subject, text, by) = (self.next_event, shorten(subject), shorten(text), shorten(by));
        self.next_event += 1;
        self.events.push_back(Event { id, time_ms, level, subject, text, by });
        if self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// Checks what holds after every command. Error: the broken rule in words.
    pub fn check(&self) -> Result<(), String> {
        if self.identity.is_none() {
            let empty = self.nodes.is_empty()
                && self.announced.is_empty()
                && self.containers.is_empty()
                && !self.shards.is_formed();
            return if empty { Ok(()) } else { Err("there is no cluster, but something in it".to_owned()) };
        }
        let mut disks = BTreeSet::new();
        for (name, record) in &self.nodes {
            if record.node.name != *name {
                return Err(format!("node {} is listed as {name}", record.node.name));
            }
            if !disks.insert(record.node.raft_id) {
                return Err(format!("node {name} has the identity {} of another node", record.node.raft_id));
            }
        }
        if let Some(name) = self.announced.keys().find(|name| self.nodes.contains_key(*name)) {
            return Err(format!("node {name} is announced and a member"));
        }
        if let Some(disk) = disks.iter().find(|disk| self.removed.contains_key(disk)) {
            return Err(format!("the disk {disk} of a member was taken out"));
        }
        let mut ids = BTreeSet::new();
        for (name, container) in &self.containers {
            if container.name != *name {
                return Err(format!("container {} is listed as {name}", container.name));
            }
            if container.id.0 >= self.next_container || !ids.insert(container.id) {
                return Err(format!("container {name} has id {}, which is not its own", container.id.0));
            }
        }
        self.shards.check()?;
        if self.shards.is_formed() == self.shards.clock.is_empty() {
            return Err("shards and clock group are placed together".to_owned());
        }
        for replica in self.replicas() {
            let known = self.nodes.get(&replica.node).map(|record| &record.node);
            if known.is_none_or(|node| !node.data || node.raft_id != replica.raft_id) {
                return Err(format!("{} is no data node with identity {}", replica.node, replica.raft_id));
            }
        }
        let kept = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        let numbered = (self.next_event.saturating_sub(kept)..).zip(&self.events).all(|(id, event)| event.id == id);
        if self.events.len() > EVENTS_MAX || !numbered {
            return Err("events are not numbered without gaps".to_owned());
        }
        Ok(())
    }

    /// The snapshot.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a snapshot. Errors: not JSON, of another format, or not a state that [`check`](Self::check) accepts; the
    /// replica stops.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let what = "a control snapshot";
        let state: Self = decode(what, bytes)?;
        state.check().map_err(|rule| DecodeError::Inconsistent { what, rule })?;
        Ok(state)
    }
}

/// The text, cut to [`EVENT_TEXT_BYTES_MAX`] with `…` at the end when it is longer.
pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= EVENT_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let mark = '…';
    let end = text.floor_char_boundary(EVENT_TEXT_BYTES_MAX - mark.len_utf8());
    format!("{}{mark}", &text[..end])
}
