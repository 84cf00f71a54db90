//! A document that a transaction may be about to change: what it has staged, and where its decision is.

use crate::txn::command::{read_txn, write_txn};
use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_store::keyspace::{self, FORMAT};
use phoenixmldb_store::mvcc::Record;
use phoenixmldb_store::{Cf, KvError, Snapshot};
use phoenixmldb_types::{ContainerId, DocumentName, ShardId, Timestamp, TxnId};

/// A lock on one document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lock {
    /// Who holds it; its commit timestamp will be larger than its start.
    pub txn: TxnId,
    /// From then on others may abort the transaction.
    pub deadline: Timestamp,
    /// The version to publish; its timestamps are not known yet.
    pub staged: Record,
}

impl Lock {
    pub(crate) fn encode(&self) -> Vec<u8> {
        write_txn(Writer::new().u8(FORMAT), self.txn).u64(self.deadline.0).raw(&self.staged.encode()).finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, KvError> {
        let mut reader = Reader::new("lock", bytes);
        reader.version(FORMAT)?;
        let (txn, deadline) = (read_txn(&mut reader)?, Timestamp(reader.u64()?));
        Ok(Self { txn, deadline, staged: Record::decode(reader.rest(), Timestamp::ZERO)? })
    }
}

/// The lock on a document, by its key.
pub fn on(snapshot: &dyn Snapshot, document: &[u8]) -> Result<Option<Lock>, KvError> {
    snapshot.get(Cf::Lock, document)?.map(|value| Lock::decode(&value)).transpose()
}

/// A locked document.
pub type Locked = (ContainerId, DocumentName, Lock);

fn collect(snapshot: &dyn Snapshot, range: std::ops::Range<Vec<u8>>, limit: usize) -> Result<Vec<Locked>, KvError> {
    let pairs = snapshot.scan(Cf::Lock, range).take(limit);
    pairs
        .map(|pair| {
            let (key, value) = pair?;
            let (container, name) = keyspace::parse_document(&key)?;
            Ok((container, name, Lock::decode(&value)?))
        })
        .collect()
}

/// The locks on documents of a container whose names begin with `prefix`.
pub fn in_container(
    snapshot: &dyn Snapshot,
    shard: ShardId,
    container: ContainerId,
    prefix: &str,
) -> Result<Vec<Locked>, KvError> {
    collect(snapshot, keyspace::name_range(shard, container, prefix, None), usize::MAX)
}

/// The first locks of a shard, at most `limit`.
pub fn of_shard(snapshot: &dyn Snapshot, shard: ShardId, limit: usize) -> Result<Vec<Locked>, KvError> {
    collect(snapshot, keyspace::shard_range(shard), limit)
}

/// The largest timestamp below which no lock of the shard can still be published; [`Timestamp::MAX`] without locks.
pub fn lower_bound(snapshot: &dyn Snapshot, shard: ShardId) -> Result<Timestamp, KvError> {
    let mut bound = Timestamp::MAX;
    for pair in snapshot.scan(Cf::Lock, keyspace::shard_range(shard)) {
        // A transaction commits above its start.
        bound = bound.min(Lock::decode(&pair?.1)?.txn.start_ts);
    }
    Ok(bound)
}
