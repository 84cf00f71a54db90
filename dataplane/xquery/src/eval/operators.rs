//! Comparisons, logic, arithmetic and ranges (XQuery 3.1 §3.4 to §3.8).

use super::Evaluator;
use super::context::Env;
use crate::compile::plan::{NodeOp, Op, Plan, SharedCollation};
use phoenixmldb_xdm::atomic::compare::{self, Comparison};
use phoenixmldb_xdm::atomic::{Integer, arithmetic};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Atomic, AtomicType, Item, Node, Sequence, Str, size};
use std::collections::HashSet;

/// Sides of at least this many values are compared by a hash set rather than pair by pair.
const HASHED_FROM: usize = 8;

impl Evaluator {
    pub(super) fn comparison(&self, collation: &SharedCollation) -> Comparison {
        Comparison { implicit_zone: self.dynamic.implicit_zone(), collation: collation.clone() }
    }

    /// The effective boolean value of an expression.
    pub(super) fn truth(&mut self, plan: &Plan, env: &mut Env) -> Result<bool> {
        let result = match &plan.op {
            Op::Or(_)
            | Op::And(_)
            | Op::Not(_)
            | Op::Boolean(_)
            | Op::Exists(..)
            | Op::GeneralCompare(..)
            | Op::InstanceOf(..)
            | Op::TextTest(..)
            | Op::Castable(..) => {
                let held = self.dynamic.meter.held_bytes();
                let result = self.on_stack(|this| {
                    this.charge(1)?;
                    this.truth_of(&plan.op, env)
                });
                self.dynamic.meter.settle(held);
                result
            }
            _ => {
                if let Some(view) = self.view(plan, env) {
                    return Ok(!view.range.is_empty());
                }
                return self.eval(plan, env)?.effective_boolean_value();
            }
        };
        result.map_err(|error| if plan.span.end == 0 { error } else { error.at(plan.span.start, plan.span.end) })
    }

