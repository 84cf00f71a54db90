//! Transactions over append-only lists, after Elle (Kingsbury, Alvaro: VLDB 2020).
//!
//! A list shows the order of its appends, so every read proves who wrote before whom. Those proofs are edges between
//! transactions; a cycle of edges is a history that no order explains (Adya, "Weak Consistency", 1999):
//!
//! | cycle | of | forbidden by |
//! |---|---|---|
//! | G0 | overwriting alone | everything |
//! | G1c | and reading | everything |
//! | G-single | and exactly one anti-dependency | snapshot |
//! | G-nonadjacent | and several, no two in a row | snapshot (Cerone, Gotsman: JACM 2018) |
//! | G2-item | and several | serializable |
//!
//! With real-time edges the same cycles say that a transaction did not see what was answered before it began.

use crate::cycles::{Cycle, Edge, Graph};
use crate::history::{Op, Outcome, Txn};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was promised. Real time is promised by both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// Write skew may happen.
    Snapshot,
    /// Nothing may.
    Serializable,
}

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "each is named as in the literature; see the table of the module")]
pub enum Kind {
    /// A value stands twice in a list.
    DuplicateAppend,
    /// A value that nobody appended.
    PhantomAppend,
    /// A value of an aborted transaction (G1a).
    AbortedRead,
    /// A list that ends within another transaction (G1b).
    IntermediateRead,
    /// A transaction does not see its own appends, or sees a list change that it did not change.
    Internal,
    /// Two reads of a list of which neither begins with the other.
    IncompatibleOrder,
    G0,
    G1c,
    GSingle,
    GNonadjacent,
    G2Item,
    /// The same with real time among the reasons.
    G0RealTime,
    G1cRealTime,
    GSingleRealTime,
    GNonadjacentRealTime,
    G2ItemRealTime,
}

/// Something that cannot have happened, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    /// What it is.
    pub kind: Kind,
    /// Transactions by their place in the history, with what ties each to the next; or in words.
    pub witness: String,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.witness)
    }
}

/// Finds what the promised isolation does not allow; empty for a history that can have happened.
#[must_use]
pub fn check(history: &[Txn], promised: Isolation) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let writers = writers(history, &mut found);
    for (at, txn) in history.iter().enumerate() {
        read_values(history, &writers, at, &mut found);
        internal(at, txn, &mut found);
    }
    let orders = orders(history, &mut found);
    // With a list whose order is unknown there are no proofs.
    if found.is_empty() {
        let mut graph = dependencies(history, &writers, &orders);
        cycles(&graph, promised, false, &mut found);
        real_time(history, &mut graph);
        if found.is_empty() {
            cycles(&graph, promised, true, &mut found);
        }
    }
    found
}

type Writers = BTreeMap<(u64, u64), usize>;

fn writers(history: &[Txn], found: &mut Vec<Anomaly>) -> Writers {
    let mut writers = Writers::new();
    for (at, txn) in history.iter().enumerate() {
        for op in &txn.ops {
            if let Op::Append { key, value } = op
                && let Some(other) = writers.insert((*key, *value), at)
            {
                let witness = format!("T{other} and T{at} both append {value} to {key}: the history proves nothing");
                found.push(Anomaly { kind: Kind::DuplicateAppend, witness });
            }
        }
    }
    writers
}

/// Reads of a transaction that happened, before its own first append to the key.
fn outside_reads(txn: &Txn) -> Vec<(u64, &[u64])> {
    let mut appended = BTreeSet::new();
    let mut reads = Vec::new();
    for op in &txn.ops {
        match op {
            Op::Append { key, .. } => drop(appended.insert(*key)),
            Op::Read { key, values } if !appended.contains(key) => reads.push((*key, values.as_slice())),
            Op::Read { .. } => {}
        }
    }
    reads
}

