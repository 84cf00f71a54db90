//! `apply`: the only way the state changes. Deterministic; a refusal changes nothing.
//!
//! An entry is applied again after a restart, perhaps by a later release, and on the other replicas by an earlier one: a
//! rule that changes here changes what old entries did. Such a rule needs a command of its own.

use crate::cluster::{ClusterState, Leading, Level, NodeRecord, NodeState, shorten};
use crate::command::{Command, DecodeError, LeaderChange, decode, encode};
use crate::limits::{ADDRESS_BYTES_MAX, CONTAINERS_MAX, NODES_MAX, REMOVED_MAX};
use crate::refusal::Refusal;
use crate::settings;
use phoenixmldb_types::limits::IDENTIFIER_BYTES_MAX;
use phoenixmldb_types::shard_map::{HashRange, Replica, Shard};
use phoenixmldb_types::{ContainerId, Epoch, GroupId, MapContainer, MapNode, NodeName, Settings, ShardId, ShardMap};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a command did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// It changed the state, or nothing was left to change.
    Done,
    /// The container, and whether this command created it.
    Container(MapContainer, bool),
    /// Whether there was something to delete.
    Deleted(bool),
    /// The state was not changed.
    Refused(Refusal),
}

impl Outcome {
    /// For the proposer.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what `to_bytes` wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("a control outcome", bytes)
    }
}

/// Applies a command.
pub fn apply(state: &mut ClusterState, command: &Command) -> Outcome {
    match change(state, command) {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome::Refused(refusal),
    }
}

fn change(state: &mut ClusterState, command: &Command) -> Result<Outcome, Refusal> {
    if state.identity.is_none() && !matches!(command, Command::Form { .. }) {
        return Err(Refusal::NotFormed);
    }
    match command {
        Command::Form { cluster_id, incarnation, settings, now_ms } => {
            if let Some((known, life)) = &state.identity {
                return if (known, life) == (cluster_id, incarnation) {
                    Ok(Outcome::Done)
                } else {
                    Err(Refusal::Formed(known.to_string()))
                };
            }
            settings::check(settings).map_err(Refusal::BadSettings)?;
            state.identity = Some((cluster_id.clone(), incarnation.clone()));
            state.settings = settings.clone();
            state.next_container = 1;
            state.next_event = 1;
            state.version = 1;
            state.record(*now_ms, Level::Info, "control", &format!("cluster {cluster_id} formed"), "control");
            Ok(Outcome::Done)
        }
        Command::Register { node, version, now_ms } => register(state, node, version, *now_ms),
        Command::Place { shards, clock, now_ms } => place(state, shards, clock, *now_ms),
        Command::CreateContainer { name, strip_whitespace, if_not_exists, now_ms } => {
            if let Some(known) = state.containers.get(name) {
                return if *if_not_exists && known.strip_whitespace == *strip_whitespace {
                    Ok(Outcome::Container(known.clone(), false))
                } else {
                    Err(Refusal::ContainerExists(name.to_string()))
                };
            }
            if state.containers.len() >= CONTAINERS_MAX {
                return Err(Refusal::TooMany { what: "containers".to_owned(), max: CONTAINERS_MAX });
            }
            let id = ContainerId(state.next_container);
            let container =
                MapContainer { name: name.clone(), id, created_ms: *now_ms, strip_whitespace: *strip_whitespace };
            state.next_container += 1;
            state.version += 1;
            state.containers.insert(name.clone(), container.clone());
            state.record(*now_ms, Level::Info, "control", &format!("container {name} created"), "operator");
            Ok(Outcome::Container(container, true))
        }
        Command::DeleteContainer { name, if_exists, now_ms } => {
            if state.containers.remove(name).is_none() {
                return if *if_exists {
                    Ok(Outcome::Deleted(false))
                } else {
                    Err(Refusal::ContainerNotFound(name.to_string()))
                };
            }
            state.version += 1;
            state.record(*now_ms, Level::Info, "control", &format!("container {name} deleted"), "operator");
            Ok(Outcome::Deleted(true))
        }
        Command::NodeStateChanged { node, state: new, reason, now_ms } => {
            node_state_changed(state, node, *new, reason, *now_ms)
        }
        Command::LeadersChanged { changes, now_ms } => {
            for change in changes {
                leader_changed(state, change, *now_ms);
            }
            Ok(Outcome::Done)
        }
        Command::SetSettings { settings, now_ms } => set_settings(state, settings, *now_ms),
        Command::Record { level, subject, text, by, now_ms } => {
            state.record(*now_ms, *level, subject, text, by);
            Ok(Outcome::Done)
        }
        Command::Announce { node, now_ms } => announce(state, node, *now_ms),
        Command::Forget { node, now_ms } => forget(state, node, *now_ms),
    }
}

