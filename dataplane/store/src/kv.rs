//! What the store needs of a database: ordered keys, atomic batches, snapshots.

use bytes::Bytes;
use std::ops::Range;

/// Column families; the layout of each is in [`crate::keyspace`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cf {
    /// Locks of prepared transactions.
    Lock,
    /// Committed versions.
    Write,
    /// Encoded blocks.
    Block,
    /// Index postings.
    Index,
    /// Transaction records.
    Txn,
    /// Client sessions.
    Session,
    /// Facts about the shard itself.
    Meta,
}

impl Cf {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] =
        [Self::Lock, Self::Write, Self::Block, Self::Index, Self::Txn, Self::Session, Self::Meta];

    /// Stable name, also on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Write => "write",
            Self::Block => "blk",
            Self::Index => "index",
            Self::Txn => "txn",
            Self::Session => "session",
            Self::Meta => "meta",
        }
    }
}

/// The database failed or holds what it should not. Whoever applies committed entries has to stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The database reports an error.
    #[error("{what}: {reason}")]
    Database {
        /// What was being done.
        what: &'static str,
        /// What the database said.
        reason: String,
    },
    /// A key or value cannot be decoded.
    #[error("damaged {what}: {reason}")]
    Damaged {
        /// Which kind of record.
        what: &'static str,
        /// How.
        reason: String,
    },
}

impl KvError {
    /// A record that cannot be decoded.
    pub fn damaged(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Damaged { what, reason: reason.into() }
    }
}

/// Pairs in key order.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<(Bytes, Bytes), KvError>> + 'a>;

/// An unchanging view.
pub trait Snapshot: Send + Sync {
    /// The value of a key.
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>, KvError>;
    /// Pairs with keys in the range, ascending.
    fn scan(&self, cf: Cf, range: Range<Vec<u8>>) -> Scan<'_>;
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a key.
    Put(Cf, Vec<u8>, Vec<u8>),
    /// Removes a key.
    Delete(Cf, Vec<u8>),
    /// Removes all keys of a range.
    DeleteRange(Cf, Range<Vec<u8>>),
}

/// Changes that happen together, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The changes.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, cf: Cf, key: Vec<u8>, value: Vec<u8>) {
        self.writes.push(Write::Put(cf, key, value));
    }

    /// Removes a key.
    pub fn delete(&mut self, cf: Cf, key: Vec<u8>) {
        self.writes.push(Write::Delete(cf, key));
    }

    /// Removes all keys of a range.
    pub fn delete_range(&mut self, cf: Cf, range: Range<Vec<u8>>) {
        self.writes.push(Write::DeleteRange(cf, range));
    }
}

/// A database.
pub trait Kv: Send + Sync + 'static {
    /// A view of the present state.
    fn snapshot(&self) -> Box<dyn Snapshot + '_>;
    /// Makes all changes of a batch, or none. Need not be durable.
    fn write(&self, batch: Batch) -> Result<(), KvError>;
    /// Makes all changes of a batch at once, unless the database has to catch up with its disk first: then `false`, and
    /// nothing has changed. [`Kv::write`] waits for that.
    fn write_now(&self, batch: &Batch) -> Result<bool, KvError> {
        self.write(batch.clone()).map(|()| true)
    }
    /// Makes everything written so far durable.
    fn flush(&self) -> Result<(), KvError>;
}

/// A view with a batch on top, so that entries of one batch see the ones before them.
pub struct Overlay<'a> {
    base: &'a dyn Snapshot,
    changed: std::collections::BTreeMap<(Cf, Vec<u8>), Option<Bytes>>,
    cleared: Vec<(Cf, Range<Vec<u8>>)>,
    batch: Batch,
}

impl<'a> Overlay<'a> {
    /// Nothing changed yet.
    #[must_use]
    pub fn new(base: &'a dyn Snapshot) -> Self {
        Self { base, changed: Default::default(), cleared: Vec::new(), batch: Batch::default() }
    }

    /// Sets a key.
    pub fn put(&mut self, cf: Cf, key: Vec<u8>, value: Vec<u8>) {
        self.changed.insert((cf, key.clone()), Some(Bytes::copy_from_slice(&value)));
        self.batch.put(cf, key, value);
    }

    /// Removes a key.
    pub fn delete(&mut self, cf: Cf, key: Vec<u8>) {
        self.changed.insert((cf, key.clone()), None);
        self.batch.delete(cf, key);
    }

    /// Removes all keys of a range.
    pub fn delete_range(&mut self, cf: Cf, range: Range<Vec<u8>>) {
        self.changed.retain(|(in_cf, key), _| *in_cf != cf || !range.contains(key));
        self.cleared.push((cf, range.clone()));
        self.batch.delete_range(cf, range);
    }

    /// All changes, in order.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.batch
    }

    fn is_cleared(&self, cf: Cf, key: &[u8]) -> bool {
        self.cleared
            .iter()
            .any(|(in_cf, range)| *in_cf == cf && range.start.as_slice() <= key && key < range.end.as_slice())
    }
}

impl Snapshot for Overlay<'_> {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        match self.changed.get(&(cf, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None if self.is_cleared(cf, key) => Ok(None),
            None => self.base.get(cf, key),
        }
    }

    fn scan(&self, cf: Cf, range: Range<Vec<u8>>) -> Scan<'_> {
        let changed = (cf, range.start.clone())..(cf, range.end.clone());
        let mut ours = self.changed.range(changed).peekable();
        let mut theirs = self.base.scan(cf, range).peekable();
        Box::new(std::iter::from_fn(move || {
            loop {
                // The smaller key is next; where both have it, ours hides theirs.
                let ours_first = match (ours.peek(), theirs.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => true,
                    (_, Some(Err(_))) | (None, Some(Ok(_))) => false,
                    (Some(((_, mine), _)), Some(Ok((key, _)))) => {
                        if mine.as_slice() == key.as_ref() {
                            theirs.next();
                            true
                        } else {
                            mine.as_slice() < key.as_ref()
                        }
                    }
                };
                if ours_first {
                    let ((_, key), value) = ours.next()?;
                    match value {
                        Some(value) => return Some(Ok((Bytes::copy_from_slice(key), value.clone()))),
                        None => continue,
                    }
                }
                match theirs.next()? {
                    Ok((key, _)) if self.is_cleared(cf, &key) => {}
                    other => return Some(other),
                }
            }
        }))
    }
}
