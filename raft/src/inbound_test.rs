//! What a follower makes of frames in an order that a network can produce.

#![allow(clippy::unwrap_used)]

use crate::error::StateFault;
use crate::group::RaftGroup;
use crate::groups::{Groups, GroupsConfig, Timing};
use crate::limits::SNAPSHOTS_ARRIVING_MAX;
use crate::log_store::{Done, LogEngine, LogHead, LogOp, MemoryLog};
use crate::machine::{CommittedEntry, ReplicatedState};
use crate::network::Kind;
use crate::snapshot::SnapshotReader;
use crate::testing::{Dice, SimLog, SimNetwork};
use crate::type_config::{
    C, Command, CommittedLeader, Entry, LogId, Membership, Peer, SnapshotMeta, Vote, decode, encode,
};
use bytes::Bytes;
use openraft::EntryPayload;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use parking_lot::Mutex;
use phoenixmldb_types::GroupId;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

const GROUP: GroupId = GroupId(16);

/// Counts what it applies.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<u64>>);

impl ReplicatedState for Counter {
    fn position(&mut self) -> Result<Option<Bytes>, StateFault> {
        Ok(None)
    }
    fn apply(&mut self, entries: &[CommittedEntry], _: Bytes) -> Result<Vec<Bytes>, StateFault> {
        *self.0.lock() += entries.len() as u64;
        Ok(vec![Bytes::new(); entries.len()])
    }
    fn flush(&mut self) -> Result<(), StateFault> {
        Ok(())
    }
    fn snapshot(&mut self) -> Result<Box<dyn SnapshotReader>, StateFault> {
        Ok(Box::new(Vec::new().into_iter()))
    }
    fn install(&mut self, mut chunks: Box<dyn SnapshotReader>, _: Bytes) -> Result<(), StateFault> {
        let mut counted = 0;
        while chunks.next_chunk()?.is_some() {
            counted += 1;
        }
        *self.0.lock() = counted;
        Ok(())
    }
}

/// A replica whose leader is the test.
async fn follower(log: Arc<dyn LogEngine>) -> (Arc<Groups>, RaftGroup, Counter, Arc<Mutex<Vec<String>>>) {
    let fatal: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = fatal.clone();
    let config = GroupsConfig {
        own: Peer { raft_id: 1, name: "node1".to_owned(), address: String::new() },
        cluster_id: "test".to_owned(),
        timing: Timing::default(),
        snapshot_threshold: 10_000,
        max_log_entries: 20_000,
        runtime: tokio::runtime::Handle::current(),
        on_fatal: Arc::new(move |_, reason| heard.lock().push(reason)),
    };
    let groups = Groups::new(config, log, SimNetwork::new(0).transport("test", 1));
    let counter = Counter::default();
    let group = groups.open(GROUP, Box::new(counter.clone())).await.unwrap();
    (groups, group, counter, fatal)
}

fn log_id(term: u64, index: u64) -> LogId {
    openraft::LogId::<CommittedLeader>::new_term_index(term, index)
}

/// An append of the leader of `term`, of entries that were written in term 1.
fn append(term: u64, indexes: RangeInclusive<u64>, committed: u64) -> Bytes {
    let entry = |index| Entry { log_id: log_id(1, index), payload: EntryPayload::Normal(Command(Bytes::from("x"))) };
    encode(&AppendEntriesRequest::<C> {
        vote: Vote::new_committed(term, term + 1),
        prev_log_id: indexes.start().checked_sub(1).map(|index| log_id(1, index)),
        leader_commit: Some(log_id(1, committed)),
        entries: indexes.map(entry).collect(),
    })
}

fn snapshot_at(term: u64, index: u64) -> (SnapshotMeta, Box<dyn SnapshotReader>) {
    let meta = SnapshotMeta { last_log_id: Some(log_id(term, index)), last_membership: Membership::default() };
    let chunks = vec![Bytes::from("x"); usize::try_from(index).unwrap() + 1];
    (meta, Box::new(chunks.into_iter()))
}

fn is_success(answer: &Result<Bytes, String>) -> bool {
    let answer = answer.as_ref().map(|body| decode::<AppendEntriesResponse<C>>("answer", body).unwrap());
    matches!(answer, Ok(AppendEntriesResponse::Success))
}

/// A hundred entries, half of them committed; then a new leader finds them all there.
async fn prepare(group: &RaftGroup) -> (Bytes, Bytes) {
    assert!(is_success(&group.receive(Kind::Append, &append(1, 0..=100, 50)).await));
    (append(2, 50..=80, 50), append(2, 81..=100, 50))
}

