//! Chunks of a state on their way to a peer.
//!
//! ```text
//!  sender: state's view ─► chunk, digest ─► … ─► end (count, digest of all)
//!  receiver:               spool file ◄────────  checked ─► read back, checked again ─► state
//! ```
//!
//! Building a snapshot copies nothing: the state is flushed and its position recorded. Only when a follower asks, the
//! state is read through a consistent view, chunk by chunk. The receiver spools the chunks in a file without a name,
//! checks every digest, and installs them in one step. A transfer that is cut, too large or damaged installs nothing,
//! and its file is gone with its handle, also when the process dies.

use crate::error::StateFault;
use crate::limits::{FRAME_BYTES_MAX, SNAPSHOT_BYTES_MAX};
use bytes::Bytes;
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A state, chunk by chunk; each at most [`SNAPSHOT_CHUNK_BYTES`](crate::limits::SNAPSHOT_CHUNK_BYTES).
pub trait SnapshotReader: Send {
    /// The next chunk; `None` after the last one.
    fn next_chunk(&mut self) -> Result<Option<Bytes>, StateFault>;
}

/// Chunks in memory.
impl SnapshotReader for std::vec::IntoIter<Bytes> {
    fn next_chunk(&mut self) -> Result<Option<Bytes>, StateFault> {
        Ok(self.next())
    }
}

/// What openraft hands from the state to the network and from the network to the state.
#[derive(Default)]
pub struct SnapshotData(Mutex<Option<Box<dyn SnapshotReader>>>);

impl SnapshotData {
    pub(crate) fn new(reader: Box<dyn SnapshotReader>) -> Self {
        Self(Mutex::new(Some(reader)))
    }

    pub(crate) fn take(self) -> Option<Box<dyn SnapshotReader>> {
        self.0.into_inner()
    }
}

impl std::fmt::Debug for SnapshotData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SnapshotData")
    }
}

/// Why a transfer was given up. The sender begins again; nothing was installed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A chunk is not the one that was sent.
    #[error("chunk {chunk} of the snapshot is damaged")]
    Damaged {
        /// Which one, from 0.
        chunk: u64,
    },
    /// The end does not fit what came before.
    #[error("the snapshot ends after {received} of {sent} chunks, or is damaged")]
    Incomplete {
        /// Chunks received.
        received: u64,
        /// Chunks sent, by the sender's word.
        sent: u64,
    },
    /// It does not fit the bound.
    #[error("the snapshot is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// The spool file cannot be written or read.
    #[error("the snapshot's spool file: {0}")]
    Disk(#[from] io::Error),
}

/// Collects received chunks in a file and checks their digests. Dropping it throws them away.
pub struct Spool {
    file: BufWriter<File>,
    chunks: u64,
    bytes: u64,
    bytes_max: u64,
    total: Xxh3,
}

/// Bytes before each chunk in the file: its length (u32) and digest (u64), little endian.
const CHUNK_HEAD_BYTES: usize = 12;

impl Spool {
    /// An empty spool in `folder`, which should be on the disk that will hold the state.
    pub fn create(folder: &Path) -> Result<Self, SpoolError> {
        let file = tempfile::tempfile_in(folder)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
        let file = BufWriter::new(file);
        Ok(Self { file, chunks: 0, bytes: 0, bytes_max: SNAPSHOT_BYTES_MAX, total: Xxh3::new() })
    }

    /// Adds a chunk.
    pub fn push(&mut self, chunk: &[u8], digest: u64) -> Result<(), SpoolError> {
        if xxh3_64(chunk) != digest {
            return Err(SpoolError::Damaged { chunk: self.chunks });
        }
        let length =
            u32::try_from(chunk.len()).map_err(|_| SpoolError::TooLarge { bytes_max: FRAME_BYTES_MAX as u64 })?;
        self.bytes += chunk.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(SpoolError::TooLarge { bytes_max: self.bytes_max });
        }
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&digest.to_le_bytes())?;
        self.file.write_all(chunk)?;
        self.total.update(chunk);
        self.chunks += 1;
        Ok(())
    }

    /// All chunks are there: `chunks` and `digest` are the sender's count and digest of all.
    pub fn finish(self, chunks: u64, digest: u64) -> Result<Box<dyn SnapshotReader>, SpoolError> {
        if self.chunks != chunks || self.total.digest() != digest {
            return Err(SpoolError::Incomplete { received: self.chunks, sent: chunks });
        }
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Box::new(Spooled { file: BufReader::new(file), chunk: 0, chunks }))
    }
}

