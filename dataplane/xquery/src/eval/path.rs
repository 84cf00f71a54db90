//! Paths, predicates and sets of nodes (XQuery 3.1 §3.2.1, §3.3, §3.4.2).
//!
//! Steps go from rows to rows, one tree at a time. Results are sorted only when a linear check finds them unsorted;
//! `descendant` skips what a row before has covered, so nested context nodes give no duplicates in the first place.

use super::Evaluator;
use super::context::{Env, Focus, no_context_item};
use crate::compile::plan::{Plan, Predicate, SetOp, Step, StepTest};
use phoenixmldb_xdm::axes::{self, Axis, NodeTest};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::types::{KindTest, NameTest};
use phoenixmldb_xdm::{Atomic, Item, Node, NodeKind, Sequence, Tree, size};
use std::sync::Arc;

/// Rows of one tree.
pub(super) type Run = (Arc<Tree>, Vec<u32>);

/// Nodes as runs of rows, in the order of the sequence. Error: `code` for what is no node.
pub(super) fn runs(sequence: &Sequence, code: &'static str) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut push = |tree: &Arc<Tree>, pre: u32| match runs.last_mut() {
        Some((last, rows)) if Arc::ptr_eq(last, tree) => rows.push(pre),
        _ => runs.push((tree.clone(), vec![pre])),
    };
    let mut push_item = |item: &Item| match item {
        Item::Node(node) => {
            push(&node.tree, node.pre);
            Ok(())
        }
        Item::Atomic(_) | Item::Function(_) => Err(fail(code, "a step of a path starts from nodes")),
    };
    match sequence {
        Sequence::Nodes(tree, rows) => return Ok(vec![(tree.clone(), rows.to_vec())]),
        Sequence::One(item) => push_item(item)?,
        Sequence::Many(items) => items.iter().try_for_each(push_item)?,
        Sequence::Empty | Sequence::Range(..) => sequence.iter().try_for_each(|item| push_item(&item))?,
    }
    Ok(runs)
}

/// Brings runs into document order without duplicates.
pub(super) fn in_document_order(mut runs: Vec<Run>) -> Sequence {
    let ascending = |rows: &[u32]| rows.windows(2).all(|pair| pair[0] < pair[1]);
    runs.sort_by_key(|(tree, _)| tree.serial());
    let mut merged: Vec<Run> = Vec::with_capacity(runs.len());
    for (tree, rows) in runs {
        match merged.last_mut() {
            Some((last, all)) if Arc::ptr_eq(last, &tree) => all.extend(rows),
            _ => merged.push((tree, rows)),
        }
    }
    for (_, rows) in &mut merged {
        if !ascending(rows) {
            rows.sort_unstable();
            rows.dedup();
        }
    }
    merged.retain(|(_, rows)| !rows.is_empty());
    match &merged[..] {
        [] => Sequence::Empty,
        [(tree, rows)] => Sequence::nodes(tree, rows),
        several => {
            let node = |tree: &Arc<Tree>, pre: u32| Item::Node(Node { tree: tree.clone(), pre });
            several.iter().flat_map(|(tree, rows)| rows.iter().map(move |&pre| node(tree, pre))).collect()
        }
    }
}

/// Sorts nodes by document order and drops duplicates. Error: `code` for what is no node.
pub(super) fn sorted(sequence: &Sequence, code: &'static str) -> Result<Sequence> {
    Ok(in_document_order(runs(sequence, code)?))
}

/// A test as the axis kernels take it, and what is left to check afterwards.
pub(super) fn bind<'t>(tree: &Tree, axis: Axis, test: &'t StepTest) -> (NodeTest, Option<&'t StepTest>) {
    let principal = if axis == Axis::Attribute { NodeKind::Attribute } else { NodeKind::Element };
    match test {
        StepTest::Name(NameTest::Name(name)) => (NodeTest::name(tree, axis, name), None),
        StepTest::Name(NameTest::Any) => (NodeTest::Kind(principal), None),
        StepTest::Name(_) => (NodeTest::Kind(principal), Some(test)),
        StepTest::Kind(KindTest::Node) => (NodeTest::Any, None),
        StepTest::Kind(KindTest::Text) => (NodeTest::Kind(NodeKind::Text), None),
        StepTest::Kind(KindTest::Comment) => (NodeTest::Kind(NodeKind::Comment), None),
        StepTest::Kind(KindTest::Pi(None)) => (NodeTest::Kind(NodeKind::ProcessingInstruction), None),
        StepTest::Kind(KindTest::Document(None)) => (NodeTest::Kind(NodeKind::Document), None),
        StepTest::Kind(KindTest::Element(NameTest::Any, None)) => (NodeTest::Kind(NodeKind::Element), None),
        StepTest::Kind(KindTest::Attribute(NameTest::Any, None)) => (NodeTest::Kind(NodeKind::Attribute), None),
        StepTest::Kind(KindTest::NamespaceNode) => (NodeTest::Kind(NodeKind::Attribute), Some(test)),
        StepTest::Kind(_) => (NodeTest::Any, Some(test)),
    }
}

