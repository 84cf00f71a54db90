//! `status` as text: the documented seven lines, byte for byte, when all is well; more only when something is not.
//!
//! Pure: a snapshot in, text or a report for programs out. The report is described by `docs/status.schema.json`.

use phoenixmldb_client::admin_v1::{ClusterSnapshot, NodeView, ShardView};
use serde::Serialize;
use std::fmt::Write;

/// Age of a view up to which a missing leader is an election, in milliseconds: several of the default timeouts.
const ELECTION_MS_MAX: u64 = 3_000;

/// The cluster in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Everything is as it should be.
    Healthy,
    /// Something is missing, all documents are served.
    Degraded,
    /// A shard has no majority, or the control group has none in sight.
    Unavailable,
    /// Shards are not placed yet.
    Forming,
}

/// The status for programs: the snapshot, and what it comes to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    health: Health,
    /// What stands in the brackets of the last line: `balanced`, `unbalanced 23%`, `1 unavailable`, …
    shards_state: String,
    balanced: bool,
    #[serde(flatten)]
    cluster: &'a ClusterSnapshot,
}

impl<'a> Report<'a> {
    /// Of a snapshot.
    #[must_use]
    pub fn new(cluster: &'a ClusterSnapshot) -> Self {
        Self { health: health(cluster), shards_state: shards_state(cluster), balanced: balanced(cluster), cluster }
    }
}

/// A node that was announced by `join` and has not started yet. It counts for nothing.
fn announced(node: &NodeView) -> bool {
    node.raft_id.is_empty() && node.state == "joining"
}

/// The cluster in one word.
#[must_use]
pub fn health(cluster: &ClusterSnapshot) -> Health {
    let all = |good: &dyn Fn(&NodeView) -> bool| cluster.nodes.iter().all(good);
    if !cluster.formed {
        Health::Forming
    } else if !cluster.quorum || cluster.shards.iter().any(|shard| shard.state == "unavailable") {
        Health::Unavailable
    } else if all(&|node| node.state == "healthy" || announced(node)) && cluster.shards.iter().all(|s| s.state == "ok")
    {
        Health::Healthy
    } else {
        Health::Degraded
    }
}

/// Whether everything is as it should be.
#[must_use]
pub fn healthy(cluster: &ClusterSnapshot) -> bool {
    health(cluster) == Health::Healthy
}

fn data_nodes(cluster: &ClusterSnapshot) -> impl Iterator<Item = &NodeView> {
    cluster.nodes.iter().filter(|node| node.data && node.state != "down" && node.state != "joining")
}

/// Whether no move of a copy or leadership would even the nodes out.
#[must_use]
pub fn balanced(cluster: &ClusterSnapshot) -> bool {
    let even = |counts: Vec<u32>| {
        let (low, high) = (counts.iter().min().copied(), counts.iter().max().copied());
        high.unwrap_or(0) - low.unwrap_or(0) <= 1
    };
    even(data_nodes(cluster).map(|node| node.shard_leaders).collect())
        && even(data_nodes(cluster).map(|node| node.shard_copies).collect())
}

/// How far the fullest node is above the mean, of leaderships or of copies, whichever is worse, in percent.
fn imbalance_percent(cluster: &ClusterSnapshot) -> u32 {
    let over = |counts: Vec<u32>| {
        let (sum, most) = (counts.iter().sum::<u32>(), counts.iter().max().copied().unwrap_or(0));
        let mean = f64::from(sum) / counts.len().max(1) as f64;
        if sum == 0 { 0.0 } else { (f64::from(most) / mean - 1.0) * 100.0 }
    };
    let leaders = over(data_nodes(cluster).map(|node| node.shard_leaders).collect());
    let copies = over(data_nodes(cluster).map(|node| node.shard_copies).collect());
    leaders.max(copies).round() as u32
}

