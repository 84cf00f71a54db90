//! What a cluster that has lost nodes still owes its users: reads that say how old they are, refusals that come at once,
//! and nothing that was never agreed on.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a step that fails is a failed test; times are told

use phoenixmldb_cli::demo::local::LocalCluster;
use phoenixmldb_client::v1::{Consistency, ContainerOptions, QueryOptions};
use phoenixmldb_client::{Client, ClientError, ClusterClientOptions, Code, RetryPolicy};
use phoenixmldb_cluster_tests::{PATIENT, alone, formed, healthy, until};
use std::time::Duration;
use tokio::time::Instant;

/// A client of one node that shows its first answer.
fn only(node: &str) -> Client {
    Client::new(ClusterClientOptions {
        nodes: vec![node.to_owned()],
        no_discovery: true,
        retry_policy: RetryPolicy { max_retries: 0, ..RetryPolicy::default() },
        ..ClusterClientOptions::default()
    })
    .unwrap()
}

/// Code, message, help and shard of a refusal.
fn refused<T: std::fmt::Debug>(result: Result<T, ClientError>) -> (Code, String, String, String) {
    match result.unwrap_err() {
        ClientError::Refused { error, .. } => {
            let shard = error.get("shard").unwrap_or_default().to_owned();
            (error.code, error.message, error.help, shard)
        }
        other => panic!("{other}"),
    }
}

fn how(consistency: Consistency) -> QueryOptions {
    QueryOptions { consistency: consistency.into(), ..QueryOptions::default() }
}

