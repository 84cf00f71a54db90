//! Variables that are read at most once need no value of their own.
//!
//! `let $l := for … return $i return <n>{count($l)}</n>` becomes `<n>{count(for … return $i)}</n>`, where the count needs
//! no items and the constructor no sequence. Only where the one read is evaluated at most once per binding, under the
//! same focus and outside `try`.

use super::facts::{facts, reads};
use super::{Rewriter, bottom_up, visit};
use crate::compile::plan::{Clause, Op, Plan, Slot};

impl Rewriter {
    pub(super) fn lets(&mut self, plan: &mut Plan) {
        bottom_up(plan, &mut |plan| {
            let take = |plan: &mut Plan| std::mem::replace(plan, Plan::from(Op::Position));
            let replacement = match &mut plan.op {
                Op::Let(slot, None, value, body) => self.inlined(*slot, value, body).then(|| take(body)),
                Op::Flwor(clauses, result) => {
                    self.let_clauses(clauses, result);
                    clauses.is_empty().then(|| take(result))
                }
                _ => None,
            };
            // With its own place, so that errors show where they arise.
            if let Some(replacement) = replacement {
                *plan = replacement;
            }
        });
    }

    /// From the last clause to the first, so that a chain of bindings collapses.
    fn let_clauses(&mut self, clauses: &mut Vec<Clause>, result: &mut Box<Plan>) {
        for at in (0..clauses.len()).rev() {
            let Clause::Let { slot, declared_type: None, .. } = &clauses[at] else { continue };
            let slot = *slot;
            // What comes behind, as an expression of its own.
            let behind = clauses.split_off(at + 1);
            let last = std::mem::replace(result, Box::new(Plan::from(Op::Position)));
            let mut rest = Plan::from(Op::Flwor(behind, last));
            let inlined = match &mut clauses[at] {
                Clause::Let { value, .. } => self.inlined(slot, value, &mut rest),
                _ => false,
            };
            if inlined {
                clauses.pop();
            }
            let Op::Flwor(behind, last) = rest.op else { unreachable!("built above") };
            *result = last;
            clauses.extend(behind.into_iter().map(|clause| match clause {
                Clause::OrderBy { keys, mut bound } if inlined => {
                    bound.retain(|other| *other != slot);
                    Clause::OrderBy { keys, bound }
                }
                clause => clause,
            }));
        }
    }

    /// Puts the value where the slot is read, or drops it.
    fn inlined(&mut self, slot: Slot, value: &mut Plan, body: &mut Plan) -> bool {
        let found = facts(value);
        if found.fixed {
            return false;
        }
        match reads(body, slot) {
            (0, _) if found.pure => {
                self.note("a variable that is never read was dropped");
                true
            }
            (1, true) => {
                let mut value = Some(std::mem::replace(value, Plan::from(Op::Position)));
                replace(body, slot, &mut value);
                self.note("a variable that is read once was replaced by its value");
                true
            }
            _ => false,
        }
    }
}

fn replace(plan: &mut Plan, slot: Slot, value: &mut Option<Plan>) {
    if matches!(plan.op, Op::Local(at) if at == slot) {
        if let Some(value) = value.take() {
            *plan = value;
        }
        return;
    }
    visit::children_mut(&mut plan.op, &mut |child, _| {
        if value.is_some() {
            replace(child, slot, value);
        }
    });
}
