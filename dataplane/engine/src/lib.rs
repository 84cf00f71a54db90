//! datadb: the RocksDB instance behind the store's traits.
//!
//! Written without its own log: every batch carries the position of the replicated log after it, and what a crash loses
//! is applied again from there. `flush` makes all column families durable together, so that position and state can never
//! be separated. Apart from raftdb, so that flushing documents never pins the Raft log.

use bytes::Bytes;
use phoenixmldb_store::kv::{Batch, Cf, Kv, KvError, Scan, Snapshot, Write};
use rocksdb::{
    BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DB, DBWithThreadMode, Direction, FlushOptions,
    IteratorMode, MultiThreaded, Options, ReadOptions, SnapshotWithThreadMode, WriteBatch, WriteOptions,
};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

type Db = DBWithThreadMode<MultiThreaded>;

/// Memory for decompressed blocks of all shards, in bytes.
const BLOCK_CACHE_BYTES: usize = 256 << 20;

/// Memory of one column family before it is written out, in bytes.
const WRITE_BUFFER_BYTES: usize = 32 << 20;

/// The database; dropping it flushes nothing, the Raft log has it.
pub struct RocksEngine {
    db: Db,
}

fn database(what: &'static str) -> impl Fn(rocksdb::Error) -> KvError {
    move |error| KvError::Database { what, reason: error.to_string() }
}

impl RocksEngine {
    /// Opens or creates the database. Error: it is in use or damaged; its path is named.
    pub fn open(path: &Path) -> Result<Self, KvError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_atomic_flush(true);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(4);
        let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&cache);
        table.set_bloom_filter(10.0, false);
        table.set_cache_index_and_filter_blocks(true);
        let mut family = Options::default();
        family.set_block_based_table_factory(&table);
        family.set_write_buffer_size(WRITE_BUFFER_BYTES);
        family.set_compression_type(rocksdb::DBCompressionType::Lz4);
        let descriptors = Cf::ALL.map(|cf| ColumnFamilyDescriptor::new(cf.name(), family.clone()));
        let db = DB::open_cf_descriptors(&options, path, descriptors)
            .map_err(|error| KvError::Database { what: "opening", reason: format!("{}: {error}", path.display()) })?;
        Ok(Self { db })
    }

    fn family(&self, cf: Cf) -> Arc<BoundColumnFamily<'_>> {
        self.db.cf_handle(cf.name()).expect("column families are opened with the database")
    }

    /// The batch in the database's own form.
    fn encoded(&self, batch: &Batch) -> WriteBatch {
        let families = Cf::ALL.map(|cf| self.family(cf));
        let family = |cf: Cf| &families[cf as usize];
        let mut writes = WriteBatch::default();
        for write in &batch.writes {
            match write {
                Write::Put(cf, key, value) => writes.put_cf(family(*cf), key, value),
                Write::Delete(cf, key) => writes.delete_cf(family(*cf), key),
                Write::DeleteRange(cf, range) => writes.delete_range_cf(family(*cf), &range.start, &range.end),
            }
        }
        writes
    }

    /// Bytes on disk, for statistics.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        let size = |cf| {
            let size = self.db.property_int_value_cf(&self.family(cf), "rocksdb.total-sst-files-size");
            size.ok().flatten().unwrap_or(0)
        };
        Cf::ALL.into_iter().map(size).sum()
    }
}

impl Kv for RocksEngine {
    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        Box::new(View { engine: self, snapshot: self.db.snapshot() })
    }

    fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(self.encoded(&batch), &options).map_err(database("writing"))
    }

    fn write_now(&self, batch: &Batch) -> Result<bool, KvError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        options.set_no_slowdown(true);
        match self.db.write_opt(self.encoded(batch), &options) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == rocksdb::ErrorKind::Incomplete => Ok(false),
            Err(error) => Err(database("writing")(error)),
        }
    }

    fn flush(&self) -> Result<(), KvError> {
        let families = Cf::ALL.map(|cf| self.family(cf));
        let families: Vec<_> = families.iter().collect();
        self.db.flush_cfs_opt(&families, &FlushOptions::default()).map_err(database("flushing"))
    }
}

struct View<'a> {
    engine: &'a RocksEngine,
    snapshot: SnapshotWithThreadMode<'a, Db>,
}

impl Snapshot for View<'_> {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let value = self.snapshot.get_cf(&self.engine.family(cf), key).map_err(database("reading"))?;
        Ok(value.map(Bytes::from))
    }

    fn scan(&self, cf: Cf, range: Range<Vec<u8>>) -> Scan<'_> {
        if range.start >= range.end {
            return Box::new(std::iter::empty());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(range.end);
        let mode = IteratorMode::From(&range.start, Direction::Forward);
        let pairs = self.snapshot.iterator_cf_opt(&self.engine.family(cf), options, mode);
        Box::new(pairs.map(|pair| {
            let (key, value) = pair.map_err(database("scanning"))?;
            Ok((Bytes::from(key), Bytes::from(value)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(writes: impl IntoIterator<Item = (u8, u8)>) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in writes {
            batch.put(Cf::Write, vec![key], vec![value]);
            batch.put(Cf::Meta, vec![key], vec![value]);
        }
        batch
    }

    fn keys(engine: &RocksEngine, range: Range<Vec<u8>>) -> Vec<u8> {
        engine.snapshot().scan(Cf::Write, range).map(|pair| pair.unwrap().0[0]).collect()
    }

    #[test]
    fn batches_are_seen_in_order_and_views_do_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let engine = RocksEngine::open(&folder.path().join("datadb")).unwrap();
        engine.write(batch((0..10).map(|key| (key, key)))).unwrap();
        let before = engine.snapshot();
        let mut change = Batch::default();
        change.delete_range(Cf::Write, vec![3]..vec![6]);
        change.put(Cf::Write, vec![4], vec![44]);
        change.delete(Cf::Write, vec![9]);
        engine.write(change).unwrap();
        assert_eq!(keys(&engine, vec![]..vec![255]), [0, 1, 2, 4, 6, 7, 8]);
        assert_eq!(keys(&engine, vec![2]..vec![7]), [2, 4, 6]);
        assert!(keys(&engine, vec![7]..vec![2]).is_empty());
        assert_eq!(before.get(Cf::Write, &[4]).unwrap().as_deref(), Some(&[4][..]));
        assert_eq!(before.scan(Cf::Write, vec![]..vec![255]).count(), 10);
    }

    #[test]
    fn what_was_flushed_is_there_after_reopening_in_all_families() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("datadb");
        {
            let engine = RocksEngine::open(&path).unwrap();
            engine.write(batch([(1, 1), (2, 2)])).unwrap();
            engine.flush().unwrap();
        }
        let engine = RocksEngine::open(&path).unwrap();
        assert_eq!(keys(&engine, vec![]..vec![255]), [1, 2]);
        assert_eq!(engine.snapshot().get(Cf::Meta, &[2]).unwrap().as_deref(), Some(&[2][..]));
        let message = RocksEngine::open(&path).err().unwrap().to_string();
        assert!(message.contains("datadb"), "{message}");
    }
}