fn read_values(history: &[Txn], writers: &Writers, at: usize, found: &mut Vec<Anomaly>) {
    if history[at].outcome != Outcome::Committed {
        return;
    }
    for op in &history[at].ops {
        let Op::Read { key, values } = op else { continue };
        let mut report = |kind, witness| found.push(Anomaly { kind, witness });
        let mut seen = BTreeSet::new();
        for value in values {
            if !seen.insert(value) {
                report(Kind::DuplicateAppend, format!("T{at} read {value} twice in {key}: {values:?}"));
            }
            match writers.get(&(*key, *value)) {
                None => report(Kind::PhantomAppend, format!("T{at} read {value} in {key}, which nobody appended")),
                Some(&writer) if !history[writer].may_have_happened() => {
                    report(Kind::AbortedRead, format!("T{at} read {value} in {key} of T{writer}, which was aborted"));
                }
                Some(_) => {}
            }
        }
        if let Some(last) = values.last()
            && let Some(&writer) = writers.get(&(*key, *last))
            && writer != at
            && history[writer].appends(*key).last() != Some(*last)
        {
            report(Kind::IntermediateRead, format!("T{at} read {key} up to {last}, within T{writer}"));
        }
    }
}

fn internal(at: usize, txn: &Txn, found: &mut Vec<Anomaly>) {
    if txn.outcome != Outcome::Committed {
        return;
    }
    // What it must see of a list: what it read, with its own appends behind; or only those, before it has read.
    let mut known: BTreeMap<u64, (Option<Vec<u64>>, Vec<u64>)> = BTreeMap::new();
    for op in &txn.ops {
        match op {
            Op::Append { key, value } => {
                let (read, own) = known.entry(*key).or_default();
                match read {
                    Some(read) => read.push(*value),
                    None => own.push(*value),
                }
            }
            Op::Read { key, values } => {
                let entry = known.entry(*key).or_default();
                let right = match &entry.0 {
                    Some(expected) => values == expected,
                    None => values.ends_with(&entry.1),
                };
                if !right {
                    let witness = format!("T{at} read {values:?} in {key}, against what it had read and appended");
                    found.push(Anomaly { kind: Kind::Internal, witness });
                }
                entry.0 = Some(values.clone());
            }
        }
    }
}

/// Longest read of every list; all others are its beginnings.
fn orders(history: &[Txn], found: &mut Vec<Anomaly>) -> BTreeMap<u64, Vec<u64>> {
    let mut longest: BTreeMap<u64, (usize, &[u64])> = BTreeMap::new();
    let committed = || history.iter().enumerate().filter(|(_, txn)| txn.outcome == Outcome::Committed);
    let reads = || {
        committed().flat_map(|(at, txn)| {
            txn.ops.iter().filter_map(move |op| match op {
                Op::Read { key, values } => Some((at, *key, values.as_slice())),
                Op::Append { .. } => None,
            })
        })
    };
    for (at, key, values) in reads() {
        let known = longest.entry(key).or_insert((at, values));
        if values.len() > known.1.len() {
            *known = (at, values);
        }
    }
    for (at, key, values) in reads() {
        let (other, order) = longest[&key];
        if !order.starts_with(values) {
            let witness = format!("T{at} read {values:?} in {key}, T{other} read {order:?}");
            found.push(Anomaly { kind: Kind::IncompatibleOrder, witness });
        }
    }
    longest.into_iter().map(|(key, (_, order))| (key, order.to_vec())).collect()
}

fn dependencies(history: &[Txn], writers: &Writers, orders: &BTreeMap<u64, Vec<u64>>) -> Graph {
    let mut graph = Graph::new(history.len());
    // Appends that happened and that nobody read come behind all that were.
    let mut unread: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let was_read = |key: &u64, value: &u64| orders.get(key).is_some_and(|order| order.contains(value));
    // Without an answer, but seen by somebody.
    let seen: BTreeSet<usize> =
        writers.iter().filter(|((key, value), _)| was_read(key, value)).map(|(_, writer)| *writer).collect();
    for ((key, value), &writer) in writers {
        let happened = history[writer].outcome == Outcome::Committed || seen.contains(&writer);
        if happened && !was_read(key, value) {
            unread.entry(*key).or_default().push(writer);
        }
    }
    for (key, order) in orders {
        let by = |value: &u64| writers.get(&(*key, *value)).copied();
        for pair in order.windows(2) {
            if let (Some(first), Some(second)) = (by(&pair[0]), by(&pair[1])) {
                graph.add(first, second, Edge::WriteWrite(*key));
            }
        }
        if let Some(last) = order.last().and_then(by) {
            for &later in unread.get(key).into_iter().flatten() {
                graph.add(last, later, Edge::WriteWrite(*key));
            }
        }
    }
    for (at, txn) in history.iter().enumerate().filter(|(_, txn)| txn.outcome == Outcome::Committed) {
        for (key, values) in outside_reads(txn) {
            if let Some(writer) = values.last().and_then(|value| writers.get(&(key, *value))) {
                graph.add(*writer, at, Edge::WriteRead(key));
            }
            let next = orders.get(&key).and_then(|order| order.get(values.len()));
            match next.and_then(|value| writers.get(&(key, *value))) {
                Some(&writer) => graph.add(at, writer, Edge::ReadWrite(key)),
                None => {
                    for &later in unread.get(&key).into_iter().flatten() {
                        graph.add(at, later, Edge::ReadWrite(key));
                    }
                }
            }
        }
    }
    graph
}

