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
//! | cluster id, incarnation, settings | who was heard of, and when |
//! | nodes, containers, shard map with epochs | load, lag, who leads which shard |
//! | events, that a node went or came, the last leader told of each group | |
//!
//! No clock, no I/O: time comes in the command. Commands and snapshots are JSON with a version, because they are few and
//! outlive releases; `golden/` holds one of each kind. [`ClusterState::check`] lists what always holds.

pub mod apply;
pub mod cluster;
pub mod command;
pub mod limits;
pub mod refusal;
pub mod settings;

#[cfg(test)]
mod apply_test;

pub use apply::{Outcome, apply};
pub use cluster::{ClusterState, Event, Leading, Level, NodeRecord, NodeState};
pub use command::{Command, DecodeError, LeaderChange};
pub use refusal::Refusal;
