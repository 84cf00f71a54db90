//! Random interleavings of transactions, with coordinators that die at any step and replicas that replay their logs:
//! all or nothing, no lock left behind, first committer wins, and Serializable is serial.

#![allow(clippy::unwrap_used)] // a model, not a product

#[allow(dead_code)] // shared with the scripts
mod world;

use phoenixmldb_shard::txn::{TxnStatus, Verdict};
use phoenixmldb_types::{ShardId, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use world::{DEADLINE, World};

const SHARDS: u32 = 3;
const TXNS: usize = 5;
const DOCUMENTS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Get(usize, u32, usize),
    Scan(usize, u32),
    Set(usize, u32, usize, bool),
    Commit(usize),
    /// Performs one of the actions that wait, if any.
    Advance(usize, usize),
    Crash(usize),
    /// The last prepare of the transaction arrives once more.
    PrepareAgain(usize, u32),
    Put(u32, usize),
    ReadAll,
    Sweep(u32),
    Expire,
    Forget(u32),
    Restart(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let (txn, shard, document) = (0..TXNS, 0..SHARDS, 0..DOCUMENTS.len());
    prop_oneof![
        6 => (txn.clone(), shard.clone(), document.clone()).prop_map(|(t, s, d)| Step::Get(t, s, d)),
        2 => (txn.clone(), shard.clone()).prop_map(|(t, s)| Step::Scan(t, s)),
        8 => (txn.clone(), shard.clone(), document.clone(), any::<bool>())
            .prop_map(|(t, s, d, delete)| Step::Set(t, s, d, delete)),
        4 => txn.clone().prop_map(Step::Commit),
        24 => (txn.clone(), 0usize..4).prop_map(|(t, choice)| Step::Advance(t, choice)),
        1 => txn.clone().prop_map(Step::Crash),
        1 => (txn, shard.clone()).prop_map(|(t, s)| Step::PrepareAgain(t, s)),
        2 => (shard.clone(), document).prop_map(|(s, d)| Step::Put(s, d)),
        3 => Just(Step::ReadAll),
        2 => shard.clone().prop_map(Step::Sweep),
        1 => Just(Step::Expire),
        1 => shard.clone().prop_map(Step::Forget),
        1 => shard.prop_map(Step::Restart),
    ]
}

type Everything = BTreeMap<ShardId, BTreeMap<String, u32>>;

/// Versions of a document: walks down from the top.
fn versions(world: &World, shard: ShardId, document: &str) -> Vec<Timestamp> {
    let view = phoenixmldb_store::Kv::snapshot(&world.shards[&shard].kv);
    let key = phoenixmldb_store::keyspace::document(shard, world::CONTAINER, &world::name(document));
    let mut found = Vec::new();
    let mut at = Timestamp::MAX;
    while let Some(record) = phoenixmldb_store::mvcc::record_at(&*view, &key, at).unwrap() {
        found.push(record.commit_ts());
        at = record.commit_ts().prev();
    }
    found
}

fn run(steps: &[Step], serializable: bool) -> Result<(), TestCaseError> {
    let mut world = World::new(0..SHARDS);
    let mut content = 0;
    let mut reads: Vec<(Timestamp, Everything)> = Vec::new();
    for step in steps {
        let txn = |index: &usize| format!("t{index}");
        let idle = |world: &World, index: &usize| {
            let state = &world.txns[&format!("t{index}")];
            !state.crashed && state.protocol.is_none() && state.verdict.is_none()
        };
        if let Step::Get(index, ..) | Step::Scan(index, _) | Step::Set(index, ..) | Step::Commit(index) = step
            && !world.txns.contains_key(&txn(index))
        {
            world.begin(&txn(index), ShardId(*index as u32 % SHARDS), serializable);
        }
        match step {
            Step::Get(index, shard, document) if idle(&world, index) => {
                world.txn_read(&txn(index), ShardId(*shard), DOCUMENTS[*document]);
            }
            Step::Scan(index, shard) if idle(&world, index) => drop(world.txn_scan(&txn(index), ShardId(*shard))),
            Step::Set(index, shard, document, delete) if idle(&world, index) => {
                content += 1;
                let key = (ShardId(*shard), DOCUMENTS[*document].to_owned());
                let value = (!delete).then_some(content);
                world.txns.get_mut(&txn(index)).unwrap().writes.insert(key, value);
            }
            Step::Commit(index) if idle(&world, index) => world.start_commit(&txn(index)),
            Step::Advance(index, choice) => {
                let Some(state) = world.txns.get_mut(&txn(index)) else { continue };
                if state.crashed || state.actions.is_empty() {
                    continue;
                }
                let action = state.actions.remove(choice % state.actions.len());
                world.act(&txn(index), &action);
            }
            Step::Crash(index) => {
                if let Some(state) = world.txns.get_mut(&txn(index)) {
                    state.crashed = true;
                }
            }
            Step::PrepareAgain(index, shard) => {
                let sent = world.txns.get(&txn(index)).and_then(|state| state.protocol.as_ref());
                if sent.is_some_and(|protocol| protocol.participants().contains(&ShardId(*shard))) {
                    world.prepare(&txn(index), ShardId(*shard));
                }
            }
            Step::Put(shard, document) => {
                content += 1;
                world.put(ShardId(*shard), DOCUMENTS[*document], Some(content));
            }
            Step::ReadAll => {
                let at = world.tick();
                let all = (0..SHARDS).map(|shard| (ShardId(shard), world.scan(ShardId(shard), at))).collect();
                reads.push((at, all));
            }
            Step::Sweep(shard) => world.sweep(ShardId(*shard)),
            Step::Expire => world.clock += DEADLINE,
            Step::Forget(shard) => {
                // Records are kept far longer than any transaction may take.
                let below = Timestamp(world.clock.saturating_sub(3 * DEADLINE));
                world.forget(ShardId(*shard), below);
            }
            Step::Restart(shard) => drop(world.restart(ShardId(*shard))),
            Step::Get(..) | Step::Scan(..) | Step::Set(..) | Step::Commit(_) => {}
        }
    }
    // Everybody dies; recovery needs nobody's help, and one round of it is enough once the time is up.
    world.clock += 2 * DEADLINE;
    for shard in 0..SHARDS {
        world.sweep(ShardId(shard));
    }
    for shard in 0..SHARDS {
        prop_assert_eq!(world.locks(ShardId(shard)), vec![], "no lock is left after recovery");
    }
    for (at, seen) in &reads {
        let now: Everything = (0..SHARDS).map(|s| (ShardId(s), world.peek_all(ShardId(s), *at))).collect();
        prop_assert_eq!(seen, &now, "nothing appears below a timestamp that was read at: {:?}", at);
    }
    check_transactions(&world)
}

fn check_transactions(world: &World) -> Result<(), TestCaseError> {
    for (name, txn) in &world.txns {
        if txn.writes.is_empty() {
            continue;
        }
        let knows = |shard: ShardId| world.status(shard, txn.id);
        let record = txn.writes.keys().map(|(shard, _)| *shard).chain([txn.id.anchor]).map(knows);
        let commit_ts = record
            .filter_map(|status| match status {
                TxnStatus::Committed { commit_ts } => Some(commit_ts),
                _ => None,
            })
            .next();
        match &txn.verdict {
            // A record that was forgotten since is allowed to be unknown; its effects are checked all the same.
            Some(Verdict::Committed(at)) => prop_assert!(commit_ts.is_none_or(|known| known == *at), "{}", name),
            Some(Verdict::Refused(_) | Verdict::Expired | Verdict::Unreachable(_)) => {
                prop_assert_eq!(commit_ts, None, "{} was told it was aborted", name);
            }
            Some(Verdict::Unknown) | None => {}
        }
        let commit_ts = match &txn.verdict {
            Some(Verdict::Committed(at)) => Some(*at),
            _ => commit_ts,
        };
        for ((shard, document), value) in &txn.writes {
            let seen = commit_ts.map(|at| world.peek(*shard, document, at));
            if let Some(seen) = seen {
                prop_assert_eq!(seen, *value, "{} is all there: {}/{}", name, shard, document);
            } else if value.is_some() {
                let anywhere =
                    versions(world, *shard, document).into_iter().any(|at| world.peek(*shard, document, at) == *value);
                prop_assert!(!anywhere, "{} left nothing behind: {}/{}", name, shard, document);
            }
        }
        let Some(commit_ts) = commit_ts else { continue };
        for (shard, document) in txn.writes.keys() {
            let between = |at: &Timestamp| *at > txn.id.start_ts && *at < commit_ts;
            let lost = versions(world, *shard, document).into_iter().any(|at| between(&at));
            prop_assert!(!lost, "{} overwrote what it had not seen: {}/{}", name, shard, document);
        }
        if txn.serializable {
            // As if it had run alone just before it committed.
            let before = commit_ts.prev();
            for ((shard, document), seen) in &txn.reads {
                prop_assert_eq!(world.peek(*shard, document, before), *seen, "{} read {}", name, document);
            }
            for (shard, seen) in &txn.scanned {
                prop_assert_eq!(&world.peek_all(*shard, before), seen, "{} scanned {}", name, shard);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn snapshot_transactions_are_atomic_and_lose_no_update(steps in prop::collection::vec(step(), 1..120)) {
        run(&steps, false)?;
    }

    #[test]
    fn serializable_transactions_are_serial_in_the_order_of_their_commits(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        run(&steps, true)?;
    }
}
