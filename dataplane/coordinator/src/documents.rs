//! Containers and documents: put, get, exists, delete, list.

use crate::error::CoordinatorError;
use crate::limits::{FAN_OUT_MAX, PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};
use crate::point::{ReadPoint, falls_back};
use crate::retry::{Effect, ask_leader};
use crate::router::Router;
use crate::transport::{ControlPlane, Read, Served, ShardPage, ShardTransport, Stored};
use futures::{StreamExt, TryStreamExt};
use phoenixmldb_shard::{Change, Outcome, Precondition, Refusal, SessionStamp, ShardCommand, WriteOp, Written};
use phoenixmldb_store::EncodedDocument;
use phoenixmldb_types::limits::DOCUMENT_BYTES_MAX;
use phoenixmldb_types::shard_map::Shard;
use phoenixmldb_types::{ContainerId, ContainerName, DocumentName, MapContainer, ShardId, Timestamp};
use phoenixmldb_xdm::ParseOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Serves documents on one node.
#[derive(Clone)]
pub struct Coordinator {
    router: Arc<Router>,
    transport: Arc<dyn ShardTransport>,
    control: Arc<dyn ControlPlane>,
}

/// How strong a read has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReadConsistency {
    /// Strong while the shard has a quorum within reach, otherwise stale, and says so.
    #[default]
    Auto,
    /// Strong or refused.
    Strong,
    /// Whatever a replica nearby has.
    Stale,
}

/// A document to store.
#[derive(Clone, Debug)]
pub struct PutRequest<'a> {
    /// Name of the container.
    pub container: &'a str,
    /// Name of the document.
    pub name: &'a str,
    /// Its text.
    pub content: &'a [u8],
    /// Whether it may replace one.
    pub overwrite: bool,
    /// The version it has to replace; 0 for none.
    pub if_version: Option<u64>,
    /// Makes the write repeatable.
    pub stamp: Option<SessionStamp>,
}

/// A document as its reader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentInfo {
    /// Its container.
    pub container: ContainerName,
    /// The stored facts.
    pub stored: Stored,
    /// Its shard.
    pub shard: ShardId,
}

/// A document and how it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadAnswer {
    /// The document, unless there is none; the content unless only facts were asked.
    pub document: Option<(DocumentInfo, Option<EncodedDocument>)>,
    /// How it was read.
    pub served: Served,
}

/// A page of documents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// In name order.
    pub documents: Vec<DocumentInfo>,
    /// Name to go on after; `None` on the last page.
    pub next_after: Option<String>,
    /// How all shards were read.
    pub served: Served,
}

impl Coordinator {
    /// A coordinator over the node's view of the cluster.
    #[must_use]
    pub fn new(router: Arc<Router>, transport: Arc<dyn ShardTransport>, control: Arc<dyn ControlPlane>) -> Self {
        Self { router, transport, control }
    }

    /// The way to shards.
    pub(crate) fn transport(&self) -> &Arc<dyn ShardTransport> {
        &self.transport
    }

    /// What it routes by.
    #[must_use]
    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Creates a container, and waits until this node's map has it.
    pub async fn create_container(
        &self,
        name: &str,
        strip_whitespace: bool,
        if_not_exists: bool,
        limit: Duration,
    ) -> Result<(MapContainer, bool), CoordinatorError> {
        let name = ContainerName::parse(name)?;
        let create = async {
            let (container, created) = self.control.create_container(&name, strip_whitespace, if_not_exists).await?;
            self.router.wait_container(&name, Some(container.id)).await;
            Ok((container, created))
        };
        tokio::time::timeout(limit, create).await.map_err(|_| CoordinatorError::Deadline { limit })?
    }

    /// Drops a container and its documents, and waits until this node's map has forgotten it.
    pub async fn delete_container(
        &self,
        name: &str,
        if_exists: bool,
        limit: Duration,
    ) -> Result<bool, CoordinatorError> {
        let name = ContainerName::parse(name)?;
        let delete = async {
            let deleted = self.control.delete_container(&name, if_exists).await?;
            if deleted {
                self.router.wait_container(&name, None).await;
            }
            Ok(deleted)
        };
        tokio::time::timeout(limit, delete).await.map_err(|_| CoordinatorError::Deadline { limit })?
    }

