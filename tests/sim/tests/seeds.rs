//! Seeds of every day: what was acknowledged is there, strong reads are strong, copies are equal; and a seed says it all.
//!
//! `./check --sim SEED` repeats a seed that fails here; `PHOENIXMLDB_LONG=1` runs a thousand.

#![allow(clippy::unwrap_used)]

use phoenixmldb_sim::{Shape, run};

fn seeds() -> u64 {
    if std::env::var_os("PHOENIXMLDB_LONG").is_some() { 1_000 } else { 30 }
}

#[test]
fn nothing_is_lost_stale_or_different() {
    for seed in 1..=seeds() {
        let report = run(seed, 40, Shape::default(), false);
        assert_eq!(report.violations, Vec::<String>::new(), "./check --sim {seed}");
    }
}

#[test]
fn five_nodes_of_which_some_hold_no_copy_keep_the_same_promises() {
    for seed in 1..=seeds() / 5 {
        let report = run(seed, 40, Shape { nodes: 5, shards: 5, ..Shape::default() }, false);
        assert_eq!(report.violations, Vec::<String>::new(), "./check --sim {seed} --nodes 5");
    }
}

#[test]
fn a_seed_is_a_history() {
    let first = run(7, 40, Shape::default(), false);
    assert_eq!(run(7, 40, Shape::default(), false), first);
    assert_ne!(run(8, 40, Shape::default(), false).digest, first.digest);
}
