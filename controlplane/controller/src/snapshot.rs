//! The cluster as operators see it: replicated state and heartbeats put together. Pure.

use crate::limits::LAGGING_ENTRIES;
use crate::observed::{Health, Observed};
use phoenixmldb_proto::admin::{ClusterSnapshot, ContainerView, Event, NodeView, ReplicaView, SettingsView, ShardView};
use phoenixmldb_raft::GroupStatus;
use phoenixmldb_state::ClusterState;
use phoenixmldb_types::shard_map::Shard;
use phoenixmldb_types::{GroupId, Settings};
use std::collections::BTreeMap;
use std::time::Duration;

/// Events a snapshot carries, in events: what a dashboard shows.
const EVENTS_SHOWN: usize = 50;

/// Where and when the snapshot is taken.
pub struct Taken<'a> {
    /// Name of the answering node.
    pub from: &'a str,
    /// Monotonic clock.
    pub now: Duration,
    /// Wall clock, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Why the cluster is not formed, in words; empty when it is.
    pub waiting: String,
}

/// Puts the snapshot together.
#[must_use]
pub fn snapshot(
    state: &ClusterState,
    observed: &Observed,
    control: &GroupStatus,
    taken: &Taken<'_>,
) -> ClusterSnapshot {
    let formed = state.shards.is_formed();
    let shards: Vec<ShardView> = state.shards.shards.iter().map(|shard| shard_view(shard, observed, taken)).collect();
    let (cluster_id, incarnation) = state.identity.clone().map(|(id, life)| (id.to_string(), life)).unwrap_or_default();
    let leader = control.leader.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
    let clock_leader = observed.leader(GroupId::CLOCK, taken.now).map(|(name, _)| name.clone());
    let mut clock: Vec<_> = state.shards.clock.iter().map(|replica| replica.node.clone()).collect();
    clock.sort_by_key(|name| Some(name) != clock_leader.as_ref());
    let nodes = node_views(state, observed, control, taken, &shards);
    let mut counted: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for shard in &state.shards.shards {
        let led = observed.leader(GroupId::shard(shard.id), taken.now);
        for count in led.iter().flat_map(|(_, report)| &report.containers) {
            let (documents, bytes) = counted.entry(count.id).or_default();
            (*documents, *bytes) = (*documents + count.documents, *bytes + count.bytes);
        }
    }
    let mut warnings = Vec::new();
    let copies = state.settings.replication_factor as usize;
    let short = state.shards.shards.iter().filter(|shard| shard.replicas.len() < copies).count();
    if short > 0 {
        let placed = state.shards.shards.iter().map(|shard| shard.replicas.len()).min().unwrap_or(0);
        warnings.push(format!(
            "{short} shards have {placed} of {copies} copies: add {} more data node{}",
            copies - placed,
            if copies - placed == 1 { "" } else { "s" }
        ));
    }
    for name in state.nodes.keys() {
        let notes = observed.get(name).map(|heard| heard.notes.as_slice()).unwrap_or_default();
        warnings.extend(notes.iter().map(|note| format!("{name}: {note}")));
    }
    ClusterSnapshot {
        cluster_id,
        incarnation,
        formation: if formed { "formed".to_owned() } else { taken.waiting.clone() },
        formed,
        quorum: !leader.is_empty(),
        leader,
        control_term: control.term,
        control_applied: control.applied,
        epoch: state.shards.epoch.0,
        nodes,
        shards,
        containers: state
            .containers
            .values()
            .map(|container| {
                let (documents, bytes) = counted.get(&container.id.0).copied().unwrap_or_default();
                ContainerView { name: container.name.to_string(), id: container.id.0, documents, bytes }
            })
            .collect(),
        events: events(state, 0, EVENTS_SHOWN),
        settings: Some(settings_view(&state.settings)),
        view_from: taken.from.to_owned(),
        view_age_ms: 0,
        leaderless_ms: 0,
        taken_ms: taken.wall_ms,
        warnings,
        moves: Vec::new(),
        clock_nodes: clock.into_iter().map(|name| name.to_string()).collect(),
    }
}

/// The newest `count` events after `after_id`, oldest first.
#[must_use]
pub fn events(state: &ClusterState, after_id: u64, count: usize) -> Vec<Event> {
    let mut newest: Vec<Event> = state
        .events
        .iter()
        .rev()
        .take_while(|event| event.id > after_id)
        .take(count)
        .map(|event| Event {
            id: event.id,
            time_ms: event.time_ms,
            level: event.level.name().to_owned(),
            subject: event.subject.clone(),
            text: event.text.clone(),
            by: event.by.clone(),
        })
        .collect();
    newest.reverse();
    newest
}

/// Settings on the wire.
#[must_use]
pub fn settings_view(settings: &Settings) -> SettingsView {
    let ms = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    SettingsView {
        shard_count: settings.shard_count,
        replication_factor: settings.replication_factor,
        rebalance_threshold: settings.rebalance_threshold,
        election_timeout_min_ms: ms(settings.election_timeout_min_ms),
        election_timeout_max_ms: ms(settings.election_timeout_max_ms),
        heartbeat_ms: ms(settings.heartbeat_ms),
        snapshot_threshold: settings.snapshot_threshold,
        max_log_entries: settings.max_log_entries,
    }
}

