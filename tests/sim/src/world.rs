//! Data nodes in one process: real replicas, clock group and coordinators over a simulated network, disks and clocks.
//!
//! ```text
//!  client ─► Coordinator ─► Links ──── SimNetwork ────► Replicas ─► RaftGroup ─► SimLog (raftdb), MemoryKv (datadb)
//!            (any node)     cut? lost? late?            (leader)      └── SimNetwork ──► other replicas
//! ```
//!
//! Everything above the two databases and the two network borders is the code that runs in production. A crash loses what
//! was not synced to the log or flushed to the state, as a power cut does.

use crate::links::{Links, SimClock};
use parking_lot::Mutex;
use phoenixmldb_coordinator::{ControlPlane, Coordinator, CoordinatorError, Router};
use phoenixmldb_node::replicas::Replicas;
use phoenixmldb_node::timestamps::Timestamps;
use phoenixmldb_raft::testing::{SimLog, SimNetwork};
use phoenixmldb_raft::{Groups, GroupsConfig, Peer, Timing};
use phoenixmldb_store::{Kv, MemoryKv};
use phoenixmldb_types::shard_map::{Epoch, HashRange, Replica, Shard, ShardMap};
use phoenixmldb_types::{
    ClusterId, ClusterMap, ContainerId, ContainerName, MapContainer, MapNode, NodeName, RaftId, Settings, ShardId,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The container all clients use.
pub const CONTAINER: &str = "sim";

/// How a simulated cluster is set up.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Data nodes.
    pub nodes: u64,
    /// Shards.
    pub shards: u32,
    /// Copies of each shard and of the clock group.
    pub copies: usize,
    /// Applied entries between two snapshots of a group.
    pub snapshot_threshold: u64,
    /// Most log entries kept.
    pub max_log_entries: u64,
}

impl Default for Shape {
    fn default() -> Self {
        // Snapshots and purges happen many times in a short history.
        Self { nodes: 3, shards: 3, copies: 3, snapshot_threshold: 40, max_log_entries: 120 }
    }
}

/// What runs on a node that is up.
pub struct Running {
    /// Its Raft groups.
    pub groups: Arc<Groups>,
    /// Its replicas.
    pub replicas: Arc<Replicas>,
    /// Its way to timestamps.
    pub timestamps: Timestamps,
    /// What its clients talk to.
    pub coordinator: Coordinator,
    tending: JoinHandle<()>,
    dying: Arc<AtomicBool>,
}

/// A node: its disk and clock, and what runs on it.
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its identity, also its address in the network.
    pub id: u64,
    /// Its wall clock.
    pub clock: Arc<SimClock>,
    /// Its raftdb.
    pub log: SimLog,
    datadb: Mutex<Arc<MemoryKv>>,
    running: Mutex<Option<Arc<Running>>>,
}

/// The cluster.
pub struct World {
    /// How it was set up.
    pub shape: Shape,
    /// Between all nodes.
    pub network: Arc<SimNetwork>,
    /// By place; identities begin with 1.
    pub nodes: Vec<Node>,
    /// Groups and databases that gave up without having been killed.
    pub faults: Arc<Mutex<Vec<String>>>,
    map: watch::Sender<Option<Arc<ClusterMap>>>,
    /// Where snapshots wait until they are installed.
    folder: tempfile::TempDir,
    seed: u64,
}

fn node_name(id: u64) -> NodeName {
    NodeName::parse(&format!("node{id}")).expect("a checked name")
}

fn cluster_map(shape: Shape) -> ClusterMap {
    let replica = |id: u64| Replica { node: node_name(id), raft_id: RaftId(id) };
    let place = |first: u64| -> Vec<Replica> {
        (0..shape.copies as u64).map(|next| replica((first + next) % shape.nodes + 1)).collect()
    };
    let shards = (0u32..).zip(HashRange::even(shape.shards)).map(|(number, range)| Shard {
        id: ShardId(number),
        range,
        replicas: place(u64::from(number)),
        epoch: Epoch(1),
    });
    let node = |id: u64| MapNode {
        name: node_name(id),
        raft_id: RaftId(id),
        client_address: format!("node{id}:5432"),
        peer_address: format!("node{id}:5433"),
        controller: false,
        data: true,
        zone: String::new(),
    };
    ClusterMap {
        cluster_id: ClusterId::parse("sim").expect("a checked name"),
        incarnation: "sim".to_owned(),
        version: 1,
        shards: ShardMap { epoch: Epoch(1), shards: shards.collect(), clock: place(1) },
        nodes: (1..=shape.nodes).map(node).collect(),
        containers: vec![MapContainer {
            name: ContainerName::parse(CONTAINER).expect("a checked name"),
            id: ContainerId(1),
            created_ms: 0,
            strip_whitespace: false,
        }],
        settings: Settings::default(),
    }
}

impl World {
    /// A cluster whose nodes are all up. On a runtime of one thread with paused time.
    pub async fn start(seed: u64, shape: Shape) -> Arc<Self> {
        let network = SimNetwork::new(seed);
        let node = |id: u64| Node {
            name: node_name(id),
            id,
            clock: Arc::default(),
            log: SimLog::new(seed ^ (id << 8), (0, 2)),
            datadb: Mutex::default(),
            running: Mutex::default(),
        };
        let world = Arc::new(Self {
            shape,
            network,
            nodes: (1..=shape.nodes).map(node).collect(),
            faults: Arc::default(),
            map: watch::Sender::new(Some(Arc::new(cluster_map(shape)))),
            folder: tempfile::tempdir().expect("the simulation may write to the folder for temporary files"),
            seed,
        });
        for at in 0..world.nodes.len() {
            world.boot(at);
        }
        world
    }

