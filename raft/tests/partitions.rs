//! Cut, slow and hung links, on a simulated network: who leads, who may answer, who catches up.

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::sim::{Shape, Sim, is_without_quorum, pass};
use phoenixmldb_raft::testing::Weather;
use phoenixmldb_raft::{GroupError, Role};
use std::time::Duration;

/// Places of the two nodes that do not lead.
fn followers(leader: usize) -> [usize; 2] {
    [(leader + 1) % 3, (leader + 2) % 3]
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_hears_nothing_does_not_depose_a_healthy_leader() {
    let sim = Sim::start(1, Shape::default()).await;
    let at = sim.leader().await;
    let group = sim.group(at);
    let term = group.status().term;
    let deaf = followers(at)[0];
    // It hears neither heartbeats nor answers, but its own messages arrive: pre-votes, again and again.
    for from in 0..3 {
        if from != deaf {
            sim.net.cut(sim.nodes[from].id, sim.nodes[deaf].id);
        }
    }
    for second in 0..20 {
        group.propose(Bytes::from(format!("second {second}"))).await.unwrap();
        pass(1000).await;
        assert_eq!((group.status().role, group.status().term), (Role::Leader, term));
    }
    sim.net.heal();
    assert_eq!(sim.converged().await.len(), 20);
    assert_eq!((group.status().role, group.status().term), (Role::Leader, term), "nor when it hears again");
    sim.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_hears_nobody_falls_silent_and_is_replaced() {
    let sim = Sim::start(2, Shape::default()).await;
    let old = sim.leader().await;
    // Its heartbeats still arrive and would keep the followers from electing another.
    for follower in followers(old) {
        sim.net.cut(sim.nodes[follower].id, sim.nodes[old].id);
    }
    let group = sim.group(old);
    let new = sim.leader_within(Duration::from_secs(20)).await.expect("a new leader");
    assert_ne!(new, old);
    sim.group(new).propose(Bytes::from("later")).await.unwrap();
    assert!(is_without_quorum(&group.read_barrier().await));
    sim.net.heal();
    assert_eq!(sim.converged().await, [Bytes::from("later")]);
    sim.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn a_deposed_leader_serves_no_strong_read() {
    let sim = Sim::start(3, Shape::default()).await;
    let old = sim.leader().await;
    let deposed = sim.group(old);
    deposed.propose(Bytes::from("before")).await.unwrap();
    sim.net.isolate(&[sim.nodes[old].id]);
    // Whoever reads on the old leader, from the moment of the cut on, gets no answer rather than an old one.
    let reads = async {
        for _ in 0..100 {
            let read = deposed.read_barrier().await;
            assert!(is_without_quorum(&read), "{read:?}");
            pass(50).await;
        }
    };
    let writes = async {
        let new = loop {
            match sim.leader_within(Duration::from_secs(20)).await {
                Some(at) if at != old => break at,
                _ => {}
            }
        };
        sim.group(new).propose(Bytes::from("after")).await.unwrap();
    };
    tokio::join!(reads, writes);
    assert_eq!(sim.nodes[old].toy.0.lock().applied, ["before"]);
    sim.net.heal();
    assert_eq!(sim.converged().await, ["before", "after"]);
    sim.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn a_minority_refuses_proposals_and_what_hung_is_not_acknowledged() {
    let sim = Sim::start(4, Shape::default()).await;
    let old = sim.leader().await;
    let minority = sim.group(old);
    sim.net.isolate(&[sim.nodes[old].id]);
    // Appended before the leader can know that it is alone: its outcome stays open.
    let hung = tokio::spawn({
        let group = minority.clone();
        async move { group.propose(Bytes::from("hung")).await }
    });
    pass(2_000).await;
    for _ in 0..20 {
        let refused = minority.propose(Bytes::from("refused")).await;
        assert!(is_without_quorum(&refused), "{refused:?}");
        pass(100).await;
    }
    let new = sim.leader().await;
    assert_ne!(new, old);
    sim.group(new).propose(Bytes::from("kept")).await.unwrap();
    sim.net.heal();
    assert!(matches!(hung.await.unwrap(), Err(GroupError::Ambiguous)));
    assert_eq!(sim.converged().await, ["kept"]);
    sim.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn a_proposal_without_a_quorum_is_answered_even_if_nobody_comes() {
    let sim = Sim::start(5, Shape::default()).await;
    let at = sim.leader().await;
    for node in &sim.nodes {
        sim.net.isolate(&[node.id]);
    }
    let begun = tokio::time::Instant::now();
    let answer = sim.group(at).propose(Bytes::from("lost")).await;
    assert!(matches!(answer, Err(GroupError::Ambiguous | GroupError::NoQuorum)), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(61));
    assert_eq!(sim.group(at).metrics().proposals_in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_never_answers_does_not_hold_the_leader_up() {
    let sim = Sim::start(6, Shape::default()).await;
    let at = sim.leader().await;
    let hung = followers(at)[0];
    // openraft#1810: its requests arrive, its answers do not.
    sim.net.cut(sim.nodes[hung].id, sim.nodes[at].id);
    let begun = tokio::time::Instant::now();
    for number in 0..200 {
        sim.group(at).propose(Bytes::from(number.to_string())).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "200 writes took {:?}", begun.elapsed());
    sim.net.heal();
    assert_eq!(sim.converged().await.len(), 200);
    sim.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn a_restarted_leader_answers_with_everything_acknowledged() {
    // openraft#1511: it could resume without an election and serve a state that is still being restored.
    let mut sim = Sim::start(7, Shape { snapshot_threshold: 50, max_log_entries: 100, ..Shape::default() }).await;
    for round in 1..=5 {
        for number in 0..30 {
            sim.write(&format!("{round}/{number}")).await;
        }
        let at = sim.leader().await;
        sim.crash(at).await;
        sim.restart(at).await;
        let group = sim.group(at);
        for _ in 0..20 {
            if group.read_barrier().await.is_ok() {
                assert_eq!(sim.nodes[at].toy.0.lock().applied.len(), round * 30);
            }
            pass(20).await;
        }
        let next = sim.leader().await;
        assert_eq!(sim.nodes[next].toy.0.lock().applied.len(), round * 30);
    }
    sim.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn a_slow_snapshot_arrives_while_its_sender_goes_on_writing_and_purging() {
    // openraft#1706: a leader that purges behind its newer snapshots starts over for ever.
    let shape = Shape { snapshot_threshold: 200, max_log_entries: 210, ..Shape::default() };
    let mut sim = Sim::start(8, shape).await;
    let at = sim.leader().await;
    let late = followers(at)[0];
    sim.crash(late).await;
    let write = async |from: u64, to: u64| {
        for number in from..to {
            sim.write(&number.to_string()).await;
        }
    };
    write(0, 2_000).await;
    let leader = sim.leader().await;
    assert!(sim.group(leader).status().purged > 500, "{:?}", sim.group(leader).status());
    sim.restart(late).await;
    // Two thousand chunks of 2 ms each: meanwhile the leader writes and snapshots on.
    sim.net.set_weather(Weather { delay_ms: (2, 2), ..Weather::default() });
    for number in 2_000..4_000 {
        sim.write(&number.to_string()).await;
    }
    assert_eq!(sim.converged().await.len(), 4_000);
    let sent: u64 = (0..3).map(|at| sim.group(at).metrics().snapshots_sent_total).sum();
    assert!(sent <= 2, "one or two snapshots are enough, not {sent}");
    assert!(sim.group(late).metrics().snapshots_installed_total >= 1);
    sim.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_snapshot_is_thrown_away_and_sent_again() {
    let shape = Shape { snapshot_threshold: 200, max_log_entries: 210, ..Shape::default() };
    let mut sim = Sim::start(9, shape).await;
    let at = sim.leader().await;
    let late = followers(at)[0];
    sim.crash(late).await;
    for number in 0..2_000 {
        sim.write(&number.to_string()).await;
    }
    // The append that was on its way to the crashed node has to be given up before the log behind it may go.
    pass(2_000).await;
    let leader = sim.leader().await;
    assert!(sim.group(leader).status().purged > 500, "{:?}", sim.group(leader).status());
    sim.net.set_weather(Weather { delay_ms: (5, 5), ..Weather::default() });
    sim.restart(late).await;
    pass(3_000).await;
    assert_eq!(sim.nodes[late].toy.0.lock().applied.len(), 0, "the snapshot is on its way");
    sim.net.isolate(&[sim.nodes[late].id]);
    pass(20_000).await;
    assert_eq!(sim.nodes[late].toy.0.lock().applied.len(), 0, "half a snapshot is none");
    sim.net.heal();
    assert_eq!(sim.converged().await.len(), 2_000);
    sim.assert_no_faults();
}
