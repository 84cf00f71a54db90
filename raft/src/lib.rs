//! Raft glue for both planes: groups of replicated state over openraft.
//!
//! ```text
//!   node / controller                     this crate                                   openraft
//!   ─────────────────        ───────────────────────────────────────        ───────────────────────────────
//!   propose, read_barrier ─► RaftGroup ─────────────────────────────────►  elections, replication, commit
//!   ReplicatedState       ◄─ machine   ◄───────────────────────────────── apply in order, snapshots
//!   LogEngine (raftdb)    ◄─ log_store ◄───────────────────────────────── append, vote, purge
//!   Transport (gRPC)      ◄─ network   ◄───────────────────────────────── append, vote, snapshot to peers
//!   frames of peers       ─► inbound ──────────────────────────────────►  append, vote, snapshot from peers
//! ```
//!
//! A command is opaque bytes here: this crate never learns what it means. openraft's types stop in this crate, and its
//! version is pinned (decision 1 of the Raft design page); every bump reruns the fault tests in `tests/`.
//!
//! | file | what |
//! |---|---|
//! | [`machine`] | the trait a replicated state implements, and its adapter |
//! | [`group`] | what one group can be asked |
//! | [`groups`] | all groups hosted by this process |
//! | [`log_store`] | the trait of a log engine, the in-memory one, and the adapter |
//! | [`network`] | frames between nodes and the trait that carries them |
//! | [`inbound`] | the receiving half of a transport |
//! | [`rpc`] | the gRPC transport and service |
//! | `runtime` | tokio under openraft, with random numbers that can be seeded |
//! | [`snapshot`] | chunks of a state on their way to a peer, and the file they wait in |
//! | `barrier` | one confirmation of leadership for all reads that wait |
//! | `tend` | purging, and noticing a group's end |
//! | [`meter`] | counters and latencies as plain numbers |
//! | `testing` | a simulated network and log, behind the feature of that name |

mod barrier;
pub mod error;
pub mod group;
pub mod groups;
pub mod inbound;
#[cfg(all(test, feature = "testing"))]
mod inbound_test;
pub mod limits;
pub mod log_store;
pub mod machine;
pub mod meter;
pub mod network;
pub mod rpc;
mod runtime;
pub mod snapshot;
mod tend;
#[cfg(feature = "testing")]
pub mod testing;
mod type_config;

pub use error::{GroupError, StateFault};
pub use group::{GroupStatus, LeaderToken, RaftGroup, Role};
pub use groups::{Groups, GroupsConfig, Timing};
pub use log_store::{LogEngine, LogMetrics, LogOp, MemoryLog};
pub use machine::{CommittedEntry, ReplicatedState, blocking};
pub use meter::{Election, GroupMetrics, Histogram, LATENCY_BOUNDS_US, Latencies, PeerTraffic};
pub use network::{Transport, TransportError};
pub use snapshot::{SnapshotReader, Spool};
pub use type_config::Peer;
