//! openraft's type parameters, aliased to short names. Nothing here leaves the crate but [`Peer`].

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A member of a group: who it is and where its peer port answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Raft identity of its data directory.
    pub raft_id: u64,
    /// Node name, for messages.
    pub name: String,
    /// `host:port` of its peer port; resolved at each connect.
    pub address: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.address)
    }
}

/// A command, opaque to Raft.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(unreachable_pub)] // openraft's type parameters have to be public
pub struct Command(pub Bytes);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

openraft::declare_raft_types!(
    /// Parameters of every group.
    pub(crate) Config:
        D = Command,
        R = Bytes,
        NodeId = u64,
        Node = Peer,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = crate::runtime::Runtime,
);

pub(crate) type C = Config;
pub(crate) type CommittedLeader = openraft::type_config::alias::CommittedLeaderIdOf<C>;
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<C>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<C>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<C>;
pub(crate) type Membership = openraft::type_config::alias::StoredMembershipOf<C>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<C>;
pub(crate) type Snapshot = openraft::type_config::alias::SnapshotOf<C, crate::snapshot::SnapshotData>;
pub(crate) type Raft = openraft::Raft<C, crate::machine::Machine>;

/// Version of every encoding in this crate, first byte on disk and on the wire.
const ENCODING: u8 = 1;

/// Encodes with the version byte.
pub(crate) fn encode<T: Serialize>(value: &T) -> Bytes {
    let bytes = postcard::to_extend(value, vec![ENCODING]).expect("plain data always encodes");
    Bytes::from(bytes)
}

/// Decodes what [`encode`] made. Error: the version is unknown or the bytes are damaged.
pub(crate) fn decode<T: for<'a> Deserialize<'a>>(what: &str, bytes: &[u8]) -> std::io::Result<T> {
    let bad = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{what}: {why}"));
    match bytes.split_first() {
        Some((&ENCODING, rest)) => postcard::from_bytes(rest).map_err(|error| bad(error.to_string())),
        Some((version, _)) => Err(bad(format!("encoding version {version} is not known"))),
        None => Err(bad("empty".to_owned())),
    }
}
