//! The way to a replica: a call in this process when the replica is here, gRPC to the peer port otherwise.

use crate::fragment;
use crate::limits::{CONNECT_TIMEOUT_MS, CUT_OFF_GRACE_MS, MESSAGE_BYTES_MAX, STALE_WAIT_MS};
use crate::replicas::Replicas;
use crate::timestamps::{ClockSource, Timestamps};
use async_trait::async_trait;
use futures::StreamExt;
use parking_lot::Mutex;
use phoenixmldb_coordinator::transport::{
    DocumentStream, FragmentRequest, FragmentStream, Read, Served, ShardPage, ShardTransport, Stored, TransportError,
};
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::internal::shard_service_client::ShardServiceClient;
use phoenixmldb_proto::internal::{
    GrantRequest, RequestContext, ScanRequest, ShardCountRequest, ShardGetRequest, ShardHashRequest, ShardListRequest,
    ShardReadInfo, ShardResolvedRequest, ShardWriteRequest, StoredInfo,
};
use phoenixmldb_shard::{Outcome, ShardCommand};
use phoenixmldb_store::EncodedDocument;
use phoenixmldb_types::{ClusterMap, Code, ContainerId, DocumentName, MapNode, NodeName, ShardId, Timestamp};
use std::collections::HashMap;
use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

/// Channels to the peer ports of other nodes; opened when first used, opened again when they break.
#[derive(Default)]
pub struct Peers {
    channels: Mutex<HashMap<String, Channel>>,
}

impl Peers {
    fn client(&self, address: &str) -> Result<ShardServiceClient<Channel>, TransportError> {
        let mut channels = self.channels.lock();
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{address}"))
                    .map_err(|error| TransportError::Unreachable(format!("{address}: {error}")))?;
                let channel = endpoint
                    .connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
                    .tcp_nodelay(true)
                    .http2_keep_alive_interval(Duration::from_secs(1))
                    .keep_alive_timeout(Duration::from_secs(1))
                    .connect_lazy();
                channels.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        Ok(ShardServiceClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }
}

/// Reaches replicas here and elsewhere.
pub struct NodeTransport {
    own: NodeName,
    cluster_id: String,
    replicas: Arc<Replicas>,
    timestamps: Timestamps,
    peers: Arc<Peers>,
}

/// A replica's refusal on the wire; read back by [`transport_error`].
pub(crate) fn refusal(error: TransportError) -> PublicError {
    let message = error.to_string();
    match error {
        TransportError::NotLeader { leader } => {
            let error = PublicError::new(Code::NotLeader, message);
            leader.into_iter().fold(error, |error, leader| error.with("leader", leader))
        }
        TransportError::NoQuorum { since_ms } => PublicError::new(Code::NoQuorum, message).with("since_ms", since_ms),
        TransportError::NoReplica => PublicError::new(Code::WrongEpoch, message),
        TransportError::Clock(reason) => PublicError::new(Code::ClockUnavailable, reason),
        TransportError::Overloaded(what) => PublicError::new(Code::Overloaded, what),
        TransportError::Unreachable(reason) => PublicError::new(Code::ShardUnavailable, reason),
        TransportError::Lost(reason) => PublicError::new(Code::ShardUnavailable, reason).with("lost", true),
        TransportError::Failed(reason) => PublicError::new(Code::Internal, reason),
        TransportError::Query { code, message, offset } => {
            let error = PublicError::new(Code::QueryDynamic, message).with("xquery_code", code);
            offset.into_iter().fold(error, |error, offset| error.with("offset", offset))
        }
    }
}

fn transport_error(status: &Status) -> TransportError {
    let error = PublicError::from(status);
    match error.code {
        Code::NotLeader => {
            TransportError::NotLeader { leader: error.get("leader").and_then(|name| NodeName::parse(name).ok()) }
        }
        Code::NoQuorum => TransportError::NoQuorum {
            since_ms: error.get("since_ms").and_then(|since| since.parse().ok()).unwrap_or_default(),
        },
        Code::WrongEpoch => TransportError::NoReplica,
        Code::ClockUnavailable => TransportError::Clock(error.message),
        Code::Overloaded => TransportError::Overloaded(error.message),
        Code::QueryDynamic => TransportError::Query {
            code: error.get("xquery_code").unwrap_or_default().to_owned(),
            offset: error.get("offset").and_then(|offset| offset.parse().ok()),
            message: error.message,
        },
        // What the transport itself says carries no reason of ours.
        Code::Internal if !error.metadata.is_empty() || status.code() == tonic::Code::Internal => {
            TransportError::Failed(error.message)
        }
        Code::ShardUnavailable
            if error.get("lost").is_some() || !(status.get_details_error_info().is_some() || never_sent(status)) =>
        {
            TransportError::Lost(error.message)
        }
        Code::DeadlineExceeded | Code::Cancelled => TransportError::Lost(error.message),
        _ => TransportError::Unreachable(error.message),
    }
}

/// Whether a status was made because there was no connection.
fn never_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// How long to wait for the beginning of an answer: other replicas may serve a stale read just as well.
fn stale_limit(read: Read, limit: Duration) -> Duration {
    if read.is_stale() { limit.min(Duration::from_millis(STALE_WAIT_MS)) } else { limit }
}

/// Bounds one attempt.
async fn within<T>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    match tokio::time::timeout(limit, attempt).await {
        Ok(answer) => answer,
        Err(_) => Err(TransportError::Lost(format!("no answer within {} ms", limit.as_millis()))),
    }
}