/// `12s`, `1m42s`, `3h4m`
fn span(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// `0.4 s`, `41 s`
fn seconds(ms: u64) -> String {
    if ms < 10_000 { format!("{}.{} s", ms / 1000, ms % 1000 / 100) } else { format!("{} s", ms / 1000) }
}

fn node_line(node: &NodeView, taken_ms: u64) -> String {
    let (name, role, reason) = (&node.name, &node.control_role, &node.reason);
    let since = span(taken_ms.saturating_sub(node.since_ms));
    match node.state.as_str() {
        "healthy" => format!("{name}: healthy ({role})"),
        "lagging" => format!("{name}: lagging ({role}, {reason})"),
        "down" => format!("{name}: down {since} ({role})"),
        "joining" => format!("{name}: joining ({reason})"),
        // The view is the node's own memory: how long it has been so is not known.
        "unknown" => format!("{name}: unknown ({role})"),
        other if reason.is_empty() => format!("{name}: {other} {since} ({role})"),
        other => format!("{name}: {other} {since} ({role}, {reason})"),
    }
}

/// What the last line says in brackets. The worst comes first.
fn shards_state(cluster: &ClusterSnapshot) -> String {
    let copies = cluster.settings.as_ref().map_or(0, |settings| settings.replication_factor as usize);
    let unavailable = cluster.shards.iter().filter(|shard| shard.state == "unavailable").count();
    let alive = |shard: &ShardView| {
        shard.replicas.iter().filter(|replica| matches!(replica.state.as_str(), "healthy" | "lagging")).count()
    };
    let short = cluster.shards.iter().filter(|shard| alive(shard) < copies).count();
    if unavailable > 0 {
        return format!("{unavailable} unavailable");
    }
    if short > 0 {
        let least = cluster.shards.iter().map(alive).min().unwrap_or(0);
        let placed = cluster.shards.iter().map(|shard| shard.replicas.len()).min().unwrap_or(0);
        let needs = match copies.saturating_sub(placed) {
            0 => String::new(),
            1 => ", needs 1 more data node".to_owned(),
            more => format!(", needs {more} more data nodes"),
        };
        return format!("{short} under-replicated: {least} of {copies} copies{needs}");
    }
    if !cluster.moves.is_empty() {
        return format!("rebalancing, {} moving", cluster.moves.len());
    }
    if balanced(cluster) { "balanced".to_owned() } else { format!("unbalanced {}%", imbalance_percent(cluster)) }
}

fn cluster_line(cluster: &ClusterSnapshot) -> String {
    let id = if cluster.cluster_id.is_empty() { "-" } else { &cluster.cluster_id };
    if !cluster.formed {
        return format!("Cluster: {id} ({})", cluster.formation);
    }
    if !cluster.quorum && cluster.leaderless_ms > ELECTION_MS_MAX {
        let age = seconds(cluster.view_age_ms);
        return format!("Cluster: {id} (view from {}, {age} old, no quorum)", cluster.view_from);
    }
    format!("Cluster: {id}")
}

fn leader_line(cluster: &ClusterSnapshot) -> String {
    match (cluster.leader.is_empty(), cluster.leaderless_ms) {
        (false, _) => format!("Leader: {}", cluster.leader),
        (true, 0) => "Leader: none".to_owned(),
        (true, ms) if ms <= ELECTION_MS_MAX => format!("Leader: none (election in progress, {})", seconds(ms)),
        (true, ms) => format!("Leader: none (no quorum for {})", seconds(ms)),
    }
}

/// The text.
#[must_use]
pub fn render(cluster: &ClusterSnapshot) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
    line(cluster_line(cluster));
    line(leader_line(cluster));
    line("Nodes:".to_owned());
    for node in &cluster.nodes {
        line(format!("  {}", node_line(node, cluster.taken_ms)));
    }
    if cluster.formed && !cluster.shards.is_empty() {
        line(format!("Shards: {} ({})", cluster.shards.len(), shards_state(cluster)));
    }
    let down: Vec<&str> =
        cluster.nodes.iter().filter(|node| node.state == "down").map(|node| node.name.as_str()).collect();
    if !down.is_empty() {
        line(format!("Attention: {} down. Next: start it again; it catches up by itself", down.join(", ")));
    }
    if !cluster.quorum && cluster.formed && cluster.leaderless_ms > ELECTION_MS_MAX {
        line(format!(
            "Attention: {} sees no control leader; documents are still served. Next: start or reconnect controllers",
            cluster.view_from
        ));
    }
    text
}

