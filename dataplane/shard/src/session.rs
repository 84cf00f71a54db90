//! A repeated write gets its first answer.
//!
//! A client numbers its writes. The outcome of each is stored in the same batch as its effect, under (session, number),
//! so a repetition finds it: after a lost reply, on another leader, and from a snapshot. Number 0 holds the session
//! itself: below which number the client has all answers, and when it was last used, in commit timestamps.

use crate::command::{Outcome, SessionStamp};
use crate::limits::SESSION_OUTCOMES_MAX;
use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_store::keyspace::{self, FORMAT};
use phoenixmldb_store::kv::Overlay;
use phoenixmldb_store::{Cf, KvError, Snapshot};
use phoenixmldb_types::{SessionId, ShardId, Timestamp};

/// What is known of a write before it is applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Known {
    /// Never seen: apply it.
    New,
    /// Applied before; this was the answer.
    Answered(Outcome),
    /// So old that its answer is gone.
    Forgotten,
}

/// The session's own record.
struct Head {
    forgotten_below: u64,
    last_used: Timestamp,
}

fn head(snapshot: &dyn Snapshot, shard: ShardId, session: SessionId) -> Result<Option<Head>, KvError> {
    let Some(value) = snapshot.get(Cf::Session, &keyspace::session(shard, session, 0))? else { return Ok(None) };
    let mut reader = Reader::new("session", &value);
    reader.version(FORMAT)?;
    Ok(Some(Head { forgotten_below: reader.u64()?, last_used: Timestamp(reader.u64()?) }))
}

/// Looks a write up.
pub fn look_up(snapshot: &dyn Snapshot, shard: ShardId, stamp: &SessionStamp) -> Result<Known, KvError> {
    if let Some(value) = snapshot.get(Cf::Session, &keyspace::session(shard, stamp.session, stamp.sequence))? {
        return Ok(Known::Answered(Outcome::from_bytes(&value)?));
    }
    let forgotten = head(snapshot, shard, stamp.session)?.is_some_and(|head| stamp.sequence < head.forgotten_below);
    Ok(if forgotten || stamp.sequence == 0 { Known::Forgotten } else { Known::New })
}

/// Stores the outcome of a write and forgets those that the client has.
pub fn record(
    overlay: &mut Overlay<'_>,
    shard: ShardId,
    stamp: &SessionStamp,
    at: Timestamp,
    outcome: &Outcome,
) -> Result<(), KvError> {
    let before = head(overlay, shard, stamp.session)?;
    let (known_below, last_used) = before.map_or((1, Timestamp::ZERO), |head| (head.forgotten_below, head.last_used));
    let bound = stamp.sequence.saturating_sub(SESSION_OUTCOMES_MAX);
    let forgotten_below = known_below.max(stamp.acknowledged_below.min(stamp.sequence)).max(bound);
    if forgotten_below > known_below {
        let gone = keyspace::session_range(shard, stamp.session, known_below, forgotten_below);
        let keys: Vec<_> = overlay.scan(Cf::Session, gone).map(|pair| Ok(pair?.0)).collect::<Result<_, KvError>>()?;
        for key in keys {
            overlay.delete(Cf::Session, key.to_vec());
        }
    }
    let head = Writer::new().u8(FORMAT).u64(forgotten_below).u64(last_used.max(at).0).finish();
    overlay.put(Cf::Session, keyspace::session(shard, stamp.session, 0), head);
    overlay.put(Cf::Session, keyspace::session(shard, stamp.session, stamp.sequence), outcome.to_bytes());
    Ok(())
}
