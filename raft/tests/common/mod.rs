//! A toy state and clusters of in-process nodes, over gRPC on loopback or over wires that can be cut.

#![allow(unreachable_pub, missing_docs, dead_code, clippy::unwrap_used)]

pub mod sim;

use bytes::Bytes;
use parking_lot::Mutex;
use phoenixmldb_raft::{
    CommittedEntry, Groups, GroupsConfig, LogEngine, MemoryLog, Peer, RaftGroup, ReplicatedState, SnapshotReader,
    StateFault, Timing, rpc,
};
use phoenixmldb_types::GroupId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything applied, in order; survives a restart because the test holds it.
#[derive(Clone, Default)]
pub struct Toy(pub Arc<Mutex<ToyInner>>);

#[derive(Default)]
pub struct ToyInner {
    pub applied: Vec<Bytes>,
    pub position: Option<Bytes>,
    /// What survives a crash.
    flushed: (Vec<Bytes>, Option<Bytes>),
}

impl Toy {
    /// Loses what was not flushed.
    pub fn crash(&self) {
        let mut inner = self.0.lock();
        (inner.applied, inner.position) = inner.flushed.clone();
    }
}

impl ReplicatedState for Toy {
    fn position(&mut self) -> Result<Option<Bytes>, StateFault> {
        Ok(self.0.lock().position.clone())
    }

    fn apply(&mut self, entries: &[CommittedEntry], position: Bytes) -> Result<Vec<Bytes>, StateFault> {
        let mut inner = self.0.lock();
        inner.position = Some(position);
        let mut replies = Vec::new();
        for entry in entries {
            assert_ne!(entry.command, Bytes::from_static(PANIC), "as asked");
            inner.applied.push(entry.command.clone());
            replies.push(Bytes::from(inner.applied.len().to_string()));
        }
        Ok(replies)
    }

    fn flush(&mut self) -> Result<(), StateFault> {
        let mut inner = self.0.lock();
        inner.flushed = (inner.applied.clone(), inner.position.clone());
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Box<dyn SnapshotReader>, StateFault> {
        Ok(Box::new(self.0.lock().applied.clone().into_iter()))
    }

    fn install(&mut self, mut chunks: Box<dyn SnapshotReader>, position: Bytes) -> Result<(), StateFault> {
        let mut applied = Vec::new();
        while let Some(chunk) = chunks.next_chunk()? {
            applied.push(chunk);
        }
        let flushed = (applied.clone(), Some(position.clone()));
        *self.0.lock() = ToyInner { applied, position: Some(position), flushed };
        Ok(())
    }
}

/// A command that no state can apply.
pub const PANIC: &[u8] = b"panic";

/// One process of a test cluster.
pub struct Node {
    pub peer: Peer,
    pub groups: Arc<Groups>,
    pub toys: BTreeMap<GroupId, Toy>,
    pub log: Arc<dyn LogEngine>,
    server: tokio::task::JoinHandle<()>,
}

pub struct Settings {
    pub snapshot_threshold: u64,
    pub max_log_entries: u64,
    pub cluster_id: &'static str,
    pub timing: Timing,
}

impl Default for Settings {
    fn default() -> Self {
        let timing = Timing { election_timeout_min_ms: 300, election_timeout_max_ms: 600, heartbeat_ms: 100 };
        Self { snapshot_threshold: 10_000, max_log_entries: 100_000, cluster_id: "test", timing }
    }
}

impl Node {
    pub async fn start(id: u64, port: Option<u16>, log: Arc<dyn LogEngine>, settings: &Settings) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.unwrap_or(0))).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let peer = Peer { raft_id: id, name: format!("node{id}"), address };
        let runtime = tokio::runtime::Handle::current();
        let config = GroupsConfig {
            own: peer.clone(),
            cluster_id: settings.cluster_id.to_owned(),
            timing: settings.timing,
            snapshot_threshold: settings.snapshot_threshold,
            max_log_entries: settings.max_log_entries,
            runtime: runtime.clone(),
            on_fatal: Arc::new(|group, reason| panic!("group {group} stopped: {reason}")),
        };
        let transport = rpc::GrpcTransport::new(config.cluster_id.clone(), id, runtime);
        let groups = Groups::new(config, log.clone(), transport);
        let service = rpc::raft_service(groups.clone());
        let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = tokio::spawn(async move {
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { peer, groups, toys: BTreeMap::new(), log, server }
    }

    pub async fn open(&mut self, group: GroupId, toy: Toy) -> RaftGroup {
        self.toys.insert(group, toy.clone());
        self.groups.open(group, Box::new(toy)).await.unwrap()
    }

    pub fn port(&self) -> u16 {
        self.peer.address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Stops serving and all groups; the log and the toys stay with the caller.
    pub async fn stop(self) -> (u16, Arc<dyn LogEngine>, BTreeMap<GroupId, Toy>) {
        let port = self.port();
        self.server.abort();
        drop(self.server.await);
        self.groups.shutdown().await;
        (port, self.log, self.toys)
    }
}

/// `count` nodes with the given groups, initialised with all of them as voters.
pub async fn cluster(count: u64, groups: &[GroupId], settings: &Settings) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in 1..=count {
        nodes.push(Node::start(id, None, Arc::new(MemoryLog::default()), settings).await);
    }
    let members: BTreeMap<u64, Peer> = nodes.iter().map(|node| (node.peer.raft_id, node.peer.clone())).collect();
    for &group in groups {
        for node in &mut nodes {
            node.open(group, Toy::default()).await;
        }
        for node in &nodes {
            node.groups.get(group).unwrap().initialize(members.clone()).await.unwrap();
        }
    }
    nodes
}

/// The node that leads the group, once one does and says so itself.
pub async fn leader(nodes: &[Node], group: GroupId) -> usize {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        for (index, node) in nodes.iter().enumerate() {
            if let Some(open) = node.groups.get(group)
                && open.read_barrier().await.is_ok()
            {
                return index;
            }
        }
        assert!(tokio::time::Instant::now() < deadline, "no leader of {group} within 20 s");
        tokio::task::yield_now().await;
    }
}

/// Waits until `condition` holds; polls, because a condition over several nodes has no single event.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen within 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
