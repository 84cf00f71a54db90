//! The replicated state of the control plane, as a pure state machine.
//!
//! ```text
//!  Command (JSON in the log) ─► apply(&mut ClusterState) ─► Outcome
//!                                     │
//!                                     └─► ClusterState::map() ─► pushed to every node
//! ```
//!
//! | replicated, here | observed, in the leader's memory |
//! |---|---|
//! | cluster id, incarnation, settings | who is up, since when |
//! | nodes, containers, shard map with epochs | load, lag, who leads which shard |
//! | events | |
//!
//! No clock, no I/O: time comes in the command. Commands and snapshots are JSON with a version, because they are few and
//! outlive releases.

pub mod apply;
pub mod cluster;
pub mod command;
pub mod limits;

pub use apply::{Outcome, Refusal, apply};
pub use cluster::{ClusterState, Event, Level, NodeRecord};
pub use command::{Command, DecodeError};
