//! Constants: what follows from literals alone is calculated while compiling, unless it is an error.

use super::{Rewriter, bottom_up};
use crate::compile::plan::{Op, Plan, TextTest};
use crate::context::{CODEPOINT_COLLATION, FN_NAMESPACE};
use phoenixmldb_xdm::atomic::{arithmetic, compare};
use phoenixmldb_xdm::{Atomic, Item, Sequence};

impl Rewriter {
    pub(super) fn fold(&mut self, plan: &mut Plan) {
        bottom_up(plan, &mut |plan| {
            if let Some(value) = folded(&plan.op) {
                self.note("a constant expression was calculated");
                plan.op = value;
            } else if let Some(test) = text_test(&plan.op)
                && let Op::CallBuiltin(_, args, _) = &mut plan.op
                && let (Some(part), Some(text)) = (args.pop(), args.pop())
            {
                plan.op = Op::TextTest(test, Box::new(text), Box::new(part));
            }
        });
    }
}

fn atomic(plan: &Plan) -> Option<&Atomic> {
    match &plan.op {
        Op::Const(Sequence::One(Item::Atomic(value))) => Some(value),
        _ => None,
    }
}

fn truth(plan: &Plan) -> Option<bool> {
    match &plan.op {
        Op::Const(value) => value.effective_boolean_value().ok(),
        _ => None,
    }
}

fn folded(op: &Op) -> Option<Op> {
    match op {
        Op::Arithmetic(operator, a, b) => {
            let (a, b) = (atomic(a)?, atomic(b)?);
            let plain = |value: &Atomic| value.type_of().is_numeric();
            // Dates may need the implicit time zone.
            if !plain(a) || !plain(b) {
                return None;
            }
            Some(Op::Const(Sequence::from(arithmetic::apply(*operator, a, b, 0).ok()?)))
        }
        Op::GeneralCompare(operator, a, b, None) => {
            let (a, b) = (atomic(a)?, atomic(b)?);
            if !(a.type_of().is_numeric() && b.type_of().is_numeric()) {
                return None;
            }
            let how = compare::Comparison::default();
            Some(Op::Const(compare::general_compare(*operator, a, b, &how).ok()?.into()))
        }
        Op::If(condition, then, otherwise) => {
            let branch = if truth(condition)? { then } else { otherwise };
            Some(branch.op.clone())
        }
        Op::Not(operand) => Some(Op::Const((!truth(operand)?).into())),
        _ => None,
    }
}

/// `contains`, `starts-with`, `ends-with` by codepoints.
fn text_test(op: &Op) -> Option<TextTest> {
    let Op::CallBuiltin(builtin, args, context) = op else { return None };
    let by_codepoints = args.len() == 2 && context.default_collation == CODEPOINT_COLLATION;
    if builtin.entry.namespace != FN_NAMESPACE || !by_codepoints {
        return None;
    }
    match builtin.entry.local {
        "contains" => Some(TextTest::Contains),
        "starts-with" => Some(TextTest::StartsWith),
        "ends-with" => Some(TextTest::EndsWith),
        _ => None,
    }
}
