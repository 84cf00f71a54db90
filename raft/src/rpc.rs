//! The gRPC transport and service: all groups of a node pair share one stream per direction and lane.
//!
//! ```text
//!  group 17 ─┐                                    ┌─► group 17
//!  group 18 ─┼─► queue ─► one message of frames ──┼─► group 18      replies come back on the same stream,
//!  group 19 ─┘   (whatever waits shares it)       └─► group 19      matched by frame id
//! ```
//!
//! A lone frame is sent at once; frames that queue up while a message is being written share the next one. A broken
//! stream fails what was in flight and is opened again by the next frame.

use crate::groups::Groups;
use crate::limits::{
    BATCH_BYTES_MAX, CONNECT_TIMEOUT_MS, FRAME_BYTES_MAX, FRAMES_QUEUED_MAX, KEEP_ALIVE_MS, KEEP_ALIVE_TIMEOUT_MS,
    SNAPSHOT_IDLE_MS_MAX,
};
use crate::machine::blocking;
use crate::meter::PeerTraffic;
use crate::network::{Kind, Lane, Transport, TransportError};
use crate::snapshot::{SnapshotReader, SpoolError};
use crate::type_config::Peer;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use phoenixmldb_proto::internal::raft_service_client::RaftServiceClient;
use phoenixmldb_proto::internal::raft_service_server::{RaftService, RaftServiceServer};
use phoenixmldb_proto::internal::snapshot_part::Part;
use phoenixmldb_proto::internal::{
    Frame, FrameBatch, SnapshotChunk, SnapshotEnd, SnapshotHeader, SnapshotPart, SnapshotReply,
};
use phoenixmldb_types::GroupId;
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const ANSWERED: u32 = 0;
const REFUSED: u32 = 100;

type Reply = oneshot::Sender<Result<Bytes, TransportError>>;
type Queue = mpsc::Sender<(Frame, Reply)>;

/// Carries frames over gRPC.
pub struct GrpcTransport {
    cluster_id: String,
    own_id: u64,
    runtime: tokio::runtime::Handle,
    lanes: Mutex<BTreeMap<(u64, Lane), Queue>>,
    sent: Mutex<BTreeMap<(u64, Lane), Arc<Sent>>>,
}

/// What was sent over one lane, by all its connections.
#[derive(Default)]
struct Sent {
    peer: String,
    messages: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
    snapshot_bytes: AtomicU64,
}

impl GrpcTransport {
    /// Tasks run on `runtime`, which should be the Raft runtime.
    #[must_use]
    pub fn new(cluster_id: String, own_id: u64, runtime: tokio::runtime::Handle) -> Arc<Self> {
        Arc::new(Self { cluster_id, own_id, runtime, lanes: Mutex::default(), sent: Mutex::default() })
    }

    fn sent(&self, peer: &Peer, lane: Lane) -> Arc<Sent> {
        let named = || Arc::new(Sent { peer: peer.name.clone(), ..Sent::default() });
        self.sent.lock().entry((peer.raft_id, lane)).or_insert_with(named).clone()
    }

    /// The queue towards a peer; its task is started by the first frame.
    fn lane(&self, peer: &Peer, lane: Lane) -> Queue {
        let mut lanes = self.lanes.lock();
        let key = (peer.raft_id, lane);
        match lanes.get(&key) {
            Some(sender) if !sender.is_closed() => sender.clone(),
            _ => {
                let (sender, receiver) = mpsc::channel(FRAMES_QUEUED_MAX);
                let (cluster_id, sent) = (self.cluster_id.clone(), self.sent(peer, lane));
                let pump = Pump { cluster_id, own_id: self.own_id, peer: peer.clone(), sent };
                self.runtime.spawn(pump.run(receiver));
                lanes.insert(key, sender.clone());
                sender
            }
        }
    }
}

fn endpoint(peer: &Peer) -> Result<Endpoint, TransportError> {
    let endpoint = Endpoint::from_shared(format!("http://{}", peer.address)).map_err(|error| {
        TransportError::Unreachable { peer: peer.to_string(), reason: format!("bad address: {error}") }
    })?;
    Ok(endpoint
        .connect_timeout(Duration::from_millis(CONNECT_TIMEOUT_MS))
        .http2_keep_alive_interval(Duration::from_millis(KEEP_ALIVE_MS))
        .keep_alive_timeout(Duration::from_millis(KEEP_ALIVE_TIMEOUT_MS))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20))
}

