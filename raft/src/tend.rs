//! Looks after one open group: purges its log behind its snapshots, counts its leaders, notices its end.
//!
//! openraft's own purging knows how many entries to keep but not that a snapshot is on its way to a follower, which then
//! needs the log behind that snapshot: a leader that purges faster than it sends never gets the follower back
//! (openraft#1706). So openraft is told to keep everything, and what may go is decided here.

use crate::error::GroupError;
use crate::group::{RaftGroup, stopped};
use crate::limits::{PURGE_BATCH_ENTRIES, PURGE_HELD_ENTRIES_MAX, PURGE_MARGIN_ENTRIES};
use crate::meter::count;
use openraft::async_runtime::WatchReceiver;

/// What decides how much of a log may go; all are log positions.
#[derive(Clone, Copy, Debug)]
struct LogExtent {
    last: u64,
    applied: u64,
    snapshot: u64,
    purged: u64,
    /// Position of the oldest snapshot on its way to a follower.
    sending: Option<u64>,
}

/// The position up to which the log may go when about `keep` entries are to stay; `None` when it is not worth a write.
fn purge_upto(log: LogExtent, keep: u64) -> Option<u64> {
    let mut upto =
        log.snapshot.min(log.applied.saturating_sub(PURGE_MARGIN_ENTRIES)).min(log.last.saturating_sub(keep));
    if let Some(sending) = log.sending {
        upto = upto.min(sending.max(log.last.saturating_sub(PURGE_HELD_ENTRIES_MAX)));
    }
    (upto >= log.purged + PURGE_BATCH_ENTRIES).then_some(upto)
}

impl RaftGroup {
    /// Purges the log so that about `keep` entries stay, never beyond the last snapshot, close to what is applied, or
    /// what a follower that receives a snapshot needs.
    pub async fn purge_log(&self, keep: u64) -> Result<(), GroupError> {
        let status = self.status();
        let sending = self.sends().oldest();
        let (last, applied, snapshot, purged) = (status.last_index, status.applied, status.snapshot, status.purged);
        match purge_upto(LogExtent { last, applied, snapshot, purged, sending }, keep) {
            Some(upto) => self.raft().trigger().purge_log(upto).await.map_err(|fatal| stopped(&fatal)),
            None => Ok(()),
        }
    }

    /// Looks after the group until it stops, and says why; `None` for a wanted stop.
    ///
    /// Dropping the future ends the looking-after, not the group.
    pub(crate) async fn tend(&self, keep: u64) -> Option<String> {
        let mut metrics = self.raft().metrics();
        let (mut leader_seen, mut snapshot_seen) = (None, None);
        loop {
            let (running, leader, snapshot) = {
                let metrics = metrics.borrow_watched();
                (metrics.running_state.is_ok(), metrics.current_leader, metrics.snapshot)
            };
            if !running {
                return self.fault();
            }
            if leader != leader_seen {
                leader_seen = leader;
                count(&self.meter().leader_changes);
            }
            if snapshot != snapshot_seen {
                snapshot_seen = snapshot;
                // The group's end is noticed above.
                drop(self.purge_log(keep).await);
            }
            if metrics.changed().await.is_err() {
                // A core that panics says nothing: its last word is that it runs.
                let panicked = || self.fault().unwrap_or_else(|| "its core has panicked".to_owned());
                return (!self.is_closing()).then(panicked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_goes_behind_the_snapshot_and_what_is_kept_and_held() {
        let log = LogExtent { last: 50_000, applied: 49_000, snapshot: 45_000, purged: 100, sending: None };
        assert_eq!(purge_upto(log, 10_000), Some(40_000), "ten thousand entries stay");
        assert_eq!(purge_upto(log, 0), Some(45_000), "never beyond the snapshot");
        assert_eq!(purge_upto(LogExtent { applied: 45_000, ..log }, 0), Some(44_000), "nor close to what is applied");
        assert_eq!(
            purge_upto(LogExtent { sending: Some(20_000), ..log }, 0),
            Some(20_000),
            "a receiver needs the rest"
        );
        assert_eq!(purge_upto(LogExtent { purged: 39_990, ..log }, 10_000), None, "not for a few entries");
        assert_eq!(purge_upto(LogExtent { snapshot: 0, ..log }, 0), None, "no snapshot, no purge");
        let stuck = LogExtent { last: 5_000_000, applied: 5_000_000, snapshot: 5_000_000, purged: 0, sending: Some(1) };
        assert_eq!(purge_upto(stuck, 0), Some(4_000_000), "one slow receiver does not fill the disk");
    }
}
