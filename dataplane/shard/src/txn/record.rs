//! The transaction record: where a transaction of several shards is decided, once.
//!
//! ```text
//!            Decide, commit_ts >= min_commit_ts, before the deadline
//!  PENDING ──────────────────────────────────────────────────────────► COMMITTED
//!     │  Abort by the coordinator, or by anyone after the deadline
//!     └────────────────────────────────────────────────────────────► ABORTED ◄── Abort of a record that is not there
//! ```
//!
//! Every change is a compare-and-set evaluated while applying, on the anchor. A decided record never changes. It is
//! forgotten only by raising the watermark, below which none can be created: a delayed prepare cannot revive what was
//! aborted. A committed record stays until every participant has resolved.

use crate::apply::{put_timestamp, timestamp};
use crate::limits::FORGOTTEN_ENTRIES_MAX;
use crate::txn::command::{read_list, write_shards};
use crate::txn::participant::Part;
use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_store::keyspace::{self, FORMAT, MetaTag, TxnPart};
use phoenixmldb_store::kv::Overlay;
use phoenixmldb_store::{Cf, KvError, Snapshot};
use phoenixmldb_types::{ShardId, Timestamp, TxnId};

/// What is known of a transaction at its anchor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TxnStatus {
    /// No record, and one may still be created.
    Absent,
    /// Not decided.
    Pending {
        /// It will not commit below.
        min_commit_ts: Timestamp,
        /// From then on others may abort it.
        deadline: Timestamp,
    },
    /// Decided, for good.
    Committed {
        /// When its changes became visible.
        commit_ts: Timestamp,
    },
    /// Decided, for good; or so old that nothing can happen any more.
    Aborted,
}

/// The record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxnRecord {
    /// Pending, committed or aborted; never absent.
    pub status: TxnStatus,
    /// Shards that prepare.
    pub participants: Vec<ShardId>,
}

impl TxnRecord {
    fn encode(&self) -> Vec<u8> {
        let writer = Writer::new().u8(FORMAT);
        let writer = match self.status {
            TxnStatus::Pending { min_commit_ts, deadline } => writer.u8(1).u64(min_commit_ts.0).u64(deadline.0),
            TxnStatus::Committed { commit_ts } => writer.u8(2).u64(commit_ts.0),
            TxnStatus::Aborted | TxnStatus::Absent => writer.u8(3),
        };
        write_shards(writer, &self.participants).finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, KvError> {
        let mut reader = Reader::new("transaction record", bytes);
        reader.version(FORMAT)?;
        let status = match reader.u8()? {
            1 => {
                let min_commit_ts = Timestamp(reader.u64()?);
                TxnStatus::Pending { min_commit_ts, deadline: Timestamp(reader.u64()?) }
            }
            2 => TxnStatus::Committed { commit_ts: Timestamp(reader.u64()?) },
            3 => TxnStatus::Aborted,
            state => return Err(KvError::damaged("transaction record", format!("state {state} is not known"))),
        };
        Ok(Self { status, participants: read_list(&mut reader, |reader| Ok(ShardId(reader.u32()?)))? })
    }
}

/// What a record becomes when someone wants to change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Commit at this timestamp.
    Commit(Timestamp),
    /// Abort; `now` proves that its time is up.
    Abort {
        /// A timestamp of the clock group.
        now: Timestamp,
    },
    /// Never commit below.
    Push(Timestamp),
}

/// The rules of the drawing above; returns what the record is afterwards. `Absent` stays absent but for an abort.
#[must_use]
pub fn decide(current: TxnStatus, change: Change) -> TxnStatus {
    match (current, change) {
        (TxnStatus::Pending { min_commit_ts, deadline }, change) => match change {
            Change::Commit(commit_ts) if commit_ts >= deadline => TxnStatus::Aborted,
            Change::Commit(commit_ts) if commit_ts >= min_commit_ts => TxnStatus::Committed { commit_ts },
            Change::Abort { now } if now >= deadline => TxnStatus::Aborted,
            Change::Push(bound) => TxnStatus::Pending { min_commit_ts: min_commit_ts.max(bound), deadline },
            // Pushed, or still in time: the caller sees why in what stays.
            Change::Commit(_) | Change::Abort { .. } => current,
        },
        (TxnStatus::Absent, Change::Abort { .. }) => TxnStatus::Aborted,
        (TxnStatus::Absent | TxnStatus::Committed { .. } | TxnStatus::Aborted, _) => current,
    }
}