fn client(channel: Channel) -> RaftServiceClient<Channel> {
    RaftServiceClient::new(channel)
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX)
}

/// One lane to one peer: connects, sends what is queued, hands replies to those who wait.
struct Pump {
    cluster_id: String,
    own_id: u64,
    peer: Peer,
    sent: Arc<Sent>,
}

impl Pump {
    async fn run(self, mut queue: mpsc::Receiver<(Frame, Reply)>) {
        while let Some(first) = queue.recv().await {
            let reason = match self.connect().await {
                Ok((outgoing, incoming)) => self.pump(first, &mut queue, outgoing, incoming).await,
                Err(reason) => {
                    drop(first.1.send(Err(self.unreachable(&reason))));
                    reason
                }
            };
            // Whoever queued behind a dead connection learns it at once instead of waiting for its own timeout.
            while let Ok((_, reply)) = queue.try_recv() {
                drop(reply.send(Err(self.unreachable(&reason))));
            }
        }
    }

    fn unreachable(&self, reason: &str) -> TransportError {
        TransportError::Unreachable { peer: self.peer.to_string(), reason: reason.to_owned() }
    }

    async fn connect(&self) -> Result<(mpsc::Sender<FrameBatch>, Streaming<FrameBatch>), String> {
        let endpoint = endpoint(&self.peer).map_err(|error| error.to_string())?;
        let limit = Duration::from_millis(CONNECT_TIMEOUT_MS * 2);
        let connect = async {
            let channel = endpoint.connect().await.map_err(|error| error.to_string())?;
            let (sender, receiver) = mpsc::channel(1);
            let stream = client(channel).exchange(ReceiverStream::new(receiver)).await;
            Ok((sender, stream.map_err(|status| status.message().to_owned())?.into_inner()))
        };
        tokio::time::timeout(limit, connect).await.map_err(|_| "no connection in time".to_owned())?
    }

    /// Runs one connection until it breaks; returns why.
    async fn pump(
        &self,
        first: (Frame, Reply),
        queue: &mut mpsc::Receiver<(Frame, Reply)>,
        outgoing: mpsc::Sender<FrameBatch>,
        mut incoming: Streaming<FrameBatch>,
    ) -> String {
        let mut waiting: HashMap<u64, Reply> = HashMap::new();
        let mut next_id = 0u64;
        let mut ready = Some(first);
        let reason = loop {
            tokio::select! {
                permit = outgoing.reserve(), if ready.is_some() => {
                    let Ok(permit) = permit else { break "the connection was closed".to_owned() };
                    let mut frames = Vec::new();
                    let mut bytes = 0;
                    while let Some((mut frame, reply)) = ready.take().or_else(|| queue.try_recv().ok()) {
                        next_id += 1;
                        frame.id = next_id;
                        bytes += frame.body.len();
                        waiting.insert(next_id, reply);
                        frames.push(frame);
                        if bytes >= BATCH_BYTES_MAX {
                            break;
                        }
                    }
                    self.sent.messages.fetch_add(1, Ordering::Relaxed);
                    self.sent.frames.fetch_add(frames.len() as u64, Ordering::Relaxed);
                    self.sent.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                    let (from, to) = (self.own_id, self.peer.raft_id);
                    permit.send(FrameBatch { cluster_id: self.cluster_id.clone(), from, to, frames });
                    // Callers that gave up leave their entry behind.
                    if waiting.len() > FRAMES_QUEUED_MAX {
                        waiting.retain(|_, reply| !reply.is_closed());
                    }
                }
                queued = queue.recv(), if ready.is_none() => match queued {
                    Some(queued) => ready = Some(queued),
                    None => return "shutting down".to_owned(),
                },
                batch = incoming.message() => match batch {
                    Ok(Some(batch)) => {
                        for frame in batch.frames {
                            let Some(reply) = waiting.remove(&frame.id) else { continue };
                            drop(reply.send(if frame.kind == ANSWERED {
                                Ok(frame.body)
                            } else {
                                let reason = String::from_utf8_lossy(&frame.body).into_owned();
                                Err(TransportError::Refused { peer: self.peer.to_string(), reason })
                            }));
                        }
                    }
                    Ok(None) => break "the peer closed the connection".to_owned(),
                    Err(status) => break status.message().to_owned(),
                },
            }
        };
        for (_, reply) in ready.map(|(_, reply)| (0, reply)).into_iter().chain(waiting) {
            drop(reply.send(Err(self.unreachable(&reason))));
        }
        reason
    }
}

