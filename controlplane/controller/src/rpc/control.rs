//! `ControlService` on the peer port. `Hello` is answered from the first moment; the rest once a cluster is known.

use crate::controller::Controller;
use crate::data_dir::Member;
use crate::forming::{Hello, two_lives};
use crate::limits::EVENTS_PAGE_MAX;
use crate::observed::Heard;
use crate::snapshot::events;
use bytes::Bytes;
use futures::Stream;
use parking_lot::Mutex;
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::admin::{ListEventsResponse, NodeLoad};
use phoenixmldb_proto::internal::control_service_server::ControlService;
use phoenixmldb_proto::internal::{
    AnnounceRequest, AnnounceResponse, ControlCreateContainerRequest, ControlCreateContainerResponse,
    ControlDeleteContainerRequest, ControlDeleteContainerResponse, GetSnapshotRequest, GetSnapshotResponse, Greeting,
    HeartbeatRequest, HeartbeatResponse, NodeDescription, ReadEventsRequest, ReadEventsResponse, RegisterRequest,
    RegisterResponse, RemoveRequest, RemoveResponse, TransferControlRequest, TransferControlResponse, WatchMapRequest,
    WatchMapResponse,
};
use phoenixmldb_state::{ClusterState, Command, Outcome};
use phoenixmldb_types::{ClusterId, Code, ContainerName, MapNode, NodeName, RaftId};
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

/// Counts calls of other clusters, which were refused. Cheap to clone.
#[derive(Clone, Default)]
pub struct Rejections(Arc<AtomicU64>);

impl Rejections {
    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The refusal of one more.
    fn refuse(&self, message: String) -> Status {
        self.0.fetch_add(1, Ordering::Relaxed);
        PublicError::new(Code::WrongCluster, message).into()
    }
}

/// What a node says of itself, as it stands now.
pub type Introduction = Arc<Mutex<Hello>>;

/// Answers other nodes.
pub struct ControlRpc {
    own: Introduction,
    rejections: Rejections,
    controller: Option<Arc<Controller>>,
}

impl ControlRpc {
    /// Without a controller everything but `Hello` and what follows from it is refused.
    #[must_use]
    pub fn new(own: Introduction, rejections: Rejections, controller: Option<Arc<Controller>>) -> Self {
        Self { own, rejections, controller }
    }

    /// The controller, if the caller means its cluster.
    fn controller(&self, cluster_id: &str) -> Result<&Arc<Controller>, Status> {
        let own = self.own.lock();
        match (&own.cluster_id, &self.controller) {
            (Some(known), _) if known.as_str() != cluster_id && own.incarnation.is_some() => {
                let known = known.as_str();
                Err(self
                    .rejections
                    .refuse(format!("cluster id mismatch: peer says {known:?}, you said {cluster_id:?}")))
            }
            (_, Some(controller)) => Ok(controller),
            (_, None) if own.controller => {
                Err(PublicError::new(Code::NotInitialised, "this controller belongs to no cluster yet").into())
            }
            (_, None) => {
                let mut error = PublicError::new(Code::NotLeader, "this node has no controller role");
                if let Some(voter) = own.voters.first() {
                    error = error.with("leader_address", &voter.peer_address);
                }
                Err(error.into())
            }
        }
    }
}

/// A member on the wire.
#[must_use]
pub fn describe(member: &Member, controller: bool) -> NodeDescription {
    NodeDescription {
        name: member.name.to_string(),
        raft_id: member.raft_id.0,
        peer_address: member.peer_address.clone(),
        controller,
        data: member.data,
        ..NodeDescription::default()
    }
}

fn member(node: &NodeDescription) -> Result<Member, String> {
    Ok(Member {
        name: NodeName::parse(&node.name).map_err(|error| error.to_string())?,
        raft_id: RaftId(node.raft_id),
        peer_address: node.peer_address.clone(),
        data: node.data,
    })
}

