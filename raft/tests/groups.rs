//! Groups of three processes over gRPC on loopback: elections, losses, restarts, snapshots, membership.

mod common;

use bytes::Bytes;
use common::{Node, Settings, Toy, cluster, leader, until};
use phoenixmldb_raft::{GroupError, MemoryLog, Role, Timing};
use phoenixmldb_types::{GroupId, ShardId};
use std::collections::BTreeSet;
use std::sync::Arc;

const GROUP: GroupId = GroupId(16);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_applied_on_every_replica_in_one_order() {
    let nodes = cluster(3, &[GROUP], &Settings::default()).await;
    let at = leader(&nodes, GROUP).await;
    let group = nodes[at].groups.get(GROUP).unwrap();
    for round in 0..50 {
        let reply = group.propose(Bytes::from(format!("command {round}"))).await.unwrap();
        assert_eq!(reply, Bytes::from((round + 1).to_string()));
    }
    until("every replica applies 50", || nodes.iter().all(|node| node.toys[&GROUP].0.lock().applied.len() == 50)).await;
    let first = nodes[0].toys[&GROUP].0.lock().applied.clone();
    assert!(nodes.iter().all(|node| node.toys[&GROUP].0.lock().applied == first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_names_the_leader() {
    let nodes = cluster(3, &[GROUP], &Settings::default()).await;
    let at = leader(&nodes, GROUP).await;
    let follower = nodes[(at + 1) % 3].groups.get(GROUP).unwrap();
    until("the follower hears of the leader", || follower.leader().is_some()).await;
    match follower.propose(Bytes::from("x")).await {
        Err(GroupError::NotLeader { leader: Some(peer) }) => assert_eq!(peer, nodes[at].peer),
        other => panic!("{other:?}"),
    }
    assert!(matches!(follower.read_barrier().await, Err(GroupError::NotLeader { .. })));
    assert_eq!(follower.leadership(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_is_replaced_and_nothing_acknowledged_is_lost() {
    let settings = Settings::default();
    let mut nodes = cluster(3, &[GROUP], &settings).await;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let at = leader(&nodes, GROUP).await;
        let group = nodes[at].groups.get(GROUP).unwrap();
        for number in 0..20 {
            let command = Bytes::from(format!("{round}/{number}"));
            group.propose(command.clone()).await.unwrap();
            acknowledged.push(command);
        }
        let lost = nodes.remove(at);
        let id = lost.peer.raft_id;
        let (port, log, toys) = lost.stop().await;
        let heir = leader(&nodes, GROUP).await;
        let have = nodes[heir].toys[&GROUP].0.lock().applied.clone();
        assert!(acknowledged.iter().all(|command| have.contains(command)));
        let mut back = Node::start(id, Some(port), log, &settings).await;
        back.open(GROUP, toys[&GROUP].clone()).await;
        nodes.push(back);
    }
    until("all replicas are equal", || {
        let first = nodes[0].toys[&GROUP].0.lock().applied.clone();
        first.len() >= 60 && nodes.iter().all(|node| node.toys[&GROUP].0.lock().applied == first)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_there_is_no_strong_read() {
    let mut nodes = cluster(3, &[GROUP], &Settings::default()).await;
    let at = leader(&nodes, GROUP).await;
    let alone = nodes.remove(at);
    for node in nodes {
        node.stop().await;
    }
    let group = alone.groups.get(GROUP).unwrap();
    let refused = group.read_barrier().await;
    assert!(matches!(refused, Err(GroupError::NoQuorum | GroupError::NotLeader { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_evaluated_under_an_old_leadership_is_refused() {
    let nodes = cluster(3, &[GROUP], &Settings::default()).await;
    let at = leader(&nodes, GROUP).await;
    let group = nodes[at].groups.get(GROUP).unwrap();
    let token = group.leadership().unwrap();
    assert!(group.propose_as(token, Bytes::from("now")).await.is_ok());
    let to = nodes[(at + 1) % 3].peer.raft_id;
    group.transfer_leader(to).await.unwrap();
    let late = group.propose_as(token, Bytes::from("late")).await;
    assert!(late.is_err(), "{late:?}");
    let heir = leader(&nodes, GROUP).await;
    assert_eq!(nodes[heir].peer.raft_id, to);
    let stale = nodes[heir].groups.get(GROUP).unwrap().propose_as(token, Bytes::from("stale")).await;
    assert!(matches!(stale, Err(GroupError::LeadershipChanged | GroupError::NotLeader { .. })), "{stale:?}");
    assert!(!nodes[heir].toys[&GROUP].0.lock().applied.contains(&Bytes::from("stale")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_behind_the_purged_log_comes_back_by_snapshot() {
    let settings = Settings { snapshot_threshold: 100, max_log_entries: 120, ..Settings::default() };
    let mut nodes = cluster(3, &[GROUP], &settings).await;
    let at = leader(&nodes, GROUP).await;
    let behind = nodes.remove((at + 1) % 3);
    let id = behind.peer.raft_id;
    let (port, log, _) = behind.stop().await;
    let at = leader(&nodes, GROUP).await;
    let group = nodes[at].groups.get(GROUP).unwrap();
    for number in 0..1500 {
        group.propose(Bytes::from(number.to_string())).await.unwrap();
    }
    until("the log is purged", || group.status().purged > 100).await;
    // A new disk: neither log nor state.
    drop(log);
    let mut back = Node::start(id, Some(port), Arc::new(MemoryLog::default()), &settings).await;
    let open = back.open(GROUP, Toy::default()).await;
    nodes.push(back);
    until("the snapshot arrives", || nodes[2].toys[&GROUP].0.lock().applied.len() == 1500).await;
    assert_eq!(open.status().role, Role::Follower);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_entries_replicate_though_they_need_more_than_a_heartbeats_time() {
    // Three replicas copy on two threads; only the heartbeat's time is to be short.
    let timing = Timing { election_timeout_min_ms: 3_000, election_timeout_max_ms: 4_000, heartbeat_ms: 20 };
    let settings = Settings { timing, ..Settings::default() };
    let mut nodes = cluster(3, &[GROUP], &settings).await;
    let at = leader(&nodes, GROUP).await;
    let late = nodes.remove((at + 1) % 3);
    let id = late.peer.raft_id;
    let (port, log, toys) = late.stop().await;
    let at = leader(&nodes, GROUP).await;
    let group = nodes[at].groups.get(GROUP).unwrap();
    group.propose(Bytes::from(vec![7; 40 << 20])).await.unwrap();
    // Together more than one message may hold.
    for number in 0..45u8 {
        group.propose(Bytes::from(vec![number; 2 << 20])).await.unwrap();
    }
    let mut back = Node::start(id, Some(port), log, &settings).await;
    back.open(GROUP, toys[&GROUP].clone()).await;
    nodes.push(back);
    until("the late one catches up", || nodes[2].toys[&GROUP].0.lock().applied.len() == 46).await;
    let applied = nodes[2].toys[&GROUP].0.lock().applied.clone();
    assert!((applied[0].len(), applied[45].len()) == (40 << 20, 2 << 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_added_as_learners_and_voters_replaced() {
    let settings = Settings::default();
    let mut nodes = cluster(3, &[GROUP], &settings).await;
    let at = leader(&nodes, GROUP).await;
    let group = nodes[at].groups.get(GROUP).unwrap();
    group.propose(Bytes::from("before")).await.unwrap();
    let mut fourth = Node::start(4, None, Arc::new(MemoryLog::default()), &settings).await;
    fourth.open(GROUP, Toy::default()).await;
    group.add_learner(fourth.peer.clone()).await.unwrap();
    assert_eq!(group.status().voters.len(), 3);
    nodes.push(fourth);
    until("the learner catches up", || nodes[3].toys[&GROUP].0.lock().applied.len() == 1).await;
    let leaving = nodes[(at + 1) % 3].peer.raft_id;
    let voters: BTreeSet<u64> = (1..=4).filter(|id| *id != leaving).collect();
    group.change_voters(voters.clone()).await.unwrap();
    assert_eq!(group.status().voters.keys().copied().collect::<BTreeSet<_>>(), voters);
    assert!(matches!(group.transfer_leader(leaving).await, Err(GroupError::Refused { .. })));
    group.propose(Bytes::from("after")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_groups_share_the_connections() {
    let ids: Vec<GroupId> = (0..16).map(|shard| GroupId::shard(ShardId(shard))).collect();
    let nodes = cluster(3, &ids, &Settings::default()).await;
    for &id in &ids {
        let at = leader(&nodes, id).await;
        nodes[at].groups.get(id).unwrap().propose(Bytes::from(id.to_string())).await.unwrap();
    }
    until("every group applies its command everywhere", || {
        nodes.iter().all(|node| ids.iter().all(|id| node.toys[id].0.lock().applied == [Bytes::from(id.to_string())]))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_and_counted() {
    let ours = cluster(1, &[GROUP], &Settings::default()).await;
    leader(&ours, GROUP).await;
    let settings = Settings { cluster_id: "another", ..Settings::default() };
    let mut stranger = Node::start(9, None, Arc::new(MemoryLog::default()), &settings).await;
    let group = stranger.open(GROUP, Toy::default()).await;
    let members = [(9, stranger.peer.clone()), (1, ours[0].peer.clone())].into();
    group.initialize(members).await.unwrap();
    until("the stranger's votes are refused", || ours[0].groups.rejected_total() > 0).await;
    assert_eq!(ours[0].groups.get(GROUP).unwrap().status().voters.len(), 1);
}
