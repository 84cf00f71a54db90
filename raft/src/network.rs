//! Frames between nodes, the trait that carries them, and the adapter to openraft.
//!
//! A frame is one request or reply of one group. Everything about groups, votes and entries is in its body; a transport
//! sees bytes. Heartbeats and votes travel in a lane of their own, so that a snapshot or a large append never delays
//! them. Every request is bounded in time: urgent ones by what openraft gives, appends by what their bytes need.
//!
//! ```text
//!  openraft's stream of appends ─► one on its way at a time ─► answers; the first failure ends the stream
//! ```
//!
//! Entries that arrive while an append is on its way share the next one. One at a time also keeps reads linearizable:
//! openraft takes the answer to an append as the follower's word of when the *last* request up to that log position was
//! made, and a request without entries has the position of the one before. Were both on their way, a late answer to the
//! first would vouch for the second.

use crate::limits::{APPENDS_IN_FLIGHT_MAX, LINK_BYTES_PER_MS_MIN};
use crate::meter::{GroupMeter, PeerTraffic, count};
use crate::snapshot::{SnapshotData, SnapshotReader};
use crate::type_config::{C, Peer, Snapshot, Vote, decode, encode};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use openraft::base::{BoxFuture, BoxStream};
use openraft::error::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use parking_lot::Mutex;
use phoenixmldb_types::GroupId;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
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

    /// What was sent to each peer; nothing for transports that do not count.
    fn traffic(&self) -> Vec<PeerTraffic> {
        Vec::new()
    }

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

/// Snapshots on their way from this replica: the log behind the oldest is still needed.
#[derive(Default)]
pub(crate) struct Sends(Mutex<BTreeMap<u64, u64>>);

impl Sends {
    /// Position of the oldest snapshot on its way.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.0.lock().values().min().copied()
    }

    /// Notes a snapshot at `index` to `target`, until the guard is dropped. openraft sends one per target at a time.
    fn begin(self: &Arc<Self>, target: u64, index: u64) -> Sending {
        self.0.lock().insert(target, index);
        Sending { sends: self.clone(), target }
    }
}

struct Sending {
    sends: Arc<Sends>,
    target: u64,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.sends.0.lock().remove(&self.target);
    }
}

/// openraft's factory of connections for one group.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) group: GroupId,
    pub(crate) own_id: u64,
    pub(crate) transport: Arc<dyn Transport>,
    /// Longest wait for the answer to a small append.
    pub(crate) append_ttl: Duration,
    pub(crate) sends: Arc<Sends>,
    pub(crate) meter: Arc<GroupMeter>,
}

/// openraft's view of one group's way to one peer.
#[derive(Clone)]
pub(crate) struct Link {
    network: Network,
    peer: Peer,
    lane: Lane,
    heartbeats: Arc<AtomicU64>,
}

impl Network {
    fn link(&self, target: u64, node: &Peer, lane: Lane) -> Link {
        let heartbeats = self.meter.heartbeats_to(target);
        Link { network: self.clone(), peer: Peer { raft_id: target, ..node.clone() }, lane, heartbeats }
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
    async fn call<R>(
        &self,
        lane: Lane,
        kind: Kind,
        action: RPCTypes,
        request: Bytes,
        ttl: Duration,
    ) -> Result<R, RPCError<C>>
    where
        R: for<'a> serde::Deserialize<'a>,
    {
        let call = self.network.transport.call(&self.peer, lane, self.network.group, kind, request);
        match tokio::time::timeout(ttl, call).await {
            Ok(Ok(body)) => {
                decode("reply of a peer", &body).map_err(|error| RPCError::Unreachable(Unreachable::new(&error)))
            }
            Ok(Err(error)) => Err(RPCError::Unreachable(unreachable(&error))),
            Err(_) => {
                let (id, target) = (self.network.own_id, self.peer.raft_id);
                Err(RPCError::Timeout(Timeout { action, id, target, timeout: ttl }))
            }
        }
    }

    /// One append. openraft gives it a heartbeat's time, too little for a large one, which would be sent again for ever.
    async fn append(
        &self,
        request: AppendEntriesRequest<C>,
        option: &RPCOption,
    ) -> Result<AppendEntriesResponse<C>, RPCError<C>> {
        let body = encode(&request);
        let ttl = match self.lane {
            Lane::Urgent => {
                count(&self.heartbeats);
                option.hard_ttl()
            }
            Lane::Bulk => self.network.append_ttl + Duration::from_millis(body.len() as u64 / LINK_BYTES_PER_MS_MIN),
        };
        self.call(self.lane, Kind::Append, RPCTypes::AppendEntries, body, ttl).await
    }
}

impl openraft::network::v2::RaftNetworkV2<C> for Link {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<C>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C>, RPCError<C>> {
        self.append(request, &option).await
    }

