//! Golden scripts of the command line: what is printed where, and how it ends.
//!
//! `alone` needs nobody. `cluster` runs against a service in this process that answers with a fixed cluster, so that every
//! state can be shown; what real clusters do is shown by the tests with real processes.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

use phoenixmldb_proto::PublicError;
use phoenixmldb_proto::admin::cluster_service_server::{ClusterService, ClusterServiceServer};
use phoenixmldb_proto::admin::*;
use phoenixmldb_script::{Setting, run_all};
use phoenixmldb_types::Code;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

fn setting() -> Setting {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_phoenixmldb-cluster"));
    let commit = phoenixmldb_cli::version::text().split_once("(commit ").unwrap().1.split(',').next().unwrap();
    Setting {
        programs: vec![program.parent().unwrap().to_owned()],
        env: vec![("COLUMNS".into(), "100".into())],
        replace: vec![(format!("commit {commit}"), "commit [COMMIT]".into())],
    }
}

fn scripts(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder)
}

#[test]
fn alone() {
    run_all(&scripts("alone"), &setting());
}

mod common;
use common::snapshot;

fn check(shard: u32) -> ShardCheck {
    let copy = |n: u32| ReplicaCheck {
        node: format!("node{n}"),
        applied_index: 40,
        hash: if (shard, n) == (1, 3) { "00000000000000ff" } else { "000000000000000a" }.into(),
        keys: 7,
        problem: String::new(),
    };
    ShardCheck { shard, equal: shard != 1, applied_index: 40, replicas: (1..=3).map(copy).collect() }
}

struct Fixed;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ClusterService for Fixed {
    type WatchClusterStream = Answers<WatchClusterResponse>;
    type WatchTopologyStream = Answers<WatchTopologyResponse>;

    async fn get_cluster(&self, _: Request<GetClusterRequest>) -> Result<Response<GetClusterResponse>, Status> {
        Ok(Response::new(GetClusterResponse { cluster: Some(snapshot()) }))
    }

    async fn watch_cluster(
        &self,
        _: Request<WatchClusterRequest>,
    ) -> Result<Response<Self::WatchClusterStream>, Status> {
        Err(Status::unimplemented("the command line asks again and again instead"))
    }

    async fn get_topology(&self, _: Request<GetTopologyRequest>) -> Result<Response<GetTopologyResponse>, Status> {
        Err(Status::unimplemented("not asked by these verbs"))
    }

    async fn watch_topology(
        &self,
        _: Request<WatchTopologyRequest>,
    ) -> Result<Response<Self::WatchTopologyStream>, Status> {
        Err(Status::unimplemented("not asked by these verbs"))
    }

    async fn locate(&self, _: Request<LocateRequest>) -> Result<Response<LocateResponse>, Status> {
        let replicas = (1..=3).map(|n| format!("node{n}")).collect();
        Ok(Response::new(LocateResponse { hash: 0x3f, shard: 0, leader: "node1".into(), replicas, epoch: 1 }))
    }

    async fn list_events(&self, _: Request<ListEventsRequest>) -> Result<Response<ListEventsResponse>, Status> {
        let event = Event {
            id: 7,
            time_ms: 1_767_225_600_123,
            level: "warn".into(),
            subject: "node3".into(),
            text: "is down".into(),
            by: "control".into(),
        };
        Ok(Response::new(ListEventsResponse { events: vec![event] }))
    }

    async fn check_shards(&self, _: Request<CheckShardsRequest>) -> Result<Response<CheckShardsResponse>, Status> {
        Ok(Response::new(CheckShardsResponse { shards: vec![check(0), check(1)] }))
    }

    async fn transfer_leadership(
        &self,
        request: Request<TransferLeadershipRequest>,
    ) -> Result<Response<TransferLeadershipResponse>, Status> {
        Ok(Response::new(TransferLeadershipResponse { leader: request.into_inner().to }))
    }

    async fn remove_node(&self, request: Request<RemoveNodeRequest>) -> Result<Response<RemoveNodeResponse>, Status> {
        let refusal = match request.into_inner().node.as_str() {
            "node4" => return Ok(Response::new(RemoveNodeResponse { removed: true })),
            "node7" => {
                PublicError::new(Code::NodeNotFound, "there is no node \"node7\"; there are node1, node2, node3")
                    .help("phoenixmldb-cluster members")
            }
            _ => PublicError::new(Code::Refused, "node \"node3\" holds 16 copies").help("leave it in"),
        };
        Err(refusal.into())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let service = tonic::transport::Server::builder().add_service(ClusterServiceServer::new(Fixed));
    tokio::spawn(service.serve_with_incoming(incoming));
    let mut setting = setting();
    setting.env.push(("PHOENIXMLDB_ENDPOINTS".into(), at.clone()));
    setting.env.push(("AT".into(), at.clone()));
    setting.replace.push((at, "[NODE]".into()));
    tokio::task::spawn_blocking(move || run_all(&scripts("cluster"), &setting)).await.unwrap();
}
