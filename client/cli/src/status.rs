//! `status` as text: the documented seven lines, byte for byte, when all is well; more only when something is not.

use phoenixmldb_client::admin_v1::{ClusterSnapshot, NodeView};
use std::fmt::Write;

/// Smallest and largest of some counts.
fn spread(counts: impl Iterator<Item = u32>) -> (u32, u32) {
    counts.fold((u32::MAX, 0), |(low, high), count| (low.min(count), high.max(count)))
}

/// Whether everything is as it should be.
#[must_use]
pub fn healthy(cluster: &ClusterSnapshot) -> bool {
    cluster.formed
        && cluster.quorum
        && cluster.nodes.iter().all(|node| node.state == "healthy")
        && cluster.shards.iter().all(|shard| shard.state == "ok")
}

/// Whether no move of a copy or leadership would even the nodes out.
#[must_use]
pub fn balanced(cluster: &ClusterSnapshot) -> bool {
    let data = || cluster.nodes.iter().filter(|node| node.data && node.state != "down" && node.state != "joining");
    let even = |(low, high): (u32, u32)| high.saturating_sub(low) <= 1;
    even(spread(data().map(|node| node.shard_leaders))) && even(spread(data().map(|node| node.shard_copies)))
}

/// `1m 42s`
fn span(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
    }
}

fn node_line(node: &NodeView, taken_ms: u64) -> String {
    let name = &node.name;
    match node.state.as_str() {
        "healthy" => format!("{name}: healthy ({})", node.control_role),
        "lagging" => format!("{name}: lagging ({}, {})", node.control_role, node.reason),
        "down" => format!("{name}: down {} ({})", span(taken_ms.saturating_sub(node.since_ms)), node.control_role),
        "joining" => format!("{name}: joining ({})", node.reason),
        other if node.reason.is_empty() => format!("{name}: {other} ({})", node.control_role),
        other => format!("{name}: {other} ({}, {})", node.control_role, node.reason),
    }
}

fn shards_line(cluster: &ClusterSnapshot) -> String {
    let count = cluster.shards.len();
    let copies = cluster.settings.as_ref().map_or(0, |settings| settings.replication_factor as usize);
    let unavailable = cluster.shards.iter().filter(|shard| shard.state == "unavailable").count();
    let alive = |shard: &phoenixmldb_client::admin_v1::ShardView| {
        shard.replicas.iter().filter(|replica| matches!(replica.state.as_str(), "healthy" | "lagging")).count()
    };
    let short = cluster.shards.iter().filter(|shard| alive(shard) < copies).count();
    let least = cluster.shards.iter().map(alive).min().unwrap_or(0);
    if unavailable > 0 {
        return format!("{count} ({unavailable} unavailable)");
    }
    if short > 0 {
        let placed = cluster.shards.iter().map(|shard| shard.replicas.len()).min().unwrap_or(0);
        let needs = copies.saturating_sub(placed);
        let needs = match needs {
            0 => String::new(),
            1 => ", needs 1 more data node".to_owned(),
            more => format!(", needs {more} more data nodes"),
        };
        return format!("{count} ({short} under-replicated: {least} of {copies} copies{needs})");
    }
    let word = if balanced(cluster) { "balanced" } else { "unbalanced" };
    format!("{count} ({word})")
}

/// The text.
#[must_use]
pub fn render(cluster: &ClusterSnapshot) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes everything");
    if !cluster.formed {
        let id = if cluster.cluster_id.is_empty() { "-" } else { &cluster.cluster_id };
        line(format!("Cluster: {id} ({})", cluster.formation));
    } else {
        line(format!("Cluster: {}", cluster.cluster_id));
    }
    if cluster.leader.is_empty() {
        let age =
            if cluster.leaderless_ms > 0 { format!(" for {}", span(cluster.leaderless_ms)) } else { String::new() };
        line(format!("Leader: none{age}"));
    } else {
        line(format!("Leader: {}", cluster.leader));
    }
    line("Nodes:".to_owned());
    for node in &cluster.nodes {
        line(format!("  {}", node_line(node, cluster.taken_ms)));
    }
    if cluster.formed && !cluster.shards.is_empty() {
        line(format!("Shards: {}", shards_line(cluster)));
    }
    let down: Vec<&str> =
        cluster.nodes.iter().filter(|node| node.state == "down").map(|node| node.name.as_str()).collect();
    if !down.is_empty() {
        line(format!(
            "Attention: {} down; start it again, or: phoenixmldb-cluster rebuild-node {}",
            down.join(", "),
            down[0]
        ));
    }
    if !cluster.quorum && cluster.formed {
        line(format!(
            "Attention: no control leader within reach of {}; this is what was known {} ago. Documents are still served.",
            cluster.view_from,
            span(cluster.view_age_ms)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_client::admin_v1::{ReplicaView, SettingsView, ShardView};

    fn node(name: &str, role: &str, leaders: u32) -> NodeView {
        NodeView {
            name: name.into(),
            state: "healthy".into(),
            control_role: role.into(),
            controller: true,
            data: true,
            shard_leaders: leaders,
            shard_copies: 16,
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
            nodes: vec![node("node1", "leader", 6), node("node2", "follower", 5), node("node3", "follower", 5)],
            shards: (0..16).map(shard).collect(),
            settings: Some(SettingsView { replication_factor: 3, ..SettingsView::default() }),
            ..ClusterSnapshot::default()
        }
    }

    #[test]
    fn all_well_is_the_documented_text_byte_for_byte() {
        assert_eq!(render(&cluster()), include_str!("../../../tests/golden/status.txt"));
        assert!(healthy(&cluster()));
    }

    #[test]
    fn what_is_not_well_is_said_and_what_to_type_next() {
        let mut broken = cluster();
        broken.taken_ms = 102_000;
        broken.nodes[2].state = "down".into();
        for shard in &mut broken.shards {
            shard.state = "under-replicated".into();
            shard.replicas[2].state = "down".into();
        }
        let text = render(&broken);
        assert!(text.contains("  node3: down 1m42s (follower)\n"), "{text}");
        assert!(text.contains("Shards: 16 (16 under-replicated: 2 of 3 copies)\n"), "{text}");
        assert!(text.contains("rebuild-node node3"), "{text}");
        assert!(!healthy(&broken));
    }

    #[test]
    fn forming_says_for_whom_it_waits() {
        let forming = ClusterSnapshot {
            cluster_id: "my-cluster".into(),
            formation: "forming, 1/3, waiting for node3".into(),
            ..ClusterSnapshot::default()
        };
        assert!(render(&forming).starts_with("Cluster: my-cluster (forming, 1/3, waiting for node3)\n"));
    }

    #[test]
    fn uneven_leaders_are_unbalanced() {
        let mut uneven = cluster();
        uneven.nodes[0].shard_leaders = 8;
        uneven.nodes[1].shard_leaders = 3;
        assert!(render(&uneven).contains("Shards: 16 (unbalanced)"));
    }
}
