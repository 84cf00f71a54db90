//! The commit protocol as a value: the driver performs actions and reports events.
//!
//! ```text
//!         Begin             all Prepared        Timestamp          all Refreshed        committed
//!  Idle ────────► Preparing ───────────► Timing ─────────► Refreshing ───────► Deciding ────────► Resolving ─► Done
//!                     │ refused             ▲ pushed by a reader ◄─────────────────┘                 ▲
//!                     └──────────► Aborting ─────────────────────────────────────────────────────────┘
//! ```
//!
//! Only `Decide` can commit, and only this protocol proposes it: until it has, giving up is safe whatever was lost.

use crate::command::Refusal;
use crate::txn::record::TxnStatus;
use phoenixmldb_types::{ShardId, Timestamp, TxnId};
use std::collections::BTreeSet;

/// What the driver reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Start.
    Begin,
    /// A shard has promised.
    Prepared(ShardId),
    /// A shard has refused to prepare, or finds that something read has changed.
    Refused(ShardId, Refusal),
    /// A shard, or the clock group, could not be asked; what it would have said is not known.
    Unreachable(String),
    /// The timestamp asked for.
    Timestamp(Timestamp),
    /// Nothing that was read on the shard has changed.
    Refreshed(ShardId),
    /// What the record is, after it was asked to commit.
    Decided(TxnStatus),
    /// The record was asked to commit, and its answer was lost for good.
    DecisionLost,
    /// A shard has resolved.
    Resolved(ShardId),
}

/// What the driver has to do; independent actions of one answer may run at the same time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Lock and stage on a shard.
    Prepare(ShardId),
    /// Ask the clock group.
    TakeTimestamp,
    /// Check what was read on a shard against a timestamp.
    Refresh(ShardId, Timestamp),
    /// Ask the anchor to commit the record.
    Decide(Timestamp),
    /// Ask the anchor to abort the record.
    Abort,
    /// Tell the client; nothing later changes it.
    Answer(Verdict),
    /// Resolve a shard's locks.
    Resolve(ShardId, Option<Timestamp>),
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Everything happened, at this timestamp.
    Committed(Timestamp),
    /// Nothing happened: a shard refused.
    Refused(Refusal),
    /// Nothing happened: its time was up, or somebody found it expired.
    Expired,
    /// Nothing happened: a shard could not be reached.
    Unreachable(String),
    /// The anchor's answer was lost: the record knows.
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Idle,
    Preparing { waiting: BTreeSet<ShardId> },
    Timing,
    Refreshing { commit_ts: Timestamp, waiting: BTreeSet<ShardId> },
    Deciding { commit_ts: Timestamp },
    Resolving { commit_ts: Option<Timestamp>, waiting: BTreeSet<ShardId> },
    Done,
}

/// One commit over several shards.
#[derive(Clone, Debug)]
pub struct CommitProtocol {
    txn: TxnId,
    writers: BTreeSet<ShardId>,
    readers: BTreeSet<ShardId>,
    state: State,
}

impl CommitProtocol {
    /// `writers` prepare, the anchor with them; `readers` are checked before the decision, for Serializable only.
    #[must_use]
    pub fn new(txn: TxnId, writers: BTreeSet<ShardId>, readers: BTreeSet<ShardId>) -> Self {
        let writers = writers.into_iter().chain([txn.anchor]).collect();
        Self { txn, writers, readers, state: State::Idle }
    }

    /// Shards that prepare.
    #[must_use]
    pub fn participants(&self) -> Vec<ShardId> {
        self.writers.iter().copied().collect()
    }

