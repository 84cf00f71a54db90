//! The borders of a simulated node: its way to other nodes' replicas and to the clock group, and its clock.
//!
//! A message takes the network's time and chances in both directions. What has arrived is carried out, also when the
//! sender has stopped waiting. A sender waits at most its limit, as it would for a connection that says nothing.

use crate::world::{Running, World};
use async_trait::async_trait;
use futures::StreamExt;
use parking_lot::Mutex;
use phoenixmldb_coordinator::transport::{DocumentStream, FragmentRequest, FragmentStream, Served, ShardPage, Stored};
use phoenixmldb_coordinator::{Read, ShardTransport, TransportError};
use phoenixmldb_node::replicas::Replicas;
use phoenixmldb_node::timestamps::{ClockSource, Timestamps};
use phoenixmldb_shard::{Outcome, ShardCommand};
use phoenixmldb_store::EncodedDocument;
use phoenixmldb_types::clock::Clock;
use phoenixmldb_types::{ContainerId, DocumentName, MapNode, NodeName, ShardId, Timestamp};
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// Longest wait for an answer of the clock group's members, in milliseconds; as a node's.
const GRANT_WAIT_MS: u64 = 600;

/// A wall clock that follows simulated time from 2026 on, and can be wrong.
pub struct SimClock {
    started: tokio::time::Instant,
    offset_ms: AtomicI64,
}

impl Default for SimClock {
    fn default() -> Self {
        Self { started: tokio::time::Instant::now(), offset_ms: AtomicI64::new(0) }
    }
}