impl NodeTransport {
    /// A transport for the node's own coordinator.
    #[must_use]
    pub fn new(
        own: NodeName,
        cluster_id: String,
        replicas: Arc<Replicas>,
        timestamps: Timestamps,
        peers: Arc<Peers>,
    ) -> Arc<Self> {
        Arc::new(Self { own, cluster_id, replicas, timestamps, peers })
    }

    fn context(&self, limit: Duration) -> Option<RequestContext> {
        let remaining_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Some(RequestContext { cluster_id: self.cluster_id.clone(), from: self.own.to_string(), remaining_ms })
    }

    /// Bounds an attempt on another node. One that hangs is given up soon after the replica here is out of touch with the
    /// shard's group: what has silenced the group has most likely silenced that node too.
    async fn remote<T>(
        &self,
        shard: ShardId,
        limit: Duration,
        attempt: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        let cut_off = async {
            tokio::time::sleep(Duration::from_millis(CUT_OFF_GRACE_MS)).await;
            self.replicas.cut_off(shard).await;
        };
        tokio::select! {
            answer = within(limit, attempt) => answer,
            () = cut_off => {
                let reason = "no answer, and the replica here has lost its group".to_owned();
                Err(TransportError::Lost(reason))
            }
        }
    }

    /// Hash, number of pairs and position of a replica.
    pub async fn hash(
        &self,
        node: &MapNode,
        shard: ShardId,
        index: u64,
        limit: Duration,
    ) -> Result<(u64, u64, u64), TransportError> {
        if node.name == self.own {
            return within(limit, self.replicas.hash(shard, index, limit)).await;
        }
        let request = ShardHashRequest { context: self.context(limit), shard: shard.0, applied_index: index };
        let mut client = self.peers.client(&node.peer_address)?;
        within(limit, async move {
            let answer = client.hash(request).await.map_err(|status| transport_error(&status))?.into_inner();
            Ok((answer.hash, answer.keys, answer.applied_index))
        })
        .await
    }
}

pub(crate) fn to_wire(stored: &Stored) -> StoredInfo {
    StoredInfo {
        name: stored.name.to_string(),
        version: stored.version.0,
        created: stored.created.0,
        bytes: stored.bytes,
        nodes: stored.nodes,
        content_hash: stored.content_hash,
    }
}

fn from_wire(info: StoredInfo) -> Result<Stored, TransportError> {
    let name = DocumentName::parse(&info.name).map_err(|error| TransportError::Failed(error.to_string()))?;
    Ok(Stored {
        name,
        version: Timestamp(info.version),
        created: Timestamp(info.created),
        bytes: info.bytes,
        nodes: info.nodes,
        content_hash: info.content_hash,
    })
}

pub(crate) fn served_to_wire(served: Served) -> ShardReadInfo {
    ShardReadInfo {
        read_timestamp: served.read_ts.0,
        stale: served.stale,
        applied_index: served.applied_index,
        last_leader_contact_ms: served.last_leader_contact_ms,
        node: served.node,
    }
}

fn served_from_wire(info: Option<ShardReadInfo>) -> Served {
    let info = info.unwrap_or_default();
    Served {
        read_ts: Timestamp(info.read_timestamp),
        stale: info.stale,
        applied_index: info.applied_index,
        last_leader_contact_ms: info.last_leader_contact_ms,
        node: info.node,
    }
}

/// Timestamp and staleness of a read, as two fields of the wire.
pub(crate) fn read_to_wire(read: Read) -> (u64, bool) {
    match read {
        Read::Newest => (0, false),
        Read::At(at) => (at.0, false),
        Read::Stale => (0, true),
        Read::StaleAt(at) => (at.0, true),
    }
}

