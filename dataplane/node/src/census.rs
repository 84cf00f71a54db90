//! Documents and bytes of the shards led here, counted now and then in the background.
//!
//! Counting reads every version of a shard, so a shard is counted again only when something was committed, and the
//! pause grows with the time counting takes: at most a twentieth of one thread goes into it.

use crate::limits::{COUNT_INTERVAL_MS_MIN, COUNT_PAUSE_MAX};
use crate::replicas::Replicas;
use parking_lot::Mutex;
use phoenixmldb_shard::apply;
use phoenixmldb_store::keyspace::MetaTag;
use phoenixmldb_store::{Kv, KvError, mvcc};
use phoenixmldb_types::{ContainerId, ShardId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Documents and bytes of their texts, by container.
pub type Counts = BTreeMap<ContainerId, (u64, u64)>;

/// The last count of each shard led here.
#[derive(Default)]
pub struct Census {
    shards: Mutex<BTreeMap<ShardId, Counted>>,
}

#[derive(Clone)]
struct Counted {
    counts: Counts,
    /// Last commit of the shard when it was counted.
    upto: Timestamp,
    at: Instant,
    took: Duration,
}

fn last_commit(kv: &dyn Kv, shard: ShardId) -> Timestamp {
    apply::timestamp(&*kv.snapshot(), shard, MetaTag::LastCommit).unwrap_or_default()
}

fn count(kv: &dyn Kv, shard: ShardId) -> Result<Counts, KvError> {
    let view = kv.snapshot();
    let containers = mvcc::containers(&*view, shard)?;
    containers.into_iter().map(|id| Ok((id, mvcc::count(&*view, shard, id, Timestamp::MAX)?))).collect()
}

impl Census {
    /// The last count of a shard, if it was counted here.
    #[must_use]
    pub fn of(&self, shard: ShardId) -> Option<Counts> {
        self.shards.lock().get(&shard).map(|counted| counted.counts.clone())
    }

    /// Whether a shard should be counted again.
    fn is_due(&self, shard: ShardId, upto: Timestamp) -> bool {
        self.shards.lock().get(&shard).is_none_or(|known| {
            let pause = Duration::from_millis(COUNT_INTERVAL_MS_MIN).max(known.took * COUNT_PAUSE_MAX);
            known.upto != upto && known.at.elapsed() >= pause
        })
    }

    /// Counts what is led here, until the node stops.
    pub async fn run(self: Arc<Self>, replicas: Arc<Replicas>) {
        let mut pulse = tokio::time::interval(Duration::from_millis(COUNT_INTERVAL_MS_MIN / 2));
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pulse.tick().await;
            let led = replicas.led();
            self.shards.lock().retain(|shard, _| led.contains(shard));
            for shard in led {
                let (this, kv) = (self.clone(), replicas.kv().clone());
                let work = move || {
                    let upto = last_commit(&*kv, shard);
                    if !this.is_due(shard, upto) {
                        return Ok(());
                    }
                    let at = Instant::now();
                    let counts = count(&*kv, shard)?;
                    this.shards.lock().insert(shard, Counted { counts, upto, at, took: at.elapsed() });
                    Ok::<(), KvError>(())
                };
                match tokio::task::spawn_blocking(work).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%shard, %error, "the documents of a shard cannot be counted"),
                    Err(error) => tracing::warn!(%shard, %error, "counting has panicked"),
                }
            }
        }
    }
}
