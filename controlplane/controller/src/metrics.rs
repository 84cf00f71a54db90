//! Prometheus text of a process and of the cluster. Pure: values in, text out.

use phoenixmldb_proto::admin::ClusterSnapshot;
use phoenixmldb_raft::{GroupStatus, Role};
use phoenixmldb_types::GroupId;
use std::fmt::Write;

/// One metric family under construction.
struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl<'a> Family<'a> {
    fn new(text: &'a mut String, name: &'a str, kind: &str, help: &str) -> Self {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a string takes everything");
        Self { text, name }
    }

    fn value(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) -> &mut Self {
        let name = self.name;
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        writeln!(self.text, "{name}{labels} {value}").expect("a string takes everything");
        self
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Metrics of one process: its groups, and messages refused because they came from another cluster.
#[must_use]
pub fn process(node: &str, uptime_s: u64, rejected_total: u64, groups: &[(GroupId, GroupStatus)]) -> String {
    let mut text = String::new();
    Family::new(&mut text, "phoenixmldb_build_info", "gauge", "Release of this process; always 1.")
        .value(&[("version", env!("CARGO_PKG_VERSION")), ("node", node)], 1);
    Family::new(&mut text, "phoenixmldb_uptime_seconds", "gauge", "Time since the process started.")
        .value(&[], uptime_s);
    Family::new(&mut text, "phoenixmldb_rejected_cluster_id_total", "counter", "Messages of other clusters, refused.")
        .value(&[], rejected_total);
    let mut each = |name: &str, help: &str, value: &dyn Fn(&GroupStatus) -> u64| {
        let mut family = Family::new(&mut text, name, "gauge", help);
        for (id, status) in groups {
            family.value(&[("group", &id.to_string())], value(status));
        }
    };
    each("phoenixmldb_raft_term", "Term of the group.", &|status| status.term);
    each("phoenixmldb_raft_leader", "1 on the group's leader.", &|status| u64::from(status.role == Role::Leader));
    each("phoenixmldb_raft_last_index", "Newest entry of the log here.", &|status| status.last_index);
    each("phoenixmldb_raft_applied_index", "Newest entry applied here.", &|status| status.applied);
    each("phoenixmldb_raft_commit_lag_entries", "Committed entries not applied yet.", &|status| {
        status.committed.saturating_sub(status.applied)
    });
    each("phoenixmldb_raft_snapshot_index", "Entry of the newest snapshot.", &|status| status.snapshot);
    each("phoenixmldb_raft_log_entries", "Entries kept in the log.", &|status| {
        status.last_index.saturating_sub(status.purged)
    });
    text
}

/// Metrics of the cluster, the same from every node.
#[must_use]
pub fn cluster(snapshot: &ClusterSnapshot) -> String {
    let mut text = String::new();
    Family::new(&mut text, "phoenixmldb_cluster_info", "gauge", "The cluster; always 1.")
        .value(&[("cluster", &snapshot.cluster_id), ("incarnation", &snapshot.incarnation)], 1);
    Family::new(&mut text, "phoenixmldb_cluster_formed", "gauge", "1 once shards are placed.")
        .value(&[], u8::from(snapshot.formed));
    Family::new(&mut text, "phoenixmldb_cluster_has_leader", "gauge", "1 while the control group has a leader.")
        .value(&[], u8::from(!snapshot.leader.is_empty()));
    Family::new(&mut text, "phoenixmldb_cluster_view_age_seconds", "gauge", "Age of what is shown here.")
        .value(&[], snapshot.view_age_ms as f64 / 1000.0);
    Family::new(&mut text, "phoenixmldb_shard_map_epoch", "gauge", "Version of the shard map.")
        .value(&[], snapshot.epoch);
    let mut family = Family::new(&mut text, "phoenixmldb_node_up", "gauge", "1 while the node sends heartbeats.");
    for node in &snapshot.nodes {
        let up = matches!(node.state.as_str(), "healthy" | "lagging" | "suspect");
        family.value(&[("node", &node.name)], u8::from(up));
    }
    let mut family = Family::new(&mut text, "phoenixmldb_node_shard_leaders", "gauge", "Shards the node leads.");
    for node in &snapshot.nodes {
        family.value(&[("node", &node.name)], node.shard_leaders);
    }
    let mut family = Family::new(&mut text, "phoenixmldb_node_shard_copies", "gauge", "Copies the node holds.");
    for node in &snapshot.nodes {
        family.value(&[("node", &node.name)], node.shard_copies);
    }
    let mut family =
        Family::new(&mut text, "phoenixmldb_shard_leader", "gauge", "1 for the node that leads the shard.");
    for shard in snapshot.shards.iter().filter(|shard| !shard.leader.is_empty()) {
        family.value(&[("shard", &shard.id.to_string()), ("node", &shard.leader)], 1);
    }
    let mut family = Family::new(&mut text, "phoenixmldb_shard_copies", "gauge", "Copies of the shard by state.");
    for shard in &snapshot.shards {
        for state in ["healthy", "lagging", "down", "unknown"] {
            let count = shard.replicas.iter().filter(|replica| replica.state == state).count();
            family.value(&[("shard", &shard.id.to_string()), ("state", state)], count);
        }
    }
    let mut family = Family::new(&mut text, "phoenixmldb_shard_lag_entries", "gauge", "Most entries a copy is behind.");
    for shard in &snapshot.shards {
        let lag = shard.replicas.iter().map(|replica| replica.lag_entries).max().unwrap_or(0);
        family.value(&[("shard", &shard.id.to_string())], lag);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_proto::admin::{NodeView, ReplicaView, ShardView};

    #[test]
    fn the_cluster_is_shown_in_the_text_format() {
        let snapshot = ClusterSnapshot {
            cluster_id: "a\"b".into(),
            leader: "node1".into(),
            nodes: vec![NodeView { name: "node1".into(), state: "down".into(), ..NodeView::default() }],
            shards: vec![ShardView {
                id: 7,
                leader: "node1".into(),
                replicas: vec![ReplicaView { state: "healthy".into(), lag_entries: 5, ..ReplicaView::default() }],
                ..ShardView::default()
            }],
            ..ClusterSnapshot::default()
        };
        let text = cluster(&snapshot);
        for line in [
            "# TYPE phoenixmldb_node_up gauge",
            "phoenixmldb_cluster_info{cluster=\"a\\\"b\",incarnation=\"\"} 1",
            "phoenixmldb_node_up{node=\"node1\"} 0",
            "phoenixmldb_shard_leader{shard=\"7\",node=\"node1\"} 1",
            "phoenixmldb_shard_copies{shard=\"7\",state=\"healthy\"} 1",
            "phoenixmldb_shard_lag_entries{shard=\"7\"} 5",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
