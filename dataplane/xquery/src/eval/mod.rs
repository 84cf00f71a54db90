//! Evaluation of compiled expressions.
//!
//! ```text
//!  mod.rs (operators) ─┬─ path.rs (steps, filters, node sets)    flwor.rs (clauses)    construct.rs (trees)
//!                      ├─ routes.rs, views.rs, joins.rs (what the rewrites ask for)       stream.rs (output)
//!                      ├─ function.rs (calls, closures)           convert.rs (function conversion, casts)
//!                      └─ update.rs (pending updates, copies)     modules.rs (modules loaded while running)
//! ```
//!
//! Every expression gives a whole sequence; loops run over slices and rows, and no iterator is boxed. Tuples of a FLWOR
//! expression are pushed through its clauses one at a time, so that only sorting and grouping keep them.

mod construct;
pub mod context;
mod convert;
mod flwor;
mod function;
mod joins;
mod modules;
mod operators;
mod path;
mod routes;
mod stream;
mod update;
mod views;

#[cfg(test)]
mod eval_test;
#[cfg(test)]
mod optimize_test;

pub use context::{CallContext, Evaluator, Focus};
pub(crate) use modules::ModuleRequest;
pub(crate) use stream::serialize;

use crate::compile::plan::{Catch, Key, Op, Plan, Program};
use crate::context::DynamicContext;
use crate::limits;
use context::{Env, GlobalState, array_member, no_context_item};
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::function::{Array, Map};
use phoenixmldb_xdm::update::PendingUpdates;
use phoenixmldb_xdm::{Atomic, Function, Item, Limit, Sequence, Str, size};
use std::sync::Arc;

/// Runs a program: its value, and the updates it asks for, which are compatible with each other.
pub(crate) fn run(program: &Arc<Program>, dynamic: &DynamicContext) -> Result<(Sequence, PendingUpdates)> {
    let mut evaluator = Evaluator::new(Arc::new(dynamic.clone()), program.clone());
    let result = evaluator.run_body(program);
    let value = result.map_err(|error| evaluator.placed(error, 0))?;
    evaluator.pending.check(0)?;
    Ok((value, evaluator.pending))
}

impl Evaluator {
    fn run_body(&mut self, program: &Program) -> Result<Sequence> {
        self.set_context_item(program)?;
        let mut env = Env::new(program.slots, self.initial.clone());
        let value = self.eval(&program.body, &mut env)?;
        self.flush()?;
        Ok(value)
    }

    /// Sets the initial focus from what the host gives and what the prolog says. Error: XPTY0004.
    fn set_context_item(&mut self, program: &Program) -> Result<()> {
        let as_focus = |item: Item| Focus { item, position: 1, size: 1 };
        self.initial = self.dynamic.context_item.clone().map(as_focus);
        if let Some(declared) = &program.context_item {
            // A declaration in a library module alone says nothing about where the item comes from.
            let elsewhere = declared.value.is_none();
            let given = if declared.external || elsewhere { self.initial.take() } else { None };
            let value = match (given, &declared.value) {
                (Some(focus), _) => Some(Sequence::from(focus.item)),
                (None, Some((plan, slots))) => {
                    self.initial = None;
                    Some(self.eval(plan, &mut Env::new(*slots, None))?)
                }
                (None, None) => None,
            };
            if let Some(value) = value {
                if let Some(other) = declared.item_types.iter().find(|wanted| !wanted.matches(&value)) {
                    return Err(fail("XPTY0004", format!("the context item is not of type {other}")));
                }
                self.initial = value.single().map(as_focus);
            }
        }
        Ok(())
    }

    /// Gives an error line and column, if it has none yet.
    pub(crate) fn placed(&self, mut error: Box<Error>, module: usize) -> Box<Error> {
        if let (Some((start, _)), None) = (error.span, &error.location)
            && let Some((uri, text)) = self.program.modules.get(module)
        {
            error.location = Some(crate::syntax::locate(text, start as usize, uri.as_ref()));
        }
        error
    }

    /// Evaluates an expression.
    pub(crate) fn eval(&mut self, plan: &Plan, env: &mut Env) -> Result<Sequence> {
        match &plan.op {
            Op::Const(value) => return Ok(value.clone()),
            Op::Local(slot) => return Ok(env.slots[*slot].clone()),
            _ => {}
        }
        let held = self.dynamic.meter.held_bytes();
        let result = self.on_stack(|this| {
            this.charge(1)?;
            this.op(&plan.op, env)
        });
        if let Ok(value) = &result {
            self.keep(held, value);
        }
        result.map_err(|error| if plan.span.end == 0 { error } else { error.at(plan.span.start, plan.span.end) })
    }

