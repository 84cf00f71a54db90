//! Cycles in graphs of dependencies between transactions, and the shortest of a wanted kind.
//!
//! Strongly connected components by Tarjan's algorithm (SIAM J. Comput., 1972), without recursion; inside one, breadth-
//! first search for the witness.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Why one transaction comes before another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Edge {
    /// The second overwrote (appended after) the first, on this key.
    WriteWrite(u64),
    /// The second read what the first wrote, on this key.
    WriteRead(u64),
    /// The second overwrote what the first read, on this key: an anti-dependency.
    ReadWrite(u64),
    /// The first was answered before the second began.
    RealTime,
}

impl Edge {
    /// Whether it is an anti-dependency.
    pub(crate) fn is_anti(self) -> bool {
        matches!(self, Self::ReadWrite(_))
    }
}

/// Dependencies: from a transaction to those it comes before.
#[derive(Default)]
pub(crate) struct Graph {
    edges: Vec<BTreeMap<usize, BTreeSet<Edge>>>,
}

/// A cycle: each transaction with the edge to the next, the last one's leading to the first.
pub(crate) type Cycle = Vec<(usize, Edge)>;

impl Graph {
    pub(crate) fn new(nodes: usize) -> Self {
        Self { edges: vec![BTreeMap::new(); nodes] }
    }

    pub(crate) fn add(&mut self, from: usize, to: usize, edge: Edge) {
        if from != to {
            self.edges[from].entry(to).or_default().insert(edge);
        }
    }

    fn next(&self, from: usize, wanted: &dyn Fn(Edge) -> bool) -> impl Iterator<Item = (usize, Edge)> {
        self.edges[from].iter().filter_map(move |(to, edges)| Some((*to, *edges.iter().find(|edge| wanted(**edge))?)))
    }

    /// Strongly connected components of more than one node, over the wanted edges.
    pub(crate) fn components(&self, wanted: &dyn Fn(Edge) -> bool) -> Vec<BTreeSet<usize>> {
        const UNSEEN: usize = usize::MAX;
        let count = self.edges.len();
        let (mut index, mut low, mut on_stack) = (vec![UNSEEN; count], vec![0; count], vec![false; count]);
        let (mut stack, mut counter, mut found) = (Vec::new(), 0, Vec::new());
        for root in 0..count {
            if index[root] != UNSEEN {
                continue;
            }
            let mut work: Vec<(usize, Vec<usize>)> = Vec::new();
            let mut enter = Some(root);
            loop {
                if let Some(node) = enter.take() {
                    (index[node], low[node], on_stack[node]) = (counter, counter, true);
                    counter += 1;
                    stack.push(node);
                    work.push((node, self.next(node, wanted).map(|(to, _)| to).collect()));
                }
                let Some((node, rest)) = work.last_mut() else { break };
                let node = *node;
                match rest.pop() {
                    Some(to) if index[to] == UNSEEN => enter = Some(to),
                    Some(to) if on_stack[to] => low[node] = low[node].min(index[to]),
                    Some(_) => {}
                    None => {
                        work.pop();
                        if let Some((parent, _)) = work.last() {
                            low[*parent] = low[*parent].min(low[node]);
                        }
                        if low[node] == index[node] {
                            let mut component = BTreeSet::new();
                            while let Some(member) = stack.pop() {
                                on_stack[member] = false;
                                component.insert(member);
                                if member == node {
                                    break;
                                }
                            }
                            if component.len() > 1 {
                                found.push(component);
                            }
                        }
                    }
                }
            }
        }
        found
    }

    /// The shortest way within `inside` from one node to another over the wanted edges, no two anti-dependencies in a
    /// row unless `adjacent`. `after_anti`: the edge before the first was one; `closes_anti`: the edge after the last is.
    fn way(
        &self,
        (from, to): (usize, usize),
        inside: &BTreeSet<usize>,
        wanted: &dyn Fn(Edge) -> bool,
        adjacent: bool,
    ) -> Option<Cycle> {
        // A state is a node and whether it was reached by an anti-dependency.
        let mut before: BTreeMap<(usize, bool), ((usize, bool), Edge)> = BTreeMap::new();
        let start = (from, true);
        let mut queue = VecDeque::from([start]);
        while let Some(state) = queue.pop_front() {
            let usable = |edge: Edge| wanted(edge) && (adjacent || !(state.1 && edge.is_anti()));
            for (next, _) in self.next(state.0, &usable) {
                if !inside.contains(&next) {
                    continue;
                }
                // Both kinds of edge may lead there; one that is no anti-dependency leaves more ways open.
                for &edge in self.edges[state.0][&next].iter().filter(|edge| usable(**edge)) {
                    let reached = (next, edge.is_anti());
                    let ends = next == to && (adjacent || !edge.is_anti());
                    if reached == start || before.contains_key(&reached) && !ends {
                        continue;
                    }
                    before.entry(reached).or_insert((state, edge));
                    if ends {
                        let mut way = vec![];
                        let (mut at, mut last) = (state, edge);
                        loop {
                            way.push((at.0, last));
                            if at == start {
                                break;
                            }
                            (at, last) = before[&at];
                        }
                        way.reverse();
                        return Some(way);
                    }
                    queue.push_back(reached);
                }
            }
        }
        None
    }

    /// A cycle within a component over the wanted edges; none of them is an anti-dependency.
    pub(crate) fn cycle(&self, inside: &BTreeSet<usize>, wanted: &dyn Fn(Edge) -> bool) -> Option<Cycle> {
        inside.iter().find_map(|&from| {
            let closing = self.next(from, wanted).filter(|(to, _)| inside.contains(to)).collect::<Vec<_>>();
            closing.into_iter().find_map(|(to, edge)| {
                let mut cycle = vec![(from, edge)];
                cycle.extend(self.way((to, from), inside, wanted, true)?);
                Some(cycle)
            })
        })
    }

    /// A cycle with anti-dependencies over the wanted edges: `one` allows exactly one, otherwise as many as there are;
    /// no two in a row unless `adjacent`.
    pub(crate) fn anti_cycle(
        &self,
        inside: &BTreeSet<usize>,
        wanted: &dyn Fn(Edge) -> bool,
        one: bool,
        adjacent: bool,
    ) -> Option<Cycle> {
        let others = |edge: Edge| wanted(edge) && !(one && edge.is_anti());
        inside.iter().find_map(|&from| {
            let anti = self.next(from, &|edge| edge.is_anti()).filter(|(to, _)| inside.contains(to));
            anti.collect::<Vec<_>>().into_iter().find_map(|(to, edge)| {
                let mut cycle = vec![(from, edge)];
                cycle.extend(self.way((to, from), inside, &others, adjacent)?);
                Some(cycle)
            })
        })
    }
}
