//! A compiled query.

use crate::compile::plan::Program;
use crate::compile::{compile_program, explain};
use crate::context::{DynamicContext, Options, Resolver, StaticContext};
use crate::eval;
use phoenixmldb_xdm::Sequence;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::serialize::Parameters;
use phoenixmldb_xdm::update::PendingUpdates;
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

    /// Whether the query can ask for updates (its body is an updating expression, Update Facility 3.0 §2.2).
    #[must_use]
    pub fn is_updating(&self) -> bool {
        self.program.updating
    }

    /// Runs a query that updates nothing.
    ///
    /// Errors: dynamic and type errors, with the line and column of the innermost expression; XUST0001 when the query is
    /// updating, because its updates would be lost: see [`Self::update`].
    pub fn run(&self, context: &DynamicContext) -> Result<Sequence> {
        self.refuse_updates()?;
        Ok(eval::run(&self.program, context)?.0)
    }

    /// Error: XUST0001.
    fn refuse_updates(&self) -> Result<()> {
        if self.program.updating {
            return Err(fail("XUST0001", "the query updates, and updates cannot be applied here"));
        }
        Ok(())
    }

    /// Runs a query and gives its value and the updates it asks for, none of which has happened.
    ///
    /// The list is compatible (`upd:compatibilityCheck`). Its targets are nodes of the trees that the resolver and the
    /// context gave, and of trees made by the query, which nobody sees afterwards. The caller either applies it
    /// ([`PendingUpdates::apply`]) and keeps the new trees, or turns it into writes of its own; `inherit` is the second
    /// half of [`StaticContext::copy_namespaces`]. A tree is known by its identity, so a resolver must give the same one
    /// for a document as long as one query runs.
    ///
    /// Errors: those of [`Self::run`] but the last, and those of the Update Facility (XUTY…, XUDY…).
    pub fn update(&self, context: &DynamicContext) -> Result<(Sequence, PendingUpdates)> {
        eval::run(&self.program, context)
    }

    /// Runs the query and writes its result as text: what [`Self::run`] and
    /// [`phoenixmldb_xdm::serialize::sequence`] give, without building what is only written.
    ///
    /// Errors: those of both.
    pub fn serialize(&self, context: &DynamicContext, parameters: &Parameters) -> Result<String> {
        self.refuse_updates()?;
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
