//! Joins: `for $x in E where P = K($x)` looked up in a table of keys instead of compared item by item.
//!
//! The comparison splits when one side reads nothing but `$x` and the other does not read it. The table is built when
//! the clause is reached for the second time with the same items, so that a single pass costs what it did; everything
//! a table cannot answer exactly goes through the comparison as written. Comparisons of order use sorted keys.

use super::facts::facts;
use super::{Rewriter, bottom_up};
use crate::compile::plan::{Clause, FocusUse, Join, Op, Plan, Slot};
use phoenixmldb_xdm::atomic::compare;

impl Rewriter {
    pub(super) fn joins(&mut self, plan: &mut Plan) {
        bottom_up(plan, &mut |plan| match &mut plan.op {
            Op::Flwor(clauses, _) => self.join_clauses(clauses),
            Op::Quantified(false, clauses, condition) => {
                // `some $x in E satisfies C` is `some $x in E where C satisfies true()`.
                let Some(Clause::For { slot, .. }) = clauses.last() else { return };
                if splits(condition, *slot).is_none() {
                    return;
                }
                clauses.push(Clause::Where(std::mem::replace(&mut **condition, Plan::from(Op::Const(true.into())))));
                self.join_clauses(clauses);
            }
            _ => {}
        });
    }

    fn join_clauses(&mut self, clauses: &mut Vec<Clause>) {
        let mut at = 0;
        while at + 1 < clauses.len() {
            if let Some((join, rest)) = self.join(&clauses[at], &clauses[at + 1]) {
                clauses[at] = Clause::Join(Box::new(join));
                match rest {
                    Some(rest) => clauses[at + 1] = Clause::Where(rest),
                    None => {
                        clauses.remove(at + 1);
                    }
                }
            }
            at += 1;
        }
    }

    /// The join of a `for` and the `where` behind it, with what is left of the condition.
    fn join(&mut self, clause: &Clause, condition: &Clause) -> Option<(Join, Option<Plan>)> {
        let (
            Clause::For { slot, declared_type: None, allowing_empty: false, position: None, input },
            Clause::Where(condition),
        ) = (clause, condition)
        else {
            return None;
        };
        let (first, rest) = match &condition.op {
            Op::And(parts) => {
                let (first, rest) = parts.split_first()?;
                let rest = match rest {
                    [] => None,
                    [only] => Some(Plan { op: Op::Boolean(Box::new(only.clone())), span: only.span }),
                    several => Some(Plan { op: Op::And(several.to_vec()), span: condition.span }),
                };
                (first, rest)
            }
            _ => (condition, None),
        };
        let (probe, key, op, general) = splits(first, *slot)?;
        let id = self.done.joins;
        self.done.joins += 1;
        let how = if op == compare::Op::Eq { "a hash table" } else { "sorted keys" };
        self.note(format!("a loop with a comparison became a join by {how}"));
        let (probe, key) = (probe.clone(), key.clone());
        Some((Join { id, slot: *slot, input: input.clone(), key, probe, op, general, condition: first.clone() }, rest))
    }
}

/// The sides of a comparison: what is asked for, the key of the variable, how the first compares with the second.
fn splits(condition: &Plan, slot: Slot) -> Option<(&Plan, &Plan, compare::Op, bool)> {
    let (op, left, right, general) = match &condition.op {
        Op::GeneralCompare(op, left, right, None) => (*op, left, right, true),
        Op::ValueCompare(op, left, right, None) => (*op, left, right, false),
        _ => return None,
    };
    if op == compare::Op::Ne {
        return None;
    }
    if is_key(right, slot) && is_probe(left, slot) {
        return Some((left, right, op, general));
    }
    if is_key(left, slot) && is_probe(right, slot) {
        let flipped = match op {
            compare::Op::Lt => compare::Op::Gt,
            compare::Op::Le => compare::Op::Ge,
            compare::Op::Gt => compare::Op::Lt,
            compare::Op::Ge => compare::Op::Le,
            same => same,
        };
        return Some((right, left, flipped, general));
    }
    None
}

fn is_key(plan: &Plan, slot: Slot) -> bool {
    let found = facts(plan);
    found.free.iter().eq([&slot]) && found.focus == FocusUse::No && !found.fixed
}

/// Something that changes from one pass to the next, else there is nothing to look up.
fn is_probe(plan: &Plan, slot: Slot) -> bool {
    let found = facts(plan);
    !found.free.contains(&slot) && !found.fixed && (!found.free.is_empty() || found.focus == FocusUse::Item)
}
