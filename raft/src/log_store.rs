//! The trait of a log engine, the in-memory engine, and the adapter to openraft.
//!
//! ```text
//!  openraft ── append(entries, callback) ─► adapter: memory tail (readable at once)
//!                                              │
//!                                              └─► LogEngine::submit ─► one queue for all groups ─► one synced write
//!                                                                                                     └─► callbacks
//! ```
//!
//! Operations of one group are carried out in the order they were submitted. A failed write is never retried: the group
//! stops, because nobody knows what a failed fsync left behind.

use crate::limits::TAIL_ENTRIES;
use crate::type_config::{C, Entry, LogId, Vote, decode, encode};
use bytes::Bytes;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use phoenixmldb_types::GroupId;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// One change of a group's log.
#[derive(Clone, Debug)]
pub enum LogOp {
    /// Adds entries at consecutive indexes. Durable before the callback.
    Append(Vec<(u64, Bytes)>),
    /// Replaces the vote. Durable before the callback.
    Vote(Bytes),
    /// Replaces the committed position; may be lost in a crash.
    Committed(Bytes),
    /// Removes all entries from this index on. Durable before the callback.
    TruncateFrom(u64),
    /// Removes all entries up to and including this index and stores the marker; may be lost in a crash.
    Purge(u64, Bytes),
}

impl LogOp {
    /// Whether the callback promises durability.
    #[must_use]
    pub fn must_sync(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Vote(_) | Self::TruncateFrom(_))
    }
}

/// Called once, when the operation is durable or has failed.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// What a group's log holds besides its entries.
#[derive(Clone, Debug, Default)]
pub struct LogHead {
    /// The stored vote.
    pub vote: Option<Bytes>,
    /// The stored committed position.
    pub committed: Option<Bytes>,
    /// The marker of the last purge.
    pub purged: Option<Bytes>,
    /// The last entry.
    pub last: Option<(u64, Bytes)>,
}

/// Stores the logs of all groups of a process.
pub trait LogEngine: Send + Sync + 'static {
    /// Reads what is stored for a group; everything empty for a new one.
    fn head(&self, group: GroupId) -> io::Result<LogHead>;
    /// Reads entries `from..to`. Missing entries at either end are left out.
    fn read(&self, group: GroupId, from: u64, to: u64) -> io::Result<Vec<(u64, Bytes)>>;
    /// Queues an operation; those of one group happen in order.
    fn submit(&self, group: GroupId, op: LogOp, done: Done);
    /// Forgets a group. Durable when it returns.
    fn remove(&self, group: GroupId) -> io::Result<()>;
    /// Groups that have a log here.
    fn groups(&self) -> io::Result<Vec<GroupId>>;
}

/// A log engine in memory, for tests and the simulation.
#[derive(Default)]
pub struct MemoryLog {
    groups: Mutex<BTreeMap<GroupId, MemoryGroup>>,
}

#[derive(Default)]
struct MemoryGroup {
    head: LogHead,
    entries: BTreeMap<u64, Bytes>,
}

impl LogEngine for MemoryLog {
    fn head(&self, group: GroupId) -> io::Result<LogHead> {
        let groups = self.groups.lock();
        let Some(group) = groups.get(&group) else { return Ok(LogHead::default()) };
        let last = group.entries.last_key_value().map(|(index, entry)| (*index, entry.clone()));
        Ok(LogHead { last, ..group.head.clone() })
    }

    fn read(&self, group: GroupId, from: u64, to: u64) -> io::Result<Vec<(u64, Bytes)>> {
        let groups = self.groups.lock();
        let Some(group) = groups.get(&group) else { return Ok(Vec::new()) };
        Ok(group.entries.range(from..to).map(|(index, entry)| (*index, entry.clone())).collect())
    }

    fn submit(&self, group: GroupId, op: LogOp, done: Done) {
        let mut groups = self.groups.lock();
        let group = groups.entry(group).or_default();
        match op {
            LogOp::Append(entries) => group.entries.extend(entries),
            LogOp::Vote(vote) => group.head.vote = Some(vote),
            LogOp::Committed(committed) => group.head.committed = Some(committed),
            LogOp::TruncateFrom(index) => drop(group.entries.split_off(&index)),
            LogOp::Purge(index, marker) => {
                group.entries = group.entries.split_off(&(index + 1));
                group.head.purged = Some(marker);
            }
        }
        drop(groups);
        done(Ok(()));
    }

    fn remove(&self, group: GroupId) -> io::Result<()> {
        self.groups.lock().remove(&group);
        Ok(())
    }

    fn groups(&self) -> io::Result<Vec<GroupId>> {
        Ok(self.groups.lock().keys().copied().collect())
    }
}

/// openraft's view of one group's log.
#[derive(Clone)]
pub(crate) struct LogStore {
    engine: Arc<dyn LogEngine>,
    group: GroupId,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// The newest entries; all that are not durable yet are here.
    tail: BTreeMap<u64, Entry>,
    durable: u64,
}

