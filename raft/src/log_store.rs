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

use crate::limits::{APPEND_BYTES_MAX, APPLY_READ_BYTES_MAX, TAIL_BYTES_MAX, TAIL_ENTRIES};
use crate::meter::{GroupMeter, Latencies};
use crate::type_config::{C, Command, Entry, LogId, Vote, decode, encode};
use bytes::Bytes;
use futures::stream;
use openraft::EntryPayload;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use phoenixmldb_types::GroupId;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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

/// What a log engine has done since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogMetrics {
    /// One synced write each, shared by all groups that waited for it.
    pub sync: Latencies,
    /// Operations carried out.
    pub ops_total: u64,
    /// Bytes written, before the engine's own overhead.
    pub bytes_total: u64,
    /// Operations waiting now.
    pub queued: u64,
}

/// Stores the logs of all groups of a process.
pub trait LogEngine: Send + Sync + 'static {
    /// Reads what is stored for a group; everything empty for a new one.
    fn head(&self, group: GroupId) -> io::Result<LogHead>;
    /// Reads entries `from..to`. Missing entries at either end are left out.
    fn read(&self, group: GroupId, from: u64, to: u64) -> io::Result<Vec<(u64, Bytes)>>;
    /// Reads entries as [`LogEngine::read`] does, but stops after the entry that brings their total to `bytes`. Engines
    /// that can stop early should not read what is left out.
    fn read_limited(&self, group: GroupId, from: u64, to: u64, bytes: usize) -> io::Result<Vec<(u64, Bytes)>> {
        let mut entries = self.read(group, from, to)?;
        let mut total = 0;
        let within = entries.iter().take_while(|(_, entry)| {
            let before = total;
            total += entry.len();
            before < bytes
        });
        let within = within.count();
        entries.truncate(within);
        Ok(entries)
    }
    /// Queues an operation; those of one group happen in order.
    fn submit(&self, group: GroupId, op: LogOp, done: Done);
    /// Forgets a group. Durable when it returns.
    fn remove(&self, group: GroupId) -> io::Result<()>;
    /// Groups that have a log here.
    fn groups(&self) -> io::Result<Vec<GroupId>>;
    /// Where received snapshots may wait in files; `None`: the system's folder for temporary files.
    fn spool_folder(&self) -> Option<PathBuf> {
        None
    }
    /// What the engine has done; zeros for engines that do not count.
    fn metrics(&self) -> LogMetrics {
        LogMetrics::default()
    }
}

/// A log engine in memory, for tests and the simulation.
#[derive(Default)]
pub struct MemoryLog {
    groups: Mutex<BTreeMap<GroupId, MemoryGroup>>,
}

#[derive(Clone, Default)]
struct MemoryGroup {
    head: LogHead,
    entries: BTreeMap<u64, Bytes>,
}

impl MemoryLog {
    pub(crate) fn carry_out(&self, group: GroupId, op: LogOp) {
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
    }

    /// The same logs, from now on apart.
    #[cfg(feature = "testing")]
    pub(crate) fn copy(&self) -> Self {
        Self { groups: Mutex::new(self.groups.lock().clone()) }
    }
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
        self.carry_out(group, op);
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
    meter: Arc<GroupMeter>,
}

struct Shared {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// The newest entries; all that are not durable yet are here.
    tail: BTreeMap<u64, Entry>,
    tail_bytes: usize,
    durable: u64,
}

/// Bytes of an entry's command.
fn size(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(Command(command)) => command.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}

impl Shared {
    /// Drops old entries that the engine can read back.
    fn trim(&mut self) {
        while self.tail.len() > TAIL_ENTRIES || self.tail_bytes > TAIL_BYTES_MAX {
            match self.tail.first_entry() {
                Some(oldest) if *oldest.key() <= self.durable => self.tail_bytes -= size(&oldest.remove()),
                _ => break,
            }
        }
    }

