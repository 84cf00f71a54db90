//! A database in memory, for tests and the simulation. A snapshot shares the map, so taking one costs nothing.
//!
//! What was written since the last flush is lost in a crash, as with the real one.

use crate::kv::{Batch, Cf, Kv, KvError, Scan, Snapshot, Write};
use bytes::Bytes;
use imbl::OrdMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

type Map = OrdMap<(Cf, Vec<u8>), Bytes>;

/// The database.
#[derive(Default)]
pub struct MemoryKv {
    map: Mutex<Map>,
    flushed: Mutex<Map>,
}

/// A view of it.
#[derive(Clone)]
pub struct MemorySnapshot(Map);

impl MemoryKv {
    /// The database as its process's successor finds it after a crash: at the last flush. Writes of the dead process go
    /// to the database it had.
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let flushed = self.flushed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { map: Mutex::new(flushed.clone()), flushed: Mutex::new(flushed) }
    }

    /// All pairs, for comparing replicas in tests.
    #[must_use]
    pub fn dump(&self) -> Vec<(Cf, Vec<u8>, Bytes)> {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        map.iter().map(|((cf, key), value)| (*cf, key.clone(), value.clone())).collect()
    }
}

impl Kv for MemoryKv {
    fn snapshot(&self) -> Box<dyn Snapshot + '_> {
        Box::new(MemorySnapshot(self.map.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        for write in batch.writes {
            match write {
                Write::Put(cf, key, value) => drop(map.insert((cf, key), Bytes::from(value))),
                Write::Delete(cf, key) => drop(map.remove(&(cf, key))),
                Write::DeleteRange(cf, range) => {
                    let keys: Vec<_> =
                        map.range((cf, range.start)..(cf, range.end)).map(|(key, _)| key.clone()).collect();
                    for key in keys {
                        map.remove(&key);
                    }
                }
            }
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), KvError> {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.flushed.lock().unwrap_or_else(PoisonError::into_inner) = map;
        Ok(())
    }
}

impl Snapshot for MemorySnapshot {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(self.0.get(&(cf, key.to_vec())).cloned())
    }

    fn scan(&self, cf: Cf, range: Range<Vec<u8>>) -> Scan<'_> {
        let pairs = self.0.range((cf, range.start)..(cf, range.end));
        Box::new(pairs.map(|((_, key), value)| Ok((Bytes::copy_from_slice(key), value.clone()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Overlay;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        Put(u8, u8),
        Delete(u8),
        DeleteRange(u8, u8),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0u8..20, any::<u8>()).prop_map(|(key, value)| Op::Put(key, value)),
            (0u8..20).prop_map(Op::Delete),
            (0u8..20, 0u8..20).prop_map(|(a, b)| Op::DeleteRange(a.min(b), a.max(b))),
        ]
    }

    proptest! {
        #[test]
        fn an_overlay_reads_like_the_database_after_its_batch(
            before in prop::collection::vec((0u8..20, any::<u8>()), 0..20),
            ops in prop::collection::vec(op(), 0..20),
        ) {
            let kv = MemoryKv::default();
            let mut batch = Batch::default();
            for (key, value) in before {
                batch.put(Cf::Meta, vec![key], vec![value]);
            }
            kv.write(batch).unwrap();
            let base = kv.snapshot();
            let mut overlay = Overlay::new(&*base);
            for op in ops {
                match op {
                    Op::Put(key, value) => overlay.put(Cf::Meta, vec![key], vec![value]),
                    Op::Delete(key) => overlay.delete(Cf::Meta, vec![key]),
                    Op::DeleteRange(from, to) => overlay.delete_range(Cf::Meta, vec![from]..vec![to]),
                }
            }
            let everything = vec![]..vec![255];
            let seen: Vec<_> = overlay.scan(Cf::Meta, everything.clone()).map(Result::unwrap).collect();
            let gotten: Vec<_> = (0u8..20).map(|key| overlay.get(Cf::Meta, &[key]).unwrap()).collect();
            let batch = overlay.into_batch();
            drop(base);
            kv.write(batch).unwrap();
            let after = kv.snapshot();
            let expected: Vec<_> = after.scan(Cf::Meta, everything).map(Result::unwrap).collect();
            prop_assert_eq!(seen, expected);
            let expected: Vec<_> = (0u8..20).map(|key| after.get(Cf::Meta, &[key]).unwrap()).collect();
            prop_assert_eq!(gotten, expected);
        }
    }
}