pub(crate) fn read_from_wire(read_timestamp: u64, stale: bool) -> Read {
    match (read_timestamp, stale) {
        (0, true) => Read::Stale,
        (at, true) => Read::StaleAt(Timestamp(at)),
        (0, false) => Read::Newest,
        (at, false) => Read::At(Timestamp(at)),
    }
}

#[async_trait]
impl ShardTransport for NodeTransport {
    async fn write(
        &self,
        node: &MapNode,
        shard: ShardId,
        command: &ShardCommand,
        limit: Duration,
    ) -> Result<Outcome, TransportError> {
        if node.name == self.own {
            return within(limit, self.replicas.write(shard, command.clone(), &self.timestamps)).await;
        }
        let request =
            ShardWriteRequest { context: self.context(limit), shard: shard.0, command: command.to_bytes().into() };
        let mut client = self.peers.client(&node.peer_address)?;
        self.remote(shard, limit, async move {
            let answer = client.write(request).await.map_err(|status| transport_error(&status))?.into_inner();
            Outcome::from_bytes(&answer.outcome).map_err(|error| TransportError::Failed(error.to_string()))
        })
        .await
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
        if node.name == self.own {
            return within(limit, self.replicas.get(shard, container, name, read, with_content)).await;
        }
        let limit = stale_limit(read, limit);
        let (read_timestamp, stale) = read_to_wire(read);
        let request = ShardGetRequest {
            context: self.context(limit),
            shard: shard.0,
            container: container.0,
            name: name.to_string(),
            read_timestamp,
            stale,
            with_content,
        };
        let mut client = self.peers.client(&node.peer_address)?;
        self.remote(shard, limit, async move {
            let answer = client.get(request).await.map_err(|status| transport_error(&status))?.into_inner();
            let served = served_from_wire(answer.read);
            let Some(info) = answer.info else { return Ok((None, served)) };
            let content = if with_content {
                let content = EncodedDocument::from_bytes(&answer.encoded);
                Some(content.map_err(|error| TransportError::Failed(error.to_string()))?)
            } else {
                None
            };
            Ok((Some((from_wire(info)?, content)), served))
        })
        .await
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
        if node.name == self.own {
            return within(limit, self.replicas.list(shard, container, prefix, after, count, read)).await;
        }
        let limit = stale_limit(read, limit);
        let (read_timestamp, stale) = read_to_wire(read);
        let request = ShardListRequest {
            context: self.context(limit),
            shard: shard.0,
            container: container.0,
            prefix: prefix.to_owned(),
            after: after.unwrap_or_default().to_owned(),
            limit: count,
            read_timestamp,
            stale,
        };
        let mut client = self.peers.client(&node.peer_address)?;
        self.remote(shard, limit, async move {
            let answer = client.list(request).await.map_err(|status| transport_error(&status))?.into_inner();
            let documents = answer.documents.into_iter().map(from_wire).collect::<Result<_, _>>()?;
            Ok(ShardPage { documents, more: answer.more, served: served_from_wire(answer.read) })
        })
        .await
    }

    async fn fragment(
        &self,
        node: &MapNode,
        shard: ShardId,
        request: Arc<FragmentRequest>,
        limit: Duration,
    ) -> Result<FragmentStream, TransportError> {
        if node.name == self.own {
            return within(limit, self.replicas.fragment(shard, request, limit)).await;
        }
        let opening = stale_limit(request.read, limit);
        let wire = fragment::request_to_wire(self.context(limit), shard, &request);
        let mut client = self.peers.client(&node.peer_address)?;
        self.remote(shard, opening, async move {
            let stream = client.fragment(wire).await.map_err(|status| transport_error(&status))?.into_inner();
            let parts = stream.map(|part| match part {
                Ok(part) => fragment::part_from_wire(part),
                Err(status) => Err(transport_error(&status)),
            });
            Ok(parts.boxed())
        })
        .await
    }

    async fn scan(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        read: Read,
        limit: Duration,
    ) -> Result<DocumentStream, TransportError> {
        if node.name == self.own {
            return within(limit, self.replicas.scan(shard, container, read)).await;
        }
        let opening = stale_limit(read, limit);
        let (read_timestamp, stale) = read_to_wire(read);
        let request =
            ScanRequest { context: self.context(limit), shard: shard.0, container: container.0, read_timestamp, stale };
        let mut client = self.peers.client(&node.peer_address)?;
        self.remote(shard, opening, async move {
            let stream = client.scan(request).await.map_err(|status| transport_error(&status))?.into_inner();
            let documents = stream.map(|document| {
                let document = document.map_err(|status| transport_error(&status))?;
                let failed = |reason: String| TransportError::Failed(reason);
                let name = DocumentName::parse(&document.name).map_err(|error| failed(error.to_string()))?;
                let content =
                    EncodedDocument::from_bytes(&document.encoded).map_err(|error| failed(error.to_string()))?;
                Ok((name, content))
            });
            Ok(documents.boxed())
        })
        .await
    }