    /// Expressions whose value is a boolean.
    pub(super) fn truth_of(&mut self, op: &Op, env: &mut Env) -> Result<bool> {
        match op {
            Op::Or(parts) => {
                for part in parts {
                    if self.truth(part, env)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Op::And(parts) => {
                for part in parts {
                    if !self.truth(part, env)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Op::Not(operand) => Ok(!self.truth(operand, env)?),
            Op::Boolean(operand) => self.truth(operand, env),
            Op::Exists(operand, exists) => Ok(self.exists(operand, env)? == *exists),
            Op::TextTest(test, text, part) => self.text_test(*test, text, part, env),
            Op::GeneralCompare(op, left, right, collation) => {
                if let Some(holds) = self.compare_view(*op, left, right, collation, env)? {
                    return Ok(holds);
                }
                let left = self.eval(left, env)?;
                if left.is_empty() {
                    // The other side may be left out (§2.3.4).
                    return Ok(false);
                }
                if let Some(holds) = self.compare_with_view(*op, &left, right, collation, env)? {
                    return Ok(holds);
                }
                let right = self.eval(right, env)?;
                self.general_compare(*op, &left, &right, collation)
            }
            Op::InstanceOf(operand, target) => Ok(target.matches(&self.eval(operand, env)?)),
            Op::Castable(operand, target, optional, context) => {
                let values = match self.eval(operand, env)?.atomize() {
                    Ok(values) => values,
                    Err(_) => return Ok(false),
                };
                Ok(match &values[..] {
                    [] => *optional,
                    [value] => value.castable_as(*target, &|prefix| context.namespace(prefix)),
                    _ => false,
                })
            }
            _ => unreachable!("called for expressions that are booleans"),
        }
    }

    fn general_compare(
        &self,
        op: compare::Op,
        left: &Sequence,
        right: &Sequence,
        collation: &SharedCollation,
    ) -> Result<bool> {
        let how = self.comparison(collation);
        // `position() = 1 to 3` and its like.
        if let (Sequence::One(Item::Atomic(Atomic::Integer(value, _))), Sequence::Range(first, last), compare::Op::Eq) =
            (left, right, op)
        {
            let value = value.0;
            return Ok((i128::from(*first)..=i128::from(*last)).contains(&value));
        }
        let left = left.atomize()?;
        let right = right.atomize()?;
        if left.len() >= HASHED_FROM && right.len() >= HASHED_FROM && op == compare::Op::Eq && how.collation.is_none() {
            let texts = |values: &[Atomic]| -> Option<HashSet<Str>> {
                values.iter().map(|value| value.as_text().cloned()).collect()
            };
            if let (Some(known), true) = (texts(&left), right.iter().all(|value| value.as_text().is_some())) {
                self.charge(right.len())?;
                return Ok(right.iter().filter_map(Atomic::as_text).any(|text| known.contains(text)));
            }
        }
        for a in &left {
            self.charge(right.len())?;
            for b in &right {
                if compare::general_compare(op, a, b, &how)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The only value of an operand, or none. Error: XPTY0004 for several.
    pub(super) fn optional_atomic(&mut self, plan: &Plan, env: &mut Env) -> Result<Option<Atomic>> {
        match self.eval(plan, env)? {
            Sequence::Empty => Ok(None),
            Sequence::One(Item::Atomic(value)) => Ok(Some(value)),
            other => {
                let mut values = other.atomize()?;
                if values.len() > 1 {
                    return Err(fail("XPTY0004", format!("{} values where at most one is allowed", values.len())));
                }
                Ok(values.pop())
            }
        }
    }

    /// The only value of an operand. Error: XPTY0004.
    pub(super) fn single_atomic(&mut self, plan: &Plan, env: &mut Env, what: &str) -> Result<Atomic> {
        let value = self.optional_atomic(plan, env)?;
        value.ok_or_else(|| fail("XPTY0004", format!("{what} must not be empty")))
    }

    pub(super) fn value_compare(
        &mut self,
        op: compare::Op,
        left: &Plan,
        right: &Plan,
        collation: &SharedCollation,
        env: &mut Env,
    ) -> Result<Sequence> {
        let Some(left) = self.optional_atomic(left, env)? else { return Ok(Sequence::Empty) };
        let Some(right) = self.optional_atomic(right, env)? else { return Ok(Sequence::Empty) };
        Ok(compare::value_compare(op, &left, &right, &self.comparison(collation))?.into())
    }

    fn optional_node(&mut self, plan: &Plan, env: &mut Env) -> Result<Option<Node>> {
        let value = self.eval(plan, env)?;
        match (value.len(), value.first()) {
            (0, _) => Ok(None),
            (1, Some(Item::Node(node))) => Ok(Some(node)),
            _ => Err(fail("XPTY0004", "nodes are compared one with one")),
        }
    }

    pub(super) fn node_compare(&mut self, op: NodeOp, left: &Plan, right: &Plan, env: &mut Env) -> Result<Sequence> {
        let Some(left) = self.optional_node(left, env)? else { return Ok(Sequence::Empty) };
        let Some(right) = self.optional_node(right, env)? else { return Ok(Sequence::Empty) };
        let holds = match op {
            NodeOp::Is => left == right,
            NodeOp::Precedes => left.document_order(&right).is_lt(),
            NodeOp::Follows => left.document_order(&right).is_gt(),
        };
        Ok(holds.into())
    }

    fn optional_integer(&mut self, plan: &Plan, env: &mut Env) -> Result<Option<i128>> {
        let Some(value) = self.optional_atomic(plan, env)? else { return Ok(None) };
        let value = match value {
            Atomic::Untyped(_) => value.cast_as(AtomicType::Integer, &|_| None)?,
            other => other,
        };
        match value {
            Atomic::Integer(value, _) => Ok(Some(value.0)),
            other => Err(fail("XPTY0004", format!("a range goes from integer to integer, not {}", other.type_of()))),
        }
    }

    pub(super) fn range(&mut self, left: &Plan, right: &Plan, env: &mut Env) -> Result<Sequence> {
        let Some(first) = self.optional_integer(left, env)? else { return Ok(Sequence::Empty) };
        let Some(last) = self.optional_integer(right, env)? else { return Ok(Sequence::Empty) };
        let integer = |value: i128| Item::Atomic(Atomic::Integer(Integer(value), AtomicType::Integer));
        if first > last {
            return Ok(Sequence::Empty);
        }
        let length = last.checked_sub(first).filter(|length| *length < i128::from(i64::MAX));
        let length = length.ok_or_else(|| fail("FOAR0002", "the range is too long"))?;
        match (i64::try_from(first), i64::try_from(last)) {
            _ if length == 0 => Ok(Sequence::from(integer(first))),
            (Ok(first), Ok(last)) => Ok(Sequence::Range(first, last)),
            _ => {
                self.hold(size::places(usize::try_from(length).unwrap_or(usize::MAX)))?;
                Ok((first..=last).map(integer).collect())
            }
        }
    }

    pub(super) fn arithmetic(
        &mut self,
        op: arithmetic::Op,
        left: &Plan,
        right: &Plan,
        env: &mut Env,
    ) -> Result<Sequence> {
        let Some(left) = self.operand(left, env)? else { return Ok(Sequence::Empty) };
        let Some(right) = self.operand(right, env)? else { return Ok(Sequence::Empty) };
        if let (Atomic::Integer(a, _), Atomic::Integer(b, _)) = (&left, &right) {
            let (a, b) = (a.0, b.0);
            let fast = match op {
                arithmetic::Op::Add => a.checked_add(b),
                arithmetic::Op::Subtract => a.checked_sub(b),
                arithmetic::Op::Multiply => a.checked_mul(b),
                arithmetic::Op::Div | arithmetic::Op::IDiv | arithmetic::Op::Mod => None,
            };
            if let Some(value) = fast {
                return Ok(Sequence::from(Atomic::Integer(Integer(value), AtomicType::Integer)));
            }
        }
        Ok(Sequence::from(arithmetic::apply(op, &left, &right, self.dynamic.implicit_zone())?))
    }

    /// An operand of a calculation: what is untyped becomes a double here or there.
    fn operand(&mut self, plan: &Plan, env: &mut Env) -> Result<Option<Atomic>> {
        match self.number(plan, env) {
            Some(number) => Ok(Some(number)),
            None => self.optional_atomic(plan, env),
        }
    }

    pub(super) fn sign(&mut self, minus: bool, operand: &Plan, env: &mut Env) -> Result<Sequence> {
        let Some(value) = self.optional_atomic(operand, env)? else { return Ok(Sequence::Empty) };
        let negated = arithmetic::negate(&value)?;
        // Plus checks and converts like minus; twice minus is plus.
        Ok(Sequence::from(if minus { negated } else { arithmetic::negate(&negated)? }))
    }
}
