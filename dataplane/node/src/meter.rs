//! What this node counts: requests of clients, queries, the work on its replicas. Recording is a few atomic additions.
//!
//! A request is counted once, by the node that the client asked; the work on a shard is counted by the node that did it.

use parking_lot::{Mutex, RwLock};
use phoenixmldb_coordinator::Summary;
use phoenixmldb_proto::PublicError;
use phoenixmldb_raft::{Histogram, Latencies};
use phoenixmldb_types::ShardId;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tonic::{Response, Status};

/// What a client asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Method {
    /// `PutDocument`.
    Put,
    /// `GetDocument`.
    Get,
    /// `DocumentExists`.
    Exists,
    /// `DeleteDocument`.
    Delete,
    /// `ListDocuments`.
    List,
    /// `Execute`, until its stream ends.
    Query,
    /// `Explain`.
    Explain,
    /// Any call about containers.
    Container,
}

impl Method {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] =
        [Self::Put, Self::Get, Self::Exists, Self::Delete, Self::List, Self::Query, Self::Explain, Self::Container];

    /// The label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Exists => "exists",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Query => "query",
            Self::Explain => "explain",
            Self::Container => "container",
        }
    }
}

/// Ways a query can run, as [`Summary::kind`] names them.
pub const QUERY_KINDS: [&str; 3] = ["document", "aggregate", "here"];

/// Upper bounds of the number of shards that a query touched.
pub const SHARD_BOUNDS: [u64; 7] = [0, 1, 4, 16, 64, 256, 1_024];

/// The counters of a node.
#[derive(Debug, Default)]
pub struct NodeMeter {
    requests: [Histogram; Method::ALL.len()],
    refused: Mutex<BTreeMap<(Method, &'static str), u64>>,
    queries: [Histogram; QUERY_KINDS.len()],
    shards_touched: [AtomicU64; SHARD_BOUNDS.len() + 1],
    shards_touched_sum: AtomicU64,
    pub(crate) stale_reads: AtomicU64,
    pub(crate) partial_queries: AtomicU64,
    pub(crate) strangers: AtomicU64,
    pub(crate) clock_grants: AtomicU64,
    pub(crate) timestamps: AtomicU64,
    pub(crate) fragments: AtomicU64,
    pub(crate) fragments_running: AtomicU64,
    pub(crate) fragments_cut_short: AtomicU64,
    pub(crate) fragment_documents: AtomicU64,
    shards: RwLock<BTreeMap<ShardId, Arc<AtomicU64>>>,
}

/// The numbers of one moment.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Answered requests by method, in the order of [`Method::ALL`].
    pub requests: [Latencies; Method::ALL.len()],
    /// Requests on the replicas here, by shard.
    pub shards: BTreeMap<ShardId, u64>,
}

/// A number that is one higher while this lives.
pub(crate) struct Running {
    meter: Arc<NodeMeter>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.meter.fragments_running.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl NodeMeter {
    /// Counts a request and how long it took.
    pub(crate) async fn observe<T>(
        &self,
        method: Method,
        work: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Response<T>, Status> {
        let begun = tokio::time::Instant::now();
        let result = work.await;
        match &result {
            Ok(_) => self.answered(method, begun.elapsed()),
            Err(status) => self.refused(method, status),
        }
        result
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, method: Method, took: Duration) {
        self.requests[method as usize].record(took);
    }

    /// Counts a refused request.
    pub(crate) fn refused(&self, method: Method, status: &Status) {
        *self.refused.lock().entry((method, PublicError::from(status).code.name())).or_default() += 1;
    }

    /// Counts a query that has ended well.
    pub(crate) fn queried(&self, summary: &Summary) {
        if let Some(kind) = QUERY_KINDS.iter().position(|kind| *kind == summary.kind) {
            self.queries[kind].record(Duration::from_micros(summary.elapsed_us));
        }
        let touched = u64::from(summary.shards_queried);
        one(&self.shards_touched[SHARD_BOUNDS.partition_point(|bound| *bound < touched)]);
        self.shards_touched_sum.fetch_add(touched, Ordering::Relaxed);
        if !summary.missing.is_empty() {
            one(&self.partial_queries);
        }
        if summary.served.stale {
            one(&self.stale_reads);
        }
    }

    /// Counts a fragment or scan that begins; it runs as long as what is returned lives.
    pub(crate) fn fragment(self: &Arc<Self>) -> Running {
        one(&self.fragments);
        self.fragments_running.fetch_add(1, Ordering::Relaxed);
        Running { meter: self.clone() }
    }

    /// Counts a request on a replica.
    pub(crate) fn on_shard(&self, shard: ShardId) {
        if let Some(counter) = self.shards.read().get(&shard) {
            return one(counter);
        }
        one(self.shards.write().entry(shard).or_default());
    }

    /// The numbers now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let shards = self.shards.read();
        Reading {
            requests: std::array::from_fn(|method| self.requests[method].read()),
            shards: shards.iter().map(|(shard, count)| (*shard, count.load(Ordering::Relaxed))).collect(),
        }
    }

    /// Refused requests by method and code.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<(Method, &'static str), u64> {
        self.refused.lock().clone()
    }

    /// Queries that ended well, in the order of [`QUERY_KINDS`].
    #[must_use]
    pub fn queries(&self) -> [Latencies; QUERY_KINDS.len()] {
        std::array::from_fn(|kind| self.queries[kind].read())
    }

    /// Queries by the number of shards they touched, in the buckets of [`SHARD_BOUNDS`]; and the sum of those numbers.
    #[must_use]
    pub fn shards_touched(&self) -> ([u64; SHARD_BOUNDS.len() + 1], u64) {
        let counts = std::array::from_fn(|bucket| self.shards_touched[bucket].load(Ordering::Relaxed));
        (counts, self.shards_touched_sum.load(Ordering::Relaxed))
    }
}

impl Reading {
    /// Several methods as one.
    #[must_use]
    pub fn together(&self, methods: &[Method]) -> Latencies {
        methods.iter().fold(Latencies::default(), |sum, method| sum.plus(&self.requests[*method as usize]))
    }
}
