//! Every change of the control plane's state, as it stands in the log.

use crate::cluster::{Level, NodeState};
use phoenixmldb_types::shard_map::Replica;
use phoenixmldb_types::{ClusterId, ContainerName, GroupId, MapNode, NodeName, Settings};
use serde::{Deserialize, Serialize};

/// Version of the encoding of commands and snapshots.
pub const FORMAT: u32 = 1;

/// A change. Times are milliseconds since 1970 by the proposer's clock.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Names the cluster; the first command of every log. Refused later on.
    Form {
        /// Name.
        cluster_id: ClusterId,
        /// Identity of this life.
        incarnation: String,
        /// Settings that hold from now on.
        settings: Settings,
        /// When.
        now_ms: u64,
    },
    /// A node says who it is: new, or with another address, zone, role or version.
    Register {
        /// The node.
        node: MapNode,
        /// Release it runs.
        version: String,
        /// When.
        now_ms: u64,
    },
    /// Places all shards; once.
    Place {
        /// Copies by shard number, the preferred leader first.
        shards: Vec<Vec<Replica>>,
        /// Voting copies of the clock group.
        clock: Vec<Replica>,
        /// When.
        now_ms: u64,
    },
    /// Creates a container.
    CreateContainer {
        /// Its name.
        name: ContainerName,
        /// Drop white-space-only text when parsing.
        strip_whitespace: bool,
        /// Answer with the present one when its options are the same.
        if_not_exists: bool,
        /// When.
        now_ms: u64,
    },
    /// Forgets a container.
    DeleteContainer {
        /// Its name.
        name: ContainerName,
        /// No container of this name is not an error.
        if_exists: bool,
        /// When.
        now_ms: u64,
    },
    /// The leader sees a node in another state than before.
    NodeStateChanged {
        /// Its name.
        node: NodeName,
        /// What it is now.
        state: NodeState,
        /// Why, in words: `no heartbeat for 4 s`.
        reason: String,
        /// When.
        now_ms: u64,
    },
    /// Groups have other leaders than before.
    LeadersChanged {
        /// One per group.
        changes: Vec<LeaderChange>,
        /// When.
        now_ms: u64,
    },
    /// Replaces the settings. The number of shards is fixed once they are placed.
    SetSettings {
        /// All settings, also those that stay.
        settings: Settings,
        /// When.
        now_ms: u64,
    },
    /// Remembers something that happened.
    Record {
        /// How bad it is.
        level: Level,
        /// What it is about: `node3`, `shard 7`, `control`.
        subject: String,
        /// What happened.
        text: String,
        /// Who caused it: `raft`, `control`, `operator`.
        by: String,
        /// When.
        now_ms: u64,
    },
    /// A node will join: its name is kept for it. Refused when the name is a member's.
    Announce {
        /// Its name.
        node: NodeName,
        /// When.
        now_ms: u64,
    },
    /// Takes out a node that holds nothing, or forgets one that was announced. Its disk may not come back.
    Forget {
        /// Its name.
        node: NodeName,
        /// When.
        now_ms: u64,
    },
}

/// A replica leads a group in a term that nobody has been told of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaderChange {
    /// Which group.
    pub group: GroupId,
    /// Who leads it.
    pub leader: NodeName,
    /// In which term.
    pub term: u64,
    /// The leader before, as far as the new one knew.
    pub before: Option<NodeName>,
    /// How long that one had been silent when the new one stood for election, in milliseconds.
    pub silent_ms: Option<u64>,
    /// From standing for election to winning it, in milliseconds.
    pub election_ms: Option<u64>,
}

/// Bytes that are no command or snapshot of this release. The replica stops.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not the JSON expected.
    #[error("{what} cannot be decoded: {source}")]
    Malformed {
        /// Command or snapshot.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Written by another release.
    #[error("{what} has format {found}, not {FORMAT}: use the release that wrote it")]
    Format {
        /// Command or snapshot.
        what: &'static str,
        /// Its version.
        found: u32,
    },
    /// Readable, but not a state that [`apply`](crate::apply()) can reach.
    #[error("{what} is inconsistent: {rule}")]
    Inconsistent {
        /// Command or snapshot.
        what: &'static str,
        /// The broken rule.
        rule: String,
    },
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Versioned<T> {
    pub(crate) v: u32,
    pub(crate) body: T,
}

pub(crate) fn encode<T: Serialize>(body: T) -> Vec<u8> {
    serde_json::to_vec(&Versioned { v: FORMAT, body }).expect("maps have text keys, so that JSON can hold them")
}

pub(crate) fn decode<T: for<'a> Deserialize<'a>>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let malformed = |source| DecodeError::Malformed { what, source };
    let version: Version = serde_json::from_slice(bytes).map_err(malformed)?;
    if version.v != FORMAT {
        return Err(DecodeError::Format { what, found: version.v });
    }
    let whole: Versioned<T> = serde_json::from_slice(bytes).map_err(malformed)?;
    Ok(whole.body)
}

impl Command {
    /// The log entry.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a log entry.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode("a control command", bytes)
    }
}
