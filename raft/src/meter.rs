//! Counters and latency histograms, read as plain numbers.
//!
//! Recording is a few relaxed atomic additions, so it may sit on any path. The readers turn the numbers into whatever
//! they expose; this crate knows no metrics library.

use crate::type_config::Peer;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Upper bounds of the histograms' buckets, in microseconds: from a fast fsync to a write that stalls elections.
pub const LATENCY_BOUNDS_US: [u64; 16] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    5_000_000,
];

/// Number of buckets: one per bound and one beyond the last.
pub const BUCKETS: usize = LATENCY_BOUNDS_US.len() + 1;

/// Counts durations in the buckets of [`LATENCY_BOUNDS_US`].
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

/// A histogram as it was at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Latencies {
    /// Durations per bucket, not cumulative; the last one counts those beyond the last bound.
    pub counts: [u64; BUCKETS],
    /// Sum of all durations, in microseconds.
    pub sum_us: u64,
    /// Longest duration ever, in microseconds.
    pub max_us: u64,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    /// The numbers now.
    #[must_use]
    pub fn read(&self) -> Latencies {
        Latencies {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
            max_us: self.max_us.load(Ordering::Relaxed),
        }
    }
}

impl Latencies {
    /// Both together, as if one histogram had counted them.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|bucket| self.counts[bucket] + other.counts[bucket]),
            sum_us: self.sum_us + other.sum_us,
            max_us: self.max_us.max(other.max_us),
        }
    }

    /// What was counted since `earlier`, a reading of the same histogram. The longest duration stays that of all times.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|bucket| self.counts[bucket].saturating_sub(earlier.counts[bucket])),
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
            max_us: self.max_us,
        }
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Bound of the bucket in which the given share of all durations is reached, in microseconds; the longest duration
    /// for the last bucket, 0 when nothing was counted. `share` is between 0 and 1.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> u64 {
        let count = self.count();
        let mut below = 0;
        for (bucket, bound) in LATENCY_BOUNDS_US.iter().enumerate() {
            below += self.counts[bucket];
            if count > 0 && below as f64 >= share * count as f64 {
                return *bound;
            }
        }
        self.max_us
    }
}

/// What one group has done since it was opened here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GroupMetrics {
    /// Proposals made here.
    pub proposals_total: u64,
    /// Proposals refused, or with an unknown outcome.
    pub proposals_failed_total: u64,
    /// Proposals waiting now.
    pub proposals_in_flight: u64,
    /// Bytes of the proposals waiting now.
    pub proposed_bytes_in_flight: u64,
    /// From a proposal to its reply.
    pub propose: Latencies,
    /// From handing entries to the log to their being durable.
    pub log_append: Latencies,
    /// Encoded bytes of the entries handed to the log.
    pub log_append_bytes_total: u64,
    /// Applying one batch.
    pub apply: Latencies,
    /// Commands applied.
    pub applied_total: u64,
    /// Snapshots taken here: states flushed.
    pub snapshots_built_total: u64,
    /// Snapshots sent to peers.
    pub snapshots_sent_total: u64,
    /// Snapshots of peers installed here.
    pub snapshots_installed_total: u64,
    /// Times another leader, or none, was seen.
    pub leader_changes_total: u64,
    /// Times this replica stood for election, after its pre-vote.
    pub elections_total: u64,
    /// Elections won here.
    pub elections_won_total: u64,
    /// Silence of the leader before each of those elections.
    pub election_timeout: Latencies,
    /// Heartbeats sent to each member, by identity.
    pub heartbeats_sent: BTreeMap<u64, u64>,
}

/// How this replica came to lead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Election {
    /// The term it won.
    pub term: u64,
    /// The leader before, if one was known.
    pub before: Option<Peer>,
    /// Since when that one had been silent when this replica stood for election, in milliseconds.
    pub silent_ms: u64,
    /// From standing for election to winning it, in milliseconds; 0 when both were seen at once.
    pub election_ms: u64,
}

/// What was sent to one node over one lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerTraffic {
    /// Name of the node.
    pub peer: String,
    /// `urgent` or `bulk`.
    pub lane: &'static str,
    /// Messages.
    pub messages_total: u64,
    /// Frames in them, each a request of one group.
    pub frames_total: u64,
    /// Bytes of those frames.
    pub bytes_total: u64,
    /// Bytes of snapshots, which have connections of their own.
    pub snapshot_bytes_total: u64,
}

