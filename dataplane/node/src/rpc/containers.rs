//! `ContainerService`: create, look at, list, delete. Changes go to the control plane; looking uses this node's map.

use super::{limit, status};
use crate::meter::{Method, NodeMeter};
use phoenixmldb_coordinator::Coordinator;
use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::v1::container_service_server::ContainerService;
use phoenixmldb_proto::v1::{
    ContainerInfo, ContainerOptions, CreateContainerRequest, CreateContainerResponse, DeleteContainerRequest,
    DeleteContainerResponse, GetContainerRequest, GetContainerResponse, ListContainersRequest, ListContainersResponse,
};
use phoenixmldb_types::{Code, MapContainer};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Serves containers through this node's coordinator.
pub struct ContainerRpc {
    coordinator: Coordinator,
    meter: Arc<NodeMeter>,
}

impl ContainerRpc {
    /// The service.
    #[must_use]
    pub fn new(coordinator: Coordinator, meter: Arc<NodeMeter>) -> Self {
        Self { coordinator, meter }
    }
}

fn wire(container: &MapContainer, (documents, bytes): (u64, u64)) -> ContainerInfo {
    let options =
        ContainerOptions { shard_key_path: String::new(), preserve_whitespace: Some(!container.strip_whitespace) };
    ContainerInfo {
        name: container.name.to_string(),
        id: container.id.0,
        options: Some(options),
        created_ms: container.created_ms,
        documents,
        bytes,
    }
}

/// The calls themselves; the trait's methods count them.
impl ContainerRpc {
    async fn create(
        &self,
        request: Request<CreateContainerRequest>,
    ) -> Result<Response<CreateContainerResponse>, Status> {
        let limit = limit(&request);
        let request = request.into_inner();
        let options = request.options.unwrap_or_default();
        if !options.shard_key_path.is_empty() {
            let message = format!(
                "shard_key_path {:?}: documents are sharded by container and name in this release",
                options.shard_key_path
            );
            let help = "create the container without a shard key path";
            return Err(PublicError::new(Code::Unsupported, message).help(help).into());
        }
        let strip = !options.preserve_whitespace.unwrap_or(true);
        let created = self.coordinator.create_container(&request.name, strip, request.if_not_exists, limit).await;
        let (container, created) = created.map_err(status)?;
        Ok(Response::new(CreateContainerResponse { container: Some(wire(&container, (0, 0))), created }))
    }

    async fn get(&self, request: Request<GetContainerRequest>) -> Result<Response<GetContainerResponse>, Status> {
        let limit = limit(&request);
        let name = request.into_inner().name;
        let (container, counts) = self.coordinator.container(&name, limit).await.map_err(status)?;
        Ok(Response::new(GetContainerResponse { container: Some(wire(&container, counts)) }))
    }

    async fn list(&self, request: Request<ListContainersRequest>) -> Result<Response<ListContainersResponse>, Status> {
        let limit = limit(&request);
        let with_counts = request.into_inner().with_counts;
        let map = self.coordinator.router().map().map_err(status)?;
        let mut containers = Vec::with_capacity(map.containers.len());
        for container in &map.containers {
            let counts = if with_counts {
                self.coordinator.container(container.name.as_str(), limit).await.map_err(status)?.1
            } else {
                (0, 0)
            };
            containers.push(wire(container, counts));
        }
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Response::new(ListContainersResponse { containers }))
    }

    async fn delete(
        &self,
        request: Request<DeleteContainerRequest>,
    ) -> Result<Response<DeleteContainerResponse>, Status> {
        let limit = limit(&request);
        let request = request.into_inner();
        let deleted = self.coordinator.delete_container(&request.name, request.if_exists, limit).await;
        Ok(Response::new(DeleteContainerResponse { deleted: deleted.map_err(status)? }))
    }
}

#[tonic::async_trait]
impl ContainerService for ContainerRpc {
    async fn create_container(
        &self,
        request: Request<CreateContainerRequest>,
    ) -> Result<Response<CreateContainerResponse>, Status> {
        self.meter.observe(Method::Container, self.create(request)).await
    }

    async fn get_container(
        &self,
        request: Request<GetContainerRequest>,
    ) -> Result<Response<GetContainerResponse>, Status> {
        self.meter.observe(Method::Container, self.get(request)).await
    }

    async fn list_containers(
        &self,
        request: Request<ListContainersRequest>,
    ) -> Result<Response<ListContainersResponse>, Status> {
        self.meter.observe(Method::Container, self.list(request)).await
    }

    async fn delete_container(
        &self,
        request: Request<DeleteContainerRequest>,
    ) -> Result<Response<DeleteContainerResponse>, Status> {
        self.meter.observe(Method::Container, self.delete(request)).await
    }
}