    /// Sends one append after the other until one fails: openraft begins again at what is known to match.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<C>, RPCError<C>>>, RPCError<C>>>
    where
        S: Stream<Item = AppendEntriesRequest<C>> + Send + Unpin + 'static,
    {
        let link = self.clone();
        let answers = input.enumerate().map(move |(nth, request)| {
            let (link, option) = (link.clone(), option.clone());
            async move {
                let prev = request.prev_log_id;
                let last = request.entries.last().map(|entry| entry.log_id).max(prev);
                let answer = link.append(request, &option).await?;
                let complete = match &answer {
                    AppendEntriesResponse::Success => true,
                    AppendEntriesResponse::PartialSuccess(upto) => *upto == last,
                    // Seen as a log that has shrunk, it would stop this replica. A true conflict meets the first append
                    // of the next stream.
                    AppendEntriesResponse::Conflict if nth > 0 => {
                        let reason = "it does not have the entries before these any more".to_owned();
                        return Err(RPCError::Unreachable(unreachable(&TransportError::Refused {
                            peer: link.peer.to_string(),
                            reason,
                        })));
                    }
                    AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_) => false,
                };
                Ok((answer.into_stream_result(prev, last), complete))
            }
        });
        let answers = answers.buffered(APPENDS_IN_FLIGHT_MAX);
        let until_failure = stream::unfold(Some(answers), |answers| async {
            let mut answers = answers?;
            match answers.next().await? {
                Ok((answer, true)) => Some((Ok(answer), Some(answers))),
                Ok((answer, false)) => Some((Ok(answer), None)),
                Err(error) => Some((Err(error), None)),
            }
        });
        Box::pin(async move { Ok::<BoxStream<'s, _>, _>(Box::pin(until_failure)) })
    }

    async fn vote(&mut self, request: VoteRequest<C>, option: RPCOption) -> Result<VoteResponse<C>, RPCError<C>> {
        self.call(Lane::Urgent, Kind::Vote, RPCTypes::Vote, encode(&request), option.hard_ttl()).await
    }

    async fn pre_vote(&mut self, request: VoteRequest<C>, option: RPCOption) -> Result<VoteResponse<C>, RPCError<C>> {
        self.call(Lane::Urgent, Kind::PreVote, RPCTypes::Vote, encode(&request), option.hard_ttl()).await
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
        let network = &self.network;
        let _sending = network.sends.begin(self.peer.raft_id, snapshot.meta.last_log_id.map_or(0, |last| last.index));
        let send = network.transport.send_snapshot(&self.peer, network.group, encode(&vote), meta, chunks);
        let ttl = option.hard_ttl();
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            result = tokio::time::timeout(ttl, send) => match result {
                Ok(Ok(body)) => {
                    let vote = decode("vote of a snapshot's receiver", &body);
                    let vote = vote.map_err(|error| StreamingError::Unreachable(Unreachable::new(&error)))?;
                    count(&network.meter.snapshots_sent);
                    Ok(SnapshotResponse::new(vote))
                }
                Ok(Err(error)) => Err(StreamingError::Unreachable(unreachable(&error))),
                Err(_) => Err(StreamingError::Timeout(Timeout {
                    action: RPCTypes::InstallSnapshot,
                    id: network.own_id,
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
        self.call(Lane::Urgent, Kind::TransferLeader, RPCTypes::TransferLeader, encode(&request), option.hard_ttl())
            .await
    }
}
