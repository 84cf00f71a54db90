//! A simulated network and a simulated disk for logs, for tests of this crate and of those above it.
//!
//! ```text
//!  Groups 1 ─ transport ─► SimNetwork: cut? lost? twice? delay ─► Groups 2 ─► answer ─► cut? lost? delay ─► Groups 1
//!  Groups 1 ─► SimLog: readable at once, durable after a delay, or never when it crashes before
//! ```
//!
//! All chances come from one seed. What a network loses is never answered, as with a real one; the time limits of those
//! who wait are tested too. On a runtime with paused time, minutes of a cluster's life take a second.

use crate::groups::Groups;
use crate::limits::SNAPSHOT_IDLE_MS_MAX;
use crate::log_store::{Done, LogEngine, LogHead, LogOp, MemoryLog};
use crate::network::{Kind, Lane, Transport, TransportError};
use crate::snapshot::SnapshotReader;
use crate::type_config::Peer;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use phoenixmldb_types::GroupId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Makes the election timeouts drawn on this thread depend on `seed` alone. For runtimes of one thread.
pub fn seed_elections(seed: u64) {
    crate::runtime::seed(seed);
}

/// A sequence of numbers that depends on its seed alone (SplitMix64: Steele, Lea and Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.roll() % (to - from + 1)
    }

    /// True in `per_mille` of a thousand cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.roll() % 1000 < per_mille
    }
}

/// How a network treats messages that are not cut off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Shortest and longest time a message takes, in milliseconds.
    pub delay_ms: (u64, u64),
    /// Messages lost, of a thousand.
    pub loss_per_mille: u64,
    /// Requests delivered twice, of a thousand.
    pub twice_per_mille: u64,
}

/// A network between groups of one process.
pub struct SimNetwork {
    state: Mutex<NetworkState>,
}

struct NetworkState {
    nodes: BTreeMap<u64, Weak<Groups>>,
    cuts: BTreeSet<(u64, u64)>,
    weather: Weather,
    dice: Dice,
}

impl SimNetwork {
    /// A network without nodes, cuts or delays.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        let (nodes, cuts, weather) = Default::default();
        Arc::new(Self { state: Mutex::new(NetworkState { nodes, cuts, weather, dice: Dice::new(seed) }) })
    }

    /// The transport of the node `own`.
    #[must_use]
    pub fn transport(self: &Arc<Self>, cluster_id: &str, own: u64) -> Arc<dyn Transport> {
        Arc::new(SimTransport { network: self.clone(), cluster_id: cluster_id.to_owned(), own })
    }

    /// The node answers from now on; by the identity in its configuration.
    pub fn attach(&self, groups: &Arc<Groups>) {
        self.state.lock().nodes.insert(groups.config().own.raft_id, Arc::downgrade(groups));
    }

    /// The node's process is gone: connections to it are refused.
    pub fn detach(&self, node: u64) {
        self.state.lock().nodes.remove(&node);
    }

    /// Loses everything that `from` sends to `to`, also what is on its way, until healed.
    pub fn cut(&self, from: u64, to: u64) {
        self.state.lock().cuts.insert((from, to));
    }

    /// Cuts the nodes of `side` off from all others, in both directions.
    pub fn isolate(&self, side: &[u64]) {
        let mut state = self.state.lock();
        let others: Vec<u64> = state.nodes.keys().copied().filter(|node| !side.contains(node)).collect();
        for &inside in side {
            for &outside in &others {
                state.cuts.extend([(inside, outside), (outside, inside)]);
            }
        }
    }

    /// Ends all cuts.
    pub fn heal(&self) {
        self.state.lock().cuts.clear();
    }

    /// Changes delays and losses.
    pub fn set_weather(&self, weather: Weather) {
        self.state.lock().weather = weather;
    }

    /// One message on its way. Returns when it arrives, and never when it is lost.
    pub async fn travel(&self, from: u64, to: u64) {
        let delay = {
            let mut state = self.state.lock();
            let weather = state.weather;
            let lost = state.dice.chance(weather.loss_per_mille);
            let delay = state.dice.between(weather.delay_ms.0, weather.delay_ms.1);
            (!lost && !state.cuts.contains(&(from, to))).then_some(delay)
        };
        match delay {
            Some(0) => {}
            Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => return std::future::pending().await,
        }
        let cut = self.state.lock().cuts.contains(&(from, to));
        if cut {
            std::future::pending().await
        }
    }

    fn node(&self, peer: &Peer) -> Result<Arc<Groups>, TransportError> {
        let node = self.state.lock().nodes.get(&peer.raft_id).and_then(Weak::upgrade);
        let gone = || TransportError::Unreachable { peer: peer.to_string(), reason: "no such process".to_owned() };
        node.ok_or_else(gone)
    }

    /// The delay after which a request arrives a second time, for those that do.
    fn again(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        let weather = state.weather;
        let twice = state.dice.chance(weather.twice_per_mille);
        let delay = state.dice.between(0, weather.delay_ms.1 * 10);
        twice.then(|| Duration::from_millis(delay))
    }
}