/// Reads a complete spool back.
struct Spooled {
    file: BufReader<File>,
    chunk: u64,
    chunks: u64,
}

impl Spooled {
    fn read(&mut self) -> Result<Bytes, SpoolError> {
        let mut head = [0; CHUNK_HEAD_BYTES];
        self.file.read_exact(&mut head)?;
        let (length, digest) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        let digest = u64::from_le_bytes(digest.try_into().expect("eight bytes"));
        if length as usize > FRAME_BYTES_MAX {
            return Err(SpoolError::Damaged { chunk: self.chunk });
        }
        let mut chunk = vec![0; length as usize];
        self.file.read_exact(&mut chunk)?;
        if xxh3_64(&chunk) != digest {
            return Err(SpoolError::Damaged { chunk: self.chunk });
        }
        Ok(Bytes::from(chunk))
    }
}

impl SnapshotReader for Spooled {
    fn next_chunk(&mut self) -> Result<Option<Bytes>, StateFault> {
        if self.chunk == self.chunks {
            return Ok(None);
        }
        let chunk = self.read().map_err(|error| StateFault::new("reading a received snapshot", error))?;
        self.chunk += 1;
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(chunks: &[&[u8]]) -> u64 {
        let mut total = Xxh3::new();
        chunks.iter().for_each(|chunk| total.update(chunk));
        total.digest()
    }

    fn spool() -> Spool {
        Spool::create(&std::env::temp_dir()).unwrap()
    }

    #[test]
    fn what_was_spooled_is_read_back() {
        let chunks: [&[u8]; 3] = [b"one", b"", &[7; 100_000]];
        let mut spool = spool();
        chunks.iter().for_each(|chunk| spool.push(chunk, xxh3_64(chunk)).unwrap());
        let mut reader = spool.finish(3, digest_of(&chunks)).unwrap();
        for chunk in chunks {
            assert_eq!(reader.next_chunk().unwrap().unwrap(), chunk);
        }
        assert_eq!(reader.next_chunk().unwrap(), None);
        assert_eq!(reader.next_chunk().unwrap(), None);
    }

    #[test]
    fn a_damaged_missing_or_reordered_chunk_is_noticed() {
        let chunks: [&[u8]; 2] = [b"one", b"two"];
        let finish = |order: &[usize]| {
            let mut spool = spool();
            order.iter().for_each(|&index| spool.push(chunks[index], xxh3_64(chunks[index])).unwrap());
            spool.finish(2, digest_of(&chunks)).map(|_| ())
        };
        assert!(finish(&[0, 1]).is_ok());
        assert!(matches!(finish(&[0]), Err(SpoolError::Incomplete { received: 1, sent: 2 })));
        assert!(matches!(finish(&[1, 0]), Err(SpoolError::Incomplete { .. })));
        assert!(matches!(spool().push(b"onf", xxh3_64(b"one")), Err(SpoolError::Damaged { chunk: 0 })));
    }

    #[test]
    fn a_snapshot_beyond_the_bound_is_refused() {
        let mut spool = Spool { bytes_max: 5, ..spool() };
        spool.push(b"four", xxh3_64(b"four")).unwrap();
        assert!(matches!(spool.push(b"xx", xxh3_64(b"xx")), Err(SpoolError::TooLarge { bytes_max: 5 })));
    }

    #[test]
    fn damage_on_the_disk_is_noticed_when_reading_back() {
        let mut spool = spool();
        spool.push(b"chunk", xxh3_64(b"chunk")).unwrap();
        spool.file.seek(SeekFrom::Start(CHUNK_HEAD_BYTES as u64)).unwrap();
        spool.file.write_all(b"C").unwrap();
        let mut reader = spool.finish(1, digest_of(&[b"chunk"])).unwrap();
        assert!(reader.next_chunk().unwrap_err().to_string().contains("chunk 0"));
    }

    #[test]
    fn an_interrupted_transfer_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(folder.path()).unwrap();
        spool.push(b"half of it", xxh3_64(b"half of it")).unwrap();
        drop(spool);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let missing = Spool::create(&folder.path().join("missing")).map(|_| ()).unwrap_err().to_string();
        assert!(missing.contains("missing"), "{missing}");
    }
}
