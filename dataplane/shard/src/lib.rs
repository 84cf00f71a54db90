//! The rules of one shard: commands, application, sessions, clock. Pure.
//!
//! ```text
//!  request ─► node: latch, timestamp ─► ShardCommand ─► Raft ─► apply(command, overlay) ─► Outcome
//!                                        (bytes)                 on every replica           (bytes)
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`command`] | what the shard's log may contain, and what applying answers; both with their encodings |
//! | [`apply`](mod@apply) | command + state -> changes + outcome, equal on every replica |
//! | [`txn`] | two-phase commit: locks, records, the protocol, recovery |
//! | [`session`] | a repeated write gets its first answer |
//! | [`read`] | documents at a timestamp |
//! | [`clock`] | the clock group: timestamps that are never given twice |
//! | [`snapshot`] | a shard as chunks, and back |
//!
//! Latches and checks on the leader only save work: `apply` rechecks everything and answers deterministically. Damage
//! found while applying is a [`KvError`](phoenixmldb_store::KvError) and stops the replica; bad requests are outcomes.

pub mod apply;
pub mod clock;
pub mod command;
pub mod limits;
pub mod read;
pub mod session;
pub mod snapshot;
pub mod txn;

pub use apply::apply;
pub use command::{Change, Outcome, Precondition, Refusal, SessionStamp, ShardCommand, WriteOp, Written};
