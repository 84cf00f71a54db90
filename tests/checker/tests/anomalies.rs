//! Planted anomalies of every kind are found, with the right name; histories that can have happened pass.

#![allow(clippy::unwrap_used)]

use phoenixmldb_checker::{Isolation, Kind, Op, Outcome, Txn, check};
use proptest::prelude::*;

/// `a1=5` appends 5 to list 1, `r1=5,6` reads list 1; ends with `abort` or `unknown`, or with nothing. Times follow the
/// order of lines unless they begin with `from-to:`.
fn history(lines: &[&str]) -> Vec<Txn> {
    let mut txns = Vec::new();
    for (at, line) in (0u64..).zip(lines) {
        let (time, words) = line.split_once(": ").unwrap_or(("", line));
        let (invoked, completed) = match time.split_once('-') {
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            // All overlap.
            None => (0, 1_000 + at),
        };
        let mut txn = Txn { invoked, completed: Some(completed), outcome: Outcome::Committed, ops: Vec::new() };
        for word in words.split_whitespace() {
            match word {
                "abort" => txn.outcome = Outcome::Aborted,
                "unknown" => (txn.outcome, txn.completed) = (Outcome::Unknown, None),
                _ => {
                    let (key, values) = word[1..].split_once('=').unwrap();
                    let key = key.parse().unwrap();
                    let values: Vec<u64> =
                        values.split(',').filter(|v| !v.is_empty()).map(|v| v.parse().unwrap()).collect();
                    txn.ops.push(match &word[..1] {
                        "a" => Op::Append { key, value: values[0] },
                        _ => Op::Read { key, values },
                    });
                }
            }
        }
        txns.push(txn);
    }
    txns
}

fn kinds(lines: &[&str], promised: Isolation) -> Vec<Kind> {
    check(&history(lines), promised).into_iter().map(|anomaly| anomaly.kind).collect()
}

#[test]
fn every_planted_anomaly_is_found_under_its_name() {
    for (name, lines, kind) in [
        ("a retried append applied twice", &["a1=1", "r1=1,1"][..], Kind::DuplicateAppend),
        ("a value from nowhere", &["r1=7"], Kind::PhantomAppend),
        ("a value of an aborted transaction", &["a1=1 abort", "r1=1"], Kind::AbortedRead),
        ("half of a transaction", &["a1=1 a1=2", "r1=1"], Kind::IntermediateRead),
        ("own appends unseen", &["a1=1 r1="], Kind::Internal),
        ("a list that changes within a transaction", &["r1= r1=1", "a1=1"], Kind::Internal),
        ("two orders of one list", &["a1=1", "a1=2", "r1=1,2", "r1=2,1"], Kind::IncompatibleOrder),
        ("writes in opposite orders", &["a1=1 a2=1", "a1=2 a2=2", "r1=1,2 r2=2,1"], Kind::G0),
        ("each read the other", &["a1=1 r2=1", "a2=1 r1=1"], Kind::G1c),
        ("read skew", &["a1=1 a2=1", "r1= r2=1"], Kind::GSingle),
        ("a lost update", &["r1= a1=1", "r1= a1=2", "r1=1,2"], Kind::GSingle),
        ("a long fork", &["a1=1", "a2=1", "r1=1 r2=", "r1= r2=1"], Kind::GNonadjacent),
        ("a stale read", &["0-1: a1=1", "2-3: r1="], Kind::GSingleRealTime),
        ("a lost acknowledged append", &["0-1: a1=1", "2-3: a1=2", "4-5: r1=2"], Kind::G0RealTime),
        ("an order against time", &["0-1: a1=1", "2-3: a1=2", "4-5: r1=2,1"], Kind::G0RealTime),
        ("a read from the future", &["0-1: r1=1", "2-3: a1=1"], Kind::G1cRealTime),
    ] {
        let found = kinds(lines, Isolation::Snapshot);
        assert!(found.contains(&kind), "{name}: {found:?}");
    }
}

