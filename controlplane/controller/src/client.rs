//! How nodes reach the control plane: finds the leader among the controllers, repeats what may be repeated.

use crate::limits::{CALL_TIMEOUT_MS, CONNECT_TIMEOUT_MS, LEADER_SEARCH_MS};
use parking_lot::Mutex;
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::admin::{ClusterSnapshot, ListEventsResponse};
use phoenixmldb_proto::internal::control_service_client::ControlServiceClient;
use phoenixmldb_proto::internal::{
    ControlCreateContainerRequest, ControlDeleteContainerRequest, GetSnapshotRequest, Greeting, HeartbeatRequest,
    NodeDescription, ReadEventsRequest, RegisterRequest, RemoveRequest, TransferControlRequest, WatchMapRequest,
    WatchMapResponse,
};
use phoenixmldb_types::{ClusterMap, Code, ContainerName, MapContainer};
use prost::Message;
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status, Streaming};

/// Largest control message, in bytes: the map and the snapshot travel whole.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Channels by address, opened when first used.
#[derive(Default)]
struct Channels(Mutex<HashMap<String, Channel>>);

impl Channels {
    fn client(&self, address: &str) -> Result<ControlServiceClient<Channel>, PublicError> {
        let mut channels = self.0.lock();
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{address}"))
                    .map_err(|error| PublicError::new(Code::InvalidArgument, format!("{address}: {error}")))?;
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
        Ok(ControlServiceClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }
}

/// Greets one address, once.
pub async fn hello(address: &str, greeting: Greeting) -> Result<Greeting, PublicError> {
    let channels = Channels::default();
    let mut client = channels.client(address)?;
    let limit = Duration::from_millis(CALL_TIMEOUT_MS);
    match tokio::time::timeout(limit, client.hello(greeting)).await {
        Ok(answer) => Ok(answer.map_err(|status| PublicError::from(&status))?.into_inner()),
        Err(_) => Err(unavailable(format!("no answer within {} ms", limit.as_millis()))),
    }
}

fn unavailable(message: String) -> PublicError {
    PublicError::new(Code::ControlUnavailable, message).help("phoenixmldb-cluster status")
}

/// Whether another controller may know better.
fn elsewhere(error: &PublicError) -> bool {
    matches!(
        error.code,
        Code::NotLeader
            | Code::NoQuorum
            | Code::ControlUnavailable
            | Code::ShardUnavailable
            | Code::DeadlineExceeded
            | Code::ShuttingDown
            | Code::Unsupported
            | Code::NotInitialised
            | Code::Cancelled
    )
}

/// The control plane, as a node reaches it.
pub struct ControlClient {
    cluster_id: String,
    incarnation: String,
    own: Option<String>,
    addresses: Mutex<Vec<String>>,
    leader: Mutex<Option<String>>,
    heard: Mutex<Instant>,
    channels: Channels,
}

impl ControlClient {
    /// Knows these controllers to begin with; `own` is this node's peer address if it is one itself.
    #[must_use]
    pub fn new(cluster_id: String, incarnation: String, own: Option<String>, addresses: Vec<String>) -> Self {
        Self {
            cluster_id,
            incarnation,
            own,
            addresses: Mutex::new(addresses),
            leader: Mutex::new(None),
            heard: Mutex::new(Instant::now()),
            channels: Channels::default(),
        }
    }

    /// Follows the controllers of a new map.
    pub fn update(&self, map: &ClusterMap) {
        let known: Vec<String> =
            map.nodes.iter().filter(|node| node.controller).map(|node| node.peer_address.clone()).collect();
        if !known.is_empty() {
            *self.addresses.lock() = known;
        }
    }

