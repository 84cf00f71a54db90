//! A shard's state on its way to another node, and into this one: chunk by chunk, never whole in memory.
//!
//! ```text
//!  out: a thread holds a view of the database ─► one chunk ahead ─► Raft's stream
//!  in:  chunks ─► file, synced, renamed ─► range cleared ─► one batch per chunk ─► position, flushed ─► file removed
//!                                      └── a crash from here on: the file is installed again at the next start
//! ```
//!
//! A view borrows the database, so a thread that owns both keeps it for as long as the chunks are wanted. An installation
//! is too large for one batch; the renamed file makes its batches one step: before the rename the old state is whole,
//! after it the new one is certain. Readers are told by [`Installs`] that what they look at is being replaced.

use crate::limits::SNAPSHOT_CHUNKS_BUFFERED_MAX;
use crate::machine::fault;
use bytes::Bytes;
use phoenixmldb_raft::{SnapshotReader, StateFault};
use phoenixmldb_shard::snapshot::{self, Place};
use phoenixmldb_store::keyspace::{self, MetaTag};
use phoenixmldb_store::{Batch, Cf, Kv};
use phoenixmldb_types::ShardId;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use xxhash_rust::xxh3::xxh3_64;

/// Counts beginnings and ends of installations of one shard: odd while one is under way.
#[derive(Debug, Default)]
pub struct Installs(AtomicU64);

/// What a reader began with.
#[derive(Clone, Debug)]
pub(crate) struct Unreplaced {
    installs: Arc<Installs>,
    seen: u64,
}

impl Installs {
    /// The state now. Take it before the first look at the database.
    #[must_use]
    pub(crate) fn look(self: &Arc<Self>) -> Unreplaced {
        Unreplaced { installs: self.clone(), seen: self.0.load(Ordering::Acquire) }
    }

    fn step(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Unreplaced {
    /// Whether every view taken since is of one state.
    #[must_use]
    pub(crate) fn holds(&self) -> bool {
        self.seen.is_multiple_of(2) && self.installs.0.load(Ordering::Acquire) == self.seen
    }
}

/// Reads a view of a shard on a thread of its own.
pub(crate) struct Outgoing {
    chunks: Receiver<Result<Option<Bytes>, StateFault>>,
}

impl Outgoing {
    /// Takes the view before it returns. Error: no thread can be started.
    pub(crate) fn begin(kv: Arc<dyn Kv>, shard: ShardId) -> Result<Self, StateFault> {
        let (sender, chunks) = sync_channel(SNAPSHOT_CHUNKS_BUFFERED_MAX);
        let (taken, began) = sync_channel(1);
        let read = move || {
            let view = kv.snapshot();
            if taken.send(()).is_err() {
                return;
            }
            let mut place = Place::start(shard);
            loop {
                let chunk = place.next_chunk(&*view).map_err(fault("reading a shard's snapshot"));
                let last = !matches!(chunk, Ok(Some(_)));
                // A receiver that has gone needs no more.
                if sender.send(chunk.map(|chunk| chunk.map(Bytes::from))).is_err() || last {
                    return;
                }
            }
        };
        let started = std::thread::Builder::new().name(format!("snapshot-{shard}")).spawn(read);
        started.map_err(|error| StateFault::new("starting to read a shard's snapshot", error))?;
        began.recv().map_err(|error| StateFault::new("taking a view of a shard", error))?;
        Ok(Self { chunks })
    }
}

impl SnapshotReader for Outgoing {
    fn next_chunk(&mut self) -> Result<Option<Bytes>, StateFault> {
        // A thread that ends without a last word has panicked: what it has read is no whole snapshot.
        self.chunks.recv().map_err(|error| StateFault::new("reading a shard's snapshot", error))?
    }
}

/// Replaces the state of one shard.
pub(crate) struct Install {
    pub(crate) shard: ShardId,
    pub(crate) kv: Arc<dyn Kv>,
    pub(crate) installs: Arc<Installs>,
    pub(crate) folder: PathBuf,
}

/// Longest chunk or position that can have been written, in bytes; more is damage.
const PIECE_BYTES_MAX: u32 = 1 << 30;

fn disk(path: &Path) -> impl Fn(io::Error) -> StateFault {
    let what = format!("a snapshot that waits in {}", path.display());
    move |error| StateFault::new(what.clone(), error)
}

/// Length, digest, bytes.
fn write_piece(file: &mut impl Write, piece: &[u8]) -> io::Result<()> {
    let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&xxh3_64(piece).to_le_bytes())?;
    file.write_all(piece)
}

fn read_piece(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut length, mut digest) = ([0; 4], [0; 8]);
    file.read_exact(&mut length)?;
    file.read_exact(&mut digest)?;
    let length = u32::from_le_bytes(length);
    if length > PIECE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a piece is too long"));
    }
    let mut piece = vec![0; length as usize];
    file.read_exact(&mut piece)?;
    if xxh3_64(&piece) != u64::from_le_bytes(digest) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a piece is damaged"));
    }
    Ok(piece)
}