impl Shared {
    /// Drops old entries that the engine can read back.
    fn trim(&mut self) {
        while self.tail.len() > TAIL_ENTRIES {
            match self.tail.first_key_value() {
                Some((index, _)) if *index <= self.durable => self.tail.pop_first(),
                _ => break,
            };
        }
    }
}

impl LogStore {
    pub(crate) fn open(engine: Arc<dyn LogEngine>, group: GroupId) -> io::Result<Self> {
        let head = engine.head(group)?;
        let read = |what: &str, bytes: Option<Bytes>| bytes.map(|bytes| decode::<LogId>(what, &bytes)).transpose();
        let purged = read("purge marker", head.purged)?;
        let last = match head.last {
            Some((index, bytes)) => {
                let entry: Entry = decode("last log entry", &bytes)?;
                if entry.log_id.index != index {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "last log entry is at another index"));
                }
                Some(entry.log_id)
            }
            None => None,
        };
        let shared = Shared {
            vote: head.vote.map(|bytes| decode("vote", &bytes)).transpose()?,
            committed: read("committed position", head.committed)?,
            last: last.max(purged),
            purged,
            tail: BTreeMap::new(),
            durable: last.map_or(0, |last| last.index),
        };
        Ok(Self { engine, group, shared: Arc::new(Mutex::new(shared)) })
    }

    async fn submit_and_wait(&self, op: LogOp) -> io::Result<()> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.engine.submit(self.group, op, Box::new(move |result| drop(sender.send(result))));
        receiver.await.map_err(|_| io::Error::other("the log engine has stopped"))?
    }
}

impl RaftLogReader<C> for LogStore {
    async fn try_get_log_entries<R>(&mut self, range: R) -> Result<Vec<Entry>, io::Error>
    where
        R: RangeBounds<u64> + Clone + Debug + Send,
    {
        let from = match range.start_bound() {
            Bound::Included(&index) => index,
            Bound::Excluded(&index) => index + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&index) => index + 1,
            Bound::Excluded(&index) => index,
            Bound::Unbounded => u64::MAX,
        };
        if from >= to {
            return Ok(Vec::new());
        }
        let (tail, stored_to) = {
            let shared = self.shared.lock();
            let tail: Vec<Entry> = shared.tail.range(from..to).map(|(_, entry)| entry.clone()).collect();
            let stored_to = tail.first().map_or(to, |entry| entry.log_id.index);
            (tail, stored_to)
        };
        let mut entries = Vec::new();
        if from < stored_to {
            for (_, bytes) in self.engine.read(self.group, from, stored_to)? {
                entries.push(decode("log entry", &bytes)?);
            }
        }
        entries.extend(tail);
        Ok(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.shared.lock().vote)
    }
}

impl RaftLogStorage<C> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<C>, io::Error> {
        let shared = self.shared.lock();
        Ok(LogState { last_purged_log_id: shared.purged, last_log_id: shared.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.submit_and_wait(LogOp::Vote(encode(vote))).await?;
        self.shared.lock().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(position) = committed else { return Ok(()) };
        self.shared.lock().committed = committed;
        self.engine.submit(self.group, LogOp::Committed(encode(&position)), Box::new(|_| ()));
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.shared.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<C>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut encoded = Vec::new();
        let last_index = {
            let mut shared = self.shared.lock();
            for entry in entries {
                encoded.push((entry.log_id.index, encode(&entry)));
                shared.last = Some(entry.log_id);
                shared.tail.insert(entry.log_id.index, entry);
            }
            shared.last.map_or(0, |last| last.index)
        };
        let shared = self.shared.clone();
        let done: Done = Box::new(move |result| {
            if result.is_ok() {
                let mut shared = shared.lock();
                shared.durable = shared.durable.max(last_index);
                shared.trim();
            }
            callback.io_completed(result);
        });
        self.engine.submit(self.group, LogOp::Append(encoded), done);
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let from = last.map_or(0, |last| last.index + 1);
        {
            let mut shared = self.shared.lock();
            shared.tail.split_off(&from);
            shared.last = last.max(shared.purged);
        }
        self.submit_and_wait(LogOp::TruncateFrom(from)).await?;
        // Only now: an append from before the cut may have reported itself durable until here.
        let mut shared = self.shared.lock();
        shared.durable = shared.durable.min(from.saturating_sub(1));
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        {
            let mut shared = self.shared.lock();
            shared.tail = shared.tail.split_off(&(upto.index + 1));
            shared.purged = Some(upto);
            shared.last = shared.last.max(Some(upto));
        }
        self.engine.submit(self.group, LogOp::Purge(upto.index, encode(&upto)), Box::new(|_| ()));
        Ok(())
    }
}
