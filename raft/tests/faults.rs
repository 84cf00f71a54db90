//! A replica that cannot go on says so, once, and the others go on.

mod common;

use bytes::Bytes;
use common::PANIC;
use common::sim::{Shape, Sim, pass};
use phoenixmldb_raft::GroupError;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_panic_while_applying_stops_the_replica_and_tells_the_process() {
    let sim = Sim::start(21, Shape::default()).await;
    let at = sim.leader().await;
    let group = sim.group(at);
    let answer = group.propose(Bytes::from_static(PANIC)).await;
    assert!(matches!(answer, Err(GroupError::Stopped { .. } | GroupError::Ambiguous)), "{answer:?}");
    pass(1_000).await;
    assert!(group.fault().unwrap().contains("applying panicked"), "{:?}", group.fault());
    assert!(matches!(group.propose(Bytes::from("late")).await, Err(GroupError::Stopped { .. })));
    assert!(group.read_barrier().await.is_err());
    let faults = sim.faults.lock().clone();
    let of = |id: u64| faults.iter().filter(|fault| fault.starts_with(&format!("node {id},"))).count();
    assert_eq!(of(sim.nodes[at].id), 1, "{faults:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_written_stops_its_replica_and_the_others_go_on() {
    let sim = Sim::start(22, Shape::default()).await;
    let at = sim.leader().await;
    sim.group(at).propose(Bytes::from("before")).await.unwrap();
    sim.nodes[at].cut_power();
    let lost = sim.group(at).propose(Bytes::from("lost")).await;
    assert!(lost.is_err(), "{lost:?}");
    let heir = loop {
        match sim.leader().await {
            heir if heir != at => break heir,
            _ => pass(50).await,
        }
    };
    sim.group(heir).propose(Bytes::from("after")).await.unwrap();
    let faults = sim.faults.lock().clone();
    assert!(matches!(&faults[..], [fault] if fault.contains("the power is off")), "{faults:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_shut_down_is_no_fault() {
    let sim = Sim::start(23, Shape::default()).await;
    let at = sim.leader().await;
    let group = sim.group(at);
    sim.groups(at).shutdown().await;
    pass(1_000).await;
    assert_eq!(group.fault(), None);
    let late = group.propose(Bytes::from("late")).await;
    assert!(matches!(late, Err(GroupError::Stopped { .. })), "{late:?}");
    sim.assert_no_faults();
}

#[tokio::test(start_paused = true)]
async fn a_group_counts_what_it_does() {
    let sim = Sim::start(24, Shape { snapshot_threshold: 50, max_log_entries: 100, ..Shape::default() }).await;
    let at = sim.leader().await;
    for number in 0..100 {
        sim.group(at).propose(Bytes::from(number.to_string())).await.unwrap();
    }
    sim.converged().await;
    let metrics = sim.group(at).metrics();
    assert_eq!((metrics.proposals_total, metrics.proposals_failed_total, metrics.proposals_in_flight), (100, 0, 0));
    assert_eq!((metrics.propose.count(), metrics.applied_total), (100, 100));
    assert!(metrics.log_append.count() >= 100 && metrics.log_append_bytes_total > 500);
    assert!(metrics.snapshots_built_total >= 1 && metrics.leader_changes_total >= 1 && metrics.apply.count() > 0);
    let other = sim.group((at + 1) % 3);
    assert!(other.propose(Bytes::from("refused")).await.is_err());
    assert_eq!((other.metrics().proposals_failed_total, other.metrics().applied_total), (1, 100));
    pass(1_000).await;
    assert!(sim.groups(at).lateness().count() > 10);
}

/// Who waits for a change of a quiet or stopped group sleeps; it once spun until its time was up.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_change_waits() {
    let sim = Sim::start(1, Shape::default()).await;
    let at = sim.leader().await;
    let group = sim.group(at);
    pass(1_000).await;
    let wait = || async {
        let before = tokio::time::Instant::now();
        for _ in 0..5 {
            group.changed(Duration::from_millis(100)).await;
        }
        before.elapsed()
    };
    assert!(wait().await >= Duration::from_millis(300), "a quiet group");
    group.shutdown().await;
    assert!(wait().await >= Duration::from_millis(300), "a stopped group");
}
