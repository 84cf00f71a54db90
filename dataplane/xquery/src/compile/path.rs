//! Paths, steps and predicates.
//!
//! `a//b[p]` is `a/descendant-or-self::node()/child::b[p]`; where `p` does not depend on the position that is
//! `a/descendant::b[p]`, one scan of the subtree. A predicate that is a truth value and independent of the position is
//! told apart, because it can be tested on the result of the step rather than per context node.

use super::Compiler;
use super::plan::{Op, Plan, Predicate, Step, StepTest};
use super::types;
use crate::syntax::ast::{self, Expr, ExprKind};
use phoenixmldb_xdm::axes::Axis;
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::types::{ItemType, KindTest};
use phoenixmldb_xdm::{Atomic, AtomicType, Item, Sequence};

impl Compiler {
    pub(super) fn path(&mut self, path: &ast::PathExpr) -> Result<Op> {
        let mut base: Option<Box<Plan>> = path.absolute.then(|| Box::new(Plan::from(Op::Root)));
        let mut steps: Vec<Step> = Vec::new();
        for (index, step) in path.steps.iter().enumerate() {
            let compiled = match &step.expr.kind {
                ExprKind::Step(step) => self.axis_step(step)?,
                _ if index == 0 && !path.absolute => {
                    base = Some(self.boxed(&step.expr)?);
                    continue;
                }
                _ => {
                    // Positions inside refer to the items of the step before.
                    let outer = std::mem::replace(&mut self.positional, false);
                    let plan = self.expr(&step.expr);
                    self.positional = outer;
                    Step::Each(plan?)
                }
            };
            match compiled {
                Step::Axis { axis: Axis::Child | Axis::Descendant, test, predicates }
                    if step.descend && predicates.iter().all(|p| matches!(p, Predicate::Condition(_))) =>
                {
                    steps.push(Step::Axis { axis: Axis::Descendant, test, predicates });
                }
                compiled => {
                    if step.descend {
                        let test = StepTest::Kind(KindTest::Node);
                        steps.push(Step::Axis { axis: Axis::DescendantOrSelf, test, predicates: Vec::new() });
                    }
                    steps.push(compiled);
                }
            }
        }
        if steps.is_empty() {
            return Ok(base.map_or(Op::ContextItem, |base| base.op));
        }
        Ok(Op::Path(base, steps))
    }

    pub(super) fn axis_step(&mut self, step: &ast::AxisStep) -> Result<Step> {
        let axis = match step.axis {
            ast::Axis::Child => Axis::Child,
            ast::Axis::Descendant => Axis::Descendant,
            ast::Axis::Attribute => Axis::Attribute,
            ast::Axis::SelfAxis => Axis::SelfNode,
            ast::Axis::DescendantOrSelf => Axis::DescendantOrSelf,
            ast::Axis::FollowingSibling => Axis::FollowingSibling,
            ast::Axis::Following => Axis::Following,
            ast::Axis::Parent => Axis::Parent,
            ast::Axis::Ancestor => Axis::Ancestor,
            ast::Axis::PrecedingSibling => Axis::PrecedingSibling,
            ast::Axis::Preceding => Axis::Preceding,
            ast::Axis::AncestorOrSelf => Axis::AncestorOrSelf,
        };
        let test = match &step.test {
            ast::NodeTest::Name(name) => {
                let default = match step.axis {
                    ast::Axis::Attribute => phoenixmldb_xdm::Str::default(),
                    _ => self.context.default_element_namespace.clone(),
                };
                StepTest::Name(types::name_test(name, &default, &self.context)?)
            }
            ast::NodeTest::Kind(kind) => StepTest::Kind(types::kind_test(kind, &self.context)?),
        };
        Ok(Step::Axis { axis, test, predicates: self.predicates(&step.predicates)? })
    }

    pub(super) fn predicates(&mut self, predicates: &[Expr]) -> Result<Vec<Predicate>> {
        predicates.iter().map(|predicate| self.predicate(predicate)).collect()
    }

    fn predicate(&mut self, predicate: &Expr) -> Result<Predicate> {
        let outer = std::mem::replace(&mut self.positional, false);
        let plan = self.expr(predicate);
        let positional = std::mem::replace(&mut self.positional, outer);
        let plan = plan?;
        Ok(match &plan.op {
            Op::Last => Predicate::Last,
            Op::Const(Sequence::One(Item::Atomic(Atomic::Integer(value, _)))) => {
                Predicate::Position(value.to_i64().unwrap_or(0))
            }
            _ if !positional && is_condition(&plan.op) => Predicate::Condition(plan),
            _ => Predicate::General(plan),
        })
    }
}

/// Whether an expression gives a truth value or nodes, never a number.
fn is_condition(op: &Op) -> bool {
    match op {
        Op::Or(_)
        | Op::And(_)
        | Op::Not(_)
        | Op::Boolean(_)
        | Op::Exists(..)
        | Op::ValueCompare(..)
        | Op::GeneralCompare(..)
        | Op::NodeCompare(..)
        | Op::Quantified(..)
        | Op::InstanceOf(..)
        | Op::Castable(..)
        | Op::Set(..)
        | Op::Root => true,
        Op::Path(_, steps) => matches!(steps.last(), Some(Step::Axis { .. })),
        Op::If(_, then, otherwise) => is_condition(&then.op) && is_condition(&otherwise.op),
        Op::CallBuiltin(builtin, ..) => match &builtin.result.item {
            ItemType::Kind(_) => true,
            ItemType::Atomic(atomic) => matches!(atomic, AtomicType::Boolean | AtomicType::String),
            _ => false,
        },
        _ => false,
    }
}
