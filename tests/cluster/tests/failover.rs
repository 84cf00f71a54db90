//! Nodes are killed under load: nothing acknowledged is lost, nobody sees an error, copies stay equal.

use phoenixmldb_cli::demo::load::{Written, keys_by_shard, lost, reader, writer};
use phoenixmldb_cli::demo::local::LocalCluster;
use phoenixmldb_client::v1::{Consistency, ContainerOptions};
use phoenixmldb_cluster_tests::{PATIENT, alone, formed, healthy, ok, pc};
use std::collections::BTreeMap;
use std::time::Duration;

/// Rounds of the drill: a few by default, the full number behind `PHOENIXMLDB_LONG=1`.
fn rounds() -> usize {
    if std::env::var_os("PHOENIXMLDB_LONG").is_some() { 20 } else { 3 }
}

/// Quantiles over shards and rounds, of the slowest write of each.
fn distribution(waits: Vec<(usize, u32, Duration)>) -> String {
    let mut slowest: BTreeMap<(usize, u32), Duration> = BTreeMap::new();
    for (round, shard, wait) in waits {
        let known = slowest.entry((round, shard)).or_default();
        *known = wait.max(*known);
    }
    let mut all: Vec<u128> = slowest.values().map(Duration::as_millis).collect();
    all.sort_unstable();
    let at = |percent: usize| all.get((all.len() * percent / 100).min(all.len().saturating_sub(1))).copied();
    let (median, p90, p99) = (at(50).unwrap_or(0), at(90).unwrap_or(0), at(99).unwrap_or(0));
    format!("{} samples, median {median} ms, p90 {p90} ms, p99 {p99} ms, worst {} ms", all.len(), at(100).unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_killed_at_random_lose_nothing_and_are_hardly_noticed() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, &[]).unwrap();
    let client = formed(&mut cluster).await;
    let status = ok(&pc(&cluster.endpoints(), &["status"]));
    let shape = status.replace("leader)", "X)").replace("follower)", "X)");
    assert!(shape.ends_with("Shards: 16 (balanced)\n") && shape.matches(": healthy (X)").count() == 3, "{status}");
    client.create_container("drill", ContainerOptions::default(), false).await.unwrap();

    let (mut acknowledged, mut waits, mut elsewhere, mut total) = (BTreeMap::new(), Vec::new(), Vec::new(), 0);
    for round in 0..rounds() {
        // Values only grow, also from one round to the next.
        let from = round as u64 * 1_000_000;
        let keys = keys_by_shard("drill", 16);
        let reading = reader(client.clone(), "drill".into(), keys.concat());
        let writers: Vec<_> = keys.into_iter().map(|keys| writer(client.clone(), "drill".into(), keys, from)).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let victim = rand::random_range(0..3);
        let name = cluster.nodes[victim].name.clone();
        let seen = client.get_cluster().await.unwrap();
        let led: Vec<u32> = seen.shards.iter().filter(|shard| shard.leader == name).map(|shard| shard.id).collect();
        cluster.nodes[victim].kill().unwrap();
        // Long enough for elections at the documented timeouts, and for load on what is left.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        for writing in writers {
            let seen: Written = writing.stop().await.unwrap();
            assert_eq!(seen.errors, Vec::<String>::new(), "round {round}");
            total += seen.count;
            for (shard, slowest) in seen.slowest {
                let of = if led.contains(&shard) { &mut waits } else { &mut elsewhere };
                of.push((round, shard, slowest));
            }
            acknowledged.extend(seen.acknowledged);
        }
        assert_eq!(reading.stop().await.unwrap(), Vec::<String>::new(), "round {round}");
        assert_eq!(lost(&client, "drill", &acknowledged).await, Ok(0), "round {round}");
        cluster.nodes[victim].start().unwrap();
        healthy(&client).await;
        acknowledged.clear();
    }
    println!("{} rounds, {total} acknowledged writes, 0 lost, 0 errors", rounds());
    println!("unavailability per shard and round, of shards that lost their leader: {}", distribution(waits));
    println!("slowest write per shard and round, of the other shards: {}", distribution(elsewhere));
    let checked = ok(&pc(&cluster.endpoints(), &["check", "--shards"]));
    assert_eq!(checked.matches("3 equal").count(), 16, "{checked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_served_while_every_controller_is_down() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::split(folder.path(), 3, 3, PATIENT).unwrap();
    let client = formed(&mut cluster).await;
    client.create_container("orders", ContainerOptions::default(), false).await.unwrap();
    client.put_document("orders", "a.xml", "<a/>").await.unwrap();
    for name in ["control1", "control2", "control3"] {
        cluster.node(name).unwrap().kill().unwrap();
    }
    client.put_document("orders", "b.xml", "<b/>").await.unwrap();
    let got = client.get_document("orders", "a.xml", Consistency::Strong).await.unwrap();
    assert_eq!(&got.content[..], b"<a/>");
    let status = pc(&cluster.endpoints(), &["status", "--check"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(5), "{text}");
    assert!(text.contains("Leader: none"), "{text}");

    // A data node that restarts meanwhile serves from the map on its disk.
    let node = cluster.node("node2").unwrap();
    node.kill().unwrap();
    node.start().unwrap();
    let only = phoenixmldb_cluster_tests::client(vec![node.client.clone()]);
    phoenixmldb_cluster_tests::until("node2 serves", || async {
        only.get_document("orders", "b.xml", Consistency::Strong).await.is_ok()
    })
    .await;
    cluster.start().unwrap();
    healthy(&client).await;
}
