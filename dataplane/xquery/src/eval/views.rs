//! Questions about a value that need no sequence: whether there is one, how many, how they compare, what text it is.
//!
//! The rows of a route are looked at where they are; a text is a slice of the tree's. Everything else is evaluated.

use super::context::Env;
use super::convert::convert;
use super::routes::View;
use super::{Evaluator, joined};
use crate::compile::plan::{Clause, Op, Plan, Route, SharedCollation, Step, TextTest};
use crate::context::FN_NAMESPACE;
use phoenixmldb_xdm::atomic::compare::{self, Comparison};
use phoenixmldb_xdm::atomic::parse_double;
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::item::atomize_node;
use phoenixmldb_xdm::types::{ItemType, Occurrence, SequenceType};
use phoenixmldb_xdm::{Atomic, AtomicType, Item, Node, NodeKind, Sequence, Str, Tree};
use std::ops::Range;
use std::sync::Arc;

/// A text, wherever it is.
pub(super) enum Text {
    Of(Arc<Tree>, u32),
    Own(Str),
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Of(tree, pre) => tree.string_value(*pre),
            Self::Own(text) => text,
        }
    }
}

impl Evaluator {
    /// Whether an expression gives anything.
    pub(super) fn exists(&mut self, plan: &Plan, env: &mut Env) -> Result<bool> {
        if let Some(view) = self.view(plan, env) {
            self.charge(1)?;
            return Ok(!view.range.is_empty());
        }
        match &plan.op {
            Op::Flwor(clauses, result) => {
                let mut found = false;
                self.tuples(clauses, env, &mut |this, env| {
                    found = this.exists(result, env)?;
                    Ok(!found)
                })?;
                Ok(found)
            }
            Op::Sequence(parts) => {
                for part in parts {
                    if self.exists(part, env)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Ok(!self.eval(plan, env)?.is_empty()),
        }
    }

    /// How many items an expression gives.
    pub(super) fn count(&mut self, plan: &Plan, env: &mut Env) -> Result<usize> {
        if let Some(view) = self.view(plan, env) {
            self.charge(1)?;
            return Ok(view.range.len());
        }
        let Op::Flwor(clauses, result) = &plan.op else { return Ok(self.eval(plan, env)?.len()) };
        if let ([Clause::Join(join)], Op::Local(slot)) = (&clauses[..], &result.op)
            && *slot == join.slot
        {
            let input = self.eval(&join.input, env)?;
            if let Some(matches) = self.join_matches(join, &input, env)? {
                return Ok(matches.count());
            }
        }
        let mut count = 0;
        self.tuples(clauses, env, &mut |this, env| {
            count += this.count(result, env)?;
            Ok(true)
        })?;
        Ok(count)
    }

    /// A general comparison, when one side is a route.
    pub(super) fn compare_view(
        &mut self,
        op: compare::Op,
        left: &Plan,
        right: &Plan,
        collation: &SharedCollation,
        env: &mut Env,
    ) -> Result<Option<bool>> {
        if let Some(view) = self.view(left, env) {
            if view.range.is_empty() {
                return Ok(Some(false));
            }
            let how = self.comparison(collation);
            if let Op::Const(Sequence::One(Item::Atomic(value))) = &right.op {
                self.charge(view.range.len())?;
                return self.any_row(op, view.id, &view.tree, view.range.clone(), value, &how).map(Some);
            }
            let values = self.eval(right, env)?.atomize()?;
            self.charge(view.range.len().saturating_mul(values.len()))?;
            return any(op, &view, &values, &how).map(Some);
        }
        // One constant cannot fail, so that it does not matter which side comes first.
        let Op::Const(Sequence::One(Item::Atomic(value))) = &left.op else { return Ok(None) };
        let Some(view) = self.view(right, env) else { return Ok(None) };
        self.charge(view.range.len())?;
        any(flipped(op), &view, std::slice::from_ref(value), &self.comparison(collation)).map(Some)
    }

    /// A general comparison of one value with a route on the right.
    pub(super) fn compare_with_view(
        &mut self,
        op: compare::Op,
        left: &Sequence,
        right: &Plan,
        collation: &SharedCollation,
        env: &Env,
    ) -> Result<Option<bool>> {
        let Sequence::One(Item::Atomic(value)) = left else { return Ok(None) };
        let Some(view) = self.view(right, env) else { return Ok(None) };
        self.charge(view.range.len())?;
        any(flipped(op), &view, std::slice::from_ref(value), &self.comparison(collation)).map(Some)
    }

    /// An operand that is one untyped node with a number: as double, without making its text.
    pub(super) fn number(&mut self, plan: &Plan, env: &Env) -> Option<Atomic> {
        let (tree, pre) = self.only_node(plan, env)?;
        let is_untyped = !matches!(tree.kind(pre), NodeKind::Comment | NodeKind::ProcessingInstruction);
        if is_untyped { parse_double(tree.string_value(pre)).map(Atomic::Double) } else { None }
    }

    /// Whether the value of any row of a route compares with a constant.
    fn any_row(
        &mut self,
        op: compare::Op,
        id: usize,
        tree: &Arc<Tree>,
        range: Range<usize>,
        value: &Atomic,
        how: &Comparison,
    ) -> Result<bool> {
        let is_number =
            matches!(value, Atomic::Integer(..) | Atomic::Decimal(_) | Atomic::Double(_) | Atomic::Float(_));
        let other = if is_number { value.to_double() } else { None };
        let numbers = other.and_then(|other| Some((self.numbers(id, tree)?, other)));
        for place in range {
            let holds = match &numbers {
                Some((numbers, other)) => numbers.get(place).map(|number| op.holds(number.partial_cmp(other))),
                None => None,
            };
            let holds = match holds {
                Some(holds) => holds,
                // What is no number raises its error here.
                None => compares(op, tree, self.routes[id].rows[place], value, how)?,
            };
            if holds {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The only node that an expression gives, if that can be told without evaluating it.
    fn only_node(&mut self, plan: &Plan, env: &Env) -> Option<(Arc<Tree>, u32)> {
        match &plan.op {
            Op::CallBuiltin(builtin, args, _) => {
                let passes_on = matches!(builtin.entry.local, "exactly-one" | "zero-or-one" | "one-or-more");
                let [arg] = &args[..] else { return None };
                if passes_on && builtin.entry.namespace == FN_NAMESPACE { self.only_node(arg, env) } else { None }
            }
            Op::Local(slot) => match &env.slots[*slot] {
                Sequence::One(Item::Node(node)) => Some((node.tree.clone(), node.pre)),
                _ => None,
            },
            Op::ContextItem => {
                let node = env.focus.as_ref()?.item.as_node()?;
                Some((node.tree.clone(), node.pre))
            }
            _ => {
                let view = self.view(plan, env)?;
                match view.rows() {
                    [pre] => Some((view.tree.clone(), *pre)),
                    _ => None,
                }
            }
        }
    }

    /// An argument of type `xs:string?`, empty when there is none. Errors: those of the function conversion rules.
    fn text(&mut self, plan: &Plan, env: &mut Env) -> Result<Text> {
        let inner = match &plan.op {
            Op::CallBuiltin(builtin, args, _)
                if builtin.entry.local == "string" && builtin.entry.namespace == FN_NAMESPACE && args.len() == 1 =>
            {
                &args[0]
            }
            _ => plan,
        };
        if let Some((tree, pre)) = self.only_node(inner, env) {
            return Ok(Text::Of(tree, pre));
        }
        let wanted = SequenceType::new(ItemType::Atomic(AtomicType::String), Occurrence::Optional);
        let value = convert(self.eval(plan, env)?, &wanted)?;
        Ok(match value.first() {
            Some(Item::Atomic(value)) => Text::Own(value.to_str()),
            _ => Text::Own(Str::default()),
        })
    }

    /// The typed values as strings, joined by spaces.
    pub(super) fn joined_text(&mut self, plan: &Plan, env: &mut Env) -> Result<Text> {
        let plan = match &plan.op {
            Op::Join(parts) if parts.len() == 1 => &parts[0],
            _ => plan,
        };
        if let Some(view) = self.view(plan, env) {
            match view.rows() {
                [] => return Ok(Text::Own(Str::default())),
                [pre] => return Ok(Text::Of(view.tree.clone(), *pre)),
                _ => {}
            }
        }
        Ok(Text::Own(joined(&self.eval(plan, env)?)?))
    }

    /// Whether a condition on a row can be told from its routes alone, without making the row the context item.
    pub(super) fn is_row_condition(plan: &Plan) -> bool {
        match &plan.op {
            Op::And(parts) | Op::Or(parts) => parts.iter().all(Self::is_row_condition),
            Op::Not(operand) | Op::Boolean(operand) => Self::is_row_condition(operand),
            // Of nodes, being there is being true; a truth value is always there.
            Op::Exists(operand, _) => own_route(operand).is_some(),
            Op::GeneralCompare(_, left, right, None) => {
                own_route(left).is_some() && matches!(right.op, Op::Const(Sequence::One(Item::Atomic(_))))
            }
            _ => own_route(plan).is_some(),
        }
    }

    /// What [`Self::is_row_condition`] asks for, for a row of a tree with a summary.
    pub(super) fn row_holds(&mut self, plan: &Plan, tree: &Arc<Tree>, row: u32, how: &Comparison) -> Result<bool> {
        match &plan.op {
            Op::And(parts) => {
                for part in parts {
                    if !self.row_holds(part, tree, row, how)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Op::Or(parts) => {
                for part in parts {
                    if self.row_holds(part, tree, row, how)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Op::Not(operand) => Ok(!self.row_holds(operand, tree, row, how)?),
            Op::Boolean(operand) => self.row_holds(operand, tree, row, how),
            Op::Exists(operand, exists) => Ok(self.row_holds(operand, tree, row, how)? == *exists),
            Op::GeneralCompare(op, left, right, _) => {
                let (Some(route), Op::Const(Sequence::One(Item::Atomic(value)))) = (own_route(left), &right.op) else {
                    return Ok(false);
                };
                let Some(range) = self.along(route, tree, row) else { return Ok(false) };
                self.any_row(*op, route.id, tree, range, value, how)
            }
            _ => {
                let range = own_route(plan).and_then(|route| self.along(route, tree, row));
                Ok(range.is_some_and(|range| !range.is_empty()))
            }
        }
    }

    /// `fn:contains` and its like by codepoints.
    pub(super) fn text_test(&mut self, test: TextTest, text: &Plan, part: &Plan, env: &mut Env) -> Result<bool> {
        let text = self.text(text, env)?;
        let part = self.text(part, env)?;
        let (text, part) = (text.as_str(), part.as_str());
        self.charge(text.len() / 256 + 1)?;
        Ok(match test {
            TextTest::Contains => memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some(),
            TextTest::StartsWith => text.starts_with(part),
            TextTest::EndsWith => text.ends_with(part),
        })
    }
}

/// The operator with its sides exchanged.
fn flipped(op: compare::Op) -> compare::Op {
    match op {
        compare::Op::Lt => compare::Op::Gt,
        compare::Op::Le => compare::Op::Ge,
        compare::Op::Gt => compare::Op::Lt,
        compare::Op::Ge => compare::Op::Le,
        same => same,
    }
}

/// The route of a path from the context item.
fn own_route(plan: &Plan) -> Option<&Route> {
    match &plan.op {
        Op::Path(None, steps) => match &steps[..] {
            [Step::Route(route, predicates)] if predicates.is_empty() => Some(route),
            _ => None,
        },
        _ => None,
    }
}

/// Whether any pair compares.
fn any(op: compare::Op, view: &View, values: &[Atomic], how: &Comparison) -> Result<bool> {
    for pre in view.rows() {
        for value in values {
            if compares(op, &view.tree, *pre, value, how)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// A general comparison of a node's typed value.
fn compares(op: compare::Op, tree: &Arc<Tree>, pre: u32, value: &Atomic, how: &Comparison) -> Result<bool> {
    let is_untyped = !matches!(tree.kind(pre), NodeKind::Comment | NodeKind::ProcessingInstruction);
    if is_untyped {
        let text = tree.string_value(pre);
        match value {
            Atomic::Untyped(other) | Atomic::String(other, _) | Atomic::AnyUri(other) if how.collation.is_none() => {
                return Ok(op.holds(Some(text.cmp(other))));
            }
            Atomic::Integer(..) | Atomic::Decimal(_) | Atomic::Double(_) | Atomic::Float(_) => {
                // What is no number raises its error below.
                if let (Some(number), Some(other)) = (parse_double(text), value.to_double()) {
                    return Ok(op.holds(number.partial_cmp(&other)));
                }
            }
            _ => {}
        }
    }
    compare::general_compare(op, &atomize_node(&Node { tree: tree.clone(), pre }), value, how)
}
