//! What a running cluster exports: by the rules of the format, and exactly what the documentation lists.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a step that fails is a failed test; times are told

use phoenixmldb_cli::demo::local::LocalCluster;
use phoenixmldb_client::v1::{Consistency, ContainerOptions, QueryOptions};
use phoenixmldb_client::{Client, ClusterClientOptions};
use phoenixmldb_cluster_tests::http::{Exposition, exposition, get};
use phoenixmldb_cluster_tests::{PATIENT, alone, client, formed, until};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

async fn scrape(address: &str, path: &str) -> Exposition {
    let page = get(address, path).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/plain; version=0.0.4");
    exposition(&page.body).unwrap_or_else(|rule| panic!("{path}: {rule}"))
}

/// The documented metrics below the heading of a page: name, type and labels.
fn documented(page: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let text = include_str!("../../../docs/metrics.md");
    let chapter = text.split("\n## ").find(|chapter| chapter.lines().next().unwrap().contains(page)).unwrap();
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[2].split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (cells[0].trim_end_matches('`').to_owned(), (cells[1].to_owned(), labels))
    });
    rows.collect()
}

/// The exported ones, with the labels seen.
fn exported(scraped: &Exposition) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let families = scraped.families.iter().map(|(name, kind)| {
        let own = scraped.samples.iter().filter(|(known, _, _)| {
            let suffix = known.strip_prefix(name.as_str());
            suffix == Some("") || (kind == "histogram" && matches!(suffix, Some("_bucket" | "_sum" | "_count")))
        });
        let labels =
            own.flat_map(|(_, labels, _)| labels).map(|(label, _)| label.clone()).filter(|label| label != "le");
        (name.clone(), (kind.clone(), labels.collect::<BTreeSet<_>>()))
    });
    families.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_exports_what_is_documented_and_it_tells_the_truth() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, PATIENT).unwrap();
    let client = formed(&mut cluster).await;
    let nodes = cluster.endpoints();
    client.create_container("orders", ContainerOptions::default(), false).await.unwrap();
    for number in 0..60 {
        client.put_document("orders", &format!("{number}.xml"), format!("<o n='{number}'/>")).await.unwrap();
        client.get_document("orders", &format!("{number}.xml"), Consistency::Strong).await.unwrap();
    }
    client.query("collection('orders')//o/@n/string()").await.unwrap();

    // Both pages, of every node.
    let mut answered = BTreeMap::new();
    for node in &nodes {
        let process = scrape(node, "/metrics").await;
        assert_eq!(exported(&process), documented("/metrics`"), "the process page of {node}");
        for method in ["put", "get"] {
            let labels = [("method", method), ("code", "OK")];
            let count = process.value("phoenixmldb_grpc_server_handled_total", &labels).unwrap();
            answered.entry(method).or_insert_with(Vec::new).push(count);
            assert_eq!(process.value("phoenixmldb_request_seconds_count", &[("method", method)]), Some(count));
        }
        let whole = scrape(node, "/cluster/metrics").await;
        assert_eq!(exported(&whole), documented("/cluster/metrics"), "the cluster page of {node}");
        assert_eq!(whole.sum("phoenixmldb_node_up"), 3.0);
        assert_eq!(whole.value("phoenixmldb_cluster_view_age_seconds", &[]), Some(0.0));
        assert_eq!(whole.sum("phoenixmldb_shard_leader"), 16.0);
        assert_eq!(whole.value("phoenixmldb_shards", &[("state", "ok")]), Some(16.0));
    }
    // Every request was counted once, by the node that was asked. Reads ask all in turn, writes the leaders.
    for (method, counts) in &answered {
        assert_eq!(counts.iter().sum::<f64>(), 60.0, "{method} {counts:?}");
    }
    assert!(answered["get"].iter().all(|count| (18.0..=22.0).contains(count)), "{answered:?}");

    // Load and counts arrive with the heartbeats.
    until("the documents are counted", || async {
        let whole = scrape(&nodes[0], "/cluster/metrics").await;
        whole.sum("phoenixmldb_shard_documents") == 60.0 && whole.sum("phoenixmldb_node_memory_bytes") > 0.0
    })
    .await;
    let seen = client.get_cluster().await.unwrap();
    assert_eq!(seen.containers[0].documents, 60);
    let loads: Vec<_> = seen.nodes.iter().map(|node| node.load.unwrap()).collect();
    assert!(loads.iter().all(|load| load.disk_total_bytes > load.disk_used_bytes), "{loads:?}");
    assert_eq!(loads.iter().map(|load| load.documents).sum::<u64>(), 60);

    // A page that is not there names those that are.
    let page = get(&nodes[0], "/cluster/metric").await;
    assert_eq!(page.status, 404);
    assert!(page.body.contains("/cluster/metrics") && page.body.contains("/ready"), "{}", page.body);
    assert!(get(&nodes[0], "/cluster/metrics").await.headers["x-control-applied"].parse::<u64>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_and_elections_keep_their_times_and_are_told_once() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = LocalCluster::combined(folder.path(), 3, PATIENT).unwrap();
    let client = formed(&mut cluster).await;
    let led = client.get_cluster().await.unwrap();
    let old = led.leader.clone();
    let led_by_old: Vec<u32> = led.shards.iter().filter(|shard| shard.leader == old).map(|shard| shard.id).collect();
    let address = cluster.node(&old).unwrap().client.clone();

    // Heartbeats of one leader to one follower, each 100 ms, and few messages for all groups.
    let group = format!("shard-{}", led_by_old[0]);
    let begun = tokio::time::Instant::now();
    let before = scrape(&address, "/metrics").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = scrape(&address, "/metrics").await;
    let elapsed = begun.elapsed().as_secs_f64();
    let follower = led.nodes.iter().find(|node| node.name != old).unwrap().name.as_str();
    let labels = [("group", group.as_str()), ("follower", follower)];
    let sent = |at: &Exposition| at.value("phoenixmldb_raft_heartbeats_sent_total", &labels).unwrap();
    let per_second = (sent(&after) - sent(&before)) / elapsed;
    assert!((5.0..=11.0).contains(&per_second), "{per_second} heartbeats a second");

    cluster.node(&old).unwrap().kill().unwrap();
    let rest: Vec<String> = cluster.endpoints().into_iter().filter(|node| *node != address).collect();
    let rest = self::client(rest);
    until("another leads, and every shard has a leader among the living", || async {
        rest.get_cluster().await.is_ok_and(|cluster| {
            let living =
                |shard: &phoenixmldb_client::admin_v1::ShardView| !shard.leader.is_empty() && shard.leader != old;
            !cluster.leader.is_empty() && cluster.leader != old && cluster.shards.iter().all(living)
        })
    })
    .await;
    let new = rest.get_cluster().await.unwrap().leader;
    let told = || async {
        let events = rest.list_events(0, 1_000).await.unwrap();
        events.into_iter().map(|event| (event.subject, event.text)).collect::<Vec<_>>()
    };
    let down = (old.clone(), "is down".to_owned());
    let is_down = |told: &[(String, String)]| {
        told.iter().filter(|(who, text)| *who == down.0 && text.starts_with(&down.1)).count()
    };
    until("the node is told to be down", || async { is_down(&told().await) > 0 }).await;
    let events = told().await;
    let about = |subject: &str, part: &str| {
        events.iter().filter(|(known, text)| known == subject && text.contains(part)).count()
    };
    assert_eq!(about("control", &format!("heartbeat lost {old}→{new}")), 1, "{events:?}");
    assert_eq!(about("control", &format!("election timeout on {new} after")), 1, "{events:?}");
    assert_eq!(about("control", &format!("new leader {new} in term")), 1, "{events:?}");
    for shard in &led_by_old {
        assert_eq!(about(&format!("shard {shard}"), &format!("leader {old}→")), 1, "shard {shard}: {events:?}");
    }
    // The times that followers waited for before they stood for election.
    let mut elections = 0.0;
    for node in cluster.endpoints().iter().filter(|node| **node != address) {
        let scraped = scrape(node, "/metrics").await;
        elections += scraped.sum("phoenixmldb_raft_elections_won_total");
        let metric = |suffix: &str| scraped.sum(&format!("phoenixmldb_election_timeout_ms_{suffix}"));
        println!("{node}: {} elections, {} ms of silence before them", metric("count"), metric("sum"));
    }
    assert!(elections >= led_by_old.len() as f64 + 1.0, "{elections}");

    // Another control leader tells nothing a second time.
    cluster.node(&old).unwrap().start().unwrap();
    phoenixmldb_cluster_tests::healthy(&client).await;
    rest.transfer_leadership(&old).await.unwrap();
    until("the old one leads again", || async {
        client.get_cluster().await.is_ok_and(|cluster| cluster.leader == old)
    })
    .await;
    phoenixmldb_cluster_tests::healthy(&client).await;
    let events = client.list_events(0, 1_000).await.unwrap();
    let all: Vec<_> = events.into_iter().map(|event| (event.subject, event.text)).collect();
    assert_eq!(is_down(&all), 1, "{all:?}");
    assert_eq!(all.iter().filter(|(who, text)| *who == old && text.starts_with("is back")).count(), 1, "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_out_of_time_stops_its_work_and_a_large_result_waits_for_its_reader() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut node = phoenixmldb_cluster_tests::single(folder.path());
    node.start().unwrap();
    let address = node.client.clone();
    let client = client(vec![address.clone()]);
    until("it serves", || async { client.create_container("c", ContainerOptions::default(), true).await.is_ok() })
        .await;
    // 64 documents of a megabyte.
    let filler = "x".repeat(1_000);
    let large: String = (0..1_000).map(|n| format!("<e n='{n}'>{filler}</e>")).collect();
    for number in 0..64 {
        client.put_document("c", &format!("{number:02}.xml"), format!("<d>{large}</d>")).await.unwrap();
    }
    let running = || async { scrape(&address, "/metrics").await.value("phoenixmldb_fragments_running", &[]).unwrap() };

    // Both ways to run a query: on the shards, and here.
    let hasty = Client::new(ClusterClientOptions {
        nodes: vec![address.clone()],
        request_timeout: Duration::from_millis(50),
        ..ClusterClientOptions::default()
    })
    .unwrap();
    let slow = "for $d in collection('c') return sum(for $i in 1 to 100000000 return $i mod 7)";
    hasty.query(slow).await.unwrap_err();
    let begun = tokio::time::Instant::now();
    until("the work has stopped", || async { running().await == 0.0 }).await;
    let stopped = begun.elapsed();
    println!("work stopped {} ms after its deadline", stopped.as_millis());
    assert!(stopped < Duration::from_millis(100), "{stopped:?}");
    assert!(scrape(&address, "/metrics").await.value("phoenixmldb_fragments_cut_short_total", &[]).unwrap() > 0.0);

    // A reader that stops reading holds the shards up, not the memory.
    let pid = node.pid().unwrap();
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
    };
    // What reading the documents takes by itself: caches, and one document in memory for each shard.
    client.query("for $d in collection('c') return count($d//e)").await.unwrap();
    let before = resident();
    let options = QueryOptions { max_results: 100_000, ..QueryOptions::default() };
    let mut stream = client.query_stream("collection('c')//e", Vec::new(), options).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let documents =
        || async { scrape(&address, "/metrics").await.value("phoenixmldb_fragment_documents_total", &[]).unwrap() };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut last = -1.0;
    while last < documents().await {
        assert!(tokio::time::Instant::now() < deadline, "the shards go on although nobody reads");
        last = documents().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let grown = resident().saturating_sub(before);
    println!("a reader that waits: {grown} MiB more resident");
    assert!(running().await > 0.0, "the query is not over");
    assert!(grown < 64, "{grown} MiB more while nobody reads");
    let mut items = 1;
    while stream.next().await.unwrap().is_some() {
        items += 1;
    }
    assert_eq!(items, 64_000);
    assert_eq!(stream.summary().unwrap().items, 64_000);
}
