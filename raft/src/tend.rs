//! Looks after one open group: purges its log behind its snapshots, counts its leaders, notices its end.
//!
//! openraft's own purging knows how many entries to keep but not that a snapshot is on its way to a follower, which then
//! needs the log behind that snapshot: a leader that purges faster than it sends never gets the follower back
//! (openraft#1706). So openraft is told to keep everything, and what may go is decided here.

use crate::error::GroupError;
use crate::group::{RaftGroup, stopped};
use crate::limits::{PURGE_BATCH_ENTRIES, PURGE_HELD_ENTRIES_MAX, PURGE_MARGIN_ENTRIES};
use crate::meter::{Election, count};
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use std::time::Duration;
use tokio::time::Instant;

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

/// The elections of this replica, as far as they are seen.
#[derive(Default)]
struct Campaigns {
    /// The term it last stood in.
    term: u64,
    /// When, until that is decided.
    began: Option<Instant>,
    /// How long the leader had been silent by then.
    silent_ms: u64,
    /// The last leader known.
    before: Option<u64>,
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

    /// Remembers when this replica stood for election and how it came to lead.
    fn note_election(&self, campaigns: &mut Campaigns, state: ServerState, term: u64, leader: Option<u64>) {
        let (meter, silent_ms) = (self.meter(), self.meter().leader_silent_ms());
        let stands = matches!(state, ServerState::Candidate | ServerState::Leader) && campaigns.term != term;
        if stands {
            (campaigns.term, campaigns.began, campaigns.silent_ms) = (term, Some(Instant::now()), silent_ms);
            count(&meter.elections);
            meter.election_timeout.record(Duration::from_millis(silent_ms));
        }
        match (state, campaigns.began) {
            (ServerState::Leader, Some(began)) => {
                let election_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                let before = campaigns.before.take().and_then(|id| self.member(id));
                let silent_ms = campaigns.silent_ms;
                *meter.election.lock() = Some(Election { term, before, silent_ms, election_ms });
                count(&meter.elections_won);
                campaigns.began = None;
            }
            (ServerState::Follower | ServerState::Learner | ServerState::Shutdown, _) => campaigns.began = None,
            (ServerState::Candidate | ServerState::Leader, _) => {}
        }
        campaigns.before = leader.or(campaigns.before);
    }

    /// Looks after the group until it stops, and says why; `None` for a wanted stop.
    ///
    /// Dropping the future ends the looking-after, not the group.
    pub(crate) async fn tend(&self, keep: u64) -> Option<String> {
        let mut metrics = self.raft().metrics();
        let (mut leader_seen, mut snapshot_seen) = (None, None);
        let mut campaigns = Campaigns::default();
        loop {
            let (running, leader, snapshot, state, term) = {
                let now = metrics.borrow_watched();
                (now.running_state.is_ok(), now.current_leader, now.snapshot, now.state, now.current_term)
            };
            if !running {
                return self.fault();
            }
            self.note_election(&mut campaigns, state, term, leader);
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
