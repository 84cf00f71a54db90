//! What the coordinator needs of others: shards on other nodes, and the control plane.

use crate::error::CoordinatorError;
use crate::items::{ResultItem, Style};
use async_trait::async_trait;
use futures::stream::BoxStream;
use phoenixmldb_shard::{Outcome, ShardCommand};
use phoenixmldb_store::EncodedDocument;
use phoenixmldb_types::{
    ContainerId, ContainerName, DocumentName, MapContainer, MapNode, NodeName, ShardId, Timestamp,
};
use phoenixmldb_xdm::QName;
use phoenixmldb_xdm::atomic::{Atomic, Moment};
use phoenixmldb_xquery::distribute::Fragment;
use std::sync::Arc;
use std::time::Duration;

/// Why a replica did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// It could not be reached, or could not serve the request; nothing has happened.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The request was sent and its answer was lost: a write may have happened, or may happen yet.
    #[error("the answer was lost: {0}")]
    Lost(String),
    /// It does not lead the shard.
    #[error("not the leader")]
    NotLeader {
        /// Who does, if it knows.
        leader: Option<NodeName>,
    },
    /// It is out of touch with its group: it leads without a quorum, or follows a leader that has fallen silent.
    #[error("no quorum")]
    NoQuorum {
        /// Since when, in milliseconds since 1970.
        since_ms: u64,
    },
    /// It holds no replica of the shard.
    #[error("no replica here")]
    NoReplica,
    /// It could not get a timestamp.
    #[error("no timestamp: {0}")]
    Clock(String),
    /// Its queue is full.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// It failed.
    #[error("failed: {0}")]
    Failed(String),
    /// The query failed, at an offset of the fragment's text.
    #[error("{message}")]
    Query {
        /// Its W3C code.
        code: String,
        /// In words.
        message: String,
        /// Offset in bytes.
        offset: Option<u32>,
    },
}

impl TransportError {
    /// What a failed fragment means for its query.
    pub(crate) fn for_query(self, shard: ShardId, text: &str, fragment: Option<&Fragment>) -> CoordinatorError {
        match self {
            Self::Query { code, message, offset } => {
                let offset = offset.map(|offset| fragment.map_or(offset, |fragment| fragment.original(offset)));
                CoordinatorError::Query { code, message, place: offset.map(|offset| crate::query::place(text, offset)) }
            }
            other => CoordinatorError::ShardUnavailable { shard, tried: other.to_string() },
        }
    }
}

/// A fragment of a query, the same for all shards.
#[derive(Clone, Debug)]
pub struct FragmentRequest {
    /// Its container.
    pub container: ContainerId,
    /// The container's name, for document URIs.
    pub container_name: String,
    /// How the documents are read: at a timestamp, strong or stale.
    pub read: Read,
    /// Its text.
    pub query: String,
    /// Once over all documents of the shard instead of once per document.
    pub aggregate: bool,
    /// Values of external variables.
    pub variables: Vec<(QName, Vec<Atomic>)>,
    /// How items are written.
    pub style: Style,
    /// `fn:current-dateTime()`.
    pub current: Moment,
}

/// What a shard did for a query.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FragmentSummary {
    /// Documents looked at.
    pub documents: u64,
    /// Items found.
    pub items: u64,
    /// Time it took, in microseconds.
    pub elapsed_us: u64,
    /// Who did it.
    pub node: String,
}

/// A piece of a fragment's result.
#[derive(Clone, Debug, Default)]
pub struct FragmentPart {
    /// Name of the document that the items come from.
    pub document: String,
    /// Items.
    pub items: Vec<ResultItem>,
    /// Result of an aggregate.
    pub values: Vec<Atomic>,
    /// In the last piece.
    pub summary: Option<FragmentSummary>,
}

/// A fragment's result as it arrives; dropping it stops the work.
pub type FragmentStream = BoxStream<'static, Result<FragmentPart, TransportError>>;

/// Documents as they arrive, in name order.
pub type DocumentStream = BoxStream<'static, Result<(DocumentName, EncodedDocument), TransportError>>;

