//! What a plan depends on, and what it does beside giving a value.

use super::visit::{Scope, children};
use crate::compile::plan::{Clause, FocusUse, Op, Plan, Slot, Update, Window};
use crate::functions::signature::Depends;
use std::collections::BTreeSet;

/// What a plan depends on.
#[derive(Debug)]
pub(super) struct Facts {
    /// Slots that are set outside and read inside.
    pub(super) free: BTreeSet<Slot>,
    /// What it reads of the focus.
    pub(super) focus: FocusUse,
    /// Evaluating it once or twice is the same: no new nodes, no calls whose body is not known, nothing traced.
    pub(super) pure: bool,
    /// It must stay where it is: it traces, raises an error on purpose, ends in a tail call, or makes nodes under modes
    /// for copying namespaces other than the usual ones.
    pub(super) fixed: bool,
}

/// Looks at a plan and everything below it.
pub(super) fn facts(plan: &Plan) -> Facts {
    let mut found = Facts { free: BTreeSet::new(), focus: FocusUse::No, pure: true, fixed: false };
    let mut bound = BTreeSet::new();
    collect(plan, true, &mut found, &mut bound);
    found.free = found.free.difference(&bound).copied().collect();
    found
}

/// How often a slot is read by a plan, and whether always at most once per evaluation, under its focus, outside `try`.
pub(super) fn reads(plan: &Plan, slot: Slot) -> (usize, bool) {
    let mut count = 0;
    let mut once = true;
    count_reads(plan, slot, true, &mut count, &mut once);
    (count, once)
}

fn count_reads(plan: &Plan, slot: Slot, is_once: bool, count: &mut usize, once: &mut bool) {
    let mut read = |at: Slot, once_here: bool| {
        if at == slot {
            *count += 1;
            *once &= once_here;
        }
    };
    match &plan.op {
        Op::Local(at) => read(*at, is_once),
        Op::Closure(_, captures) => captures.iter().for_each(|(from, _)| read(*from, false)),
        Op::Memo(_, slots, ..) => slots.iter().for_each(|at| read(*at, false)),
        Op::Flwor(clauses, _) | Op::Quantified(_, clauses, _) => {
            for clause in clauses {
                if let Clause::GroupBy { others, .. } = clause {
                    others.iter().for_each(|at| read(*at, false));
                }
            }
        }
        _ => {}
    }
    children(&plan.op, &mut |child, scope| {
        count_reads(child, slot, is_once && scope == Scope::Once, count, once);
    });
}

fn collect(plan: &Plan, own_focus: bool, found: &mut Facts, bound: &mut BTreeSet<Slot>) {
    let mut focus = |used: FocusUse| {
        if own_focus {
            found.focus = found.focus.max(used);
        }
    };
    match &plan.op {
        Op::Local(slot) => {
            found.free.insert(*slot);
        }
        Op::ContextItem | Op::Position | Op::Last => focus(FocusUse::Item),
        Op::Root => focus(FocusUse::Root),
        Op::Path(None, _) => focus(FocusUse::Item),
        Op::FunctionRef(_) => {
            focus(FocusUse::Item);
            found.pure = false;
        }
        Op::Closure(_, captures) => {
            found.free.extend(captures.iter().map(|(from, _)| *from));
            found.pure = false;
        }
        Op::CallBuiltin(builtin, args, _) => match builtin.entry.depends {
            // With all arguments given, the focus is not looked at.
            Depends::Focus if args.len() < builtin.params.len() || builtin.params.is_empty() => focus(FocusUse::Item),
            Depends::Focus if builtin.entry.local == "function-lookup" => found.pure = false,
            Depends::Outside => {
                found.pure = false;
                found.fixed = true;
            }
            Depends::Focus | Depends::Arguments | Depends::Context => {
                found.pure &= !makes_nodes(builtin.entry.local);
            }
        },
        Op::TailCall(_) => {
            found.pure = false;
            found.fixed = true;
        }
        Op::Construct(_, context) => {
            found.pure = false;
            // Content that comes from a variable is copied by these modes, content in place is not.
            found.fixed |= context.copy_namespaces != (true, true);
        }
        Op::CallUser(..) | Op::CallDynamic(..) => found.pure = false,
        Op::Update(update, _) => {
            found.pure = false;
            found.fixed = true;
            if let Update::CopyModify(copies, ..) = &**update {
                bound.extend(copies.iter().map(|(slot, _)| *slot));
            }
        }
        Op::Let(slot, ..) => {
            bound.insert(*slot);
        }
        Op::Flwor(clauses, _) | Op::Quantified(_, clauses, _) => bound_by(clauses, bound),
        Op::Typeswitch(_, cases, slot, _) => {
            bound.extend(cases.iter().filter_map(|(_, slot, _)| *slot).chain(*slot));
        }
        Op::Try(_, catches) => bound.extend(catches.iter().flat_map(|clause| clause.variables)),
        _ => {}
    }
    let (red, segment) = (crate::limits::STACK_RED_ZONE_BYTES, crate::limits::STACK_SEGMENT_BYTES);
    children(&plan.op, &mut |child, scope| {
        let own = own_focus && scope != Scope::Focus;
        stacker::maybe_grow(red, segment, || collect(child, own, found, bound));
    });
}

/// Functions whose every call may give new nodes, or that call functions they are given.
fn makes_nodes(local: &str) -> bool {
    matches!(
        local,
        "parse-xml"
            | "parse-xml-fragment"
            | "json-to-xml"
            | "analyze-string"
            | "apply"
            | "for-each"
            | "filter"
            | "fold-left"
            | "fold-right"
            | "for-each-pair"
            | "sort"
            | "load-xquery-module"
            | "transform"
            | "random-number-generator"
    )
}

/// Slots that clauses set.
pub(super) fn bound_by(clauses: &[Clause], bound: &mut BTreeSet<Slot>) {
    for clause in clauses {
        match clause {
            Clause::For { slot, position, .. } => bound.extend([Some(*slot), *position].into_iter().flatten()),
            Clause::Let { slot, .. } | Clause::Count(slot) => {
                bound.insert(*slot);
            }
            Clause::GroupBy { keys, .. } => bound.extend(keys.iter().map(|key| key.slot)),
            Clause::Window(window) => bound.extend(window_slots(window)),
            Clause::Join(join) => {
                bound.insert(join.slot);
            }
            Clause::Where(_) | Clause::OrderBy { .. } => {}
        }
    }
}

fn window_slots(window: &Window) -> Vec<Slot> {
    let of = |condition: &crate::compile::plan::WindowCondition| {
        [condition.current, condition.position, condition.previous, condition.next]
    };
    let end = window.end.as_ref().map(of).unwrap_or_default();
    of(&window.start).into_iter().chain(end).flatten().chain([window.slot]).collect()
}
