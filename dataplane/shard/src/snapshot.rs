//! A shard as chunks, and back.
//!
//! A chunk is a version byte and pairs: family, key without the shard, value. The receiver clears its range and writes
//! the chunks; the caller makes that atomic for readers by a marker that is replayed at start.

use crate::limits::SNAPSHOT_CHUNK_BYTES;
use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_store::keyspace::{self, FORMAT, MetaTag};
use phoenixmldb_store::{Batch, Cf, KvError, Snapshot};
use phoenixmldb_types::ShardId;
use std::hash::Hasher;

/// Where reading a shard has got to; kept by the caller between chunks.
#[derive(Clone, Debug)]
pub struct Place {
    shard: ShardId,
    family: usize,
    after: Option<Vec<u8>>,
}

impl Place {
    /// The beginning.
    #[must_use]
    pub fn start(shard: ShardId) -> Self {
        Self { shard, family: 0, after: None }
    }

    /// The next chunk of the view; `None` at the end. The stored log position is left out: it comes with the snapshot.
    pub fn next_chunk(&mut self, snapshot: &dyn Snapshot) -> Result<Option<Vec<u8>>, KvError> {
        let mut writer = Writer::new().u8(FORMAT);
        let mut bytes = 0;
        while let Some(&family) = Cf::ALL.get(self.family) {
            let mut range = keyspace::shard_range(self.shard);
            if let Some(after) = self.after.take() {
                range.start = [&after[..], &[0]].concat();
            }
            for pair in snapshot.scan(family, range) {
                let (key, value) = pair?;
                if family == Cf::Meta && key.as_ref() == keyspace::meta(self.shard, MetaTag::Position) {
                    continue;
                }
                bytes += key.len() + value.len();
                writer = writer.u8(self.family as u8).bytes(&key[4..]).bytes(&value);
                if bytes >= SNAPSHOT_CHUNK_BYTES {
                    self.after = Some(key.to_vec());
                    return Ok(Some(writer.finish()));
                }
            }
            self.family += 1;
        }
        Ok((bytes > 0).then(|| writer.finish()))
    }
}

/// Adds the pairs of a chunk to a batch.
pub fn write_chunk(batch: &mut Batch, shard: ShardId, chunk: &[u8]) -> Result<(), KvError> {
    let mut reader = Reader::new("snapshot chunk", chunk);
    reader.version(FORMAT)?;
    while !reader.is_empty() {
        let family = usize::from(reader.u8()?);
        let family = Cf::ALL.get(family).ok_or_else(|| KvError::damaged("snapshot chunk", "unknown family"))?;
        let key = [&shard.0.to_be_bytes(), reader.bytes()?].concat();
        batch.put(*family, key, reader.bytes()?.to_vec());
    }
    Ok(())
}

/// Removes everything of a shard.
pub fn clear(batch: &mut Batch, shard: ShardId) {
    for family in Cf::ALL {
        batch.delete_range(family, keyspace::shard_range(shard));
    }
}

/// Hash and number of all pairs but the log position: equal on replicas that have applied the same entries.
pub fn content_hash(snapshot: &dyn Snapshot, shard: ShardId, hasher: &mut dyn Hasher) -> Result<u64, KvError> {
    let mut keys = 0;
    for family in Cf::ALL {
        for pair in snapshot.scan(family, keyspace::shard_range(shard)) {
            let (key, value) = pair?;
            if family == Cf::Meta && key.as_ref() == keyspace::meta(shard, MetaTag::Position) {
                continue;
            }
            hasher.write(family.name().as_bytes());
            hasher.write_usize(key.len());
            hasher.write(&key);
            hasher.write_usize(value.len());
            hasher.write(&value);
            keys += 1;
        }
    }
    Ok(keys)
}
