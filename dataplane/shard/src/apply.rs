//! Applies one command: state and command in, changes and outcome out. Equal on every replica.
//!
//! Everything the leader checked is checked again here, because it checked an older state. No clock, no randomness, no
//! order that a hash map could choose.

use crate::command::{Change, Outcome, Precondition, Refusal, SessionStamp, ShardCommand, WriteOp, Written};
use crate::session::{self, Known};
use crate::txn::{lock, participant};
use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_store::keyspace::{self, FORMAT, MetaTag};
use phoenixmldb_store::kv::Overlay;
use phoenixmldb_store::mvcc::{self, Record};
use phoenixmldb_store::{Cf, KvError, Snapshot};
use phoenixmldb_types::{ContainerId, Epoch, HashRange, ShardId, Timestamp};

/// Applies a command to the state below `overlay`.
///
/// Error: the state is damaged; the replica has to stop. A write that breaks a rule is an outcome, not an error.
pub fn apply(overlay: &mut Overlay<'_>, shard: ShardId, command: &ShardCommand) -> Result<Outcome, KvError> {
    match command {
        ShardCommand::Write { epoch, container, commit_ts, session, ops } => {
            let write = Write { epoch: *epoch, container: *container, commit_ts: *commit_ts, ops };
            apply_write(overlay, shard, &write, session.as_ref())
        }
        ShardCommand::Resolved { ts } => {
            // A transaction that holds a lock may still commit right above its start.
            let ts = lock::lower_bound(overlay, shard)?.min(*ts);
            let known = timestamp(overlay, shard, MetaTag::Resolved)?;
            put_timestamp(overlay, shard, MetaTag::Resolved, known.max(ts));
            Ok(Outcome::Done)
        }
        ShardCommand::Configure { epoch, range } => {
            let newer = configuration(overlay, shard)?.is_none_or(|(known, _)| known < *epoch);
            if newer {
                let value = Writer::new().u8(FORMAT).u64(epoch.0).u64(range.first).u64(range.last).finish();
                overlay.put(Cf::Meta, keyspace::meta(shard, MetaTag::Configuration), value);
            }
            Ok(Outcome::Done)
        }
        ShardCommand::DropContainer { container } => {
            for family in keyspace::BY_DOCUMENT {
                overlay.delete_range(family, keyspace::container_range(shard, *container));
            }
            overlay.put(Cf::Meta, dropped_key(shard, *container), vec![FORMAT]);
            Ok(Outcome::Done)
        }
        ShardCommand::Transaction(step) => participant::apply(overlay, shard, step),
    }
}

struct Write<'a> {
    epoch: Epoch,
    container: ContainerId,
    commit_ts: Timestamp,
    ops: &'a [WriteOp],
}

fn apply_write(
    overlay: &mut Overlay<'_>,
    shard: ShardId,
    write: &Write<'_>,
    stamp: Option<&SessionStamp>,
) -> Result<Outcome, KvError> {
    if let Some(stamp) = stamp {
        match session::look_up(overlay, shard, stamp)? {
            Known::New => {}
            Known::Answered(outcome) => return Ok(outcome),
            Known::Forgotten => return Ok(Outcome::Refused(Refusal::Forgotten)),
        }
    }
    let outcome = match refusal(overlay, shard, write)? {
        // Not the write's answer: the same write is proposed again with a new timestamp or a new map, or when the
        // transaction in its way is gone.
        Some(again @ (Refusal::Superseded(_) | Refusal::Epoch(_) | Refusal::Locked { .. })) => {
            return Ok(Outcome::Refused(again));
        }
        Some(refusal) => Outcome::Refused(refusal),
        None => carry_out(overlay, shard, write)?,
    };
    if let Some(stamp) = stamp {
        session::record(overlay, shard, stamp, write.commit_ts, &outcome)?;
    }
    Ok(outcome)
}