impl SimClock {
    /// Makes it wrong by this much from now on.
    pub fn jump(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> u64 {
        let right = 1_770_000_000_000 + u64::try_from(self.monotonic().as_millis()).unwrap_or(u64::MAX);
        right.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// One node's way to the others.
#[derive(Clone)]
pub struct Links {
    world: Weak<World>,
    own: NodeName,
    address: u64,
    local: Arc<Replicas>,
    timestamps: Arc<OnceLock<Timestamps>>,
}

impl Links {
    /// The links of a node. They carry nothing until [`Links::start`].
    #[must_use]
    pub fn new(world: Weak<World>, own: NodeName, address: u64, local: Arc<Replicas>) -> Self {
        Self { world, own, address, local, timestamps: Arc::default() }
    }

    /// Gives the node its timestamps, which come over these links.
    #[must_use]
    pub fn start(&self) -> Timestamps {
        let begin = || Timestamps::start(self.clock(), &tokio::runtime::Handle::current());
        self.timestamps.get_or_init(begin).clone()
    }

    fn clock(&self) -> Arc<dyn ClockSource> {
        Arc::new(ClockLinks { links: self.clone(), leader: Mutex::new(None) })
    }

    fn timestamps(&self) -> &Timestamps {
        self.timestamps.get().expect("nothing is sent before the node has its timestamps")
    }

    /// Asks the replicas of a node, over the network when it is another one.
    async fn ask<T, F, Fut>(&self, node: &NodeName, limit: Duration, work: F) -> Result<T, TransportError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Replicas>, Timestamps) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, TransportError>> + Send + 'static,
    {
        let gone = |what: &str| TransportError::Unreachable(what.to_owned());
        let lost = |what: &str| TransportError::Lost(what.to_owned());
        let round_trip = async {
            if *node == self.own {
                return work(self.local.clone(), self.timestamps().clone()).await;
            }
            let world = self.world.upgrade().ok_or_else(|| gone("the simulation is over"))?;
            let address = world.address(node);
            world.network.travel(self.address, address).await;
            let there: Arc<Running> = world.running_named(node).ok_or_else(|| gone("connection refused"))?;
            let arrived = tokio::spawn(work(there.replicas.clone(), there.timestamps.clone()));
            drop(there);
            let answer = arrived.await.map_err(|error| lost(&error.to_string()))?;
            world.network.travel(address, self.address).await;
            answer
        };
        tokio::time::timeout(limit, round_trip).await.unwrap_or_else(|_| Err(lost("no answer in time")))
    }
}

#[async_trait]
impl ShardTransport for Links {
    async fn write(
        &self,
        node: &MapNode,
        shard: ShardId,
        command: &ShardCommand,
        limit: Duration,
    ) -> Result<Outcome, TransportError> {
        let command = command.clone();
        let write =
            move |replicas: Arc<Replicas>, timestamps| async move { replicas.write(shard, command, &timestamps).await };
        self.ask(&node.name, limit, write).await
    }

    async fn get(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        name: &DocumentName,
        read: Read,
        with_content: bool,
        limit: Duration,
    ) -> Result<(Option<(Stored, Option<EncodedDocument>)>, Served), TransportError> {
        let name = name.clone();
        let get = move |replicas: Arc<Replicas>, _| async move {
            replicas.get(shard, container, &name, read, with_content).await
        };
        self.ask(&node.name, limit, get).await
    }

    async fn list(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        prefix: &str,
        after: Option<&str>,
        count: u32,
        read: Read,
        limit: Duration,
    ) -> Result<ShardPage, TransportError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let list = move |replicas: Arc<Replicas>, _| async move {
            replicas.list(shard, container, &prefix, after.as_deref(), count, read).await
        };
        self.ask(&node.name, limit, list).await
    }

    async fn count(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        limit: Duration,
    ) -> Result<(u64, u64), TransportError> {
        let count = move |replicas: Arc<Replicas>, _| async move { replicas.count(shard, container).await };
        self.ask(&node.name, limit, count).await
    }

    async fn fragment(
        &self,
        node: &MapNode,
        shard: ShardId,
        request: Arc<FragmentRequest>,
        limit: Duration,
    ) -> Result<FragmentStream, TransportError> {
        let run = move |replicas: Arc<Replicas>, _| async move { replicas.fragment(shard, request, limit).await };
        Ok(self.ask(&node.name, limit, run).await?.boxed())
    }

    async fn scan(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        read: Read,
        limit: Duration,
    ) -> Result<DocumentStream, TransportError> {
        let scan = move |replicas: Arc<Replicas>, _| async move { replicas.scan(shard, container, read).await };
        Ok(self.ask(&node.name, limit, scan).await?.boxed())
    }

    async fn resolved(&self, node: &MapNode, shard: ShardId, limit: Duration) -> Result<Served, TransportError> {
        let resolved = move |replicas: Arc<Replicas>, _| async move { replicas.resolved(shard) };
        self.ask(&node.name, limit, resolved).await
    }

    async fn timestamp(&self, limit: Duration) -> Result<Timestamp, String> {
        let next = tokio::time::timeout(limit, self.timestamps().next()).await;
        next.unwrap_or_else(|_| Err("the clock group gave no timestamp in time".to_owned()))
    }
}

struct ClockLinks {
    links: Links,
    leader: Mutex<Option<NodeName>>,
}

#[async_trait]
impl ClockSource for ClockLinks {
    async fn grant(&self, count: u32) -> Result<Timestamp, String> {
        let Some(world) = self.links.world.upgrade() else { return Err("the simulation is over".to_owned()) };
        let map = world.map();
        let hint = self.leader.lock().clone();
        let mut nodes: Vec<NodeName> = map.shards.clock.iter().map(|replica| replica.node.clone()).collect();
        nodes.sort_by_key(|node| Some(node) != hint.as_ref());
        let mut tried = Vec::new();
        for node in nodes {
            let limit = Duration::from_millis(GRANT_WAIT_MS);
            let grant = move |replicas: Arc<Replicas>, _: Timestamps| async move { replicas.grant(count).await };
            match self.links.ask(&node, limit, grant).await {
                Ok(first) => {
                    *self.leader.lock() = Some(node);
                    return Ok(first);
                }
                Err(error) => tried.push(format!("{node}: {error}")),
            }
        }
        *self.leader.lock() = None;
        Err(tried.join("; "))
    }
}
