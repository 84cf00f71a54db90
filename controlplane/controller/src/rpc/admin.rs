//! `ClusterService` on the client port of every node: forwards to the control leader, or answers from what was last
//! known and says so.

use crate::client::ControlClient;
use crate::limits::{CALL_TIMEOUT_MS, CHECK_ATTEMPTS, CONNECT_TIMEOUT_MS, VIEW_REFRESH_MS, WATCH_INTERVAL_MS_MIN};
use futures::Stream;
use parking_lot::Mutex;
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::admin::cluster_service_server::ClusterService;
use phoenixmldb_proto::admin::{
    CheckShardsRequest, CheckShardsResponse, ClusterSnapshot, GetClusterRequest, GetClusterResponse,
    GetTopologyRequest, GetTopologyResponse, ListEventsRequest, ListEventsResponse, LocateRequest, LocateResponse,
    NodeView, RemoveNodeRequest, RemoveNodeResponse, ReplicaCheck, ShardCheck, Topology, TopologyNode, TopologyShard,
    TransferLeadershipRequest, TransferLeadershipResponse, WatchClusterRequest, WatchClusterResponse,
    WatchTopologyRequest, WatchTopologyResponse,
};
use phoenixmldb_proto::internal::shard_service_client::ShardServiceClient;
use phoenixmldb_proto::internal::{RequestContext, ShardHashRequest};
use phoenixmldb_types::clock::Clock;
use phoenixmldb_types::shard_map::{Shard, key_hash};
use phoenixmldb_types::{ClusterMap, Code, ContainerName, DocumentName, NodeName, ShardId};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

/// What this node can show of the cluster. Cheap to clone.
#[derive(Clone)]
pub struct View {
    own: NodeName,
    client: Arc<ControlClient>,
    map: watch::Receiver<Option<Arc<ClusterMap>>>,
    clock: Arc<dyn Clock>,
    last: Arc<Mutex<Option<(Duration, ClusterSnapshot)>>>,
}

impl View {
    /// A view through the control leader.
    #[must_use]
    pub fn new(
        own: NodeName,
        client: Arc<ControlClient>,
        map: watch::Receiver<Option<Arc<ClusterMap>>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { own, client, map, clock, last: Arc::default() }
    }

    /// The cluster: from the control leader, or as it was last known, with its age and without a quorum.
    pub async fn snapshot(&self) -> ClusterSnapshot {
        let limit = Duration::from_millis(CALL_TIMEOUT_MS);
        match self.client.snapshot(limit).await {
            Ok(mut snapshot) => {
                self.own.as_str().clone_into(&mut snapshot.view_from);
                *self.last.lock() = Some((self.clock.monotonic(), snapshot.clone()));
                snapshot
            }
            Err(error) => self.remembered(&error),
        }
    }

