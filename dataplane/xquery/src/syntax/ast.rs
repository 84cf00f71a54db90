//! The abstract syntax tree of XQuery 3.1 and the Update Facility 3.0: what was written, nothing resolved.
//!
//! ```text
//!  Module ─┬─ prolog: Vec<Declaration>          ast/prolog.rs
//!          └─ body: Expr ─┬─ Clause              ast/flwor.rs
//!                         ├─ DirectElement …     ast/construct.rs
//!                         └─ SequenceType …      ast/types.rs
//! ```
//!
//! Names are lexical (a prefix, or a namespace from an EQName); `compile` resolves them, because prologs and direct
//! constructors change the bindings. Numbers are text. Parentheses leave no trace except where they decide the shape:
//! `(a)[1]` is a [`ExprKind::Filter`], `a[1]` an [`ExprKind::Step`] with a predicate. Associative operators that get
//! long in practice (comma, `or`, `and`, `||`, `union`, `!`, `/`) are lists; the other chains lean to the left.
//! Trees compare equal whatever their spans ([`Span`]). `print` turns a tree back into text.

mod construct;
mod flwor;
mod prolog;
mod types;

pub use construct::{
    AttributePart, ComputedName, ContentPart, DirectAttribute, DirectElement, DirectNamespace, StringPart,
};
pub use flwor::{
    CatchClause, Clause, EmptyOrder, ForBinding, GroupSpec, LetBinding, OrderSpec, QuantifiedBinding, SwitchCase,
    TypeswitchCase, WindowClause, WindowCondition, WindowKind,
};
pub use prolog::{
    Annotation, AnnotationValue, ConstructionMode, ContextItemDecl, DecimalFormatDecl, DecimalFormatProperty,
    Declaration, DeclarationKind, FunctionDecl, Module, ModuleImport, ModuleKind, Param, RevalidationMode,
    SchemaImport, SchemaPrefix, VariableDecl, VersionDecl,
};
pub use types::{ElementTest, ItemType, KindTest, NameTest, NodeTest, Occurrence, SequenceType, SingleType};

use phoenixmldb_xdm::Str;

/// Byte offsets into the text of one module, end exclusive.
///
/// All spans are equal to each other, so that two trees are equal when they mean the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `start..end`.
    #[must_use]
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// From the start of `self` to the end of `last`.
    #[must_use]
    pub fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Span {}

/// A QName or EQName as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What precedes the local part.
    pub qualifier: Qualifier,
    /// The local part.
    pub local: Str,
    /// Where it stands.
    pub span: Span,
}

/// How a name says which namespace it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qualifier {
    /// `local`: the default of the place where the name stands applies.
    None,
    /// `prefix:local`.
    Prefix(Str),
    /// `Q{uri}local`, whitespace normalised; empty for no namespace.
    Uri(Str),
}

impl Name {
    /// A name without prefix.
    pub fn local(local: impl Into<Str>, span: Span) -> Self {
        Self { qualifier: Qualifier::None, local: local.into(), span }
    }

    /// The prefix, when it was written with one.
    #[must_use]
    pub fn prefix(&self) -> Option<&Str> {
        match &self.qualifier {
            Qualifier::Prefix(prefix) => Some(prefix),
            Qualifier::None | Qualifier::Uri(_) => None,
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.qualifier {
            Qualifier::None => f.write_str(&self.local),
            Qualifier::Prefix(prefix) => write!(f, "{prefix}:{}", self.local),
            Qualifier::Uri(uri) => write!(f, "Q{{{uri}}}{}", self.local),
        }
    }
}

/// An expression and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// Which expression.
    pub kind: ExprKind,
    /// Where it stands, without surrounding parentheses.
    pub span: Span,
}

impl Expr {
    /// An expression at a place.
    #[must_use]
    pub fn new(kind: ExprKind, span: Span) -> Self {
        Self { kind, span }
    }

    /// `()`.
    #[must_use]
    pub fn empty(span: Span) -> Self {
        Self::new(ExprKind::Sequence(Vec::new()), span)
    }
}

