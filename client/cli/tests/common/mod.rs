//! A cluster that is well: what the tests of the command line show.

use phoenixmldb_client::admin_v1::{ClusterSnapshot, NodeView, ReplicaView, SettingsView, ShardView};

/// Nodes 1 to 3 hold everything, node4 was announced and has not started.
pub(crate) fn snapshot() -> ClusterSnapshot {
    let node = |n: u32, role: &str, leaders| NodeView {
        name: format!("node{n}"),
        state: "healthy".into(),
        control_role: role.into(),
        controller: true,
        data: true,
        zone: if n == 1 { "a".into() } else { String::new() },
        client_address: format!("10.0.0.{n}:5432"),
        peer_address: format!("10.0.0.{n}:5433"),
        version: "0.1.0".into(),
        uptime_s: 60,
        shard_leaders: leaders,
        shard_copies: 16,
        last_seen_ms: 120,
        raft_id: format!("{n:016x}"),
        ..NodeView::default()
    };
    let replica = |n: u32, leads: bool| ReplicaView {
        node: format!("node{n}"),
        role: if leads { "leader" } else { "follower" }.into(),
        state: "healthy".into(),
        ..ReplicaView::default()
    };
    let shard = |id: u32| ShardView {
        id,
        range: format!("{:016x}-{:016x}", u64::from(id) << 60, (u64::from(id) << 60) | (u64::MAX >> 4)),
        epoch: 1,
        leader: format!("node{}", id % 3 + 1),
        term: 2,
        replicas: (1..=3).map(|n| replica(n, n == id % 3 + 1)).collect(),
        commit_index: 40 + u64::from(id),
        state: "ok".into(),
        ..ShardView::default()
    };
    let joining = NodeView {
        name: "node4".into(),
        state: "joining".into(),
        reason: "not started".into(),
        control_role: "data".into(),
        data: true,
        ..NodeView::default()
    };
    ClusterSnapshot {
        cluster_id: "my-cluster".into(),
        incarnation: "0b7cbd7a-0a3a-45d5-8b21-5e6b41e3ab11".into(),
        formed: true,
        formation: "formed".into(),
        quorum: true,
        leader: "node1".into(),
        control_term: 3,
        control_applied: 120,
        epoch: 1,
        nodes: vec![node(1, "leader", 6), node(2, "follower", 5), node(3, "follower", 5), joining],
        shards: (0..16).map(shard).collect(),
        settings: Some(SettingsView {
            shard_count: 16,
            replication_factor: 3,
            rebalance_threshold: 0.1,
            election_timeout_min_ms: 150,
            election_timeout_max_ms: 300,
            heartbeat_ms: 50,
            snapshot_threshold: 10_000,
            max_log_entries: 100_000,
        }),
        view_from: "node1".into(),
        taken_ms: 1_767_225_600_000,
        warnings: vec!["node3: sharding.shardCount 32 (file cluster.json) is ignored; the cluster uses 16".into()],
        ..ClusterSnapshot::default()
    }
}
