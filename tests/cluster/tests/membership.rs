//! Who belongs to a cluster: joining, names, strangers, leaving. Real processes.

use phoenixmldb_cli::demo::local::{LocalCluster, LocalNode, free_ports};
use phoenixmldb_cluster_tests::{PATIENT, alone, client, ends, formed, healthy, http, ok, pc, refused, until};
use std::path::Path;

/// `join` of a node with its folder below `folder`.
fn join(folder: &Path, node: &str, peer: &str, more: &[&str]) -> std::process::Output {
    let data = folder.join(node).display().to_string();
    let args = [&["join", "--node-id", node, "--bootstrap-peer", peer, "--data", &data], more].concat();
    pc(&[], &args)
}

#[tokio::test]
async fn joining_is_checked_at_once_and_a_node_that_never_starts_counts_for_nothing() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, PATIENT).unwrap();
    let _client = formed(&mut cluster).await;
    let at = cluster.endpoints();
    let (peer, third) = (cluster.nodes[0].peer.clone(), cluster.nodes[2].peer.clone());
    let home = folder.path();

    let (code, error) = refused(&join(home, "node4", &peer, &["--cluster-id", "x"]));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("peer says \"my-cluster\", you said \"x\""), "{error}");
    let (code, error) = refused(&join(home, "stranger/node2", &peer, &[]));
    assert_eq!(code, 2, "a name is no path: {error}");
    let data = home.join("other").display().to_string();
    let taken = ["join", "--node-id", "node2", "--bootstrap-peer", &peer, "--data", &data];
    let (code, error) = refused(&pc(&[], &taken));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains(&format!("node id \"node2\" is already a member at {}", cluster.nodes[1].peer)), "{error}");
    let (code, error) = refused(&join(home, "node4", &at[0], &[]));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("that is the client port; use the raft port (5433)"), "{error}");
    assert!(!home.join("node4").exists(), "what is refused leaves nothing behind");

    // Any member will do.
    let told = ok(&join(home, "node4", &third, &["--wait", "5s"]));
    assert!(told.contains("node4 is known to cluster my-cluster"), "{told}");
    let members = ok(&pc(&at, &["members"]));
    assert!(members.contains("joining (not started)"), "{members}");
    let status = ok(&pc(&at, &["status", "--check"]));
    assert!(status.contains("  node4: joining (not started)\n") && status.contains("(balanced)"), "{status}");
    assert_eq!(ok(&pc(&at, &["remove-node", "node4"])), "node4 is removed\n");
    assert!(!ok(&pc(&at, &["members"])).contains("node4"));
    let (code, error) = refused(&pc(&at, &["remove-node", "node4"]));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("there is no node \"node4\"; there are node1, node2, node3"), "{error}");

    let ports = free_ports(2).unwrap();
    let mut fourth =
        LocalNode::new("phoenixmldb-server", "node4", home, (ports[0], ports[1]), &[&["--cluster"], PATIENT].concat())
            .unwrap();
    fourth.start().unwrap();
    until("node4 joins", || async {
        String::from_utf8_lossy(&pc(&at, &["status"]).stdout).contains("  node4: healthy (data)\n")
    })
    .await;
    let (code, error) = refused(&pc(&at, &["remove-node", "node3"]));
    assert_eq!(code, 8, "{error}");
    assert!(error.contains("node \"node3\" holds") && error.contains("copies"), "{error}");
    assert_eq!(ok(&pc(&at, &["remove-node", "node4"])), "node4 is removed\n");
    assert_eq!(ok(&pc(&at, &["remove-node", "node4"])), "node4 was removed before\n");
}

