//! Clusters for tests: plain, made up, and the same every time.

use phoenixmldb_client::admin_v1::{
    ClusterSnapshot, Event, MoveView, NodeLoad, NodeView, ReplicaView, SettingsView, ShardView,
};

/// 21:04:10 UTC.
const NOW_MS: u64 = 1_793_307_850_000;

fn node(index: usize, shards: &[ShardView]) -> NodeView {
    let name = format!("node{}", index + 1);
    let step = index as u64;
    NodeView {
        state: "healthy".into(),
        since_ms: NOW_MS - 600_000,
        control_role: ["leader", "follower", "follower"].get(index).unwrap_or(&"data").to_string(),
        controller: index < 3,
        data: true,
        zone: ["a", "b", "c"][index % 3].into(),
        client_address: format!("10.0.0.{}:5432", index + 1),
        peer_address: format!("10.0.0.{}:5433", index + 1),
        version: "0.1.0".into(),
        uptime_s: 273_600 - step * 3_700,
        shard_leaders: shards.iter().filter(|shard| shard.leader == name).count() as u32,
        shard_copies: shards.iter().filter(|shard| shard.replicas.iter().any(|copy| copy.node == name)).count() as u32,
        lag_entries: step % 3,
        load: Some(NodeLoad {
            reads_per_s: 1604.0 + 111.0 * step as f64,
            writes_per_s: 402.4 + 31.0 * step as f64,
            queries_per_s: 106.0 - 7.0 * step as f64,
            read_p50_ms: 1.2,
            read_p99_ms: 11.0 + step as f64,
            write_p50_ms: 3.1,
            write_p99_ms: 14.0 + step as f64,
            cpu_percent: 34.0 + 7.0 * step as f64,
            memory_bytes: (900 + 50 * step) << 20,
            disk_used_bytes: (61 - step) << 30,
            disk_total_bytes: 100 << 30,
            data_bytes: (5800 + 100 * step) << 20,
            documents: 120_000,
        }),
        last_seen_ms: 120,
        raft_id: format!("{:016x}", 77 + step),
        name,
        ..NodeView::default()
    }
}

/// A healthy cluster under load, three copies of each shard where there are nodes for them.
pub(crate) fn cluster(nodes: usize, shards: u32) -> ClusterSnapshot {
    let copies = nodes.min(3);
    let shards: Vec<ShardView> = (0..shards)
        .map(|id| {
            let holder = |copy: usize| format!("node{}", (id as usize + copy) % nodes + 1);
            let index = 640_113 + u64::from(id) * 31_007;
            let replica = |copy: usize| ReplicaView {
                node: holder(copy),
                role: if copy == 0 { "leader" } else { "follower" }.into(),
                state: "healthy".into(),
                match_index: index,
                applied_index: index,
                lag_entries: 0,
            };
            ShardView {
                id,
                range: format!("{:016x}-{:016x}", u64::from(id) << 60, (u64::from(id) << 60) | 0x0fff_ffff_ffff_ffff),
                epoch: 1,
                leader: holder(0),
                term: 4 + u64::from(id % 3),
                replicas: (0..copies).map(replica).collect(),
                documents: 5_000 + u64::from(id * id % 13) * 7_450,
                bytes: (90 + u64::from(id * id % 13) * 71) << 20,
                requests_per_s: 40.0 + f64::from(id * id % 11) * 61.0,
                commit_index: index,
                state: "ok".into(),
                resolved_timestamp: 1,
            }
        })
        .collect();
    let event = |id: u64, before_s: u64, level: &str, subject: &str, text: &str, by: &str| Event {
        id,
        time_ms: NOW_MS - before_s * 1_000,
        level: level.into(),
        subject: subject.into(),
        text: text.into(),
        by: by.into(),
    };
    ClusterSnapshot {
        cluster_id: "my-cluster".into(),
        incarnation: "7".into(),
        formation: "formed".into(),
        formed: true,
        leader: "node1".into(),
        control_term: 14,
        control_applied: 91,
        epoch: 9,
        nodes: (0..nodes).map(|index| node(index, &shards)).collect(),
        shards,
        events: vec![
            event(1, 2_000, "info", "control", "cluster my-cluster formed", "control"),
            event(2, 1_990, "info", "node1", "joined", "control"),
            event(3, 900, "info", "container orders", "created", "operator"),
        ],
        settings: Some(SettingsView {
            shard_count: 16,
            replication_factor: 3,
            rebalance_threshold: 0.2,
            ..SettingsView::default()
        }),
        view_from: "node2".into(),
        quorum: true,
        taken_ms: NOW_MS,
        clock_nodes: (0..copies).map(|index| format!("node{}", index + 1)).collect(),
        ..ClusterSnapshot::default()
    }
}

/// Three nodes, all well.
pub(crate) fn healthy() -> ClusterSnapshot {
    cluster(3, 16)
}

/// node3 was killed; its shards are led by others; a disk fills; a copy moves.
pub(crate) fn degraded() -> ClusterSnapshot {
    let mut cluster = cluster(3, 16);
    for shard in &mut cluster.shards {
        shard.state = "under-replicated".into();
        for replica in &mut shard.replicas {
            if replica.node == "node3" {
                replica.state = "down".into();
                replica.role = "follower".into();
                replica.lag_entries = 912;
            }
        }
        if shard.leader == "node3" {
            let next = &mut shard.replicas[1 + shard.id as usize % 2];
            next.role = "leader".into();
            shard.leader.clone_from(&next.node);
            shard.term += 1;
        }
    }
    let node3 = &mut cluster.nodes[2];
    node3.state = "down".into();
    node3.reason = "no heartbeat for 102 s".into();
    node3.since_ms = NOW_MS - 102_000;
    node3.shard_leaders = 0;
    for index in 0..2 {
        let name = cluster.nodes[index].name.clone();
        let led = cluster.shards.iter().filter(|shard| shard.leader == name).count();
        cluster.nodes[index].shard_leaders = led as u32;
    }
    cluster.nodes[1].load.as_mut().unwrap().disk_used_bytes = 83 << 30;
    cluster.shards[3].replicas[1].state = "lagging".into();
    cluster.moves.push(MoveView {
        shard: 3,
        from: "node3".into(),
        to: "node2".into(),
        step: "learner".into(),
        percent: 68.0,
        reason: "replace a lost copy".into(),
    });
    cluster.events.push(Event {
        id: 4,
        time_ms: NOW_MS - 102_000,
        level: "error".into(),
        subject: "node3".into(),
        text: "no heartbeat for 4 s".into(),
        by: "control".into(),
    });
    cluster
}

/// The first of three members, waiting.
pub(crate) fn forming() -> ClusterSnapshot {
    ClusterSnapshot {
        cluster_id: "my-cluster".into(),
        formation: "forming, 1/3, waiting for node2, node3".into(),
        view_from: "node1".into(),
        taken_ms: NOW_MS,
        ..ClusterSnapshot::default()
    }
}

/// One node where three copies were asked for.
pub(crate) fn single() -> ClusterSnapshot {
    ClusterSnapshot { warnings: vec!["16 shards have 1 of 3 copies: add 2 more data nodes".into()], ..cluster(1, 16) }
}

/// More than fits most screens.
pub(crate) fn large() -> ClusterSnapshot {
    cluster(9, 64)
}

/// All of them.
pub(crate) fn all() -> [ClusterSnapshot; 5] {
    [healthy(), degraded(), forming(), single(), large()]
}