/// A greeting on the wire.
#[must_use]
pub fn hello_to_wire(hello: &Hello) -> Greeting {
    Greeting {
        cluster_id: hello.cluster_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        incarnation: hello.incarnation.clone().unwrap_or_default(),
        sender: Some(describe(&hello.member, hello.controller)),
        peers: hello.peers.clone(),
        voters: hello.voters.iter().map(|voter| describe(voter, true)).collect(),
    }
}

/// A greeting from the wire. Error: which part breaks its rule.
pub fn hello_from_wire(greeting: &Greeting) -> Result<Hello, String> {
    let sender = greeting.sender.as_ref().ok_or_else(|| "a greeting without a sender".to_owned())?;
    let cluster_id = if greeting.cluster_id.is_empty() {
        None
    } else {
        Some(ClusterId::parse(&greeting.cluster_id).map_err(|error| error.to_string())?)
    };
    Ok(Hello {
        member: member(sender)?,
        controller: sender.controller,
        cluster_id,
        incarnation: Some(greeting.incarnation.clone()).filter(|life| !life.is_empty()),
        peers: greeting.peers.clone(),
        voters: greeting.voters.iter().map(member).collect::<Result<_, _>>()?,
    })
}

fn invalid(error: impl std::fmt::Display) -> Status {
    PublicError::new(Code::InvalidArgument, error.to_string()).into()
}

fn map_bytes(state: &ClusterState) -> Result<Bytes, Status> {
    let map = state.map().ok_or_else(|| PublicError::new(Code::Forming, "the cluster is forming"))?;
    let bytes = serde_json::to_vec(&map)
        .map_err(|error| PublicError::new(Code::Internal, format!("writing the cluster map: {error}")))?;
    Ok(bytes.into())
}

#[tonic::async_trait]
impl ControlService for ControlRpc {
    type WatchMapStream = Pin<Box<dyn Stream<Item = Result<WatchMapResponse, Status>> + Send>>;

