//! `DocumentService`: put, get, exists, delete, list.

use super::{consistency, limit, public, read_info, stamp, status};
use crate::meter::{Method, NodeMeter, one};
use phoenixmldb_coordinator::documents::DocumentInfo;
use phoenixmldb_coordinator::transport::Served;
use phoenixmldb_coordinator::{Coordinator, CoordinatorError, PutRequest};
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::v1::document_service_server::DocumentService;
use phoenixmldb_proto::v1::{
    self, DeleteDocumentRequest, DeleteDocumentResponse, DocumentExistsRequest, DocumentExistsResponse,
    GetDocumentRequest, GetDocumentResponse, ListDocumentsRequest, ListDocumentsResponse, PutDocumentRequest,
    PutDocumentResponse,
};
use phoenixmldb_types::clock::Clock;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Serves documents through this node's coordinator.
pub struct DocumentRpc {
    coordinator: Coordinator,
    clock: Arc<dyn Clock>,
    meter: Arc<NodeMeter>,
}

impl DocumentRpc {
    /// The service; the clock tells how old a stale answer is.
    #[must_use]
    pub fn new(coordinator: Coordinator, clock: Arc<dyn Clock>, meter: Arc<NodeMeter>) -> Self {
        Self { coordinator, clock, meter }
    }

    fn read(&self, served: &Served) -> Option<v1::ReadInfo> {
        if served.stale {
            one(&self.meter.stale_reads);
        }
        Some(read_info(served, self.clock.wall_ms()))
    }
}

fn wire(info: DocumentInfo) -> v1::DocumentInfo {
    v1::DocumentInfo {
        container: info.container.to_string(),
        name: info.stored.name.to_string(),
        version: info.stored.version.0,
        created_ms: info.stored.created.ms(),
        modified_ms: info.stored.version.ms(),
        bytes: info.stored.bytes,
        nodes: info.stored.nodes,
        content_hash: info.stored.content_hash,
        shard: info.shard.0,
    }
}

/// The calls themselves; the trait's methods count them.
impl DocumentRpc {
    async fn put(&self, request: Request<PutDocumentRequest>) -> Result<Response<PutDocumentResponse>, Status> {
        let limit = limit(&request);
        let request = request.into_inner();
        let put = PutRequest {
            container: &request.container,
            name: &request.name,
            content: &request.content,
            overwrite: request.overwrite.unwrap_or(true),
            if_version: request.if_version,
            stamp: stamp(request.write_id)?,
        };
        let (info, repeated_attempt) = self.coordinator.put_document(put, limit).await.map_err(status)?;
        Ok(Response::new(PutDocumentResponse { document: Some(wire(info)), repeated_attempt }))
    }

    async fn get(&self, request: Request<GetDocumentRequest>) -> Result<Response<GetDocumentResponse>, Status> {
        let limit = limit(&request);
        let request = request.into_inner();
        let how = consistency(request.consistency);
        let at = request.at_timestamp;
        let answer = self.coordinator.get_document(&request.container, &request.name, how, at, true, limit).await;
        let answer = answer.map_err(status)?;
        let Some((info, content)) = answer.document else {
            let (container, document) = (request.container, request.name);
            let refusal = public(&CoordinatorError::DocumentNotFound { container, document });
            let Some(read) = self.read(&answer.served).filter(|_| answer.served.stale) else {
                return Err(refusal.into());
            };
            // It may well exist on the other side.
            let message = format!("{}, as of {} ms ago: no quorum was asked", refusal.message, read.age_ms);
            let refusal = PublicError { message, ..refusal };
            return Err(refusal.with("consistency", "stale").with("age_ms", read.age_ms).into());
        };
        let content = match content {
            Some(content) => content.to_xml().map_err(|error| {
                let reason = error.to_string();
                status(CoordinatorError::Internal { what: "writing a document as text", reason })
            })?,
            None => String::new(),
        };
        let read = self.read(&answer.served);
        Ok(Response::new(GetDocumentResponse { document: Some(wire(info)), content: content.into(), read }))
    }

    async fn exists(
        &self,
        request: Request<DocumentExistsRequest>,
    ) -> Result<Response<DocumentExistsResponse>, Status> {
        let limit = limit(&request);
        let request = request.into_inner();
        let how = consistency(request.consistency);
        let answer = self.coordinator.get_document(&request.container, &request.name, how, None, false, limit).await;
        let answer = answer.map_err(status)?;
        let read = self.read(&answer.served);
        Ok(Response::new(DocumentExistsResponse { exists: answer.document.is_some(), read }))
    }

    async fn delete(
        &self,
        request: Request<DeleteDocumentRequest>,
    ) -> Result<Response<DeleteDocumentResponse>, Status> {
        let limit = limit(&request);
        let request = request.into_inner();
        let stamp = stamp(request.write_id)?;
        let (container, name) = (&request.container, &request.name);
        let answer = self
            .coordinator
            .delete_document(container, name, request.if_version, request.if_exists, stamp, limit)
            .await;
        let (deleted, version) = answer.map_err(status)?;
        Ok(Response::new(DeleteDocumentResponse { deleted, version: version.0, repeated_attempt: false }))
    }

    async fn list(&self, request: Request<ListDocumentsRequest>) -> Result<Response<ListDocumentsResponse>, Status> {
        let limit = limit(&request);
        let request = request.into_inner();
        let after = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
        let (container, prefix) = (&request.container, &request.prefix);
        let (count, how) = (request.page_size, consistency(request.consistency));
        let listed = self.coordinator.list_documents(container, prefix, after, count, how, limit).await;
        let listed = listed.map_err(status)?;
        Ok(Response::new(ListDocumentsResponse {
            documents: listed.documents.into_iter().map(wire).collect(),
            next_page_token: listed.next_after.unwrap_or_default(),
            read: self.read(&listed.served),
        }))
    }
}

#[tonic::async_trait]
impl DocumentService for DocumentRpc {
    async fn put_document(
        &self,
        request: Request<PutDocumentRequest>,
    ) -> Result<Response<PutDocumentResponse>, Status> {
        self.meter.observe(Method::Put, self.put(request)).await
    }

    async fn get_document(
        &self,
        request: Request<GetDocumentRequest>,
    ) -> Result<Response<GetDocumentResponse>, Status> {
        self.meter.observe(Method::Get, self.get(request)).await
    }

    async fn document_exists(
        &self,
        request: Request<DocumentExistsRequest>,
    ) -> Result<Response<DocumentExistsResponse>, Status> {
        self.meter.observe(Method::Exists, self.exists(request)).await
    }

    async fn delete_document(
        &self,
        request: Request<DeleteDocumentRequest>,
    ) -> Result<Response<DeleteDocumentResponse>, Status> {
        self.meter.observe(Method::Delete, self.delete(request)).await
    }

    async fn list_documents(
        &self,
        request: Request<ListDocumentsRequest>,
    ) -> Result<Response<ListDocumentsResponse>, Status> {
        self.meter.observe(Method::List, self.list(request)).await
    }
}
