//! The cluster: status, members, shards, locate, check, events.

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Out, table};
use crate::status::{balanced, healthy, render};
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

pub(super) async fn status(out: &Out, client: &Client, wait: Option<&str>, limit: Duration) -> Result<Exit, CliError> {
    let deadline = tokio::time::Instant::now() + limit;
    let good = |cluster: &ClusterSnapshot| match wait {
        Some("balanced") => healthy(cluster) && balanced(cluster),
        _ => healthy(cluster),
    };
    loop {
        let cluster = match snapshot(client).await {
            Ok(cluster) => cluster,
            Err(_) if wait.is_some() && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(POLL).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let waited = wait.is_some() && !good(&cluster);
        if waited && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
            continue;
        }
        if out.json() {
            out.value("ClusterSnapshot", &cluster)?;
        } else {
            out.text(&render(&cluster))?;
        }
        return Ok(match (waited, healthy(&cluster)) {
            (true, _) => Exit::Timeout,
            (false, true) => Exit::Ok,
            (false, false) => Exit::Unhealthy,
        });
    }
}

pub(super) async fn members(out: &Out, client: &Client) -> Result<Exit, CliError> {
    let cluster = snapshot(client).await?;
    if out.json() {
        out.value("Nodes", &cluster.nodes)?;
        return Ok(Exit::Ok);
    }
    let head = ["NODE", "STATE", "ROLE", "LEADS", "COPIES", "LAG", "ZONE", "CLIENT", "PEER"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for node in &cluster.nodes {
        let zone = if node.zone.is_empty() { "-" } else { &node.zone };
        rows.push(vec![
            node.name.clone(),
            node.state.clone(),
            node.control_role.clone(),
            node.shard_leaders.to_string(),
            node.shard_copies.to_string(),
            node.lag_entries.to_string(),
            zone.to_owned(),
            node.client_address.clone(),
            node.peer_address.clone(),
        ]);
    }
    out.text(&table(&rows))?;
    Ok(Exit::Ok)
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
        out.value("Shards", &shown)?;
        return Ok(Exit::Ok);
    }
    let head = ["SHARD", "STATE", "LEADER", "TERM", "COMMIT", "LAG", "COPIES", "RANGE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for shard in shown {
        let leader = if shard.leader.is_empty() { "-" } else { &shard.leader };
        let copies: Vec<String> = shard
            .replicas
            .iter()
            .map(|r| if r.state == "healthy" { r.node.clone() } else { format!("{}({})", r.node, r.state) })
            .collect();
        rows.push(vec![
            shard.id.to_string(),
            shard.state.clone(),
            leader.to_owned(),
            shard.term.to_string(),
            shard.commit_index.to_string(),
            shard.replicas.iter().map(|replica| replica.lag_entries).max().unwrap_or(0).to_string(),
            copies.join(","),
            shard.range.clone(),
        ]);
    }
    out.text(&table(&rows))?;
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
        out.value("ShardChecks", &checked)?;
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

pub(super) async fn events(out: &Out, client: &Client, after: u64) -> Result<Exit, CliError> {
    let events = client.list_events(after, 0).await?;
    if out.json() {
        out.value("Events", &events)?;
        return Ok(Exit::Ok);
    }
    let rows: Vec<Vec<String>> = events
        .iter()
        .map(|event| {
            let at = format!("{}.{:03}", event.time_ms / 1000, event.time_ms % 1000);
            vec![event.id.to_string(), at, event.level.clone(), event.subject.clone(), event.text.clone()]
        })
        .collect();
    out.text(&table(&rows))?;
    Ok(Exit::Ok)
}
