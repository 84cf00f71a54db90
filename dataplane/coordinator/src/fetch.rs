//! Documents for a query that runs on the coordinator: fetched from the shards at the query's timestamp, once each.

use crate::documents::Coordinator;
use crate::error::CoordinatorError;
use crate::limits::{FAN_OUT_MAX, FETCHED_BYTES_MAX};
use crate::query::Summary;
use crate::transport::Read;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use phoenixmldb_store::EncodedDocument;
use phoenixmldb_types::{ContainerName, DocumentName, ShardId};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Item, Node, Sequence, Str};
use phoenixmldb_xquery::Resolver;
use std::collections::{BTreeSet, HashMap};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// What a query may read, and how.
pub(crate) struct Scope {
    /// The container of `collection()`; empty for none.
    pub(crate) default_container: String,
    /// At a timestamp, strong or stale.
    pub(crate) read: Read,
    /// Until when.
    pub(crate) deadline: Instant,
    /// Only what is in the shard of this key.
    pub(crate) key: Option<DocumentName>,
    /// Collections without the shards out of reach.
    pub(crate) allow_partial: bool,
}

/// The shards a query has asked.
#[derive(Default)]
struct Asked {
    collections: BTreeSet<ShardId>,
    documents: BTreeSet<ShardId>,
    missing: BTreeSet<ShardId>,
}

/// A resolver over the cluster. Its calls block the thread of the query, never a runtime.
pub(crate) struct Fetch {
    coordinator: Coordinator,
    scope: Scope,
    runtime: Handle,
    collections: Mutex<HashMap<String, Sequence>>,
    documents: Mutex<HashMap<String, Node>>,
    failure: Mutex<Option<CoordinatorError>>,
    asked: Mutex<Asked>,
}

impl Fetch {
    /// Reads within `scope`. Has to be made on the runtime.
    pub(crate) fn new(coordinator: Coordinator, scope: Scope) -> Self {
        Self {
            coordinator,
            scope,
            runtime: Handle::current(),
            collections: Mutex::default(),
            documents: Mutex::default(),
            failure: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// What kept a document from being fetched: it has to reach the caller even if the query caught the error.
    pub(crate) fn failure(&self) -> Option<CoordinatorError> {
        self.failure.lock().clone()
    }

    /// Tells which shards were asked.
    pub(crate) fn tell(&self, summary: &mut Summary) {
        let asked = self.asked.lock();
        summary.shards_queried = asked.collections.union(&asked.documents).count() as u32;
        summary.missing = asked.missing.iter().copied().collect();
        if summary.restricted_by.is_empty() && asked.collections.is_empty() && !asked.documents.is_empty() {
            summary.restricted_by = "document";
        }
    }

    fn broken(&self, error: CoordinatorError) -> Box<phoenixmldb_xdm::Error> {
        let shown = fail("FODC0002", error.to_string());
        // What the query can be blamed for is its error; a key, though, has to name a shard.
        let no_container = matches!(error, CoordinatorError::ContainerNotFound { .. }) && self.scope.key.is_none();
        if !no_container && !matches!(error, CoordinatorError::Name(_)) {
            self.failure.lock().get_or_insert(error);
        }
        shown
    }

    /// Reads one document, from its shard alone; `None` also when the query is restricted to another shard.
    async fn read(
        &self,
        container: &str,
        name: &str,
    ) -> std::result::Result<Option<(DocumentName, EncodedDocument)>, CoordinatorError> {
        let (container, name) = (ContainerName::parse(container)?, DocumentName::parse(name)?);
        let known = self.coordinator.known(&container).await?;
        let router = self.coordinator.router();
        let shard = router.locate(&container, &name)?.id;
        if let Some(key) = &self.scope.key
            && router.locate(&container, key)?.id != shard
        {
            return Ok(None);
        }
        self.asked.lock().documents.insert(shard);
        let (read, deadline) = (self.scope.read, self.scope.deadline);
        let answer = self.coordinator.read_document(&container, &known, &name, read, true, deadline).await?;
        Ok(answer.document.and_then(|(_, content)| Some((name, content?))))
    }

    /// Why a document may not be found that is there.
    fn restriction(&self) -> String {
        let key = self.scope.key.as_ref();
        key.map(|key| format!(" in the shard of key {key}, to which the query is restricted")).unwrap_or_default()
    }

    async fn collect(&self, name: &str) -> std::result::Result<Sequence, CoordinatorError> {
        let container = ContainerName::parse(name)?;
        let known = self.coordinator.known(&container).await?;
        let router = self.coordinator.router();
        let shards = match &self.scope.key {
            Some(key) => vec![router.locate(&container, key)?.id],
            None => router.shards()?,
        };
        let (coordinator, id) = (&self.coordinator, known.id);
        let (read, deadline) = (self.scope.read, self.scope.deadline);
        let parts: Vec<_> = futures::stream::iter(shards)
            .map(|shard| async move {
                let fetched = async {
                    let stream = coordinator.ask(shard, deadline, read, |node, left| async move {
                        coordinator.transport().scan(&node, shard, id, read, left).await
                    });
                    let found: Vec<_> = stream.await?.try_collect().await.map_err(|error: crate::TransportError| {
                        CoordinatorError::ShardUnavailable { shard, tried: error.to_string() }
                    })?;
                    Ok::<Vec<(DocumentName, EncodedDocument)>, CoordinatorError>(found)
                };
                (shard, fetched.await)
            })
            .buffer_unordered(FAN_OUT_MAX)
            .collect()
            .await;
        let mut found = Vec::new();
        for (shard, part) in parts {
            match part {
                Ok(documents) => {
                    found.extend(documents);
                    self.asked.lock().collections.insert(shard);
                }
                Err(error) if self.scope.allow_partial && error.lacks_quorum() => {
                    self.asked.lock().missing.insert(shard);
                }
                Err(error) => return Err(error),
            }
        }
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
            None if !self.scope.default_container.is_empty() => (self.scope.default_container.as_str(), uri),
            None => return Err(fail("FODC0002", format!("{uri:?} is not container/name"))),
        };
        let found = self.runtime.block_on(self.read(container, name)).map_err(|error| self.broken(error))?;
        let Some((name, encoded)) = found else {
            return Err(fail("FODC0002", format!("there is no document {uri}{}", self.restriction())));
        };
        let node = root(container, &name, &encoded).map_err(|error| self.broken(error))?;
        self.documents.lock().insert(uri.to_owned(), node.clone());
        Ok(node)
    }

    fn collection(&self, uri: Option<&str>) -> Result<Sequence> {
        let name = uri.unwrap_or(&self.scope.default_container);
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
