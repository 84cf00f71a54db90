//! The state of one evaluation, and the part of it that a built-in function sees.

use super::function;
use super::joins::{JoinState, MemoState};
use super::routes::RouteState;
use crate::compile::plan::Program;
use crate::context::{DynamicContext, StaticContext};
use crate::functions::regex::XPathRegex;
use crate::limits;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::update::PendingUpdates;
use phoenixmldb_xdm::{Atomic, Function, Item, Limit, Node, QName, Sequence, Str, size};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

/// The context item with its position.
#[derive(Clone, Debug)]
pub struct Focus {
    /// The context item.
    pub item: Item,
    /// `fn:position()`, from 1.
    pub position: usize,
    /// `fn:last()`.
    pub size: usize,
}

/// Local variables and focus of one function call.
#[derive(Default)]
pub(crate) struct Env {
    pub(crate) slots: Vec<Sequence>,
    pub(crate) focus: Option<Focus>,
}

impl Env {
    pub(crate) fn new(slots: usize, focus: Option<Focus>) -> Self {
        Self { slots: vec![Sequence::Empty; slots], focus }
    }
}

/// A declared variable while the query runs.
#[derive(Clone)]
pub(crate) enum GlobalState {
    Unset,
    Evaluating,
    Set(Sequence),
}

/// The state of one evaluation: what every expression and function of a query shares.
pub struct Evaluator {
    /// What the query is run with.
    pub dynamic: Arc<DynamicContext>,
    pub(crate) program: Arc<Program>,
    pub(crate) globals: Vec<GlobalState>,
    /// Focus of the query body and of declared variables.
    pub(crate) initial: Option<Focus>,
    /// Stack segments in use, beyond the thread's own stack.
    segments: u64,
    /// Bytes that the tuples of the FLWOR expression at work left in its result; `u64::MAX` when it keeps all of them.
    pub(super) kept_bytes: u64,
    /// Arguments of a tail call on its way to the function's loop.
    pub(crate) tail: Option<Vec<Sequence>>,
    pub(crate) routes: Vec<RouteState>,
    pub(crate) joins: Vec<JoinState>,
    pub(crate) memos: Vec<Option<MemoState>>,
    /// Steps not yet charged to the meter.
    pub(crate) uncharged: Cell<usize>,
    /// Regular expressions that were used, by expression and flags.
    pub(crate) regexes: HashMap<(Str, Str), Arc<XPathRegex>>,
    /// Updates that what was evaluated so far asks for.
    pub(crate) pending: PendingUpdates,
    /// Which program is being evaluated: 0 is the query, others are modules that it loaded.
    pub(crate) home: usize,
    /// The other programs; that of `home` is in the fields above.
    pub(crate) parked: Vec<Option<Instance>>,
}

/// A program and its state while another one is being evaluated.
pub(crate) struct Instance {
    pub(crate) dynamic: Arc<DynamicContext>,
    pub(crate) program: Arc<Program>,
    pub(crate) globals: Vec<GlobalState>,
    pub(crate) initial: Option<Focus>,
    pub(crate) routes: Vec<RouteState>,
    pub(crate) joins: Vec<JoinState>,
    pub(crate) memos: Vec<Option<MemoState>>,
}

impl Instance {
    /// The state before anything is evaluated.
    pub(crate) fn new(dynamic: Arc<DynamicContext>, program: Arc<Program>) -> Self {
        let globals = vec![GlobalState::Unset; program.globals.len()];
        let routes = vec![RouteState::default(); program.optimized.routes];
        let joins = vec![JoinState::default(); program.optimized.joins];
        let memos = vec![None; program.optimized.memos];
        Self { dynamic, program, globals, initial: None, routes, joins, memos }
    }
}

impl Evaluator {
    /// The state before anything is evaluated.
    pub(crate) fn new(dynamic: Arc<DynamicContext>, program: Arc<Program>) -> Self {
        let Instance { dynamic, program, globals, initial, routes, joins, memos } = Instance::new(dynamic, program);
        let (pending, regexes) = (PendingUpdates::new(), HashMap::new());
        Self {
            dynamic,
            program,
            globals,
            initial,
            segments: 0,
            kept_bytes: 0,
            tail: None,
            routes,
            joins,
            memos,
            uncharged: Cell::new(0),
            regexes,
            pending,
            home: 0,
            parked: vec![None],
        }
    }