impl Install {
    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("shard-{}.{ending}", self.shard))
    }

    /// Replaces the state by the chunks', and is durable when it returns.
    pub(crate) fn run(&self, chunks: Box<dyn SnapshotReader>, position: &[u8]) -> Result<(), StateFault> {
        self.keep(chunks, position)?;
        self.replay()
    }

    /// Completes an installation that was cut after its file was whole; forgets one that was cut before.
    pub(crate) fn resume(&self) -> Result<(), StateFault> {
        let partial = self.path("partial");
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(disk(&partial)(error)),
            _ => {}
        }
        if self.path("ready").exists() { self.replay() } else { Ok(()) }
    }

    /// Writes everything to a file that is whole and durable under its final name.
    fn keep(&self, mut chunks: Box<dyn SnapshotReader>, position: &[u8]) -> Result<(), StateFault> {
        let partial = self.path("partial");
        let failed = disk(&partial);
        fs::create_dir_all(&self.folder).map_err(&failed)?;
        let mut file = BufWriter::new(File::create(&partial).map_err(&failed)?);
        write_piece(&mut file, position).map_err(&failed)?;
        while let Some(chunk) = chunks.next_chunk()? {
            write_piece(&mut file, &chunk).map_err(&failed)?;
        }
        // No chunk is empty: this is the end.
        write_piece(&mut file, &[]).map_err(&failed)?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(&failed)?;
        fs::rename(&partial, self.path("ready")).map_err(&failed)?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(&failed)
    }

    /// Installs the file; repeating it changes nothing.
    fn replay(&self) -> Result<(), StateFault> {
        let ready = self.path("ready");
        let (failed, broken) = (disk(&ready), fault("installing a shard's snapshot"));
        let mut file = BufReader::new(File::open(&ready).map_err(&failed)?);
        let position = read_piece(&mut file).map_err(&failed)?;
        let _replaced = Replacing::begin(&self.installs);
        let mut batch = Batch::default();
        snapshot::clear(&mut batch, self.shard);
        loop {
            let chunk = read_piece(&mut file).map_err(&failed)?;
            if chunk.is_empty() {
                break;
            }
            snapshot::write_chunk(&mut batch, self.shard, &chunk).map_err(&broken)?;
            self.kv.write(std::mem::take(&mut batch)).map_err(&broken)?;
        }
        batch.put(Cf::Meta, keyspace::meta(self.shard, MetaTag::Position), position);
        self.kv.write(batch).map_err(&broken)?;
        self.kv.flush().map_err(&broken)?;
        fs::remove_file(&ready).map_err(&failed)
    }
}

/// Readers are warned while this lives.
struct Replacing<'a>(&'a Installs);

impl<'a> Replacing<'a> {
    fn begin(installs: &'a Installs) -> Self {
        installs.step();
        Self(installs)
    }
}

