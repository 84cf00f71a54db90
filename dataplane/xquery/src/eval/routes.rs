//! Routes through the path summary, and predicates that look values up.
//!
//! The rows that a route reaches from a context node are a slice of the rows on its paths. Each route remembers the
//! paths it last led to and where in their rows it last was: context nodes mostly come in document order, so the next
//! slice begins where the last one ended.

use super::Evaluator;
use super::context::Env;
use super::path::{Run, bind, in_document_order, is_condition, passes, runs};
use crate::compile::plan::{Op, Plan, Predicate, Route, Step, StepTest};
use phoenixmldb_xdm::axes::Axis;
use phoenixmldb_xdm::error::{Error, Result};
use phoenixmldb_xdm::summary::{PathId, Summary};
use phoenixmldb_xdm::values::Numbers;
use phoenixmldb_xdm::{Atomic, Item, NodeKind, Sequence, Tree};
use std::ops::Range;
use std::sync::Arc;

/// Candidates from which on a map of values is worth building rather than looking at each.
const MAPPED_FROM: usize = 64;

/// Where a route last was.
#[derive(Clone, Default)]
pub(crate) struct RouteState {
    /// Tree, by serial number, and path of the context node that the rest belongs to.
    key: Option<(u64, PathId)>,
    /// Paths it leads to, ascending.
    paths: Vec<PathId>,
    /// Their rows.
    pub(super) rows: Arc<[u32]>,
    /// Where the last slice ended.
    at: usize,
    /// Rows on the path of the context node, and the place of the last one.
    from: Arc<[u32]>,
    from_at: usize,
    /// Values of the rows as numbers, when the route leads to one path.
    numbers: Option<Arc<Numbers>>,
    /// How often numbers were asked for before they were read.
    asked: usize,
}

/// The rows that a route reaches from one node.
pub(super) struct View {
    pub(super) tree: Arc<Tree>,
    /// Place of the route.
    pub(super) id: usize,
    /// All rows on the route's paths.
    pub(super) rows: Arc<[u32]>,
    /// Those below the node.
    pub(super) range: Range<usize>,
}

impl View {
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows[self.range.clone()]
    }
}

/// The first place from which on rows are at least `bound`, looked for from `hint` in growing steps.
fn lower(rows: &[u32], hint: usize, bound: u32) -> usize {
    let mut step = 1;
    let hint = hint.min(rows.len());
    if hint > 0 && rows[hint - 1] >= bound {
        let mut high = hint;
        loop {
            let low = high.saturating_sub(step);
            if low == 0 || rows[low - 1] < bound {
                return low + rows[low..high].partition_point(|row| *row < bound);
            }
            high = low;
            step *= 2;
        }
    }
    let mut low = hint;
    while low + step <= rows.len() && rows[low + step - 1] < bound {
        low += step;
        step *= 2;
    }
    low + rows[low..(low + step).min(rows.len())].partition_point(|row| *row < bound)
}

fn targets(summary: &Summary, tree: &Arc<Tree>, from: &[PathId], steps: &[(Axis, StepTest)]) -> Vec<PathId> {
    let mut paths = from.to_vec();
    for (axis, test) in steps {
        let (bound, rest) = bind(tree, *axis, test);
        paths = summary.step(&paths, *axis, bound, &|row| rest.is_none_or(|test| passes(test, tree, row)));
    }
    paths
}

impl Evaluator {
    /// The slice of the route's rows that is below a node; `None` when the tree has no summary.
    pub(super) fn along(&mut self, route: &Route, tree: &Arc<Tree>, pre: u32) -> Option<Range<usize>> {
        let state = &mut self.routes[route.id];
        if state.key.is_some_and(|(serial, _)| serial == tree.serial()) {
            // Nodes on one path do not nest, so that what is below one ends before the next: no look at the tree.
            let place = lower(&state.from, state.from_at, pre);
            state.from_at = place;
            if state.from.get(place) == Some(&pre) {
                let end = state.from.get(place + 1).copied().unwrap_or_else(|| tree.len());
                let first = lower(&state.rows, state.at, pre);
                let last = lower(&state.rows, first, end);
                state.at = last;
                return Some(first..last);
            }
        }
        let summary = tree.summary()?;
        let from = summary.path_of(pre);
        if state.key != Some((tree.serial(), from)) {
            let paths = targets(summary, tree, &[from], &route.steps);
            let rows = summary.merged(&paths);
            let numbers = match &paths[..] {
                [path] => summary.known_numbers(*path),
                _ => None,
            };
            let (key, from) = (Some((tree.serial(), from)), summary.rows(from).clone());
            *state = RouteState { key, paths, rows, from, numbers, ..RouteState::default() };
        }
        let first = lower(&state.rows, state.at, pre);
        let last = lower(&state.rows, first, (pre + tree.size(pre)).saturating_add(1));
        state.at = last;
        Some(first..last)
    }

