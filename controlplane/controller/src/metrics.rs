//! Metrics of a process and of the cluster. Pure: values in, families out; `docs/metrics.md` documents each name.

use phoenixmldb_proto::admin::{ClusterSnapshot, NodeView};
use phoenixmldb_raft::{GroupMetrics, GroupStatus, LATENCY_BOUNDS_US, Latencies, LogMetrics, PeerTraffic, Role};
use phoenixmldb_types::GroupId;
use phoenixmldb_types::exposition::{Buckets, Family, Labels};
use std::collections::BTreeMap;

/// What a process knows of itself, whatever its roles.
pub struct ProcessView<'a> {
    /// Name of the node.
    pub node: &'a str,
    /// Time since it started, in seconds.
    pub uptime_s: u64,
    /// Messages refused because they came from another cluster or are for another identity.
    pub rejected_total: u64,
    /// Groups hosted here.
    pub groups: Vec<(GroupId, GroupStatus, GroupMetrics)>,
    /// The log of all of them.
    pub log: LogMetrics,
    /// How late the Raft runtime runs its timers.
    pub lateness: Latencies,
    /// What was sent to other nodes.
    pub traffic: Vec<PeerTraffic>,
}

fn seconds(family: &mut Family, labels: Labels<'_>, read: &Latencies) {
    let bounds = LATENCY_BOUNDS_US.map(|us| us as f64 / 1e6);
    family.add_buckets(labels, Buckets { bounds: &bounds, counts: &read.counts, sum: read.sum_us as f64 / 1e6 });
}

fn timed(name: &'static str, help: &'static str, read: &Latencies) -> Family {
    let mut family = Family::histogram(name, help);
    seconds(&mut family, &[], read);
    family
}

/// Metrics of one process.
#[must_use]
pub fn process(view: &ProcessView<'_>) -> Vec<Family> {
    let mut families = vec![
        Family::gauge("phoenixmldb_build_info", "Release of this process; always 1.")
            .with(&[("version", env!("CARGO_PKG_VERSION")), ("node", view.node)], 1),
        Family::gauge("phoenixmldb_uptime_seconds", "Time since the process started.").with(&[], view.uptime_s),
        Family::counter(
            "phoenixmldb_rejected_cluster_id_total",
            "Raft messages of other clusters or for another identity, refused.",
        )
        .with(&[], view.rejected_total),
    ];
    families.extend(per_group(view));
    families.extend(over_groups(view));
    let mut messages = Family::counter("phoenixmldb_raft_messages_sent_total", "Messages to another node, by lane.");
    let mut frames =
        Family::counter("phoenixmldb_raft_frames_sent_total", "Requests in those messages, of all groups.");
    let mut bytes = Family::counter("phoenixmldb_raft_sent_bytes_total", "Bytes of those requests.");
    let mut snapshots = Family::counter("phoenixmldb_snapshot_transfer_bytes_total", "Bytes of snapshots sent.");
    for sent in &view.traffic {
        let labels = [("peer", sent.peer.as_str()), ("lane", sent.lane)];
        messages.add(&labels, sent.messages_total);
        frames.add(&labels, sent.frames_total);
        bytes.add(&labels, sent.bytes_total);
        if sent.lane == "bulk" {
            snapshots.add(&labels[..1], sent.snapshot_bytes_total);
        }
    }
    families.extend([messages, frames, bytes, snapshots]);
    families
}