    /// Looks again and again, so that what is remembered when the leader is lost is not old.
    pub async fn keep_fresh(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(VIEW_REFRESH_MS)).await;
            drop(self.snapshot().await);
        }
    }

    fn remembered(&self, error: &PublicError) -> ClusterSnapshot {
        let known = self.last.lock().clone();
        let now = self.clock.monotonic();
        let age = |at: Duration| u64::try_from(now.saturating_sub(at).as_millis()).unwrap_or(u64::MAX).max(1);
        let mut snapshot = match known {
            Some((at, snapshot)) => ClusterSnapshot { view_age_ms: age(at), ..snapshot },
            None => ClusterSnapshot { view_age_ms: age(Duration::ZERO), ..self.map_alone() },
        };
        snapshot.quorum = false;
        snapshot.leaderless_ms = self.client.silent_ms().max(1);
        snapshot.leader.clear();
        self.own.as_str().clone_into(&mut snapshot.view_from);
        snapshot.taken_ms = self.clock.wall_ms();
        snapshot.warnings.push(format!("no control leader within reach: {}", error.message));
        snapshot
    }

    /// What the map alone tells.
    fn map_alone(&self) -> ClusterSnapshot {
        let Some(map) = self.map.borrow().clone() else {
            return ClusterSnapshot { formation: "forming".to_owned(), ..ClusterSnapshot::default() };
        };
        let node = |node: &phoenixmldb_types::MapNode| NodeView {
            name: node.name.to_string(),
            state: "unknown".to_owned(),
            control_role: if node.controller { "follower" } else { "data" }.to_owned(),
            controller: node.controller,
            data: node.data,
            zone: node.zone.clone(),
            client_address: node.client_address.clone(),
            peer_address: node.peer_address.clone(),
            ..NodeView::default()
        };
        ClusterSnapshot {
            cluster_id: map.cluster_id.to_string(),
            incarnation: map.incarnation.clone(),
            formed: map.shards.is_formed(),
            formation: if map.shards.is_formed() { "formed" } else { "forming" }.to_owned(),
            epoch: map.shards.epoch.0,
            nodes: map.nodes.iter().map(node).collect(),
            settings: Some(crate::snapshot::settings_view(&map.settings)),
            ..ClusterSnapshot::default()
        }
    }

    fn known_map(&self) -> Result<Arc<ClusterMap>, PublicError> {
        let map = self.map.borrow().clone();
        map.ok_or_else(|| PublicError::new(Code::Forming, "the cluster is forming").help("phoenixmldb-cluster status"))
    }

    fn topology(&self, map: &ClusterMap) -> Topology {
        let leaders = self.last.lock().clone().map(|(_, snapshot)| snapshot.shards).unwrap_or_default();
        let shard = |shard: &Shard| TopologyShard {
            id: shard.id.0,
            hash_first: shard.range.first,
            hash_last: shard.range.last,
            replicas: shard.replicas.iter().map(|replica| replica.node.to_string()).collect(),
            leader: leaders
                .iter()
                .find(|view| view.id == shard.id.0)
                .map(|view| view.leader.clone())
                .unwrap_or_default(),
        };
        Topology {
            cluster_id: map.cluster_id.to_string(),
            incarnation: map.incarnation.clone(),
            epoch: map.shards.epoch.0,
            nodes: map
                .nodes
                .iter()
                .map(|node| TopologyNode {
                    name: node.name.to_string(),
                    client_address: node.client_address.clone(),
                    data: node.data,
                })
                .collect(),
            shards: map.shards.shards.iter().map(shard).collect(),
            formed: map.shards.is_formed(),
        }
    }

    /// Compares all copies of a shard at one log position.
    async fn check(&self, map: &ClusterMap, shard: &Shard) -> ShardCheck {
        let mut applied = 0;
        let mut checked = Vec::new();
        for _ in 0..CHECK_ATTEMPTS {
            let asked = shard.replicas.iter().map(|replica| self.hash(map, shard.id, &replica.node, applied));
            checked = futures::future::join_all(asked).await;
            // Under writes the copies answer for different positions; the next round waits for the furthest.
            let newest = checked.iter().map(|copy| copy.applied_index).max().unwrap_or(0);
            if checked.iter().any(|copy| !copy.problem.is_empty()) || checked.iter().all(|c| c.applied_index == newest)
            {
                applied = newest;
                break;
            }
            applied = newest;
        }
        let comparable = checked.iter().all(|copy| copy.problem.is_empty() && copy.applied_index == applied);
        let equal = comparable && checked.iter().all(|copy| copy.hash == checked[0].hash);
        ShardCheck { shard: shard.id.0, equal, applied_index: applied, replicas: checked }
    }

    async fn hash(&self, map: &ClusterMap, shard: ShardId, node: &NodeName, applied_index: u64) -> ReplicaCheck {
        let mut check = ReplicaCheck { node: node.to_string(), ..ReplicaCheck::default() };
        let limit = Duration::from_millis(CALL_TIMEOUT_MS * 5);
        let ask = async {
            let node = map.node(node).ok_or_else(|| "it is not in the map".to_owned())?;
            let endpoint = Endpoint::from_shared(format!("http://{}", node.peer_address)).map_err(|e| e.to_string())?;
            let endpoint = endpoint.connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS));
            let channel = endpoint.connect().await.map_err(|error| error.to_string())?;
            let context = RequestContext {
                cluster_id: map.cluster_id.to_string(),
                from: self.own.to_string(),
                remaining_ms: CALL_TIMEOUT_MS * 5,
            };
            let request = ShardHashRequest { context: Some(context), shard: shard.0, applied_index };
            let answer = ShardServiceClient::new(channel).hash(request).await;
            answer.map(Response::into_inner).map_err(|status| status.message().to_owned())
        };
        match tokio::time::timeout(limit, ask).await {
            Ok(Ok(answer)) => {
                check.applied_index = answer.applied_index;
                check.hash = format!("{:016x}", answer.hash);
                check.keys = answer.keys;
            }
            Ok(Err(problem)) => check.problem = problem,
            Err(_) => check.problem = format!("no answer within {} ms", limit.as_millis()),
        }
        check
    }
}

/// The service.
pub struct AdminRpc {
    view: View,
}

