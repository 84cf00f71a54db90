//! All groups hosted by this process.

use crate::error::{GroupError, StateFault};
use crate::group::RaftGroup;
use crate::log_store::{LogEngine, LogStore};
use crate::machine::{Machine, ReplicatedState};
use crate::network::{Network, Transport};
use crate::type_config::Peer;
use openraft::{Config, SnapshotPolicy};
use parking_lot::RwLock;
use phoenixmldb_types::GroupId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    rejected: AtomicU64,
    closed: tokio::sync::watch::Sender<bool>,
}

impl Groups {
    /// No group yet.
    #[must_use]
    pub fn new(config: GroupsConfig, engine: Arc<dyn LogEngine>, transport: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self {
            config,
            engine,
            transport,
            open: RwLock::default(),
            rejected: AtomicU64::new(0),
            closed: tokio::sync::watch::Sender::new(false),
        })
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
        if let Some(group) = self.get(id) {
            return Ok(group);
        }
        let fault = |error: &dyn std::fmt::Display| StateFault::new(format!("opening group {id}"), error);
        let timing = self.config.timing;
        let keep = self.config.max_log_entries.saturating_sub(self.config.snapshot_threshold);
        let config = Config {
            cluster_name: self.config.cluster_id.clone(),
            election_timeout_min: timing.election_timeout_min_ms,
            election_timeout_max: timing.election_timeout_max_ms,
            heartbeat_interval: timing.heartbeat_ms,
            install_snapshot_timeout: 60_000,
            max_payload_entries: 300,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.config.snapshot_threshold),
            max_in_snapshot_log_to_keep: keep,
            purge_batch_size: 64,
            enable_pre_vote: Some(true),
            // A restarted leader could otherwise serve a half-restored state (openraft#1511).
            enable_leader_restore: Some(false),
            ..Config::default()
        };
        let config = Arc::new(config.validate().map_err(|error| fault(&error))?);
        let log = LogStore::open(self.engine.clone(), id).map_err(|error| fault(&error))?;
        let machine = Machine::open(state).map_err(|error| fault(&error))?;
        let own_id = self.config.own.raft_id;
        let network = Network { group: id, own_id, transport: self.transport.clone() };
        // The core's tasks belong to the Raft runtime, whoever opens the group.
        let start = async move { openraft::Raft::new(own_id, config, network, log, machine).await };
        let raft = self.config.runtime.spawn(start).await.map_err(|error| fault(&error))?;
        let raft = raft.map_err(|error| fault(&error))?;
        let timeout = Duration::from_millis(timing.election_timeout_max_ms);
        let group = RaftGroup::new(id, self.config.own.clone(), raft, timeout);
        self.open.write().insert(id, group.clone());
        let (watched, on_fatal) = (group.clone(), self.config.on_fatal.clone());
        self.config.runtime.spawn(async move {
            if let Some(reason) = watched.stopped().await {
                on_fatal(id, reason);
            }
        });
        Ok(group)
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
