//! Variables, calls, function references and inline functions.

use super::plan::{FunctionPlan, FunctionRef, Op, OpenArgs, Plan};
use super::{Compiler, builtins, types};
use crate::context::{FN_NAMESPACE, XQUERY_NAMESPACE};
use crate::syntax::ast::{self, Argument, ArrowTarget, Expr, Span};
use phoenixmldb_xdm::atomic::SCHEMA_NAMESPACE;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{AtomicType, QName};
use std::collections::HashSet;
use std::sync::Arc;

impl Compiler {
    /// Error: XPST0008.
    pub(super) fn variable(&mut self, name: &ast::Name) -> Result<Op> {
        let resolved = types::resolve(name, "", &self.context)?;
        if let Some(slot) = self.scopes.find(&resolved) {
            return Ok(Op::Local(slot));
        }
        let unknown = || fail("XPST0008", format!("variable ${name} is not declared"));
        let known = self.variables.get(&resolved).ok_or_else(unknown)?;
        let own = known.module == self.module;
        let visible = own || !known.private && self.visible[self.module].contains(&known.module);
        if !visible {
            return Err(unknown());
        }
        Ok(Op::Global(known.index))
    }

    pub(super) fn open_args(&mut self, args: &[Argument]) -> Result<OpenArgs> {
        args.iter()
            .map(|arg| match arg {
                Argument::Expr(expr) => Ok(Some(self.expr(expr)?)),
                Argument::Placeholder(_) => Ok(None),
            })
            .collect()
    }

    pub(super) fn call(&mut self, name: &ast::Name, args: &[Argument], tail: Option<usize>) -> Result<Op> {
        let args = self.open_args(args)?;
        self.call_with(name, args, tail)
    }

    pub(super) fn arrow(&mut self, input: &Expr, target: &ArrowTarget, args: &[Argument]) -> Result<Op> {
        let mut all = vec![Some(self.expr(input)?)];
        all.extend(self.open_args(args)?);
        match target {
            ArrowTarget::Name(name) => self.call_with(name, all, None),
            ArrowTarget::Expr(function) => Ok(Op::CallDynamic(self.boxed(function)?, all)),
        }
    }

    fn call_with(&mut self, name: &ast::Name, args: OpenArgs, tail: Option<usize>) -> Result<Op> {
        if args.iter().any(Option::is_none) {
            let function = Plan { op: Op::FunctionRef(self.function_ref(name, args.len())?), span: name.span };
            return Ok(Op::CallDynamic(Box::new(function), args));
        }
        let args: Vec<Plan> = args.into_iter().flatten().collect();
        let reference = self.function_ref(name, args.len())?;
        self.updates |= match &reference {
            FunctionRef::Builtin(builtin, ..) => builtin.entry.updating,
            FunctionRef::User(index) => self.updating_functions[*index],
            FunctionRef::Constructor(..) | FunctionRef::ListConstructor(..) => false,
        };
        match reference {
            FunctionRef::Builtin(builtin, _, context) => {
                // Those end when the result is known, which an argument with updates must not.
                if builtin.entry.namespace == FN_NAMESPACE
                    && !self.updates
                    && let Some(op) = inlined(builtin.entry.local, &args)
                {
                    return Ok(op);
                }
                Ok(Op::CallBuiltin(builtin, args, context))
            }
            FunctionRef::User(index) if tail == Some(index) => Ok(Op::TailCall(args)),
            FunctionRef::User(index) => Ok(Op::CallUser(index, args)),
            FunctionRef::Constructor(target, context) => {
                let operand = Box::new(args.into_iter().next().expect("a constructor function has one argument"));
                Ok(Op::Cast(operand, target, true, context))
            }
            FunctionRef::ListConstructor(_, item) => {
                let operand = Box::new(args.into_iter().next().expect("a constructor function has one argument"));
                Ok(Op::CastList(operand, item, true, false))
            }
        }
    }

