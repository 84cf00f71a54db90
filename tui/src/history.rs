//! The last fifteen minutes, so that time can be stopped and scrubbed. A ring with a bound in time and in memory.

use crate::limits::{HISTORY_BYTES_MAX, HISTORY_MS_MAX};
use phoenixmldb_client::admin_v1::ClusterSnapshot;
use std::collections::VecDeque;
use std::sync::Arc;

/// The cluster at one moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Its number; numbers have no gaps.
    pub number: u64,
    /// When it was seen, in milliseconds of the monotonic clock.
    pub at_ms: u64,
    /// What was seen.
    pub cluster: Arc<ClusterSnapshot>,
    bytes: usize,
}

/// The newest moments, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    moments: VecDeque<Moment>,
    next: u64,
    bytes: usize,
}

impl History {
    /// Adds a moment; the oldest ones give way.
    pub fn push(&mut self, at_ms: u64, cluster: Arc<ClusterSnapshot>) {
        let bytes = estimate(&cluster);
        self.moments.push_back(Moment { number: self.next, at_ms, cluster, bytes });
        self.next += 1;
        self.bytes += bytes;
        while self.moments.len() > 1
            && self.moments.front().is_some_and(|oldest| {
                self.bytes > HISTORY_BYTES_MAX || at_ms.saturating_sub(oldest.at_ms) > HISTORY_MS_MAX
            })
        {
            self.bytes -= self.moments.pop_front().map_or(0, |oldest| oldest.bytes);
        }
    }

    /// The newest moment.
    #[must_use]
    pub fn newest(&self) -> Option<&Moment> {
        self.moments.back()
    }

    /// The moment of this number; the oldest that is left when it is gone.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Moment> {
        let first = self.moments.front()?.number;
        self.moments.get(usize::try_from(number.saturating_sub(first)).ok()?)
    }

    /// Moments up to and with this number, oldest first; at most `count`.
    pub fn until(&self, number: u64, count: usize) -> impl Iterator<Item = &Moment> {
        let first = self.moments.front().map_or(0, |oldest| oldest.number);
        let end = usize::try_from((number + 1).saturating_sub(first)).unwrap_or(0).min(self.moments.len());
        self.moments.range(end.saturating_sub(count)..end)
    }
}

/// Memory of a snapshot, roughly: names and numbers of its nodes, shards, copies and events.
fn estimate(cluster: &ClusterSnapshot) -> usize {
    let copies: usize = cluster.shards.iter().map(|shard| shard.replicas.len()).sum();
    512 + cluster.nodes.len() * 512 + cluster.shards.len() * 256 + copies * 160 + cluster.events.len() * 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_quarter_of_an_hour_is_kept() {
        let mut history = History::default();
        let cluster = Arc::new(fixture::healthy());
        for second in 0..2_000 {
            history.push(second * 1_000, cluster.clone());
        }
        assert_eq!(history.moments.len(), 901);
        assert_eq!(history.get(0).map(|moment| moment.number), Some(1_099));
        assert_eq!(history.newest().map(|moment| moment.number), Some(1_999));
        let last: Vec<u64> = history.until(1_999, 2).map(|moment| moment.number).collect();
        assert_eq!(last, [1_998, 1_999]);
    }

    #[test]
    fn a_large_cluster_keeps_less() {
        let mut history = History::default();
        let cluster = Arc::new(fixture::cluster(9, 4096));
        for second in 0..900 {
            history.push(second * 1_000, cluster.clone());
        }
        assert!(history.bytes <= HISTORY_BYTES_MAX && history.moments.len() < 100, "{}", history.moments.len());
    }
}
