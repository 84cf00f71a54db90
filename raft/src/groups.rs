//! All groups hosted by this process.

use crate::error::{GroupError, StateFault};
use crate::group::RaftGroup;
use crate::limits::{APPEND_ENTRIES_MAX, SNAPSHOT_TRANSFER_MS_MAX, SNAPSHOTS_ARRIVING_MAX, TICK_MS};
use crate::log_store::{LogEngine, LogMetrics, LogStore};
use crate::machine::{Machine, ReplicatedState};
use crate::meter::{GroupMeter, Histogram, Latencies, PeerTraffic};
use crate::network::{Network, Transport};
use crate::type_config::Peer;
use openraft::{Config, SnapshotPolicy};
use parking_lot::RwLock;
use phoenixmldb_types::GroupId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How fast a group notices a lost leader. The page's defaults; longer ones for slow networks and starved machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Shortest election timeout, in milliseconds.
    pub election_timeout_min_ms: u64,
    /// Longest election timeout, in milliseconds.
    pub election_timeout_max_ms: u64,
    /// Time between heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { election_timeout_min_ms: 150, election_timeout_max_ms: 300, heartbeat_ms: 50 }
    }
}

/// Called once when a group of this process can no longer go on; the process should exit non-zero.
pub type OnFatal = Arc<dyn Fn(GroupId, String) + Send + Sync>;

/// What all groups of a process share.
#[derive(Clone)]
pub struct GroupsConfig {
    /// This process as a member: its identity, name and advertised peer address.
    pub own: Peer,
    /// Carried by every message; a stranger's message is refused and counted.
    pub cluster_id: String,
    /// Election timing.
    pub timing: Timing,
    /// Applied entries between two snapshots of a group.
    pub snapshot_threshold: u64,
    /// Most log entries kept.
    pub max_log_entries: u64,
    /// Runtime of all Raft tasks; heartbeats must not wait for anything else.
    pub runtime: tokio::runtime::Handle,
    /// What to do when a group stops by itself.
    pub on_fatal: OnFatal,
}

/// The groups of this process.
pub struct Groups {
    config: GroupsConfig,
    engine: Arc<dyn LogEngine>,
    transport: Arc<dyn Transport>,
    open: RwLock<BTreeMap<GroupId, RaftGroup>>,
    /// One group is opened at a time, so that none is opened twice on the same log.
    opening: tokio::sync::Mutex<()>,
    /// Places for arriving snapshots.
    pub(crate) arriving: Arc<tokio::sync::Semaphore>,
    rejected: AtomicU64,
    lateness: Histogram,
    closed: tokio::sync::watch::Sender<bool>,
}

impl Groups {
    /// No group yet.
    #[must_use]
    pub fn new(config: GroupsConfig, engine: Arc<dyn LogEngine>, transport: Arc<dyn Transport>) -> Arc<Self> {
        let groups = Arc::new(Self {
            config,
            engine,
            transport,
            open: RwLock::default(),
            opening: tokio::sync::Mutex::default(),
            arriving: Arc::new(tokio::sync::Semaphore::new(SNAPSHOTS_ARRIVING_MAX)),
            rejected: AtomicU64::new(0),
            lateness: Histogram::default(),
            closed: tokio::sync::watch::Sender::new(false),
        });
        groups.config.runtime.spawn(watch_lateness(Arc::downgrade(&groups)));
        groups
    }

    /// What they share.
    #[must_use]
    pub fn config(&self) -> &GroupsConfig {
        &self.config
    }

    /// Opens a group with the state that was stored, or an empty one. Opening an open group returns it.
    ///
    /// Errors: the log or the state cannot be read; the process should stop.
    pub async fn open(&self, id: GroupId, state: Box<dyn ReplicatedState>) -> Result<RaftGroup, StateFault> {
        let _one_at_a_time = self.opening.lock().await;
        if let Some(group) = self.get(id) {
            return Ok(group);
        }
        let fault = |error: &dyn std::fmt::Display| StateFault::new(format!("opening group {id}"), error);
        let timing = self.config.timing;
        let config = Arc::new(self.raft_config().validate().map_err(|error| fault(&error))?);
        let meter = Arc::new(GroupMeter::default());
        let log = LogStore::open(self.engine.clone(), id, meter.clone()).map_err(|error| fault(&error))?;
        let machine = Machine::open(state, meter.clone()).map_err(|error| fault(&error))?;
        let own_id = self.config.own.raft_id;
        let timeout = Duration::from_millis(timing.election_timeout_max_ms);
        let network = Network {
            group: id,
            own_id,
            transport: self.transport.clone(),
            append_ttl: timeout * 2,
            // A heartbeat tells it as well.
            sends: Arc::default(),
            meter,
        };
        // The core's tasks belong to the Raft runtime, whoever opens the group.
        let (links, state) = (network.clone(), machine.clone());
        let start = async move { openraft::Raft::new(own_id, config, links, log, state).await };
        let raft = self.config.runtime.spawn(start).await.map_err(|error| fault(&error))?;
        let raft = raft.map_err(|error| fault(&error))?;
        machine.started();
        let group = RaftGroup::new(&network, self.config.own.clone(), raft, timeout);
        self.open.write().insert(id, group.clone());
        let (tended, on_fatal) = (group.clone(), self.config.on_fatal.clone());
        let keep = self.config.max_log_entries.saturating_sub(self.config.snapshot_threshold);
        self.config.runtime.spawn(async move {
            if let Some(reason) = tended.tend(keep).await {
                tracing::error!(group = %id, reason, "the group has stopped by itself");
                on_fatal(id, reason);
            }
        });
        Ok(group)
    }

