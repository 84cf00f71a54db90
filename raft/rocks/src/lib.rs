//! raftdb: the RocksDB log engine of all Raft groups of a process.
//!
//! ```text
//!  group 16 ─┐
//!  group 17 ─┼─► one queue ─► one thread: gathers what waits ─► one write, one fsync ─► all callbacks
//!  group 18 ─┘
//! ```
//!
//! | column family | key | value |
//! |---|---|---|
//! | `log` | group (u32, big endian), index (u64, big endian) | encoded entry |
//! | `meta` | group, tag (1 byte) | vote, committed position, purge marker, format version |
//!
//! Its own database, apart from the documents: flushing those never pins this log. A failed write is final: every later
//! operation fails too, because nobody knows what a failed fsync left on the disk.

use bytes::Bytes;
use phoenixmldb_raft::log_store::{Done, LogHead};
use phoenixmldb_raft::meter::Histogram;
use phoenixmldb_raft::{LogEngine, LogMetrics, LogOp};
use phoenixmldb_types::GroupId;
use phoenixmldb_types::clock::{Clock, SystemClock};
use rocksdb::{
    BoundColumnFamily, ColumnFamilyDescriptor, DB, DBWithThreadMode, Direction, IteratorMode, MultiThreaded, Options,
    WriteBatch, WriteOptions,
};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

type Db = DBWithThreadMode<MultiThreaded>;

/// Version of the keys and values of raftdb.
const FORMAT: u8 = 1;

/// Operations gathered into one write, in operations: bounds the memory of a batch and the wait of its first caller.
const BATCH_OPS_MAX: usize = 4096;

/// Bytes gathered into one write, in bytes; as above.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// Bytes of write-ahead log before the oldest column family is written out, in bytes: the seldom changed votes would
/// otherwise pin gigabytes of it, all read again at the next start.
const WAL_BYTES_MAX: u64 = 256 << 20;

const LOG: &str = "log";
const META: &str = "meta";

#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Format = 0,
    Vote = 1,
    Committed = 2,
    Purged = 3,
}

enum Message {
    Op(GroupId, LogOp, Done),
    Stop,
}

/// The log engine; dropping it writes what is queued and closes the database.
pub struct RocksLog {
    db: Arc<Db>,
    path: PathBuf,
    meter: Arc<Meter>,
    queue: Mutex<Sender<Message>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Meter {
    sync: Histogram,
    ops: AtomicU64,
    bytes: AtomicU64,
    queued: AtomicU64,
}

fn log_key(group: GroupId, index: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&group.0.to_be_bytes());
    key[4..].copy_from_slice(&index.to_be_bytes());
    key
}

fn meta_key(group: GroupId, tag: Tag) -> [u8; 5] {
    let mut key = [0; 5];
    key[..4].copy_from_slice(&group.0.to_be_bytes());
    key[4] = tag as u8;
    key
}

fn io_error(error: rocksdb::Error) -> io::Error {
    io::Error::other(error)
}

fn family<'a>(db: &'a Db, name: &str) -> Arc<BoundColumnFamily<'a>> {
    db.cf_handle(name).expect("column families are opened with the database")
}

impl RocksLog {
    /// Opens or creates the database. Error: it is in use, damaged, or of another format; its path is named.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_recycle_log_file_num(4);
        options.set_max_background_jobs(2);
        options.set_max_total_wal_size(WAL_BYTES_MAX);
        options.set_keep_log_file_num(4);
        options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
        let mut family_options = Options::default();
        family_options.set_write_buffer_size(64 << 20);
        family_options.set_max_write_buffer_number(4);
        family_options.set_compression_type(rocksdb::DBCompressionType::None);
        let descriptors = [LOG, META].map(|name| ColumnFamilyDescriptor::new(name, family_options.clone()));
        let db = DB::open_cf_descriptors(&options, path, descriptors)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        let db = Arc::new(db);
        let format_key = meta_key(GroupId(u32::MAX), Tag::Format);
        match db.get_cf(&family(&db, META), format_key).map_err(io_error)? {
            None => {
                let mut synced = WriteOptions::default();
                synced.set_sync(true);
                db.put_cf_opt(&family(&db, META), format_key, [FORMAT], &synced).map_err(io_error)?;
            }
            Some(format) if format == [FORMAT] => {}
            Some(format) => {
                let text =
                    format!("{}: format {format:?} is not {FORMAT}; use the release that wrote it", path.display());
                return Err(io::Error::other(text));
            }
        }
        let (sender, receiver) = channel();
        let meter = Arc::new(Meter::default());
        let writer = Writer { db: db.clone(), meter: meter.clone(), failed: None };
        let writer = std::thread::Builder::new().name("raft-wal".to_owned()).spawn(move || writer.run(&receiver))?;
        Ok(Self { db, path: path.to_owned(), meter, queue: Mutex::new(sender), writer: Some(writer) })
    }
}

