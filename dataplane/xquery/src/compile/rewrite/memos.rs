//! Expressions in a loop that do not depend on it are evaluated once and remembered.
//!
//! A remembered value stays valid as long as everything it was made of is the same: the slots it reads and, if it looks
//! at the focus, the context item or the root of its tree. So being wrong about a loop costs a comparison, never a wrong
//! result. Expressions that make new nodes are left alone, because every evaluation has its own.

use super::Rewriter;
use super::facts::facts;
use super::visit::{Scope, children_mut};
use crate::compile::plan::{Clause, FocusUse, Op, Plan, Slot, Step};
use std::collections::BTreeSet;

/// What changes from one pass of the innermost loop to the next; `None` outside loops.
#[derive(Clone)]
struct Loop {
    slots: BTreeSet<Slot>,
    focus: bool,
}

impl Rewriter {
    pub(super) fn memos(&mut self, plan: &mut Plan) {
        self.memo(plan, None);
    }

    fn memo(&mut self, plan: &mut Plan, around: Option<&Loop>) {
        let (red, segment) = (crate::limits::STACK_RED_ZONE_BYTES, crate::limits::STACK_SEGMENT_BYTES);
        stacker::maybe_grow(red, segment, || self.memo_here(plan, around));
    }

    fn memo_here(&mut self, plan: &mut Plan, around: Option<&Loop>) {
        if let Some(around) = around
            && is_worthwhile(&plan.op)
        {
            let found = facts(plan);
            let stays = found.free.is_disjoint(&around.slots)
                && (!around.focus || found.focus < FocusUse::Item)
                && found.pure
                && !found.fixed;
            if stays {
                let id = self.done.memos;
                self.done.memos += 1;
                self.note("an expression that stays the same in a loop is remembered");
                let op = std::mem::replace(&mut plan.op, Op::Position);
                let inner = Plan { op, span: plan.span };
                plan.op = Op::Memo(id, found.free.into_iter().collect(), found.focus, Box::new(inner));
                return;
            }
        }
        let own = slots_of(&plan.op).map(|slots| Loop { slots, focus: false });
        let focus = Loop { slots: BTreeSet::new(), focus: true };
        children_mut(&mut plan.op, &mut |child, scope| match scope {
            Scope::Once | Scope::Caught => self.memo(child, around),
            Scope::Repeated => self.memo(child, own.as_ref().or(around)),
            Scope::Focus => self.memo(child, Some(&focus)),
        });
    }
}

/// Slots that the clauses of a loop set.
fn slots_of(op: &Op) -> Option<BTreeSet<Slot>> {
    let (Op::Flwor(clauses, _) | Op::Quantified(_, clauses, _)) = op else { return None };
    let mut slots = BTreeSet::new();
    super::facts::bound_by(clauses, &mut slots);
    Some(slots).filter(|_| !clauses.iter().all(|clause| matches!(clause, Clause::Let { .. } | Clause::Where(_))))
}

/// Whether evaluating is dearer than looking whether anything has changed.
fn is_worthwhile(op: &Op) -> bool {
    match op {
        Op::Path(base, steps) => {
            let plain = |step: &Step| matches!(step, Step::Route(_, predicates) if predicates.is_empty());
            let at_hand = |base: &Plan| matches!(base.op, Op::Root | Op::Local(_) | Op::Global(_) | Op::ContextItem);
            !steps.iter().all(plain) || base.as_ref().is_some_and(|base| !at_hand(base))
        }
        Op::Flwor(..) | Op::Quantified(..) | Op::Filter(..) | Op::SimpleMap(..) | Op::Set(..) => true,
        Op::CallBuiltin(_, args, _) => args.iter().any(|arg| is_worthwhile(&arg.op) || matches!(arg.op, Op::Path(..))),
        Op::Count(operand) => is_worthwhile(&operand.op),
        _ => false,
    }
}
