//! Containers and documents. The verbs keep their names through every layer, down to the shard.

use crate::admin::topology;
use crate::{Client, ClientError};
use bytes::Bytes;
use phoenixmldb_proto::v1::container_service_client::ContainerServiceClient;
use phoenixmldb_proto::v1::document_service_client::DocumentServiceClient;
use phoenixmldb_proto::v1::{
    Consistency, ContainerInfo, ContainerOptions, CreateContainerRequest, CreateContainerResponse,
    DeleteContainerRequest, DeleteDocumentRequest, DeleteDocumentResponse, DocumentExistsRequest,
    DocumentExistsResponse, GetContainerRequest, GetDocumentRequest, GetDocumentResponse, ListContainersRequest,
    ListDocumentsRequest, ListDocumentsResponse, PutDocumentRequest, PutDocumentResponse,
};
use std::sync::Arc;
use tonic::transport::Channel;

/// What a put may demand of the document it replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// Fail with `DOCUMENT_EXISTS` when there is one.
    pub no_overwrite: bool,
    /// Fail with `VERSION_CONFLICT` unless the present version is this one; 0: unless there is none.
    pub if_version: Option<u64>,
}

fn documents(channel: Channel) -> DocumentServiceClient<Channel> {
    DocumentServiceClient::new(channel)
        .max_decoding_message_size(crate::MESSAGE_BYTES_MAX)
        .max_encoding_message_size(crate::MESSAGE_BYTES_MAX)
}

fn containers(channel: Channel) -> ContainerServiceClient<Channel> {
    ContainerServiceClient::new(channel)
}

