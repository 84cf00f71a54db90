//! A compiled query.

use crate::compile::plan::Program;
use crate::compile::{compile_program, explain};
use crate::context::{DynamicContext, Options, Resolver, StaticContext};
use crate::eval;
use phoenixmldb_xdm::Sequence;
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::serialize::Parameters;
use std::sync::Arc;

/// A compiled query: immutable and shared between threads.
#[derive(Clone, Debug)]
pub struct Query {
    program: Arc<Program>,
}

impl Query {
    /// Compiles a main module and the modules it imports, which the resolver finds.
    ///
    /// Errors: the static errors of XQuery 3.1 (XPST…, XQST…), with line and column.
    pub fn compile(text: &str, options: &Options, resolver: &dyn Resolver) -> Result<Self> {
        Ok(Self { program: Arc::new(compile_program(text, options, resolver)?) })
    }

    /// Runs the query. Errors: dynamic and type errors, with the line and column of the innermost expression.
    pub fn run(&self, context: &DynamicContext) -> Result<Sequence> {
        eval::run(&self.program, context)
    }

    /// Runs the query and writes its result as text: what [`Self::run`] and
    /// [`phoenixmldb_xdm::serialize::sequence`] give, without building what is only written.
    ///
    /// Errors: those of both.
    pub fn serialize(&self, context: &DynamicContext, parameters: &Parameters) -> Result<String> {
        eval::serialize(&self.program, context, parameters)
    }

    /// The plan after the rewrites as an indented tree, and the rewrites that fired.
    #[must_use]
    pub fn explain(&self) -> String {
        explain(&self.program)
    }

    /// The static context of the main module, with its serialization parameters.
    #[must_use]
    pub fn static_context(&self) -> &Arc<StaticContext> {
        &self.program.context
    }
}