struct SimTransport {
    network: Arc<SimNetwork>,
    cluster_id: String,
    own: u64,
}

impl SimTransport {
    fn refused(peer: &Peer, reason: impl ToString) -> TransportError {
        TransportError::Refused { peer: peer.to_string(), reason: reason.to_string() }
    }
}

#[async_trait]
impl Transport for SimTransport {
    async fn call(
        &self,
        peer: &Peer,
        _lane: Lane,
        group: GroupId,
        kind: Kind,
        body: Bytes,
    ) -> Result<Bytes, TransportError> {
        self.network.travel(self.own, peer.raft_id).await;
        let node = self.network.node(peer)?;
        let (runtime, to, cluster_id) = (node.config().runtime.clone(), peer.raft_id, self.cluster_id.clone());
        if let Some(delay) = self.network.again() {
            let (node, body, cluster_id) = (node.clone(), body.clone(), cluster_id.clone());
            runtime.spawn(async move {
                tokio::time::sleep(delay).await;
                drop(node.receive(&cluster_id, to, group, kind, &body).await);
            });
        }
        // What has arrived is carried out, also when the sender stops waiting.
        let answer = runtime.spawn(async move { node.receive(&cluster_id, to, group, kind, &body).await });
        let answer = answer.await.map_err(|error| Self::refused(peer, error))?;
        self.network.travel(peer.raft_id, self.own).await;
        answer.map_err(|reason| Self::refused(peer, reason))
    }

    async fn send_snapshot(
        &self,
        peer: &Peer,
        group: GroupId,
        vote: Bytes,
        meta: Bytes,
        mut chunks: Box<dyn SnapshotReader>,
    ) -> Result<Bytes, TransportError> {
        let idle = Duration::from_millis(SNAPSHOT_IDLE_MS_MAX);
        let node = self.network.node(peer)?;
        let mut spool = node.spool().map_err(|error| Self::refused(peer, error))?;
        let (mut total, mut count) = (Xxh3::new(), 0);
        while let Some(chunk) = chunks.next_chunk().map_err(|fault| Self::refused(peer, fault))? {
            let arrival = tokio::time::timeout(idle, self.network.travel(self.own, peer.raft_id)).await;
            arrival.map_err(|_| Self::refused(peer, "it takes no more chunks"))?;
            self.network.node(peer)?;
            spool.push(&chunk, xxh3_64(&chunk)).map_err(|error| Self::refused(peer, error))?;
            total.update(&chunk);
            count += 1;
        }
        let chunks = spool.finish(count, total.digest()).map_err(|error| Self::refused(peer, error))?;
        let (runtime, to, cluster_id) = (node.config().runtime.clone(), peer.raft_id, self.cluster_id.clone());
        let install = async move { node.receive_snapshot(&cluster_id, to, group, &vote, &meta, chunks).await };
        let answer = runtime.spawn(install).await.map_err(|error| Self::refused(peer, error))?;
        self.network.travel(peer.raft_id, self.own).await;
        answer.map_err(|reason| Self::refused(peer, reason))
    }
}