impl Drop for RocksLog {
    fn drop(&mut self) {
        let queue = self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The receiver is gone only when the writer has stopped already.
        drop(queue.send(Message::Stop));
        drop(queue);
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

struct Writer {
    db: Arc<Db>,
    meter: Arc<Meter>,
    failed: Option<String>,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Message>) {
        let mut stopping = false;
        while !stopping {
            let Ok(first) = queue.recv() else { return };
            let mut batch = WriteBatch::default();
            let mut callbacks = Vec::new();
            let mut sync = false;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Op(group, op, done) => {
                        sync |= op.must_sync();
                        self.add(&mut batch, group, op);
                        callbacks.push(done);
                    }
                    Message::Stop => {
                        stopping = true;
                        break;
                    }
                }
                if callbacks.len() >= BATCH_OPS_MAX || batch.size_in_bytes() >= BATCH_BYTES_MAX {
                    break;
                }
                next = queue.try_recv().ok();
            }
            let ops = callbacks.len() as u64;
            self.write(batch, sync);
            self.meter.ops.fetch_add(ops, Ordering::Relaxed);
            self.meter.queued.fetch_sub(ops, Ordering::Relaxed);
            for done in callbacks {
                done(match &self.failed {
                    None => Ok(()),
                    Some(reason) => Err(io::Error::other(reason.clone())),
                });
            }
        }
    }

    fn add(&self, batch: &mut WriteBatch, group: GroupId, op: LogOp) {
        let (log, meta) = (family(&self.db, LOG), family(&self.db, META));
        match op {
            LogOp::Append(entries) => {
                for (index, entry) in entries {
                    batch.put_cf(&log, log_key(group, index), entry);
                }
            }
            LogOp::Vote(vote) => batch.put_cf(&meta, meta_key(group, Tag::Vote), vote),
            LogOp::Committed(position) => batch.put_cf(&meta, meta_key(group, Tag::Committed), position),
            LogOp::TruncateFrom(index) => batch.delete_range_cf(&log, log_key(group, index), log_key(group, u64::MAX)),
            LogOp::Purge(index, marker) => {
                batch.delete_range_cf(&log, log_key(group, 0), log_key(group, index + 1));
                batch.put_cf(&meta, meta_key(group, Tag::Purged), marker);
            }
        }
    }

    fn write(&mut self, batch: WriteBatch, sync: bool) {
        if self.failed.is_some() || batch.is_empty() {
            return;
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        let begun = SystemClock.monotonic();
        self.meter.bytes.fetch_add(batch.size_in_bytes() as u64, Ordering::Relaxed);
        let written = self.db.write_opt(batch, &options);
        if sync {
            self.meter.sync.record(SystemClock.monotonic().saturating_sub(begun));
        }
        if let Err(error) = written {
            tracing::error!(%error, "the Raft log cannot be written; all groups of this process stop");
            self.failed = Some(format!("the Raft log cannot be written: {error}"));
        }
    }
}

impl LogEngine for RocksLog {
    fn head(&self, group: GroupId) -> io::Result<LogHead> {
        let get = |tag| {
            let value = self.db.get_cf(&family(&self.db, META), meta_key(group, tag)).map_err(io_error)?;
            Ok::<_, io::Error>(value.map(Bytes::from))
        };
        let newest = log_key(group, u64::MAX);
        let mut entries = self.db.iterator_cf(&family(&self.db, LOG), IteratorMode::From(&newest, Direction::Reverse));
        let last = match entries.next().transpose().map_err(io_error)? {
            Some((key, entry)) if key[..4] == group.0.to_be_bytes() => Some((index_of(&key)?, Bytes::from(entry))),
            _ => None,
        };
        Ok(LogHead { vote: get(Tag::Vote)?, committed: get(Tag::Committed)?, purged: get(Tag::Purged)?, last })
    }

    fn read(&self, group: GroupId, from: u64, to: u64) -> io::Result<Vec<(u64, Bytes)>> {
        self.read_limited(group, from, to, usize::MAX)
    }

    fn read_limited(&self, group: GroupId, from: u64, to: u64, bytes: usize) -> io::Result<Vec<(u64, Bytes)>> {
        let first = log_key(group, from);
        let (mut read, mut total) = (Vec::new(), 0);
        for item in self.db.iterator_cf(&family(&self.db, LOG), IteratorMode::From(&first, Direction::Forward)) {
            let (key, entry) = item.map_err(io_error)?;
            let index = index_of(&key)?;
            if key[..4] != group.0.to_be_bytes() || index >= to || total >= bytes {
                break;
            }
            total += entry.len();
            read.push((index, Bytes::from(entry)));
        }
        Ok(read)
    }

    fn submit(&self, group: GroupId, op: LogOp, done: Done) {
        let queue = self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.meter.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = queue.send(Message::Op(group, op, done))
            && let Message::Op(_, _, done) = refused.0
        {
            self.meter.queued.fetch_sub(1, Ordering::Relaxed);
            done(Err(io::Error::other("the Raft log is closed")));
        }
    }