/// What it returns, within this time.
async fn within<T>(limit_ms: u64, what: &str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let answer = work.await;
    let took = begun.elapsed();
    println!("{what}: {} ms", took.as_millis());
    assert!(took < Duration::from_millis(limit_ms), "{what} took {} ms", took.as_millis());
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_node_of_three_serves_what_it_has_and_accepts_nothing() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, &[]).unwrap();
    let client = formed(&mut cluster).await;
    client.create_container("orders", ContainerOptions::default(), false).await.unwrap();
    for number in 0..40 {
        client.put_document("orders", &format!("{number:02}.xml"), format!("<o>{number}</o>")).await.unwrap();
    }
    // Until all of it is resolved everywhere, a stale read may lack the newest.
    let last = only(&cluster.nodes[2].client);
    until("node3 has resolved every write", || async {
        let read = last.query_with("count(collection('orders')//o)", Vec::new(), how(Consistency::Stale)).await;
        read.is_ok_and(|found| found.items[0].text == "40")
    })
    .await;
    for victim in 0..2 {
        cluster.nodes[victim].kill().unwrap();
    }
    let since = Instant::now();

    // At once, while elections are still being tried.
    let read =
        within(1_500, "first get", last.get_document("orders", "07.xml", Consistency::Unspecified)).await.unwrap();
    assert_eq!((&read.content[..], read.read.unwrap().consistency()), (&b"<o>7</o>"[..], Consistency::Stale));
    // When the loss is certain, and later.
    for pause_ms in [1_500, 3_000] {
        tokio::time::sleep_until(since + Duration::from_millis(pause_ms)).await;
        let read = within(1_500, "get", last.get_document("orders", "07.xml", Consistency::Unspecified)).await.unwrap();
        assert_eq!(&read.content[..], b"<o>7</o>");
        let info = read.read.unwrap();
        assert_eq!(info.consistency(), Consistency::Stale);
        let lost_ms = u64::try_from(since.elapsed().as_millis()).unwrap();
        assert!(info.age_ms + 100 >= lost_ms && info.age_ms < lost_ms + 10_000, "{info:?} {lost_ms} ms after the loss");
        assert!(info.applied_index > 0 && info.node == "node3", "{info:?}");

        let put = within(1_300, "put", last.put_document("orders", "never.xml", "<never/>")).await;
        let (code, message, help, shard) = refused(put);
        assert_eq!(code, Code::NoQuorum, "{message}");
        assert!(message.contains(&format!("shard {shard} has no quorum within reach of node3")), "{message}");
        assert!(message.contains("1 of 3 replicas answer (node3); read-only since 20"), "{message}");
        assert!(help.contains("node1 or node2"), "{help}");
        let deleted = last.delete_document("orders", "07.xml", false).await;
        assert_eq!(refused(deleted).0, Code::NoQuorum);

        let strong = within(1_300, "strong get", last.get_document("orders", "07.xml", Consistency::Strong)).await;
        assert_eq!(refused(strong).0, Code::NoQuorum);
        let strong = last.query_with("collection('orders')//o", Vec::new(), how(Consistency::Strong)).await;
        assert!(matches!(refused(strong).0, Code::NoQuorum | Code::ClockUnavailable));

        for query in ["count(collection('orders')//o)", "count((collection('orders'), ())/o)"] {
            let found = within(2_500, query, last.query(query)).await.unwrap();
            assert_eq!(found.items[0].text, "40");
            let info = found.summary.read.unwrap();
            assert_eq!(info.consistency(), Consistency::Stale);
            assert!(info.age_ms + 100 >= lost_ms, "{info:?}");
        }
    }
    // The loss is old news now: nothing is waited for.
    let exists = within(500, "exists", last.document_exists_with("orders", "07.xml", Consistency::Unspecified)).await;
    assert!(exists.unwrap().exists);
    within(500, "put", last.put_document("orders", "never.xml", "<never/>")).await.unwrap_err();
    let listed = last.list_documents("orders", "", 100, "").await.unwrap();
    assert_eq!((listed.documents.len(), listed.read.unwrap().consistency()), (40, Consistency::Stale));
    let stale = within(300, "stale get", last.get_document("orders", "07.xml", Consistency::Stale)).await.unwrap();
    assert_eq!(&stale.content[..], b"<o>7</o>");

    // The others return: what was refused has never happened.
    cluster.start().unwrap();
    healthy(&client).await;
    let read = client.get_document("orders", "07.xml", Consistency::Unspecified).await.unwrap();
    assert_eq!(read.read.unwrap().consistency(), Consistency::Strong);
    assert!(!client.document_exists("orders", "never.xml").await.unwrap());
    assert_eq!(client.query("count(collection('orders')//o)").await.unwrap().items[0].text, "40");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_some_shards_lost_a_query_is_whole_and_stale_or_says_what_it_lacks() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::split(folder.path(), 1, 5, PATIENT).unwrap();
    let client = formed(&mut cluster).await;
    client.create_container("orders", ContainerOptions::default(), false).await.unwrap();
    for number in 0..200 {
        client.put_document("orders", &format!("{number:03}.xml"), format!("<o>{number}</o>")).await.unwrap();
    }
    let count = "count(collection('orders')//o)";
    until("every shard has resolved every write", || async {
        let read = client.query_with(count, Vec::new(), how(Consistency::Stale)).await;
        read.is_ok_and(|found| found.items[0].text == "200")
    })
    .await;

    // Two nodes that share shards, and are no majority of the clock group.
    let seen = client.get_cluster().await.unwrap();
    let clock = &seen.clock_nodes;
    let holds = |shard: &phoenixmldb_client::admin_v1::ShardView, node: &str| {
        shard.replicas.iter().any(|replica| replica.node == node)
    };
    let names: Vec<String> = (1..=5).map(|number| format!("node{number}")).collect();
    let lost_with = |a: &str, b: &str| -> Vec<u32> {
        seen.shards.iter().filter(|shard| holds(shard, a) && holds(shard, b)).map(|shard| shard.id).collect()
    };
    let pairs = names.iter().flat_map(|a| names.iter().map(move |b| (a, b))).filter(|(a, b)| a < b);
    let voters = |name: &String| usize::from(clock.contains(name));
    let (a, b) = pairs
        .filter(|(a, b)| voters(a) + voters(b) <= clock.len() / 2)
        .find(|(a, b)| !lost_with(a, b).is_empty() && lost_with(a, b).len() < seen.shards.len())
        .unwrap();
    let lost = lost_with(a, b);
    println!("{a} and {b} are killed; shards {lost:?} have one copy of three left");
    for victim in [a, b] {
        cluster.node(victim).unwrap().kill().unwrap();
    }
    let survivor = names.iter().find(|name| *name != a && *name != b).unwrap();
    let asked = only(&cluster.node(survivor).unwrap().client);
    let some = QueryOptions { allow_partial: true, consistency: Consistency::Strong.into(), ..QueryOptions::default() };
    until("the other shards have leaders", || async {
        let partial = asked.query_with(count, Vec::new(), some.clone()).await;
        partial.is_ok_and(|found| found.summary.missing_shards == lost)
    })
    .await;

    // Strong: an error that names a lost shard. Partial: without them, and it says so. Auto: whole, and old.
    let (code, message, _, shard) = refused(asked.query_with(count, Vec::new(), how(Consistency::Strong)).await);
    assert!(matches!(code, Code::NoQuorum | Code::ShardUnavailable), "{message}");
    assert!(lost.contains(&shard.parse().unwrap()), "{message}");
    for query in [count, "count((collection('orders'), ())/o)"] {
        let partial = asked.query_with(query, Vec::new(), some.clone()).await.unwrap();
        assert_eq!(partial.summary.missing_shards, lost, "{query}");
        assert_eq!(partial.summary.read.unwrap().consistency(), Consistency::Strong);
        assert!(partial.items[0].text.parse::<u32>().unwrap() < 200, "{query}");
        let whole = asked.query(query).await.unwrap();
        assert_eq!(whole.items[0].text, "200", "{query}");
        assert_eq!(whole.summary.read.unwrap().consistency(), Consistency::Stale);
        assert_eq!(whole.summary.missing_shards, [0; 0]);
    }

    // A query that asks one healthy shard does not notice: by its key, or because it names its document.
    let names: Vec<String> = (0..200).map(|number| format!("{number:03}.xml")).collect();
    let mut whole = None;
    for name in names {
        let place = client.locate("orders", &name).await.unwrap();
        if !lost.contains(&place.shard) {
            whole = Some((name, place.shard));
            break;
        }
    }
    let (name, shard) = whole.unwrap();
    let key = QueryOptions {
        shard_key: Some(name.clone()),
        consistency: Consistency::Strong.into(),
        ..QueryOptions::default()
    };
    let found = asked.query_with("collection('orders')//o/string()", Vec::new(), key.clone()).await.unwrap();
    assert_eq!((found.summary.shards_queried, found.summary.shards_total), (1, 16));
    assert_eq!(found.summary.restricted_by, "shard_key");
    assert_eq!(found.summary.shards.iter().map(|stats| stats.shard).collect::<Vec<_>>(), [shard]);
    let number: u32 = name[..3].parse().unwrap();
    assert!(found.items.iter().any(|item| item.text == number.to_string()));
    let named = format!("doc('orders/{name}')/o/string()");
    let found = asked.query_with(&named, Vec::new(), how(Consistency::Strong)).await.unwrap();
    assert_eq!((found.summary.shards_queried, found.summary.restricted_by.as_str()), (1, "document"));
    assert_eq!(found.items[0].text, number.to_string());

    // Keys that cannot name a shard.
    let with = |key: &str| QueryOptions { shard_key: Some(key.to_owned()), ..QueryOptions::default() };
    assert_eq!(refused(asked.query_with(count, Vec::new(), with("")).await).0, Code::InvalidArgument);
    let unknown = asked.query_with("collection('nothing')//o", Vec::new(), with("k")).await;
    assert_eq!(refused(unknown).0, Code::ContainerNotFound);
}
