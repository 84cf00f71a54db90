//! What a data node tells of itself: its load for heartbeats, its metrics for a scrape.

use crate::census::Census;
use crate::limits::LOAD_WINDOW_MS;
use crate::meter::{Method, NodeMeter, QUERY_KINDS, Reading, SHARD_BOUNDS};
use crate::replicas::Replicas;
use crate::sliding::Sliding;
use parking_lot::Mutex;
use phoenixmldb_engine::RocksEngine;
use phoenixmldb_proto::admin::NodeLoad;
use phoenixmldb_proto::internal::{ContainerCount, GroupReport};
use phoenixmldb_raft::{LATENCY_BOUNDS_US, Latencies};
use phoenixmldb_shard::apply;
use phoenixmldb_store::keyspace::MetaTag;
use phoenixmldb_types::clock::Clock;
use phoenixmldb_types::exposition::{Buckets, Family, Labels};
use phoenixmldb_types::{GroupId, ShardId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const READS: [Method; 3] = [Method::Get, Method::Exists, Method::List];
const WRITES: [Method; 2] = [Method::Put, Method::Delete];

/// Where the figures come from.
pub struct Figures {
    pub(crate) meter: Arc<NodeMeter>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) census: Arc<Census>,
    pub(crate) engine: Arc<RocksEngine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) window: Mutex<Sliding<Reading>>,
}

/// Adds a histogram of durations, in seconds.
fn seconds(family: &mut Family, labels: Labels<'_>, read: &Latencies) {
    let bounds = LATENCY_BOUNDS_US.map(|us| us as f64 / 1e6);
    family.add_buckets(labels, Buckets { bounds: &bounds, counts: &read.counts, sum: read.sum_us as f64 / 1e6 });
}