/// Checks what a node says of itself.
fn check_node(node: &MapNode, version: &str) -> Result<(), Refusal> {
    let refuse = |rule| Err(Refusal::BadNode { name: node.name.to_string(), rule });
    for (what, address) in [("client address", &node.client_address), ("peer address", &node.peer_address)] {
        if address.is_empty() || address.len() > ADDRESS_BYTES_MAX {
            return refuse(format!("its {what} has {} bytes, not 1 to {ADDRESS_BYTES_MAX}", address.len()));
        }
    }
    for (what, text) in [("zone", node.zone.as_str()), ("version", version)] {
        if text.len() > IDENTIFIER_BYTES_MAX {
            return refuse(format!("its {what} has {} bytes, more than {IDENTIFIER_BYTES_MAX}", text.len()));
        }
    }
    if !node.controller && !node.data {
        return refuse("it has neither the data nor the controller role".to_owned());
    }
    Ok(())
}

fn announce(state: &mut ClusterState, node: &NodeName, now_ms: u64) -> Result<Outcome, Refusal> {
    if let Some(known) = state.nodes.get(node) {
        let (name, address) = (node.to_string(), known.node.peer_address.clone());
        return Err(Refusal::NameTaken { name, address });
    }
    if state.announced.contains_key(node) {
        return Ok(Outcome::Done);
    }
    if state.nodes.len() + state.announced.len() >= NODES_MAX {
        return Err(Refusal::TooMany { what: "nodes".to_owned(), max: NODES_MAX });
    }
    state.announced.insert(node.clone(), now_ms);
    state.record(now_ms, Level::Info, node.as_str(), "will join", "operator");
    Ok(Outcome::Done)
}

fn forget(state: &mut ClusterState, node: &NodeName, now_ms: u64) -> Result<Outcome, Refusal> {
    if state.announced.remove(node).is_some() {
        state.record(now_ms, Level::Info, node.as_str(), "will not join", "operator");
        return Ok(Outcome::Deleted(true));
    }
    let Some(known) = state.nodes.get(node) else {
        if state.removed.values().any(|removed| removed == node) {
            return Ok(Outcome::Deleted(false));
        }
        let known = state.nodes.keys().chain(state.announced.keys()).map(ToString::to_string).collect();
        return Err(Refusal::NodeNotFound { name: node.to_string(), known });
    };
    let copies = state.copies_on(node);
    if copies > 0 {
        return Err(Refusal::NodeInUse { name: node.to_string(), copies });
    }
    if known.node.controller {
        return Err(Refusal::NodeVotes(node.to_string()));
    }
    let disk = known.node.raft_id;
    if state.removed.len() >= REMOVED_MAX {
        // The lowest number is no older than another one; a bound is what matters.
        state.removed.pop_first();
    }
    state.removed.insert(disk, node.clone());
    state.nodes.remove(node);
    state.version += 1;
    state.record(now_ms, Level::Info, node.as_str(), "removed", "operator");
    Ok(Outcome::Deleted(true))
}