    /// openraft's settings of every group.
    fn raft_config(&self) -> Config {
        let timing = self.config.timing;
        Config {
            cluster_name: self.config.cluster_id.clone(),
            election_timeout_min: timing.election_timeout_min_ms,
            election_timeout_max: timing.election_timeout_max_ms,
            heartbeat_interval: timing.heartbeat_ms,
            install_snapshot_timeout: SNAPSHOT_TRANSFER_MS_MAX,
            max_payload_entries: APPEND_ENTRIES_MAX,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.config.snapshot_threshold),
            // Purging is decided in `tend`.
            max_in_snapshot_log_to_keep: u64::MAX,
            replication_lag_threshold: self.config.max_log_entries,
            enable_pre_vote: Some(true),
            // Followers that hear a leader's heartbeats do not elect another, even when it cannot hear them: such a
            // leader has to fall silent. The shortest time allowed: its lease and one election.
            quorum_loss_probe_interval: Some(timing.election_timeout_max_ms * 2),
            // A restarted leader could otherwise serve a half-restored state (openraft#1511).
            enable_leader_restore: Some(false),
            ..Config::default()
        }
    }

    pub(crate) fn engine(&self) -> &dyn LogEngine {
        &*self.engine
    }

    /// What the log engine of all groups has done.
    #[must_use]
    pub fn log_metrics(&self) -> LogMetrics {
        self.engine.metrics()
    }

    /// What was sent to each peer.
    #[must_use]
    pub fn traffic(&self) -> Vec<PeerTraffic> {
        self.transport.traffic()
    }

    /// How late the Raft runtime runs its timers. Beyond a quarter of the election timeout, elections are near.
    #[must_use]
    pub fn lateness(&self) -> Latencies {
        self.lateness.read()
    }

    /// The group, if it is open here.
    #[must_use]
    pub fn get(&self, id: GroupId) -> Option<RaftGroup> {
        self.open.read().get(&id).cloned()
    }

    /// All open groups.
    #[must_use]
    pub fn all(&self) -> Vec<RaftGroup> {
        self.open.read().values().cloned().collect()
    }

    /// Groups that have a log on this disk, open or not.
    pub fn stored(&self) -> Result<Vec<GroupId>, StateFault> {
        self.engine.groups().map_err(|error| StateFault::new("listing the stored groups", error))
    }

    /// Stops a group and forgets its log. Its state is the caller's.
    pub async fn remove(&self, id: GroupId) -> Result<(), GroupError> {
        let group = self.open.write().remove(&id);
        if let Some(group) = group {
            group.shutdown().await;
        }
        self.engine.remove(id).map_err(|error| GroupError::Stopped { reason: error.to_string() })
    }

    /// Stops all groups and ends the peers' streams, so that they connect to whoever comes next.
    pub async fn shutdown(&self) {
        self.closed.send_replace(true);
        let groups = std::mem::take(&mut *self.open.write());
        futures::future::join_all(groups.values().map(RaftGroup::shutdown)).await;
    }

    /// Messages refused because they belong to another cluster or another identity.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Waits until [`Groups::shutdown`] is called. Cancel safe.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender lives as long as `self`.
        drop(closed.wait_for(|closed| *closed).await);
    }

    /// Checks who a message is from and for. Error: the reason of the refusal.
    pub(crate) fn admit(&self, cluster_id: &str, to: u64) -> Result<(), String> {
        let reason = if cluster_id != self.config.cluster_id {
            format!(
                "cluster id mismatch: this node belongs to {:?}, the message to {cluster_id:?}",
                self.config.cluster_id
            )
        } else if to != self.config.own.raft_id {
            format!("this is {}, not the identity {to:016x} the message is for", self.config.own.name)
        } else {
            return Ok(());
        };
        self.rejected.fetch_add(1, Ordering::Relaxed);
        Err(reason)
    }
}

/// Measures by how much a timer on the Raft runtime is late, until the groups are gone.
async fn watch_lateness(groups: Weak<Groups>) {
    let tick = Duration::from_millis(TICK_MS);
    loop {
        let due = tokio::time::Instant::now() + tick;
        tokio::time::sleep_until(due).await;
        let Some(groups) = groups.upgrade() else { return };
        groups.lateness.record(due.elapsed());
    }
}