    /// The seed it was made from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether a node's process runs.
    #[must_use]
    pub fn is_up(&self, at: usize) -> bool {
        self.nodes[at].running.lock().is_some()
    }

    /// What runs on a node; `None` while it is down.
    #[must_use]
    pub fn running(&self, at: usize) -> Option<Arc<Running>> {
        self.nodes[at].running.lock().clone()
    }

    /// What runs on the node with this name.
    #[must_use]
    pub fn running_named(&self, name: &NodeName) -> Option<Arc<Running>> {
        let node = self.nodes.iter().find(|node| node.name == *name)?;
        node.running.lock().clone()
    }

    /// Address of a node in the network.
    #[must_use]
    pub fn address(&self, name: &NodeName) -> u64 {
        self.nodes.iter().find(|node| node.name == *name).map_or(0, |node| node.id)
    }

    /// The map all nodes have.
    #[must_use]
    pub fn map(&self) -> Arc<ClusterMap> {
        self.map.borrow().clone().expect("the map is there from the start")
    }

    /// Starts a node that is down, with what its disks kept.
    pub fn boot(self: &Arc<Self>, at: usize) {
        let node = &self.nodes[at];
        if self.is_up(at) {
            return;
        }
        node.log.power_on();
        let dying = Arc::new(AtomicBool::new(false));
        let (asked_to, faults, name) = (dying.clone(), self.faults.clone(), node.name.clone());
        let complain = move |what: String| {
            if !asked_to.load(Ordering::SeqCst) {
                faults.lock().push(format!("{name}: {what}"));
            }
        };
        let on_fatal = complain.clone();
        let config = GroupsConfig {
            own: Peer { raft_id: node.id, name: node.name.to_string(), address: format!("{}:5433", node.name) },
            cluster_id: "sim".to_owned(),
            timing: Timing::default(),
            snapshot_threshold: self.shape.snapshot_threshold,
            max_log_entries: self.shape.max_log_entries,
            runtime: tokio::runtime::Handle::current(),
            on_fatal: Arc::new(move |group, reason| on_fatal(format!("group {group}: {reason}"))),
        };
        let groups = Groups::new(config, Arc::new(node.log.clone()), self.network.transport("sim", node.id));
        self.network.attach(&groups);
        let kv: Arc<dyn Kv> = node.datadb.lock().clone();
        let (meter, spool) = (Arc::default(), self.folder.path().join(node.name.as_str()));
        let (clock, map) = (node.clock.clone(), self.map.subscribe());
        let replicas = Replicas::new(node.name.clone(), groups.clone(), kv, clock, map, meter, spool);
        let links = Links::new(Arc::downgrade(self), node.name.clone(), node.id, replicas.clone());
        let timestamps = links.start();
        let router = Arc::new(Router::new(node.name.clone(), self.map.subscribe()));
        let coordinator = Coordinator::new(router, Arc::new(links), Arc::new(NoControl(Arc::downgrade(self))));
        let (tended, asked) = (replicas.clone(), timestamps.clone());
        let tending = tokio::spawn(async move {
            if let Err(fault) = tended.run(asked).await {
                complain(fault.to_string());
            }
        });
        let running = Running { groups, replicas, timestamps, coordinator, tending, dying };
        *node.running.lock() = Some(Arc::new(running));
    }

    /// Cuts a node's power: what it has not synced or flushed is lost.
    pub async fn crash(&self, at: usize) {
        let node = &self.nodes[at];
        let Some(running) = node.running.lock().take() else { return };
        running.dying.store(true, Ordering::SeqCst);
        self.network.detach(node.id);
        node.log.crash();
        running.tending.abort();
        running.groups.shutdown().await;
        // What the dead process still writes goes to the database it had.
        let kept = node.datadb.lock().after_crash();
        *node.datadb.lock() = Arc::new(kept);
    }
}

/// The control plane is not part of this simulation: its last map is what nodes have when all controllers are down.
struct NoControl(Weak<World>);

impl NoControl {
    fn down(&self) -> CoordinatorError {
        let seed = self.0.upgrade().map_or(0, |world| world.seed());
        CoordinatorError::Internal { what: "asking the control plane", reason: format!("there is none (seed {seed})") }
    }
}

#[async_trait::async_trait]
impl ControlPlane for NoControl {
    async fn create_container(
        &self,
        _: &ContainerName,
        _: bool,
        _: bool,
    ) -> Result<(MapContainer, bool), CoordinatorError> {
        Err(self.down())
    }

    async fn delete_container(&self, _: &ContainerName, _: bool) -> Result<bool, CoordinatorError> {
        Err(self.down())
    }

    async fn refresh(&self) {}
}

/// How many nodes say that they lead each group, by term: more than one is the end of every promise.
#[must_use]
pub fn leaders(world: &World) -> BTreeMap<(u32, u64), Vec<String>> {
    let mut found: BTreeMap<(u32, u64), Vec<String>> = BTreeMap::new();
    for node in &world.nodes {
        let Some(running) = node.running.lock().clone() else { continue };
        for group in running.groups.all() {
            if let Some(token) = group.leadership() {
                found.entry((group.id().0, token.term)).or_default().push(node.name.to_string());
            }
        }
    }
    found
}
