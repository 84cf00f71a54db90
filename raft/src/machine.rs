//! The trait a replicated state implements, and its adapter to openraft.
//!
//! The adapter hands committed entries over in batches and gives the state an opaque *position* to store with each
//! batch: the log position and membership after it. State and position must reach the disk together, so that a crash
//! can never separate them.

use crate::error::StateFault;
use crate::limits::{APPLY_BATCH_BYTES_MAX, APPLY_BATCH_ENTRIES_MAX, APPLY_IN_PLACE_BYTES_MAX};
use crate::meter::{GroupMeter, count};
use crate::snapshot::{SnapshotData, SnapshotReader};
use crate::type_config::{C, Command, LogId, Membership, Snapshot, SnapshotMeta, decode, encode};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use openraft::EntryPayload;
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One committed entry, in log order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedEntry {
    /// Position in the log, from 1; gaps are entries of Raft itself.
    pub index: u64,
    /// Term it was proposed in.
    pub term: u64,
    /// What was proposed.
    pub command: Bytes,
}

/// A state that Raft replicates. Called by one task at a time, never concurrently.
///
/// Everything here has to be deterministic: replicas that apply the same entries must be equal. An error stops the
/// group for good, see [`StateFault`].
pub trait ReplicatedState: Send + 'static {
    /// The position stored with the last batch; `None` for a new state.
    fn position(&mut self) -> Result<Option<Bytes>, StateFault>;

    /// Applies entries in order and stores `position` in the same atomic batch. `entries` may be empty.
    ///
    /// Returns one reply per entry. Need not be durable: the log repeats what a crash loses. Runs on a thread that other
    /// groups need as well: what may wait for a disk goes through [`blocking`].
    fn apply(&mut self, entries: &[CommittedEntry], position: Bytes) -> Result<Vec<Bytes>, StateFault>;

    /// Makes everything applied so far durable; the log is purged only behind that.
    fn flush(&mut self) -> Result<(), StateFault>;

    /// A consistent view of the state as it is now.
    fn snapshot(&mut self) -> Result<Box<dyn SnapshotReader>, StateFault>;

    /// Replaces the state and the position by the snapshot's, atomically, and is durable when it returns.
    fn install(&mut self, chunks: Box<dyn SnapshotReader>, position: Bytes) -> Result<(), StateFault>;
}

/// What a position holds.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Position {
    applied: Option<LogId>,
    membership: Membership,
}

/// The adapter: one per group.
#[derive(Clone)]
pub(crate) struct Machine {
    inner: Arc<Mutex<Inner>>,
    meter: Arc<GroupMeter>,
    started: Arc<AtomicBool>,
}

struct Inner {
    state: Box<dyn ReplicatedState>,
    position: Position,
}

fn fault(fault: StateFault) -> io::Error {
    io::Error::other(fault)
}

/// Runs work that may wait for a disk, so that the other tasks of a multi-threaded runtime go on meanwhile. That costs a
/// switch of threads: short work that hardly ever waits is better done in place.
pub fn blocking<R>(work: impl FnOnce() -> R) -> R {
    match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // The simulation runs on one thread; without a runtime nobody is held up.
        _ => work(),
    }
}

impl Machine {
    pub(crate) fn open(mut state: Box<dyn ReplicatedState>, meter: Arc<GroupMeter>) -> io::Result<Self> {
        let position = match state.position().map_err(fault)? {
            Some(bytes) => decode("stored position", &bytes)?,
            None => Position::default(),
        };
        let inner = Arc::new(Mutex::new(Inner { state, position }));
        Ok(Self { inner, meter, started: Arc::default() })
    }

    /// The group runs: from now on a snapshot that is asked for is one to send.
    pub(crate) fn started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// Works on the state, which may take long.
    fn with<R>(&self, what: &str, work: impl FnOnce(&mut Inner) -> io::Result<R>) -> io::Result<R> {
        blocking(|| guarded(what, &mut self.inner.lock(), work))
    }

    /// Applies a batch of so many bytes; a small one at once, unless something else is working on the state.
    fn apply_batch(&self, batch: Vec<EntryResponder<C>>, bytes: usize) -> io::Result<u64> {
        let work = |inner: &mut Inner| inner.apply(batch);
        match self.inner.try_lock().filter(|_| bytes <= APPLY_IN_PLACE_BYTES_MAX) {
            Some(mut inner) => guarded("applying", &mut inner, work),
            None => self.with("applying", work),
        }
    }
}