pub(super) fn passes(test: &StepTest, tree: &Arc<Tree>, pre: u32) -> bool {
    match test {
        StepTest::Name(name) => tree.names().get(tree.name_id(pre)).is_some_and(|found| name.accepts(found)),
        StepTest::Kind(kind) => kind.accepts(&Node { tree: tree.clone(), pre }),
    }
}

/// Whether a predicate does not depend on the position.
pub(super) fn is_condition(predicate: &Predicate) -> bool {
    matches!(predicate, Predicate::Condition(_) | Predicate::Lookup { .. })
}

fn is_reverse(axis: Axis) -> bool {
    matches!(axis, Axis::Parent | Axis::Ancestor | Axis::AncestorOrSelf | Axis::Preceding | Axis::PrecedingSibling)
}

impl Evaluator {
    pub(super) fn path(&mut self, base: Option<&Plan>, steps: &[Step], env: &mut Env) -> Result<Sequence> {
        let mut code = "XPTY0019";
        let mut current = match base {
            Some(base) => self.eval(base, env)?,
            None => {
                code = "XPTY0020";
                Sequence::One(env.focus.as_ref().ok_or_else(no_context_item)?.item.clone())
            }
        };
        for (index, step) in steps.iter().enumerate() {
            current = match step {
                Step::Axis { axis, test, predicates } => {
                    self.axis_step(&current, *axis, test, predicates, code, env)?
                }
                Step::Each(plan) => self.each_step(&current, plan, index + 1 == steps.len(), env)?,
                Step::Route(route, predicates) => self.route_step(&current, route, predicates, code, env)?,
            };
            code = "XPTY0019";
            if current.is_empty() {
                break;
            }
        }
        Ok(current)
    }

    pub(super) fn axis_step(
        &mut self,
        input: &Sequence,
        axis: Axis,
        test: &StepTest,
        predicates: &[Predicate],
        code: &'static str,
        env: &mut Env,
    ) -> Result<Sequence> {
        let per_node = predicates.iter().any(|predicate| !is_condition(predicate));
        let mut found: Vec<Run> = Vec::new();
        for (tree, rows) in runs(input, code)? {
            let (bound, rest) = bind(&tree, axis, test);
            let mut result: Vec<u32> = Vec::new();
            // Last row whose subtree has been scanned.
            let mut covered: Option<u32> = None;
            for pre in rows {
                let from = result.len();
                if matches!(axis, Axis::Descendant | Axis::DescendantOrSelf) && !per_node {
                    if covered.is_some_and(|end| pre <= end) && tree.kind(pre) != NodeKind::Attribute {
                        continue;
                    }
                    covered = Some(covered.unwrap_or(0).max(pre + tree.size(pre)));
                    self.charge(tree.size(pre) as usize / 16 + 1)?;
                }
                if let (None, [Predicate::Position(n)]) = (rest, predicates)
                    && let Some(found) = usize::try_from(*n).ok().and_then(|n| axes::nth(&tree, pre, axis, bound, n))
                {
                    self.charge(1)?;
                    result.extend(found);
                    continue;
                }
                axes::step(&tree, pre, axis, bound, &mut result);
                self.charge(result.len() - from + 1)?;
                self.hold(4 * (result.len() - from) as u64)?;
                if let Some(rest) = rest {
                    retain_from(&mut result, from, |row| passes(rest, &tree, row));
                }
                if per_node && !predicates.is_empty() {
                    let mut candidates = result.split_off(from);
                    if is_reverse(axis) {
                        candidates.reverse();
                    }
                    for predicate in predicates {
                        candidates = self.select_rows(&tree, candidates, predicate, env)?;
                    }
                    if is_reverse(axis) {
                        candidates.reverse();
                    }
                    result.extend(candidates);
                }
            }
            if !per_node && !predicates.is_empty() {
                if result.windows(2).any(|pair| pair[0] >= pair[1]) {
                    result.sort_unstable();
                    result.dedup();
                }
                for predicate in predicates {
                    result = self.select_rows(&tree, result, predicate, env)?;
                }
            }
            found.push((tree, result));
        }
        Ok(in_document_order(found))
    }

