//! What someone who meets a lock may do about it. The periodic sweep asks the same question, so that recovery after a
//! crash is not a protocol of its own.

use crate::txn::lock::Lock;
use crate::txn::record::TxnStatus;
use phoenixmldb_types::Timestamp;

/// Who meets the lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Met {
    /// A reader at this timestamp.
    ReaderAt(Timestamp),
    /// A reader of the newest state.
    Reader,
    /// A writer of the same document, a check of what was read, or the sweep.
    Writer,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Read on as if it were not there: it cannot become visible to this reader.
    Pass,
    /// Raise the record's bound to this, then look at what the record has become.
    Push(Timestamp),
    /// Publish the versions, then look again.
    Commit(Timestamp),
    /// Remove the lock and what it staged.
    RollBack,
    /// Abort the record first, then look at what it has become.
    Abort,
    /// It is alive and in the way: give up.
    Conflict,
}

/// Decides by the record as it was after the lock was met, at a timestamp of the clock group. It does not act.
#[must_use]
pub fn judge(lock: &Lock, record: TxnStatus, met: Met, now: Timestamp) -> Judgement {
    match (record, met) {
        // It commits above its start, so never at or below this reader.
        (_, Met::ReaderAt(at)) if lock.txn.start_ts >= at => Judgement::Pass,
        (TxnStatus::Committed { commit_ts }, Met::ReaderAt(at)) if commit_ts > at => Judgement::Pass,
        (TxnStatus::Committed { commit_ts }, _) => Judgement::Commit(commit_ts),
        (TxnStatus::Aborted, _) => Judgement::RollBack,
        (TxnStatus::Pending { deadline, .. }, _) if now >= deadline => Judgement::Abort,
        (TxnStatus::Pending { min_commit_ts, .. }, Met::ReaderAt(at)) if min_commit_ts <= at => {
            Judgement::Push(at.next())
        }
        // Undecided when asked: the reader comes before it.
        (TxnStatus::Pending { .. }, Met::ReaderAt(_) | Met::Reader) => Judgement::Pass,
        (TxnStatus::Pending { .. }, Met::Writer) => Judgement::Conflict,
        // The commit timestamp is taken after the record exists, which is after this reader asked.
        (TxnStatus::Absent, _) if now >= lock.deadline => Judgement::Abort,
        (TxnStatus::Absent, Met::ReaderAt(_) | Met::Reader) => Judgement::Pass,
        (TxnStatus::Absent, Met::Writer) => Judgement::Conflict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_store::mvcc::Record;
    use phoenixmldb_types::{ShardId, TxnId};

    #[track_caller]
    fn check(record: TxnStatus, met: Met, now: u64, expected: Judgement) {
        let txn = TxnId { anchor: ShardId(1), start_ts: Timestamp(10) };
        let staged = Record::Delete { commit_ts: Timestamp::ZERO };
        let lock = Lock { txn, deadline: Timestamp(100), staged };
        assert_eq!(judge(&lock, record, met, Timestamp(now)), expected);
    }

    #[test]
    fn readers_never_wait() {
        let pending = TxnStatus::Pending { min_commit_ts: Timestamp(11), deadline: Timestamp(100) };
        let reader = Met::ReaderAt(Timestamp(20));
        check(pending, reader, 30, Judgement::Push(Timestamp(21)));
        let pushed = TxnStatus::Pending { min_commit_ts: Timestamp(21), deadline: Timestamp(100) };
        check(pushed, reader, 30, Judgement::Pass);
        check(pending, Met::ReaderAt(Timestamp(10)), 30, Judgement::Pass);
        check(pending, Met::Reader, 30, Judgement::Pass);
        check(TxnStatus::Absent, reader, 30, Judgement::Pass);
        check(TxnStatus::Committed { commit_ts: Timestamp(21) }, reader, 30, Judgement::Pass);
        check(TxnStatus::Committed { commit_ts: Timestamp(20) }, reader, 30, Judgement::Commit(Timestamp(20)));
        check(TxnStatus::Aborted, reader, 30, Judgement::RollBack);
    }

    #[test]
    fn a_writer_gives_way_to_the_living_and_clears_away_the_dead() {
        let pending = TxnStatus::Pending { min_commit_ts: Timestamp(11), deadline: Timestamp(100) };
        check(pending, Met::Writer, 99, Judgement::Conflict);
        check(pending, Met::Writer, 100, Judgement::Abort);
        check(TxnStatus::Absent, Met::Writer, 99, Judgement::Conflict);
        check(TxnStatus::Absent, Met::Writer, 100, Judgement::Abort);
        check(TxnStatus::Committed { commit_ts: Timestamp(50) }, Met::Writer, 60, Judgement::Commit(Timestamp(50)));
    }
}
