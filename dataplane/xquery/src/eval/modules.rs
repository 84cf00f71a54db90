//! Programs beside the query: library modules that it loads while it runs (F&O 3.1 §16.2.1).
//!
//! A loaded module is a program of its own with its own variables. A function item remembers the program it belongs to;
//! calling it switches the evaluator there and back, whoever calls.

use super::context::Instance;
use super::{Evaluator, Focus};
use crate::compile::compile_program;
use crate::compile::plan::FunctionRef;
use crate::context::{DynamicContext, Options};
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::function::Map;
use phoenixmldb_xdm::{Atomic, ErrorCode, Function, Item, QName, Sequence, Str};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

/// What `fn:load-xquery-module` is asked for.
pub(crate) struct ModuleRequest {
    /// Target namespace; not empty.
    pub(crate) uri: Str,
    /// Where it may be.
    pub(crate) hints: Vec<Str>,
    /// Context item of its variables and functions.
    pub(crate) context_item: Option<Item>,
    /// Values of its external variables.
    pub(crate) variables: HashMap<QName, Sequence>,
    /// Base URI of the caller.
    pub(crate) base_uri: Option<Str>,
}

/// A text as a string literal.
fn literal(text: &str) -> String {
    format!("\"{}\"", text.replace('&', "&amp;").replace('"', "&quot;"))
}

impl Evaluator {
    /// Runs `f` with another program being evaluated.
    pub(super) fn at_home<T>(&mut self, home: usize, f: impl FnOnce(&mut Self) -> T) -> T {
        let back = self.home;
        if back == home {
            return f(self);
        }
        self.switch(home);
        let result = f(self);
        self.switch(back);
        result
    }

    fn switch(&mut self, home: usize) {
        let next = self.parked[home].take().expect("only the program being evaluated is not parked");
        let current = Instance {
            dynamic: std::mem::replace(&mut self.dynamic, next.dynamic),
            program: std::mem::replace(&mut self.program, next.program),
            globals: std::mem::replace(&mut self.globals, next.globals),
            initial: std::mem::replace(&mut self.initial, next.initial),
            routes: std::mem::replace(&mut self.routes, next.routes),
            joins: std::mem::replace(&mut self.joins, next.joins),
            memos: std::mem::replace(&mut self.memos, next.memos),
        };
        self.parked[self.home] = Some(current);
        self.home = home;
    }

    /// `fn:load-xquery-module`: a map of the public variables and functions.
    ///
    /// Errors: FOQM0002 when there is no such module, FOQM0003 when it has a static error, FOQM0005 when a given value is
    /// not of the type that the module declares; and what its variables raise.
    pub(crate) fn load_module(&mut self, request: ModuleRequest) -> Result<Sequence> {
        let resolver = self.dynamic.resolver.clone();
        let found = resolver.module(&request.uri, &request.hints);
        if !found.is_ok_and(|found| !found.is_empty()) {
            return Err(fail("FOQM0002", format!("there is no module for namespace {}", request.uri)));
        }
        let mut text = format!("import module {}", literal(&request.uri));
        for (index, hint) in request.hints.iter().enumerate() {
            let _ = write!(text, " {} {}", if index == 0 { "at" } else { "," }, literal(hint));
        }
        text.push_str("; ()");
        let options = Options { base_uri: request.base_uri.clone(), ..Options::default() };
        let program = compile_program(&text, &options, &*resolver);
        let program = Arc::new(program.map_err(|error| fail("FOQM0003", format!("the module is wrong: {error}")))?);
        let dynamic = Arc::new(DynamicContext {
            context_item: request.context_item,
            variables: request.variables,
            ..DynamicContext::clone(&self.dynamic)
        });
        self.parked.push(Some(Instance::new(dynamic, program)));
        let home = self.parked.len() - 1;
        self.at_home(home, |evaluator| evaluator.exports(&request.uri))
    }

    /// What the program being evaluated exports from a namespace.
    fn exports(&mut self, uri: &str) -> Result<Sequence> {
        let program = self.program.clone();
        self.set_context_item(&program).map_err(wrong_type)?;
        let mut variables = Map::new();
        for (index, global) in program.globals.iter().enumerate() {
            if let (true, Some(given), Some(wanted)) =
                (global.external, self.dynamic.variables.get(&global.name), &global.declared_type)
                && !wanted.matches(given)
            {
                let message = format!("the value given for ${} is not of type {wanted}", global.name);
                return Err(fail("FOQM0005", message));
            }
            if !global.private && global.name.uri == uri {
                variables.put(Atomic::from(global.name.clone()), self.global(index)?);
            }
        }
        let mut functions: BTreeMap<(Str, usize), (QName, Function)> = BTreeMap::new();
        let none: Option<&Focus> = None;
        for (index, plan) in program.functions.iter().enumerate() {
            if let Some(name) = plan.name.as_ref().filter(|name| !plan.private && name.uri == uri) {
                let function = self.function_value(&FunctionRef::User(index), none);
                functions.insert((name.local.clone(), plan.params.len()), (name.clone(), function));
            }
        }
        let mut by_name = Map::new();
        for ((_, arity), (name, function)) in functions {
            let name = Atomic::from(name);
            let mut by_arity = match by_name.get(&name).and_then(Sequence::first) {
                Some(Item::Function(Function::Map(map))) => Map::clone(&map),
                _ => Map::new(),
            };
            by_arity.put(Atomic::count(arity), Sequence::from(Item::Function(function)));
            by_name.put(name, Sequence::from(Item::Function(by_arity.into())));
        }
        let mut result = Map::new();
        result.put(Atomic::string("variables"), Sequence::from(Item::Function(variables.into())));
        result.put(Atomic::string("functions"), Sequence::from(Item::Function(by_name.into())));
        Ok(Sequence::from(Item::Function(result.into())))
    }
}

fn wrong_type(error: Box<Error>) -> Box<Error> {
    if error.is(ErrorCode("XPTY0004")) { fail("FOQM0005", error.message) } else { error }
}
