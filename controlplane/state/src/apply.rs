//! `apply`: the only way the state changes. Deterministic; a refusal changes nothing.

use crate::cluster::{ClusterState, Level, NodeRecord};
use crate::command::{Command, DecodeError, decode, encode};
use crate::limits::{CONTAINERS_MAX, NODES_MAX};
use phoenixmldb_types::shard_map::{HashRange, Replica, Shard};
use phoenixmldb_types::{Code, ContainerId, Epoch, MapContainer, MapNode, RaftId, ShardId, ShardMap};
use serde::{Deserialize, Serialize};

/// What a command did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// It changed the state, or nothing was left to change.
    Done,
    /// The container, and whether this command created it.
    Container(MapContainer, bool),
    /// Whether there was a container to delete.
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

/// Why a command changed nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// There is no cluster yet.
    #[error("the cluster is not formed")]
    NotFormed,
    /// There is one.
    #[error("the cluster was formed as {0}")]
    Formed(String),
    /// The name is another disk's.
    #[error(
        "node id {name:?} is already a member at {address}, with another disk (identity {known}, this one is {given})"
    )]
    IdentityMismatch {
        /// The name.
        name: String,
        /// Where the member is.
        address: String,
        /// Its identity.
        known: RaftId,
        /// The other identity.
        given: RaftId,
    },
    /// The disk has another name.
    #[error("this disk belongs to node {known:?}, not {given:?}")]
    NameMismatch {
        /// Its name.
        known: String,
        /// The name given.
        given: String,
    },
    /// The container exists.
    #[error("container {0:?} exists")]
    ContainerExists(String),
    /// It does not.
    #[error("container {0:?} does not exist")]
    ContainerNotFound(String),
    /// The node still holds copies.
    #[error("node {0:?} holds copies of shards")]
    NodeInUse(String),
    /// A bound was reached.
    #[error("there are {max} {what} already, the bound")]
    TooMany {
        /// Of what.
        what: String,
        /// The bound.
        max: usize,
    },
    /// Shards were placed before.
    #[error("shards are placed")]
    Placed,
    /// The plan breaks a rule of the shard map.
    #[error("the plan is wrong: {0}")]
    BadPlan(String),
}

impl Refusal {
    /// The public code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotFormed => Code::Forming,
            Self::IdentityMismatch { .. } | Self::NameMismatch { .. } => Code::IdentityMismatch,
            Self::ContainerExists(_) => Code::ContainerExists,
            Self::ContainerNotFound(_) => Code::ContainerNotFound,
            Self::TooMany { .. } => Code::TooLarge,
            Self::Formed(_) | Self::NodeInUse(_) | Self::Placed | Self::BadPlan(_) => Code::Refused,
        }
    }

    /// What to type next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NotFormed => "phoenixmldb-cluster status".to_owned(),
            Self::IdentityMismatch { name, .. } => {
                format!(
                    "choose another --node-id; if the disk of {name} was lost: phoenixmldb-cluster rebuild-node {name}"
                )
            }
            Self::NameMismatch { known, .. } => format!("start it with --node-id {known}"),
            Self::ContainerExists(name) => format!("phoenixmldb-cluster container info {name}"),
            Self::ContainerNotFound(_) => "phoenixmldb-cluster container ls".to_owned(),
            Self::NodeInUse(name) => format!("phoenixmldb-cluster remove-node {name}"),
            Self::Formed(_) | Self::TooMany { .. } | Self::Placed | Self::BadPlan(_) => String::new(),
        }
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
            state.identity = Some((cluster_id.clone(), incarnation.clone()));
            state.settings = settings.clone();
            state.next_container = 1;
            state.next_event = 1;
            state.version = 1;
            state.record(*now_ms, Level::Info, "control", format!("cluster {cluster_id} formed"), "control");
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
            state.record(*now_ms, Level::Info, "control", format!("container {name} created"), "operator");
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
            state.record(*now_ms, Level::Info, "control", format!("container {name} deleted"), "operator");
            Ok(Outcome::Deleted(true))
        }
        Command::Record { level, subject, text, by, now_ms } => {
            state.record(*now_ms, *level, subject, text.clone(), by);
            Ok(Outcome::Done)
        }
        Command::Forget { node, now_ms } => {
            let holds = |replicas: &[Replica]| replicas.iter().any(|replica| replica.node == *node);
            if holds(&state.shards.clock) || state.shards.shards.iter().any(|shard| holds(&shard.replicas)) {
                return Err(Refusal::NodeInUse(node.to_string()));
            }
            if state.nodes.remove(node).is_some() {
                state.version += 1;
                state.record(*now_ms, Level::Info, node.as_str(), "removed".to_owned(), "operator");
            }
            Ok(Outcome::Done)
        }
    }
}

