//! Whether a history of one register is linearizable (Wing, Gong: J. Parallel Distrib. Comput. 1993; the cache of visited
//! states is Lowe's, Concurrency and Computation 2017).
//!
//! An operation without an answer may have happened at any time after it began, or never.

use std::collections::HashSet;

/// What was asked and answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Read this value; 0 is the initial one.
    Read(u64),
    /// Wrote this value.
    Write(u64),
    /// Replaced the first value by the second; `true` when it was told so.
    Cas(u64, u64, bool),
}

/// One operation of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// What it was.
    pub op: Op,
    /// When it began.
    pub invoked: u64,
    /// When its answer arrived; `None` without one. A read without answer says nothing and is to be left out.
    pub completed: Option<u64>,
}

/// The register after an operation; `None` when the answer is wrong for this value.
fn step(value: u64, op: Op) -> Option<u64> {
    match op {
        Op::Read(seen) => (seen == value).then_some(value),
        Op::Write(written) => Some(written),
        Op::Cas(from, to, done) => match (from == value, done) {
            (true, true) => Some(to),
            (false, false) => Some(value),
            _ => None,
        },
    }
}

/// Looks for an order of all answered operations, and any of the others, that explains every answer.
///
/// Error: the longest run of operations (by place in the history) that could be ordered; none of the rest can follow.
pub fn check(history: &[Call]) -> Result<(), Vec<usize>> {
    let mut order: Vec<usize> = (0..history.len()).collect();
    order.sort_by_key(|&at| history[at].invoked);
    let answered = order.iter().filter(|&&at| history[at].completed.is_some()).count();
    let words = history.len().div_ceil(64);
    let (mut done, mut value) = (vec![0u64; words], 0u64);
    let mut seen: HashSet<(Vec<u64>, u64)> = HashSet::new();
    // Places in `order` tried next at each depth, and what to go back to.
    let mut path: Vec<(usize, u64)> = Vec::new();
    let (mut longest, mut left, mut from) = (Vec::new(), answered, 0);
    loop {
        if left == 0 {
            return Ok(());
        }
        let is_done = |at: usize, done: &[u64]| done[at / 64] >> (at % 64) & 1 == 1;
        // Whatever is first has to begin before the earliest answer of all that are still to come.
        let bound = order
            .iter()
            .filter(|&&at| !is_done(at, &done))
            .filter_map(|&at| history[at].completed)
            .min()
            .unwrap_or(u64::MAX);
        let mut chosen = None;
        for (place, &at) in order.iter().enumerate().skip(from) {
            if history[at].invoked > bound {
                break;
            }
            if is_done(at, &done) {
                continue;
            }
            if let Some(after) = step(value, history[at].op) {
                done[at / 64] |= 1 << (at % 64);
                if seen.insert((done.clone(), after)) {
                    chosen = Some((place, at, after));
                    break;
                }
                done[at / 64] &= !(1 << (at % 64));
            }
        }
        match chosen {
            Some((place, at, after)) => {
                path.push((place, value));
                value = after;
                left -= usize::from(history[at].completed.is_some());
                from = 0;
                if path.len() > longest.len() {
                    longest = path.iter().map(|(place, _)| order[*place]).collect();
                }
            }
            None => {
                let Some((place, before)) = path.pop() else { return Err(longest) };
                let at = order[place];
                done[at / 64] &= !(1 << (at % 64));
                left += usize::from(history[at].completed.is_some());
                value = before;
                from = place + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(op: Op, invoked: u64, completed: u64) -> Call {
        Call { op, invoked, completed: Some(completed) }
    }

    #[test]
    fn what_overlaps_may_happen_in_any_order_and_what_does_not_may_not() {
        let overlapping = [call(Op::Write(1), 0, 10), call(Op::Read(1), 1, 2), call(Op::Read(1), 11, 12)];
        assert_eq!(check(&overlapping), Ok(()));
        let stale = [call(Op::Write(1), 0, 1), call(Op::Read(0), 2, 3)];
        assert_eq!(check(&stale), Err(vec![0]));
        let back = [call(Op::Write(1), 0, 10), call(Op::Read(1), 1, 2), call(Op::Read(0), 3, 4)];
        assert!(check(&back).is_err(), "what one read has seen the next one has to see");
        let unknown = [Call { completed: None, ..call(Op::Write(1), 0, 0) }, call(Op::Read(1), 50, 51)];
        assert_eq!(check(&unknown), Ok(()));
        assert_eq!(check(&[unknown[0], call(Op::Read(0), 50, 51)]), Ok(()));
        let twice = [call(Op::Cas(0, 1, true), 0, 1), call(Op::Cas(0, 2, true), 2, 3)];
        assert!(check(&twice).is_err(), "one compare-and-set wins");
    }

    proptest! {
        /// A register that works passes; with one answer changed to a value never written it does not.
        #[test]
        fn a_history_of_a_real_register_passes_and_a_broken_one_does_not(
            steps in prop::collection::vec((0u8..3, 0u64..5, 0u64..6, 0u64..6), 1..40),
            broken in any::<prop::sample::Index>(),
        ) {
            let (mut value, mut history) = (0, Vec::new());
            for (at, (kind, number, early, late)) in (10u64..).step_by(10).zip(steps) {
                let op = match kind {
                    0 => Op::Read(value),
                    1 => Op::Write(number + 1),
                    _ => Op::Cas(number, number + 7, number == value),
                };
                value = step(value, op).unwrap();
                // It takes effect at `at`, somewhere between its ends.
                history.push(Call { op, invoked: at - early, completed: Some(at + late) });
            }
            prop_assert_eq!(check(&history), Ok(()));
            let at = broken.index(history.len());
            history[at].op = Op::Read(999);
            prop_assert!(check(&history).is_err());
        }
    }
}