    /// A container with the number of its documents and the bytes of their texts.
    pub async fn container(&self, name: &str, limit: Duration) -> Result<(MapContainer, (u64, u64)), CoordinatorError> {
        let deadline = Instant::now() + limit;
        let known = self.known(&ContainerName::parse(name)?).await?;
        let map = self.router.map()?;
        let transport = &self.transport;
        let shards: Vec<ShardId> = map.shards.shards.iter().map(|shard| shard.id).collect();
        let counts: Vec<(u64, u64)> = futures::stream::iter(shards)
            .map(|shard| {
                ask_leader(&self.router, shard, deadline, Effect::None, move |node, left| async move {
                    transport.count(&node, shard, known.id, left).await
                })
            })
            .buffer_unordered(FAN_OUT_MAX)
            .try_collect()
            .await?;
        let total = counts.iter().fold((0, 0), |(documents, bytes), (d, b)| (documents + d, bytes + b));
        let known = self.router.container(&ContainerName::parse(name)?)?;
        Ok((known, total))
    }

    /// The container with this name. One that this node has not heard of may just have been created elsewhere.
    pub(crate) async fn known(&self, name: &ContainerName) -> Result<MapContainer, CoordinatorError> {
        match self.router.container(name) {
            Err(CoordinatorError::ContainerNotFound { .. }) => {
                self.control.refresh().await;
                self.router.container(name)
            }
            found => found,
        }
    }

    /// Stores a document. Parses and encodes it first, so that what is not well-formed never reaches a shard.
    ///
    /// The second value says that the write had happened in an earlier attempt.
    pub async fn put_document(
        &self,
        request: PutRequest<'_>,
        limit: Duration,
    ) -> Result<(DocumentInfo, bool), CoordinatorError> {
        let deadline = Instant::now() + limit;
        let (container, name) = (ContainerName::parse(request.container)?, DocumentName::parse(request.name)?);
        let known = self.known(&container).await?;
        if request.content.len() > DOCUMENT_BYTES_MAX {
            return Err(CoordinatorError::TooLarge { bytes: request.content.len(), max: DOCUMENT_BYTES_MAX });
        }
        let options = ParseOptions { strip_whitespace: known.strip_whitespace, ..ParseOptions::default() };
        let document = EncodedDocument::from_xml(request.content, &options).map_err(|error| {
            let (container, document) = (container.to_string(), name.to_string());
            CoordinatorError::Malformed { container, document, error }
        })?;
        let precondition = match (request.if_version, request.overwrite) {
            (Some(version), _) => Precondition::Version(Timestamp(version)),
            (None, true) => Precondition::Any,
            (None, false) => Precondition::Absent,
        };
        let (bytes, nodes, content_hash) = (document.text_bytes, document.nodes, document.content_hash);
        let op = WriteOp { name: name.clone(), precondition, change: Change::Put(document) };
        let (shard, commit_ts, written) = self.write(&container, &known, op, request.stamp, deadline).await?;
        let stored = Stored { name, version: commit_ts, created: written.created_ts, bytes, nodes, content_hash };
        Ok((DocumentInfo { container, stored, shard: shard.id }, false))
    }

    /// Deletes a document; says whether there was one, and the version of the deletion.
    pub async fn delete_document(
        &self,
        container: &str,
        name: &str,
        if_version: Option<u64>,
        if_exists: bool,
        stamp: Option<SessionStamp>,
        limit: Duration,
    ) -> Result<(bool, Timestamp), CoordinatorError> {
        let deadline = Instant::now() + limit;
        let (container, name) = (ContainerName::parse(container)?, DocumentName::parse(name)?);
        let known = self.known(&container).await?;
        let precondition = match (if_version, if_exists) {
            (Some(version), _) => Precondition::Version(Timestamp(version)),
            (None, true) => Precondition::Any,
            (None, false) => Precondition::Present,
        };
        let op = WriteOp { name, precondition, change: Change::Delete };
        let (_, commit_ts, written) = self.write(&container, &known, op, stamp, deadline).await?;
        Ok((written.existed, commit_ts))
    }

