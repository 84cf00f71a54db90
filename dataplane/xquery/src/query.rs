//! A compiled query.

use crate::compile::compile_program;
use crate::compile::plan::Program;
use crate::context::{DynamicContext, Options, Resolver, StaticContext};
use crate::eval;
use phoenixmldb_xdm::Sequence;
use phoenixmldb_xdm::error::Result;
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

    /// The static context of the main module, with its serialization parameters.
    #[must_use]
    pub fn static_context(&self) -> &Arc<StaticContext> {
        &self.program.context
    }
}