fn register(state: &mut ClusterState, node: &MapNode, version: &str, now_ms: u64) -> Result<Outcome, Refusal> {
    check_node(node, version)?;
    if let Some(removed) = state.removed.get(&node.raft_id) {
        return Err(Refusal::NodeRemoved(removed.to_string()));
    }
    if let Some(known) = state.by_raft_id(node.raft_id)
        && known.name != node.name
    {
        return Err(Refusal::NameMismatch { known: known.name.to_string(), given: node.name.to_string() });
    }
    let mut record = NodeRecord {
        node: node.clone(),
        version: version.to_owned(),
        since_ms: now_ms,
        state: NodeState::Joining,
        reason: String::new(),
        state_since_ms: now_ms,
    };
    let text = match state.nodes.get(&node.name) {
        Some(known) if known.node.raft_id != node.raft_id => {
            return Err(Refusal::IdentityMismatch {
                name: node.name.to_string(),
                address: known.node.peer_address.clone(),
                known: known.node.raft_id,
                given: node.raft_id,
            });
        }
        Some(known) => {
            record = NodeRecord { node: record.node, version: record.version, ..known.clone() };
            if *known == record {
                return Ok(Outcome::Done);
            }
            if !node.data && state.holds_copies(&node.name) {
                return Err(Refusal::NodeInUse { name: node.name.to_string(), copies: state.copies_on(&node.name) });
            }
            (known.node.peer_address != node.peer_address)
                .then(|| format!("moved from {} to {}", known.node.peer_address, node.peer_address))
        }
        None if state.nodes.len() >= NODES_MAX => {
            return Err(Refusal::TooMany { what: "nodes".to_owned(), max: NODES_MAX });
        }
        None => Some(format!("joined at {}", node.peer_address)),
    };
    if let Some(text) = text {
        state.record(now_ms, Level::Info, node.name.as_str(), &text, "control");
    }
    state.announced.remove(&node.name);
    state.nodes.insert(node.name.clone(), record);
    state.version += 1;
    Ok(Outcome::Done)
}

/// Only that a node went down or came back becomes an event: a node that stumbles is not to fill the list.
fn node_state_changed(
    state: &mut ClusterState,
    node: &NodeName,
    new: NodeState,
    reason: &str,
    now_ms: u64,
) -> Result<Outcome, Refusal> {
    let record =
        state.nodes.get_mut(node).ok_or_else(|| Refusal::NodeNotFound { name: node.to_string(), known: Vec::new() })?;
    let old = record.state;
    // A new leader that has not heard of a node yet calls it joining, which says nothing new about a known one.
    if old == new || new == NodeState::Joining {
        return Ok(Outcome::Done);
    }
    (record.state, record.state_since_ms) = (new, now_ms);
    record.reason = shorten(reason);
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    match (old, new) {
        (_, NodeState::Down) => {
            state.record(now_ms, Level::Warn, node.as_str(), &format!("is down{why}"), "control");
        }
        (NodeState::Down, _) => {
            state.record(now_ms, Level::Info, node.as_str(), &format!("is back{why}"), "control");
        }
        (NodeState::Joining | NodeState::Healthy | NodeState::Suspect, _) => {}
    }
    Ok(Outcome::Done)
}

/// The first leader of a group is no event, nor is one that was told before.
fn leader_changed(state: &mut ClusterState, change: &LeaderChange, now_ms: u64) {
    let LeaderChange { group, leader, term, before, .. } = change;
    let known = state.leaders.get(group).cloned();
    if known.as_ref().is_some_and(|known| known.term >= *term) {
        return;
    }
    state.leaders.insert(*group, Leading { leader: leader.clone(), term: *term });
    let Some(known) = known else { return };
    // A leader that is silent for less than the shortest election timeout has given its leadership away.
    let lost = change.silent_ms.filter(|silent_ms| *silent_ms >= state.settings.election_timeout_min_ms);
    let from = before.clone().unwrap_or(known.leader);
    let elected = change.election_ms.map(|ms| format!(", elected in {ms} ms")).unwrap_or_default();
    if *group == GroupId::CONTROL {
        if let Some(silent_ms) = lost {
            let text = format!("heartbeat lost {from}→{leader}");
            state.record(now_ms, Level::Warn, "control", &text, "raft");
            let text = format!("election timeout on {leader} after {silent_ms} ms without a leader");
            state.record(now_ms, Level::Warn, "control", &text, "raft");
        }
        let handed = if lost.is_none() && change.silent_ms.is_some() { ", handed over" } else { "" };
        let text = format!("new leader {leader} in term {term}, after {from}{handed}{elected}");
        state.record(now_ms, Level::Info, "control", &text, "raft");
        return;
    }
    let why = match (lost, change.silent_ms) {
        (Some(silent_ms), _) => format!(": heartbeats lost for {silent_ms} ms{elected}"),
        (None, Some(_)) => ": handed over".to_owned(),
        (None, None) => String::new(),
    };
    let subject = group.as_shard().map_or_else(|| group.to_string(), |shard| format!("shard {shard}"));
    let level = if lost.is_some() { Level::Warn } else { Level::Info };
    state.record(now_ms, level, &subject, &format!("leader {from}→{leader} in term {term}{why}"), "raft");
}

