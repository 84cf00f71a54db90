//! Clusters over the simulated network and simulated disks, on a runtime with paused time.

#![allow(clippy::unwrap_used)]

use super::Toy;
use bytes::Bytes;
use parking_lot::Mutex;
use phoenixmldb_raft::testing::{SimLog, SimNetwork};
use phoenixmldb_raft::{GroupError, Groups, GroupsConfig, Peer, RaftGroup, Timing};
use phoenixmldb_types::GroupId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

pub const GROUP: GroupId = GroupId(16);

/// How a simulated cluster is set up.
#[derive(Clone, Copy)]
pub struct Shape {
    pub nodes: u64,
    pub snapshot_threshold: u64,
    pub max_log_entries: u64,
    pub sync_ms: (u64, u64),
}

impl Default for Shape {
    fn default() -> Self {
        Self { nodes: 3, snapshot_threshold: 10_000, max_log_entries: 100_000, sync_ms: (0, 1) }
    }
}

struct Running {
    groups: Arc<Groups>,
    group: RaftGroup,
    /// Set before a crash, whose victims may well complain.
    dying: Arc<AtomicBool>,
}

pub struct SimNode {
    pub id: u64,
    pub toy: Toy,
    log: SimLog,
    running: Option<Running>,
}

impl SimNode {
    /// Its disk takes nothing any more.
    pub fn cut_power(&self) {
        self.log.crash();
    }
}

/// A cluster of one group. Nodes are named by their place in `nodes`; their identities begin with 1.
pub struct Sim {
    pub net: Arc<SimNetwork>,
    pub nodes: Vec<SimNode>,
    shape: Shape,
    /// Groups that stopped by themselves without having been crashed.
    pub faults: Arc<Mutex<Vec<String>>>,
}

impl Sim {
    pub async fn start(seed: u64, shape: Shape) -> Self {
        let net = SimNetwork::new(seed);
        let node = |id| {
            let log = SimLog::new(seed ^ id, shape.sync_ms);
            SimNode { id, toy: Toy::default(), log, running: None }
        };
        let nodes = (1..=shape.nodes).map(node).collect();
        let mut sim = Self { net, nodes, shape, faults: Arc::default() };
        for at in 0..sim.nodes.len() {
            sim.restart(at).await;
        }
        let members: BTreeMap<u64, Peer> = (1..=shape.nodes).map(|id| (id, peer(id))).collect();
        for at in 0..sim.nodes.len() {
            sim.group(at).initialize(members.clone()).await.unwrap();
        }
        sim
    }

    pub fn is_up(&self, at: usize) -> bool {
        self.nodes[at].running.is_some()
    }

    /// The group on a node that is up.
    pub fn group(&self, at: usize) -> RaftGroup {
        self.nodes[at].running.as_ref().expect("the node is up").group.clone()
    }

    pub fn groups(&self, at: usize) -> Arc<Groups> {
        self.nodes[at].running.as_ref().expect("the node is up").groups.clone()
    }

    /// Kills a node: what it has not synced or flushed is lost.
    pub async fn crash(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(running) = node.running.take() else { return };
        running.dying.store(true, Ordering::SeqCst);
        self.net.detach(node.id);
        node.log.crash();
        running.groups.shutdown().await;
        node.toy.crash();
    }

    /// Starts a node that is down.
    pub async fn restart(&mut self, at: usize) {
        let (shape, net) = (self.shape, self.net.clone());
        let node = &mut self.nodes[at];
        node.log.power_on();
        let dying = Arc::new(AtomicBool::new(false));
        let (asked_to, faults, id) = (dying.clone(), self.faults.clone(), node.id);
        let config = GroupsConfig {
            own: peer(id),
            cluster_id: "sim".to_owned(),
            timing: Timing::default(),
            snapshot_threshold: shape.snapshot_threshold,
            max_log_entries: shape.max_log_entries,
            runtime: tokio::runtime::Handle::current(),
            on_fatal: Arc::new(move |group, reason| {
                if !asked_to.load(Ordering::SeqCst) {
                    faults.lock().push(format!("node {id}, group {group}: {reason}"));
                }
            }),
        };
        let groups = Groups::new(config, Arc::new(node.log.clone()), net.transport("sim", id));
        let group = groups.open(GROUP, Box::new(node.toy.clone())).await.unwrap();
        net.attach(&groups);
        node.running = Some(Running { groups, group, dying });
    }

    /// The node that leads and can prove it, within `limit`.
    pub async fn leader_within(&self, limit: Duration) -> Option<usize> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            for at in (0..self.nodes.len()).filter(|at| self.is_up(*at)) {
                let group = self.group(at);
                if group.leadership().is_some() && group.read_barrier().await.is_ok() {
                    return Some(at);
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    pub async fn leader(&self) -> usize {
        self.leader_within(Duration::from_secs(30)).await.expect("a leader within 30 s")
    }

    /// Proposes until it is acknowledged; for commands whose repetition does not matter.
    pub async fn write(&self, command: &str) -> usize {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let at = self.leader().await;
            if self.group(at).propose(Bytes::from(command.to_owned())).await.is_ok() {
                return at;
            }
        }
        panic!("{command} was not acknowledged within 60 s");
    }

    /// Waits until all nodes that are up have applied the same, and returns it.
    pub async fn converged(&self) -> Vec<Bytes> {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let up = || self.nodes.iter().filter(|node| node.running.is_some());
            let longest = up().max_by_key(|node| node.toy.0.lock().applied.len()).expect("a node is up");
            let applied = longest.toy.0.lock().applied.clone();
            if up().all(|node| node.toy.0.lock().applied == applied) {
                return applied;
            }
            if Instant::now() > deadline {
                let lengths: Vec<_> = up().map(|node| (node.id, node.toy.0.lock().applied.len())).collect();
                let states: Vec<_> =
                    (0..self.nodes.len()).filter(|at| self.is_up(*at)).map(|at| self.group(at).status()).collect();
                panic!("no convergence within 120 s: {lengths:?} {states:?} {:?}", self.faults.lock());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn assert_no_faults(&self) {
        assert!(self.faults.lock().is_empty(), "{:?}", self.faults.lock());
    }
}

pub fn peer(id: u64) -> Peer {
    Peer { raft_id: id, name: format!("node{id}"), address: format!("node{id}:0") }
}

/// Runs for `ms` of simulated time.
pub async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Whether the answer is one of those a replica without a quorum may give.
pub fn is_without_quorum<T>(answer: &Result<T, GroupError>) -> bool {
    matches!(answer, Err(GroupError::NoQuorum | GroupError::NotLeader { .. }))
}