#[async_trait]
impl Transport for GrpcTransport {
    async fn call(
        &self,
        peer: &Peer,
        lane: Lane,
        group: GroupId,
        kind: Kind,
        body: Bytes,
    ) -> Result<Bytes, TransportError> {
        let (reply, answer) = oneshot::channel();
        let frame = Frame { id: 0, group: group.0, kind: kind as u32, body };
        let unreachable =
            |reason: &str| TransportError::Unreachable { peer: peer.to_string(), reason: reason.to_owned() };
        self.lane(peer, lane).try_send((frame, reply)).map_err(|_| unreachable("its queue is full"))?;
        answer.await.map_err(|_| unreachable("the connection was dropped"))?
    }

    fn traffic(&self) -> Vec<PeerTraffic> {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sent = self.sent.lock();
        let traffic = sent.iter().map(|((_, lane), sent)| PeerTraffic {
            peer: sent.peer.clone(),
            lane: match lane {
                Lane::Urgent => "urgent",
                Lane::Bulk => "bulk",
            },
            messages_total: number(&sent.messages),
            frames_total: number(&sent.frames),
            bytes_total: number(&sent.bytes),
            snapshot_bytes_total: number(&sent.snapshot_bytes),
        });
        traffic.collect()
    }

    async fn send_snapshot(
        &self,
        peer: &Peer,
        group: GroupId,
        vote: Bytes,
        meta: Bytes,
        mut chunks: Box<dyn SnapshotReader>,
    ) -> Result<Bytes, TransportError> {
        let unreachable = |reason: String| TransportError::Unreachable { peer: peer.to_string(), reason };
        let channel = endpoint(peer)?.connect().await.map_err(|error| unreachable(error.to_string()))?;
        let (sender, receiver) = mpsc::channel(2);
        let (cluster_id, from, to) = (self.cluster_id.clone(), self.own_id, peer.raft_id);
        let header = SnapshotHeader { cluster_id, from, to, group: group.0, vote, meta };
        let sent = self.sent(peer, Lane::Bulk);
        let (progress, mut seen) = tokio::sync::watch::channel(0u64);
        // Reading a state blocks on its disk: a thread of its own, paced by the connection.
        let reader = self.runtime.spawn_blocking(move || -> Result<(), String> {
            let gone = |_| "the receiver went away".to_owned();
            let part = |part| SnapshotPart { part: Some(part) };
            sender.blocking_send(part(Part::Header(header))).map_err(gone)?;
            let (mut total, mut count) = (Xxh3::new(), 0);
            while let Some(data) = chunks.next_chunk().map_err(|fault| fault.to_string())? {
                total.update(&data);
                count += 1;
                sent.snapshot_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                let digest = xxh3_64(&data);
                sender.blocking_send(part(Part::Chunk(SnapshotChunk { data, digest }))).map_err(gone)?;
                progress.send_replace(count);
            }
            let end = SnapshotEnd { chunks: count, digest: total.digest() };
            sender.blocking_send(part(Part::End(end))).map_err(gone)
        });
        // Once everything is sent, only the time of the whole transfer bounds the installation.
        let stalled = async {
            let pause = Duration::from_millis(SNAPSHOT_IDLE_MS_MAX);
            loop {
                match tokio::time::timeout(pause, seen.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return std::future::pending::<()>().await,
                    Err(_) => return,
                }
            }
        };
        let mut client = client(channel);
        let reply = tokio::select! {
            reply = client.snapshot(ReceiverStream::new(receiver)) => reply,
            () = stalled => return Err(unreachable("it takes no more chunks".to_owned())),
        };
        let reply = reply.map_err(|status| unreachable(status.message().to_owned()))?;
        reader.await.map_err(|error| unreachable(error.to_string()))?.map_err(unreachable)?;
        Ok(reply.into_inner().vote)
    }
}

/// The service of the peer port.
pub struct RaftRpc {
    groups: Arc<Groups>,
}

/// The service to mount on the peer port.
#[must_use]
pub fn raft_service(groups: Arc<Groups>) -> RaftServiceServer<RaftRpc> {
    RaftServiceServer::new(RaftRpc { groups })
        .max_decoding_message_size(FRAME_BYTES_MAX)
        .max_encoding_message_size(FRAME_BYTES_MAX)
}