    /// Runs `f` with enough stack below it. Error: [`Limit::Stack`], when that would be more than the meter allows.
    pub(crate) fn on_stack<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if stacker::remaining_stack().is_some_and(|left| left >= limits::STACK_RED_ZONE_BYTES) {
            return f(self);
        }
        let max = self.dynamic.meter.stack_bytes_max();
        if (self.segments + 1) * limits::STACK_SEGMENT_BYTES as u64 > max {
            let max = phoenixmldb_xdm::meter::bytes_text(max);
            return Err(
                Limit::Stack.exceeded(format!("functions call each other so deeply that {max} of stack are used up"))
            );
        }
        self.segments += 1;
        let result = stacker::grow(limits::STACK_SEGMENT_BYTES, || f(self));
        self.segments -= 1;
        result
    }

    /// Takes bytes for what an expression makes. Error: [`Limit::Memory`].
    pub(crate) fn hold(&self, bytes: u64) -> Result<()> {
        self.dynamic.meter.hold(bytes)
    }

    /// The items of several sequences one after the other. Error: [`Limit::Memory`].
    pub(crate) fn concat(&self, parts: Vec<Sequence>) -> Result<Sequence> {
        let parts_with_items = parts.iter().filter(|part| !part.is_empty()).count();
        if parts_with_items > 1 {
            let items = parts.iter().fold(0_usize, |items, part| items.saturating_add(part.len()));
            self.hold(size::places(items))?;
        }
        Ok(Sequence::concat(parts))
    }

    /// Calls a function item. The arguments must be as many as its parameters; a callable converts them itself.
    ///
    /// Errors: XPTY0004 for a wrong number of arguments, FOAY0001 outside an array, and what the function raises.
    pub fn call(&mut self, function: &Function, args: Vec<Sequence>) -> Result<Sequence> {
        if function.arity() != args.len() {
            let (has, given) = (function.arity(), args.len());
            return Err(fail("XPTY0004", format!("a function of {has} parameters was called with {given} arguments")));
        }
        match function {
            Function::Callable(callable) => callable.call(args, self),
            Function::Map(map) => Ok(map.get(&single_key(&args[0])?).cloned().unwrap_or_default()),
            Function::Array(array) => array_member(array, &single_key(&args[0])?),
        }
    }
}

/// The one atomic value that a map or an array is called with. Error: XPTY0004.
fn single_key(arg: &Sequence) -> Result<Atomic> {
    let mut values = arg.atomize()?;
    match (values.pop(), values.is_empty()) {
        (Some(key), true) => Ok(key),
        _ => Err(fail("XPTY0004", "a map or an array is called with exactly one atomic value")),
    }
}

/// The member of an array at a position. Errors: XPTY0004 when the key is no integer, FOAY0001 outside.
pub fn array_member(array: &phoenixmldb_xdm::Array, key: &Atomic) -> Result<Sequence> {
    let position = match key {
        Atomic::Integer(position, _) => position.to_i64(),
        Atomic::Untyped(text) => text.trim().parse().ok(),
        other => {
            return Err(fail("XPTY0004", format!("an array is looked up by an integer, not by {}", other.type_of())));
        }
    };
    let member = position.and_then(|position| array.get(position));
    let outside = || fail("FOAY0001", format!("the array has {} members, not {}", array.len(), key.to_str()));
    member.cloned().ok_or_else(outside)
}

/// What a built-in function sees: the place of the call and the evaluation.
pub struct CallContext<'a> {
    /// Static context of the calling module.
    pub static_context: &'a Arc<StaticContext>,
    /// The focus at the call; `None` when absent.
    pub focus: Option<&'a Focus>,
    /// The evaluation.
    pub evaluator: &'a mut Evaluator,
}

impl CallContext<'_> {
    /// The dynamic context. An `Arc`, so that it can be kept while functions are called.
    #[must_use]
    pub fn dynamic(&self) -> Arc<DynamicContext> {
        self.evaluator.dynamic.clone()
    }

    /// The focus. Error: XPDY0002.
    pub fn focus(&self) -> Result<&Focus> {
        self.focus.ok_or_else(no_context_item)
    }

    /// The context item. Error: XPDY0002.
    pub fn context_item(&self) -> Result<&Item> {
        Ok(&self.focus()?.item)
    }

    /// The context item as a node. Errors: XPDY0002, XPTY0004.
    pub fn context_node(&self) -> Result<&Node> {
        self.context_item()?.as_node().ok_or_else(|| fail("XPTY0004", "the context item is not a node"))
    }

    /// Calls a function item.
    pub fn call(&mut self, function: &Function, args: Vec<Sequence>) -> Result<Sequence> {
        self.evaluator.call(function, args)
    }

    /// Takes bytes for what the function makes. Error: [`Limit::Memory`](phoenixmldb_xdm::Limit::Memory).
    pub fn hold(&self, bytes: usize) -> Result<()> {
        self.evaluator.dynamic.meter.hold(bytes as u64)
    }

    /// Whether so many bytes more can be held, without taking them.
    /// Error: [`Limit::Memory`](phoenixmldb_xdm::Limit::Memory).
    pub fn fits(&self, bytes: usize) -> Result<()> {
        let meter = &self.evaluator.dynamic.meter;
        let held = meter.held_bytes();
        meter.hold(bytes as u64)?;
        meter.settle(held);
        Ok(())
    }

    /// Charges steps of work to the query's meter.
    pub fn charge(&self, steps: usize) -> Result<()> {
        self.evaluator.dynamic.meter.charge(steps as u64)
    }

    /// The function of a name and arity: declared, built-in or a constructor function. Its focus is that of the call.
    #[must_use]
    pub fn function_lookup(&self, name: &QName, arity: usize) -> Option<Function> {
        function::lookup(self, name, arity)
    }
}

/// Error: XPDY0002.
pub(crate) fn no_context_item() -> Box<phoenixmldb_xdm::Error> {
    fail("XPDY0002", "there is no context item")
}