/// The first rule that a write breaks, if any.
fn refusal(overlay: &Overlay<'_>, shard: ShardId, write: &Write<'_>) -> Result<Option<Refusal>, KvError> {
    if let Some((epoch, _)) = configuration(overlay, shard)?
        && write.epoch < epoch
    {
        return Ok(Some(Refusal::Epoch(epoch)));
    }
    if overlay.get(Cf::Meta, &dropped_key(shard, write.container))?.is_some() {
        return Ok(Some(Refusal::ContainerDropped(write.container)));
    }
    for op in write.ops {
        let document = keyspace::document(shard, write.container, &op.name);
        if let Some(lock) = lock::on(overlay, &document)? {
            let (container, name, holder) = (write.container, op.name.clone(), lock.txn);
            return Ok(Some(Refusal::Locked { container, name, holder }));
        }
        let newest = mvcc::record_at(overlay, &document, Timestamp::MAX)?;
        if newest.as_ref().is_some_and(|record| record.commit_ts() >= write.commit_ts) {
            return Ok(Some(Refusal::Superseded(op.name.clone())));
        }
        let present = newest.and_then(Record::into_put).map(|info| info.commit_ts);
        let name = || op.name.clone();
        let broken = match (op.precondition, present) {
            (Precondition::Any, _) | (Precondition::Absent, None) | (Precondition::Present, Some(_)) => None,
            (Precondition::Absent, Some(_)) => Some(Refusal::Exists(name())),
            (Precondition::Present, None) => Some(Refusal::NotFound(name())),
            (Precondition::Version(wanted), Some(actual)) if wanted == actual => None,
            (Precondition::Version(Timestamp::ZERO), None) => None,
            (Precondition::Version(_), actual) => Some(Refusal::Version(name(), actual.unwrap_or(Timestamp::ZERO))),
        };
        if broken.is_some() {
            return Ok(broken);
        }
    }
    Ok(None)
}

fn carry_out(overlay: &mut Overlay<'_>, shard: ShardId, write: &Write<'_>) -> Result<Outcome, KvError> {
    let mut changes = Vec::with_capacity(write.ops.len());
    for op in write.ops {
        let document = keyspace::document(shard, write.container, &op.name);
        let before = mvcc::record_at(overlay, &document, Timestamp::MAX)?.and_then(Record::into_put);
        let created_ts = match &op.change {
            Change::Put(content) => mvcc::put(overlay, &document, content, write.commit_ts)?.created_ts,
            // Nothing to delete leaves nothing behind.
            Change::Delete => {
                if before.is_some() {
                    mvcc::delete(overlay, &document, write.commit_ts);
                }
                before.as_ref().map_or(Timestamp::ZERO, |before| before.created_ts)
            }
        };
        changes.push(Written { existed: before.is_some(), created_ts });
    }
    let last = timestamp(overlay, shard, MetaTag::LastCommit)?;
    put_timestamp(overlay, shard, MetaTag::LastCommit, last.max(write.commit_ts));
    Ok(Outcome::Written { commit_ts: write.commit_ts, changes })
}

pub(crate) fn dropped_key(shard: ShardId, container: ContainerId) -> Vec<u8> {
    Writer::new().raw(&keyspace::meta(shard, MetaTag::Configuration)).u64(container.0).finish()
}

/// A timestamp among the shard's facts; zero when it was never set.
pub fn timestamp(snapshot: &dyn Snapshot, shard: ShardId, tag: MetaTag) -> Result<Timestamp, KvError> {
    let Some(value) = snapshot.get(Cf::Meta, &keyspace::meta(shard, tag))? else { return Ok(Timestamp::ZERO) };
    let mut reader = Reader::new("timestamp", &value);
    reader.version(FORMAT)?;
    Ok(Timestamp(reader.u64()?))
}

pub(crate) fn put_timestamp(overlay: &mut Overlay<'_>, shard: ShardId, tag: MetaTag, ts: Timestamp) {
    overlay.put(Cf::Meta, keyspace::meta(shard, tag), Writer::new().u8(FORMAT).u64(ts.0).finish());
}

/// Epoch and range of the shard; `None` before the first `Configure`.
pub fn configuration(snapshot: &dyn Snapshot, shard: ShardId) -> Result<Option<(Epoch, HashRange)>, KvError> {
    let Some(value) = snapshot.get(Cf::Meta, &keyspace::meta(shard, MetaTag::Configuration))? else { return Ok(None) };
    let mut reader = Reader::new("configuration", &value);
    reader.version(FORMAT)?;
    let epoch = Epoch(reader.u64()?);
    Ok(Some((epoch, HashRange { first: reader.u64()?, last: reader.u64()? })))
}
