//! Clauses of FLWOR expressions and branches of conditional ones (XQuery 3.1, 3.12 to 3.18).

use super::{Expr, Name, NameTest, SequenceType, Span};
use phoenixmldb_xdm::Str;

/// A clause before `return`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// `for $x in …`.
    For(Box<ForBinding>),
    /// `let $x := …`.
    Let(Box<LetBinding>),
    /// `for tumbling window …` or `for sliding window …`.
    Window(Box<WindowClause>),
    /// `where …`.
    Where(Expr),
    /// `group by …`.
    GroupBy(Vec<GroupSpec>),
    /// `order by …`.
    OrderBy {
        /// `stable`.
        stable: bool,
        /// Most significant key first.
        specs: Vec<OrderSpec>,
    },
    /// `count $x`.
    Count(Name),
}

/// `$x as T allowing empty at $p in …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForBinding {
    /// The variable.
    pub variable: Name,
    /// Its declared type.
    pub declared_type: Option<SequenceType>,
    /// Binds once when there is nothing.
    pub allowing_empty: bool,
    /// Variable that counts.
    pub position: Option<Name>,
    /// What is iterated.
    pub input: Expr,
    /// Where the binding stands.
    pub span: Span,
}

/// `$x as T := …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetBinding {
    /// The variable.
    pub variable: Name,
    /// Its declared type.
    pub declared_type: Option<SequenceType>,
    /// Its value.
    pub value: Expr,
    /// Where the binding stands.
    pub span: Span,
}

/// How windows follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// Without overlap.
    Tumbling,
    /// One per start.
    Sliding,
}

/// A window clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowClause {
    /// Tumbling or sliding.
    pub kind: WindowKind,
    /// Variable of the window.
    pub variable: Name,
    /// Its declared type.
    pub declared_type: Option<SequenceType>,
    /// What is iterated.
    pub input: Expr,
    /// `start … when`.
    pub start: WindowCondition,
    /// `end … when`; always there for sliding windows.
    pub end: Option<WindowCondition>,
    /// `only end`: windows without end are dropped.
    pub only_end: bool,
    /// Where the clause stands.
    pub span: Span,
}

/// Variables and condition of a window's start or end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowCondition {
    /// The item.
    pub current: Option<Name>,
    /// Its position (`at`).
    pub position: Option<Name>,
    /// The item before (`previous`).
    pub previous: Option<Name>,
    /// The item after (`next`).
    pub next: Option<Name>,
    /// The condition (`when`).
    pub when: Expr,
}

/// `$x as T := … collation "…"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSpec {
    /// The grouping variable.
    pub variable: Name,
    /// Declared type; only with a value.
    pub declared_type: Option<SequenceType>,
    /// Binds the variable; `None` takes the one in scope.
    pub value: Option<Expr>,
    /// Collation URI.
    pub collation: Option<Str>,
}

/// Where empty keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmptyOrder {
    /// After all others.
    Greatest,
    /// Before all others.
    Least,
}

/// One key of `order by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderSpec {
    /// The key.
    pub key: Expr,
    /// `descending`.
    pub descending: bool,
    /// `empty greatest` or `empty least`; `None` takes the declared default.
    pub empty: Option<EmptyOrder>,
    /// Collation URI.
    pub collation: Option<Str>,
}

/// `$x as T in …` of a quantified expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantifiedBinding {
    /// The variable.
    pub variable: Name,
    /// Its declared type.
    pub declared_type: Option<SequenceType>,
    /// What is iterated.
    pub input: Expr,
}

/// `case a case b return …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchCase {
    /// At least one.
    pub operands: Vec<Expr>,
    /// The branch.
    pub result: Expr,
}

/// `case $x as A | B return …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeswitchCase {
    /// Variable of the branch.
    pub variable: Option<Name>,
    /// At least one.
    pub types: Vec<SequenceType>,
    /// The branch.
    pub result: Expr,
}

/// `catch a | b { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatchClause {
    /// Error names; at least one.
    pub errors: Vec<NameTest>,
    /// The branch; `()` when empty.
    pub body: Expr,
}