impl Client {
    /// Creates a container. Refusals: `CONTAINER_EXISTS` unless `if_not_exists` and the options agree,
    /// `UNSUPPORTED` for a shard key path.
    pub async fn create_container(
        &self,
        name: &str,
        options: ContainerOptions,
        if_not_exists: bool,
    ) -> Result<CreateContainerResponse, ClientError> {
        let message = CreateContainerRequest { name: name.to_owned(), options: Some(options), if_not_exists };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(containers(channel).create_container(request).await?.into_inner()) }
        })
        .await
    }

    /// Name, options and counts of a container. Refusal: `CONTAINER_NOT_FOUND`.
    pub async fn get_container(&self, name: &str) -> Result<ContainerInfo, ClientError> {
        let message = GetContainerRequest { name: name.to_owned() };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(containers(channel).get_container(request).await?.into_inner().container.unwrap_or_default()) }
        })
        .await
    }

    /// All containers, in name order.
    pub async fn list_containers(&self, with_counts: bool) -> Result<Vec<ContainerInfo>, ClientError> {
        self.run(None, |channel| {
            let request = self.request(ListContainersRequest { with_counts });
            async move { Ok(containers(channel).list_containers(request).await?.into_inner().containers) }
        })
        .await
    }

    /// Drops a container and its documents. Says whether there was one.
    pub async fn delete_container(&self, name: &str, if_exists: bool) -> Result<bool, ClientError> {
        let message = DeleteContainerRequest { name: name.to_owned(), if_exists };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(containers(channel).delete_container(request).await?.into_inner().deleted) }
        })
        .await
    }

    /// The node to write a document at, if it is known and has answered here before.
    fn leader_of(&self, container: &str, name: &str) -> Option<Arc<str>> {
        if self.inner.routes.is_due() {
            let client = self.clone();
            tokio::spawn(async move {
                // When it fails, a write a little later asks again.
                if let Ok(topology) = client.run(None, topology).await {
                    client.inner.routes.learn(&topology);
                }
            });
        }
        self.inner.routes.leader(container, name).filter(|address| self.inner.pool.trusts(address))
    }

    /// Stores a document, replacing the present version.
    pub async fn put_document(
        &self,
        container: &str,
        name: &str,
        content: impl Into<Bytes>,
    ) -> Result<PutDocumentResponse, ClientError> {
        self.put_document_with(container, name, content, PutOptions::default()).await
    }

    /// Stores a document under a condition.
    ///
    /// Applied exactly once, however many attempts it takes. A [`ClientError::Timeout`] or
    /// [`ClientError::Unreachable`] leaves open whether it was applied.
    pub async fn put_document_with(
        &self,
        container: &str,
        name: &str,
        content: impl Into<Bytes>,
        options: PutOptions,
    ) -> Result<PutDocumentResponse, ClientError> {
        let ticket = self.inner.session.begin();
        let message = PutDocumentRequest {
            container: container.to_owned(),
            name: name.to_owned(),
            content: content.into(),
            overwrite: Some(!options.no_overwrite),
            if_version: options.if_version,
            write_id: Some(ticket.write_id()),
        };
        let leader = self.leader_of(container, name);
        self.run(leader.as_deref(), |channel| {
            let request = self.request(message.clone());
            async move { Ok(documents(channel).put_document(request).await?.into_inner()) }
        })
        .await
    }

    /// Reads the newest version of a document. Refusal: `DOCUMENT_NOT_FOUND`.
    pub async fn get_document(
        &self,
        container: &str,
        name: &str,
        consistency: Consistency,
    ) -> Result<GetDocumentResponse, ClientError> {
        let message = GetDocumentRequest {
            container: container.to_owned(),
            name: name.to_owned(),
            consistency: consistency.into(),
            at_timestamp: None,
        };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(documents(channel).get_document(request).await?.into_inner()) }
        })
        .await
    }

    /// Reads a document as it was at a timestamp. Refusal: `DOCUMENT_NOT_FOUND`.
    pub async fn get_document_at(
        &self,
        container: &str,
        name: &str,
        timestamp: u64,
        consistency: Consistency,
    ) -> Result<GetDocumentResponse, ClientError> {
        let message = GetDocumentRequest {
            container: container.to_owned(),
            name: name.to_owned(),
            consistency: consistency.into(),
            at_timestamp: Some(timestamp),
        };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(documents(channel).get_document(request).await?.into_inner()) }
        })
        .await
    }

    /// Whether a document exists.
    pub async fn document_exists(&self, container: &str, name: &str) -> Result<bool, ClientError> {
        Ok(self.document_exists_with(container, name, Consistency::Unspecified).await?.exists)
    }

    /// Whether a document exists, and how that was found out.
    pub async fn document_exists_with(
        &self,
        container: &str,
        name: &str,
        consistency: Consistency,
    ) -> Result<DocumentExistsResponse, ClientError> {
        let message = DocumentExistsRequest {
            container: container.to_owned(),
            name: name.to_owned(),
            consistency: consistency.into(),
        };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(documents(channel).document_exists(request).await?.into_inner()) }
        })
        .await
    }

    /// Deletes a document; exactly once, as [`Client::put_document_with`].
    pub async fn delete_document(
        &self,
        container: &str,
        name: &str,
        if_exists: bool,
    ) -> Result<DeleteDocumentResponse, ClientError> {
        let ticket = self.inner.session.begin();
        let message = DeleteDocumentRequest {
            container: container.to_owned(),
            name: name.to_owned(),
            if_version: None,
            if_exists,
            write_id: Some(ticket.write_id()),
        };
        let leader = self.leader_of(container, name);
        self.run(leader.as_deref(), |channel| {
            let request = self.request(message.clone());
            async move { Ok(documents(channel).delete_document(request).await?.into_inner()) }
        })
        .await
    }

    /// One page of documents in name order; go on with its `next_page_token`.
    pub async fn list_documents(
        &self,
        container: &str,
        prefix: &str,
        page_size: u32,
        page_token: &str,
    ) -> Result<ListDocumentsResponse, ClientError> {
        self.list_documents_with(container, prefix, page_size, page_token, Consistency::Unspecified).await
    }

    /// As [`Client::list_documents`], as strong as asked.
    pub async fn list_documents_with(
        &self,
        container: &str,
        prefix: &str,
        page_size: u32,
        page_token: &str,
        consistency: Consistency,
    ) -> Result<ListDocumentsResponse, ClientError> {
        let message = ListDocumentsRequest {
            container: container.to_owned(),
            prefix: prefix.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
            consistency: consistency.into(),
        };
        self.run(None, |channel| {
            let request = self.request(message.clone());
            async move { Ok(documents(channel).list_documents(request).await?.into_inner()) }
        })
        .await
    }
}