/// Every expression of the language. The number is the section of XQuery 3.1, U that of the Update Facility 3.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// Integer literal: digits (3.1.1).
    Integer(Str),
    /// Decimal literal: digits with one point.
    Decimal(Str),
    /// Double literal, with exponent.
    Double(Str),
    /// String literal, references and doubled quotes replaced.
    String(Str),
    /// `$name` (3.1.2).
    Variable(Name),
    /// `.` (3.1.4).
    ContextItem,
    /// `a, b, c`, and `()` when empty (3.4.1). Never of length one.
    Sequence(Vec<Expr>),
    /// `name(args)` (3.1.5); a placeholder among the arguments makes it a partial application.
    Call {
        /// The function.
        name: Name,
        /// Its arguments.
        args: Vec<Argument>,
    },
    /// `expr(args)` (3.2.2).
    DynamicCall {
        /// What is called.
        function: Box<Expr>,
        /// Its arguments.
        args: Vec<Argument>,
    },
    /// `name#arity` (3.1.6).
    FunctionRef {
        /// The function.
        name: Name,
        /// Digits.
        arity: Str,
    },
    /// `function(…) { … }` (3.1.7).
    InlineFunction(Box<InlineFunction>),
    /// `base[p1][p2]` where the base is not an axis step (3.2.1). At least one predicate.
    Filter {
        /// What is filtered.
        base: Box<Expr>,
        /// One predicate after the other.
        predicates: Vec<Expr>,
    },
    /// `base?key` (3.11.3.2).
    Lookup {
        /// A map, an array or several of them.
        base: Box<Expr>,
        /// What is looked up.
        key: LookupKey,
    },
    /// `?key`, in the context item (3.11.3.1).
    UnaryLookup(LookupKey),
    /// `/`, `/a`, `//a`, `a/b//c` (3.3). A relative path has at least two steps.
    Path(PathExpr),
    /// `axis::test[p1][p2]` and its abbreviations (3.3.2).
    Step(AxisStep),
    /// `or` of two or more (3.8).
    Or(Vec<Expr>),
    /// `and` of two or more (3.8).
    And(Vec<Expr>),
    /// `||` of two or more (3.6).
    Concat(Vec<Expr>),
    /// `union` or `|` of two or more (3.4.2).
    Union(Vec<Expr>),
    /// `a ! b ! c`, two or more (3.20).
    SimpleMap(Vec<Expr>),
    /// All other infix operators.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `+x` or `-x`; a row of signs is reduced to one (3.5).
    Unary(Sign, Box<Expr>),
    /// `x instance of T` (3.18.1).
    InstanceOf(Box<Expr>, Box<SequenceType>),
    /// `x treat as T` (3.18.6).
    TreatAs(Box<Expr>, Box<SequenceType>),
    /// `x castable as T` (3.18.4).
    CastableAs(Box<Expr>, SingleType),
    /// `x cast as T` (3.18.3).
    CastAs(Box<Expr>, SingleType),
    /// `x => f(args)` (3.19).
    Arrow {
        /// Becomes the first argument.
        input: Box<Expr>,
        /// What is called.
        target: ArrowTarget,
        /// The other arguments.
        args: Vec<Argument>,
    },
    /// `for … let … return` (3.12).
    Flwor {
        /// The clauses before `return`; several bindings of one `for` or `let` are several clauses.
        clauses: Vec<Clause>,
        /// The `return` expression.
        result: Box<Expr>,
    },
    /// `some`/`every … satisfies` (3.16).
    Quantified {
        /// `every` rather than `some`.
        every: bool,
        /// Variables from left to right.
        bindings: Vec<QuantifiedBinding>,
        /// The condition.
        satisfies: Box<Expr>,
    },
    /// `if (c) then a else b` (3.14).
    If {
        /// The condition.
        condition: Box<Expr>,
        /// When it holds.
        then: Box<Expr>,
        /// When it does not.
        otherwise: Box<Expr>,
    },
    /// `switch` (3.15).
    Switch {
        /// What is compared.
        operand: Box<Expr>,
        /// At least one.
        cases: Vec<SwitchCase>,
        /// The `default` branch.
        default: Box<Expr>,
    },
    /// `typeswitch` (3.18.2).
    Typeswitch {
        /// What is tested.
        operand: Box<Expr>,
        /// At least one.
        cases: Vec<TypeswitchCase>,
        /// Variable of the `default` branch.
        default_variable: Option<Name>,
        /// The `default` branch.
        default: Box<Expr>,
    },
    /// `try { … } catch … { … }` (3.17).
    TryCatch {
        /// The body.
        body: Box<Expr>,
        /// At least one.
        catches: Vec<CatchClause>,
    },
    /// `map { k : v }` (3.11.1).
    Map(Vec<(Expr, Expr)>),
    /// `[a, b]` (3.11.2).
    SquareArray(Vec<Expr>),
    /// `array { … }` (3.11.2).
    CurlyArray(Box<Expr>),
    /// ``` ``[ … ]`` ``` (3.10).
    StringConstructor(Vec<StringPart>),
    /// `<a b="…">…</a>` (3.9.1).
    DirectElement(Box<DirectElement>),
    /// `<!-- … -->` (3.9.2).
    DirectComment(Str),
    /// `<?target data?>` (3.9.2).
    DirectPi {
        /// The target.
        target: Str,
        /// The text behind the white space.
        data: Str,
    },
    /// `document { … }` (3.9.3.3).
    ComputedDocument(Box<Expr>),
    /// `element name { … }` (3.9.3.1).
    ComputedElement {
        /// The name.
        name: ComputedName,
        /// The content; `()` when empty.
        content: Box<Expr>,
    },
    /// `attribute name { … }` (3.9.3.2).
    ComputedAttribute {
        /// The name.
        name: ComputedName,
        /// The value; `()` when empty.
        content: Box<Expr>,
    },
    /// `namespace prefix { … }` (3.9.3.7). A fixed name is an NCName.
    ComputedNamespace {
        /// The prefix.
        prefix: ComputedName,
        /// The namespace.
        content: Box<Expr>,
    },
    /// `text { … }` (3.9.3.4).
    ComputedText(Box<Expr>),
    /// `comment { … }` (3.9.3.6).
    ComputedComment(Box<Expr>),
    /// `processing-instruction target { … }` (3.9.3.5). A fixed name is an NCName.
    ComputedPi {
        /// The target.
        target: ComputedName,
        /// The text; `()` when empty.
        content: Box<Expr>,
    },
    /// `ordered { … }` (3.13).
    Ordered(Box<Expr>),
    /// `unordered { … }` (3.13).
    Unordered(Box<Expr>),
    /// `validate … { … }` (3.21).
    Validate {
        /// How.
        mode: ValidationMode,
        /// What.
        operand: Box<Expr>,
    },
    /// `(# name … #) { … }` (3.22).
    Extension {
        /// At least one.
        pragmas: Vec<Pragma>,
        /// What is evaluated when no pragma is known; `None` for `{}`.
        operand: Option<Box<Expr>>,
    },
    /// `insert node(s) … into …` (U 2.4.1).
    Insert {
        /// What is inserted.
        source: Box<Expr>,
        /// On which side of the target.
        position: InsertPosition,
        /// Where.
        target: Box<Expr>,
    },
    /// `delete node(s) …` (U 2.4.2).
    Delete(Box<Expr>),
    /// `replace node … with …` (U 2.4.3.1).
    ReplaceNode {
        /// What is replaced.
        target: Box<Expr>,
        /// By what.
        source: Box<Expr>,
    },
    /// `replace value of node … with …` (U 2.4.3.2).
    ReplaceValue {
        /// Whose value.
        target: Box<Expr>,
        /// The new value.
        source: Box<Expr>,
    },
    /// `rename node … as …` (U 2.4.4).
    Rename {
        /// What is renamed.
        target: Box<Expr>,
        /// An expression that gives the name.
        name: Box<Expr>,
    },
    /// `copy $c := … modify … return …` (U 2.4.6).
    CopyModify {
        /// Copies from left to right.
        bindings: Vec<(Name, Expr)>,
        /// Makes the updates.
        modify: Box<Expr>,
        /// Sees the copies with the updates.
        result: Box<Expr>,
    },
    /// `x transform with { … }` (U 2.4.7).
    TransformWith {
        /// The nodes that are copied.
        input: Box<Expr>,
        /// Makes the updates; `()` when empty.
        modify: Box<Expr>,
    },
    /// `invoke updating f(args)` (U 2.4.5).
    InvokeUpdating {
        /// What is called.
        function: Box<Expr>,
        /// Its arguments.
        args: Vec<Argument>,
    },
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A value.
    Expr(Expr),
    /// `?`: stays open in a partial application.
    Placeholder(Span),
}