/// One value per group hosted here.
fn per_group(view: &ProcessView<'_>) -> Vec<Family> {
    let each = |mut family: Family, value: &dyn Fn(&GroupStatus, &GroupMetrics) -> u64| {
        for (id, status, metrics) in &view.groups {
            family.add(&[("group", &id.to_string())], value(status, metrics));
        }
        family
    };
    let gauge = |name, help, value: &dyn Fn(&GroupStatus, &GroupMetrics) -> u64| each(Family::gauge(name, help), value);
    let counter =
        |name, help, value: &dyn Fn(&GroupStatus, &GroupMetrics) -> u64| each(Family::counter(name, help), value);
    let mut heartbeats = Family::counter("phoenixmldb_raft_heartbeats_sent_total", "Heartbeats to each follower.");
    let mut contact = Family::gauge(
        "phoenixmldb_raft_contact_age_seconds",
        "Time since a leader heard its quorum, or a follower its leader.",
    );
    for (id, status, metrics) in &view.groups {
        let group = id.to_string();
        contact.add(&[("group", &group)], status.silent_ms as f64 / 1e3);
        for (member, sent) in &metrics.heartbeats_sent {
            let peer = status.voters.get(member).or_else(|| status.learners.get(member));
            let name = peer.map_or_else(|| format!("{member:016x}"), |peer| peer.name.clone());
            heartbeats.add(&[("group", &group), ("follower", &name)], sent);
        }
    }
    vec![
        gauge("phoenixmldb_raft_term", "Term of the group.", &|status, _| status.term),
        gauge("phoenixmldb_raft_leader", "1 on the group's leader.", &|status, _| {
            u64::from(status.role == Role::Leader)
        }),
        gauge("phoenixmldb_raft_last_index", "Newest entry of the log here.", &|status, _| status.last_index),
        gauge("phoenixmldb_raft_commit_index", "Newest entry known to be committed.", &|status, _| status.committed),
        gauge("phoenixmldb_raft_applied_index", "Newest entry applied here.", &|status, _| status.applied),
        gauge("phoenixmldb_raft_commit_lag_entries", "Committed entries not applied yet.", &|status, _| {
            status.committed.saturating_sub(status.applied)
        }),
        gauge("phoenixmldb_raft_snapshot_index", "Entry of the newest snapshot.", &|status, _| status.snapshot),
        gauge("phoenixmldb_raft_log_entries", "Entries kept in the log.", &|status, _| {
            status.last_index.saturating_sub(status.purged)
        }),
        contact,
        heartbeats,
        counter("phoenixmldb_raft_leader_changes_total", "Times another leader, or none, was seen.", &|_, metrics| {
            metrics.leader_changes_total
        }),
        counter("phoenixmldb_raft_elections_total", "Times this replica stood for election.", &|_, metrics| {
            metrics.elections_total
        }),
        counter("phoenixmldb_raft_elections_won_total", "Elections this replica has won.", &|_, metrics| {
            metrics.elections_won_total
        }),
        counter("phoenixmldb_snapshots_total", "Snapshots taken: states flushed so that the log can go.", &|_, m| {
            m.snapshots_built_total
        }),
        counter("phoenixmldb_snapshots_sent_total", "Snapshots sent to followers.", &|_, m| m.snapshots_sent_total),
        counter("phoenixmldb_snapshots_installed_total", "Snapshots of leaders installed here.", &|_, metrics| {
            metrics.snapshots_installed_total
        }),
        counter("phoenixmldb_raft_applied_total", "Commands applied.", &|_, metrics| metrics.applied_total),
        counter("phoenixmldb_raft_proposals_total", "Commands proposed here.", &|_, metrics| metrics.proposals_total),
        counter(
            "phoenixmldb_raft_proposals_failed_total",
            "Commands proposed here that were refused or have an unknown outcome.",
            &|_, metrics| metrics.proposals_failed_total,
        ),
        gauge("phoenixmldb_raft_proposals_in_flight", "Commands proposed here that wait.", &|_, metrics| {
            metrics.proposals_in_flight
        }),
        counter("phoenixmldb_raft_log_bytes_total", "Bytes of entries handed to the log.", &|_, metrics| {
            metrics.log_append_bytes_total
        }),
    ]
}

/// Latencies of all groups together: one series each, however many shards there are.
fn over_groups(view: &ProcessView<'_>) -> Vec<Family> {
    let all = |of: &dyn Fn(&GroupMetrics) -> Latencies| {
        view.groups.iter().fold(Latencies::default(), |sum, (_, _, metrics)| sum.plus(&of(metrics)))
    };
    let silence = all(&|metrics| metrics.election_timeout);
    let bounds = LATENCY_BOUNDS_US.map(|us| us as f64 / 1e3);
    let timeout = Family::histogram(
        "phoenixmldb_election_timeout_ms",
        "How long a leader had been silent when a replica here stood for election.",
    )
    .with_buckets(&[], Buckets { bounds: &bounds, counts: &silence.counts, sum: silence.sum_us as f64 / 1e3 });
    vec![
        timeout,
        timed("phoenixmldb_raft_propose_seconds", "From proposing a command to its reply.", &all(&|m| m.propose)),
        timed(
            "phoenixmldb_raft_append_seconds",
            "From handing entries to the log to their being durable.",
            &all(&|m| m.log_append),
        ),
        timed("phoenixmldb_raft_apply_seconds", "Applying one batch of committed entries.", &all(&|m| m.apply)),
        timed(
            "phoenixmldb_wal_fsync_seconds",
            "Synced writes of the log, each for all groups that wait.",
            &view.log.sync,
        ),
        Family::counter("phoenixmldb_wal_ops_total", "Operations of the log.").with(&[], view.log.ops_total),
        Family::counter("phoenixmldb_wal_bytes_total", "Bytes written to the log.").with(&[], view.log.bytes_total),
        Family::gauge("phoenixmldb_wal_queued", "Operations that wait for the log.").with(&[], view.log.queued),
        timed("phoenixmldb_raft_timer_late_seconds", "How late timers of the Raft runtime fire.", &view.lateness),
    ]
}