pub(crate) fn load(snapshot: &dyn Snapshot, shard: ShardId, txn: TxnId) -> Result<Option<TxnRecord>, KvError> {
    let key = keyspace::transaction(shard, TxnPart::Record, txn.start_ts);
    snapshot.get(Cf::Txn, &key)?.map(|value| TxnRecord::decode(&value)).transpose()
}

/// Stores a record and marks it as unfinished.
pub(crate) fn store(overlay: &mut Overlay<'_>, shard: ShardId, txn: TxnId, record: &TxnRecord) {
    overlay.put(Cf::Txn, keyspace::transaction(shard, TxnPart::Record, txn.start_ts), record.encode());
    overlay.put(Cf::Txn, keyspace::transaction(shard, TxnPart::Open, txn.start_ts), vec![FORMAT]);
}

/// Every participant has resolved: the record only waits to be forgotten.
pub(crate) fn close(overlay: &mut Overlay<'_>, shard: ShardId, txn: TxnId) {
    overlay.delete(Cf::Txn, keyspace::transaction(shard, TxnPart::Open, txn.start_ts));
}

/// Below it no record can be created and nothing prepared on this shard.
pub fn watermark(snapshot: &dyn Snapshot, shard: ShardId) -> Result<Timestamp, KvError> {
    timestamp(snapshot, shard, MetaTag::RecordWatermark)
}

/// What this shard knows of a transaction, and its participants where they are known. Final on the anchor; on another
/// shard it tells what has happened there.
pub fn status(snapshot: &dyn Snapshot, shard: ShardId, txn: TxnId) -> Result<(TxnStatus, Vec<ShardId>), KvError> {
    if let Some(record) = load(snapshot, shard, txn)? {
        return Ok((record.status, record.participants));
    }
    Ok(match Part::load(snapshot, shard, txn)? {
        Some(Part::Prepared { deadline, .. }) => {
            (TxnStatus::Pending { min_commit_ts: txn.start_ts.next(), deadline }, Vec::new())
        }
        Some(Part::Finished { commit_ts: Some(commit_ts) }) => (TxnStatus::Committed { commit_ts }, vec![shard]),
        Some(Part::Finished { commit_ts: None }) => (TxnStatus::Aborted, Vec::new()),
        None if txn.start_ts < watermark(snapshot, shard)? => (TxnStatus::Aborted, Vec::new()),
        None => (TxnStatus::Absent, Vec::new()),
    })
}

/// Changes the record of a transaction; what it is afterwards. Only its anchor has one to change.
pub(crate) fn change(
    overlay: &mut Overlay<'_>,
    shard: ShardId,
    txn: TxnId,
    change: Change,
) -> Result<TxnStatus, KvError> {
    let (before, participants) = status(overlay, shard, txn)?;
    let after = if shard == txn.anchor { decide(before, change) } else { before };
    if after != before {
        let decided = matches!(before, TxnStatus::Committed { .. } | TxnStatus::Aborted);
        assert!(!decided, "a decided record never changes");
        store(overlay, shard, txn, &TxnRecord { status: after, participants });
        if before == TxnStatus::Absent {
            // Nothing was prepared here, so nothing has to be resolved here.
            close(overlay, shard, txn);
        }
    }
    Ok(after)
}

