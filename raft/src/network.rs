//! Frames between nodes, the trait that carries them, and the adapter to openraft.
//!
//! A frame is one request or reply of one group. Everything about groups, votes and entries is in its body; a transport
//! sees bytes. Heartbeats and votes travel in a lane of their own, so that a snapshot or a large append never delays
//! them. Every request is bounded by the time openraft gives it.

use crate::snapshot::{SnapshotData, SnapshotReader};
use crate::type_config::{C, Peer, Snapshot, Vote, decode, encode};
use async_trait::async_trait;
use bytes::Bytes;
use openraft::error::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use phoenixmldb_types::GroupId;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// What a request frame asks; the numbers are the wire's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// Append entries, also a heartbeat.
    Append = 1,
    /// Ask for a vote.
    Vote = 2,
    /// Ask whether a vote would be given.
    PreVote = 3,
    /// Take over leadership.
    TransferLeader = 4,
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub fn from_wire(number: u32) -> Option<Self> {
        [Self::Append, Self::Vote, Self::PreVote, Self::TransferLeader].into_iter().find(|kind| *kind as u32 == number)
    }
}

/// Which connection of a node pair carries a frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Heartbeats, votes, transfers.
    Urgent,
    /// Appends with entries.
    Bulk,
}

/// Why a frame got no answer. Raft tries again by itself.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection.
    #[error("{peer} is unreachable: {reason}")]
    Unreachable {
        /// Whom.
        peer: String,
        /// Why.
        reason: String,
    },
    /// The peer has no such group, is another one than expected, or belongs to another cluster.
    #[error("{peer} refused: {reason}")]
    Refused {
        /// Who.
        peer: String,
        /// Why.
        reason: String,
    },
}

/// Carries frames to peers. Implementations: gRPC in [`crate::rpc`], simulated networks in tests.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and returns the reply's body.
    ///
    /// Cancel safe: dropping the future forgets the reply; the request may have been carried out.
    async fn call(
        &self,
        peer: &Peer,
        lane: Lane,
        group: GroupId,
        kind: Kind,
        body: Bytes,
    ) -> Result<Bytes, TransportError>;

    /// Sends a snapshot and returns the receiver's vote, encoded.
    async fn send_snapshot(
        &self,
        peer: &Peer,
        group: GroupId,
        vote: Bytes,
        meta: Bytes,
        chunks: Box<dyn SnapshotReader>,
    ) -> Result<Bytes, TransportError>;
}

/// openraft's factory of connections for one group.
pub(crate) struct Network {
    pub(crate) group: GroupId,
    pub(crate) own_id: u64,
    pub(crate) transport: Arc<dyn Transport>,
}

/// openraft's view of one group's way to one peer.
pub(crate) struct Link {
    group: GroupId,
    own_id: u64,
    peer: Peer,
    lane: Lane,
    transport: Arc<dyn Transport>,
}

impl Network {
    fn link(&self, target: u64, node: &Peer, lane: Lane) -> Link {
        let peer = Peer { raft_id: target, ..node.clone() };
        Link { group: self.group, own_id: self.own_id, peer, lane, transport: self.transport.clone() }
    }
}

impl RaftNetworkFactory<C> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, node: &Peer) -> Link {
        self.link(target, node, Lane::Bulk)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Peer) -> Link {
        self.link(target, node, Lane::Urgent)
    }
}

fn unreachable(error: &TransportError) -> Unreachable<C> {
    Unreachable::new(error)
}

impl Link {
    async fn call<Q, R>(
        &self,
        lane: Lane,
        kind: Kind,
        action: RPCTypes,
        request: &Q,
        ttl: Duration,
    ) -> Result<R, RPCError<C>>
    where
        Q: serde::Serialize,
        R: for<'a> serde::Deserialize<'a>,
    {
        let call = self.transport.call(&self.peer, lane, self.group, kind, encode(request));
        match tokio::time::timeout(ttl, call).await {
            Ok(Ok(body)) => {
                decode("reply of a peer", &body).map_err(|error| RPCError::Unreachable(Unreachable::new(&error)))
            }
            Ok(Err(error)) => Err(RPCError::Unreachable(unreachable(&error))),
            Err(_) => {
                Err(RPCError::Timeout(Timeout { action, id: self.own_id, target: self.peer.raft_id, timeout: ttl }))
            }
        }
    }
}

impl openraft::network::v2::RaftNetworkV2<C> for Link {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<C>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C>, RPCError<C>> {
        self.call(self.lane, Kind::Append, RPCTypes::AppendEntries, &request, option.hard_ttl()).await
    }

    async fn vote(&mut self, request: VoteRequest<C>, option: RPCOption) -> Result<VoteResponse<C>, RPCError<C>> {
        self.call(Lane::Urgent, Kind::Vote, RPCTypes::Vote, &request, option.hard_ttl()).await
    }

    async fn pre_vote(&mut self, request: VoteRequest<C>, option: RPCOption) -> Result<VoteResponse<C>, RPCError<C>> {
        self.call(Lane::Urgent, Kind::PreVote, RPCTypes::Vote, &request, option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<C>, StreamingError<C>> {
        let meta = encode(&snapshot.meta);
        let Some(chunks) = snapshot.snapshot.take() else {
            let error = TransportError::Refused { peer: self.peer.name.clone(), reason: "no chunks".to_owned() };
            return Err(StreamingError::Unreachable(unreachable(&error)));
        };
        let send = self.transport.send_snapshot(&self.peer, self.group, encode(&vote), meta, chunks);
        let ttl = option.hard_ttl();
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            result = tokio::time::timeout(ttl, send) => match result {
                Ok(Ok(body)) => {
                    let vote = decode("vote of a snapshot's receiver", &body);
                    let vote = vote.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))?;
                    Ok(SnapshotResponse::new(vote))
                }
                Ok(Err(error)) => Err(StreamingError::Unreachable(unreachable(&error))),
                Err(_) => Err(StreamingError::Timeout(Timeout {
                    action: RPCTypes::InstallSnapshot,
                    id: self.own_id,
                    target: self.peer.raft_id,
                    timeout: ttl,
                })),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<C>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<C>, RPCError<C>> {
        self.call(Lane::Urgent, Kind::TransferLeader, RPCTypes::TransferLeader, &request, option.hard_ttl()).await
    }
}