    async fn write(
        &self,
        container: &ContainerName,
        known: &MapContainer,
        op: WriteOp,
        stamp: Option<SessionStamp>,
        deadline: Instant,
    ) -> Result<(Shard, Timestamp, Written), CoordinatorError> {
        let (name, precondition) = (op.name.clone(), op.precondition);
        let effect = if stamp.is_some() { Effect::Once } else { Effect::Unknown };
        let mut command = ShardCommand::Write {
            epoch: Default::default(),
            container: known.id,
            commit_ts: Timestamp::ZERO,
            session: stamp,
            ops: vec![op],
        };
        loop {
            let shard = self.router.locate(container, &name)?;
            if let ShardCommand::Write { epoch, .. } = &mut command {
                *epoch = shard.epoch;
            }
            let (transport, command) = (&self.transport, &command);
            let outcome = ask_leader(&self.router, shard.id, deadline, effect, |node, left| async move {
                transport.write(&node, shard.id, command, left).await
            })
            .await?;
            let (container, document) = (container.to_string(), name.to_string());
            return Err(match outcome {
                Outcome::Written { commit_ts, changes } => {
                    let written = changes.into_iter().next();
                    let written = written.ok_or(CoordinatorError::Internal {
                        what: "writing",
                        reason: "the shard answered without a change".to_owned(),
                    })?;
                    return Ok((shard, commit_ts, written));
                }
                Outcome::Refused(Refusal::Epoch(epoch)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if self.router.wait_epoch(epoch, left).await {
                        continue;
                    }
                    CoordinatorError::WrongEpoch { shard: shard.id, epoch }
                }
                Outcome::Refused(Refusal::Exists(_)) => CoordinatorError::DocumentExists { container, document },
                Outcome::Refused(Refusal::NotFound(_)) => CoordinatorError::DocumentNotFound { container, document },
                Outcome::Refused(Refusal::Version(_, actual)) => {
                    let expected = match precondition {
                        Precondition::Version(expected) => expected.0,
                        Precondition::Any | Precondition::Absent | Precondition::Present => 0,
                    };
                    CoordinatorError::VersionConflict { container, document, actual: actual.0, expected }
                }
                Outcome::Refused(Refusal::ContainerDropped(_)) => {
                    CoordinatorError::ContainerNotFound { name: container }
                }
                Outcome::Refused(Refusal::Forgotten) => CoordinatorError::OutcomeForgotten,
                Outcome::Refused(Refusal::Locked { holder, .. }) => {
                    CoordinatorError::TransactionConflict { container, document, holder: Some(holder), version: 0 }
                }
                Outcome::Refused(Refusal::Superseded(_) | Refusal::Newer { .. } | Refusal::Over | Refusal::Expired)
                | Outcome::Done
                | Outcome::Prepared
                | Outcome::Transaction(_) => CoordinatorError::Internal {
                    what: "writing",
                    reason: "the leader handed out an answer that is not one to a write".to_owned(),
                },
            });
        }
    }

    /// Reads a document, with or without its content: its newest version, or the one that `at` sees.
    pub async fn get_document(
        &self,
        container: &str,
        name: &str,
        consistency: ReadConsistency,
        at: Option<u64>,
        with_content: bool,
        limit: Duration,
    ) -> Result<ReadAnswer, CoordinatorError> {
        let deadline = Instant::now() + limit;
        let (container, name) = (ContainerName::parse(container)?, DocumentName::parse(name)?);
        let known = self.known(&container).await?;
        let read = match (consistency, at) {
            (ReadConsistency::Stale, None) => Read::Stale,
            (ReadConsistency::Stale, Some(at)) => Read::StaleAt(Timestamp(at)),
            (ReadConsistency::Auto | ReadConsistency::Strong, Some(at)) => Read::At(Timestamp(at)),
            (ReadConsistency::Auto | ReadConsistency::Strong, None) => Read::Newest,
        };
        match self.read_document(&container, &known, &name, read, with_content, deadline).await {
            Err(error) if falls_back(&error, consistency, at) => {
                self.read_document(&container, &known, &name, Read::Stale, with_content, deadline).await
            }
            answer => answer,
        }
    }