/// Records of this shard that still have something to do somewhere, oldest first, at most `limit`.
pub fn open(
    snapshot: &dyn Snapshot,
    shard: ShardId,
    limit: usize,
) -> Result<Vec<(TxnId, TxnStatus, Vec<ShardId>)>, KvError> {
    let range = keyspace::transactions(shard, TxnPart::Open, Timestamp::MAX);
    let pairs = snapshot.scan(Cf::Txn, range).take(limit);
    pairs
        .map(|pair| {
            let txn = TxnId { anchor: shard, start_ts: keyspace::parse_transaction(&pair?.0)? };
            let (status, participants) = status(snapshot, shard, txn)?;
            Ok((txn, status, participants))
        })
        .collect()
}

/// Forgets what is finished below a timestamp and raises the watermark as far as nothing unfinished is in the way.
pub(crate) fn forget(overlay: &mut Overlay<'_>, shard: ShardId, below: Timestamp) -> Result<(), KvError> {
    let known = watermark(overlay, shard)?;
    let mut reached = below;
    let mut gone = Vec::new();
    if let Some(pair) = overlay.scan(Cf::Txn, keyspace::transactions(shard, TxnPart::Open, below)).next() {
        reached = keyspace::parse_transaction(&pair?.0)?;
    }
    for part in [TxnPart::Record, TxnPart::Participant] {
        let scan = overlay.scan(Cf::Txn, keyspace::transactions(shard, part, reached));
        for (count, pair) in scan.enumerate() {
            let (key, value) = pair?;
            let start_ts = keyspace::parse_transaction(&key)?;
            let unfinished = part == TxnPart::Participant && !Part::decode(&value)?.is_finished();
            if unfinished || count == FORGOTTEN_ENTRIES_MAX {
                reached = start_ts;
                break;
            }
            gone.push((start_ts, key));
        }
    }
    if reached <= known {
        return Ok(());
    }
    for (start_ts, key) in gone {
        if start_ts < reached {
            overlay.delete(Cf::Txn, key.to_vec());
        }
    }
    put_timestamp(overlay, shard, MetaTag::RecordWatermark, reached);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PENDING: TxnStatus = TxnStatus::Pending { min_commit_ts: Timestamp(10), deadline: Timestamp(50) };

    #[track_caller]
    fn check(current: TxnStatus, change: Change, expected: TxnStatus) {
        assert_eq!(decide(current, change), expected);
    }

    #[test]
    fn only_a_pending_record_commits_and_only_in_time_and_above_its_readers() {
        let committed = TxnStatus::Committed { commit_ts: Timestamp(20) };
        check(PENDING, Change::Commit(Timestamp(20)), committed);
        check(PENDING, Change::Commit(Timestamp(9)), PENDING);
        check(PENDING, Change::Commit(Timestamp(50)), TxnStatus::Aborted);
        check(TxnStatus::Absent, Change::Commit(Timestamp(20)), TxnStatus::Absent);
        check(TxnStatus::Aborted, Change::Commit(Timestamp(20)), TxnStatus::Aborted);
        check(committed, Change::Commit(Timestamp(30)), committed);
    }

    #[test]
    fn an_abort_needs_the_deadline_and_never_undoes_a_decision() {
        let committed = TxnStatus::Committed { commit_ts: Timestamp(20) };
        check(PENDING, Change::Abort { now: Timestamp(49) }, PENDING);
        check(PENDING, Change::Abort { now: Timestamp(50) }, TxnStatus::Aborted);
        check(TxnStatus::Absent, Change::Abort { now: Timestamp(1) }, TxnStatus::Aborted);
        check(committed, Change::Abort { now: Timestamp::MAX }, committed);
    }

    #[test]
    fn a_push_raises_the_bound_and_nothing_else() {
        let pushed = TxnStatus::Pending { min_commit_ts: Timestamp(30), deadline: Timestamp(50) };
        check(PENDING, Change::Push(Timestamp(30)), pushed);
        check(pushed, Change::Push(Timestamp(20)), pushed);
        check(TxnStatus::Absent, Change::Push(Timestamp(30)), TxnStatus::Absent);
        check(TxnStatus::Aborted, Change::Push(Timestamp(30)), TxnStatus::Aborted);
    }
}
