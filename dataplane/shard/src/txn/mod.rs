//! Transactions over several shards: two-phase commit whose decision is one replicated write.
//!
//! ```text
//!  Begin ─► Prepare on every shard ─► timestamp ─► Refresh (Serializable) ─► Decide on the anchor ─► Resolve
//!           locks, staged versions                                          the commit point        locks become versions
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`command`] | what the logs of shards contain of it, and what applying answers |
//! | [`lock`] | a document that a transaction may be about to change |
//! | [`record`] | pending, committed or aborted: changed on the anchor only, by compare-and-set while applying |
//! | [`participant`] | prepare, commit and roll back on one shard; checks of what was read |
//! | [`coordinator`] | the protocol as a value: events in, actions out |
//! | [`recovery`] | what someone who meets a lock may do about it |
//!
//! Commit timestamps are taken after all locks are replicated, so a reader that found no lock can never be overtaken from
//! below. Percolator (Peng, Dabek, OSDI 2010) for locks and versions; the replicated record that readers can push and
//! recovery can abort is CockroachDB's (Taft et al., SIGMOD 2020).

pub mod command;
pub mod coordinator;
pub mod lock;
pub mod participant;
pub mod record;
pub mod recovery;

pub use command::{Intent, ReadSet, TxnCommand};
pub use coordinator::{Action, CommitProtocol, Event, Verdict};
pub use lock::Lock;
pub use record::TxnStatus;