/// A log on a simulated disk: written at once, durable later, and cut back by a crash.
#[derive(Clone)]
pub struct SimLog {
    disk: Arc<Mutex<Disk>>,
    work: Arc<Notify>,
}

struct Disk {
    /// What a reader sees.
    volatile: MemoryLog,
    /// What survives a crash.
    durable: MemoryLog,
    /// What is only in the first, in order.
    unsynced: VecDeque<(GroupId, LogOp, Done)>,
    powered: bool,
    sync_ms: (u64, u64),
    dice: Dice,
}

impl SimLog {
    /// An empty log whose syncs take from `sync_ms.0` to `sync_ms.1` milliseconds. Has to be called on a runtime.
    #[must_use]
    pub fn new(seed: u64, sync_ms: (u64, u64)) -> Self {
        let (volatile, durable, unsynced) = Default::default();
        let disk = Disk { volatile, durable, unsynced, powered: true, sync_ms, dice: Dice::new(seed) };
        let log = Self { disk: Arc::new(Mutex::new(disk)), work: Arc::default() };
        tokio::spawn(sync_for_ever(Arc::downgrade(&log.disk), log.work.clone()));
        log
    }

    /// Cuts the power: of what is not durable, a prefix of a random length survives, and nobody is told. Everything
    /// submitted afterwards fails, until [`SimLog::power_on`].
    pub fn crash(&self) {
        let mut disk = self.disk.lock();
        disk.powered = false;
        let unsynced = std::mem::take(&mut disk.unsynced);
        let survive = disk.dice.between(0, unsynced.len() as u64) as usize;
        let mut forgotten = Vec::new();
        for (nth, (group, op, done)) in unsynced.into_iter().enumerate() {
            if nth < survive {
                disk.durable.carry_out(group, op);
            }
            forgotten.push(done);
        }
        disk.volatile = disk.durable.copy();
        drop(disk);
        // A dropped callback may wake whoever waits for it.
        drop(forgotten);
    }

    /// Changes how long syncs take, in milliseconds.
    pub fn set_sync_ms(&self, sync_ms: (u64, u64)) {
        self.disk.lock().sync_ms = sync_ms;
    }

    /// Takes operations again.
    pub fn power_on(&self) {
        self.disk.lock().powered = true;
    }
}

async fn sync_for_ever(disk: Weak<Mutex<Disk>>, work: Arc<Notify>) {
    loop {
        work.notified().await;
        let Some((delay, waiting)) = disk.upgrade().map(|disk| {
            let mut disk = disk.lock();
            let (from, to) = disk.sync_ms;
            (disk.dice.between(from, to), disk.unsynced.len())
        }) else {
            return;
        };
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let Some(disk) = disk.upgrade() else { return };
        let mut synced = Vec::new();
        {
            let mut disk = disk.lock();
            for _ in 0..waiting.min(disk.unsynced.len()) {
                let Some((group, op, done)) = disk.unsynced.pop_front() else { break };
                disk.durable.carry_out(group, op);
                synced.push(done);
            }
            if !disk.unsynced.is_empty() {
                work.notify_one();
            }
        }
        synced.into_iter().for_each(|done| done(Ok(())));
    }
}

impl LogEngine for SimLog {
    fn head(&self, group: GroupId) -> io::Result<LogHead> {
        self.disk.lock().volatile.head(group)
    }

    fn read(&self, group: GroupId, from: u64, to: u64) -> io::Result<Vec<(u64, Bytes)>> {
        self.disk.lock().volatile.read(group, from, to)
    }

    fn submit(&self, group: GroupId, op: LogOp, done: Done) {
        let mut disk = self.disk.lock();
        if disk.powered {
            disk.volatile.carry_out(group, op.clone());
            disk.unsynced.push_back((group, op, done));
            self.work.notify_one();
        } else {
            drop(disk);
            done(Err(io::Error::other("the power is off")));
        }
    }

    fn remove(&self, group: GroupId) -> io::Result<()> {
        let disk = self.disk.lock();
        disk.volatile.remove(group)?;
        disk.durable.remove(group)
    }

    fn groups(&self) -> io::Result<Vec<GroupId>> {
        self.disk.lock().volatile.groups()
    }
}
