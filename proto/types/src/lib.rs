//! Vocabulary of the cluster: identifiers, names, timestamps, the shard map, error codes.
//!
//! | word | meaning |
//! |---|---|
//! | node | a process with a name, a data role, a controller role, or both |
//! | shard | a contiguous range of the 64-bit document hash; replicated by one Raft group |
//! | replica | one node's copy of one shard |
//! | container | a named set of documents; its documents are spread over all shards |
//! | epoch | version of the shard map; only ever grows |
//! | timestamp | position in the cluster's single order of commits, given out by the clock group |
//! | incarnation | uuid of one life of a cluster; a restored cluster is another one |
//!
//! Everything here is plain data: no sockets, no async, no storage. Start with [`ids`] and [`shard_map`].
//! [`clock`] is the only place in the product that reads a clock.

pub mod clock;
pub mod cluster_map;
pub mod code;
pub mod exposition;
pub mod ids;
pub mod intent;
pub mod limits;
pub mod name;
pub mod shard_map;
pub mod timestamp;

pub use cluster_map::{ClusterMap, MapContainer, MapNode, Settings};
pub use code::{Code, Retry};
pub use ids::{ClusterId, ContainerId, GroupId, NodeName, RaftId, SessionId, ShardId, TxnId};
pub use name::{ContainerName, DocumentName, NameError};
pub use shard_map::{Epoch, HashRange, Shard, ShardMap};
pub use timestamp::Timestamp;

/// Version of the public and internal APIs: the `v1` of their package names. Nodes and clients have to share it.
pub const PROTOCOL_VERSION: u32 = 1;
