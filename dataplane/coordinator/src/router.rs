//! Which shard holds a document, and who leads that shard, as far as this node knows.
//!
//! The map comes from the control plane. Who leads comes from the replicas' own answers: they know before the control
//! plane does, and go on knowing when it is down.

use crate::error::CoordinatorError;
use parking_lot::Mutex;
use phoenixmldb_types::shard_map::{Shard, document_hash};
use phoenixmldb_types::{
    ClusterMap, ContainerId, ContainerName, DocumentName, Epoch, MapContainer, MapNode, NodeName, ShardId,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The cached map and the leaders.
pub struct Router {
    map: watch::Receiver<Option<Arc<ClusterMap>>>,
    leaders: Mutex<HashMap<ShardId, NodeName>>,
    own: NodeName,
}

impl Router {
    /// Follows the map that the node is told.
    #[must_use]
    pub fn new(own: NodeName, map: watch::Receiver<Option<Arc<ClusterMap>>>) -> Self {
        Self { map, leaders: Mutex::default(), own }
    }

    /// This node's name.
    #[must_use]
    pub fn own(&self) -> &NodeName {
        &self.own
    }

    /// The present map. Error: [`CoordinatorError::Forming`] until shards have been placed.
    pub fn map(&self) -> Result<Arc<ClusterMap>, CoordinatorError> {
        let forming = |waiting: &str| CoordinatorError::Forming { waiting: waiting.to_owned() };
        match &*self.map.borrow() {
            None => Err(forming("no shard map yet")),
            Some(map) if !map.shards.is_formed() => Err(forming("shards are not placed yet")),
            Some(map) => Ok(map.clone()),
        }
    }

    /// All shards of the present map.
    pub fn shards(&self) -> Result<Vec<ShardId>, CoordinatorError> {
        Ok(self.map()?.shards.shards.iter().map(|shard| shard.id).collect())
    }

    /// The container with this name.
    pub fn container(&self, name: &ContainerName) -> Result<MapContainer, CoordinatorError> {
        let map = self.map()?;
        let container = map.container(name);
        container.cloned().ok_or_else(|| CoordinatorError::ContainerNotFound { name: name.to_string() })
    }

    /// The shard of a document, in the present map.
    pub fn locate(&self, container: &ContainerName, document: &DocumentName) -> Result<Shard, CoordinatorError> {
        let map = self.map()?;
        let shard = map.shards.locate(document_hash(container, document));
        Ok(shard.expect("the ranges of a formed map cover every hash").clone())
    }

    /// Nodes to ask, in order: the leader where known, then this node, then the others in order of preference.
    #[must_use]
    pub fn candidates(&self, shard: ShardId) -> Vec<MapNode> {
        let Ok(map) = self.map() else { return Vec::new() };
        let Some(placed) = map.shards.shard(shard) else { return Vec::new() };
        let leader = self.leaders.lock().get(&shard).cloned();
        let mut nodes: Vec<MapNode> =
            placed.replicas.iter().filter_map(|replica| map.node(&replica.node).cloned()).collect();
        nodes.sort_by_key(|node| (Some(&node.name) != leader.as_ref(), node.name != self.own));
        nodes
    }

    /// A replica has said who leads, or that nobody is known to.
    pub fn leader_is(&self, shard: ShardId, leader: Option<NodeName>) {
        let mut leaders = self.leaders.lock();
        match leader {
            Some(leader) => drop(leaders.insert(shard, leader)),
            None => drop(leaders.remove(&shard)),
        }
    }

    /// Who leads, as far as is known here.
    #[must_use]
    pub fn leader(&self, shard: ShardId) -> Option<NodeName> {
        self.leaders.lock().get(&shard).cloned()
    }

    /// Waits until the map has this container, or with `None` has no container of the name. Cancel safe.
    pub async fn wait_container(&self, name: &ContainerName, id: Option<ContainerId>) {
        let mut map = self.map.clone();
        let reached = |map: &Option<Arc<ClusterMap>>| {
            map.as_ref().is_some_and(|map| map.container(name).map(|container| container.id) == id)
        };
        // The sender lives as long as the node.
        drop(map.wait_for(reached).await);
    }

    /// Waits until the map has reached an epoch. Cancel safe.
    pub async fn wait_epoch(&self, epoch: Epoch, limit: Duration) -> bool {
        let mut map = self.map.clone();
        let reached = |map: &Option<Arc<ClusterMap>>| map.as_ref().is_some_and(|map| map.shards.epoch >= epoch);
        tokio::time::timeout(limit, map.wait_for(reached)).await.is_ok_and(|waited| waited.is_ok())
    }
}
