//! Chunks of a state on their way to a peer.
//!
//! Building a snapshot copies nothing: the state is flushed and its position recorded. Only when a follower asks, the
//! state is read through a consistent view, chunk by chunk. The receiver spools the chunks, checks every digest, and
//! installs them in one step.

use crate::error::StateFault;
use bytes::Bytes;
use parking_lot::Mutex;
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

/// Collects received chunks and checks their digests.
#[derive(Default)]
pub(crate) struct Spool {
    chunks: Vec<Bytes>,
    total: Xxh3,
}

impl Spool {
    /// Adds a chunk. Error: its digest does not match; the transfer has to begin again.
    pub(crate) fn push(&mut self, chunk: Bytes, digest: u64) -> Result<(), String> {
        if xxh3_64(&chunk) != digest {
            return Err(format!("chunk {} of the snapshot is damaged", self.chunks.len()));
        }
        self.total.update(&chunk);
        self.chunks.push(chunk);
        Ok(())
    }

    /// All chunks are there. Error: their number or digest is another one.
    pub(crate) fn finish(self, chunks: u64, digest: u64) -> Result<Box<dyn SnapshotReader>, String> {
        if self.chunks.len() as u64 != chunks || self.total.digest() != digest {
            return Err(format!("snapshot ends after {} of {chunks} chunks or is damaged", self.chunks.len()));
        }
        Ok(Box::new(self.chunks.into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_missing_or_reordered_chunk_is_noticed() {
        let chunks: Vec<Bytes> = ["one", "two"].map(Bytes::from).to_vec();
        let mut total = Xxh3::new();
        chunks.iter().for_each(|chunk| total.update(chunk));
        let spool = |order: &[usize]| {
            let mut spool = Spool::default();
            for &index in order {
                spool.push(chunks[index].clone(), xxh3_64(&chunks[index])).unwrap();
            }
            spool.finish(2, total.digest())
        };
        assert!(spool(&[0, 1]).is_ok());
        assert!(spool(&[0]).is_err());
        assert!(spool(&[1, 0]).is_err());
        assert!(Spool::default().push(Bytes::from("onf"), xxh3_64(b"one")).is_err());
    }
}