    /// The rows that a predicate lets pass, counted in the order given.
    pub(super) fn select_rows(
        &mut self,
        tree: &Arc<Tree>,
        mut rows: Vec<u32>,
        predicate: &Predicate,
        env: &mut Env,
    ) -> Result<Vec<u32>> {
        match predicate {
            Predicate::Position(position) => {
                let index = usize::try_from(position - 1).ok().filter(|index| *index < rows.len());
                Ok(index.map(|index| vec![rows[index]]).unwrap_or_default())
            }
            Predicate::Last => Ok(rows.pop().into_iter().collect()),
            Predicate::Condition(plan) | Predicate::General(plan) | Predicate::Lookup { condition: plan, .. } => {
                let outer = env.focus.take();
                let size = rows.len();
                let mut kept = Vec::new();
                let mut failed = self.charge(size).err();
                for (index, &pre) in rows.iter().enumerate() {
                    if failed.is_some() {
                        break;
                    }
                    let item = Item::Node(Node { tree: tree.clone(), pre });
                    env.focus = Some(Focus { item, position: index + 1, size });
                    let general = matches!(predicate, Predicate::General(_));
                    match self.holds(plan, general, index + 1, env) {
                        Ok(true) => kept.push(pre),
                        Ok(false) => {}
                        Err(error) => failed = Some(error),
                    }
                }
                env.focus = outer;
                failed.map_or(Ok(kept), Err)
            }
        }
    }

    /// Whether a predicate holds at a position: a number is compared with it, anything else is a truth value.
    fn holds(&mut self, plan: &Plan, general: bool, position: usize, env: &mut Env) -> Result<bool> {
        if !general {
            return self.truth(plan, env);
        }
        let value = self.eval(plan, env)?;
        match &value {
            Sequence::One(Item::Atomic(Atomic::Integer(wanted, _))) => {
                let wanted = wanted.0;
                Ok(i128::try_from(position) == Ok(wanted))
            }
            Sequence::One(Item::Atomic(number @ (Atomic::Decimal(_) | Atomic::Double(_) | Atomic::Float(_)))) => {
                Ok(number.to_double() == Some(position as f64))
            }
            other => other.effective_boolean_value(),
        }
    }

    /// `base[p1][p2]` over any items.
    pub(super) fn filter(&mut self, base: Sequence, predicates: &[Predicate], env: &mut Env) -> Result<Sequence> {
        let mut current = base;
        for predicate in predicates {
            current = match predicate {
                Predicate::Position(position) => {
                    let index = usize::try_from(position - 1).ok();
                    Sequence::from(index.and_then(|index| current.get(index)))
                }
                Predicate::Last => Sequence::from(current.len().checked_sub(1).and_then(|index| current.get(index))),
                Predicate::Condition(plan) | Predicate::General(plan) | Predicate::Lookup { condition: plan, .. } => {
                    let general = matches!(predicate, Predicate::General(_));
                    let mut kept = Vec::new();
                    let mut position = 0;
                    let input = current;
                    self.for_each_focus(&input, env, |this, env| {
                        position += 1;
                        if this.holds(plan, general, position, env)? {
                            this.hold(size::ITEM_BYTES)?;
                            kept.push(env.focus.as_ref().expect("the loop sets the focus").item.clone());
                        }
                        Ok(())
                    })?;
                    Sequence::from(kept)
                }
            };
            if current.is_empty() {
                break;
            }
        }
        Ok(current)
    }

    /// `E1/E2` where `E2` is no axis step: once per node, then sorted when all results are nodes.
    fn each_step(&mut self, input: &Sequence, plan: &Plan, is_last: bool, env: &mut Env) -> Result<Sequence> {
        if input.iter().any(|item| !matches!(item, Item::Node(_))) {
            return Err(fail("XPTY0019", "the left side of \"/\" is not only nodes"));
        }
        let mut parts = Vec::with_capacity(input.len());
        self.for_each_focus(input, env, |this, env| {
            this.hold(size::ITEM_BYTES)?;
            parts.push(this.eval(plan, env)?);
            Ok(())
        })?;
        let result = self.concat(parts)?;
        let nodes = result.iter().filter(|item| matches!(item, Item::Node(_))).count();
        if nodes == 0 {
            return Ok(result);
        }
        if nodes < result.len() {
            let code = if is_last { "XPTY0018" } else { "XPTY0019" };
            return Err(fail(code, "a path gives nodes or other items, not both, and only nodes before its last step"));
        }
        sorted(&result, "XPTY0018")
    }

    pub(super) fn node_set(&mut self, op: SetOp, parts: &[Plan], env: &mut Env) -> Result<Sequence> {
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            let value = self.eval(part, env)?;
            values.push(sorted(&value, "XPTY0004")?);
        }
        if op == SetOp::Union {
            return sorted(&self.concat(values)?, "XPTY0004");
        }
        let key = |node: &Node| (node.tree.serial(), node.pre);
        let right: std::collections::HashSet<(u64, u32)> =
            values[1].iter().filter_map(|item| item.as_node().map(key)).collect();
        let keep = |item: &Item| {
            let inside = item.as_node().is_some_and(|node| right.contains(&key(node)));
            inside == (op == SetOp::Intersect)
        };
        Ok(values[0].iter().filter(keep).collect())
    }
}

/// Keeps of the rows from an index on those that pass.
fn retain_from(rows: &mut Vec<u32>, from: usize, mut keep: impl FnMut(u32) -> bool) {
    let mut kept = from;
    for index in from..rows.len() {
        if keep(rows[index]) {
            rows[kept] = rows[index];
            kept += 1;
        }
    }
    rows.truncate(kept);
}