    fn remove(&self, group: GroupId) -> io::Result<()> {
        let (sender, receiver) = channel();
        // Through the queue, so that nothing submitted before is written after.
        self.submit(group, LogOp::TruncateFrom(0), Box::new(move |result| drop(sender.send(result))));
        receiver.recv().map_err(|_| io::Error::other("the Raft log is closed"))??;
        let mut batch = WriteBatch::default();
        for tag in [Tag::Vote, Tag::Committed, Tag::Purged] {
            batch.delete_cf(&family(&self.db, META), meta_key(group, tag));
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(io_error)
    }

    fn groups(&self) -> io::Result<Vec<GroupId>> {
        let mut groups = BTreeSet::new();
        for item in self.db.iterator_cf(&family(&self.db, META), IteratorMode::Start) {
            let (key, _) = item.map_err(io_error)?;
            let group = key[..4].try_into().map(u32::from_be_bytes).map_err(io::Error::other)?;
            if group != u32::MAX {
                groups.insert(GroupId(group));
            }
        }
        Ok(groups.into_iter().collect())
    }

    /// The folder that holds raftdb: on the same disk, but not RocksDB's own.
    fn spool_folder(&self) -> Option<PathBuf> {
        self.path.parent().map(Path::to_owned)
    }

    fn metrics(&self) -> LogMetrics {
        LogMetrics {
            sync: self.meter.sync.read(),
            ops_total: self.meter.ops.load(Ordering::Relaxed),
            bytes_total: self.meter.bytes.load(Ordering::Relaxed),
            queued: self.meter.queued.load(Ordering::Relaxed),
        }
    }
}

fn index_of(key: &[u8]) -> io::Result<u64> {
    let bytes = key.get(4..12).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or_else(|| io::Error::other("a log key is 12 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(log: &RocksLog, group: u32, op: LogOp) -> io::Result<()> {
        let (sender, receiver) = channel();
        log.submit(GroupId(group), op, Box::new(move |result| drop(sender.send(result))));
        receiver.recv().unwrap()
    }

    fn entries(from: u64, to: u64) -> LogOp {
        LogOp::Append((from..to).map(|index| (index, Bytes::from(index.to_string()))).collect())
    }

    #[test]
    fn what_was_confirmed_is_there_after_reopening_and_groups_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raftdb");
        {
            let log = RocksLog::open(&path).unwrap();
            submit(&log, 16, entries(1, 11)).unwrap();
            submit(&log, 17, entries(1, 4)).unwrap();
            submit(&log, 16, LogOp::Vote("vote".into())).unwrap();
            submit(&log, 16, LogOp::TruncateFrom(9)).unwrap();
            submit(&log, 16, LogOp::Purge(3, "three".into())).unwrap();
        }
        let log = RocksLog::open(&path).unwrap();
        let head = log.head(GroupId(16)).unwrap();
        assert_eq!(head.last, Some((8, "8".into())));
        assert_eq!((head.vote, head.purged), (Some("vote".into()), Some("three".into())));
        let read: Vec<u64> = log.read(GroupId(16), 0, 100).unwrap().into_iter().map(|(index, _)| index).collect();
        assert_eq!(read, [4, 5, 6, 7, 8]);
        assert_eq!(log.head(GroupId(17)).unwrap().last, Some((3, "3".into())));
        assert_eq!(log.groups().unwrap(), [GroupId(16)]);
        log.remove(GroupId(16)).unwrap();
        assert_eq!(log.head(GroupId(16)).unwrap().last, None);
        assert_eq!(log.head(GroupId(17)).unwrap().last, Some((3, "3".into())));
    }

    #[test]
    fn a_limited_read_ends_with_the_entry_that_reaches_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let log = RocksLog::open(&folder.path().join("raftdb")).unwrap();
        submit(&log, 16, LogOp::Append((1..=9).map(|index| (index, Bytes::from(vec![0; 100]))).collect())).unwrap();
        let read = |bytes| log.read_limited(GroupId(16), 2, 9, bytes).unwrap().len();
        assert_eq!([read(0), read(1), read(100), read(101), read(usize::MAX)], [0, 1, 1, 2, 7]);
    }

    #[test]
    fn synced_writes_are_counted_and_timed() {
        let folder = tempfile::tempdir().unwrap();
        let log = RocksLog::open(&folder.path().join("raftdb")).unwrap();
        submit(&log, 16, entries(1, 11)).unwrap();
        submit(&log, 16, LogOp::Committed("here".into())).unwrap();
        let metrics = log.metrics();
        assert_eq!((metrics.ops_total, metrics.sync.count(), metrics.queued), (2, 1, 0));
        assert!(metrics.bytes_total > 10 && metrics.sync.sum_us > 0);
        assert_eq!(log.spool_folder().unwrap(), folder.path());
    }

    #[test]
    fn a_database_in_use_is_refused_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raftdb");
        let _log = RocksLog::open(&path).unwrap();
        let message = RocksLog::open(&path).err().unwrap().to_string();
        assert!(message.contains("raftdb"), "{message}");
    }
}