/// Edges from what was answered to what began later; those that follow from others are left out.
fn real_time(history: &[Txn], graph: &mut Graph) {
    let happened = |at: &usize| history[*at].outcome == Outcome::Committed && history[*at].completed.is_some();
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for at in (0..history.len()).filter(|at| history[*at].may_have_happened()) {
        // At equal times beginnings come first: such transactions are concurrent.
        events.push((history[at].invoked, false, at));
        if happened(&at) {
            events.push((history[at].completed.unwrap_or(u64::MAX), true, at));
        }
    }
    events.sort_unstable();
    // Answered transactions that no answered one began after.
    let mut frontier: BTreeSet<usize> = BTreeSet::new();
    for (_, ends, at) in events {
        if ends {
            frontier.retain(|before| history[*before].completed.is_some_and(|end| end >= history[at].invoked));
            frontier.insert(at);
        } else {
            frontier.iter().for_each(|before| graph.add(*before, at, Edge::RealTime));
        }
    }
}

fn cycles(graph: &Graph, promised: Isolation, with_time: bool, found: &mut Vec<Anomaly>) {
    let timed = |edge: Edge| with_time && edge == Edge::RealTime;
    let writes = |edge: Edge| timed(edge) || matches!(edge, Edge::WriteWrite(_));
    let reads = |edge: Edge| writes(edge) || matches!(edge, Edge::WriteRead(_));
    let all = |edge: Edge| reads(edge) || edge.is_anti();
    let either = |plain, timed| if with_time { timed } else { plain };
    let mut report = |kind, cycle: Cycle| found.push(Anomaly { kind, witness: in_words(&cycle) });
    for component in graph.components(&all) {
        if let Some(cycle) = graph.cycle(&component, &writes) {
            report(either(Kind::G0, Kind::G0RealTime), cycle);
        } else if let Some(cycle) = graph.cycle(&component, &reads) {
            report(either(Kind::G1c, Kind::G1cRealTime), cycle);
        } else if let Some(cycle) = graph.anti_cycle(&component, &all, true, false) {
            report(either(Kind::GSingle, Kind::GSingleRealTime), cycle);
        } else if let Some(cycle) = graph.anti_cycle(&component, &all, false, false) {
            report(either(Kind::GNonadjacent, Kind::GNonadjacentRealTime), cycle);
        } else if promised == Isolation::Serializable
            && let Some(cycle) = graph.anti_cycle(&component, &all, false, true)
        {
            report(either(Kind::G2Item, Kind::G2ItemRealTime), cycle);
        }
    }
}

fn in_words(cycle: &Cycle) -> String {
    let mut text = String::new();
    for (at, edge) in cycle {
        let why = match edge {
            Edge::WriteWrite(key) => format!("appended to {key} before"),
            Edge::WriteRead(key) => format!("appended to {key} what was read by"),
            Edge::ReadWrite(key) => format!("did not see in {key} the append of"),
            Edge::RealTime => "was answered before the beginning of".to_owned(),
        };
        text += &format!("T{at} {why} ");
    }
    text + &cycle.first().map_or(String::new(), |(at, _)| format!("T{at}"))
}
