//! Function items and calls: built-in, declared, inline, partially applied, coerced.

use super::Evaluator;
use super::context::{CallContext, Env, Focus};
use super::convert::{cast_list, convert, mismatch};
use crate::compile::builtins;
use crate::compile::plan::{Builtin, FunctionPlan, FunctionRef, OpenArgs, Plan, Slot};
use crate::context::StaticContext;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::function::{Array, Callable, Signature, drop_all};
use phoenixmldb_xdm::types::{ItemType, Occurrence, SequenceType};
use phoenixmldb_xdm::{AtomicType, Function, Item, QName, Sequence, size};
use std::any::Any;
use std::sync::Arc;

/// Functions that take a range without making its integers: the memory for them is taken for all others.
const TAKES_RANGES: [&str; 20] = [
    "apply",
    "boolean",
    "codepoints-to-string",
    "count",
    "data",
    "empty",
    "error",
    "exactly-one",
    "exists",
    "filter",
    "fold-left",
    "fold-right",
    "for-each",
    "for-each-pair",
    "head",
    "not",
    "subsequence",
    "sum",
    "tail",
    "zero-or-one",
];

/// Most steps that one call of a built-in function is charged for its arguments, in items: a range may have any length.
const CHARGED_PER_CALL_MAX: usize = 1 << 20;

/// The evaluator behind what a callable is given.
fn evaluator(ctx: &mut dyn Any) -> &mut Evaluator {
    ctx.downcast_mut::<Evaluator>().expect("function items are called by the evaluator that made them")
}

/// A built-in function with its focus.
#[derive(Debug)]
struct BuiltinItem {
    builtin: Arc<Builtin>,
    arity: usize,
    context: Arc<StaticContext>,
    focus: Option<Focus>,
    name: QName,
}