fn set_settings(state: &mut ClusterState, new: &Settings, now_ms: u64) -> Result<Outcome, Refusal> {
    settings::check(new).map_err(Refusal::BadSettings)?;
    let known = state.settings.shard_count;
    if state.shards.is_formed() && new.shard_count != known {
        let rule = format!("shard_count {}: it is {known}, and fixed once shards are placed", new.shard_count);
        return Err(Refusal::BadSettings(rule));
    }
    let changes = settings::changes(&state.settings, new);
    if !changes.is_empty() {
        state.settings = new.clone();
        state.version += 1;
        state.record(now_ms, Level::Info, "control", &format!("settings changed: {changes}"), "operator");
    }
    Ok(Outcome::Done)
}

/// Checks a plan against what is known by now: the planner may have looked earlier.
fn check_plan(state: &ClusterState, shards: &[Vec<Replica>], clock: &[Replica]) -> Result<(), String> {
    let unknown = shards.iter().flatten().chain(clock).find(|replica| {
        state.nodes.get(&replica.node).is_none_or(|known| known.node.raft_id != replica.raft_id || !known.node.data)
    });
    if let Some(replica) = unknown {
        return Err(format!("{} is no data node with identity {}", replica.node, replica.raft_id));
    }
    let (wanted, most) = (state.settings.shard_count as usize, state.settings.replication_factor as usize);
    if shards.len() != wanted {
        return Err(format!("it has {} shards, not {wanted}", shards.len()));
    }
    if let Some((shard, copies)) = (0..).zip(shards).find(|(_, copies)| copies.is_empty() || copies.len() > most) {
        return Err(format!("shard {} has {} copies, not 1 to {most}", ShardId(shard), copies.len()));
    }
    let voters: BTreeSet<&NodeName> = clock.iter().map(|replica| &replica.node).collect();
    if voters.len() != clock.len() || clock.len().is_multiple_of(2) {
        return Err(format!("the clock group has {} copies on {} nodes, not an odd number", clock.len(), voters.len()));
    }
    Ok(())
}

fn place(
    state: &mut ClusterState,
    shards: &[Vec<Replica>],
    clock: &[Replica],
    now_ms: u64,
) -> Result<Outcome, Refusal> {
    if state.shards.is_formed() {
        return Err(Refusal::Placed);
    }
    check_plan(state, shards, clock).map_err(Refusal::BadPlan)?;
    let epoch = Epoch(state.shards.epoch.0 + 1);
    let ranges = HashRange::even(state.settings.shard_count);
    let placed = (0u32..).zip(shards.iter().zip(ranges));
    let placed =
        placed.map(|(id, (replicas, range))| Shard { id: ShardId(id), range, replicas: replicas.clone(), epoch });
    let map = ShardMap { epoch, shards: placed.collect(), clock: clock.to_vec() };
    map.check().map_err(Refusal::BadPlan)?;
    state.shards = map;
    state.version += 1;
    let copies = shards.iter().map(Vec::len).min().unwrap_or(0);
    let text = format!("{} shards placed with {copies} copies each", shards.len());
    state.record(now_ms, Level::Info, "control", &text, "control");
    Ok(Outcome::Done)
}