/// Metrics of the cluster, the same from every node.
#[must_use]
pub fn cluster(snapshot: &ClusterSnapshot) -> Vec<Family> {
    let mut families = vec![
        Family::gauge("phoenixmldb_cluster_info", "The cluster; always 1.")
            .with(&[("cluster", &snapshot.cluster_id), ("incarnation", &snapshot.incarnation)], 1),
        Family::gauge("phoenixmldb_cluster_formed", "1 once shards are placed.").with(&[], u8::from(snapshot.formed)),
        Family::gauge("phoenixmldb_cluster_has_leader", "1 while the control group has a leader.")
            .with(&[], u8::from(!snapshot.leader.is_empty())),
        Family::gauge("phoenixmldb_cluster_view_age_seconds", "Age of what is shown here; 0 from the control leader.")
            .with(&[], snapshot.view_age_ms as f64 / 1e3),
        Family::gauge("phoenixmldb_control_term", "Term of the control group.").with(&[], snapshot.control_term),
        Family::gauge("phoenixmldb_control_applied_index", "What the control leader has applied.")
            .with(&[], snapshot.control_applied),
        Family::gauge("phoenixmldb_shard_map_epoch", "Version of the shard map.").with(&[], snapshot.epoch),
    ];
    families.extend(nodes(snapshot));
    families.extend(shards(snapshot));
    families
}

fn nodes(snapshot: &ClusterSnapshot) -> Vec<Family> {
    let each = |name, help, value: &dyn Fn(&NodeView) -> f64| {
        let mut family = Family::gauge(name, help);
        for node in &snapshot.nodes {
            family.add(&[("node", &node.name)], value(node));
        }
        family
    };
    let load = |node: &NodeView| node.load.unwrap_or_default();
    let mut state = Family::gauge("phoenixmldb_node_state", "1 for the state the node is in.");
    for node in &snapshot.nodes {
        state.add(&[("node", &node.name), ("state", &node.state)], 1);
    }
    let leaders = || snapshot.nodes.iter().filter(|node| node.data).map(|node| node.shard_leaders);
    let imbalance = leaders().max().unwrap_or(0) - leaders().min().unwrap_or(0);
    vec![
        each("phoenixmldb_node_up", "1 while the node sends heartbeats.", &|node| {
            f64::from(matches!(node.state.as_str(), "healthy" | "lagging" | "suspect"))
        }),
        state,
        each("phoenixmldb_node_last_seen_seconds", "Time since the last heartbeat.", &|n| n.last_seen_ms as f64 / 1e3),
        each("phoenixmldb_node_shard_leaders", "Shards the node leads.", &|node| f64::from(node.shard_leaders)),
        each("phoenixmldb_node_shard_copies", "Copies the node holds.", &|node| f64::from(node.shard_copies)),
        each("phoenixmldb_node_lag_entries", "Most entries a copy of the node is behind.", &|n| n.lag_entries as f64),
        each("phoenixmldb_node_reads_per_second", "Reads that clients asked the node for.", &|n| load(n).reads_per_s),
        each("phoenixmldb_node_writes_per_second", "Writes that clients asked the node for.", &|n| {
            load(n).writes_per_s
        }),
        each("phoenixmldb_node_queries_per_second", "Queries that clients asked the node for.", &|node| {
            load(node).queries_per_s
        }),
        each("phoenixmldb_node_cpu_percent", "Processor time, in percent of one core.", &|n| load(n).cpu_percent),
        each("phoenixmldb_node_memory_bytes", "Resident memory.", &|node| load(node).memory_bytes as f64),
        each("phoenixmldb_node_disk_used_bytes", "Used space of the disk with the node's folder.", &|node| {
            load(node).disk_used_bytes as f64
        }),
        each("phoenixmldb_node_disk_total_bytes", "Size of the disk with the node's folder.", &|node| {
            load(node).disk_total_bytes as f64
        }),
        Family::gauge(
            "phoenixmldb_shard_leader_imbalance",
            "Shards led by the busiest data node more than by the idlest.",
        )
        .with(&[], imbalance),
    ]
}

