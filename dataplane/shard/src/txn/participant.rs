//! One shard's part in a transaction: the promise, and keeping it. Every step may be repeated.
//!
//! A promise locks documents and stages their versions. What has been promised and done is remembered under the start
//! timestamp, so that a prepare that comes late or twice gets the answer that fits: its own promise again, or a refusal
//! when the transaction is over here.

use crate::apply::{configuration, dropped_key, put_timestamp, timestamp};
use crate::command::{Change, Outcome, Refusal};
use crate::txn::command::{Intent, ReadSet, TxnCommand, read_document, read_list, write_document};
use crate::txn::lock::{self, Lock};
use crate::txn::record::{self, TxnRecord, TxnStatus};
use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_store::keyspace::{self, FORMAT, MetaTag, TxnPart};
use phoenixmldb_store::kv::Overlay;
use phoenixmldb_store::mvcc::{self, Record};
use phoenixmldb_store::{Cf, KvError, Snapshot};
use phoenixmldb_types::{ContainerId, DocumentName, Epoch, ShardId, Timestamp, TxnId};

/// What a shard has promised and done for a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// The documents are locked.
    Prepared {
        /// From then on others may abort the transaction.
        deadline: Timestamp,
        /// Which documents.
        documents: Vec<(ContainerId, DocumentName)>,
    },
    /// Nothing will happen here any more.
    Finished {
        /// When it committed, if it did.
        commit_ts: Option<Timestamp>,
    },
}

