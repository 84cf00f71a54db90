//! From syntax tree to plan: names resolved, variables in slots, static errors raised.
//!
//! ```text
//!  prolog.rs (modules, declarations) ─► expr.rs ─┬─ path.rs  flwor.rs  construct.rs  call.rs  update.rs
//!                                                └─ types.rs  scope.rs  builtins.rs  ─► plan.rs
//!                                                                             plan.rs ─► rewrite ─► plan.rs ─► explain.rs
//! ```

pub(crate) mod builtins;
mod call;
mod construct;
mod explain;
#[cfg(test)]
mod explain_test;
mod expr;
mod flwor;
mod path;
pub mod plan;
mod prolog;
mod rewrite;
mod scope;
pub(crate) mod types;
mod update;

pub(crate) use construct::check_attribute_name;
pub(crate) use explain::explain;
pub(crate) use prolog::compile_program;

use crate::context::StaticContext;
use crate::functions::collation;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{QName, Str};
use plan::SharedCollation;
use scope::Scopes;
use std::collections::HashMap;
use std::sync::Arc;

/// What the compiler knows of a declared function before its body is compiled.
struct Declared {
    index: usize,
    module: usize,
    private: bool,
}

/// What the compiler knows of a declared variable.
struct DeclaredVariable {
    index: usize,
    module: usize,
    private: bool,
}

/// Compiles the expressions of one module after the other.
pub(crate) struct Compiler {
    functions: HashMap<(QName, usize), Declared>,
    variables: HashMap<QName, DeclaredVariable>,
    /// Module whose text is being compiled.
    module: usize,
    /// Namespaces whose modules the current one imports, itself included.
    visible: Vec<Vec<usize>>,
    /// Static context here; direct constructors change it for what is inside.
    context: Arc<StaticContext>,
    scopes: Scopes,
    /// Set when `position()` or `last()` is met, so that predicates know whether they depend on the position.
    positional: bool,
    /// The declared function whose tail is being compiled.
    tail_of: Option<usize>,
    /// What was compiled since the expression around it began can give pending updates.
    updates: bool,
    /// Declarations of the direct constructors around, which are in scope for the elements constructed inside.
    direct_namespaces: Vec<(Str, Str)>,
    /// Whether each declared function is updating, by index.
    updating_functions: Vec<bool>,
    /// Number of variables the host gave; a query may declare them again.
    given: usize,
}

impl Compiler {
    /// The collation with this URI, relative to the base URI. Error: `code`.
    fn collation(&self, uri: &str, code: &'static str) -> Result<SharedCollation> {
        let uri = self.context.collation_uri(uri);
        let known = collation::find(uri).or_else(|| {
            let base = self.context.base_uri.as_deref()?;
            collation::find(&crate::functions::uri::resolve(uri, Some(base))?)
        });
        known.ok_or_else(|| fail(code, format!("there is no collation {uri}")))
    }

    /// The default collation, which has been checked where it was declared.
    fn default_collation(&self) -> SharedCollation {
        collation::find(self.context.collation_uri(&self.context.default_collation)).flatten()
    }

    fn context(&self) -> Arc<StaticContext> {
        self.context.clone()
    }

    fn with_namespaces<T>(&mut self, declared: &[(Str, Str)], f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if declared.is_empty() {
            return f(self);
        }
        let outer = self.context.clone();
        let mut inner = StaticContext::clone(&outer);
        let around = self.direct_namespaces.len();
        self.direct_namespaces.extend_from_slice(declared);
        for (prefix, uri) in declared {
            if prefix.is_empty() {
                inner.default_element_namespace = uri.clone();
            } else {
                inner.namespaces.insert(prefix.clone(), uri.clone());
            }
        }
        self.context = Arc::new(inner);
        let result = f(self);
        self.context = outer;
        self.direct_namespaces.truncate(around);
        result
    }
}