impl Drop for Replacing<'_> {
    fn drop(&mut self) {
        self.0.step();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ShardMachine;
    use phoenixmldb_engine::RocksEngine;
    use phoenixmldb_raft::ReplicatedState;

    const SHARD: ShardId = ShardId(3);
    /// Far more than one chunk.
    const PAIRS: u32 = 600;
    const VALUE_BYTES: usize = 16 << 10;

    fn engine(folder: &Path) -> Arc<dyn Kv> {
        Arc::new(RocksEngine::open(&folder.join("datadb")).unwrap())
    }

    fn fill(kv: &dyn Kv, shard: ShardId, salt: u8) {
        for number in 0..PAIRS {
            let mut batch = Batch::default();
            let key = [&shard.0.to_be_bytes()[..], &number.to_be_bytes()].concat();
            let value = vec![salt ^ number as u8; VALUE_BYTES];
            batch.put(Cf::Block, key.clone(), value);
            batch.put(Cf::Write, key, vec![salt]);
            kv.write(batch).unwrap();
        }
    }

    fn hash(kv: &dyn Kv) -> (u64, u64) {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        let keys = snapshot::content_hash(&*kv.snapshot(), SHARD, &mut hasher).unwrap();
        (hasher.digest(), keys)
    }

    fn machine(folder: &Path, kv: &Arc<dyn Kv>) -> ShardMachine {
        ShardMachine::open(SHARD, kv.clone(), Arc::default(), &folder.join("installing")).unwrap()
    }

    #[test]
    fn a_state_of_many_chunks_arrives_whole_as_it_was_when_asked() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (source, target) = (engine(from.path()), engine(to.path()));
        fill(&*source, SHARD, 1);
        fill(&*target, SHARD, 7);
        fill(&*target, ShardId(4), 7);
        let wanted = hash(&*source);
        let chunks = machine(from.path(), &source).snapshot().unwrap();
        fill(&*source, SHARD, 2);
        let mut receiver = machine(to.path(), &target);
        receiver.install(chunks, Bytes::from_static(b"position")).unwrap();
        assert_eq!(hash(&*target), wanted, "later writes are not in it, and nothing of before is left");
        assert_eq!(receiver.position().unwrap().as_deref(), Some(&b"position"[..]));
        assert_eq!(fs::read_dir(to.path().join("installing")).unwrap().count(), 0);
        let neighbour = target.snapshot();
        assert_eq!(neighbour.scan(Cf::Block, keyspace::shard_range(ShardId(4))).count(), PAIRS as usize);
    }

    #[test]
    fn chunks_are_read_as_they_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let kv = engine(folder.path());
        fill(&*kv, SHARD, 1);
        let mut chunks = Outgoing::begin(kv.clone(), SHARD).unwrap();
        let mut sizes = Vec::new();
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            sizes.push(chunk.len());
        }
        let total: usize = sizes.iter().sum();
        assert!(total > PAIRS as usize * VALUE_BYTES);
        let largest = sizes.iter().max().unwrap();
        assert!(sizes.len() > 5 && *largest < (1 << 20) + 2 * VALUE_BYTES, "{sizes:?}");
        // One that nobody reads to the end ends its thread.
        drop(Outgoing::begin(kv, SHARD).unwrap());
    }

    #[test]
    fn an_installation_cut_by_a_crash_is_completed_or_forgotten() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (source, target) = (engine(from.path()), engine(to.path()));
        fill(&*source, SHARD, 1);
        fill(&*target, SHARD, 7);
        let before = hash(&*target);
        let folder = to.path().join("installing");
        let install = Install { shard: SHARD, kv: target.clone(), installs: Arc::default(), folder: folder.clone() };

        // Cut while the file was written: the old state stays.
        fs::create_dir_all(&folder).unwrap();
        fs::write(install.path("partial"), b"half of it").unwrap();
        drop(machine(to.path(), &target));
        assert_eq!((hash(&*target), install.path("partial").exists()), (before, false));

        // Cut behind the rename, with some of the batches written: the new state is completed.
        let chunks = Outgoing::begin(source.clone(), SHARD).unwrap();
        install.keep(Box::new(chunks), b"there").unwrap();
        let mut half = Batch::default();
        snapshot::clear(&mut half, SHARD);
        target.write(half).unwrap();
        let mut opened = machine(to.path(), &target);
        assert_eq!(hash(&*target), hash(&*source));
        assert_eq!(opened.position().unwrap().as_deref(), Some(&b"there"[..]));
    }

    #[test]
    fn readers_notice_that_their_state_was_replaced() {
        let installs = Arc::new(Installs::default());
        let before = installs.look();
        assert!(before.holds());
        let replacing = Replacing::begin(&installs);
        let during = installs.look();
        assert!(!before.holds() && !during.holds());
        drop(replacing);
        assert!(!before.holds() && !during.holds() && installs.look().holds());
    }
}
