//! The generator: a number of clients, each with one call at a time, for a length of time.
//!
//! A measurement has a lead-in with the same load, so that connections are open and caches warm. A call counts when it
//! began and ended within the measured time. Every put is of a new document; gets are of documents that were put before,
//! in an order that touches all of them.

use crate::machine::{cpu_us, own_cpu_us};
use anyhow::{Result, ensure};
use bytes::Bytes;
use phoenixmldb_cli::demo::orders;
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Different texts that are put; the name of each put is another one.
const TEXTS: u32 = 1_000;

/// Load before the measured time.
const LEAD_IN: Duration = Duration::from_millis(500);

/// A step through the documents that is prime to their number, unless that is a multiple of it.
const STRIDE: u32 = 7_919;

/// A system under test, running.
pub(crate) trait System: Sized + Send + Sync + 'static {
    /// As on the command line and in the report.
    const NAME: &'static str;

    /// Starts three nodes with their data in `folder` and waits until they serve.
    fn start(folder: &Path) -> impl Future<Output = Result<Self>>;

    /// Processes of the servers.
    fn pids(&self) -> Vec<u32>;

    /// Makes calls.
    type Caller: Caller;

    /// A caller over the system's connections.
    fn caller(&self) -> Self::Caller;

    /// Stops all nodes.
    fn stop(self) -> Result<()>;
}

/// Puts and gets documents, over connections shared by all clones.
pub(crate) trait Caller: Clone + Send + Sync + 'static {
    /// Stores a new document; it is durable on a majority when this returns.
    fn put(&self, name: String, text: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Reads a document, seeing every put that has returned before; gives the size of its text.
    fn get(&self, name: String) -> impl Future<Output = Result<usize>> + Send;
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    /// Durable puts of new documents.
    Put,
    /// Strong, or linearizable, gets.
    Get,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "put",
            Self::Get => "get",
        })
    }
}

/// One measurement.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// Calls that counted.
    pub(crate) calls: usize,
    /// Calls per second.
    pub(crate) per_second: f64,
    /// Median time to answer, in microseconds.
    pub(crate) p50_us: u32,
    /// 99th percentile, in microseconds.
    pub(crate) p99_us: u32,
    /// CPU time of all servers per call, in microseconds.
    pub(crate) server_cpu_us: f64,
    /// CPU time of the generator per call, in microseconds.
    pub(crate) client_cpu_us: f64,
}

/// Mean size of the texts, in bytes.
pub(crate) fn mean_bytes() -> usize {
    (0..TEXTS).map(|number| orders::order(number).0.len()).sum::<usize>() / TEXTS as usize
}

/// Measures one operation. Error: a call failed, or nothing was measured.
pub(crate) async fn run<S: System>(
    system: &S,
    operation: Operation,
    clients: usize,
    length: Duration,
) -> Result<Sample> {
    let texts: Arc<Vec<Bytes>> = Arc::new((0..TEXTS).map(|number| orders::order(number).0.into()).collect());
    let caller = system.caller();
    if operation == Operation::Get {
        // The puts of the lead-in alone are more than these.
        for number in 0..TEXTS {
            caller.put(orders::name(number), texts[number as usize].clone()).await?;
        }
    }
    let begin = Instant::now() + LEAD_IN;
    let end = begin + length;
    let turn = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (caller, texts, turn) = (caller.clone(), texts.clone(), turn.clone());
            tokio::spawn(async move {
                let mut took = Vec::new();
                loop {
                    let begun = Instant::now();
                    if begun >= end {
                        return Ok::<Vec<u32>, anyhow::Error>(took);
                    }
                    let number = turn.fetch_add(1, Ordering::Relaxed);
                    match operation {
                        Operation::Put => {
                            // Behind the documents that the gets read.
                            let name = orders::name(TEXTS + number);
                            caller.put(name, texts[(number % TEXTS) as usize].clone()).await?;
                        }
                        Operation::Get => {
                            let number = number.wrapping_mul(STRIDE) % TEXTS;
                            let bytes = caller.get(orders::name(number)).await?;
                            ensure!(bytes == texts[number as usize].len(), "a get gave another document");
                        }
                    }
                    let ended = Instant::now();
                    if begun >= begin && ended <= end {
                        took.push(u32::try_from((ended - begun).as_micros()).unwrap_or(u32::MAX));
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep_until(begin).await;
    let pids = system.pids();
    let (servers, own) = (cpu_us(&pids)?, own_cpu_us()?);
    tokio::time::sleep_until(end).await;
    let (servers, own) = (cpu_us(&pids)? - servers, own_cpu_us()? - own);
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await??);
    }
    took.sort_unstable();
    ensure!(!took.is_empty(), "no call ended within {length:?}");
    let calls = took.len();
    Ok(Sample {
        calls,
        per_second: calls as f64 / length.as_secs_f64(),
        p50_us: took[calls / 2],
        p99_us: took[calls * 99 / 100],
        server_cpu_us: servers as f64 / calls as f64,
        client_cpu_us: own as f64 / calls as f64,
    })
}