/// What follows `?` in a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupKey {
    /// A name, taken as a string.
    Name(Str),
    /// Digits.
    Integer(Str),
    /// `( … )`.
    Expr(Box<Expr>),
    /// `*`.
    Wildcard,
}

/// What follows `=>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrowTarget {
    /// A function name.
    Name(Name),
    /// A variable or parenthesised expression.
    Expr(Box<Expr>),
}

/// Infix operators that take exactly two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named like the operator")]
pub enum BinaryOp {
    ValueEq,
    ValueNe,
    ValueLt,
    ValueLe,
    ValueGt,
    ValueGe,
    GeneralEq,
    GeneralNe,
    GeneralLt,
    GeneralLe,
    GeneralGt,
    GeneralGe,
    Is,
    /// `<<`.
    Precedes,
    /// `>>`.
    Follows,
    /// `to`.
    Range,
    Add,
    Subtract,
    Multiply,
    Div,
    IDiv,
    Mod,
    Intersect,
    Except,
}

impl BinaryOp {
    /// As written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::ValueEq => "eq",
            Self::ValueNe => "ne",
            Self::ValueLt => "lt",
            Self::ValueLe => "le",
            Self::ValueGt => "gt",
            Self::ValueGe => "ge",
            Self::GeneralEq => "=",
            Self::GeneralNe => "!=",
            Self::GeneralLt => "<",
            Self::GeneralLe => "<=",
            Self::GeneralGt => ">",
            Self::GeneralGe => ">=",
            Self::Is => "is",
            Self::Precedes => "<<",
            Self::Follows => ">>",
            Self::Range => "to",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Div => "div",
            Self::IDiv => "idiv",
            Self::Mod => "mod",
            Self::Intersect => "intersect",
            Self::Except => "except",
        }
    }
}

