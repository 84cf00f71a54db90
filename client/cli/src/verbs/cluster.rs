//! The cluster: status, members, remove-node, shards, locate, check, events.

use crate::args::Status;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Out, table};
use crate::status::{Report, balanced, details, healthy, render};
use phoenixmldb_client::admin_v1::{ClusterSnapshot, ShardView};
use phoenixmldb_client::{Client, ClientError, Code};
use std::time::Duration;

/// Time between two looks while waiting.
const POLL: Duration = Duration::from_millis(100);

/// The snapshot; a node that is still forming says so in a refusal.
async fn snapshot(client: &Client) -> Result<ClusterSnapshot, CliError> {
    match client.get_cluster().await {
        Err(ClientError::Refused { error, .. }) if error.code == Code::Forming => Ok(ClusterSnapshot {
            cluster_id: error.get("cluster_id").unwrap_or_default().to_owned(),
            formation: error.message.clone(),
            ..ClusterSnapshot::default()
        }),
        other => Ok(other?),
    }
}

/// Prints a snapshot in the way that was asked for.
fn show(out: &Out, cluster: &ClusterSnapshot, asked: &Status) -> Result<(), CliError> {
    if out.json() {
        return out.value("ClusterStatus", &Report::new(cluster));
    }
    if out.tabular() {
        out.text(&node_table(out, cluster))?;
    } else {
        out.states(&render(cluster))?;
    }
    if asked.verbose {
        out.text(&details(cluster))?;
    }
    if asked.shards {
        out.text(&shard_table(out, &cluster.shards.iter().collect::<Vec<_>>()))?;
    }
    Ok(())
}