/// A panic while working on the state is a fault of this replica: the group has to stop, not its task alone.
fn guarded<R>(what: &str, inner: &mut Inner, work: impl FnOnce(&mut Inner) -> io::Result<R>) -> io::Result<R> {
    catch_unwind(AssertUnwindSafe(|| work(inner))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(io::Error::other(format!("{what} panicked: {text}")))
    })
}

impl Inner {
    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.position.applied, last_membership: self.position.membership.clone() }
    }

    /// Applies a batch and answers those who wait for it; returns the number of commands.
    fn apply(&mut self, batch: Vec<EntryResponder<C>>) -> io::Result<u64> {
        let mut entries = Vec::with_capacity(batch.len());
        let mut responders: Vec<(Option<usize>, Option<ApplyResponder<C>>)> = Vec::with_capacity(batch.len());
        let mut position = self.position.clone();
        for (entry, responder) in batch {
            let log_id = entry.log_id;
            let expected = position.applied.map_or(0, |last| last.index + 1);
            assert_eq!(log_id.index, expected, "log entries are applied in order and once");
            position.applied = Some(log_id);
            let slot = match entry.payload {
                EntryPayload::Blank => None,
                EntryPayload::Normal(Command(command)) => {
                    entries.push(CommittedEntry { index: log_id.index, term: log_id.leader_id.term, command });
                    Some(entries.len() - 1)
                }
                EntryPayload::Membership(membership) => {
                    position.membership = Membership::new(Some(log_id), membership);
                    None
                }
            };
            responders.push((slot, responder));
        }
        let replies = self.state.apply(&entries, encode(&position)).map_err(fault)?;
        assert_eq!(replies.len(), entries.len(), "one reply per entry");
        self.position = position;
        for (slot, responder) in responders {
            if let Some(responder) = responder {
                responder.send(slot.map_or_else(Bytes::new, |slot| replies[slot].clone()));
            }
        }
        Ok(entries.len() as u64)
    }
}

impl RaftStateMachine<C> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), io::Error> {
        let inner = self.inner.lock();
        Ok((inner.position.applied, inner.position.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: futures::Stream<Item = Result<EntryResponder<C>, io::Error>> + Unpin + Send,
    {
        let mut entries = entries.fuse();
        while let Some(first) = entries.next().await {
            let first = first?;
            let mut bytes = size(&first);
            let mut batch = vec![first];
            while batch.len() < APPLY_BATCH_ENTRIES_MAX && bytes < APPLY_BATCH_BYTES_MAX {
                let Some(Some(next)) = entries.next().now_or_never() else { break };
                let next = next?;
                bytes += size(&next);
                batch.push(next);
            }
            let begun = tokio::time::Instant::now();
            let applied = self.apply_batch(batch, bytes)?;
            self.meter.apply.record(begun.elapsed());
            self.meter.applied.fetch_add(applied, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        let position = Position { applied: meta.last_log_id, membership: meta.last_membership.clone() };
        let reader = snapshot.take().ok_or_else(|| io::Error::other("a received snapshot has chunks"))?;
        self.with("installing a snapshot", |inner| {
            inner.state.install(reader, encode(&position)).map_err(fault)?;
            inner.position = position;
            Ok(())
        })?;
        count(&self.meter.snapshots_installed);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let sending = self.started.load(Ordering::Acquire);
        self.with("reading the state", |inner| {
            if inner.position.applied.is_none() {
                return Ok(None);
            }
            // While a group opens, only the position is looked at: no need to open a view of the state.
            let snapshot = match sending {
                true => SnapshotData::new(inner.state.snapshot().map_err(fault)?),
                false => SnapshotData::default(),
            };
            Ok(Some(Snapshot { meta: inner.meta(), snapshot }))
        })
    }
}

impl RaftSnapshotBuilder<C> for Machine {
    type SnapshotData = SnapshotData;

    /// Flushes and records the position from before; the chunks are read when a follower asks.
    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let meta = self.with("flushing the state", |inner| {
            let meta = inner.meta();
            inner.state.flush().map_err(fault)?;
            Ok(meta)
        })?;
        count(&self.meter.snapshots_built);
        Ok(Snapshot { meta, snapshot: SnapshotData::default() })
    }
}

/// Bytes of the entry's command.
fn size((entry, _): &EntryResponder<C>) -> usize {
    match &entry.payload {
        EntryPayload::Normal(Command(command)) => command.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}