fn register(state: &mut ClusterState, node: &MapNode, version: &str, now_ms: u64) -> Result<Outcome, Refusal> {
    if let Some(known) = state.by_raft_id(node.raft_id)
        && known.name != node.name
    {
        return Err(Refusal::NameMismatch { known: known.name.to_string(), given: node.name.to_string() });
    }
    let known = state.nodes.get(&node.name);
    if let Some(known) = known
        && known.node.raft_id != node.raft_id
    {
        return Err(Refusal::IdentityMismatch {
            name: node.name.to_string(),
            address: known.node.peer_address.clone(),
            known: known.node.raft_id,
            given: node.raft_id,
        });
    }
    let mut record = NodeRecord { node: node.clone(), version: version.to_owned(), since_ms: now_ms };
    match known {
        Some(known) => {
            record.since_ms = known.since_ms;
            if *known == record {
                return Ok(Outcome::Done);
            }
        }
        None if state.nodes.len() >= NODES_MAX => {
            return Err(Refusal::TooMany { what: "nodes".to_owned(), max: NODES_MAX });
        }
        None => {
            state.record(now_ms, Level::Info, node.name.as_str(), format!("joined at {}", node.peer_address), "control")
        }
    }
    state.nodes.insert(node.name.clone(), record);
    state.version += 1;
    Ok(Outcome::Done)
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
    let unknown = shards.iter().flatten().chain(clock).find(|replica| {
        state.nodes.get(&replica.node).is_none_or(|known| known.node.raft_id != replica.raft_id || !known.node.data)
    });
    if let Some(replica) = unknown {
        return Err(Refusal::BadPlan(format!("{} is no data node with identity {}", replica.node, replica.raft_id)));
    }
    if shards.is_empty() || clock.is_empty() || shards.iter().any(Vec::is_empty) {
        return Err(Refusal::BadPlan("every shard and the clock group need a copy".to_owned()));
    }
    let epoch = Epoch(state.shards.epoch.0 + 1);
    let ranges = HashRange::even(u32::try_from(shards.len()).unwrap_or(u32::MAX));
    let placed = (0u32..).zip(shards.iter().zip(ranges));
    let placed =
        placed.map(|(id, (replicas, range))| Shard { id: ShardId(id), range, replicas: replicas.clone(), epoch });
    let map = ShardMap { epoch, shards: placed.collect(), clock: clock.to_vec() };
    map.check().map_err(Refusal::BadPlan)?;
    state.shards = map;
    state.version += 1;
    let copies = shards.iter().map(Vec::len).min().unwrap_or(0);
    let text = format!("{} shards placed with {copies} copies each", shards.len());
    state.record(now_ms, Level::Info, "control", text, "control");
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_types::{ClusterId, ContainerName, NodeName, Settings};
    use proptest::prelude::*;

    fn form() -> Command {
        let cluster_id = ClusterId::parse("my-cluster").unwrap();
        Command::Form { cluster_id, incarnation: "life".into(), settings: Settings::default(), now_ms: 1 }
    }

    fn node(name: &str, raft_id: u64) -> MapNode {
        MapNode {
            name: NodeName::parse(name).unwrap(),
            raft_id: RaftId(raft_id),
            client_address: format!("{name}:5432"),
            peer_address: format!("{name}:5433"),
            controller: true,
            data: true,
            zone: String::new(),
        }
    }

    fn register(name: &str, raft_id: u64) -> Command {
        Command::Register { node: node(name, raft_id), version: "0.1.0".into(), now_ms: 2 }
    }

    fn create(name: &str) -> Command {
        let name = ContainerName::parse(name).unwrap();
        Command::CreateContainer { name, strip_whitespace: false, if_not_exists: false, now_ms: 3 }
    }

    fn formed() -> ClusterState {
        let mut state = ClusterState::default();
        assert_eq!(apply(&mut state, &form()), Outcome::Done);
        state
    }

    #[test]
    fn nothing_happens_before_the_cluster_is_formed_and_it_is_formed_once() {
        let mut state = ClusterState::default();
        assert_eq!(apply(&mut state, &create("orders")), Outcome::Refused(Refusal::NotFormed));
        assert_eq!(apply(&mut state, &form()), Outcome::Done);
        assert_eq!(apply(&mut state, &form()), Outcome::Done);
        let other = Command::Form {
            cluster_id: ClusterId::parse("other").unwrap(),
            incarnation: "life".into(),
            settings: Settings::default(),
            now_ms: 1,
        };
        assert!(matches!(apply(&mut state, &other), Outcome::Refused(Refusal::Formed(_))));
    }

    #[test]
    fn a_name_stays_with_its_disk_and_a_disk_with_its_name() {
        let mut state = formed();
        assert_eq!(apply(&mut state, &register("node1", 1)), Outcome::Done);
        let version = state.version;
        assert_eq!(apply(&mut state, &register("node1", 1)), Outcome::Done);
        assert_eq!(state.version, version, "the same again changes nothing");
        let Outcome::Refused(refusal) = apply(&mut state, &register("node1", 2)) else { panic!() };
        assert_eq!(refusal.code(), Code::IdentityMismatch);
        assert!(refusal.to_string().contains("already a member at node1:5433"), "{refusal}");
        let Outcome::Refused(refusal) = apply(&mut state, &register("node2", 1)) else { panic!() };
        assert!(refusal.to_string().contains("belongs to node \"node1\""), "{refusal}");
    }

    #[test]
    fn containers_get_an_id_that_is_never_used_again() {
        let mut state = formed();
        let Outcome::Container(first, true) = apply(&mut state, &create("orders")) else { panic!() };
        assert!(matches!(apply(&mut state, &create("orders")), Outcome::Refused(Refusal::ContainerExists(_))));
        let again = |strip_whitespace| Command::CreateContainer {
            name: ContainerName::parse("orders").unwrap(),
            strip_whitespace,
            if_not_exists: true,
            now_ms: 4,
        };
        assert_eq!(apply(&mut state, &again(false)), Outcome::Container(first.clone(), false));
        assert!(matches!(apply(&mut state, &again(true)), Outcome::Refused(Refusal::ContainerExists(_))));
        let name = first.name.clone();
        let delete = |if_exists| Command::DeleteContainer { name: name.clone(), if_exists, now_ms: 5 };
        assert_eq!(apply(&mut state, &delete(false)), Outcome::Deleted(true));
        assert_eq!(apply(&mut state, &delete(true)), Outcome::Deleted(false));
        assert!(matches!(apply(&mut state, &delete(false)), Outcome::Refused(Refusal::ContainerNotFound(_))));
        let Outcome::Container(second, true) = apply(&mut state, &create("orders")) else { panic!() };
        assert_ne!(first.id, second.id);
    }

    #[test]
    fn shards_are_placed_once_and_only_on_data_nodes() {
        let mut state = formed();
        apply(&mut state, &register("node1", 1));
        let replica = |id| Replica { node: NodeName::parse("node1").unwrap(), raft_id: RaftId(id) };
        let place =
            |id: u64| Command::Place { shards: vec![vec![replica(id)]; 4], clock: vec![replica(id)], now_ms: 6 };
        assert!(matches!(apply(&mut state, &place(9)), Outcome::Refused(Refusal::BadPlan(_))));
        assert_eq!(apply(&mut state, &place(1)), Outcome::Done);
        assert_eq!(state.map().unwrap().shards.check(), Ok(()));
        assert_eq!(apply(&mut state, &place(1)), Outcome::Refused(Refusal::Placed));
        let forget = Command::Forget { node: NodeName::parse("node1").unwrap(), now_ms: 7 };
        assert!(matches!(apply(&mut state, &forget), Outcome::Refused(Refusal::NodeInUse(_))));
    }

    proptest! {
        #[test]
        fn versions_grow_events_are_bounded_and_snapshots_are_whole(
            steps in prop::collection::vec((0u8..4, 0u64..6), 0..120)
        ) {
            let mut state = formed();
            for (kind, n) in steps {
                let before = state.clone();
                let command = match kind {
                    0 => register(&format!("node{n}"), n),
                    1 => create(&format!("c{n}")),
                    2 => Command::DeleteContainer {
                        name: ContainerName::parse(&format!("c{n}")).unwrap(), if_exists: true, now_ms: n,
                    },
                    _ => register(&format!("node{n}"), n + 1),
                };
                let command = Command::from_bytes(&command.to_bytes()).unwrap();
                let outcome = apply(&mut state, &command);
                prop_assert_eq!(Outcome::from_bytes(&outcome.to_bytes()).unwrap(), outcome.clone());
                if matches!(outcome, Outcome::Refused(_)) {
                    prop_assert_eq!(&state, &before);
                }
                prop_assert!(state.version >= before.version);
                prop_assert!(state.version > before.version || state.map() == before.map());
            }
            prop_assert_eq!(ClusterState::from_bytes(&state.to_bytes()).unwrap(), state);
        }
    }

    #[test]
    fn another_format_is_refused_by_its_number() {
        let message = Command::from_bytes(br#"{"v":9,"body":{}}"#).unwrap_err().to_string();
        assert!(message.contains("format 9"), "{message}");
    }
}
