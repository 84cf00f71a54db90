//! Where snapshots come from: a cluster that is watched, or a recording that is played. Both become events.
//!
//! A cluster that is lost is connected to again, forever, by any of its nodes; the screen keeps what was last seen.

use crate::error::TuiError;
use crate::event::Event;
use crate::limits::{RECONNECT_MS, SILENCE_MS_MAX, STALE_INTERVALS_MAX};
use crate::record::{Lost, Record};
use phoenixmldb_client::admin_v1::ClusterSnapshot;
use phoenixmldb_client::{Client, ClientError, Code};
use phoenixmldb_types::clock::Clock;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// What a feed gives its events to, and where they are recorded.
pub struct Sink {
    events: Sender<Event>,
    clock: Arc<dyn Clock>,
    recording: Option<fs_err::File>,
}

/// The receiver went away: the program ends.
struct Closed;

impl Sink {
    /// Gives events to a channel and, where there is one, writes them to a file.
    #[must_use]
    pub fn new(events: Sender<Event>, clock: Arc<dyn Clock>, recording: Option<fs_err::File>) -> Self {
        Self { events, clock, recording }
    }

    async fn give(&mut self, record: Record) -> Result<Result<(), Closed>, TuiError> {
        if let Some(file) = &mut self.recording {
            // One write per line: a recording that is cut off loses its last line at most.
            file.write_all((record.line() + "\n").as_bytes()).map_err(TuiError::File)?;
        }
        let event = event(record, now_ms(&*self.clock));
        Ok(self.events.send(event).await.map_err(|_| Closed))
    }

    fn lost(&self, reason: String) -> Record {
        Record::ClusterLost(Lost { taken_ms: self.clock.wall_ms(), reason })
    }
}

/// Milliseconds of the monotonic clock.
#[must_use]
pub fn now_ms(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX)
}

fn event(record: Record, at_ms: u64) -> Event {
    match record {
        Record::ClusterSnapshot(cluster) => Event::Seen { at_ms, cluster },
        Record::ClusterLost(Lost { reason, .. }) => Event::Lost { at_ms, reason },
    }
}

/// The cluster, once. A node that is still forming says so in a refusal.
///
/// Error: no node answered.
pub async fn snapshot(client: &Client) -> Result<ClusterSnapshot, ClientError> {
    client.get_cluster().await.or_else(forming)
}

fn forming(error: ClientError) -> Result<ClusterSnapshot, ClientError> {
    match error {
        ClientError::Refused { error, .. } if error.code == Code::Forming => Ok(ClusterSnapshot {
            cluster_id: error.get("cluster_id").unwrap_or_default().to_owned(),
            formation: error.message.clone(),
            ..ClusterSnapshot::default()
        }),
        other => Err(other),
    }
}

/// Watches a cluster until nobody listens any more.
///
/// Error: the recording cannot be written. Losing the cluster is an event, not an error.
pub async fn watch(client: Client, interval_ms: u32, mut sink: Sink) -> Result<(), TuiError> {
    let silence = Duration::from_millis(u64::from(interval_ms) * STALE_INTERVALS_MAX + SILENCE_MS_MAX);
    loop {
        let lost = match client.watch_cluster(interval_ms).await {
            Ok(mut stream) => {
                // The other nodes' addresses, for the day this one goes; without them the given ones have to do.
                let mut learned = false;
                loop {
                    match tokio::time::timeout(silence, stream.message()).await {
                        Ok(Ok(Some(answer))) => {
                            let seen = Record::ClusterSnapshot(Arc::new(answer.cluster.unwrap_or_default()));
                            if sink.give(seen).await?.is_err() {
                                return Ok(());
                            }
                            if !learned {
                                learned = client.get_topology().await.is_ok();
                            }
                        }
                        Ok(Ok(None)) => break "the node ended the stream".to_owned(),
                        Ok(Err(status)) => break status.message().to_owned(),
                        Err(_) => break format!("no answer for {} s", silence.as_secs()),
                    }
                }
            }
            Err(error) => match forming(error) {
                Ok(cluster) => {
                    if sink.give(Record::ClusterSnapshot(Arc::new(cluster))).await?.is_err() {
                        return Ok(());
                    }
                    tokio::time::sleep(Duration::from_millis(u64::from(interval_ms))).await;
                    continue;
                }
                Err(error) => error.to_string(),
            },
        };
        let lost = sink.lost(lost);
        if sink.give(lost).await?.is_err() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(RECONNECT_MS)).await;
    }
}

/// Plays a recording at the pace it was made, then waits until nobody listens any more.
///
/// Error: the recording that is made of it cannot be written.
pub async fn play(records: Vec<(u64, Record)>, mut sink: Sink) -> Result<(), TuiError> {
    for (pause_ms, record) in records {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        if sink.give(record).await?.is_err() {
            return Ok(());
        }
    }
    // A receiver that is gone is what is waited for.
    drop(sink.events.send(Event::Ended).await);
    sink.events.closed().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use phoenixmldb_client::{ClusterClientOptions, RetryPolicy};
    use phoenixmldb_types::clock::SystemClock;
    use tokio::sync::mpsc::channel;

    #[tokio::test(start_paused = true)]
    async fn a_recording_is_played_at_its_pace_and_then_ends() {
        let seen = |ms: u64| {
            let cluster = ClusterSnapshot { taken_ms: ms, ..fixture::healthy() };
            Record::ClusterSnapshot(Arc::new(cluster))
        };
        let (events, mut heard) = channel(4);
        let sink = Sink::new(events, Arc::new(SystemClock), None);
        let started = tokio::time::Instant::now();
        let listen = async {
            let mut taken = Vec::new();
            while let Some(event) = heard.recv().await {
                match event {
                    Event::Seen { cluster, .. } => taken.push(cluster.taken_ms),
                    Event::Ended => break,
                    other => panic!("{other:?}"),
                }
            }
            drop(heard);
            taken
        };
        let (played, taken) = tokio::join!(play(vec![(0, seen(1_000)), (2_000, seen(3_000))], sink), listen);
        played.unwrap();
        assert_eq!(taken, [1_000, 3_000]);
        assert_eq!(started.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_cluster_that_is_not_there_is_lost_again_and_again() {
        // A port that nobody listens on: bound, and given back.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let client = Client::new(ClusterClientOptions {
            nodes: vec![format!("127.0.0.1:{port}")],
            retry_policy: RetryPolicy { max_retries: 0, ..RetryPolicy::default() },
            ..ClusterClientOptions::default()
        })
        .unwrap();
        let (events, mut heard) = channel(1);
        let sink = Sink::new(events, Arc::new(SystemClock), None);
        let listen = async {
            for _ in 0..2 {
                assert!(matches!(heard.recv().await, Some(Event::Lost { .. })));
            }
            drop(heard);
        };
        let (watched, ()) = tokio::join!(watch(client, 100, sink), listen);
        watched.unwrap();
    }
}