fn shards(snapshot: &ClusterSnapshot) -> Vec<Family> {
    let each = |name, help, value: &dyn Fn(&phoenixmldb_proto::admin::ShardView) -> f64| {
        let mut family = Family::gauge(name, help);
        for shard in &snapshot.shards {
            family.add(&[("shard", &shard.id.to_string())], value(shard));
        }
        family
    };
    let mut leader = Family::gauge("phoenixmldb_shard_leader", "1 for the node that leads the shard.");
    let mut copies = Family::gauge("phoenixmldb_shard_copies", "Copies of the shard by state.");
    let mut by_state: BTreeMap<&str, u32> =
        ["ok", "under-replicated", "unavailable"].into_iter().map(|state| (state, 0)).collect();
    for shard in &snapshot.shards {
        let id = shard.id.to_string();
        if !shard.leader.is_empty() {
            leader.add(&[("shard", &id), ("node", &shard.leader)], 1);
        }
        for state in ["healthy", "lagging", "down", "unknown"] {
            let count = shard.replicas.iter().filter(|replica| replica.state == state).count();
            copies.add(&[("shard", &id), ("state", state)], count);
        }
        *by_state.entry(&shard.state).or_default() += 1;
    }
    let mut states = Family::gauge("phoenixmldb_shards", "Shards by state.");
    by_state.iter().for_each(|(state, count)| states.add(&[("state", state)], count));
    vec![
        states,
        leader,
        copies,
        each("phoenixmldb_shard_lag_entries", "Most entries a copy is behind.", &|shard| {
            shard.replicas.iter().map(|replica| replica.lag_entries).max().unwrap_or(0) as f64
        }),
        each("phoenixmldb_shard_documents", "Documents of the shard, counted lately.", &|s| s.documents as f64),
        each("phoenixmldb_shard_bytes", "Bytes of their texts.", &|shard| shard.bytes as f64),
        each("phoenixmldb_shard_requests_per_second", "Requests on the shard's leader.", &|s| s.requests_per_s),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_proto::admin::{ReplicaView, ShardView};
    use phoenixmldb_raft::Peer;
    use phoenixmldb_types::exposition::text;

    #[test]
    fn the_cluster_is_shown_in_the_text_format() {
        let snapshot = ClusterSnapshot {
            cluster_id: "a\"b".into(),
            leader: "node1".into(),
            view_age_ms: 1_500,
            nodes: vec![NodeView { name: "node1".into(), state: "down".into(), ..NodeView::default() }],
            shards: vec![ShardView {
                id: 7,
                leader: "node1".into(),
                state: "ok".into(),
                replicas: vec![ReplicaView { state: "healthy".into(), lag_entries: 5, ..ReplicaView::default() }],
                ..ShardView::default()
            }],
            ..ClusterSnapshot::default()
        };
        let text = text(&cluster(&snapshot));
        for line in [
            "# TYPE phoenixmldb_node_up gauge",
            "phoenixmldb_cluster_info{cluster=\"a\\\"b\",incarnation=\"\"} 1",
            "phoenixmldb_cluster_view_age_seconds 1.5",
            "phoenixmldb_node_up{node=\"node1\"} 0",
            "phoenixmldb_node_state{node=\"node1\",state=\"down\"} 1",
            "phoenixmldb_shards{state=\"ok\"} 1",
            "phoenixmldb_shard_leader{shard=\"7\",node=\"node1\"} 1",
            "phoenixmldb_shard_copies{shard=\"7\",state=\"healthy\"} 1",
            "phoenixmldb_shard_lag_entries{shard=\"7\"} 5",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_process_names_its_followers_and_adds_its_groups_up() {
        let peer = Peer { raft_id: 2, name: "node2".into(), address: String::new() };
        let status = GroupStatus { voters: [(2, peer)].into(), silent_ms: 1_500, ..GroupStatus::default() };
        let mut append = Latencies { sum_us: 100, ..Latencies::default() };
        append.counts[1] = 1;
        let metrics = GroupMetrics { heartbeats_sent: [(2, 9)].into(), log_append: append, ..GroupMetrics::default() };
        let group = |id| (id, status.clone(), metrics.clone());
        let view = ProcessView {
            node: "node1",
            uptime_s: 1,
            rejected_total: 2,
            groups: vec![group(GroupId::CONTROL), group(GroupId::CLOCK)],
            log: LogMetrics::default(),
            lateness: Latencies::default(),
            traffic: Vec::new(),
        };
        let text = text(&process(&view));
        for line in [
            "phoenixmldb_rejected_cluster_id_total 2",
            "phoenixmldb_raft_contact_age_seconds{group=\"clock\"} 1.5",
            "phoenixmldb_raft_heartbeats_sent_total{group=\"control\",follower=\"node2\"} 9",
            "phoenixmldb_raft_append_seconds_bucket{le=\"0.0001\"} 2",
            "phoenixmldb_raft_append_seconds_count 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
