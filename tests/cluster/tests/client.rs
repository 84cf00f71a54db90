//! The client against real nodes: one reachable node is enough, attempts are counted, what cannot change is not repeated.

#![allow(clippy::unwrap_used)] // a step that fails is a failed test

use phoenixmldb_cli::demo::local::{LocalCluster, free_ports};
use phoenixmldb_client::v1::{Consistency, ContainerOptions};
use phoenixmldb_client::{Client, ClientError, ClusterClientOptions, Code, RetryPolicy};
use phoenixmldb_cluster_tests::{PATIENT, alone, formed, healthy};
use std::time::Duration;

fn with(nodes: Vec<String>) -> Client {
    let retry_policy = RetryPolicy { retry_delay: Duration::from_millis(10), ..RetryPolicy::default() };
    Client::new(ClusterClientOptions { nodes, retry_policy, ..ClusterClientOptions::default() }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reachable_node_is_enough_to_learn_the_rest() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, PATIENT).unwrap();
    let all = formed(&mut cluster).await;
    all.create_container("c", ContainerOptions::default(), false).await.unwrap();
    let nowhere: Vec<String> = free_ports(2).unwrap().iter().map(|port| format!("127.0.0.1:{port}")).collect();

    let mut listed = nowhere.clone();
    listed.push(cluster.nodes[2].client.clone());
    let client = with(listed.clone());
    client.put_document("c", "a.xml", "<a/>").await.unwrap();
    let known = client.nodes();
    assert!(cluster.endpoints().iter().all(|endpoint| known.contains(endpoint)), "{known:?}");

    // What no repetition can change is asked once.
    let error = all.put_document("c", "bad.xml", "<a>").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::MalformedDocument));
    assert!(matches!(error, ClientError::Refused { attempts: 1, .. }), "{error:?}");

    // The node it was given is lost: the ones it has learnt serve on.
    cluster.nodes[2].kill().unwrap();
    let got = client.get_document("c", "a.xml", Consistency::Strong).await.unwrap();
    assert_eq!(&got.content[..], b"<a/>");
    client.put_document("c", "b.xml", "<b/>").await.unwrap();

    // One that keeps to its list has nobody left, and says whom it asked, once and three times again.
    let options =
        ClusterClientOptions { nodes: listed, no_discovery: true, ..with(vec!["x:1".into()]).options().clone() };
    let error = Client::new(options).unwrap().put_document("c", "c.xml", "<c/>").await.unwrap_err();
    let ClientError::Unreachable { tried } = error else { panic!("{error}") };
    assert_eq!(tried.len(), 4, "{tried:?}");

    cluster.start().unwrap();
    healthy(&all).await;
}
