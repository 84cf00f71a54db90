//! The data role, wired together: database, replicas, timestamps, coordinator, and the services of both ports.
//!
//! Listening is the program's: it puts these services beside those of the controller role on the same two ports.

use crate::census::Census;
use crate::figures::Figures;
use crate::limits::{MESSAGE_BYTES_MAX, STOP_TRANSFER_MS};
use crate::meter::NodeMeter;
use crate::replicas::Replicas;
use crate::rpc::{ContainerRpc, DocumentRpc, QueryRpc, ShardRpc};
use crate::timestamps::Timestamps;
use crate::transport::{ClockGroup, NodeTransport, Peers};
use phoenixmldb_coordinator::{ControlPlane, Coordinator, Router};
use phoenixmldb_engine::RocksEngine;
use phoenixmldb_proto::internal::shard_service_server::ShardServiceServer;
use phoenixmldb_proto::v1::container_service_server::ContainerServiceServer;
use phoenixmldb_proto::v1::document_service_server::DocumentServiceServer;
use phoenixmldb_proto::v1::query_service_server::QueryServiceServer;
use phoenixmldb_raft::{Groups, Role, StateFault};
use phoenixmldb_store::Kv;
use phoenixmldb_types::clock::Clock;
use phoenixmldb_types::{ClusterId, ClusterMap, NodeName};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::service::RoutesBuilder;

/// What a data node is made of.
pub struct DataNodeConfig {
    /// Its name.
    pub name: NodeName,
    /// The cluster it belongs to.
    pub cluster_id: ClusterId,
    /// Folder of its database.
    pub data: PathBuf,
    /// Raft groups of this process; may hold the control group as well.
    pub groups: Arc<Groups>,
    /// Wall clock for timestamps.
    pub clock: Arc<dyn Clock>,
    /// The cluster as this node knows it.
    pub map: watch::Receiver<Option<Arc<ClusterMap>>>,
    /// Where containers are created.
    pub control: Arc<dyn ControlPlane>,
    /// Called once, when a replica has failed for good: the process has to end.
    pub on_fatal: Arc<dyn Fn(String) + Send + Sync>,
}

/// A running data role.
pub struct DataNode {
    coordinator: Coordinator,
    replicas: Arc<Replicas>,
    timestamps: Timestamps,
    transport: Arc<NodeTransport>,
    groups: Arc<Groups>,
    cluster_id: ClusterId,
    clock: Arc<dyn Clock>,
    meter: Arc<NodeMeter>,
    figures: Arc<Figures>,
    background: Vec<tokio::task::JoinHandle<()>>,
}

impl DataNode {
    /// Opens the database and begins to open replicas as the map says. Error: the database cannot be opened; its path
    /// is named.
    pub fn start(config: DataNodeConfig) -> Result<Self, StateFault> {
        let path = config.data.join("datadb");
        let engine = RocksEngine::open(&path)
            .map_err(|error| StateFault::new(format!("opening the database {}", path.display()), error))?;
        let engine = Arc::new(engine);
        let kv: Arc<dyn Kv> = engine.clone();
        let spool = config.data.join("installing");
        let DataNodeConfig { name, cluster_id, groups, clock, map, control, on_fatal, .. } = config;
        let meter = Arc::new(NodeMeter::default());
        let replicas =
            Replicas::new(name.clone(), groups.clone(), kv, clock.clone(), map.clone(), meter.clone(), spool);
        let census = Arc::new(Census::default());
        let counting = tokio::spawn(census.clone().run(replicas.clone()));
        let window = Figures::window();
        let figures = Arc::new(Figures {
            meter: meter.clone(),
            replicas: replicas.clone(),
            census,
            engine,
            clock: clock.clone(),
            window,
        });
        let peers = Arc::new(Peers::default());
        let source =
            ClockGroup::new(name.clone(), cluster_id.to_string(), replicas.clone(), peers.clone(), map.clone());
        let timestamps = Timestamps::start(source, &groups.config().runtime);
        let transport =
            NodeTransport::new(name.clone(), cluster_id.to_string(), replicas.clone(), timestamps.clone(), peers);
        let coordinator = Coordinator::new(Arc::new(Router::new(name, map)), transport.clone(), control);
        let (opened, asked) = (replicas.clone(), timestamps.clone());
        let tending = tokio::spawn(async move {
            if let Err(fault) = opened.run(asked).await {
                on_fatal(fault.to_string());
            }
        });
        let background = vec![tending, counting];
        Ok(Self { coordinator, replicas, timestamps, transport, groups, cluster_id, clock, meter, figures, background })
    }

    /// Serves requests of clients.
    #[must_use]
    pub fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// The replicas hosted here.
    #[must_use]
    pub fn replicas(&self) -> &Arc<Replicas> {
        &self.replicas
    }

    /// What it tells of itself.
    #[must_use]
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// The way to replicas here and elsewhere.
    #[must_use]
    pub fn transport(&self) -> &Arc<NodeTransport> {
        &self.transport
    }

    /// Waits until every shard placed here has a replica that knows its leader; tells `waiting` what is missing.
    pub async fn wait_serving(&self, waiting: &(dyn Fn(&str) + Sync)) {
        loop {
            match self.replicas.missing() {
                None => return,
                Some(reason) => waiting(&reason),
            }
            tokio::time::sleep(Duration::from_millis(crate::limits::RECONCILE_MS / 4)).await;
        }
    }

    /// Adds the services of the client port.
    pub fn add_client_services(&self, routes: &mut RoutesBuilder) {
        routes.add_service(
            DocumentServiceServer::new(DocumentRpc::new(
                self.coordinator.clone(),
                self.clock.clone(),
                self.meter.clone(),
            ))
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX),
        );
        routes
            .add_service(ContainerServiceServer::new(ContainerRpc::new(self.coordinator.clone(), self.meter.clone())));
        routes.add_service(
            QueryServiceServer::new(QueryRpc::new(self.coordinator.clone(), self.clock.clone(), self.meter.clone()))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        );
    }

    /// The services of the client port alone.
    #[must_use]
    pub fn client_services(&self) -> Routes {
        let mut routes = RoutesBuilder::default();
        self.add_client_services(&mut routes);
        routes.routes()
    }

    /// Adds the services of the peer port, but for Raft's own.
    pub fn add_peer_services(&self, routes: &mut RoutesBuilder) {
        let rpc = ShardRpc::new(
            self.cluster_id.to_string(),
            self.replicas.clone(),
            self.timestamps.clone(),
            self.meter.clone(),
        );
        routes.add_service(
            ShardServiceServer::new(rpc)
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
        );
    }

    /// Hands leadership of every group to another replica, as far as that works in time, and stops tending replicas.
    /// The groups themselves are the program's to stop.
    pub async fn stop(&self) {
        self.background.iter().for_each(tokio::task::JoinHandle::abort);
        let own_id = self.groups.config().own.raft_id;
        let hand_over = self.groups.all().into_iter().map(|group| async move {
            let status = group.status();
            if status.role != Role::Leader {
                return;
            }
            // The copy that has most of the log; the group itself refuses one that lags.
            let best = status.matched.iter().filter(|(id, _)| **id != own_id).max_by_key(|(_, index)| **index);
            if let Some((&target, _)) = best
                && let Err(error) = group.transfer_leader(target).await
            {
                tracing::info!(group = %group.id(), %error, "leadership stays until the election");
            }
        });
        let all = futures::future::join_all(hand_over);
        drop(tokio::time::timeout(Duration::from_millis(STOP_TRANSFER_MS), all).await);
    }
}
