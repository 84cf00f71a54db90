//! `demo`: a cluster of separate processes, documents, a killed node, nothing lost; then yours to try.

pub mod load;
pub mod local;
pub mod orders;

use crate::args::Demo;
use crate::context::Contexts;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Out;
use crate::status::{balanced, healthy, render};
use futures::StreamExt;
use local::LocalCluster;
use phoenixmldb_client::admin_v1::ClusterSnapshot;
use phoenixmldb_client::v1::ContainerOptions;
use phoenixmldb_client::{Client, ClusterClientOptions};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for the cluster to become what the next step needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Documents on their way at once while loading.
const LOADING: usize = 32;

const CONTAINER: &str = "orders";
const QUERY: &str = "for $order in collection('orders')//order where $order/total > 1000 return $order";
const PIDS: &str = "pids";

#[allow(clippy::print_stderr)] // progress goes to stderr, so that stdout holds the result alone
fn say(what: &str, text: &str) {
    eprintln!("  {what:<10} {text}");
}

/// Waits until the cluster is as asked.
pub async fn wait_for(
    client: &Client,
    what: &str,
    good: impl Fn(&ClusterSnapshot) -> bool,
) -> Result<ClusterSnapshot, CliError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let last = match client.get_cluster().await {
            Ok(cluster) if good(&cluster) => return Ok(cluster),
            Ok(cluster) => render(&cluster),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= deadline {
            let what = format!("{what} did not happen within {} s; last seen:\n{last}", PATIENCE.as_secs());
            return Err(CliError::new(Exit::Timeout, what));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A client of these nodes with the default retry policy.
pub fn client(nodes: Vec<String>) -> Result<Client, CliError> {
    Ok(Client::new(ClusterClientOptions { nodes, ..ClusterClientOptions::default() })?)
}

async fn load(client: &Client, documents: u32) -> Result<Duration, CliError> {
    let started = Instant::now();
    let puts = futures::stream::iter((0..documents).map(|number| async move {
        client.put_document(CONTAINER, &orders::name(number), orders::order(number).0).await
    }));
    let mut puts = puts.buffer_unordered(LOADING);
    while let Some(put) = puts.next().await {
        put?;
    }
    Ok(started.elapsed())
}

/// The data node that leads most shards.
fn busiest(cluster: &ClusterSnapshot) -> Option<String> {
    let data = cluster.nodes.iter().filter(|node| node.data);
    data.max_by_key(|node| node.shard_leaders).map(|node| node.name.clone())
}

/// `demo`
pub async fn run(out: &Out, demo: Demo) -> Result<Exit, CliError> {
    let home = demo.data.clone().unwrap_or_else(|| std::env::temp_dir().join("phoenixmldb-demo"));
    stop_running(&home)?;
    if demo.stop {
        say("stopped", &home.display().to_string());
        return Ok(Exit::Ok);
    }
    if home.exists() {
        fs_err::remove_dir_all(&home).map_err(|error| CliError::io(&error))?;
    }
    fs_err::create_dir_all(&home).map_err(|error| CliError::io(&error))?;
    let mut cluster = LocalCluster::split(&home, 3, 4, &[])?;
    say("start", "3 controllers and 4 data nodes, each a process of its own");
    let started = Instant::now();
    cluster.start()?;
    let client = client(cluster.endpoints())?;
    let formed = wait_for(&client, "forming", |cluster| healthy(cluster) && balanced(cluster)).await?;
    say("formed", &format!("{} shards, after {} ms", formed.shards.len(), started.elapsed().as_millis()));
    client.create_container(CONTAINER, ContainerOptions::default(), true).await?;
    let took = load(&client, demo.documents).await?;
    say("load", &format!("{} documents in {} ms", demo.documents, took.as_millis()));

    let asked = Instant::now();
    let result = client.query(QUERY).await?;
    let query_ms = asked.elapsed().as_millis();
    let expected = (0..demo.documents).filter(|number| orders::order(*number).1 > 100_000).count();
    say("query", QUERY);
    say("", &format!("{} items from {} shards in {query_ms} ms", result.items.len(), result.summary.shards_queried));

    let victim = busiest(&client.get_cluster().await?)
        .ok_or_else(|| CliError::new(Exit::Failed, "no data node leads a shard"))?;
    let keys = load::keys_by_shard(CONTAINER, formed.shards.len() as u32);
    let reader = load::reader(client.clone(), CONTAINER.to_owned(), keys.concat());
    let writers: Vec<_> =
        keys.into_iter().map(|keys| load::writer(client.clone(), CONTAINER.to_owned(), keys, 0)).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    say("kill", &format!("SIGKILL to {victim}, which leads most shards, under load"));
    let node = cluster.node(&victim).ok_or_else(|| CliError::new(Exit::Failed, format!("{victim} is not ours")))?;
    node.kill()?;
    wait_for(&client, "an election in every shard", |cluster| {
        cluster.shards.iter().all(|shard| !shard.leader.is_empty() && shard.leader != victim)
    })
    .await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut acknowledged, mut errors, mut lost, mut unavailable) = (0, Vec::new(), 0, Duration::ZERO);
    for writer in writers {
        let seen = writer.stop().await.unwrap_or_default();
        acknowledged += seen.count;
        unavailable = unavailable.max(seen.unavailable());
        errors.extend(seen.errors.iter().cloned());
        lost += load::lost(&client, CONTAINER, &seen.acknowledged)
            .await
            .map_err(|error| CliError::new(Exit::Failed, error))?;
    }
    errors.extend(reader.stop().await.unwrap_or_default());
    say("recovered", &format!("writes waited {} ms at most", unavailable.as_millis()));
    say("checked", &format!("{acknowledged} acknowledged writes, {lost} lost, {} errors seen", errors.len()));
    errors.iter().take(3).for_each(|error| say("error", error));
    if let Some(node) = cluster.node(&victim) {
        node.start()?;
    }
    let last = wait_for(&client, "recovery", |cluster| healthy(cluster) && balanced(cluster)).await?;
    let status = render(&last);
    let right = lost == 0 && errors.is_empty() && result.items.len() == expected;
    if demo.ci {
        cluster.stop()?;
        let line = json!({
            "documents": demo.documents,
            "shards": last.shards.len(),
            "query_items": result.items.len(),
            "query_items_expected": expected,
            "query_ms": query_ms,
            "load_ms": took.as_millis(),
            "killed_node": victim,
            "acknowledged": acknowledged,
            "lost": lost,
            "errors": errors.len(),
            "unavailable_ms": unavailable.as_millis(),
            "status": status,
        });
        out.line(&line.to_string())?;
    } else {
        leave_running(&home, &mut cluster)?;
        out.text(&status)?;
        out.text(&format!(
            "\nThe cluster goes on running; its data and logs are in {}. Next:\n  phoenixmldb-cluster status\n  phoenixmldb-cluster query \"count(collection('orders')//order)\"\n  phoenixmldb-cluster demo --stop\n",
            home.display()
        ))?;
    }
    Ok(if right { Exit::Ok } else { Exit::Failed })
}

/// Keeps the processes and remembers them, and writes a context so that the next command needs no address.
fn leave_running(home: &Path, cluster: &mut LocalCluster) -> Result<(), CliError> {
    let pids: Vec<String> = cluster.nodes.iter().filter_map(|node| Some(node.pid()?.to_string())).collect();
    fs_err::write(pid_file(home), pids.join("\n")).map_err(|error| CliError::io(&error))?;
    let mut contexts = Contexts::load()?;
    contexts.add("demo", cluster.endpoints());
    contexts.save()?;
    cluster.nodes.iter_mut().for_each(local::LocalNode::detach);
    Ok(())
}

fn pid_file(home: &Path) -> PathBuf {
    home.join(PIDS)
}

/// Stops what an earlier demo left running: only processes it wrote down and that still run one of our programs.
fn stop_running(home: &Path) -> Result<(), CliError> {
    let Ok(text) = fs_err::read_to_string(pid_file(home)) else { return Ok(()) };
    for pid in text.lines() {
        let line = fs_err::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if line.contains("phoenixmldb-") && line.contains(&home.display().to_string()) {
            let stopped = std::process::Command::new("kill").args(["-TERM", pid]).status();
            stopped.map_err(|error| CliError::io(&error))?;
        }
    }
    fs_err::remove_file(pid_file(home)).map_err(|error| CliError::io(&error))
}