    async fn count(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        limit: Duration,
    ) -> Result<(u64, u64), TransportError> {
        if node.name == self.own {
            return within(limit, self.replicas.count(shard, container)).await;
        }
        let request = ShardCountRequest { context: self.context(limit), shard: shard.0, container: container.0 };
        let mut client = self.peers.client(&node.peer_address)?;
        self.remote(shard, limit, async move {
            let answer = client.count(request).await.map_err(|status| transport_error(&status))?.into_inner();
            Ok((answer.documents, answer.bytes))
        })
        .await
    }

    async fn resolved(&self, node: &MapNode, shard: ShardId, limit: Duration) -> Result<Served, TransportError> {
        if node.name == self.own {
            return self.replicas.resolved(shard);
        }
        let limit = stale_limit(Read::Stale, limit);
        let request = ShardResolvedRequest { context: self.context(limit), shard: shard.0 };
        let mut client = self.peers.client(&node.peer_address)?;
        self.remote(shard, limit, async move {
            let answer = client.resolved(request).await.map_err(|status| transport_error(&status))?.into_inner();
            Ok(served_from_wire(answer.read))
        })
        .await
    }

    async fn timestamp(&self, limit: Duration) -> Result<Timestamp, String> {
        match tokio::time::timeout(limit, self.timestamps.next()).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
        }
    }
}

/// The clock group, wherever its leader is.
pub struct ClockGroup {
    own: NodeName,
    cluster_id: String,
    replicas: Arc<Replicas>,
    peers: Arc<Peers>,
    map: watch::Receiver<Option<Arc<ClusterMap>>>,
    leader: Mutex<Option<NodeName>>,
}

impl ClockGroup {
    /// Looks for the leader among the replicas of the map.
    #[must_use]
    pub fn new(
        own: NodeName,
        cluster_id: String,
        replicas: Arc<Replicas>,
        peers: Arc<Peers>,
        map: watch::Receiver<Option<Arc<ClusterMap>>>,
    ) -> Arc<Self> {
        Arc::new(Self { own, cluster_id, replicas, peers, map, leader: Mutex::new(None) })
    }

    async fn ask(&self, node: &MapNode, count: u32) -> Result<Timestamp, TransportError> {
        let limit = Duration::from_millis(CONNECT_TIMEOUT_MS * 2);
        if node.name == self.own {
            return within(limit, self.replicas.grant(count)).await;
        }
        let context = RequestContext {
            cluster_id: self.cluster_id.clone(),
            from: self.own.to_string(),
            remaining_ms: CONNECT_TIMEOUT_MS * 2,
        };
        let mut client = self.peers.client(&node.peer_address)?;
        within(limit, async move {
            let request = GrantRequest { context: Some(context), count };
            let answer = client.grant(request).await.map_err(|status| transport_error(&status))?;
            Ok(Timestamp(answer.into_inner().first))
        })
        .await
    }
}

#[async_trait]
impl ClockSource for ClockGroup {
    fn is_lost(&self) -> bool {
        self.replicas.is_clock_cut_off()
    }

    async fn grant(&self, count: u32) -> Result<Timestamp, String> {
        let Some(map) = self.map.borrow().clone() else { return Err("no shard map yet".to_owned()) };
        let hint = self.leader.lock().clone();
        let mut nodes: Vec<&MapNode> = map.shards.clock.iter().filter_map(|replica| map.node(&replica.node)).collect();
        nodes.sort_by_key(|node| (Some(&node.name) != hint.as_ref(), node.name != self.own));
        let mut tried = Vec::new();
        let mut next = 0;
        while let Some(node) = nodes.get(next).copied() {
            next += 1;
            match self.ask(node, count).await {
                Ok(first) => {
                    *self.leader.lock() = Some(node.name.clone());
                    return Ok(first);
                }
                Err(error) => {
                    if let TransportError::NotLeader { leader: Some(leader) } = &error {
                        // Ask whom it names next; who has been asked is not asked again in this round.
                        nodes[next..].sort_by_key(|node| node.name != *leader);
                    }
                    tried.push(format!("{}: {error}", node.name));
                }
            }
        }
        *self.leader.lock() = None;
        Err(if tried.is_empty() { "the clock group is not placed yet".to_owned() } else { tried.join("; ") })
    }
}