    /// Keeps a part of the tail.
    fn keep(&mut self, tail: BTreeMap<u64, Entry>) {
        self.tail_bytes = tail.values().map(size).sum();
        self.tail = tail;
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
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
    (from, to)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl LogStore {
    /// Opens a group's log. Errors: it cannot be read, or it is shorter than what it has confirmed.
    pub(crate) fn open(engine: Arc<dyn LogEngine>, group: GroupId, meter: Arc<GroupMeter>) -> io::Result<Self> {
        let head = engine.head(group)?;
        let read = |what: &str, bytes: Option<Bytes>| bytes.map(|bytes| decode::<LogId>(what, &bytes)).transpose();
        let purged = read("purge marker", head.purged)?;
        let last = match head.last {
            Some((index, bytes)) => {
                let entry: Entry = decode("last log entry", &bytes)?;
                if entry.log_id.index != index {
                    return Err(invalid("last log entry is at another index".to_owned()));
                }
                Some(entry.log_id)
            }
            None => None,
        };
        let last = last.max(purged);
        let committed = read("committed position", head.committed)?;
        // The position is written after the entries it covers: without them the log has lost its tail, and with it
        // perhaps what this replica has voted for.
        if committed > last {
            let [committed, last] = [committed, last].map(|log_id| log_id.map_or(0, |log_id| log_id.index));
            return Err(invalid(format!("the log ends at {last}, but {committed} was committed: its tail is lost")));
        }
        let shared = Shared {
            vote: head.vote.map(|bytes| decode("vote", &bytes)).transpose()?,
            committed,
            last,
            purged,
            tail: BTreeMap::new(),
            tail_bytes: 0,
            durable: last.map_or(0, |last| last.index),
        };
        Ok(Self { engine, group, shared: Arc::new(Mutex::new(shared)), meter })
    }

    async fn submit_and_wait(&self, op: LogOp) -> io::Result<()> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.engine.submit(self.group, op, Box::new(move |result| drop(sender.send(result))));
        receiver.await.map_err(|_| io::Error::other("the log engine has stopped"))?
    }

    /// Reads entries from `from` on, before `to`, up to the one that brings them to `bytes`. Entries missing at either
    /// end are left out; one missing in between is an error.
    fn read(&self, from: u64, to: u64, bytes: usize) -> io::Result<Vec<Entry>> {
        if from >= to {
            return Ok(Vec::new());
        }
        let (tail, stored_to) = {
            let shared = self.shared.lock();
            let mut total = 0;
            let within = shared.tail.range(from..to).map(|(_, entry)| entry).take_while(|entry| {
                let before = total;
                total += size(entry);
                before < bytes
            });
            let tail: Vec<Entry> = within.cloned().collect();
            let stored_to = tail.first().map_or(to, |entry| entry.log_id.index);
            (tail, stored_to)
        };
        let mut entries: Vec<Entry> = Vec::new();
        let mut total = 0;
        if from < stored_to {
            for (_, bytes) in self.engine.read_limited(self.group, from, stored_to, bytes)? {
                total += bytes.len();
                entries.push(decode("log entry", &bytes)?);
            }
        }
        let complete = entries.last().is_none_or(|last| last.log_id.index + 1 == stored_to);
        if complete {
            for entry in tail {
                if total >= bytes {
                    break;
                }
                total += size(&entry);
                entries.push(entry);
            }
        }
        match entries.windows(2).find(|pair| pair[0].log_id.index + 1 != pair[1].log_id.index) {
            Some(pair) => Err(invalid(format!("log entry {} is missing", pair[0].log_id.index + 1))),
            None => Ok(entries),
        }
    }
}

impl RaftLogReader<C> for LogStore {
    async fn try_get_log_entries<R>(&mut self, range: R) -> Result<Vec<Entry>, io::Error>
    where
        R: RangeBounds<u64> + Clone + Debug + Send,
    {
        let (from, to) = bounds(&range);
        self.read(from, to, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, APPEND_BYTES_MAX)
    }

    /// Reads piece by piece: what waits to be applied after a start may be a whole log.
    async fn entries_stream<R>(&mut self, range: R) -> impl futures::Stream<Item = Result<Entry, io::Error>> + Send
    where
        R: RangeBounds<u64> + Clone + Debug + Send,
    {
        let (from, to) = bounds(&range);
        let begin = Some((self.clone(), VecDeque::new(), from));
        Box::pin(stream::unfold(begin, move |at| async move {
            let (log, mut read, next) = at?;
            if read.is_empty() && next < to {
                match log.read(next, to, APPLY_READ_BYTES_MAX) {
                    Ok(entries) => read.extend(entries),
                    Err(error) => return Some((Err(error), None)),
                }
                if read.front().is_none_or(|entry: &Entry| entry.log_id.index != next) {
                    return Some((Err(invalid(format!("log entry {next} is missing"))), None));
                }
            }
            read.pop_front().map(|entry| (Ok(entry), Some((log, read, next + 1))))
        }))
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
                let bytes = encode(&entry);
                self.meter.log_append_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                encoded.push((entry.log_id.index, bytes));
                shared.last = Some(entry.log_id);
                shared.tail_bytes += size(&entry);
                shared.tail.insert(entry.log_id.index, entry);
            }
            shared.last.map_or(0, |last| last.index)
        };
        let (shared, meter) = (self.shared.clone(), self.meter.clone());
        let begun = tokio::time::Instant::now();
        let done: Done = Box::new(move |result| {
            if result.is_ok() {
                meter.log_append.record(begun.elapsed());
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
            let mut tail = std::mem::take(&mut shared.tail);
            tail.split_off(&from);
            shared.keep(tail);
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
            let tail = shared.tail.split_off(&(upto.index + 1));
            shared.keep(tail);
            shared.purged = Some(upto);
            shared.last = shared.last.max(Some(upto));
        }
        self.engine.submit(self.group, LogOp::Purge(upto.index, encode(&upto)), Box::new(|_| ()));
        Ok(())
    }
}