fn number(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Figures {
    /// An empty window.
    pub(crate) fn window() -> Mutex<Sliding<Reading>> {
        Mutex::new(Sliding::new(Duration::from_millis(LOAD_WINDOW_MS)))
    }

    /// Load of the last [`LOAD_WINDOW_MS`], and of each shard here. Called once per heartbeat; what the process as a whole
    /// uses is for others to fill in.
    #[must_use]
    pub fn load(&self) -> (NodeLoad, BTreeMap<GroupId, GroupReport>) {
        let mut window = self.window.lock();
        window.push(self.clock.monotonic(), self.meter.read());
        let mut load = NodeLoad { data_bytes: self.engine.disk_bytes(), ..NodeLoad::default() };
        let mut rates: BTreeMap<ShardId, f64> = BTreeMap::new();
        if let Some(span) = window.span() {
            let rate = |methods: &[Method]| span.per_second(|reading| reading.together(methods).count());
            let ms = |methods: &[Method], share| {
                let recent = span.last.together(methods).since(&span.first.together(methods));
                if recent.count() == 0 { 0.0 } else { recent.quantile_us(share) as f64 / 1e3 }
            };
            load.reads_per_s = rate(&READS);
            load.writes_per_s = rate(&WRITES);
            load.queries_per_s = rate(&[Method::Query]);
            (load.read_p50_ms, load.read_p99_ms) = (ms(&READS, 0.5), ms(&READS, 0.99));
            (load.write_p50_ms, load.write_p99_ms) = (ms(&WRITES, 0.5), ms(&WRITES, 0.99));
            let of = |shard: ShardId| move |reading: &Reading| reading.shards.get(&shard).copied().unwrap_or(0);
            rates = span.last.shards.keys().map(|shard| (*shard, span.per_second(of(*shard)))).collect();
        }
        drop(window);
        let mut reports = BTreeMap::new();
        for shard in self.replicas.hosted() {
            let resolved = apply::timestamp(&*self.replicas.kv().snapshot(), shard, MetaTag::Resolved);
            let counts = self.census.of(shard).unwrap_or_default();
            let containers: Vec<ContainerCount> = counts
                .iter()
                .map(|(id, (documents, bytes))| ContainerCount { id: id.0, documents: *documents, bytes: *bytes })
                .collect();
            let (documents, bytes) =
                counts.values().fold((0, 0), |(d, b), (documents, bytes)| (d + documents, b + bytes));
            load.documents += documents;
            let report = GroupReport {
                documents,
                bytes,
                containers,
                resolved_timestamp: resolved.unwrap_or_default().0,
                requests_per_s: rates.get(&shard).copied().unwrap_or(0.0),
                ..GroupReport::default()
            };
            reports.insert(GroupId::shard(shard), report);
        }
        (load, reports)
    }

    /// Metrics of the data role.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let meter = &self.meter;
        let reading = meter.read();
        let refusals = meter.refusals();
        let mut handled = Family::counter(
            "phoenixmldb_grpc_server_handled_total",
            "Requests of clients to this node that have ended, by method and code.",
        );
        let mut took = Family::histogram("phoenixmldb_request_seconds", "Answered requests of clients, by method.");
        for method in Method::ALL {
            let read = &reading.requests[method as usize];
            handled.add(&[("method", method.name()), ("code", "OK")], read.count());
            seconds(&mut took, &[("method", method.name())], read);
        }
        let mut no_quorum = 0;
        for ((method, code), count) in &refusals {
            handled.add(&[("method", method.name()), ("code", code)], count);
            if *code == "NO_QUORUM" {
                no_quorum += count;
            }
        }
        let mut queries = Family::histogram(
            "phoenixmldb_query_seconds",
            "Queries that ended well, by the way they ran: by document, as an aggregate, or here over fetched documents.",
        );
        for (kind, read) in QUERY_KINDS.iter().zip(meter.queries()) {
            seconds(&mut queries, &[("kind", kind)], &read);
        }
        let (touched, sum) = meter.shards_touched();
        let touched = Family::histogram("phoenixmldb_query_shards_touched", "Shards that a query asked.").with_buckets(
            &[],
            Buckets { bounds: &SHARD_BOUNDS.map(|bound| bound as f64), counts: &touched, sum: sum as f64 },
        );
        let mut on_shard = Family::counter(
            "phoenixmldb_shard_requests_total",
            "Reads, writes and parts of queries on the replica here, by shard.",
        );
        for (shard, count) in &reading.shards {
            on_shard.add(&[("shard", &shard.to_string())], count);
        }
        let counter = |name, help, value: u64| Family::counter(name, help).with(&[], value);
        let gauge = |name, help, value: u64| Family::gauge(name, help).with(&[], value);
        let (waiting, open) = self.replicas.waiting();
        vec![
            handled,
            took,
            queries,
            touched,
            on_shard,
            counter(
                "phoenixmldb_rejected_no_quorum_total",
                "Requests refused because no quorum was within reach.",
                no_quorum,
            ),
            counter(
                "phoenixmldb_stale_reads_total",
                "Reads and queries served without a quorum, or as stale as asked.",
                number(&meter.stale_reads),
            ),
            counter(
                "phoenixmldb_partial_queries_total",
                "Queries answered without shards out of reach.",
                number(&meter.partial_queries),
            ),
            counter("phoenixmldb_fragments_total", "Parts of queries and scans begun here.", number(&meter.fragments)),
            gauge(
                "phoenixmldb_fragments_running",
                "Parts of queries and scans that run here.",
                number(&meter.fragments_running),
            ),
            counter(
                "phoenixmldb_fragments_cut_short_total",
                "Parts of queries and scans that ended early: out of time, or nobody wanted the result any more.",
                number(&meter.fragments_cut_short),
            ),
            counter(
                "phoenixmldb_fragment_documents_total",
                "Documents that parts of queries and scans looked at.",
                number(&meter.fragment_documents),
            ),
            counter(
                "phoenixmldb_rejected_shard_requests_total",
                "Requests of other clusters to the replicas here, refused.",
                number(&meter.strangers),
            ),
            counter(
                "phoenixmldb_clock_grants_total",
                "Times the clock group's leader here gave out timestamps.",
                number(&meter.clock_grants),
            ),
            counter(
                "phoenixmldb_clock_timestamps_total",
                "Timestamps the clock group's leader here gave out.",
                number(&meter.timestamps),
            ),
            gauge("phoenixmldb_latches_waiting", "Writes that wait for another write of the same document.", waiting),
            gauge("phoenixmldb_writes_in_flight", "Writes on the way through the shards led here.", open),
            gauge("phoenixmldb_data_bytes", "Files of the database with the documents.", self.engine.disk_bytes()),
        ]
    }
}
