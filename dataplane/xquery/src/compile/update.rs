//! Updating expressions and the category of every expression (XQuery Update Facility 3.0 §2.2, §5, §7).
//!
//! While an expression is compiled, [`Compiler::updates`] says whether any of its operands is updating. Where it may be is
//! decided in [`may_hold_updates`] for whole kinds of expressions, and by [`Compiler::simple`] for single operands. Unlike
//! version 1.0 of the facility, 3.0 lets an expression give a value and updates, and asks nowhere for an updating one.

use super::plan::{Op, Plan, Update};
use super::{Compiler, types};
use crate::context::XQUERY_NAMESPACE;
use crate::syntax::ast::{self, Argument, Expr, ExprKind};
use phoenixmldb_xdm::error::{Result, fail};

/// Whether expressions of a kind may have updating operands, in those places that [`Compiler::simple`] does not guard.
///
/// The specification's own expansion of `transform with` has one behind `!`, so that its last operand is among them.
fn may_hold_updates(kind: &ExprKind) -> bool {
    matches!(
        kind,
        ExprKind::Sequence(_)
            | ExprKind::Call { .. }
            | ExprKind::DynamicCall { .. }
            | ExprKind::Arrow { .. }
            | ExprKind::Flwor { .. }
            | ExprKind::If { .. }
            | ExprKind::Switch { .. }
            | ExprKind::Typeswitch { .. }
            | ExprKind::TryCatch { .. }
            | ExprKind::SimpleMap(_)
            | ExprKind::Extension { .. }
            | ExprKind::DirectElement(_)
            | ExprKind::ComputedDocument(_)
            | ExprKind::ComputedElement { .. }
            | ExprKind::ComputedAttribute { .. }
            | ExprKind::ComputedNamespace { .. }
            | ExprKind::ComputedText(_)
            | ExprKind::ComputedComment(_)
            | ExprKind::ComputedPi { .. }
            | ExprKind::Insert { .. }
            | ExprKind::Delete(_)
            | ExprKind::ReplaceNode { .. }
            | ExprKind::ReplaceValue { .. }
            | ExprKind::Rename { .. }
            | ExprKind::CopyModify { .. }
            | ExprKind::TransformWith { .. }
            | ExprKind::InvokeUpdating { .. }
    )
}

impl Compiler {
    /// The expression just compiled, unless it holds updates where they may not be. Error: XUST0001.
    pub(super) fn categorized(&mut self, expr: &Expr, op: Op) -> Result<Op> {
        if !may_hold_updates(&expr.kind) {
            self.refuse_updates("an operand of this expression")?;
        }
        Ok(op)
    }

    /// Error: XUST0001 when what was compiled since the expression around began is updating.
    pub(super) fn refuse_updates(&mut self, place: &str) -> Result<()> {
        if std::mem::take(&mut self.updates) {
            return Err(fail("XUST0001", format!("{place} cannot be an updating expression")));
        }
        Ok(())
    }

    /// Compiles an operand that must not be updating. Error: XUST0001.
    pub(super) fn simple(&mut self, expr: &Expr) -> Result<Plan> {
        let outer = std::mem::take(&mut self.updates);
        let plan = self.expr(expr)?;
        let checked = self.refuse_updates("this operand");
        checked.map_err(|error| error.at(expr.span.start, expr.span.end))?;
        self.updates = outer;
        Ok(plan)
    }

    /// What `%updating` (true) and `%simple` (false) say. Error: XUST0033 for more than one of them.
    pub(super) fn updating_annotation(&self, annotations: &[ast::Annotation]) -> Result<Option<bool>> {
        let mut found = None;
        for annotation in annotations {
            let name = types::resolve(&annotation.name, XQUERY_NAMESPACE, &self.context)?;
            if name.uri != XQUERY_NAMESPACE || !matches!(&*name.local, "updating" | "simple") {
                continue;
            }
            if found.replace(&*name.local == "updating").is_some() {
                return Err(fail("XUST0033", "%updating and %simple exclude each other and themselves"));
            }
        }
        Ok(found)
    }

    pub(super) fn update(&mut self, kind: &ExprKind) -> Result<Op> {
        let update = match kind {
            ExprKind::Insert { source, position, target } => {
                Update::Insert(self.expr(source)?, *position, self.expr(target)?)
            }
            ExprKind::Delete(target) => Update::Delete(self.expr(target)?),
            ExprKind::ReplaceNode { target, source } => Update::ReplaceNode(self.expr(target)?, self.expr(source)?),
            ExprKind::ReplaceValue { target, source } => Update::ReplaceValue(self.expr(target)?, self.expr(source)?),
            ExprKind::Rename { target, name } => Update::Rename(self.expr(target)?, self.expr(name)?),
            ExprKind::InvokeUpdating { function, args } => {
                let function = self.expr(function)?;
                let args = args.iter().map(|arg| self.given(arg)).collect::<Result<_>>()?;
                Update::Invoke(function, args)
            }
            ExprKind::CopyModify { bindings, modify, result } => {
                let mark = self.scopes.mark();
                let update = self.copy_modify(bindings, modify, result);
                self.scopes.release(mark);
                return Ok(Op::Update(Box::new(update?), self.context()));
            }
            ExprKind::TransformWith { input, modify } => {
                let input = self.expr(input)?;
                let modify = self.discarded(modify)?;
                return Ok(Op::Update(Box::new(Update::Transform(input, modify)), self.context()));
            }
            _ => unreachable!("called for updating expressions"),
        };
        self.updates = true;
        Ok(Op::Update(Box::new(update), self.context()))
    }

    fn copy_modify(&mut self, bindings: &[(ast::Name, Expr)], modify: &Expr, result: &Expr) -> Result<Update> {
        let mut copies = Vec::with_capacity(bindings.len());
        for (name, source) in bindings {
            let source = self.expr(source)?;
            copies.push((self.bind(name)?, source));
        }
        let modify = self.discarded(modify)?;
        Ok(Update::CopyModify(copies, modify, self.expr(result)?))
    }

    /// Compiles an expression whose updates are applied at once, so that they are none of the expression around it.
    fn discarded(&mut self, modify: &Expr) -> Result<Plan> {
        let outer = self.updates;
        let plan = self.expr(modify);
        self.updates = outer;
        plan
    }

    /// An argument of `invoke updating`, which the grammar lets be no placeholder. Error: XPST0003.
    fn given(&mut self, argument: &Argument) -> Result<Plan> {
        match argument {
            Argument::Expr(expr) => self.expr(expr),
            Argument::Placeholder(span) => {
                Err(fail("XPST0003", "an updating call has no open arguments").at(span.start, span.end))
            }
        }
    }
}