impl Part {
    fn encode(&self) -> Vec<u8> {
        let writer = Writer::new().u8(FORMAT);
        match self {
            Self::Prepared { deadline, documents } => {
                let writer = writer.u8(1).u64(deadline.0).varint(documents.len() as u64);
                let write =
                    |writer, (container, name): &(ContainerId, DocumentName)| write_document(writer, *container, name);
                documents.iter().fold(writer, write).finish()
            }
            // No transaction commits at zero.
            Self::Finished { commit_ts } => writer.u8(2).u64(commit_ts.map_or(0, |at| at.0)).finish(),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, KvError> {
        let mut reader = Reader::new("participant", bytes);
        reader.version(FORMAT)?;
        Ok(match reader.u8()? {
            1 => {
                Self::Prepared { deadline: Timestamp(reader.u64()?), documents: read_list(&mut reader, read_document)? }
            }
            2 => {
                let at = reader.u64()?;
                Self::Finished { commit_ts: (at != 0).then_some(Timestamp(at)) }
            }
            state => return Err(KvError::damaged("participant", format!("state {state} is not known"))),
        })
    }

    pub(crate) fn load(snapshot: &dyn Snapshot, shard: ShardId, txn: TxnId) -> Result<Option<Self>, KvError> {
        let key = keyspace::transaction(shard, TxnPart::Participant, txn.start_ts);
        snapshot.get(Cf::Txn, &key)?.map(|value| Self::decode(&value)).transpose()
    }

    fn store(&self, overlay: &mut Overlay<'_>, shard: ShardId, txn: TxnId) {
        let key = keyspace::transaction(shard, TxnPart::Participant, txn.start_ts);
        overlay.put(Cf::Txn, key, self.encode());
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(self, Self::Finished { .. })
    }
}

/// Applies one step of a transaction.
pub(crate) fn apply(overlay: &mut Overlay<'_>, shard: ShardId, command: &TxnCommand) -> Result<Outcome, KvError> {
    match command {
        TxnCommand::Prepare { txn, epoch, deadline, participants, intents } => {
            prepare(overlay, shard, *txn, *epoch, *deadline, participants, intents)
        }
        TxnCommand::CommitHere { txn, epoch, commit_ts, deadline, intents, reads } => {
            if commit_ts >= deadline {
                return Ok(Outcome::Refused(Refusal::Expired));
            }
            commit_here(overlay, shard, *txn, *epoch, *commit_ts, intents, reads)
        }
        TxnCommand::Decide { txn, commit_ts } => {
            let status = record::change(overlay, shard, *txn, record::Change::Commit(*commit_ts))?;
            Ok(Outcome::Transaction(status))
        }
        TxnCommand::Abort { txn, now } => abort(overlay, shard, *txn, *now),
        TxnCommand::Push { txn, min_commit_ts } => {
            let status = record::change(overlay, shard, *txn, record::Change::Push(*min_commit_ts))?;
            Ok(Outcome::Transaction(status))
        }
        TxnCommand::Resolve { txn, commit_ts, last } => {
            let status = resolve(overlay, shard, *txn, *commit_ts)?;
            let done = matches!(status, TxnStatus::Committed { .. } | TxnStatus::Aborted);
            // Until then the record has to be found by whoever meets the locks on other shards.
            if *last && done && shard == txn.anchor {
                record::close(overlay, shard, *txn);
            }
            Ok(Outcome::Transaction(status))
        }
        TxnCommand::Forget { below } => {
            record::forget(overlay, shard, *below)?;
            Ok(Outcome::Done)
        }
    }
}

/// The first rule that keeps the changes from being made, if any.
fn refusal(
    overlay: &Overlay<'_>,
    shard: ShardId,
    txn: TxnId,
    epoch: Epoch,
    intents: &[Intent],
) -> Result<Option<Refusal>, KvError> {
    if let Some((known, _)) = configuration(overlay, shard)?
        && epoch < known
    {
        return Ok(Some(Refusal::Epoch(known)));
    }
    for Intent { container, name, .. } in intents {
        if overlay.get(Cf::Meta, &dropped_key(shard, *container))?.is_some() {
            return Ok(Some(Refusal::ContainerDropped(*container)));
        }
        let document = keyspace::document(shard, *container, name);
        if let Some(lock) = lock::on(overlay, &document)? {
            return Ok(Some(Refusal::Locked { container: *container, name: name.clone(), holder: lock.txn }));
        }
        // First committer wins.
        let newest = mvcc::record_at(overlay, &document, Timestamp::MAX)?.map(|record| record.commit_ts());
        if let Some(version) = newest.filter(|version| *version > txn.start_ts) {
            return Ok(Some(Refusal::Newer { container: *container, name: name.clone(), version }));
        }
    }
    Ok(None)
}

fn prepare(
    overlay: &mut Overlay<'_>,
    shard: ShardId,
    txn: TxnId,
    epoch: Epoch,
    deadline: Timestamp,
    participants: &[ShardId],
    intents: &[Intent],
) -> Result<Outcome, KvError> {
    match record::status(overlay, shard, txn)?.0 {
        TxnStatus::Absent => {}
        // The promise was made before, and its answer was lost.
        TxnStatus::Pending { .. } => return Ok(Outcome::Prepared),
        TxnStatus::Committed { .. } | TxnStatus::Aborted => return Ok(Outcome::Refused(Refusal::Over)),
    }
    if let Some(refusal) = refusal(overlay, shard, txn, epoch, intents)? {
        return Ok(Outcome::Refused(refusal));
    }
    let mut documents = Vec::with_capacity(intents.len());
    for Intent { container, name, change } in intents {
        let document = keyspace::document(shard, *container, name);
        let staged = match change {
            Change::Put(content) => Record::Put(mvcc::stage(overlay, &document, content, txn.start_ts)),
            Change::Delete => Record::Delete { commit_ts: Timestamp::ZERO },
        };
        overlay.put(Cf::Lock, document, Lock { txn, deadline, staged }.encode());
        documents.push((*container, name.clone()));
    }
    Part::Prepared { deadline, documents }.store(overlay, shard, txn);
    if shard == txn.anchor {
        let status = TxnStatus::Pending { min_commit_ts: txn.start_ts.next(), deadline };
        record::store(overlay, shard, txn, &TxnRecord { status, participants: participants.to_vec() });
    }
    Ok(Outcome::Prepared)
}

/// Makes one staged change visible.
fn publish(
    overlay: &mut Overlay<'_>,
    shard: ShardId,
    document: &[u8],
    staged: Record,
    commit_ts: Timestamp,
) -> Result<(), KvError> {
    let newest = mvcc::record_at(overlay, document, Timestamp::MAX)?;
    let below = newest.as_ref().is_none_or(|newest| newest.commit_ts() < commit_ts);
    assert!(below, "a locked document gets no version, and a commit is above its start");
    match staged {
        Record::Put(info) => drop(mvcc::publish(overlay, document, info, commit_ts)?),
        // Nothing to delete leaves nothing behind.
        Record::Delete { .. } if newest.and_then(Record::into_put).is_none() => {}
        Record::Delete { .. } => mvcc::delete(overlay, document, commit_ts),
    }
    let last = timestamp(overlay, shard, MetaTag::LastCommit)?;
    put_timestamp(overlay, shard, MetaTag::LastCommit, last.max(commit_ts));
    Ok(())
}

fn commit_here(
    overlay: &mut Overlay<'_>,
    shard: ShardId,
    txn: TxnId,
    epoch: Epoch,
    commit_ts: Timestamp,
    intents: &[Intent],
    reads: &ReadSet,
) -> Result<Outcome, KvError> {
    match record::status(overlay, shard, txn)?.0 {
        TxnStatus::Absent => {}
        committed @ TxnStatus::Committed { .. } => return Ok(Outcome::Transaction(committed)),
        TxnStatus::Aborted | TxnStatus::Pending { .. } => return Ok(Outcome::Refused(Refusal::Over)),
    }
    if let Some(refusal) = refusal(overlay, shard, txn, epoch, intents)? {
        return Ok(Outcome::Refused(refusal));
    }
    if let Some(refusal) = refresh(overlay, shard, txn, reads, commit_ts)? {
        return Ok(Outcome::Refused(refusal));
    }
    for Intent { container, name, change } in intents {
        let document = keyspace::document(shard, *container, name);
        let staged = match change {
            Change::Put(content) => Record::Put(mvcc::stage(overlay, &document, content, commit_ts)),
            Change::Delete => Record::Delete { commit_ts: Timestamp::ZERO },
        };
        publish(overlay, shard, &document, staged, commit_ts)?;
    }
    Part::Finished { commit_ts: Some(commit_ts) }.store(overlay, shard, txn);
    Ok(Outcome::Transaction(TxnStatus::Committed { commit_ts }))
}

fn abort(overlay: &mut Overlay<'_>, shard: ShardId, txn: TxnId, now: Timestamp) -> Result<Outcome, KvError> {
    if shard == txn.anchor {
        let status = record::change(overlay, shard, txn, record::Change::Abort { now })?;
        return Ok(Outcome::Transaction(status));
    }
    let (status, _) = record::status(overlay, shard, txn)?;
    if status != TxnStatus::Absent {
        return Ok(Outcome::Transaction(status));
    }
    Part::Finished { commit_ts: None }.store(overlay, shard, txn);
    Ok(Outcome::Transaction(TxnStatus::Aborted))
}

/// Keeps the promise, one way or the other. What the record says on the anchor, and what has been done before, win over
/// what is asked: the answer tells.
fn resolve(
    overlay: &mut Overlay<'_>,
    shard: ShardId,
    txn: TxnId,
    commit_ts: Option<Timestamp>,
) -> Result<TxnStatus, KvError> {
    let asked = commit_ts.map_or(TxnStatus::Aborted, |commit_ts| TxnStatus::Committed { commit_ts });
    let record = record::load(overlay, shard, txn)?;
    if let Some(record) = &record
        && record.status != asked
    {
        return Ok(record.status);
    }
    match Part::load(overlay, shard, txn)? {
        Some(Part::Finished { commit_ts }) => {
            let done = commit_ts.map_or(TxnStatus::Aborted, |commit_ts| TxnStatus::Committed { commit_ts });
            return Ok(done);
        }
        Some(Part::Prepared { documents, .. }) => {
            for (container, name) in documents {
                let document = keyspace::document(shard, container, &name);
                // Gone with its container, perhaps.
                let Some(lock) = lock::on(overlay, &document)? else { continue };
                assert_eq!(lock.txn, txn, "nobody takes a lock that is held");
                overlay.delete(Cf::Lock, document.clone());
                match (commit_ts, lock.staged) {
                    (Some(commit_ts), staged) => publish(overlay, shard, &document, staged, commit_ts)?,
                    (None, Record::Put(info)) => mvcc::discard(overlay, &document, &info),
                    (None, Record::Delete { .. }) => {}
                }
            }
        }
        // Nothing was promised here, so there is nothing to publish.
        None if commit_ts.is_some() => return Ok(record::status(overlay, shard, txn)?.0),
        // From now on nothing can be promised. Below the watermark that holds already.
        None if txn.start_ts < record::watermark(overlay, shard)? => return Ok(asked),
        None => {}
    }
    Part::Finished { commit_ts }.store(overlay, shard, txn);
    Ok(asked)
}

/// Whether what a transaction read is still what it would read at `commit_ts`: the first change in between, or the first
/// lock of somebody else, if any.
///
/// The caller has waited for what was in flight below `commit_ts`; what is prepared later commits above it.
pub fn refresh(
    snapshot: &dyn Snapshot,
    shard: ShardId,
    txn: TxnId,
    reads: &ReadSet,
    commit_ts: Timestamp,
) -> Result<Option<Refusal>, KvError> {
    let changed = |version: Timestamp| version > txn.start_ts && version <= commit_ts;
    for (container, name) in &reads.documents {
        let document = keyspace::document(shard, *container, name);
        if let Some(lock) = lock::on(snapshot, &document)?.filter(|lock| lock.txn != txn) {
            return Ok(Some(Refusal::Locked { container: *container, name: name.clone(), holder: lock.txn }));
        }
        let newest = mvcc::record_at(snapshot, &document, commit_ts)?.map(|record| record.commit_ts());
        if let Some(version) = newest.filter(|version| changed(*version)) {
            return Ok(Some(Refusal::Newer { container: *container, name: name.clone(), version }));
        }
    }
    for container in &reads.containers {
        for (container, name, lock) in lock::in_container(snapshot, shard, *container, "")? {
            if lock.txn != txn {
                return Ok(Some(Refusal::Locked { container, name, holder: lock.txn }));
            }
        }
        for pair in snapshot.scan(Cf::Write, keyspace::container_range(shard, *container)) {
            let (container, name, version) = keyspace::parse_version(&pair?.0)?;
            if changed(version) {
                return Ok(Some(Refusal::Newer { container, name, version }));
            }
        }
    }
    Ok(None)
}