impl Callable for BuiltinItem {
    fn name(&self) -> Option<&QName> {
        Some(&self.name)
    }
    fn arity(&self) -> usize {
        self.arity
    }
    fn signature(&self) -> Signature {
        let params = (0..self.arity).map(|index| self.builtin.param(index).clone()).collect();
        Signature { params, result: self.builtin.result.clone() }
    }
    fn is_updating(&self) -> bool {
        self.builtin.entry.updating
    }
    fn call(&self, args: Vec<Sequence>, ctx: &mut dyn Any) -> Result<Sequence> {
        evaluator(ctx).run_builtin(&self.builtin, args, &self.context, self.focus.as_ref())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A declared function, or an inline one with what it captured.
#[derive(Debug)]
struct PlanItem {
    plan: Arc<FunctionPlan>,
    captured: Vec<(Slot, Sequence)>,
    /// Bytes of what it captured, kept because closures in closures are a chain of any length.
    held_bytes: u64,
    /// The program it belongs to.
    home: usize,
}

impl Drop for PlanItem {
    fn drop(&mut self) {
        drop_all(self.captured.drain(..).map(|(_, value)| value));
    }
}

impl Callable for PlanItem {
    fn name(&self) -> Option<&QName> {
        self.plan.name.as_ref()
    }
    fn arity(&self) -> usize {
        self.plan.params.len()
    }
    fn signature(&self) -> Signature {
        self.plan.signature()
    }
    fn is_updating(&self) -> bool {
        self.plan.updating
    }
    fn call(&self, args: Vec<Sequence>, ctx: &mut dyn Any) -> Result<Sequence> {
        evaluator(ctx).at_home(self.home, |evaluator| evaluator.call_plan(&self.plan, args, &self.captured))
    }
    fn held_bytes(&self) -> u64 {
        self.held_bytes
    }
    fn give_away(&mut self, into: &mut Vec<Sequence>) {
        into.extend(self.captured.drain(..).map(|(_, value)| value));
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A constructor function of an atomic type.
#[derive(Debug)]
struct ConstructorItem {
    target: AtomicType,
    context: Arc<StaticContext>,
    name: QName,
}

impl Callable for ConstructorItem {
    fn name(&self) -> Option<&QName> {
        Some(&self.name)
    }
    fn arity(&self) -> usize {
        1
    }
    fn signature(&self) -> Signature {
        let optional = |t| SequenceType::new(ItemType::Atomic(t), Occurrence::Optional);
        Signature { params: vec![optional(AtomicType::AnyAtomic)], result: optional(self.target) }
    }
    fn call(&self, mut args: Vec<Sequence>, _: &mut dyn Any) -> Result<Sequence> {
        let wanted = SequenceType::new(ItemType::Atomic(AtomicType::AnyAtomic), Occurrence::Optional);
        let value = convert(args.pop().unwrap_or_default(), &wanted)?;
        match value.atomize()?.pop() {
            None => Ok(Sequence::Empty),
            Some(value) => Ok(Sequence::from(value.cast_as(self.target, &|prefix| self.context.namespace(prefix))?)),
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A constructor function of a list type.
#[derive(Debug)]
struct ListConstructorItem {
    item: AtomicType,
    name: QName,
}

impl Callable for ListConstructorItem {
    fn name(&self) -> Option<&QName> {
        Some(&self.name)
    }
    fn arity(&self) -> usize {
        1
    }
    fn signature(&self) -> Signature {
        let of = |t, occurrence| SequenceType::new(ItemType::Atomic(t), occurrence);
        let params = vec![of(AtomicType::AnyAtomic, Occurrence::Optional)];
        Signature { params, result: of(self.item, Occurrence::Any) }
    }
    fn call(&self, mut args: Vec<Sequence>, _: &mut dyn Any) -> Result<Sequence> {
        cast_list(&args.pop().unwrap_or_default(), self.item, true)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A function some of whose arguments are given.
#[derive(Debug)]
struct PartialItem {
    function: Function,
    signature: Signature,
    args: Vec<Option<Sequence>>,
}

impl Drop for PartialItem {
    fn drop(&mut self) {
        let mut values = Vec::new();
        self.give_away(&mut values);
        drop_all(values.into_iter());
    }
}

/// Puts a function that holds nothing in the place of another.
fn taken(function: &mut Function) -> Sequence {
    Sequence::One(Item::Function(std::mem::replace(function, Function::from(Array::default()))))
}

impl Callable for PartialItem {
    fn give_away(&mut self, into: &mut Vec<Sequence>) {
        into.extend(self.args.drain(..).flatten());
        into.push(taken(&mut self.function));
    }
    fn name(&self) -> Option<&QName> {
        None
    }
    fn arity(&self) -> usize {
        self.args.iter().filter(|arg| arg.is_none()).count()
    }
    fn signature(&self) -> Signature {
        let open = self.signature.params.iter().zip(&self.args).filter(|(_, arg)| arg.is_none());
        Signature { params: open.map(|(param, _)| param.clone()).collect(), result: self.signature.result.clone() }
    }
    fn is_updating(&self) -> bool {
        self.function.is_updating()
    }
    fn call(&self, args: Vec<Sequence>, ctx: &mut dyn Any) -> Result<Sequence> {
        let mut open = args.into_iter();
        let args = self.args.iter().map(|arg| arg.clone().or_else(|| open.next()).unwrap_or_default()).collect();
        evaluator(ctx).call(&self.function, args)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A function seen through the signature that a parameter asks for (§3.1.5.3).
#[derive(Debug)]
struct CoercedItem {
    function: Function,
    signature: Arc<Signature>,
}

impl Drop for CoercedItem {
    fn drop(&mut self) {
        drop_all(std::iter::once(taken(&mut self.function)));
    }
}

impl Callable for CoercedItem {
    fn give_away(&mut self, into: &mut Vec<Sequence>) {
        into.push(taken(&mut self.function));
    }
    fn name(&self) -> Option<&QName> {
        match &self.function {
            Function::Callable(callable) => callable.name(),
            Function::Map(_) | Function::Array(_) => None,
        }
    }
    fn arity(&self) -> usize {
        self.signature.params.len()
    }
    fn signature(&self) -> Signature {
        Signature::clone(&self.signature)
    }
    fn is_updating(&self) -> bool {
        self.function.is_updating()
    }
    fn call(&self, args: Vec<Sequence>, ctx: &mut dyn Any) -> Result<Sequence> {
        let pairs = args.into_iter().zip(&self.signature.params);
        let args = pairs.map(|(arg, param)| convert(arg, param)).collect::<Result<Vec<_>>>()?;
        convert(evaluator(ctx).call(&self.function, args)?, &self.signature.result)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Coerces the functions of a value to the function type that is wanted; anything else stays.
pub(super) fn coerce_all(value: Sequence, wanted: &SequenceType) -> Result<Sequence> {
    let Some(signature) = wanted.item.signature() else { return Ok(value) };
    let mut items = Vec::with_capacity(value.len());
    for item in &value {
        let Item::Function(function) = item else { return Err(mismatch(&value, wanted)) };
        let fits = match wanted.item {
            ItemType::Updating { required, .. } => !required || function.is_updating(),
            _ => !function.is_updating(),
        };
        if !fits {
            let what = if function.is_updating() { "an updating function" } else { "a function that updates nothing" };
            return Err(fail("XPTY0004", format!("{what} where {wanted} is needed")));
        }
        if function.arity() != signature.params.len() {
            let (has, needs) = (function.arity(), signature.params.len());
            let message = format!("a function of {has} parameters where one of {needs} is needed");
            return Err(fail("XPTY0004", message));
        }
        let coerced = CoercedItem { function, signature: signature.clone() };
        items.push(Item::Function(Function::Callable(Arc::new(coerced))));
    }
    Ok(Sequence::from(items))
}

/// An inline function with the values it captures.
pub(super) fn closure(plan: &Arc<FunctionPlan>, captures: &[(Slot, Slot)], home: usize, env: &Env) -> Sequence {
    let captured: Vec<(Slot, Sequence)> = captures.iter().map(|(from, to)| (*to, env.slots[*from].clone())).collect();
    let held = captured.iter().map(|(_, value)| size::ITEM_BYTES.saturating_add(size::of_sequence(value)));
    let held_bytes = held.fold(0, u64::saturating_add);
    let item = PlanItem { plan: plan.clone(), captured, held_bytes, home };
    Sequence::from(Item::Function(Function::Callable(Arc::new(item))))
}

fn make(reference: &FunctionRef, evaluator: &Evaluator, focus: Option<&Focus>) -> Function {
    match reference {
        FunctionRef::Builtin(builtin, arity, context) => {
            let prefix = match builtin.entry.namespace {
                crate::context::FN_NAMESPACE => "fn",
                crate::context::MATH_NAMESPACE => "math",
                crate::context::MAP_NAMESPACE => "map",
                crate::context::ARRAY_NAMESPACE => "array",
                _ => "",
            };
            let name = QName::new(prefix, builtin.entry.namespace, builtin.entry.local);
            let (builtin, context, focus) = (builtin.clone(), context.clone(), focus.cloned());
            Function::Callable(Arc::new(BuiltinItem { builtin, arity: *arity, context, focus, name }))
        }
        FunctionRef::User(index) => {
            let (plan, home) = (evaluator.program.functions[*index].clone(), evaluator.home);
            Function::Callable(Arc::new(PlanItem { plan, captured: Vec::new(), held_bytes: 0, home }))
        }
        FunctionRef::ListConstructor(name, item) => {
            Function::Callable(Arc::new(ListConstructorItem { item: *item, name: name.clone() }))
        }
        FunctionRef::Constructor(target, context) => {
            let name = QName::new("xs", phoenixmldb_xdm::atomic::SCHEMA_NAMESPACE, target.local_name());
            let item = ConstructorItem { target: *target, context: context.clone(), name };
            Function::Callable(Arc::new(item))
        }
    }
}

/// `fn:function-lookup`.
pub(super) fn lookup(ctx: &CallContext<'_>, name: &QName, arity: usize) -> Option<Function> {
    let context = ctx.static_context.clone();
    let functions = &ctx.evaluator.program.functions;
    let declared = functions.iter().position(|f| f.name.as_ref() == Some(name) && f.params.len() == arity);
    let reference = if let Some(index) = declared {
        FunctionRef::User(index)
    } else if let Some(builtin) = builtins::find(name, arity) {
        FunctionRef::Builtin(builtin, arity, context)
    } else if let (Some(item), 1) = (crate::compile::types::list_type(name), arity) {
        FunctionRef::ListConstructor(name.clone(), item)
    } else if name.uri == phoenixmldb_xdm::atomic::SCHEMA_NAMESPACE && arity == 1 {
        let target = AtomicType::from_local_name(&name.local)?;
        if matches!(target, AtomicType::AnyAtomic | AtomicType::Notation) {
            return None;
        }
        FunctionRef::Constructor(target, context)
    } else {
        return None;
    };
    Some(make(&reference, ctx.evaluator, ctx.focus))
}

impl Evaluator {
    pub(super) fn function_item(&mut self, reference: &FunctionRef, env: &Env) -> Sequence {
        Sequence::from(Item::Function(self.function_value(reference, env.focus.as_ref())))
    }

    pub(super) fn function_value(&self, reference: &FunctionRef, focus: Option<&Focus>) -> Function {
        make(reference, self, focus)
    }

    pub(super) fn call_builtin(
        &mut self,
        builtin: &Arc<Builtin>,
        args: &[Plan],
        context: &Arc<StaticContext>,
        env: &mut Env,
    ) -> Result<Sequence> {
        let args = args.iter().map(|arg| self.eval(arg, env)).collect::<Result<Vec<_>>>()?;
        self.run_builtin(builtin, args, context, env.focus.as_ref())
    }

    fn run_builtin(
        &mut self,
        builtin: &Builtin,
        mut args: Vec<Sequence>,
        context: &Arc<StaticContext>,
        focus: Option<&Focus>,
    ) -> Result<Sequence> {
        for (index, arg) in args.iter_mut().enumerate() {
            let value = std::mem::take(arg);
            *arg = convert(value, builtin.param(index)).map_err(|mut error| {
                if error.is(phoenixmldb_xdm::ErrorCode("XPTY0004")) {
                    error.message = format!("argument {} of {}: {}", index + 1, builtin.entry.local, error.message);
                }
                error
            })?;
        }
        for arg in &args {
            if matches!(arg, Sequence::Range(..)) && !TAKES_RANGES.contains(&builtin.entry.local) {
                self.hold(size::places(arg.len()))?;
            }
        }
        let steps = args.iter().map(Sequence::len).fold(1, usize::saturating_add);
        self.charge(steps.min(CHARGED_PER_CALL_MAX))?;
        let mut call = CallContext { static_context: context, focus, evaluator: self };
        let result = (builtin.entry.run)(&mut call, args)?;
        self.hold_result(builtin, &result)?;
        Ok(result)
    }

    /// Takes bytes for what a built-in function made: texts, places of a sequence, entries of maps and arrays. Trees are
    /// taken where they are made, because a function that gives a node has rarely made it.
    fn hold_result(&self, builtin: &Builtin, result: &Sequence) -> Result<()> {
        let makes_texts =
            matches!(builtin.result.item, ItemType::Atomic(AtomicType::String)) || builtin.entry.local == "data";
        match result {
            Sequence::One(Item::Atomic(value)) if makes_texts => self.hold(size::of_atomic(value)),
            Sequence::One(item @ Item::Function(Function::Map(_) | Function::Array(_))) => {
                self.hold(size::of_item(item))
            }
            Sequence::Many(items) => {
                let texts: u64 = if makes_texts { items.iter().map(size::of_item).sum() } else { 0 };
                self.hold(size::places(items.len()) + texts)
            }
            Sequence::Nodes(_, rows) => self.hold(4 * rows.len() as u64),
            Sequence::Empty | Sequence::One(_) | Sequence::Range(..) => Ok(()),
        }
    }

    /// Calls a declared or inline function. A tail call of itself comes back here and loops.
    pub(super) fn call_plan(
        &mut self,
        plan: &Arc<FunctionPlan>,
        args: Vec<Sequence>,
        captured: &[(Slot, Sequence)],
    ) -> Result<Sequence> {
        let Some(body) = &plan.body else {
            return Err(fail("XPDY0002", "an external function has no implementation"));
        };
        let mut env = Env::new(plan.slots, None);
        let mut args = args;
        let result = loop {
            match self.enter(plan, args, captured, &mut env).and_then(|()| self.eval(body, &mut env)) {
                Ok(value) => match self.tail.take() {
                    Some(next) => args = next,
                    None => break Ok(value),
                },
                Err(error) => break Err(error),
            }
        };
        let result = result.and_then(|value| match &plan.result {
            Some(wanted) => convert(value, wanted),
            None => Ok(value),
        });
        result.map_err(|error| self.placed(error, plan.module))
    }

    fn enter(
        &mut self,
        plan: &FunctionPlan,
        args: Vec<Sequence>,
        captured: &[(Slot, Sequence)],
        env: &mut Env,
    ) -> Result<()> {
        self.charge(1)?;
        for (slot, (arg, wanted)) in args.into_iter().zip(&plan.params).enumerate() {
            env.slots[slot] = match wanted {
                Some(wanted) => convert(arg, wanted)?,
                None => arg,
            };
        }
        for (slot, value) in captured {
            env.slots[*slot] = value.clone();
        }
        Ok(())
    }

    pub(super) fn call_dynamic(&mut self, function: &Plan, args: &OpenArgs, env: &mut Env) -> Result<Sequence> {
        let function = match self.eval(function, env)?.single() {
            Some(Item::Function(function)) => function,
            _ => return Err(fail("XPTY0004", "what is called is not one function")),
        };
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(match arg {
                Some(arg) => Some(self.eval(arg, env)?),
                None => None,
            });
        }
        if values.iter().all(Option::is_some) {
            if function.is_updating() {
                return Err(fail("XUDY0038", "an updating function is called by \"invoke updating\""));
            }
            return self.call(&function, values.into_iter().flatten().collect());
        }
        if function.arity() != values.len() {
            let (has, given) = (function.arity(), values.len());
            return Err(fail("XPTY0004", format!("a function of {has} parameters was given {given} arguments")));
        }
        let signature = match &function {
            Function::Callable(callable) => callable.signature(),
            Function::Map(_) | Function::Array(_) => {
                Signature { params: vec![SequenceType::ANY], result: SequenceType::ANY }
            }
        };
        // Arguments are converted when they are given, not when the function is called.
        for (value, wanted) in values.iter_mut().zip(&signature.params) {
            if let Some(given) = value.take() {
                *value = Some(convert(given, wanted)?);
            }
        }
        let item = PartialItem { function, signature, args: values };
        Ok(Sequence::from(Item::Function(Function::Callable(Arc::new(item)))))
    }
}