async fn answer(groups: Arc<Groups>, cluster_id: Arc<str>, to: u64, frame: Frame) -> Frame {
    let result = match Kind::from_wire(frame.kind) {
        Some(kind) => groups.receive(&cluster_id, to, GroupId(frame.group), kind, &frame.body).await,
        None => Err(format!("frames of kind {} are not known", frame.kind)),
    };
    let (kind, body) = match result {
        Ok(body) => (ANSWERED, body),
        Err(reason) => (REFUSED, Bytes::from(reason)),
    };
    Frame { id: frame.id, group: frame.group, kind, body }
}

fn spool_status(error: SpoolError) -> Status {
    match error {
        SpoolError::Damaged { .. } | SpoolError::Incomplete { .. } => Status::data_loss(error.to_string()),
        SpoolError::TooLarge { .. } | SpoolError::Disk(_) => Status::resource_exhausted(error.to_string()),
    }
}

/// The next part of an arriving snapshot.
async fn next_part(parts: &mut Streaming<SnapshotPart>) -> Result<Part, Status> {
    let pause = Duration::from_millis(SNAPSHOT_IDLE_MS_MAX);
    let part = tokio::time::timeout(pause, parts.message()).await;
    let part = part.map_err(|_| Status::deadline_exceeded("the sender has fallen silent"))??;
    part.and_then(|part| part.part).ok_or_else(|| Status::data_loss("the snapshot was cut"))
}

#[tonic::async_trait]
impl RaftService for RaftRpc {
    type ExchangeStream = Pin<Box<dyn Stream<Item = Result<FrameBatch, Status>> + Send>>;

    async fn exchange(
        &self,
        request: Request<Streaming<FrameBatch>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let mut incoming = request.into_inner();
        let (replies, answered) = mpsc::channel::<Frame>(FRAMES_QUEUED_MAX);
        let groups = self.groups.clone();
        let runtime = groups.config().runtime.clone();
        runtime.clone().spawn(async move {
            loop {
                let batch = tokio::select! {
                    batch = incoming.message() => batch,
                    () = groups.closed() => break,
                };
                let Ok(Some(batch)) = batch else { break };
                let cluster_id: Arc<str> = batch.cluster_id.into();
                for frame in batch.frames {
                    let mut answer = Box::pin(answer(groups.clone(), cluster_id.clone(), batch.to, frame));
                    let replies = replies.clone();
                    // The first poll hands the request to its group: those of one group stay in order, while their
                    // answers wait for the disk side by side.
                    let ready = futures::poll!(&mut answer);
                    runtime.spawn(async move {
                        let frame = match ready {
                            Poll::Ready(frame) => frame,
                            Poll::Pending => answer.await,
                        };
                        drop(replies.send(frame).await);
                    });
                }
            }
        });
        let own = self.groups.config().own.raft_id;
        let batches = ReceiverStream::new(answered)
            .ready_chunks(256)
            .map(move |frames| Ok(FrameBatch { cluster_id: String::new(), from: own, to: 0, frames }));
        Ok(Response::new(Box::pin(batches)))
    }

    async fn snapshot(&self, request: Request<Streaming<SnapshotPart>>) -> Result<Response<SnapshotReply>, Status> {
        let mut parts = request.into_inner();
        let Part::Header(header) = next_part(&mut parts).await? else {
            return Err(Status::invalid_argument("a snapshot begins with its header"));
        };
        self.groups.admit(&header.cluster_id, header.to).map_err(Status::permission_denied)?;
        let group = self.groups.addressed(GroupId(header.group)).map_err(Status::not_found)?;
        let full = |_| Status::resource_exhausted("other snapshots are arriving; try again");
        let _place = self.groups.arriving.clone().try_acquire_owned().map_err(full)?;
        let mut spool = blocking(|| self.groups.spool()).map_err(spool_status)?;
        loop {
            match next_part(&mut parts).await? {
                Part::Chunk(chunk) => blocking(|| spool.push(&chunk.data, chunk.digest)).map_err(spool_status)?,
                Part::End(end) => {
                    let chunks = blocking(|| spool.finish(end.chunks, end.digest)).map_err(spool_status)?;
                    let vote = group.receive_snapshot(&header.vote, &header.meta, chunks).await;
                    return Ok(Response::new(SnapshotReply { vote: vote.map_err(Status::aborted)? }));
                }
                Part::Header(_) => return Err(Status::invalid_argument("a snapshot has one header")),
            }
        }
    }
}