    /// Whether everything has been done, or left to recovery.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next actions. An event that no longer matters, such as a late answer after a refusal, brings none.
    #[must_use]
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        match (std::mem::replace(&mut self.state, State::Done), event) {
            (State::Idle, Event::Begin) => {
                self.state = State::Preparing { waiting: self.writers.clone() };
                self.writers.iter().copied().map(Action::Prepare).collect()
            }
            (State::Preparing { mut waiting }, Event::Prepared(shard)) => {
                waiting.remove(&shard);
                if waiting.is_empty() {
                    self.state = State::Timing;
                    return vec![Action::TakeTimestamp];
                }
                self.state = State::Preparing { waiting };
                Vec::new()
            }
            (State::Timing, Event::Timestamp(commit_ts)) if self.readers.is_empty() => self.decide(commit_ts),
            (State::Timing, Event::Timestamp(commit_ts)) => {
                self.state = State::Refreshing { commit_ts, waiting: self.readers.clone() };
                self.readers.iter().map(|shard| Action::Refresh(*shard, commit_ts)).collect()
            }
            (State::Refreshing { commit_ts, mut waiting }, Event::Refreshed(shard)) => {
                waiting.remove(&shard);
                if waiting.is_empty() {
                    return self.decide(commit_ts);
                }
                self.state = State::Refreshing { commit_ts, waiting };
                Vec::new()
            }
            (State::Preparing { .. } | State::Refreshing { .. }, Event::Refused(_, refusal)) => {
                self.abort(Verdict::Refused(refusal))
            }
            (State::Preparing { .. } | State::Timing | State::Refreshing { .. }, Event::Unreachable(what)) => {
                self.abort(Verdict::Unreachable(what))
            }
            (State::Deciding { .. }, Event::Decided(TxnStatus::Committed { commit_ts })) => {
                let mut actions = vec![Action::Answer(Verdict::Committed(commit_ts))];
                actions.extend(self.resolve(Some(commit_ts)));
                actions
            }
            // A reader has pushed the record: later, and checked again.
            (State::Deciding { commit_ts }, Event::Decided(TxnStatus::Pending { min_commit_ts, .. })) => {
                debug_assert!(commit_ts < min_commit_ts, "only a push keeps a pending record from committing");
                self.state = State::Timing;
                vec![Action::TakeTimestamp]
            }
            (State::Deciding { .. }, Event::Decided(TxnStatus::Aborted | TxnStatus::Absent)) => {
                let mut actions = vec![Action::Answer(Verdict::Expired)];
                actions.extend(self.resolve(None));
                actions
            }
            // Whoever meets the locks, or the sweep, goes by the record.
            (State::Deciding { .. }, Event::DecisionLost) => vec![Action::Answer(Verdict::Unknown)],
            (State::Resolving { commit_ts, mut waiting }, Event::Resolved(shard)) => {
                waiting.remove(&shard);
                let others = waiting.iter().any(|shard| *shard != self.txn.anchor);
                let anchor_next = !others && shard != self.txn.anchor && !waiting.is_empty();
                if waiting.is_empty() {
                    return Vec::new();
                }
                self.state = State::Resolving { commit_ts, waiting };
                // The anchor last: while its record is open, anyone can still learn the outcome for the other shards.
                if anchor_next { vec![Action::Resolve(self.txn.anchor, commit_ts)] } else { Vec::new() }
            }
            (state, _) => {
                self.state = state;
                Vec::new()
            }
        }
    }

    fn decide(&mut self, commit_ts: Timestamp) -> Vec<Action> {
        self.state = State::Deciding { commit_ts };
        vec![Action::Decide(commit_ts)]
    }

    fn abort(&mut self, verdict: Verdict) -> Vec<Action> {
        let mut actions = vec![Action::Answer(verdict), Action::Abort];
        actions.extend(self.resolve(None));
        actions
    }

    fn resolve(&mut self, commit_ts: Option<Timestamp>) -> Vec<Action> {
        self.state = State::Resolving { commit_ts, waiting: self.writers.clone() };
        let others: Vec<Action> = self
            .writers
            .iter()
            .filter(|shard| **shard != self.txn.anchor)
            .map(|shard| Action::Resolve(*shard, commit_ts))
            .collect();
        if others.is_empty() { vec![Action::Resolve(self.txn.anchor, commit_ts)] } else { others }
    }
}
