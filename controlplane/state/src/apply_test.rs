//! What commands do, one rule after the other, and what holds after any number of them.

#![allow(clippy::unwrap_used)]

use crate::limits::{CONTAINERS_MAX, EVENT_TEXT_BYTES_MAX, EVENTS_MAX, NODES_MAX};
use crate::{ClusterState, Command, LeaderChange, Level, NodeState, Outcome, Refusal, apply};
use phoenixmldb_types::shard_map::Replica;
use phoenixmldb_types::{
    ClusterId, Code, ContainerId, ContainerName, Epoch, GroupId, MapContainer, MapNode, NodeName, RaftId, Settings,
    ShardId,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn form() -> Command {
    let settings = Settings { shard_count: 4, ..Settings::default() };
    let cluster_id = ClusterId::parse("my-cluster").unwrap();
    Command::Form { cluster_id, incarnation: "life".into(), settings, now_ms: 1 }
}

fn node(text: &str, raft_id: u64) -> MapNode {
    MapNode {
        name: name(text),
        raft_id: RaftId(raft_id),
        client_address: format!("{text}:5432"),
        peer_address: format!("{text}:5433"),
        controller: true,
        data: true,
        zone: String::new(),
    }
}

fn register_node(node: MapNode) -> Command {
    Command::Register { node, version: "0.1.0".into(), now_ms: 2 }
}

fn register(text: &str, raft_id: u64) -> Command {
    register_node(node(text, raft_id))
}

fn create(text: &str, strip_whitespace: bool, if_not_exists: bool) -> Command {
    let name = ContainerName::parse(text).unwrap();
    Command::CreateContainer { name, strip_whitespace, if_not_exists, now_ms: 3 }
}

fn delete(text: &str, if_exists: bool) -> Command {
    Command::DeleteContainer { name: ContainerName::parse(text).unwrap(), if_exists, now_ms: 5 }
}

fn replica(text: &str, raft_id: u64) -> Replica {
    Replica { node: name(text), raft_id: RaftId(raft_id) }
}

/// All shards and the clock group on one node.
fn place(text: &str, raft_id: u64) -> Command {
    let copy = replica(text, raft_id);
    Command::Place { shards: vec![vec![copy.clone()]; 4], clock: vec![copy], now_ms: 6 }
}

fn forget(text: &str) -> Command {
    Command::Forget { node: name(text), now_ms: 7 }
}

fn announce(text: &str) -> Command {
    Command::Announce { node: name(text), now_ms: 7 }
}

/// A node that holds data and has no vote.
fn data_node(text: &str, raft_id: u64) -> Command {
    register_node(MapNode { controller: false, ..node(text, raft_id) })
}

fn becomes(text: &str, state: NodeState, now_ms: u64) -> Command {
    let reason = if state == NodeState::Healthy { String::new() } else { "no heartbeat for 4 s".to_owned() };
    Command::NodeStateChanged { node: name(text), state, reason, now_ms }
}

fn set(settings: Settings) -> Command {
    Command::SetSettings { settings, now_ms: 8 }
}

fn formed() -> ClusterState {
    let mut state = ClusterState::default();
    assert_eq!(apply(&mut state, &form()), Outcome::Done);
    state
}

/// Applies a command that has to be refused and to change nothing.
fn refusal(state: &mut ClusterState, command: &Command) -> Refusal {
    let before = state.clone();
    let Outcome::Refused(refusal) = apply(state, command) else { panic!("{command:?} was not refused") };
    assert_eq!(*state, before);
    refusal
}

fn last_event(state: &ClusterState) -> (Level, &str, &str) {
    let event = state.events.back().unwrap();
    (event.level, &event.subject, &event.text)
}

#[test]
fn nothing_happens_before_the_cluster_is_formed_and_it_is_formed_once() {
    let mut state = ClusterState::default();
    assert_eq!(refusal(&mut state, &create("orders", false, false)), Refusal::NotFormed);
    assert_eq!(state.map(), None);
    assert_eq!(apply(&mut state, &form()), Outcome::Done);
    let version = state.version;
    assert_eq!(apply(&mut state, &form()), Outcome::Done);
    assert_eq!(state.version, version, "a new leader may form it again");
    let Command::Form { cluster_id, settings, .. } = form() else { panic!() };
    let other = Command::Form { cluster_id, incarnation: "another".into(), settings, now_ms: 1 };
    assert_eq!(refusal(&mut state, &other), Refusal::Formed("my-cluster".into()));
}

#[test]
fn a_cluster_is_not_formed_with_settings_that_cannot_work() {
    let settings = Settings { shard_count: 0, ..Settings::default() };
    let cluster_id = ClusterId::parse("c").unwrap();
    let form = Command::Form { cluster_id, incarnation: "life".into(), settings, now_ms: 1 };
    let refusal = refusal(&mut ClusterState::default(), &form);
    assert_eq!(
        (refusal.code(), refusal.to_string().as_str()),
        (Code::InvalidArgument, "shard_count 0 is not from 1 to 4096")
    );
}

#[test]
fn a_name_stays_with_its_disk_and_a_disk_with_its_name() {
    let mut state = formed();
    assert_eq!(apply(&mut state, &register("node1", 1)), Outcome::Done);
    let before = state.clone();
    assert_eq!(apply(&mut state, &register("node1", 1)), Outcome::Done);
    assert_eq!(state, before, "the same again changes nothing");
    let other_disk = refusal(&mut state, &register("node1", 2));
    assert_eq!(other_disk.code(), Code::IdentityMismatch);
    assert!(other_disk.to_string().contains("already a member at node1:5433"), "{other_disk}");
    let other_name = refusal(&mut state, &register("node2", 1));
    assert!(other_name.to_string().contains("belongs to node \"node1\""), "{other_name}");
}

#[test]
fn a_node_may_move_to_another_address_and_stays_the_same_node() {
    let mut state = formed();
    apply(&mut state, &register("node1", 1));
    apply(&mut state, &becomes("node1", NodeState::Healthy, 20));
    let (version, since_ms) = (state.version, state.nodes[&name("node1")].since_ms);
    let moved = MapNode { peer_address: "10.0.0.9:5433".into(), ..node("node1", 1) };
    assert_eq!(apply(&mut state, &register_node(moved)), Outcome::Done);
    assert_eq!(last_event(&state), (Level::Info, "node1", "moved from node1:5433 to 10.0.0.9:5433"));
    assert_eq!(state.version, version + 1);
    let record = &state.nodes[&name("node1")];
    assert_eq!((record.since_ms, record.state, record.state_since_ms), (since_ms, NodeState::Healthy, 20));
}

#[test]
fn what_a_node_says_of_itself_is_checked() {
    let mut state = formed();
    let mut check = |change: fn(&mut MapNode), message: &str| {
        let mut node = node("node1", 1);
        change(&mut node);
        let refusal = refusal(&mut state, &register_node(node));
        assert_eq!(refusal.code(), Code::InvalidArgument);
        assert_eq!(refusal.to_string(), message);
    };
    check(|n| n.peer_address = String::new(), "node \"node1\": its peer address has 0 bytes, not 1 to 260");
    check(|n| n.client_address = "x".repeat(261), "node \"node1\": its client address has 261 bytes, not 1 to 260");
    check(|n| n.zone = "z".repeat(64), "node \"node1\": its zone has 64 bytes, more than 63");
    check(
        |n| (n.data, n.controller) = (false, false),
        "node \"node1\": it has neither the data nor the controller role",
    );
}

#[test]
fn a_node_that_holds_copies_keeps_its_data_role_and_its_place() {
    let mut state = formed();
    for (text, id) in [("node1", 1), ("node2", 2)] {
        apply(&mut state, &register(text, id));
    }
    assert_eq!(apply(&mut state, &place("node1", 1)), Outcome::Done);
    let without = |text, id| register_node(MapNode { data: false, ..node(text, id) });
    // Four shards and the clock group.
    let in_use = Refusal::NodeInUse { name: "node1".into(), copies: 5 };
    assert_eq!(refusal(&mut state, &without("node1", 1)), in_use);
    assert_eq!(refusal(&mut state, &forget("node1")), in_use);
    assert_eq!((in_use.code(), in_use.help().is_empty()), (Code::Refused, false));
    assert_eq!(apply(&mut state, &without("node2", 2)), Outcome::Done);
    assert_eq!(refusal(&mut state, &forget("node2")), Refusal::NodeVotes("node2".into()));
}

#[test]
fn a_removed_node_stays_away_with_its_disk_and_its_name_is_free() {
    let mut state = formed();
    apply(&mut state, &data_node("node4", 4));
    assert_eq!(apply(&mut state, &forget("node4")), Outcome::Deleted(true));
    assert_eq!(apply(&mut state, &forget("node4")), Outcome::Deleted(false), "it is gone already");
    assert_eq!(refusal(&mut state, &data_node("node4", 4)), Refusal::NodeRemoved("node4".into()));
    assert_eq!(refusal(&mut state, &data_node("node5", 4)), Refusal::NodeRemoved("node4".into()));
    assert_eq!(apply(&mut state, &data_node("node4", 9)), Outcome::Done, "the name is free for another disk");
    let unknown = refusal(&mut state, &forget("node7"));
    assert_eq!(
        (unknown.code(), unknown.to_string().as_str()),
        (Code::NodeNotFound, "there is no node \"node7\"; there are node4")
    );
}

#[test]
fn an_announced_node_is_known_until_it_registers_or_is_taken_back() {
    let mut state = formed();
    apply(&mut state, &register("node1", 1));
    let version = state.version;
    assert_eq!(apply(&mut state, &announce("node4")), Outcome::Done);
    assert_eq!(apply(&mut state, &announce("node4")), Outcome::Done, "announced again");
    assert_eq!(state.announced[&name("node4")], 7);
    assert_eq!(state.version, version, "nodes are told of members only");
    let taken = refusal(&mut state, &announce("node1"));
    assert_eq!(taken.to_string(), "node id \"node1\" is already a member at node1:5433");
    assert_eq!(taken.code(), Code::IdentityMismatch);
    assert_eq!(apply(&mut state, &forget("node4")), Outcome::Deleted(true));
    assert!(state.announced.is_empty());
    apply(&mut state, &announce("node4"));
    assert_eq!(apply(&mut state, &data_node("node4", 4)), Outcome::Done);
    assert!(state.announced.is_empty() && state.nodes.contains_key(&name("node4")));
}

#[test]
fn a_node_that_goes_and_comes_back_makes_two_events_and_remembers_since_when() {
    let mut state = formed();
    apply(&mut state, &register("node1", 1));
    let (version, before) = (state.version, state.events.len());
    for (state_now, at) in [(NodeState::Healthy, 10), (NodeState::Suspect, 20), (NodeState::Healthy, 30)] {
        apply(&mut state, &becomes("node1", state_now, at));
    }
    assert_eq!(state.events.len(), before, "stumbling is no event");
    apply(&mut state, &becomes("node1", NodeState::Down, 40));
    assert_eq!(last_event(&state), (Level::Warn, "node1", "is down: no heartbeat for 4 s"));
    // The next leader has heard of nobody yet, and then sees what its predecessor saw.
    apply(&mut state, &becomes("node1", NodeState::Joining, 50));
    apply(&mut state, &becomes("node1", NodeState::Down, 60));
    let record = &state.nodes[&name("node1")];
    assert_eq!(
        (record.state, record.state_since_ms, record.reason.as_str()),
        (NodeState::Down, 40, "no heartbeat for 4 s")
    );
    assert_eq!(state.events.len(), before + 1);
    apply(&mut state, &becomes("node1", NodeState::Healthy, 70));
    assert_eq!(last_event(&state), (Level::Info, "node1", "is back"));
    assert_eq!(state.version, version, "the map does not say who is up");
    assert_eq!(
        refusal(&mut state, &becomes("node7", NodeState::Down, 80)),
        Refusal::NodeNotFound { name: "node7".into(), known: vec![] }
    );
}

#[test]
fn containers_get_an_id_that_is_never_used_again() {
    let mut state = formed();
    let Outcome::Container(first, true) = apply(&mut state, &create("orders", false, false)) else { panic!() };
    assert_eq!(refusal(&mut state, &create("orders", false, false)), Refusal::ContainerExists("orders".into()));
    assert_eq!(apply(&mut state, &create("orders", false, true)), Outcome::Container(first.clone(), false));
    assert_eq!(refusal(&mut state, &create("orders", true, true)), Refusal::ContainerExists("orders".into()));
    assert_eq!(apply(&mut state, &delete("orders", false)), Outcome::Deleted(true));
    assert_eq!(apply(&mut state, &delete("orders", true)), Outcome::Deleted(false));
    assert_eq!(refusal(&mut state, &delete("orders", false)), Refusal::ContainerNotFound("orders".into()));
    let Outcome::Container(second, true) = apply(&mut state, &create("orders", true, true)) else { panic!() };
    assert!(second.id > first.id);
}

#[test]
fn shards_are_placed_once_and_only_by_a_plan_that_fits_what_is_known() {
    let mut state = formed();
    for id in 1..=5 {
        apply(&mut state, &register(&format!("node{id}"), id));
    }
    apply(&mut state, &register_node(MapNode { data: false, ..node("control1", 9) }));
    let copies = |ids: std::ops::RangeInclusive<u64>| ids.map(|id| replica(&format!("node{id}"), id)).collect();
    let plan = |shards: Vec<Vec<Replica>>, clock: Vec<Replica>| Command::Place { shards, clock, now_ms: 6 };
    let mut wrong = |command: &Command, rule: &str| {
        assert_eq!(refusal(&mut state, command), Refusal::BadPlan(rule.into()));
    };
    wrong(&place("node1", 7), "node1 is no data node with identity 0000000000000007");
    wrong(&place("control1", 9), "control1 is no data node with identity 0000000000000009");
    wrong(&place("node9", 9), "node9 is no data node with identity 0000000000000009");
    wrong(&plan(vec![copies(1..=3); 3], copies(1..=3)), "it has 3 shards, not 4");
    wrong(&plan(vec![copies(1..=4); 4], copies(1..=3)), "shard 0 has 4 copies, not 1 to 3");
    wrong(&plan(vec![vec![]; 4], copies(1..=3)), "shard 0 has 0 copies, not 1 to 3");
    wrong(&plan(vec![copies(1..=3); 4], copies(1..=2)), "the clock group has 2 copies on 2 nodes, not an odd number");
    let twice = vec![replica("node1", 1); 3];
    wrong(&plan(vec![copies(1..=3); 4], twice.clone()), "the clock group has 3 copies on 1 nodes, not an odd number");
    wrong(&plan(vec![twice; 4], copies(1..=3)), "shard 0 has two copies on one node");
    assert_eq!(apply(&mut state, &plan(vec![copies(1..=3); 4], copies(1..=5))), Outcome::Done);
    let map = state.map().unwrap();
    assert_eq!(map.shards.epoch, Epoch(1));
    assert!(map.shards.locate(0).is_some() && map.shards.locate(u64::MAX).is_some());
    assert_eq!(last_event(&state).2, "4 shards placed with 3 copies each");
    assert_eq!(refusal(&mut state, &place("node1", 1)), Refusal::Placed);
}

#[test]
fn settings_change_within_their_rules_and_shards_keep_their_number() {
    let mut state = formed();
    apply(&mut state, &register("node1", 1));
    let settings = Settings { heartbeat_ms: 60, shard_count: 8, ..state.settings.clone() };
    assert_eq!(apply(&mut state, &set(settings.clone())), Outcome::Done);
    assert_eq!(last_event(&state).2, "settings changed: shard_count 4 -> 8, heartbeat_ms 50 -> 60");
    assert_eq!(state.map().unwrap().settings, settings);
    let before = state.clone();
    assert_eq!(apply(&mut state, &set(settings.clone())), Outcome::Done);
    assert_eq!(state, before);
    let wrong = refusal(&mut state, &set(Settings { heartbeat_ms: 0, ..settings.clone() }));
    assert_eq!(wrong.to_string(), "heartbeat_ms has to be at least 1");
    assert_eq!(apply(&mut state, &set(Settings { shard_count: 4, ..settings.clone() })), Outcome::Done);
    assert_eq!(apply(&mut state, &place("node1", 1)), Outcome::Done);
    let fixed = refusal(&mut state, &set(settings));
    assert_eq!(fixed.to_string(), "shard_count 8: it is 4, and fixed once shards are placed");
}

#[test]
fn events_are_numbered_without_gaps_and_only_the_newest_are_kept() {
    let mut state = formed();
    let record = |now_ms: u64, text: String| Command::Record {
        level: Level::Error,
        subject: "shard 7".into(),
        text,
        by: "raft".into(),
        now_ms,
    };
    for n in 0..2 * EVENTS_MAX as u64 {
        apply(&mut state, &record(n, n.to_string()));
    }
    assert_eq!(state.events.len(), EVENTS_MAX);
    assert_eq!(state.events.front().unwrap().id, EVENTS_MAX as u64 + 2);
    assert_eq!(state.events.back().unwrap().id, 2 * EVENTS_MAX as u64 + 1);
    apply(&mut state, &record(0, "ü".repeat(EVENT_TEXT_BYTES_MAX)));
    let (_, _, text) = last_event(&state);
    assert!(text.len() <= EVENT_TEXT_BYTES_MAX && text.ends_with("ü…"), "{text}");
    assert_eq!(state.check(), Ok(()));
}

#[test]
fn there_is_a_bound_to_nodes_and_containers() {
    let mut state = formed();
    for n in 0..NODES_MAX as u64 {
        assert_eq!(apply(&mut state, &register(&format!("node{n}"), n)), Outcome::Done);
    }
    let refused = refusal(&mut state, &register("more", u64::MAX));
    assert_eq!(
        (refused.code(), refused.to_string().as_str()),
        (Code::TooLarge, "there are 1000 nodes already, the bound")
    );
    let mut state = formed();
    for n in 0..CONTAINERS_MAX {
        assert!(matches!(apply(&mut state, &create(&format!("c{n}"), false, false)), Outcome::Container(_, true)));
    }
    assert_eq!(refusal(&mut state, &create("more", false, false)).code(), Code::TooLarge);
    assert!(matches!(apply(&mut state, &create("c0", false, true)), Outcome::Container(_, false)));
}

/// Any command, with few enough names that they meet.
fn any_command() -> impl Strategy<Value = Command> {
    let any_state =
        prop::sample::select(vec![NodeState::Joining, NodeState::Healthy, NodeState::Suspect, NodeState::Down]);
    let any_node = (1_u64..5, 1_u64..6, any::<bool>(), 0_u8..3).prop_map(|(n, id, data, zone)| MapNode {
        data,
        zone: format!("z{zone}"),
        ..node(&format!("node{n}"), if n == id { id } else { n })
    });
    prop_oneof![
        1 => Just(form()),
        6 => any_node.prop_map(register_node),
        2 => (1_u64..5, 1_u64..6).prop_map(|(n, id)| register(&format!("node{n}"), id)),
        1 => (1_u64..5).prop_map(|n| place(&format!("node{n}"), n)),
        6 => (0_u8..4, any::<bool>(), any::<bool>()).prop_map(|(n, strip, if_not)| create(&format!("c{n}"), strip, if_not)),
        4 => (0_u8..4, any::<bool>()).prop_map(|(n, if_exists)| delete(&format!("c{n}"), if_exists)),
        3 => (1_u64..5, any_state, any::<u64>()).prop_map(|(n, state, at)| becomes(&format!("node{n}"), state, at)),
        2 => (1_u32..6, 0.0..1.1_f64, 20_u64..90).prop_map(|(shard_count, rebalance_threshold, heartbeat_ms)| {
            set(Settings { shard_count, rebalance_threshold, heartbeat_ms, ..Settings::default() })
        }),
        2 => (1_u64..5).prop_map(|n| forget(&format!("node{n}"))),
        1 => (1_u64..5).prop_map(|n| announce(&format!("node{n}"))),
        2 => (1_u64..5).prop_map(|n| data_node(&format!("node{n}"), n)),
        1 => ".{0,9}".prop_map(|text| Command::Record {
            level: Level::Info, subject: "control".into(), text, by: "operator".into(), now_ms: 9,
        }),
    ]
}

/// Containers as a reader of the documentation would keep them: by name, with an id that only grows.
#[derive(Default)]
struct Model {
    containers: BTreeMap<String, (u64, bool)>,
    created: u64,
}

impl Model {
    /// What the command should answer; `None` when it is not about containers.
    fn expect(&mut self, command: &Command) -> Option<Result<Option<u64>, Code>> {
        match command {
            Command::CreateContainer { name, strip_whitespace, if_not_exists, .. } => {
                Some(match self.containers.get(name.as_str()) {
                    Some((id, strip)) if *if_not_exists && strip == strip_whitespace => Ok(Some(*id)),
                    Some(_) => Err(Code::ContainerExists),
                    None => {
                        self.created += 1;
                        self.containers.insert(name.to_string(), (self.created, *strip_whitespace));
                        Ok(Some(self.created))
                    }
                })
            }
            Command::DeleteContainer { name, if_exists, .. } => match self.containers.remove(name.as_str()) {
                None if !if_exists => Some(Err(Code::ContainerNotFound)),
                _ => Some(Ok(None)),
            },
            _ => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold(commands in prop::collection::vec(any_command(), 0..80), restart in 0_usize..80) {
        let (mut state, mut follower) = (formed(), formed());
        let (mut model, mut ids) = (Model::default(), BTreeSet::<ContainerId>::new());
        for (step, command) in commands.iter().enumerate() {
            let before = state.clone();
            let outcome = apply(&mut state, command);

            // The follower reads the log, and begins from a snapshot in the middle of it.
            if step == restart {
                follower = ClusterState::from_bytes(&follower.to_bytes()).unwrap();
            }
            let read = Command::from_bytes(&command.to_bytes()).unwrap();
            prop_assert_eq!(&read, command);
            prop_assert_eq!(&apply(&mut follower, &read), &outcome);
            prop_assert_eq!(follower.to_bytes(), state.to_bytes());

            prop_assert_eq!(state.check(), Ok(()));
            prop_assert_eq!(crate::settings::check(&state.settings), Ok(()));
            prop_assert_eq!(Outcome::from_bytes(&outcome.to_bytes()).unwrap(), outcome.clone());
            prop_assert!(state.shards.epoch >= before.shards.epoch && state.version >= before.version);
            prop_assert!(state.version > before.version || state.map() == before.map());
            prop_assert!(state.next_event >= before.next_event && state.next_container >= before.next_container);
            if let Outcome::Refused(refusal) = &outcome {
                prop_assert_eq!(&state, &before, "{} changed something", refusal);
            }
            if let Outcome::Container(MapContainer { id, .. }, true) = outcome {
                prop_assert!(ids.insert(id), "{:?} was used before", id);
            }
            if let Some(expected) = model.expect(command) {
                let answer = match &outcome {
                    Outcome::Container(container, _) => Ok(Some(container.id.0)),
                    Outcome::Refused(refusal) => Err(refusal.code()),
                    Outcome::Done | Outcome::Deleted(_) => Ok(None),
                };
                prop_assert_eq!(answer, expected);
            }
        }
    }
}

/// One command of each kind, in an order in which all are accepted.
fn one_of_each() -> Vec<Command> {
    vec![
        form(),
        register("node1", 1),
        register_node(MapNode { controller: false, zone: "b".into(), ..node("node2", u64::MAX) }),
        place("node1", 1),
        create("orders", true, false),
        create("old.orders", false, true),
        delete("old.orders", false),
        becomes("node1", NodeState::Healthy, 1_767_225_600_000),
        becomes("node2", NodeState::Down, 1_767_225_600_001),
        set(Settings { shard_count: 4, rebalance_threshold: 0.3, ..Settings::default() }),
        Command::Record {
            level: Level::Error,
            subject: "shard 7".into(),
            text: "lost its quorum".into(),
            by: "raft".into(),
            now_ms: 9,
        },
        announce("node3"),
        forget("node2"),
        leads(GroupId::CONTROL, "node1", 1, None),
        leads(GroupId::CONTROL, "node3", 2, Some(("node1", 212, 8))),
    ]
}

fn leads(group: GroupId, leader: &str, term: u64, after: Option<(&str, u64, u64)>) -> Command {
    let change = LeaderChange {
        group,
        leader: NodeName::parse(leader).unwrap(),
        term,
        before: after.map(|(before, ..)| NodeName::parse(before).unwrap()),
        silent_ms: after.map(|(_, silent_ms, _)| silent_ms),
        election_ms: after.map(|(.., election_ms)| election_ms),
    };
    Command::LeadersChanged { changes: vec![change], now_ms: 10 }
}

#[test]
fn a_new_leader_is_told_once_and_the_first_one_not_at_all() {
    let mut state = ClusterState::default();
    one_of_each().iter().take(1).for_each(|command| drop(apply(&mut state, command)));
    let mut told = |command: &Command| {
        let before = state.next_event;
        assert_eq!(apply(&mut state, command), Outcome::Done);
        let new = state.events.iter().filter(|event| event.id >= before);
        new.map(|event| format!("{}: {}", event.subject, event.text)).collect::<Vec<_>>()
    };
    let shard = GroupId::shard(ShardId(7));
    assert_eq!(told(&leads(shard, "node1", 1, None)), [""; 0]);
    let lost = leads(shard, "node2", 2, Some(("node1", 230, 9)));
    assert_eq!(told(&lost), ["shard 7: leader node1→node2 in term 2: heartbeats lost for 230 ms, elected in 9 ms"]);
    assert_eq!(told(&lost), [""; 0], "another control leader heard the same");
    let given = leads(shard, "node1", 3, Some(("node2", 20, 4)));
    assert_eq!(told(&given), ["shard 7: leader node2→node1 in term 3: handed over"]);
    assert_eq!(told(&leads(shard, "node3", 4, None)), ["shard 7: leader node1→node3 in term 4"]);
    assert_eq!(told(&leads(GroupId::CONTROL, "node1", 5, None)), [""; 0]);
    assert_eq!(
        told(&leads(GroupId::CONTROL, "node2", 6, Some(("node1", 251, 12)))),
        [
            "control: heartbeat lost node1→node2",
            "control: election timeout on node2 after 251 ms without a leader",
            "control: new leader node2 in term 6, after node1, elected in 12 ms",
        ]
    );
}

/// Logs and snapshots outlive releases: what an earlier one wrote is read by this one, and the other way round.
#[test]
fn golden_commands_and_the_snapshot_they_make_never_change() {
    let commands = one_of_each();
    let lines: String = commands.iter().map(|command| String::from_utf8(command.to_bytes()).unwrap() + "\n").collect();
    assert_eq!(lines, include_str!("../golden/commands.jsonl"), "now:\n{lines}");
    let mut state = ClusterState::default();
    for line in lines.lines() {
        let outcome = apply(&mut state, &Command::from_bytes(line.as_bytes()).unwrap());
        assert!(!matches!(outcome, Outcome::Refused(_)), "{line}: {outcome:?}");
    }
    let snapshot = String::from_utf8(state.to_bytes()).unwrap() + "\n";
    assert_eq!(snapshot, include_str!("../golden/snapshot.json"), "now:\n{snapshot}");
    assert_eq!(ClusterState::from_bytes(snapshot.as_bytes()).unwrap(), state);
}

#[test]
fn another_format_is_refused_by_its_number() {
    let message = Command::from_bytes(br#"{"v":9,"body":{}}"#).unwrap_err().to_string();
    assert!(message.contains("format 9"), "{message}");
}

#[test]
fn a_snapshot_that_no_commands_can_make_is_refused_by_its_rule() {
    let mut state = ClusterState::default();
    one_of_each().iter().for_each(|command| drop(apply(&mut state, command)));
    let wrong = |change: fn(&mut ClusterState), rule: &str| {
        let mut state = state.clone();
        change(&mut state);
        let message = ClusterState::from_bytes(&state.to_bytes()).unwrap_err().to_string();
        assert_eq!(message, format!("a control snapshot is inconsistent: {rule}"));
    };
    wrong(|s| s.identity = None, "there is no cluster, but something in it");
    wrong(|s| s.next_container = 1, "container orders has id 1, which is not its own");
    wrong(|s| s.shards.clock.clear(), "shards and clock group are placed together");
    wrong(|s| s.nodes.clear(), "node1 is no data node with identity 0000000000000001");
    wrong(|s| drop(s.shards.shards.pop()), "hash ranges do not reach the end of the hash space");
    wrong(|s| drop(s.events.remove(2)), "events are not numbered without gaps");
}
