//! Rewrites of compiled plans: the same results sooner.
//!
//! ```text
//!  fold ─► lets ─► joins ─► paths ─► memos          visit.rs walks plans, facts.rs says what a plan depends on
//! ```
//!
//! A rewrite may leave an error out where XQuery 3.1 §2.3.4 allows it, and never adds one: what a special form of
//! evaluation cannot answer falls back to the plan as it was written, which it therefore keeps. Everything a rewrite
//! does is noted for `explain`.

mod facts;
mod fold;
mod joins;
mod lets;
mod memos;
mod paths;
mod visit;

pub(crate) use visit::children;

use super::plan::{FunctionPlan, Op, Optimized, Plan, Program};
use std::sync::Arc;

/// Rewrites one program.
struct Rewriter {
    done: Optimized,
}

/// Rewrites all expressions of a program.
pub(crate) fn optimize(program: &mut Program) {
    let mut rewriter = Rewriter { done: Optimized::default() };
    rewriter.frame(&mut program.body);
    for global in &mut program.globals {
        if let Some((value, _)) = &mut global.value {
            rewriter.frame(value);
        }
    }
    if let Some((value, _)) = program.context_item.as_mut().and_then(|item| item.value.as_mut()) {
        rewriter.frame(value);
    }
    for function in &mut program.functions {
        rewriter.function(function);
    }
    program.optimized = rewriter.done;
}

impl Rewriter {
    fn note(&mut self, what: impl Into<String>) {
        self.done.rewrites.push(what.into());
    }

    /// Rewrites the plan of one frame: slots mean the same all through it.
    fn frame(&mut self, plan: &mut Plan) {
        self.closures(plan);
        self.fold(plan);
        self.lets(plan);
        self.joins(plan);
        self.paths(plan);
        self.memos(plan);
    }

    fn function(&mut self, function: &mut Arc<FunctionPlan>) {
        if let Some(body) = &mut Arc::make_mut(function).body {
            self.frame(body);
        }
    }

    /// Inline functions have frames of their own.
    fn closures(&mut self, plan: &mut Plan) {
        if let Op::Closure(function, _) = &mut plan.op {
            self.function(function);
        }
        visit::children_mut(&mut plan.op, &mut |child, _| self.closures(child));
    }
}

/// Applies `f` to a plan and everything below it, innermost first.
fn bottom_up(plan: &mut Plan, f: &mut dyn FnMut(&mut Plan)) {
    let (red, segment) = (crate::limits::STACK_RED_ZONE_BYTES, crate::limits::STACK_SEGMENT_BYTES);
    stacker::maybe_grow(red, segment, || {
        visit::children_mut(&mut plan.op, &mut |child, _| bottom_up(child, f));
        f(plan);
    });
}