impl AdminRpc {
    /// Shows a view.
    #[must_use]
    pub fn new(view: View) -> Self {
        Self { view }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ClusterService for AdminRpc {
    type WatchClusterStream = Answers<WatchClusterResponse>;
    type WatchTopologyStream = Answers<WatchTopologyResponse>;

    async fn get_cluster(&self, _: Request<GetClusterRequest>) -> Result<Response<GetClusterResponse>, Status> {
        Ok(Response::new(GetClusterResponse { cluster: Some(self.view.snapshot().await) }))
    }

    async fn watch_cluster(
        &self,
        request: Request<WatchClusterRequest>,
    ) -> Result<Response<Self::WatchClusterStream>, Status> {
        let interval = Duration::from_millis(u64::from(request.get_ref().interval_ms).max(WATCH_INTERVAL_MS_MIN));
        let mut pulse = tokio::time::interval(interval);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let snapshots = futures::stream::unfold((self.view.clone(), pulse), |(view, mut pulse)| async move {
            pulse.tick().await;
            let cluster = Some(view.snapshot().await);
            Some((Ok(WatchClusterResponse { cluster }), (view, pulse)))
        });
        Ok(Response::new(Box::pin(snapshots)))
    }

    async fn get_topology(&self, _: Request<GetTopologyRequest>) -> Result<Response<GetTopologyResponse>, Status> {
        let map = self.view.known_map()?;
        Ok(Response::new(GetTopologyResponse { topology: Some(self.view.topology(&map)) }))
    }

    async fn watch_topology(
        &self,
        request: Request<WatchTopologyRequest>,
    ) -> Result<Response<Self::WatchTopologyStream>, Status> {
        let after = request.get_ref().after_epoch;
        let view = self.view.clone();
        let maps = tokio_stream::StreamExt::filter_map(WatchStream::new(self.view.map.clone()), move |map| {
            let map = map.filter(|map| map.shards.epoch.0 > after)?;
            Some(Ok(WatchTopologyResponse { topology: Some(view.topology(&map)) }))
        });
        Ok(Response::new(Box::pin(maps)))
    }

    async fn locate(&self, request: Request<LocateRequest>) -> Result<Response<LocateResponse>, Status> {
        let request = request.into_inner();
        let invalid = |error: phoenixmldb_types::NameError| PublicError::new(Code::InvalidArgument, error.to_string());
        let container = ContainerName::parse(&request.container).map_err(invalid)?;
        let name = DocumentName::parse(&request.key).map_err(invalid)?;
        let map = self.view.known_map()?;
        let hash = key_hash(&container, name.as_str());
        let shard = map.shards.locate(hash).ok_or_else(|| {
            PublicError::new(Code::Forming, "shards are not placed yet").help("phoenixmldb-cluster status")
        })?;
        let snapshot = self.view.snapshot().await;
        let leader = snapshot.shards.iter().find(|view| view.id == shard.id.0).map(|view| view.leader.clone());
        Ok(Response::new(LocateResponse {
            hash,
            shard: shard.id.0,
            leader: leader.unwrap_or_default(),
            replicas: shard.replicas.iter().map(|replica| replica.node.to_string()).collect(),
            epoch: map.shards.epoch.0,
        }))
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Result<Response<ListEventsResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.view.client.events(request.after_id, request.limit).await?))
    }

    async fn check_shards(
        &self,
        request: Request<CheckShardsRequest>,
    ) -> Result<Response<CheckShardsResponse>, Status> {
        let wanted = request.into_inner().shards;
        let map = self.view.known_map()?;
        if let Some(unknown) = wanted.iter().find(|id| map.shards.shard(ShardId(**id)).is_none()) {
            let message = format!("shard {unknown} does not exist; there are {}", map.shards.shards.len());
            return Err(PublicError::new(Code::InvalidArgument, message).into());
        }
        let mut shards = Vec::new();
        for shard in map.shards.shards.iter().filter(|shard| wanted.is_empty() || wanted.contains(&shard.id.0)) {
            shards.push(self.view.check(&map, shard).await);
        }
        Ok(Response::new(CheckShardsResponse { shards }))
    }

    async fn remove_node(&self, request: Request<RemoveNodeRequest>) -> Result<Response<RemoveNodeResponse>, Status> {
        let removed = self.view.client.remove(&request.into_inner().node).await?;
        Ok(Response::new(RemoveNodeResponse { removed }))
    }

    async fn transfer_leadership(
        &self,
        request: Request<TransferLeadershipRequest>,
    ) -> Result<Response<TransferLeadershipResponse>, Status> {
        let leader = self.view.client.transfer(&request.into_inner().to).await?;
        Ok(Response::new(TransferLeadershipResponse { leader }))
    }
}