    async fn hello(&self, request: Request<Greeting>) -> Result<Response<Greeting>, Status> {
        let mut greeting = request.into_inner();
        let own = self.own.lock();
        // Whoever asks before it is a node has no name: `join`.
        greeting.sender.get_or_insert_with(|| describe(&own.member, false));
        let other = hello_from_wire(&greeting).map_err(invalid)?;
        if let (Some(mine), Some(theirs)) = (&own.cluster_id, &other.cluster_id)
            && mine != theirs
        {
            let message = format!("cluster id mismatch: peer says {:?}, you said {:?}", mine.as_str(), theirs.as_str());
            return Err(self.rejections.refuse(message));
        }
        if let (Some(mine), Some(theirs)) = (&own.incarnation, &other.incarnation)
            && mine != theirs
        {
            let message = two_lives((&own.member.name, mine), (&other.member.name, theirs));
            return Err(self.rejections.refuse(message));
        }
        Ok(Response::new(hello_to_wire(&own)))
    }

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        let known = &controller.membership().incarnation;
        if request.incarnation != *known {
            let message = format!("two different incarnations ({known}, {})", request.incarnation);
            return Err(self.rejections.refuse(message));
        }
        let node = request.node.unwrap_or_default();
        let name = NodeName::parse(&node.name).map_err(invalid)?;
        let command = Command::Register {
            node: MapNode {
                name,
                raft_id: RaftId(node.raft_id),
                client_address: node.client_address,
                peer_address: node.peer_address,
                controller: node.controller,
                data: node.data,
                zone: node.zone,
            },
            version: node.version,
            now_ms: controller.now_ms(),
        };
        controller.propose(&command).await?;
        let map = map_bytes(&controller.state().borrow().clone())?;
        Ok(Response::new(RegisterResponse { map }))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        let heard = Heard {
            uptime_s: request.uptime_s,
            load: NodeLoad::decode(request.load).map_err(invalid)?,
            groups: request.groups.into_iter().map(|group| (group.group, group)).collect(),
            notes: request.notes,
            ..Heard::default()
        };
        let map_version = controller.heartbeat(NodeName::parse(&request.node).map_err(invalid)?, heard)?;
        Ok(Response::new(HeartbeatResponse { map_version }))
    }

    async fn create_container(
        &self,
        request: Request<ControlCreateContainerRequest>,
    ) -> Result<Response<ControlCreateContainerResponse>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        let command = Command::CreateContainer {
            name: ContainerName::parse(&request.name).map_err(invalid)?,
            strip_whitespace: request.strip_whitespace,
            if_not_exists: request.if_not_exists,
            now_ms: controller.now_ms(),
        };
        match controller.propose(&command).await? {
            Outcome::Container(container, created) => {
                let container = serde_json::to_vec(&container)
                    .map_err(|error| PublicError::new(Code::Internal, format!("writing a container: {error}")))?;
                Ok(Response::new(ControlCreateContainerResponse { container: container.into(), created }))
            }
            other => Err(PublicError::new(Code::Internal, format!("creating a container: {other:?}")).into()),
        }
    }

    async fn delete_container(
        &self,
        request: Request<ControlDeleteContainerRequest>,
    ) -> Result<Response<ControlDeleteContainerResponse>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        let command = Command::DeleteContainer {
            name: ContainerName::parse(&request.name).map_err(invalid)?,
            if_exists: request.if_exists,
            now_ms: controller.now_ms(),
        };
        let deleted = controller.propose(&command).await? == Outcome::Deleted(true);
        Ok(Response::new(ControlDeleteContainerResponse { deleted }))
    }

    async fn get_snapshot(
        &self,
        request: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let controller = self.controller(&request.get_ref().cluster_id)?;
        controller.confirm_leader().await?;
        controller.settle().await;
        Ok(Response::new(GetSnapshotResponse { snapshot: controller.snapshot().encode_to_vec().into() }))
    }

    async fn read_events(&self, request: Request<ReadEventsRequest>) -> Result<Response<ReadEventsResponse>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        controller.confirm_leader().await?;
        let count = if request.limit == 0 { EVENTS_PAGE_MAX } else { (request.limit as usize).min(EVENTS_PAGE_MAX) };
        let events = ListEventsResponse { events: events(&controller.state().borrow(), request.after_id, count) };
        Ok(Response::new(ReadEventsResponse { events: events.encode_to_vec().into() }))
    }

    async fn transfer_control(
        &self,
        request: Request<TransferControlRequest>,
    ) -> Result<Response<TransferControlResponse>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        let to = NodeName::parse(&request.to).map_err(invalid)?;
        controller.transfer(&to).await?;
        Ok(Response::new(TransferControlResponse { leader: to.to_string() }))
    }

    async fn announce(&self, request: Request<AnnounceRequest>) -> Result<Response<AnnounceResponse>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        let node = NodeName::parse(&request.node).map_err(invalid)?;
        controller.propose(&Command::Announce { node, now_ms: controller.now_ms() }).await?;
        Ok(Response::new(AnnounceResponse {}))
    }

    async fn remove(&self, request: Request<RemoveRequest>) -> Result<Response<RemoveResponse>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        let node = NodeName::parse(&request.node).map_err(invalid)?;
        let outcome = controller.propose(&Command::Forget { node, now_ms: controller.now_ms() }).await?;
        Ok(Response::new(RemoveResponse { removed: outcome == Outcome::Deleted(true) }))
    }

    async fn watch_map(&self, request: Request<WatchMapRequest>) -> Result<Response<Self::WatchMapStream>, Status> {
        let request = request.into_inner();
        let controller = self.controller(&request.cluster_id)?;
        let known = request.known_version;
        let maps = WatchStream::new(controller.state()).filter_map(move |state| {
            (state.identity.is_some() && state.version > known)
                .then(|| map_bytes(&state).map(|map| WatchMapResponse { map }))
        });
        Ok(Response::new(Box::pin(maps)))
    }
}
