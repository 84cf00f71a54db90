//! `ShardService` on the peer port: other nodes' coordinators ask the replicas here.

use crate::fragment;
use crate::meter::{NodeMeter, one};
use crate::replicas::Replicas;
use crate::timestamps::Timestamps;
use crate::transport::{read_from_wire, refusal, served_to_wire, to_wire};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use phoenixmldb_coordinator::TransportError;
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::internal::shard_service_server::ShardService;
use phoenixmldb_proto::internal::{
    FragmentRequest, FragmentResponse, GrantRequest, GrantResponse, RequestContext, ScanRequest, ScanResponse,
    ShardCountRequest, ShardCountResponse, ShardGetRequest, ShardGetResponse, ShardHashRequest, ShardHashResponse,
    ShardListRequest, ShardListResponse, ShardResolvedRequest, ShardResolvedResponse, ShardWriteRequest,
    ShardWriteResponse,
};
use phoenixmldb_shard::ShardCommand;
use phoenixmldb_types::{Code, ContainerId, DocumentName, ShardId};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// Serves the replicas of this node to its cluster.
pub struct ShardRpc {
    cluster_id: String,
    replicas: Arc<Replicas>,
    timestamps: Timestamps,
    meter: Arc<NodeMeter>,
}

impl ShardRpc {
    /// The service.
    #[must_use]
    pub fn new(cluster_id: String, replicas: Arc<Replicas>, timestamps: Timestamps, meter: Arc<NodeMeter>) -> Self {
        Self { cluster_id, replicas, timestamps, meter }
    }

