//! The data role's driver: replicas, services, timestamps. Decides nothing worth testing; the pure crates do.
//!
//! ```text
//!  client port ─► rpc::documents ─► Coordinator ─► transport ─┬─► Replicas (this node)
//!                                                             └─► peer port of another node ─► rpc::shard ─► Replicas
//!  Replicas ─► latch, timestamp, RaftGroup ─► ShardMachine ─► shard::apply ─► Kv
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`replicas`] | the shard and clock groups hosted here; opened as the cluster map says |
//! | [`transfer`] | a shard's state on its way to another node, and into this one |
//! | [`meter`], [`sliding`], [`census`], [`figures`] | what this node counts, and tells of itself |
//! | [`fragment`] | runs a part of a query over the documents of a replica |
//! | [`machine`] | what Raft applies committed entries to |
//! | [`inflight`] | writes that have not been decided, for readers at a timestamp |
//! | [`timestamps`] | asks the clock group, one request at a time for all who wait |
//! | [`transport`] | the way to a replica, here or on another node |
//! | [`rpc`] | gRPC services of the client port and the peer port |
//! | [`data_node`] | wires it all together |

pub mod census;
pub mod data_node;
pub mod figures;
pub mod fragment;
pub mod inflight;
pub mod limits;
pub mod machine;
pub mod meter;
pub mod replicas;
pub mod rpc;
pub mod sliding;
pub mod timestamps;
mod transfer;
pub mod transport;

pub use data_node::{DataNode, DataNodeConfig};
pub use phoenixmldb_coordinator::{ControlPlane, CoordinatorError};