    /// What an expression made is gone but for its value: gives the rest back.
    pub(crate) fn keep(&self, held: u64, value: &Sequence) {
        let meter = &self.dynamic.meter;
        if meter.held_bytes() > held {
            meter.settle(held.saturating_add(size::of_sequence(value)));
        }
    }

    /// Charges steps of work; the shared meter is told about a thousand at a time.
    pub(crate) fn charge(&self, steps: usize) -> Result<()> {
        let waiting = self.uncharged.get().saturating_add(steps);
        self.uncharged.set(waiting);
        if waiting < limits::CHARGE_STEPS_MAX { Ok(()) } else { self.flush() }
    }

    /// Tells the meter about all steps so far.
    fn flush(&self) -> Result<()> {
        self.dynamic.meter.charge(self.uncharged.take() as u64)
    }

    fn op(&mut self, op: &Op, env: &mut Env) -> Result<Sequence> {
        Ok(match op {
            Op::Const(value) => value.clone(),
            Op::Local(slot) => env.slots[*slot].clone(),
            Op::Global(index) => self.global(*index)?,
            Op::ContextItem => Sequence::One(env.focus.as_ref().ok_or_else(no_context_item)?.item.clone()),
            Op::Position => Sequence::from(Atomic::count(env.focus.as_ref().ok_or_else(no_context_item)?.position)),
            Op::Last => Sequence::from(Atomic::count(env.focus.as_ref().ok_or_else(no_context_item)?.size)),
            Op::Sequence(parts) => {
                let parts = parts.iter().map(|part| self.eval(part, env)).collect::<Result<Vec<_>>>()?;
                self.concat(parts)?
            }
            Op::Let(slot, declared, value, body) => {
                let value = self.eval(value, env)?;
                env.slots[*slot] = self.bound(value, declared.as_ref())?;
                let result = self.eval(body, env);
                env.slots[*slot] = Sequence::Empty;
                return result;
            }
            Op::Flwor(clauses, result) => self.flwor(clauses, result, env)?,
            Op::Quantified(every, clauses, condition) => self.quantified(*every, clauses, condition, env)?.into(),
            Op::If(condition, then, otherwise) => {
                let branch = if self.truth(condition, env)? { then } else { otherwise };
                return self.eval(branch, env);
            }
            Op::Switch(operand, cases, default, collation) => {
                let value = self.optional_atomic(operand, env)?;
                let how = self.comparison(collation);
                for (operands, result) in cases {
                    for case in operands {
                        let case = self.optional_atomic(case, env)?;
                        let same = match (&value, &case) {
                            (None, None) => true,
                            (Some(a), Some(b)) => phoenixmldb_xdm::atomic::compare::deep_equal(a, b, &how),
                            _ => false,
                        };
                        if same {
                            return self.eval(result, env);
                        }
                    }
                }
                return self.eval(default, env);
            }
            Op::Typeswitch(operand, cases, slot, default) => {
                let value = self.eval(operand, env)?;
                for (types, slot, result) in cases {
                    if types.iter().any(|wanted| wanted.matches(&value)) {
                        if let Some(slot) = slot {
                            env.slots[*slot] = value;
                        }
                        return self.eval(result, env);
                    }
                }
                if let Some(slot) = slot {
                    env.slots[*slot] = value;
                }
                return self.eval(default, env);
            }
            Op::Try(body, catches) => self.try_catch(body, catches, env)?,
            Op::Or(_)
            | Op::And(_)
            | Op::Not(_)
            | Op::Boolean(_)
            | Op::Exists(..)
            | Op::GeneralCompare(..)
            | Op::InstanceOf(..)
            | Op::TextTest(..)
            | Op::Castable(..) => self.truth_of(op, env)?.into(),
            Op::Count(operand) => Sequence::from(Atomic::count(self.count(operand, env)?)),
            Op::Memo(id, slots, focus, plan) => return self.memo(*id, slots, *focus, plan, env),
            Op::ValueCompare(op, left, right, collation) => self.value_compare(*op, left, right, collation, env)?,
            Op::NodeCompare(op, left, right) => self.node_compare(*op, left, right, env)?,
            Op::Range(left, right) => self.range(left, right, env)?,
            Op::Arithmetic(op, left, right) => self.arithmetic(*op, left, right, env)?,
            Op::Sign(minus, operand) => self.sign(*minus, operand, env)?,
            Op::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    if let Some(value) = self.optional_atomic(part, env)? {
                        let value = value.to_str();
                        self.hold(value.len() as u64)?;
                        text.push_str(&value);
                    }
                }
                Sequence::string(text)
            }
            Op::Join(parts) => {
                let mut text = String::new();
                for part in parts {
                    let part = joined(&self.eval(part, env)?)?;
                    self.hold(part.len() as u64)?;
                    text.push_str(&part);
                }
                Sequence::string(text)
            }
            Op::Set(op, parts) => self.node_set(*op, parts, env)?,
            Op::SimpleMap(left, right) => {
                let input = self.eval(left, env)?;
                let mut parts = Vec::new();
                self.for_each_focus(&input, env, |this, env| {
                    this.hold(size::ITEM_BYTES)?;
                    parts.push(this.eval(right, env)?);
                    Ok(())
                })?;
                self.concat(parts)?
            }
            Op::Filter(base, predicates) => {
                let base = self.eval(base, env)?;
                self.filter(base, predicates, env)?
            }
            Op::Root => {
                let focus = env.focus.as_ref().ok_or_else(no_context_item)?;
                let Item::Node(node) = &focus.item else {
                    return Err(fail("XPTY0020", "the context item is not a node, so it has no root"));
                };
                let root = phoenixmldb_xdm::Node::root_of(&node.tree);
                if root.kind() != phoenixmldb_xdm::NodeKind::Document {
                    return Err(fail("XPDY0050", "the root of the tree is not a document"));
                }
                Sequence::from(root)
            }
            Op::Path(base, steps) => self.path(base.as_deref(), steps, env)?,
            Op::TreatAs(operand, target) => {
                let value = self.eval(operand, env)?;
                if !target.matches(&value) {
                    return Err(fail("XPDY0050", format!("the value is not of type {target}")));
                }
                value
            }
            Op::Cast(operand, target, optional, context) => self.cast(operand, *target, *optional, context, env)?,
            Op::CastList(operand, item, optional, only_test) => {
                let cast = self.eval(operand, env).and_then(|value| convert::cast_list(&value, *item, *optional));
                match (cast, only_test) {
                    (cast, true) => cast.is_ok().into(),
                    (cast, false) => cast?,
                }
            }
            Op::CallBuiltin(builtin, args, context) => self.call_builtin(builtin, args, context, env)?,
            Op::CallUser(index, args) => {
                let args = args.iter().map(|arg| self.eval(arg, env)).collect::<Result<Vec<_>>>()?;
                let plan = self.program.functions[*index].clone();
                self.call_plan(&plan, args, &[])?
            }
            Op::TailCall(args) => {
                let args = args.iter().map(|arg| self.eval(arg, env)).collect::<Result<Vec<_>>>()?;
                self.tail = Some(args);
                Sequence::Empty
            }
            Op::CallDynamic(function, args) => self.call_dynamic(function, args, env)?,
            Op::FunctionRef(reference) => self.function_item(reference, env),
            Op::Closure(plan, captures) => function::closure(plan, captures, self.home, env),
            Op::Update(update, context) => self.update(update, context, env)?,
            Op::Map(entries) => self.map(entries, env)?,
            Op::SquareArray(members) => {
                let members = members.iter().map(|member| self.eval(member, env)).collect::<Result<Vec<_>>>()?;
                let array = Array::new(members);
                self.hold(array.held_bytes())?;
                Sequence::from(Item::Function(array.into()))
            }
            Op::CurlyArray(content) => {
                let content = self.eval(content, env)?;
                self.hold(size::places(2 * content.len()))?;
                let members = content.iter().map(Sequence::One).collect();
                let array = Array::new(members);
                self.hold(array.held_bytes())?;
                Sequence::from(Item::Function(array.into()))
            }
            Op::Lookup(base, key) => self.lookup(base, key, env)?,
            Op::Construct(construct, context) => self.construct(construct, context, env)?,
            Op::Fail(code, message) => return Err(fail(code, message.clone())),
        })
    }

    fn global(&mut self, index: usize) -> Result<Sequence> {
        match &self.globals[index] {
            GlobalState::Set(value) => return Ok(value.clone()),
            GlobalState::Evaluating => {
                let name = &self.program.globals[index].name;
                return Err(fail("XQDY0054", format!("the value of ${name} depends on itself")));
            }
            GlobalState::Unset => {}
        }
        let program = self.program.clone();
        let global = &program.globals[index];
        let given = if global.external { self.dynamic.variables.get(&global.name).cloned() } else { None };
        let value = match (given, &global.value) {
            (Some(value), _) => {
                // A value without a type, such as one of a command line, takes the declared one.
                let untyped = |item: Item| matches!(item, Item::Atomic(Atomic::Untyped(_)));
                let value = match &global.declared_type {
                    Some(wanted) if value.iter().all(untyped) => convert::convert(value, wanted)?,
                    _ => value,
                };
                if let Some(wanted) = &global.declared_type
                    && !wanted.matches(&value)
                {
                    return Err(fail(
                        "XPTY0004",
                        format!("the value given for ${} is not of type {wanted}", global.name),
                    ));
                }
                value
            }
            (None, Some((plan, slots))) => {
                self.globals[index] = GlobalState::Evaluating;
                let mut env = Env::new(*slots, self.initial.clone());
                let value =
                    self.eval(plan, &mut env).and_then(|value| self.bound(value, global.declared_type.as_ref()));
                self.globals[index] = GlobalState::Unset;
                value.map_err(|error| self.placed(error, global.module))?
            }
            (None, None) => return Err(fail("XPDY0002", format!("no value was given for ${}", global.name))),
        };
        self.globals[index] = GlobalState::Set(value.clone());
        Ok(value)
    }

    /// Runs `f` once per item with the item as focus.
    pub(crate) fn for_each_focus(
        &mut self,
        input: &Sequence,
        env: &mut Env,
        mut f: impl FnMut(&mut Self, &mut Env) -> Result<()>,
    ) -> Result<()> {
        let outer = env.focus.take();
        let size = input.len();
        let mut result = Ok(());
        for (index, item) in input.iter().enumerate() {
            result = result.and_then(|()| self.charge(1));
            if result.is_err() {
                break;
            }
            env.focus = Some(Focus { item, position: index + 1, size });
            result = f(self, env);
        }
        env.focus = outer;
        result
    }

    fn try_catch(&mut self, body: &Plan, catches: &[Catch], env: &mut Env) -> Result<Sequence> {
        let (held, focus, pending) = (self.dynamic.meter.held_bytes(), env.focus.clone(), self.pending.len());
        let result = self.eval(body, env).and_then(|value| self.pending.check(pending).map(|()| value));
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        self.pending.truncate(pending);
        self.dynamic.meter.settle(held);
        env.focus = focus;
        // Bounds are the host's and not for the query to catch.
        let caught = catches.iter().find(|clause| clause.errors.iter().any(|test| test.accepts(&error.code)));
        let Some(clause) = caught.filter(|_| Limit::of(&error).is_none()) else {
            return Err(error);
        };
        let error = self.placed(error, 0);
        let text = |text: &str| if text.is_empty() { Sequence::Empty } else { Sequence::string(text) };
        let at = error.location.as_ref();
        let number = |value: Option<u32>| Sequence::from(value.map(|v| Item::integer(i64::from(v))));
        let values = [
            Sequence::from(Atomic::from(error.code.clone())),
            text(&error.message),
            error.value.clone().unwrap_or_default(),
            at.and_then(|at| at.module.clone()).map_or(Sequence::Empty, Sequence::string),
            number(at.map(|at| at.line)),
            number(at.map(|at| at.column)),
            Sequence::Empty,
        ];
        for (slot, value) in clause.variables.iter().zip(values) {
            env.slots[*slot] = value;
        }
        self.eval(&clause.body, env)
    }

    fn map(&mut self, entries: &[(Plan, Plan)], env: &mut Env) -> Result<Sequence> {
        let mut map = Map::new();
        for (key, value) in entries {
            let key = self.single_atomic(key, env, "the key of a map entry")?;
            let value = self.eval(value, env)?;
            let text = key.to_str();
            if map.put(key, value) {
                return Err(fail("XQDY0137", format!("the key {text} is there twice")));
            }
        }
        self.hold(map.held_bytes())?;
        Ok(Sequence::from(Item::Function(map.into())))
    }

    fn lookup(&mut self, base: &Plan, key: &Key, env: &mut Env) -> Result<Sequence> {
        let base = self.eval(base, env)?;
        let keys = match key {
            Key::Wildcard => None,
            Key::Values(plan) => Some(self.eval(plan, env)?.atomize()?),
        };
        let mut parts = Vec::new();
        for item in &base {
            match (&item, &keys) {
                (Item::Function(Function::Map(map)), None) => parts.extend(map.iter().map(|(_, value)| value.clone())),
                (Item::Function(Function::Map(map)), Some(keys)) => {
                    parts.extend(keys.iter().filter_map(|key| map.get(key).cloned()));
                }
                (Item::Function(Function::Array(array)), None) => parts.extend(array.members().iter().cloned()),
                (Item::Function(Function::Array(array)), Some(keys)) => {
                    for key in keys {
                        parts.push(array_member(array, key)?);
                    }
                }
                _ => return Err(fail("XPTY0004", "only maps and arrays can be looked up in")),
            }
        }
        self.concat(parts)
    }
}

/// The typed values as strings, joined by spaces.
pub(crate) fn joined(value: &Sequence) -> Result<Str> {
    let values = value.atomize()?;
    if let [only] = &values[..] {
        return Ok(only.to_str());
    }
    let mut text = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(&value.to_str());
    }
    Ok(Str::from(text))
}
