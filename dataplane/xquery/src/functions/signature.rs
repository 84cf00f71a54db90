//! The table of built-in functions: what compiling, `function-lookup` and distribution need to know of each.

use crate::context::FN_NAMESPACE;
use crate::eval::CallContext;
use phoenixmldb_xdm::Sequence;
use phoenixmldb_xdm::error::Result;

/// What a function depends on beside its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depends {
    /// Nothing: a call with constants is a constant.
    Arguments,
    /// The static context or what `run` is given: the same result all through one query.
    Context,
    /// The focus at the call.
    Focus,
    /// Nothing, but no call may be moved or left out (`fn:trace`, `fn:error`, random numbers).
    Outside,
}

/// One function with all its arities.
#[derive(Clone, Copy, Debug)]
pub struct FunctionEntry {
    /// Namespace, such as [`crate::context::FN_NAMESPACE`].
    pub namespace: &'static str,
    /// Local name.
    pub local: &'static str,
    /// Types of the parameters in XQuery syntax with the prefixes `xs`, `fn`, `map`, `array`; those behind `required`
    /// may be left out.
    pub params: &'static [&'static str],
    /// Least number of arguments.
    pub required: usize,
    /// Of the parameters that may be left out, all are or none is (`fn:format-date`).
    pub all_or_none: bool,
    /// The last parameter may be repeated (`fn:concat`).
    pub variadic: bool,
    /// Type of the result.
    pub result: &'static str,
    /// What it depends on.
    pub depends: Depends,
    /// Calling it can give pending updates (`fn:put`).
    pub updating: bool,
    /// The implementation. The arguments are converted to the parameter types; their number is that of the call.
    pub run: fn(&mut CallContext<'_>, Vec<Sequence>) -> Result<Sequence>,
}

/// A function whose result follows from its arguments, and which has one arity: the usual row.
#[must_use]
pub const fn function(
    namespace: &'static str,
    local: &'static str,
    params: &'static [&'static str],
    result: &'static str,
    run: fn(&mut CallContext<'_>, Vec<Sequence>) -> Result<Sequence>,
) -> FunctionEntry {
    let depends = Depends::Arguments;
    FunctionEntry {
        namespace,
        local,
        params,
        required: params.len(),
        all_or_none: false,
        variadic: false,
        result,
        depends,
        updating: false,
        run,
    }
}

/// A row of the namespace `fn`.
#[must_use]
pub(super) const fn fun(
    local: &'static str,
    params: &'static [&'static str],
    result: &'static str,
    run: fn(&mut CallContext<'_>, Vec<Sequence>) -> Result<Sequence>,
) -> FunctionEntry {
    function(FN_NAMESPACE, local, params, result, run)
}

impl FunctionEntry {
    /// The same, callable with fewer arguments.
    #[must_use]
    pub const fn required(mut self, least: usize) -> Self {
        self.required = least;
        self
    }

    /// The same, callable with so many arguments or with all.
    #[must_use]
    pub const fn required_or_all(mut self, least: usize) -> Self {
        self.required = least;
        self.all_or_none = true;
        self
    }

    /// The same, depending on more than its arguments.
    #[must_use]
    pub const fn depends(mut self, on: Depends) -> Self {
        self.depends = on;
        self
    }

    /// The same, giving pending updates.
    #[must_use]
    pub const fn updating(mut self) -> Self {
        self.updating = true;
        self
    }

    /// The same, with any number of further arguments of the last type.
    #[must_use]
    pub const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    /// Whether it can be called with so many arguments.
    #[must_use]
    pub fn accepts(&self, arity: usize) -> bool {
        let between = arity > self.required && arity < self.params.len();
        arity >= self.required && (self.variadic || arity <= self.params.len()) && !(between && self.all_or_none)
    }
}

/// All functions, by file.
pub static FUNCTIONS: &[&[FunctionEntry]] = &[
    super::aggregates::TABLE,
    super::arrays::TABLE,
    super::boolean::TABLE,
    super::dates::TABLE,
    super::documents::TABLE,
    super::errors::TABLE,
    super::focus::TABLE,
    super::higher_order::TABLE,
    super::json::TABLE,
    super::lookup::TABLE,
    super::maps::TABLE,
    super::matching::TABLE,
    super::modules::TABLE,
    super::nodes::TABLE,
    super::numeric::TABLE,
    super::parsing::TABLE,
    super::qnames::TABLE,
    super::random::TABLE,
    super::sequences::TABLE,
    super::strings::TABLE,
    super::uri::TABLE,
];