#[tokio::test]
async fn a_snapshot_right_behind_appends_waits_for_them() {
    let (_groups, group, counter, fatal) = follower(Arc::new(MemoryLog::default())).await;
    let (first, second) = prepare(&group).await;
    let (meta, chunks) = snapshot_at(2, 200);
    let (vote, meta) = (encode(&Vote::new_committed(2, 3)), encode(&meta));
    let (first, second, installed) = tokio::join!(
        group.receive(Kind::Append, &first),
        group.receive(Kind::Append, &second),
        group.receive_snapshot(&vote, &meta, chunks),
    );
    assert!(is_success(&first) && is_success(&second) && installed.is_ok(), "{first:?} {second:?} {installed:?}");
    group.wait_applied(200, std::time::Duration::from_secs(5)).await.unwrap();
    assert_eq!(*counter.0.lock(), 201);
    assert_eq!(group.fault(), None);
    assert!(fatal.lock().is_empty(), "{:?}", fatal.lock());
}

/// openraft#2116: leaders that find the entries of their predecessor, commits that lag, snapshots in between.
async fn hammer(seed: u64) -> Option<String> {
    let mut dice = Dice::new(seed);
    let log = SimLog::new(seed, (0, dice.between(0, 5)));
    let (_groups, group, _, fatal) = follower(Arc::new(log)).await;
    // One log, all of it from term 1 and committed; the follower has a part. Every leader since sends pieces of it.
    let log_end = 400;
    let has = dice.between(60, log_end);
    assert!(is_success(&group.receive(Kind::Append, &append(1, 0..=has, 50)).await));
    let mut frames = Vec::new();
    let (mut sent, mut term) = (50, 2);
    for _ in 0..30 {
        term += u64::from(dice.chance(100));
        if dice.chance(200) {
            sent = (sent + dice.between(1, 60)).min(log_end);
            frames.push(Err((Vote::new_committed(term, term + 1), snapshot_at(1, sent))));
        } else {
            let first = sent.saturating_sub(dice.between(0, 20));
            sent = (sent + dice.between(0, 20)).min(log_end);
            frames.push(Ok(append(term, first..=sent.max(first), first)));
        }
    }
    let mut tasks = Vec::new();
    for frame in frames {
        let group = group.clone();
        tasks.push(tokio::spawn(async move {
            match frame {
                Ok(body) => drop(group.receive(Kind::Append, &body).await),
                Err((vote, (meta, chunks))) => {
                    drop(group.receive_snapshot(&encode(&vote), &encode(&meta), chunks).await);
                }
            }
        }));
        for _ in 0..dice.between(0, 4) {
            tokio::task::yield_now().await;
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let heard = fatal.lock().first().cloned();
    heard.or(group.fault())
}

#[test]
fn snapshots_between_appends_never_stop_a_follower() {
    for seed in 0..if is_long() { 20_000 } else { 300 } {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        assert_eq!(runtime.block_on(hammer(seed)), None, "seed {seed}");
    }
}

fn is_long() -> bool {
    std::env::var_os("PHOENIXMLDB_LONG").is_some_and(|value| value == "1")
}

/// A log engine with a bug.
#[derive(Default)]
struct Bomb(MemoryLog);

impl LogEngine for Bomb {
    fn head(&self, group: GroupId) -> io::Result<LogHead> {
        self.0.head(group)
    }
    fn read(&self, group: GroupId, from: u64, to: u64) -> io::Result<Vec<(u64, Bytes)>> {
        self.0.read(group, from, to)
    }
    fn submit(&self, group: GroupId, op: LogOp, done: Done) {
        assert!(!matches!(&op, LogOp::Append(entries) if entries.iter().any(|(index, _)| *index == 100)), "a bug");
        self.0.submit(group, op, done);
    }
    fn remove(&self, group: GroupId) -> io::Result<()> {
        self.0.remove(group)
    }
    fn groups(&self) -> io::Result<Vec<GroupId>> {
        self.0.groups()
    }
}

#[tokio::test]
async fn a_core_that_panics_is_noticed_and_the_process_is_told_once() {
    let (_groups, group, _, fatal) = follower(Arc::new(Bomb::default())).await;
    assert!(is_success(&group.receive(Kind::Append, &append(1, 0..=99, 50)).await));
    assert_eq!(group.fault(), None);
    assert!(group.receive(Kind::Append, &append(1, 100..=100, 50)).await.is_err());
    for _ in 0..1000 {
        if !fatal.lock().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(fatal.lock().len(), 1, "told once: {:?}", fatal.lock());
    assert!(group.propose(Bytes::from("late")).await.is_err());
}

#[tokio::test]
async fn a_message_for_another_group_cluster_or_identity_is_refused() {
    let (groups, _, _, _) = follower(Arc::new(MemoryLog::default())).await;
    let body = append(1, 0..=1, 0);
    let receive = async |cluster: &str, to, group| groups.receive(cluster, to, group, Kind::Append, &body).await;
    assert!(is_success(&receive("test", 1, GROUP).await));
    assert!(receive("other", 1, GROUP).await.unwrap_err().contains("cluster id mismatch"));
    assert!(receive("test", 2, GROUP).await.unwrap_err().contains("not the identity"));
    assert!(receive("test", 1, GroupId(99)).await.unwrap_err().contains("not open"));
    assert_eq!(groups.rejected_total(), 2);
    assert_eq!(groups.arriving.available_permits(), SNAPSHOTS_ARRIVING_MAX);
}