/// What `--verbose` adds: warnings, settings, and how far behind each node and copy is.
#[must_use]
pub fn details(cluster: &ClusterSnapshot) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
    line(format!(
        "View: from {}, {} old, control term {}, applied {}, map epoch {}",
        cluster.view_from,
        seconds(cluster.view_age_ms),
        cluster.control_term,
        cluster.control_applied,
        cluster.epoch
    ));
    if let Some(s) = &cluster.settings {
        line(format!(
            "Settings: shardCount {}, replicationFactor {}, rebalanceThreshold {:.0}%, electionTimeout {}-{}ms, \
             heartbeatInterval {}ms, snapshotThreshold {}, maxLogEntries {}",
            s.shard_count,
            s.replication_factor,
            s.rebalance_threshold * 100.0,
            s.election_timeout_min_ms,
            s.election_timeout_max_ms,
            s.heartbeat_ms,
            s.snapshot_threshold,
            s.max_log_entries
        ));
    }
    line("Security: open: no authentication, no encryption; keep the ports on a private network".to_owned());
    line("Replication:".to_owned());
    for node in cluster.nodes.iter().filter(|node| !announced(node)) {
        let behind = cluster.shards.iter().filter_map(|shard| {
            let copy = shard.replicas.iter().find(|copy| copy.node == node.name && copy.lag_entries > 0)?;
            Some(format!("shard {}: {}", shard.id, copy.lag_entries))
        });
        let behind: Vec<String> = behind.collect();
        let shards = if behind.is_empty() { String::new() } else { format!(" ({})", behind.join(", ")) };
        line(format!(
            "  {}: {} entries behind, last heartbeat {} ms ago{shards}",
            node.name, node.lag_entries, node.last_seen_ms
        ));
    }
    if !cluster.warnings.is_empty() {
        line("Warnings:".to_owned());
        cluster.warnings.iter().for_each(|warning| line(format!("  {warning}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_client::admin_v1::{MoveView, ReplicaView, SettingsView};

    fn node(name: &str, role: &str, leaders: u32) -> NodeView {
        NodeView {
            name: name.into(),
            state: "healthy".into(),
            control_role: role.into(),
            controller: true,
            data: true,
            shard_leaders: leaders,
            shard_copies: 16,
            raft_id: "1".into(),
            ..NodeView::default()
        }
    }

    fn cluster() -> ClusterSnapshot {
        let replica = |node: &str| ReplicaView { node: node.into(), state: "healthy".into(), ..ReplicaView::default() };
        let shard = |id| ShardView {
            id,
            state: "ok".into(),
            replicas: ["node1", "node2", "node3"].map(replica).to_vec(),
            ..ShardView::default()
        };
        ClusterSnapshot {
            cluster_id: "my-cluster".into(),
            formed: true,
            quorum: true,
            leader: "node1".into(),
            view_from: "node3".into(),
            taken_ms: 102_000,
            nodes: vec![node("node1", "leader", 6), node("node2", "follower", 5), node("node3", "follower", 5)],
            shards: (0..16).map(shard).collect(),
            settings: Some(SettingsView { replication_factor: 3, ..SettingsView::default() }),
            ..ClusterSnapshot::default()
        }
    }

    #[test]
    fn all_well_is_the_documented_text_byte_for_byte() {
        assert_eq!(render(&cluster()), include_str!("../../../tests/golden/status.txt"));
        assert_eq!(health(&cluster()), Health::Healthy);
    }

    type Change = fn(&mut ClusterSnapshot);

    /// What is wrong with the cluster, its health, and the line that says so.
    const SAID: &[(Change, Health, &str)] = &[
        (
            |c| {
                c.nodes[2].state = "down".into();
                for shard in &mut c.shards {
                    (shard.state, shard.replicas[2].state) = ("under-replicated".into(), "down".into());
                }
            },
            Health::Degraded,
            "  node3: down 1m42s (follower)",
        ),
        (
            |c| {
                let node = &mut c.nodes[2];
                (node.state, node.reason) = ("lagging".into(), "1204 entries behind".into());
            },
            Health::Degraded,
            "  node3: lagging (follower, 1204 entries behind)",
        ),
        (
            |c| {
                let node = &mut c.nodes[2];
                (node.state, node.reason, node.since_ms) = ("suspect".into(), "no heartbeat for 2 s".into(), 100_000);
            },
            Health::Degraded,
            "  node3: suspect 2s (follower, no heartbeat for 2 s)",
        ),
        (
            |c| {
                let node = &mut c.nodes[2];
                (node.state, node.reason, node.since_ms) = ("draining".into(), "4 copies left".into(), 90_000);
            },
            Health::Degraded,
            "  node3: draining 12s (follower, 4 copies left)",
        ),
        (
            |c| {
                let node = &mut c.nodes[2];
                (node.state, node.reason, node.since_ms) = ("read-only".into(), "its disk is full".into(), 0);
            },
            Health::Degraded,
            "  node3: read-only 1m42s (follower, its disk is full)",
        ),
        (
            |c| {
                let (name, state, reason) = ("node4".into(), "joining".into(), "not started".into());
                c.nodes.push(NodeView { name, state, reason, data: true, ..NodeView::default() });
            },
            Health::Healthy,
            "  node4: joining (not started)",
        ),
        (
            |c| (c.shards[7].state, c.nodes[0].shard_leaders) = ("unavailable".into(), 9),
            Health::Unavailable,
            "Shards: 16 (1 unavailable)",
        ),
        (
            |c| {
                for shard in &mut c.shards[..2] {
                    (shard.state, shard.replicas[2].state) = ("under-replicated".into(), "down".into());
                }
            },
            Health::Degraded,
            "Shards: 16 (2 under-replicated: 2 of 3 copies)",
        ),
        (
            |c| {
                for shard in &mut c.shards {
                    shard.state = "under-replicated".into();
                    shard.replicas.pop();
                }
            },
            Health::Degraded,
            "Shards: 16 (16 under-replicated: 2 of 3 copies, needs 1 more data node)",
        ),
        (|c| c.moves = vec![MoveView::default(); 3], Health::Healthy, "Shards: 16 (rebalancing, 3 moving)"),
        (
            |c| (c.nodes[0].shard_leaders, c.nodes[1].shard_leaders) = (8, 3),
            Health::Healthy,
            "Shards: 16 (unbalanced 50%)",
        ),
        (
            |c| (c.leader, c.quorum, c.leaderless_ms) = (String::new(), false, 400),
            Health::Unavailable,
            "Leader: none (election in progress, 0.4 s)",
        ),
        (
            |c| {
                (c.leader, c.quorum) = (String::new(), false);
                (c.leaderless_ms, c.view_age_ms) = (41_000, 41_500);
            },
            Health::Unavailable,
            "Cluster: my-cluster (view from node3, 41 s old, no quorum)",
        ),
        (
            |c| {
                *c = ClusterSnapshot {
                    cluster_id: "my-cluster".into(),
                    formation: "forming, 1/3, waiting for node3".into(),
                    ..ClusterSnapshot::default()
                }
            },
            Health::Forming,
            "Cluster: my-cluster (forming, 1/3, waiting for node3)",
        ),
    ];

    #[test]
    fn what_is_not_well_is_said() {
        for (change, expected, line) in SAID {
            let mut changed = cluster();
            change(&mut changed);
            let text = render(&changed);
            assert!(text.lines().any(|shown| shown == *line), "{line:?} is missing in\n{text}");
            assert_eq!(health(&changed), *expected, "{line}");
        }
    }

    #[test]
    fn details_name_the_copies_that_are_behind() {
        let mut behind = cluster();
        behind.nodes[2].lag_entries = 12;
        behind.shards[7].replicas[2].lag_entries = 12;
        behind.warnings.push("node3: sharding.shardCount 32 is ignored".into());
        let text = details(&behind);
        assert!(text.contains("  node3: 12 entries behind, last heartbeat 0 ms ago (shard 7: 12)\n"), "{text}");
        assert!(text.ends_with("Warnings:\n  node3: sharding.shardCount 32 is ignored\n"), "{text}");
    }
}
