//! A writer and a reader that run beside a drill, and remember what they were promised.

use phoenixmldb_client::Client;
use phoenixmldb_client::v1::Consistency;
use phoenixmldb_types::ContainerName;
use phoenixmldb_types::shard_map::{HashRange, key_hash};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Documents of the drill in each shard.
const KEYS_PER_SHARD: usize = 4;

/// Numbers of the drill's documents, by the shard they lie in: one writer for each shard sees how long it was away.
#[must_use]
pub fn keys_by_shard(container: &str, shards: u32) -> Vec<Vec<u64>> {
    let Ok(container) = ContainerName::parse(container) else { return Vec::new() };
    let ranges = HashRange::even(shards.max(1));
    let mut keys = vec![Vec::new(); ranges.len()];
    for number in 0u64.. {
        if keys.iter().all(|keys| keys.len() == KEYS_PER_SHARD) {
            break;
        }
        let hash = key_hash(&container, &key(number));
        let shard = ranges.iter().position(|range| range.contains(hash)).expect("the ranges cover every hash");
        if keys[shard].len() < KEYS_PER_SHARD {
            keys[shard].push(number);
        }
    }
    keys
}

/// What a writer saw.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Newest acknowledged value of each document.
    pub acknowledged: BTreeMap<u64, u64>,
    /// Acknowledged writes.
    pub count: u64,
    /// Calls that failed in spite of the client's retries.
    pub errors: Vec<String>,
    /// Slowest acknowledged write of each shard: how long the shard could not be written, at most.
    pub slowest: BTreeMap<u32, Duration>,
}

impl Written {
    /// The longest time any shard could not be written.
    #[must_use]
    pub fn unavailable(&self) -> Duration {
        self.slowest.values().copied().max().unwrap_or_default()
    }
}

/// A running writer or reader.
pub struct Running<T> {
    stop: Arc<AtomicBool>,
    task: JoinHandle<T>,
}

impl<T> Running<T> {
    /// Ends it after the call it is in; gives what it saw.
    pub async fn stop(self) -> Option<T> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.ok()
    }
}

/// Name of a document of the drill.
#[must_use]
pub fn key(number: u64) -> String {
    format!("drill/{number:04}.xml")
}

fn text(value: u64) -> String {
    format!("<drill><value>{value}</value></drill>")
}

/// Writes growing values above `from` into documents that nobody else writes, by turns, until it is stopped.
#[must_use]
pub fn writer(client: Client, container: String, keys: Vec<u64>, from: u64) -> Running<Written> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        let mut seen = Written::default();
        let mut value = from;
        for number in keys.into_iter().cycle() {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            value += 1;
            let started = Instant::now();
            match client.put_document(&container, &key(number), text(value)).await {
                Ok(answer) => {
                    let took = started.elapsed();
                    seen.count += 1;
                    seen.acknowledged.insert(number, value);
                    let shard = answer.document.map_or(0, |document| document.shard);
                    let slowest = seen.slowest.entry(shard).or_default();
                    *slowest = took.max(*slowest);
                }
                Err(error) => seen.errors.push(error.to_string()),
            }
        }
        seen
    });
    Running { stop, task }
}

/// Reads documents strongly until it is stopped; gives the failures: a value that went back, or an error.
#[must_use]
pub fn reader(client: Client, container: String, keys: Vec<u64>) -> Running<Vec<String>> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        let (mut newest, mut failures) = (BTreeMap::new(), Vec::new());
        for number in keys.into_iter().cycle() {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            match read(&client, &container, number).await {
                Ok(Some(value)) => {
                    let known = newest.entry(number).or_insert(0);
                    if value < *known {
                        failures.push(format!("{} went back from {known} to {value}", key(number)));
                    }
                    *known = value.max(*known);
                }
                Ok(None) => {}
                Err(error) => failures.push(error),
            }
        }
        failures
    });
    Running { stop, task }
}

/// The value of a document, read strongly; `None` when there is none.
async fn read(client: &Client, container: &str, number: u64) -> Result<Option<u64>, String> {
    match client.get_document(container, &key(number), Consistency::Strong).await {
        Ok(answer) => {
            let content = String::from_utf8_lossy(&answer.content).into_owned();
            let value = content.split("<value>").nth(1).and_then(|rest| rest.split('<').next());
            value
                .and_then(|value| value.parse().ok())
                .map(Some)
                .ok_or_else(|| format!("not a drill document: {content}"))
        }
        Err(error) if error.code() == Some(phoenixmldb_client::Code::DocumentNotFound) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Acknowledged writes that a strong read does not show. A newer value may stand there: the last write of a writer can
/// have happened without its answer.
pub async fn lost(client: &Client, container: &str, acknowledged: &BTreeMap<u64, u64>) -> Result<u64, String> {
    let mut lost = 0;
    for (number, value) in acknowledged {
        let found = read(client, container, *number).await?;
        lost += u64::from(found.is_none_or(|found| found < *value));
    }
    Ok(lost)
}