    /// Reads a document in one way.
    pub(crate) async fn read_document(
        &self,
        container: &ContainerName,
        known: &MapContainer,
        name: &DocumentName,
        read: Read,
        with_content: bool,
        deadline: Instant,
    ) -> Result<ReadAnswer, CoordinatorError> {
        let shard = self.router.locate(container, name)?.id;
        let (transport, id) = (&self.transport, known.id);
        let (found, served) = self
            .ask(shard, deadline, read, |node, left| async move {
                transport.get(&node, shard, id, name, read, with_content, left).await
            })
            .await?;
        let info = |stored| DocumentInfo { container: container.clone(), stored, shard };
        Ok(ReadAnswer { document: found.map(|(stored, content)| (info(stored), content)), served })
    }

    /// One page of documents in name order over all shards, at one timestamp.
    #[allow(clippy::too_many_arguments)] // the coordinates of one page
    pub async fn list_documents(
        &self,
        container: &str,
        prefix: &str,
        after: Option<&str>,
        count: u32,
        consistency: ReadConsistency,
        limit: Duration,
    ) -> Result<Listed, CoordinatorError> {
        let deadline = Instant::now() + limit;
        let container = ContainerName::parse(container)?;
        if count > PAGE_ENTRIES_MAX {
            let rule = format!("{count} is more than {PAGE_ENTRIES_MAX}");
            return Err(CoordinatorError::Field { field: "page_size", rule });
        }
        let count = if count == 0 { PAGE_ENTRIES_DEFAULT } else { count };
        let known = self.known(&container).await?;
        let (id, page) = (known.id, (prefix, after, count));
        let strong = async {
            if consistency == ReadConsistency::Stale {
                return Ok::<_, CoordinatorError>(None);
            }
            let point = self.strong_point(None, limit).await?;
            let pages = self.pages(id, page, point.read, deadline).await?;
            Ok(Some((point, pages)))
        };
        let found: Option<(ReadPoint, _)> = match strong.await {
            Err(error) if falls_back(&error, consistency, None) => None,
            found => found?,
        };
        let (point, pages) = match found {
            Some(found) => found,
            None => {
                let (point, _) = self.stale_point(&self.router.shards()?, deadline, false).await?;
                let pages = self.pages(id, page, point.read, deadline).await?;
                (point, pages)
            }
        };
        // Beyond the last name of a page that was cut, other shards may have names that come first.
        let mut complete_to: Option<DocumentName> = None;
        let mut documents: Vec<DocumentInfo> = Vec::new();
        for (shard, page) in pages {
            if page.more
                && let Some(last) = page.documents.last()
                && complete_to.as_ref().is_none_or(|known| last.name < *known)
            {
                complete_to = Some(last.name.clone());
            }
            let info = |stored| DocumentInfo { container: container.clone(), stored, shard };
            documents.extend(page.documents.into_iter().map(info));
        }
        documents.sort_by(|a, b| a.stored.name.cmp(&b.stored.name));
        let all = documents.len();
        documents.retain(|document| complete_to.as_ref().is_none_or(|to| document.stored.name <= *to));
        documents.truncate(count as usize);
        let more = complete_to.is_some() || documents.len() < all;
        let next_after = if more { documents.last().map(|document| document.stored.name.to_string()) } else { None };
        Ok(Listed { documents, next_after, served: point.served })
    }

    /// One page of each shard.
    async fn pages(
        &self,
        container: ContainerId,
        (prefix, after, count): (&str, Option<&str>, u32),
        read: Read,
        deadline: Instant,
    ) -> Result<Vec<(ShardId, ShardPage)>, CoordinatorError> {
        let transport = &self.transport;
        futures::stream::iter(self.router.shards()?)
            .map(|shard| async move {
                let page = self.ask(shard, deadline, read, |node, left| async move {
                    transport.list(&node, shard, container, prefix, after, count, read, left).await
                });
                Ok::<_, CoordinatorError>((shard, page.await?))
            })
            .buffer_unordered(FAN_OUT_MAX)
            .try_collect()
            .await
    }
}
