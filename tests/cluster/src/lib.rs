//! What the tests with real processes share: programs, clusters in a temporary folder, commands.
//!
//! The programs are those beside the test's own; `./check` builds them first.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

pub mod http;

use phoenixmldb_cli::demo::local::{LocalCluster, LocalNode, free_ports};
use phoenixmldb_client::{Client, ClusterClientOptions};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// Timeouts for machines that run many tests at once; the drills use the documented ones.
pub const PATIENT: &[&str] = &["--election-timeout", "400-800ms", "--heartbeat-interval", "100ms"];

/// One test of a file at a time: each runs several processes, and their elections have deadlines.
pub async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ONE.lock().await
}

/// A client with the default retry policy.
#[must_use]
pub fn client(nodes: Vec<String>) -> Client {
    Client::new(ClusterClientOptions { nodes, ..ClusterClientOptions::default() }).unwrap()
}

/// A single database in `folder`.
#[must_use]
pub fn single(folder: &Path) -> LocalNode {
    let port = free_ports(1).unwrap()[0];
    LocalNode::single(folder, port).unwrap()
}

/// Runs `phoenixmldb-cluster` against these nodes.
#[must_use]
pub fn pc(endpoints: &[String], args: &[&str]) -> Output {
    let program = phoenixmldb_cli::demo::local::sibling("phoenixmldb-cluster").unwrap();
    let mut command = Command::new(program);
    // The contexts of whoever runs the tests are theirs.
    let contexts = std::env::temp_dir().join(format!("phoenixmldb-tests-{}.toml", std::process::id()));
    command.args(args).env("PHOENIXMLDB_ENDPOINTS", endpoints.join(",")).env("PHOENIXMLDB_CONTEXTS", contexts);
    command.output().unwrap()
}

/// The standard output of a command that has to succeed.
#[must_use]
pub fn ok(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "exit {:?}\n{out}\n{err}", output.status.code());
    out.into_owned()
}

/// Exit code and standard error of a command that has to fail.
#[must_use]
pub fn refused(output: &Output) -> (i32, String) {
    assert!(!output.status.success(), "it should have failed: {}", String::from_utf8_lossy(&output.stdout));
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Starts all nodes and waits until the cluster is healthy and balanced.
pub async fn formed(cluster: &mut LocalCluster) -> Client {
    cluster.start().unwrap();
    let client = client(cluster.endpoints());
    healthy(&client).await;
    client
}

/// Waits until the cluster is healthy and balanced.
pub async fn healthy(client: &Client) {
    phoenixmldb_cli::demo::wait_for(client, "health", |cluster| {
        phoenixmldb_cli::status::healthy(cluster) && phoenixmldb_cli::status::balanced(cluster)
    })
    .await
    .unwrap();
}

/// Waits until `condition` holds; polls, because a condition over processes has no event.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen within 60 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a server program that has to end by itself; its exit code and what it says.
#[must_use]
pub fn ends(program: &str, args: &[&str]) -> (i32, String) {
    let program = phoenixmldb_cli::demo::local::sibling(program).unwrap();
    let output = Command::new(program).args(args).output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}