    /// The values that a route leads to as numbers, by place in its rows: read when they have been asked for often.
    pub(super) fn numbers(&mut self, id: usize, tree: &Arc<Tree>) -> Option<Arc<Numbers>> {
        let state = &mut self.routes[id];
        let [path] = state.paths[..] else { return None };
        if state.numbers.is_none() {
            state.asked += 1;
            if state.asked < state.rows.len() / 4 {
                return None;
            }
            let is_untyped =
                |row: &u32| !matches!(tree.kind(*row), NodeKind::Comment | NodeKind::ProcessingInstruction);
            if !state.rows.first().is_some_and(is_untyped) {
                return None;
            }
            state.numbers = Some(tree.summary()?.numbers(tree, path));
        }
        state.numbers.clone()
    }

    /// What a path of routes reaches, when it starts from one node of a tree with a summary and every step but the last
    /// leads to one node by its position.
    pub(super) fn view(&mut self, plan: &Plan, env: &Env) -> Option<View> {
        let Op::Path(base, steps) = &plan.op else { return None };
        let focus = || env.focus.as_ref().and_then(|focus| focus.item.as_node());
        let (tree, mut pre) = match base.as_ref().map(|base| &base.op) {
            None | Some(Op::ContextItem) => focus().map(|node| (&node.tree, node.pre))?,
            Some(Op::Local(slot)) => match &env.slots[*slot] {
                Sequence::One(Item::Node(node)) => (&node.tree, node.pre),
                _ => return None,
            },
            Some(Op::Root) => {
                let node = focus()?;
                if node.tree.kind(0) != NodeKind::Document {
                    return None;
                }
                (&node.tree, 0)
            }
            _ => return None,
        };
        let (last, before) = steps.split_last()?;
        for step in before {
            let Step::Route(route, predicates) = step else { return None };
            if predicates.is_empty() {
                return None;
            }
            let range = self.ranked(route, predicates, tree, pre)?;
            if range.is_empty() {
                return Some(View { tree: tree.clone(), id: route.id, rows: Arc::default(), range: 0..0 });
            }
            pre = self.routes[route.id].rows[range.start];
        }
        let Step::Route(route, predicates) = last else { return None };
        let range = self.ranked(route, predicates, tree, pre)?;
        Some(View { tree: tree.clone(), id: route.id, rows: self.routes[route.id].rows.clone(), range })
    }

    /// The slice of a route below a node, narrowed by at most one position; `None` for other predicates.
    fn ranked(&mut self, route: &Route, predicates: &[Predicate], tree: &Arc<Tree>, pre: u32) -> Option<Range<usize>> {
        let rank = |range: Range<usize>| match predicates {
            [Predicate::Position(n)] => {
                let place = usize::try_from(n - 1).ok().filter(|index| *index < range.len());
                place.map_or(0..0, |index| range.start + index..range.start + index + 1)
            }
            [Predicate::Last] if !range.is_empty() => range.end - 1..range.end,
            _ => range,
        };
        match predicates {
            [] | [Predicate::Position(_) | Predicate::Last] => self.along(route, tree, pre).map(rank),
            _ => None,
        }
    }

    /// One step of a path that is a route.
    pub(super) fn route_step(
        &mut self,
        input: &Sequence,
        route: &Route,
        predicates: &[Predicate],
        code: &'static str,
        env: &mut Env,
    ) -> Result<Sequence> {
        self.charge(1)?;
        match input {
            Sequence::One(Item::Node(node)) => {
                if let Some(range) = self.along(route, &node.tree, node.pre) {
                    let rows = self.routes[route.id].rows.clone();
                    if predicates.is_empty() {
                        return Ok(slice(&node.tree, rows, range));
                    }
                    let paths = self.routes[route.id].paths.clone();
                    let rows = self.select(&node.tree, &paths, &rows[range], predicates, env)?;
                    return Ok(Sequence::nodes(&node.tree, &rows));
                }
            }
            Sequence::Nodes(tree, rows) => {
                if let Some(summary) = tree.summary() {
                    let path = summary.path_of(rows[0]);
                    let whole = Arc::ptr_eq(summary.rows(path), rows);
                    if whole && predicates.iter().all(is_condition) {
                        // Every node on the path is a context node, so every row on the targets is reached.
                        let paths = targets(summary, tree, &[path], &route.steps);
                        let rows = summary.merged(&paths);
                        if predicates.is_empty() {
                            let range = 0..rows.len();
                            return Ok(slice(tree, rows, range));
                        }
                        let rows = self.select(tree, &paths, &rows, predicates, env)?;
                        return Ok(Sequence::nodes(tree, &rows));
                    }
                }
            }
            _ => {}
        }
        let mut found: Vec<Run> = Vec::new();
        for (tree, rows) in runs(input, code)? {
            if tree.summary().is_none() {
                let input = Sequence::nodes(&tree, &rows);
                found.extend(runs(&self.steps_one_by_one(&input, route, predicates, code, env)?, code)?);
                continue;
            }
            self.charge(rows.len())?;
            let mut result = Vec::new();
            for pre in rows {
                let Some(range) = self.along(route, &tree, pre) else { continue };
                let reached = self.routes[route.id].rows.clone();
                if predicates.is_empty() {
                    result.extend_from_slice(&reached[range]);
                } else {
                    let paths = self.routes[route.id].paths.clone();
                    result.extend(self.select(&tree, &paths, &reached[range], predicates, env)?);
                }
            }
            found.push((tree, result));
        }
        Ok(in_document_order(found))
    }

