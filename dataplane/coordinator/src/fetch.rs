//! Documents for a query that runs on the coordinator: fetched from the shards at the query's timestamp, once each.

use crate::documents::{Coordinator, ReadConsistency};
use crate::error::CoordinatorError;
use crate::limits::{FAN_OUT_MAX, FETCHED_BYTES_MAX};
use crate::retry::ask_leader;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use phoenixmldb_store::EncodedDocument;
use phoenixmldb_types::{ContainerName, DocumentName, ShardId, Timestamp};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Item, Node, Sequence, Str};
use phoenixmldb_xquery::Resolver;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// A resolver over the cluster. Its calls block the thread of the query, never a runtime.
pub(crate) struct Fetch {
    coordinator: Coordinator,
    default_container: String,
    read_ts: Timestamp,
    deadline: Instant,
    runtime: Handle,
    collections: Mutex<HashMap<String, Sequence>>,
    documents: Mutex<HashMap<String, Node>>,
    failure: Mutex<Option<CoordinatorError>>,
    shards_asked: AtomicU32,
}

impl Fetch {
    /// Reads at `read_ts`. Has to be made on the runtime.
    pub(crate) fn new(
        coordinator: Coordinator,
        default_container: String,
        read_ts: Timestamp,
        deadline: Instant,
    ) -> Self {
        Self {
            coordinator,
            default_container,
            read_ts,
            deadline,
            runtime: Handle::current(),
            collections: Mutex::default(),
            documents: Mutex::default(),
            failure: Mutex::default(),
            shards_asked: AtomicU32::new(0),
        }
    }

    /// What kept a document from being fetched: it has to reach the caller even if the query caught the error.
    pub(crate) fn failure(&self) -> Option<CoordinatorError> {
        self.failure.lock().clone()
    }

    /// Shards that were asked for documents.
    pub(crate) fn shards_asked(&self) -> u32 {
        self.shards_asked.load(Ordering::Relaxed)
    }

    fn broken(&self, error: CoordinatorError) -> Box<phoenixmldb_xdm::Error> {
        let shown = fail("FODC0002", error.to_string());
        if !matches!(error, CoordinatorError::ContainerNotFound { .. } | CoordinatorError::Name(_)) {
            self.failure.lock().get_or_insert(error);
        }
        shown
    }

    async fn collect(&self, name: &str) -> std::result::Result<Sequence, CoordinatorError> {
        let container = ContainerName::parse(name)?;
        let known = self.coordinator.known(&container).await?;
        let router = self.coordinator.router();
        let shards: Vec<ShardId> = router.map()?.shards.shards.iter().map(|shard| shard.id).collect();
        self.shards_asked.fetch_max(shards.len() as u32, Ordering::Relaxed);
        let (transport, read_ts, deadline) = (self.coordinator.transport(), self.read_ts, self.deadline);
        let parts: Vec<Vec<(DocumentName, EncodedDocument)>> = futures::stream::iter(shards)
            .map(|shard| async move {
                let stream = ask_leader(router, shard, deadline, true, |node, left| async move {
                    transport.scan(&node, shard, known.id, read_ts, left).await
                })
                .await?;
                let found: Vec<_> = stream.try_collect().await.map_err(|error: crate::TransportError| {
                    CoordinatorError::ShardUnavailable { shard, tried: error.to_string() }
                })?;
                Ok::<_, CoordinatorError>(found)
            })
            .buffer_unordered(FAN_OUT_MAX)
            .try_collect()
            .await?;
        let mut found: Vec<(DocumentName, EncodedDocument)> = parts.into_iter().flatten().collect();
        let bytes: u64 = found.iter().map(|(_, document)| document.text_bytes).sum();
        if bytes > FETCHED_BYTES_MAX {
            return Err(CoordinatorError::QueryLimit {
                what: format!(
                    "collection({name:?}) has {bytes} bytes; {FETCHED_BYTES_MAX} can be fetched for one query"
                ),
            });
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let mut items = Vec::with_capacity(found.len());
        for (document, encoded) in found {
            items.push(Item::Node(root(name, &document, &encoded)?));
        }
        Ok(Sequence::from(items))
    }
}

/// The tree of a stored document; its URI is container and name.
fn root(
    container: &str,
    name: &DocumentName,
    encoded: &EncodedDocument,
) -> std::result::Result<Node, CoordinatorError> {
    let tree = encoded.to_tree(Some(Str::from(format!("{container}/{name}"))));
    let tree = tree
        .map_err(|error| CoordinatorError::Internal { what: "reading a stored document", reason: error.to_string() })?;
    Ok(Node::root_of(&tree))
}

impl Resolver for Fetch {
    fn document(&self, uri: &str) -> Result<Node> {
        if let Some(known) = self.documents.lock().get(uri) {
            return Ok(known.clone());
        }
        let (container, name) = match uri.trim_start_matches('/').split_once('/') {
            Some(parts) => parts,
            None if !self.default_container.is_empty() => (self.default_container.as_str(), uri),
            None => return Err(fail("FODC0002", format!("{uri:?} is not container/name"))),
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        let read =
            self.coordinator.get_document(container, name, ReadConsistency::Strong, Some(self.read_ts.0), true, left);
        let answer = self.runtime.block_on(read).map_err(|error| self.broken(error))?;
        let Some((info, Some(encoded))) = answer.document else {
            return Err(fail("FODC0002", format!("there is no document {uri}")));
        };
        let node = root(container, &info.stored.name, &encoded).map_err(|error| self.broken(error))?;
        self.documents.lock().insert(uri.to_owned(), node.clone());
        Ok(node)
    }

    fn collection(&self, uri: Option<&str>) -> Result<Sequence> {
        let name = uri.unwrap_or(&self.default_container);
        if name.is_empty() {
            return Err(fail("FODC0002", "there is no default collection; name a container"));
        }
        if let Some(known) = self.collections.lock().get(name) {
            return Ok(known.clone());
        }
        let found = self.runtime.block_on(self.collect(name)).map_err(|error| self.broken(error))?;
        self.collections.lock().insert(name.to_owned(), found.clone());
        Ok(found)
    }
}