#[tokio::test]
async fn strangers_are_refused_and_counted() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, PATIENT).unwrap();
    let _client = formed(&mut cluster).await;
    let (peer, at) = (cluster.nodes[0].peer.clone(), cluster.nodes[0].client.clone());
    let other = folder.path().join("other").display().to_string();
    let new = |more: &[&str]| {
        let args = ["--cluster", "--data", &other, "--bind", "127.0.0.1", "--port", "0", "--raft-port", "0"];
        ends("phoenixmldb-server", &[&args, more].concat())
    };
    let (code, error) = new(&["--node-id", "node9", "--cluster-id", "other", "--peers", &peer]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("my-cluster") && error.contains("other"), "{error}");
    let metrics = http::get(&at, "/metrics").await.body;
    let counted = metrics.lines().find_map(|line| line.strip_prefix("phoenixmldb_rejected_cluster_id_total "));
    assert!(counted.unwrap().parse::<u64>().unwrap() > 0, "{metrics}");

    let own = folder.path().join("node1").display().to_string();
    cluster.nodes[0].kill().unwrap();
    let (code, error) = ends("phoenixmldb-server", &["--cluster", "--node-id", "node9", "--data", &own, "--port", "0"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("this data directory belongs to node1"), "{error}");
    let restart = ["--cluster", "--node-id", "node1", "--data", &own, "--bind", "127.0.0.1", "--port", "0"];
    let (code, error) = ends("phoenixmldb-server", &[&restart[..], &["--raft-port", "0", "--shards", "32"]].concat());
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("sharding.shardCount is 16 since the cluster formed; flag --shards says 32"), "{error}");

    // A peer that answers under another name than the file says.
    let file = folder.path().join("cluster.json");
    let second = &cluster.nodes[1].peer;
    let text =
        format!(r#"{{"cluster":{{"enabled":true,"nodeId":"node9","peers":[{{"id":"node7","address":"{second}"}}]}}}}"#);
    std::fs::write(&file, text).unwrap();
    let (code, error) = new(&["--config", file.to_str().unwrap()]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("answers as node2, the configuration says node7"), "{error}");
}

#[tokio::test]
async fn two_nodes_initialised_apart_never_become_one_cluster() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let ports = free_ports(4).unwrap();
    let mut nodes: Vec<LocalNode> = Vec::new();
    for (index, name) in ["node1", "node2"].into_iter().enumerate() {
        let data = home.join(name).display().to_string();
        ok(&pc(&[], &["init", "--node-id", name, "--cluster-id", "same", "--data", &data, "--replicas", "1"])).clear();
        let pair = (ports[index * 2], ports[index * 2 + 1]);
        nodes
            .push(LocalNode::new("phoenixmldb-server", name, home, pair, &[&["--cluster"], PATIENT].concat()).unwrap());
    }
    for node in &mut nodes {
        node.start().unwrap();
        healthy(&client(vec![node.client.clone()])).await;
    }
    let data = home.join("node2").display().to_string();
    nodes[1].stop().unwrap();
    let meets = ["--cluster", "--node-id", "node2", "--data", &data, "--bind", "127.0.0.1", "--port", "0"];
    let (code, error) =
        ends("phoenixmldb-server", &[&meets[..], &["--raft-port", "0", "--peers", &nodes[0].peer]].concat());
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("two different incarnations: node1 ("), "{error}");
    healthy(&client(vec![nodes[0].client.clone()])).await;
}

#[tokio::test]
async fn a_node_with_other_settings_uses_those_of_the_cluster_and_says_so() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node3.json");
    std::fs::write(&file, r#"{"sharding":{"shardCount":32}}"#).unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, PATIENT).unwrap();
    cluster.nodes[2].add_args(&["--config", file.to_str().unwrap()]);
    let _client = formed(&mut cluster).await;
    let at = cluster.endpoints();
    let line = format!("  node3: sharding.shardCount 32 (file {}) is ignored; the cluster uses 16\n", file.display());
    until("the difference is shown", || async { ok(&pc(&at, &["status", "--verbose"])).contains(&line) }).await;
    assert!(ok(&pc(&at, &["status"])).ends_with("Shards: 16 (balanced)\n"));
}