pub(super) async fn status(out: &Out, client: &Client, asked: &Status, limit: Duration) -> Result<Exit, CliError> {
    if let Some(every) = asked.watch {
        loop {
            // A cluster that cannot be asked now is no reason to stop watching it.
            match snapshot(client).await {
                Ok(cluster) => {
                    out.restart()?;
                    show(out, &cluster, asked)?;
                }
                Err(error) => out.note(&error.why),
            }
            tokio::time::sleep(every).await;
        }
    }
    let deadline = tokio::time::Instant::now() + limit;
    let good = |cluster: &ClusterSnapshot| match asked.wait.as_deref() {
        None => true,
        Some("balanced") => healthy(cluster) && balanced(cluster),
        Some(_) => healthy(cluster),
    };
    let not_in_time = || {
        let state = asked.wait.as_deref().unwrap_or_default();
        format!("the cluster was not {state} within {} ms", limit.as_millis())
    };
    loop {
        let seen = snapshot(client).await;
        let late = tokio::time::Instant::now() + POLL >= deadline;
        match seen {
            Ok(cluster) if good(&cluster) => {
                show(out, &cluster, asked)?;
                return Ok(if asked.check && !healthy(&cluster) { Exit::Unhealthy } else { Exit::Ok });
            }
            Ok(cluster) if late => {
                show(out, &cluster, asked)?;
                return Err(CliError::new(Exit::Timeout, not_in_time()));
            }
            Err(error) if asked.wait.is_none() => return Err(error),
            Err(error) if late => {
                return Err(CliError::new(Exit::Timeout, format!("{}: {}", not_in_time(), error.why)).next(error.next));
            }
            // Not yet; also a node that does not answer yet is waited for.
            Ok(_) | Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

fn node_table(out: &Out, cluster: &ClusterSnapshot) -> String {
    let mut head = vec!["NODE", "STATE", "ROLE", "LEADS", "COPIES", "LAG", "ZONE", "CLIENT", "PEER"];
    if out.wide() {
        head.extend(["IDENTITY", "VERSION", "UPTIME"]);
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    for node in &cluster.nodes {
        // A state that says why is read with its reason: joining (not started).
        let because = if node.reason.is_empty() { String::new() } else { format!(" ({})", node.reason) };
        let mut row = vec![
            node.name.clone(),
            format!("{}{because}", node.state),
            node.control_role.clone(),
            node.shard_leaders.to_string(),
            node.shard_copies.to_string(),
            node.lag_entries.to_string(),
            or_dash(&node.zone),
            or_dash(&node.client_address),
            or_dash(&node.peer_address),
        ];
        if out.wide() {
            row.extend([or_dash(&node.raft_id), or_dash(&node.version), format!("{}s", node.uptime_s)]);
        }
        rows.push(row);
    }
    table(&rows)
}

pub(super) async fn members(out: &Out, client: &Client) -> Result<Exit, CliError> {
    let cluster = snapshot(client).await?;
    if out.json() {
        out.value("NodeList", &cluster.nodes)?
    } else {
        out.text(&node_table(out, &cluster))?
    }
    Ok(Exit::Ok)
}

pub(super) async fn remove_node(out: &Out, client: &Client, node: &str) -> Result<Exit, CliError> {
    let removed = client.remove_node(node).await?;
    if out.json() {
        out.value("NodeRemoval", &serde_json::json!({ "node": node, "removed": removed }))?;
    } else {
        out.line(&if removed { format!("{node} is removed") } else { format!("{node} was removed before") })?;
    }
    Ok(Exit::Ok)
}

fn shard_table(out: &Out, shards: &[&ShardView]) -> String {
    let mut head = vec!["SHARD", "STATE", "LEADER", "TERM", "COMMIT", "LAG", "COPIES", "RANGE"];
    if out.wide() {
        head.extend(["EPOCH", "DOCUMENTS", "BYTES"]);
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for shard in shards {
        let leader = if shard.leader.is_empty() { "-" } else { &shard.leader };
        let copies: Vec<String> = shard
            .replicas
            .iter()
            .map(|r| if r.state == "healthy" { r.node.clone() } else { format!("{}({})", r.node, r.state) })
            .collect();
        let mut row = vec![
            shard.id.to_string(),
            shard.state.clone(),
            leader.to_owned(),
            shard.term.to_string(),
            shard.commit_index.to_string(),
            shard.replicas.iter().map(|replica| replica.lag_entries).max().unwrap_or(0).to_string(),
            copies.join(","),
            shard.range.clone(),
        ];
        if out.wide() {
            row.extend([shard.epoch.to_string(), shard.documents.to_string(), shard.bytes.to_string()]);
        }
        rows.push(row);
    }
    table(&rows)
}

pub(super) async fn shards(out: &Out, client: &Client, only: Option<u32>) -> Result<Exit, CliError> {
    let cluster = snapshot(client).await?;
    let shown: Vec<&ShardView> =
        cluster.shards.iter().filter(|shard| only.is_none_or(|only| only == shard.id)).collect();
    if let Some(only) = only
        && shown.is_empty()
    {
        let what = format!("shard {only} does not exist; there are {}", cluster.shards.len());
        return Err(CliError::usage(what).next("phoenixmldb-cluster shards"));
    }
    if out.json() {
        out.value("ShardList", &shown)?
    } else {
        out.text(&shard_table(out, &shown))?
    }
    Ok(Exit::Ok)
}

pub(super) async fn locate(out: &Out, client: &Client, container: &str, name: &str) -> Result<Exit, CliError> {
    let found = client.locate(container, name).await?;
    if out.json() {
        out.value("Location", &found)?;
    } else {
        let leader = if found.leader.is_empty() { "-" } else { &found.leader };
        out.text(&format!(
            "Hash: {:016x}\nShard: {}\nLeader: {leader}\nReplicas: {}\nEpoch: {}\n",
            found.hash,
            found.shard,
            found.replicas.join(", "),
            found.epoch
        ))?;
    }
    Ok(Exit::Ok)
}

pub(super) async fn check(out: &Out, client: &Client) -> Result<Exit, CliError> {
    let checked = client.check_shards(Vec::new()).await?;
    let equal = checked.iter().all(|shard| shard.equal);
    if out.json() {
        out.value("ShardCheckList", &checked)?;
    } else {
        let mut rows = vec![["SHARD", "COPIES", "INDEX", "KEYS", "HASH"].map(str::to_owned).to_vec()];
        for shard in &checked {
            let first = shard.replicas.first();
            let problems: Vec<String> = shard
                .replicas
                .iter()
                .map(|copy| {
                    let found = if copy.problem.is_empty() { &copy.hash } else { &copy.problem };
                    format!("{}: {found} at {}", copy.node, copy.applied_index)
                })
                .collect();
            rows.push(vec![
                shard.shard.to_string(),
                if shard.equal { format!("{} equal", shard.replicas.len()) } else { "DIFFERENT".to_owned() },
                shard.applied_index.to_string(),
                first.map_or(0, |copy| copy.keys).to_string(),
                if shard.equal { first.map(|copy| copy.hash.clone()).unwrap_or_default() } else { problems.join("; ") },
            ]);
        }
        out.text(&table(&rows))?;
    }
    Ok(if equal { Exit::Ok } else { Exit::Failed })
}

/// A moment as RFC 3339, in UTC.
fn time(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| format!("{ms} ms"), |at| format!("{at:.3}"))
}

pub(super) async fn events(out: &Out, client: &Client, after: u64) -> Result<Exit, CliError> {
    let events = client.list_events(after, 0).await?;
    if out.json() {
        out.value("EventList", &events)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<Vec<String>> = events
        .iter()
        .map(|event| {
            let at = time(event.time_ms);
            vec![event.id.to_string(), at, event.level.clone(), event.subject.clone(), event.text.clone()]
        })
        .collect();
    out.text(&table(&rows))?;
    Ok(Exit::Ok)
}