    /// Since the leader last answered, in milliseconds; heartbeats ask it twice a second.
    #[must_use]
    pub fn silent_ms(&self) -> u64 {
        u64::try_from(self.heard.lock().elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Peer addresses of the controllers, the leader first where known.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let leader = self.leader.lock().clone();
        let mut addresses = self.addresses.lock().clone();
        addresses.extend(self.own.iter().filter(|own| !addresses.contains(own)).cloned().collect::<Vec<_>>());
        addresses.sort_by_key(|address| Some(address) != leader.as_ref());
        addresses
    }

    /// Asks the leader; looks for it for up to `limit`. `call` gets the number of attempts made before.
    async fn ask<T, F, Fut>(&self, limit: Duration, call: F) -> Result<T, PublicError>
    where
        F: Fn(ControlServiceClient<Channel>, u32) -> Fut,
        Fut: Future<Output = Result<Response<T>, Status>>,
    {
        let deadline = Instant::now() + limit;
        let mut attempts = 0;
        loop {
            let mut tried: Vec<String> = Vec::new();
            let mut todo = self.addresses();
            todo.reverse();
            while let Some(address) = todo.pop() {
                let left = deadline.saturating_duration_since(Instant::now());
                let attempt = left.min(Duration::from_millis(CALL_TIMEOUT_MS));
                let answer = tokio::time::timeout(attempt, call(self.channels.client(&address)?, attempts)).await;
                attempts += 1;
                let error = match answer {
                    Ok(Ok(answer)) => {
                        *self.leader.lock() = Some(address);
                        *self.heard.lock() = Instant::now();
                        return Ok(answer.into_inner());
                    }
                    Ok(Err(status)) => PublicError::from(&status),
                    Err(_) => unavailable(format!("no answer within {} ms", attempt.as_millis())),
                };
                if !elsewhere(&error) {
                    return Err(error);
                }
                if let Some(leader) = error.get("leader_address")
                    && tried.len() < 16
                {
                    todo.retain(|other| other != leader);
                    todo.push(leader.to_owned());
                }
                tried.push(format!("{address}: {}", error.message));
            }
            *self.leader.lock() = None;
            if Instant::now() + Duration::from_millis(50) >= deadline {
                return Err(unavailable(format!("no controller leads: {}", tried.join("; "))));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn search() -> Duration {
        Duration::from_millis(LEADER_SEARCH_MS)
    }

    /// Tells the leader who this node is; gives the present map. Goes through the log, so the map is the newest.
    pub async fn register(&self, node: &NodeDescription) -> Result<ClusterMap, PublicError> {
        let request = RegisterRequest {
            cluster_id: self.cluster_id.clone(),
            incarnation: self.incarnation.clone(),
            node: Some(node.clone()),
        };
        let answer = self
            .ask(Self::search(), |mut client, _| {
                let request = request.clone();
                async move { client.register(request).await }
            })
            .await?;
        decode_map(&answer.map)
    }

    /// Sends a heartbeat; gives the newest map version.
    pub async fn heartbeat(&self, mut request: HeartbeatRequest) -> Result<u64, PublicError> {
        request.cluster_id = self.cluster_id.clone();
        let answer = self
            .ask(Duration::from_millis(CALL_TIMEOUT_MS), |mut client, _| {
                let request = request.clone();
                async move { client.heartbeat(request).await }
            })
            .await?;
        Ok(answer.map_version)
    }

    /// Creates a container. Safe to repeat: an attempt whose answer was lost is not taken for somebody else's.
    pub async fn create_container(
        &self,
        name: &ContainerName,
        strip_whitespace: bool,
        if_not_exists: bool,
    ) -> Result<(MapContainer, bool), PublicError> {
        let answer = self
            .ask(Self::search(), |mut client, attempts| {
                let request = ControlCreateContainerRequest {
                    cluster_id: self.cluster_id.clone(),
                    name: name.to_string(),
                    strip_whitespace,
                    if_not_exists: if_not_exists || attempts > 0,
                };
                async move { client.create_container(request).await }
            })
            .await?;
        let container = serde_json::from_slice(&answer.container)
            .map_err(|error| PublicError::new(Code::Internal, format!("reading a container: {error}")))?;
        Ok((container, answer.created))
    }

    /// Forgets a container.
    pub async fn delete_container(&self, name: &ContainerName, if_exists: bool) -> Result<bool, PublicError> {
        let answer = self
            .ask(Self::search(), |mut client, attempts| {
                let request = ControlDeleteContainerRequest {
                    cluster_id: self.cluster_id.clone(),
                    name: name.to_string(),
                    if_exists: if_exists || attempts > 0,
                };
                async move { client.delete_container(request).await }
            })
            .await?;
        Ok(answer.deleted)
    }

    /// The cluster as the leader sees it, within `limit`.
    pub async fn snapshot(&self, limit: Duration) -> Result<ClusterSnapshot, PublicError> {
        let answer = self
            .ask(limit, |mut client, _| {
                let request = GetSnapshotRequest { cluster_id: self.cluster_id.clone() };
                async move { client.get_snapshot(request).await }
            })
            .await?;
        ClusterSnapshot::decode(answer.snapshot)
            .map_err(|error| PublicError::new(Code::Internal, format!("reading a snapshot: {error}")))
    }

    /// Events after an id.
    pub async fn events(&self, after_id: u64, limit: u32) -> Result<ListEventsResponse, PublicError> {
        let answer = self
            .ask(Self::search(), |mut client, _| {
                let request = ReadEventsRequest { cluster_id: self.cluster_id.clone(), after_id, limit };
                async move { client.read_events(request).await }
            })
            .await?;
        ListEventsResponse::decode(answer.events)
            .map_err(|error| PublicError::new(Code::Internal, format!("reading events: {error}")))
    }

    /// Moves leadership of the control group; gives the new leader's name.
    pub async fn transfer(&self, to: &str) -> Result<String, PublicError> {
        let answer = self
            .ask(Self::search(), |mut client, _| {
                let request = TransferControlRequest { cluster_id: self.cluster_id.clone(), to: to.to_owned() };
                async move { client.transfer_control(request).await }
            })
            .await?;
        Ok(answer.leader)
    }

    /// Takes out a node that holds nothing; `false` when it was taken out before.
    pub async fn remove(&self, node: &str) -> Result<bool, PublicError> {
        let answer = self
            .ask(Self::search(), |mut client, _| {
                let request = RemoveRequest { cluster_id: self.cluster_id.clone(), node: node.to_owned() };
                async move { client.remove(request).await }
            })
            .await?;
        Ok(answer.removed)
    }

    /// Watches the map at one address.
    pub async fn watch(&self, address: &str, known_version: u64) -> Result<Streaming<WatchMapResponse>, PublicError> {
        let mut client = self.channels.client(address)?;
        let request = WatchMapRequest { cluster_id: self.cluster_id.clone(), known_version };
        let limit = Duration::from_millis(CALL_TIMEOUT_MS);
        match tokio::time::timeout(limit, client.watch_map(request)).await {
            Ok(answer) => Ok(answer.map_err(|status| PublicError::from(&status))?.into_inner()),
            Err(_) => Err(unavailable(format!("{address}: no answer within {} ms", limit.as_millis()))),
        }
    }
}

/// Reads a map from the wire.
pub fn decode_map(bytes: &[u8]) -> Result<ClusterMap, PublicError> {
    serde_json::from_slice(bytes)
        .map_err(|error| PublicError::new(Code::Internal, format!("reading a cluster map: {error}")))
}