/// Where the numbers of one group come together.
#[derive(Debug)]
pub(crate) struct GroupMeter {
    opened: Instant,
    /// When a leader was last heard, in milliseconds after `opened`.
    heard_ms: AtomicU64,
    /// The last election won here.
    pub(crate) election: Mutex<Option<Election>>,
    heartbeats: Mutex<BTreeMap<u64, Arc<AtomicU64>>>,
    pub(crate) elections: AtomicU64,
    pub(crate) elections_won: AtomicU64,
    pub(crate) election_timeout: Histogram,
    pub(crate) proposals: AtomicU64,
    pub(crate) proposals_failed: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) bytes_in_flight: AtomicU64,
    pub(crate) propose: Histogram,
    pub(crate) log_append: Histogram,
    pub(crate) log_append_bytes: AtomicU64,
    pub(crate) apply: Histogram,
    pub(crate) applied: AtomicU64,
    pub(crate) snapshots_built: AtomicU64,
    pub(crate) snapshots_sent: AtomicU64,
    pub(crate) snapshots_installed: AtomicU64,
    pub(crate) leader_changes: AtomicU64,
}

impl Default for GroupMeter {
    fn default() -> Self {
        Self {
            opened: Instant::now(),
            heard_ms: AtomicU64::default(),
            election: Mutex::default(),
            heartbeats: Mutex::default(),
            elections: AtomicU64::default(),
            elections_won: AtomicU64::default(),
            election_timeout: Histogram::default(),
            proposals: AtomicU64::default(),
            proposals_failed: AtomicU64::default(),
            in_flight: AtomicU64::default(),
            bytes_in_flight: AtomicU64::default(),
            propose: Histogram::default(),
            log_append: Histogram::default(),
            log_append_bytes: AtomicU64::default(),
            apply: Histogram::default(),
            applied: AtomicU64::default(),
            snapshots_built: AtomicU64::default(),
            snapshots_sent: AtomicU64::default(),
            snapshots_installed: AtomicU64::default(),
            leader_changes: AtomicU64::default(),
        }
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl GroupMeter {
    /// A leader has been heard.
    pub(crate) fn leader_heard(&self) {
        self.heard_ms.store(elapsed_ms(self.opened), Ordering::Relaxed);
    }

    /// Milliseconds since a leader was heard, or since the group was opened here.
    pub(crate) fn leader_silent_ms(&self) -> u64 {
        elapsed_ms(self.opened).saturating_sub(self.heard_ms.load(Ordering::Relaxed))
    }

    /// The counter of heartbeats to a member.
    pub(crate) fn heartbeats_to(&self, member: u64) -> Arc<AtomicU64> {
        self.heartbeats.lock().entry(member).or_default().clone()
    }

    pub(crate) fn read(&self) -> GroupMetrics {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GroupMetrics {
            proposals_total: number(&self.proposals),
            proposals_failed_total: number(&self.proposals_failed),
            proposals_in_flight: number(&self.in_flight),
            proposed_bytes_in_flight: number(&self.bytes_in_flight),
            propose: self.propose.read(),
            log_append: self.log_append.read(),
            log_append_bytes_total: number(&self.log_append_bytes),
            apply: self.apply.read(),
            applied_total: number(&self.applied),
            snapshots_built_total: number(&self.snapshots_built),
            snapshots_sent_total: number(&self.snapshots_sent),
            snapshots_installed_total: number(&self.snapshots_installed),
            leader_changes_total: number(&self.leader_changes),
            elections_total: number(&self.elections),
            elections_won_total: number(&self.elections_won),
            election_timeout: self.election_timeout.read(),
            heartbeats_sent: self.heartbeats.lock().iter().map(|(member, sent)| (*member, number(sent))).collect(),
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_buckets_and_quantiles_name_the_bound() {
        let histogram = Histogram::default();
        for us in [1, 50, 51, 900, 10_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let read = histogram.read();
        assert_eq!((read.counts[0], read.counts[1], read.counts[4], read.counts[BUCKETS - 1]), (2, 1, 1, 1));
        assert_eq!((read.count(), read.sum_us, read.max_us), (5, 10_001_002, 10_000_000));
        assert_eq!((read.quantile_us(0.4), read.quantile_us(0.5), read.quantile_us(0.99)), (50, 100, 10_000_000));
        assert_eq!(Latencies::default().quantile_us(0.5), 0);
    }

    #[test]
    fn readings_add_up_and_subtract() {
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(70));
        let earlier = histogram.read();
        histogram.record(Duration::from_millis(3));
        let later = histogram.read();
        let between = later.since(&earlier);
        assert_eq!((between.count(), between.sum_us), (1, 3_000));
        assert_eq!(earlier.plus(&between), later);
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_is_silent_since_it_was_heard_or_the_group_was_opened() {
        let meter = GroupMeter::default();
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(meter.leader_silent_ms(), 300);
        meter.leader_heard();
        tokio::time::advance(Duration::from_millis(20)).await;
        assert_eq!(meter.leader_silent_ms(), 20);
    }
}
