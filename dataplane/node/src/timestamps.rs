//! Asks the clock group for timestamps: one request at a time per node, shared by all who wait.
//!
//! Who arrives while a request is under way joins the *next* one: joining the one under way could give a timestamp from
//! before a write that was acknowledged in between.

use crate::limits::{CLOCK_PAUSE_MS, CLOCK_WAIT_MS, TIMESTAMP_WAITERS_MAX};
use async_trait::async_trait;
use phoenixmldb_shard::limits::GRANT_MAX;
use phoenixmldb_types::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Reaches the clock group's leader.
#[async_trait]
pub trait ClockSource: Send + Sync + 'static {
    /// The first of `count` consecutive timestamps, all larger than any given out before the call. One round of
    /// attempts; the reason when nobody gave them.
    async fn grant(&self, count: u32) -> Result<Timestamp, String>;

    /// Whether the clock group has been out of reach for so long that no election will bring it back soon.
    fn is_lost(&self) -> bool {
        false
    }
}

/// The node's only way to timestamps.
#[derive(Clone)]
pub struct Timestamps {
    queue: mpsc::Sender<Caller>,
}

/// Who waits, and since when.
struct Caller {
    reply: oneshot::Sender<Result<Timestamp, String>>,
    since: Instant,
}

impl Timestamps {
    /// Starts the task that asks.
    #[must_use]
    pub fn start(source: Arc<dyn ClockSource>, runtime: &tokio::runtime::Handle) -> Self {
        let (queue, waiting) = mpsc::channel(TIMESTAMP_WAITERS_MAX);
        runtime.spawn(serve(source, waiting));
        Self { queue }
    }

    /// A timestamp larger than every one given out before the call. Cancel safe.
    pub async fn next(&self) -> Result<Timestamp, String> {
        let (reply, receiver) = oneshot::channel();
        self.queue
            .try_send(Caller { reply, since: Instant::now() })
            .map_err(|_| "too many wait for the clock group".to_owned())?;
        receiver.await.map_err(|_| "the node is shutting down".to_owned())?
    }
}

async fn serve(source: Arc<dyn ClockSource>, mut waiting: mpsc::Receiver<Caller>) {
    let patience = Duration::from_millis(CLOCK_WAIT_MS);
    // In order of arrival.
    let mut callers: VecDeque<Caller> = VecDeque::new();
    loop {
        if callers.is_empty() {
            let Some(first) = waiting.recv().await else { return };
            callers.push_back(first);
        }
        while callers.len() < GRANT_MAX as usize
            && let Ok(caller) = waiting.try_recv()
        {
            callers.push_back(caller);
        }
        let count = u32::try_from(callers.len()).unwrap_or(GRANT_MAX);
        let give_up = callers[0].since + patience;
        let granted = tokio::time::timeout_at(give_up, source.grant(count)).await;
        match granted.unwrap_or_else(|_| Err(format!("no answer within {CLOCK_WAIT_MS} ms"))) {
            Ok(first) => {
                for (offset, caller) in (0u64..).zip(callers.drain(..)) {
                    drop(caller.reply.send(Ok(Timestamp(first.0 + offset))));
                }
            }
            Err(reason) => {
                // Who came later has its own time to wait, and joins the next attempt.
                let patience = if source.is_lost() { Duration::ZERO } else { patience };
                let late = callers.iter().take_while(|caller| caller.since.elapsed() >= patience).count();
                for caller in callers.drain(..late) {
                    drop(caller.reply.send(Err(reason.clone())));
                }
                if !callers.is_empty() {
                    tokio::time::sleep(Duration::from_millis(CLOCK_PAUSE_MS)).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// Grants from a counter and remembers the counts; each grant waits for a permit.
    struct Counter {
        state: Mutex<(u64, Vec<u32>)>,
        permits: tokio::sync::Semaphore,
    }

    #[async_trait]
    impl ClockSource for Counter {
        async fn grant(&self, count: u32) -> Result<Timestamp, String> {
            self.permits.acquire().await.map_err(|error| error.to_string())?.forget();
            let mut state = self.state.lock();
            let first = state.0;
            state.0 += u64::from(count);
            state.1.push(count);
            Ok(Timestamp(first))
        }
    }

    #[tokio::test]
    async fn who_waits_shares_the_next_request_and_all_get_their_own() {
        let counter = Arc::new(Counter { state: Mutex::new((100, vec![])), permits: tokio::sync::Semaphore::new(0) });
        let timestamps = Timestamps::start(counter.clone(), &tokio::runtime::Handle::current());
        let ask = || {
            tokio::spawn({
                let timestamps = timestamps.clone();
                async move { timestamps.next().await.unwrap().0 }
            })
        };
        let first = ask();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let others: Vec<_> = (0..5).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        counter.permits.add_permits(10);
        let mut got = vec![first.await.unwrap()];
        for other in others {
            got.push(other.await.unwrap());
        }
        assert_eq!(got[0], 100, "a caller never joins a request that is under way");
        got.sort_unstable();
        assert_eq!(got, [100, 101, 102, 103, 104, 105]);
        assert_eq!(counter.state.lock().1, [1, 5]);
    }

    /// Never answers; nobody leads.
    struct Silence;

    #[async_trait]
    impl ClockSource for Silence {
        async fn grant(&self, _: u32) -> Result<Timestamp, String> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_waits_as_long_as_a_lost_clock_group_is_waited_for_and_no_longer() {
        let timestamps = Timestamps::start(Arc::new(Silence), &tokio::runtime::Handle::current());
        let ask = || {
            tokio::spawn({
                let timestamps = timestamps.clone();
                async move {
                    let begun = Instant::now();
                    timestamps.next().await.unwrap_err();
                    u64::try_from(begun.elapsed().as_millis()).unwrap()
                }
            })
        };
        let first = ask();
        tokio::time::sleep(Duration::from_millis(CLOCK_WAIT_MS / 2)).await;
        let second = ask();
        for waited in [first.await.unwrap(), second.await.unwrap()] {
            assert!((CLOCK_WAIT_MS..CLOCK_WAIT_MS + 2 * CLOCK_PAUSE_MS).contains(&waited), "{waited}");
        }
    }
}