#[test]
fn write_skew_is_allowed_by_snapshots_and_by_nothing_stronger() {
    let skew = ["r1= a2=1", "r2= a1=1"];
    assert_eq!(kinds(&skew, Isolation::Snapshot), []);
    assert_eq!(kinds(&skew, Isolation::Serializable), [Kind::G2Item]);
    let timed = ["0-10: r1= a2=1", "1-3: r2=", "4-8: r2= a1=1", "20-21: r1=1 r2=1"];
    assert_eq!(kinds(&timed, Isolation::Serializable), [Kind::G2Item]);
}

#[test]
fn a_witness_names_the_transactions_and_their_ties() {
    let found = check(&history(&["a1=1 a2=1", "r1= r2=1"]), Isolation::Snapshot);
    assert_eq!(found[0].to_string(), "GSingle: T1 did not see in 1 the append of T0 appended to 2 what was read by T1");
}

#[test]
fn an_unknown_outcome_may_be_either() {
    assert_eq!(kinds(&["a1=1 unknown", "r1="], Isolation::Serializable), []);
    assert_eq!(kinds(&["a1=1 unknown", "r1=1"], Isolation::Serializable), []);
    assert_eq!(kinds(&["a1=1 a2=1 unknown", "r1=1 r2="], Isolation::Serializable), [Kind::GSingle]);
}

/// Whether each operation appends and to which key, and how far the ends are from the moment it happened.
type Plan = (Vec<(bool, u64)>, u64, u64);

/// Transactions carried out one after the other, each at one instant between its ends.
fn serial(plan: &[Plan]) -> Vec<Txn> {
    let mut lists: std::collections::BTreeMap<u64, Vec<u64>> = Default::default();
    let mut next = 0;
    let run = |(at, (ops, early, late)): (u64, &Plan)| {
        let ops = ops.iter().map(|&(append, key)| {
            let list = lists.entry(key).or_default();
            if append {
                next += 1;
                list.push(next);
                Op::Append { key, value: next }
            } else {
                Op::Read { key, values: list.clone() }
            }
        });
        let ops = ops.collect();
        Txn { invoked: at - early, completed: Some(at + late), outcome: Outcome::Committed, ops }
    };
    (100u64..).step_by(10).zip(plan).map(run).collect()
}

fn plan() -> impl Strategy<Value = Vec<Plan>> {
    let ops = prop::collection::vec((any::<bool>(), 0u64..4), 1..5);
    prop::collection::vec((ops, 0u64..40, 0u64..40), 1..40)
}

proptest! {
    #[test]
    fn what_happened_one_after_the_other_passes(plan in plan()) {
        prop_assert_eq!(check(&serial(&plan), Isolation::Serializable), vec![]);
    }

    /// A read that misses the newest value, though it was answered before the read began.
    #[test]
    fn a_read_made_stale_is_found(plan in plan(), key in 0u64..4) {
        let mut history = serial(&plan);
        let has = |txn: &Txn| txn.appends(key).next().is_some();
        prop_assume!(history.iter().any(has));
        let all: Vec<u64> = history.iter().flat_map(|txn| txn.appends(key).collect::<Vec<_>>()).collect();
        let late = 100_000;
        let read = |values: Vec<u64>, at| Txn {
            invoked: at,
            completed: Some(at + 1),
            outcome: Outcome::Committed,
            ops: vec![Op::Read { key, values }],
        };
        // Cut at the end of a transaction, so that it is no intermediate read.
        let last_writer = history.iter().rev().find(|txn| has(txn)).unwrap();
        let missing = last_writer.appends(key).count();
        history.push(read(all[..all.len() - missing].to_vec(), late));
        prop_assert!(!check(&history, Isolation::Snapshot).is_empty());
        history.pop();
        history.push(read(all, late));
        prop_assert_eq!(check(&history, Isolation::Snapshot), vec![]);
    }
}