    /// The same without a summary.
    fn steps_one_by_one(
        &mut self,
        input: &Sequence,
        route: &Route,
        predicates: &[Predicate],
        code: &'static str,
        env: &mut Env,
    ) -> Result<Sequence> {
        let mut current = input.clone();
        let last = route.steps.len() - 1;
        for (index, (axis, test)) in route.steps.iter().enumerate() {
            let predicates = if index == last { predicates } else { &[] };
            current = self.axis_step(&current, *axis, test, predicates, code, env)?;
            if current.is_empty() {
                break;
            }
        }
        Ok(current)
    }

    /// The rows, which are on the paths, that all predicates let pass.
    fn select(
        &mut self,
        tree: &Arc<Tree>,
        paths: &[PathId],
        rows: &[u32],
        predicates: &[Predicate],
        env: &mut Env,
    ) -> Result<Vec<u32>> {
        let mut rest = predicates;
        let mut kept: Vec<u32> = match predicates {
            [Predicate::Position(n), behind @ ..] => {
                rest = behind;
                let index = usize::try_from(n - 1).ok();
                index.and_then(|index| rows.get(index)).copied().into_iter().collect()
            }
            [Predicate::Last, behind @ ..] => {
                rest = behind;
                rows.last().copied().into_iter().collect()
            }
            [Predicate::Lookup { route, value, condition }, behind @ ..] if !rows.is_empty() => {
                match self.by_value(tree, paths, rows, route, value, condition, env) {
                    Some(found) => {
                        rest = behind;
                        found
                    }
                    None => rows.to_vec(),
                }
            }
            _ => rows.to_vec(),
        };
        for predicate in rest {
            kept = match predicate {
                Predicate::Condition(plan) if Self::is_row_condition(plan) => {
                    self.charge(kept.len())?;
                    let how = self.comparison(&None);
                    let mut passed = Vec::new();
                    for row in kept {
                        let holds = self.row_holds(plan, tree, row, &how);
                        let place = |error: Box<Error>| error.at(plan.span.start, plan.span.end);
                        if holds.map_err(|error| if plan.span.end == 0 { error } else { place(error) })? {
                            passed.push(row);
                        }
                    }
                    passed
                }
                predicate => self.select_rows(tree, kept, predicate, env)?,
            };
        }
        Ok(kept)
    }

    /// The rows whose key has the value; `None` where only the comparison itself can tell.
    #[allow(clippy::too_many_arguments, reason = "the parts of one predicate")]
    fn by_value(
        &mut self,
        tree: &Arc<Tree>,
        paths: &[PathId],
        rows: &[u32],
        route: &Route,
        value: &Plan,
        condition: &Plan,
        env: &mut Env,
    ) -> Option<Vec<u32>> {
        let summary = tree.summary()?;
        let values = self.eval(value, env).ok()?.atomize().ok()?;
        let is_text = |value: &Atomic| matches!(value, Atomic::Untyped(_) | Atomic::String(..) | Atomic::AnyUri(_));
        if !values.iter().all(is_text) || matches!(condition.op, Op::ValueCompare(..)) && values.len() > 1 {
            return None;
        }
        self.charge(1).ok()?;
        let mut found = Vec::new();
        if rows.len() < MAPPED_FROM {
            for &row in rows {
                let range = self.along(route, tree, row)?;
                let is_wanted = |key: &u32| {
                    let text = tree.string_value(*key);
                    values.iter().filter_map(Atomic::as_text).any(|value| value == text)
                };
                if self.routes[route.id].rows[range].iter().any(is_wanted) {
                    found.push(row);
                }
            }
            return Some(found);
        }
        let keys = targets(summary, tree, paths, &route.steps);
        for path in keys {
            let map = summary.values(tree, path);
            for value in values.iter().filter_map(Atomic::as_text) {
                let owners = map.find(tree, value).filter_map(|key| tree.parent(key));
                found.extend(owners.filter(|owner| rows.binary_search(owner).is_ok()));
            }
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }
}

fn slice(tree: &Arc<Tree>, rows: Arc<[u32]>, range: Range<usize>) -> Sequence {
    if range.len() > 1 && range.len() == rows.len() {
        return Sequence::Nodes(tree.clone(), rows);
    }
    Sequence::nodes(tree, &rows[range])
}

#[cfg(test)]
mod tests {
    use super::lower;

    #[test]
    fn places_are_found_from_any_hint() {
        let rows = [2, 4, 4, 9, 30, 31, 32, 100];
        for hint in 0..=rows.len() {
            for bound in 0..105 {
                assert_eq!(lower(&rows, hint, bound), rows.partition_point(|row| *row < bound), "{hint} {bound}");
            }
        }
    }
}