fn shard_view(shard: &Shard, observed: &Observed, taken: &Taken<'_>) -> ShardView {
    let group = GroupId::shard(shard.id);
    let led = observed.leader(group, taken.now);
    let leader_last = led.map_or(0, |(_, report)| report.last_index);
    let mut live = 0;
    let replicas: Vec<ReplicaView> = shard
        .replicas
        .iter()
        .map(|replica| {
            let health = observed.health(&replica.node, taken.now);
            let own = observed.get(&replica.node).and_then(|heard| heard.groups.get(&group.0));
            let leads = led.is_some_and(|(name, _)| *name == replica.node);
            let matched = match led {
                Some((_, report)) if leads => report.last_index,
                Some((_, report)) => report.matched.get(&replica.raft_id.0).copied().unwrap_or(0),
                None => own.map_or(0, |report| report.last_index),
            };
            let lag_entries = if led.is_some() { leader_last.saturating_sub(matched) } else { 0 };
            let state = match (health, own) {
                (Health::Down, _) => "down",
                (_, None) => "unknown",
                (_, Some(_)) if lag_entries > LAGGING_ENTRIES => "lagging",
                (_, Some(_)) => "healthy",
            };
            live += usize::from(own.is_some() && health != Health::Down);
            ReplicaView {
                node: replica.node.to_string(),
                role: if leads { "leader" } else { "follower" }.to_owned(),
                state: state.to_owned(),
                match_index: matched,
                applied_index: own.map_or(0, |report| report.applied),
                lag_entries,
            }
        })
        .collect();
    let state = if led.is_none() || live * 2 <= shard.replicas.len() {
        "unavailable"
    } else if live < shard.replicas.len() {
        "under-replicated"
    } else {
        "ok"
    };
    let report = led.map(|(_, report)| report.clone()).unwrap_or_default();
    ShardView {
        id: shard.id.0,
        range: format!("{:016x}-{:016x}", shard.range.first, shard.range.last),
        epoch: shard.epoch.0,
        leader: led.map(|(name, _)| name.to_string()).unwrap_or_default(),
        term: report.term,
        replicas,
        documents: report.documents,
        bytes: report.bytes,
        requests_per_s: report.requests_per_s,
        commit_index: report.committed,
        state: state.to_owned(),
        resolved_timestamp: report.resolved_timestamp,
    }
}

fn node_views(
    state: &ClusterState,
    observed: &Observed,
    control: &GroupStatus,
    taken: &Taken<'_>,
    shards: &[ShardView],
) -> Vec<NodeView> {
    let view = |record: &phoenixmldb_state::NodeRecord| {
        let node = &record.node;
        let name = node.name.to_string();
        let heard = observed.get(&node.name);
        let copies = || shards.iter().flat_map(|shard| &shard.replicas).filter(|replica| replica.node == name);
        let lag_entries = copies().map(|replica| replica.lag_entries).max().unwrap_or(0);
        let health = observed.health(&node.name, taken.now);
        let lagging = health == Health::Healthy && lag_entries > LAGGING_ENTRIES;
        let silent_ms = observed.silent_ms(&node.name, taken.now);
        let voter = control.voters.contains_key(&node.raft_id.0);
        let leads = control.leader.as_ref().is_some_and(|peer| peer.raft_id == node.raft_id.0);
        let reason = match health {
            Health::Joining => "not started".to_owned(),
            Health::Suspect | Health::Down => format!("no heartbeat for {} s", silent_ms / 1000),
            Health::Healthy if lagging => format!("{lag_entries} entries behind"),
            Health::Healthy => String::new(),
        };
        NodeView {
            name: name.clone(),
            state: if lagging { "lagging" } else { health.name() }.to_owned(),
            reason,
            since_ms: match health {
                // What was agreed on survives the leader that saw it.
                _ if record.state.name() == health.name() => record.state_since_ms,
                Health::Healthy => record.since_ms,
                _ => taken.wall_ms.saturating_sub(silent_ms),
            },
            control_role: if leads {
                "leader"
            } else if voter {
                "follower"
            } else {
                "data"
            }
            .to_owned(),
            controller: node.controller,
            data: node.data,
            zone: node.zone.clone(),
            client_address: node.client_address.clone(),
            peer_address: node.peer_address.clone(),
            version: record.version.clone(),
            uptime_s: heard.map_or(0, |heard| heard.uptime_s),
            shard_leaders: u32::try_from(shards.iter().filter(|shard| shard.leader == name).count()).unwrap_or(0),
            shard_copies: u32::try_from(copies().count()).unwrap_or(0),
            lag_entries,
            load: heard.map(|heard| heard.load),
            last_seen_ms: silent_ms,
            raft_id: node.raft_id.to_string(),
        }
    };
    let announced = state.announced.iter().map(|(name, since_ms)| NodeView {
        name: name.to_string(),
        state: Health::Joining.name().to_owned(),
        reason: "not started".to_owned(),
        since_ms: *since_ms,
        control_role: "data".to_owned(),
        data: true,
        ..NodeView::default()
    });
    state.nodes.values().map(view).chain(announced).collect()
}