/// A sign in front of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// `+`: checks that the operand is numeric.
    Plus,
    /// `-`.
    Minus,
}

/// A path of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathExpr {
    /// Begins with `/` or `//`: at the root of the tree that holds the context item.
    pub absolute: bool,
    /// Empty only for a lone `/`.
    pub steps: Vec<PathStep>,
}

/// A step of a path and the separator before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStep {
    /// Preceded by `//` rather than by `/` (or by nothing, for the first step of a relative path).
    pub descend: bool,
    /// The step: [`ExprKind::Step`] or any postfix expression.
    pub expr: Expr,
}

/// An axis step with its predicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisStep {
    /// The axis; the default one is filled in.
    pub axis: Axis,
    /// The node test.
    pub test: NodeTest,
    /// One predicate after the other.
    pub predicates: Vec<Expr>,
}

/// The axes of XQuery. The namespace axis is refused by the parser (XQST0134).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named like the axis")]
pub enum Axis {
    Child,
    Descendant,
    Attribute,
    SelfAxis,
    DescendantOrSelf,
    FollowingSibling,
    Following,
    Parent,
    Ancestor,
    PrecedingSibling,
    Preceding,
    AncestorOrSelf,
}

impl Axis {
    /// As written before `::`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Descendant => "descendant",
            Self::Attribute => "attribute",
            Self::SelfAxis => "self",
            Self::DescendantOrSelf => "descendant-or-self",
            Self::FollowingSibling => "following-sibling",
            Self::Following => "following",
            Self::Parent => "parent",
            Self::Ancestor => "ancestor",
            Self::PrecedingSibling => "preceding-sibling",
            Self::Preceding => "preceding",
            Self::AncestorOrSelf => "ancestor-or-self",
        }
    }
}

/// `function(…) as T { … }` with its annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFunction {
    /// `%name(…)`.
    pub annotations: Vec<Annotation>,
    /// The parameters.
    pub params: Vec<Param>,
    /// Declared result type.
    pub result: Option<SequenceType>,
    /// The body; `()` when empty.
    pub body: Expr,
}

/// How `validate` validates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidationMode {
    /// No mode given: strict.
    Default,
    /// `lax`.
    Lax,
    /// `strict`.
    Strict,
    /// `type T`.
    Type(Name),
}

/// `(# name content #)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pragma {
    /// Which pragma.
    pub name: Name,
    /// Its text, without leading white space.
    pub content: Str,
}

/// Where inserted nodes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named like the keywords")]
pub enum InsertPosition {
    Into,
    AsFirstInto,
    AsLastInto,
    Before,
    After,
}