    /// The function of a name and arity. Error: XPST0017.
    pub(super) fn function_ref(&mut self, name: &ast::Name, arity: usize) -> Result<FunctionRef> {
        let context = self.context();
        let resolved = types::resolve(name, &context.default_function_namespace, &context)?;
        if resolved.uri == FN_NAMESPACE && arity == 0 && matches!(&*resolved.local, "position" | "last") {
            self.positional = true;
        }
        if let Some(known) = self.functions.get(&(resolved.clone(), arity)) {
            let own = known.module == self.module;
            if own || !known.private && self.visible[self.module].contains(&known.module) {
                return Ok(FunctionRef::User(known.index));
            }
        }
        if resolved.uri == SCHEMA_NAMESPACE && arity == 1 {
            if let Some(item) = types::list_type(&resolved) {
                return Ok(FunctionRef::ListConstructor(resolved, item));
            }
            let atomic = AtomicType::from_local_name(&resolved.local);
            let callable = |t: &AtomicType| !matches!(t, AtomicType::AnyAtomic | AtomicType::Notation);
            if let Some(target) = atomic.filter(callable) {
                return Ok(FunctionRef::Constructor(target, context));
            }
        }
        if let Some(builtin) = builtins::find(&resolved, arity) {
            return Ok(FunctionRef::Builtin(builtin, arity, context));
        }
        let known = builtins::exists(&resolved) || self.functions.keys().any(|(other, _)| *other == resolved);
        let what = if known {
            format!("with {arity} argument{}", if arity == 1 { "" } else { "s" })
        } else {
            "known".to_owned()
        };
        Err(fail("XPST0017", format!("there is no function {name} {what}")))
    }

    pub(super) fn inline_function(&mut self, function: &ast::InlineFunction) -> Result<Op> {
        let declared = self.updating_annotation(&function.annotations)?;
        for annotation in &function.annotations {
            let name = types::resolve(&annotation.name, XQUERY_NAMESPACE, &self.context)?;
            if name.uri == XQUERY_NAMESPACE && matches!(&*name.local, "public" | "private") {
                return Err(fail("XQST0125", "an inline function is neither public nor private"));
            }
            let is_category = name.uri == XQUERY_NAMESPACE && matches!(&*name.local, "updating" | "simple");
            if types::is_reserved(&name.uri) && !is_category {
                return Err(fail("XQST0045", format!("annotation %{} is in a reserved namespace", annotation.name)));
            }
        }
        self.scopes.push_frame();
        let positional = self.positional;
        let compiled = self.function_body(&function.params, function.result.as_ref(), Some(&function.body));
        self.positional = positional;
        let (captures, slots) = self.scopes.pop_frame();
        let (params, result, body) = compiled?;
        // Making the function updates nothing, whatever calling it does.
        let updates = std::mem::take(&mut self.updates);
        if updates && declared == Some(false) {
            return Err(fail("XUST0001", "the body of a %simple function updates"));
        }
        let (updating, module) = (declared.unwrap_or(updates), self.module);
        let plan = FunctionPlan { name: None, params, result, body, slots, module, updating, private: false };
        Ok(Op::Closure(Arc::new(plan), captures))
    }

    /// Parameters, result and body of a function in the frame just begun.
    #[allow(clippy::type_complexity, reason = "the parts of one plan")]
    pub(super) fn function_body(
        &mut self,
        params: &[ast::Param],
        result: Option<&ast::SequenceType>,
        body: Option<&Expr>,
    ) -> Result<(
        Vec<Option<phoenixmldb_xdm::types::SequenceType>>,
        Option<phoenixmldb_xdm::types::SequenceType>,
        Option<Plan>,
    )> {
        let mut declared = Vec::with_capacity(params.len());
        let mut names: HashSet<QName> = HashSet::new();
        for param in params {
            let name = types::resolve(&param.name, "", &self.context)?;
            if !names.insert(name.clone()) {
                return Err(fail("XQST0039", format!("two parameters are called ${}", param.name)));
            }
            self.scopes.bind(name);
            let context = self.context();
            declared.push(param.declared_type.as_ref().map(|t| types::sequence_type(t, &context)).transpose()?);
        }
        let result = result.map(|t| types::sequence_type(t, &self.context)).transpose()?;
        let body = match body {
            Some(body) => Some(self.tail(body)?),
            None => None,
        };
        Ok((declared, result, body))
    }
}

/// Functions that the evaluator does itself, because they are everywhere and need no converted arguments.
fn inlined(local: &str, args: &[Plan]) -> Option<Op> {
    let only = || Box::new(args[0].clone());
    Some(match (local, args.len()) {
        ("position", 0) => Op::Position,
        ("last", 0) => Op::Last,
        ("true", 0) => Op::Const(true.into()),
        ("false", 0) => Op::Const(false.into()),
        ("not", 1) => Op::Not(only()),
        ("boolean", 1) => Op::Boolean(only()),
        ("exists", 1) => Op::Exists(only(), true),
        ("empty", 1) => Op::Exists(only(), false),
        ("count", 1) => Op::Count(only()),
        _ => return None,
    })
}

impl From<Op> for Plan {
    /// A plan that stands nowhere.
    fn from(op: Op) -> Self {
        Self { op, span: Span::default() }
    }
}