    /// Refuses strangers, and bounds the work by what is left of the caller's deadline.
    async fn serve<T>(
        &self,
        context: Option<RequestContext>,
        work: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<Response<T>, Status> {
        let context = context.unwrap_or_default();
        if context.cluster_id != self.cluster_id {
            one(&self.meter.strangers);
            let message = format!(
                "cluster id mismatch: this node belongs to {:?}, the request to {:?}",
                self.cluster_id, context.cluster_id
            );
            return Err(PublicError::new(Code::WrongCluster, message).into());
        }
        match tokio::time::timeout(Duration::from_millis(context.remaining_ms), work).await {
            Ok(Ok(answer)) => Ok(Response::new(answer)),
            Ok(Err(error)) => Err(refusal(error).into()),
            Err(_) => Err(refusal(TransportError::Lost("the deadline has passed".to_owned())).into()),
        }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn name(text: &str) -> Result<DocumentName, TransportError> {
    DocumentName::parse(text).map_err(|error| TransportError::Failed(error.to_string()))
}

#[tonic::async_trait]
impl ShardService for ShardRpc {
    type FragmentStream = Answers<FragmentResponse>;
    type ScanStream = Answers<ScanResponse>;

    async fn fragment(&self, request: Request<FragmentRequest>) -> Result<Response<Self::FragmentStream>, Status> {
        let request = request.into_inner();
        let limit = Duration::from_millis(request.context.as_ref().map_or(0, |context| context.remaining_ms));
        self.serve(request.context.clone(), async {
            let asked = Arc::new(fragment::request_from_wire(&request)?);
            let parts = self.replicas.fragment(ShardId(request.shard), asked, limit).await?;
            let parts = parts.map(|part| part.map(fragment::part_to_wire).map_err(|error| refusal(error).into()));
            Ok(Box::pin(parts) as Answers<FragmentResponse>)
        })
        .await
    }

    async fn scan(&self, request: Request<ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        let request = request.into_inner();
        self.serve(request.context, async {
            let (shard, container) = (ShardId(request.shard), ContainerId(request.container));
            let read = read_from_wire(request.read_timestamp, request.stale);
            let documents = self.replicas.scan(shard, container, read).await?;
            let documents = documents.map(|document| match document {
                Ok((name, content)) => {
                    Ok(ScanResponse { name: name.to_string(), encoded: Bytes::from(content.to_bytes()) })
                }
                Err(error) => Err(refusal(error).into()),
            });
            Ok(Box::pin(documents) as Answers<ScanResponse>)
        })
        .await
    }

    async fn write(&self, request: Request<ShardWriteRequest>) -> Result<Response<ShardWriteResponse>, Status> {
        let request = request.into_inner();
        self.serve(request.context, async {
            let command = ShardCommand::from_bytes(&request.command);
            let command = command.map_err(|error| TransportError::Failed(error.to_string()))?;
            let outcome = self.replicas.write(ShardId(request.shard), command, &self.timestamps).await?;
            Ok(ShardWriteResponse { outcome: Bytes::from(outcome.to_bytes()) })
        })
        .await
    }

    async fn get(&self, request: Request<ShardGetRequest>) -> Result<Response<ShardGetResponse>, Status> {
        let request = request.into_inner();
        self.serve(request.context, async {
            let (shard, container) = (ShardId(request.shard), ContainerId(request.container));
            let how = read_from_wire(request.read_timestamp, request.stale);
            let name = name(&request.name)?;
            let (found, served) = self.replicas.get(shard, container, &name, how, request.with_content).await?;
            let read = Some(served_to_wire(served));
            let Some((stored, content)) = found else {
                return Ok(ShardGetResponse { info: None, encoded: Bytes::new(), read });
            };
            let encoded = content.map(|content| Bytes::from(content.to_bytes())).unwrap_or_default();
            Ok(ShardGetResponse { info: Some(to_wire(&stored)), encoded, read })
        })
        .await
    }

    async fn list(&self, request: Request<ShardListRequest>) -> Result<Response<ShardListResponse>, Status> {
        let request = request.into_inner();
        self.serve(request.context, async {
            let (shard, container) = (ShardId(request.shard), ContainerId(request.container));
            let how = read_from_wire(request.read_timestamp, request.stale);
            let after = Some(request.after.as_str()).filter(|after| !after.is_empty());
            let page = self.replicas.list(shard, container, &request.prefix, after, request.limit, how).await?;
            Ok(ShardListResponse {
                documents: page.documents.iter().map(to_wire).collect(),
                more: page.more,
                read: Some(served_to_wire(page.served)),
            })
        })
        .await
    }

    async fn resolved(
        &self,
        request: Request<ShardResolvedRequest>,
    ) -> Result<Response<ShardResolvedResponse>, Status> {
        let request = request.into_inner();
        self.serve(request.context, async {
            let served = self.replicas.resolved(ShardId(request.shard))?;
            Ok(ShardResolvedResponse { read: Some(served_to_wire(served)) })
        })
        .await
    }

    async fn hash(&self, request: Request<ShardHashRequest>) -> Result<Response<ShardHashResponse>, Status> {
        let request = request.into_inner();
        let limit = Duration::from_millis(request.context.as_ref().map_or(0, |context| context.remaining_ms));
        self.serve(request.context, async {
            let hashed = self.replicas.hash(ShardId(request.shard), request.applied_index, limit).await?;
            let (hash, keys, applied_index) = hashed;
            Ok(ShardHashResponse { applied_index, hash, keys })
        })
        .await
    }

    async fn count(&self, request: Request<ShardCountRequest>) -> Result<Response<ShardCountResponse>, Status> {
        let request = request.into_inner();
        self.serve(request.context, async {
            let (shard, container) = (ShardId(request.shard), ContainerId(request.container));
            let (documents, bytes) = self.replicas.count(shard, container).await?;
            Ok(ShardCountResponse { documents, bytes })
        })
        .await
    }

    async fn grant(&self, request: Request<GrantRequest>) -> Result<Response<GrantResponse>, Status> {
        let request = request.into_inner();
        self.serve(request.context, async {
            let first = self.replicas.grant(request.count).await?;
            Ok(GrantResponse { first: first.0 })
        })
        .await
    }
}