/// How a read is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Linearizable, newest; by the leader.
    Newest,
    /// At a timestamp of the clock group; by the leader.
    At(Timestamp),
    /// By any replica from what it has applied, at its resolved timestamp.
    Stale,
    /// By any replica that has resolved this timestamp.
    StaleAt(Timestamp),
}

impl Read {
    /// Whether any replica may serve it.
    #[must_use]
    pub const fn is_stale(self) -> bool {
        matches!(self, Self::Stale | Self::StaleAt(_))
    }
}

/// How a read was served.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Served {
    /// The timestamp read at.
    pub read_ts: Timestamp,
    /// By a replica that did not ask for a quorum.
    pub stale: bool,
    /// The replica's applied log position.
    pub applied_index: u64,
    /// Since when the replica has not heard of a leader, in milliseconds.
    pub last_leader_contact_ms: u64,
    /// Who served it.
    pub node: String,
}

/// A stored document without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Its name.
    pub name: DocumentName,
    /// Its version: the commit timestamp.
    pub version: Timestamp,
    /// When its first version became visible.
    pub created: Timestamp,
    /// Size of the text it came from, in bytes.
    pub bytes: u64,
    /// Number of nodes.
    pub nodes: u64,
    /// Equal for equal content.
    pub content_hash: u64,
}

/// A page of one shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardPage {
    /// In name order.
    pub documents: Vec<Stored>,
    /// There are more.
    pub more: bool,
    /// How it was served.
    pub served: Served,
}

/// Reaches replicas, in this process or on other nodes. One attempt each; retrying is the coordinator's.
#[async_trait]
pub trait ShardTransport: Send + Sync + 'static {
    /// Replicates a write; its timestamp is filled in by the leader. Dropping the future does not take it back.
    async fn write(
        &self,
        node: &MapNode,
        shard: ShardId,
        command: &ShardCommand,
        limit: Duration,
    ) -> Result<Outcome, TransportError>;

    /// Reads one document.
    #[allow(clippy::too_many_arguments)] // the coordinates of one read
    async fn get(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        name: &DocumentName,
        read: Read,
        with_content: bool,
        limit: Duration,
    ) -> Result<(Option<(Stored, Option<EncodedDocument>)>, Served), TransportError>;

    /// Reads one page of names.
    #[allow(clippy::too_many_arguments)] // the coordinates of one page
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
    ) -> Result<ShardPage, TransportError>;

    /// Documents of a container in a shard, and the bytes of their texts; newest, by the leader.
    async fn count(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        limit: Duration,
    ) -> Result<(u64, u64), TransportError>;

    /// Starts a fragment on a replica that may serve its kind of read.
    async fn fragment(
        &self,
        node: &MapNode,
        shard: ShardId,
        request: Arc<FragmentRequest>,
        limit: Duration,
    ) -> Result<FragmentStream, TransportError>;

    /// Reads all documents of a container.
    async fn scan(
        &self,
        node: &MapNode,
        shard: ShardId,
        container: ContainerId,
        read: Read,
        limit: Duration,
    ) -> Result<DocumentStream, TransportError>;

    /// How the replica would serve a stale read now; `read_ts` is the timestamp it has resolved.
    async fn resolved(&self, node: &MapNode, shard: ShardId, limit: Duration) -> Result<Served, TransportError>;

    /// A timestamp larger than every one given out before the call.
    async fn timestamp(&self, limit: Duration) -> Result<Timestamp, String>;
}

/// Changes what the control plane holds.
#[async_trait]
pub trait ControlPlane: Send + Sync + 'static {
    /// Creates a container; the second value is false when it existed with the same options and that was allowed.
    async fn create_container(
        &self,
        name: &ContainerName,
        strip_whitespace: bool,
        if_not_exists: bool,
    ) -> Result<(MapContainer, bool), CoordinatorError>;

    /// Forgets a container; its documents are removed by the shards. False when there was none and that was allowed.
    async fn delete_container(&self, name: &ContainerName, if_exists: bool) -> Result<bool, CoordinatorError>;

    /// Brings this node's map up to what the control plane has now, if it can be reached: a container may just have been
    /// created through another node.
    async fn refresh(&self);
}
