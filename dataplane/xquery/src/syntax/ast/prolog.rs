//! Modules, prologs and declarations as written (XQuery 3.1, 4).

use super::{EmptyOrder, Expr, ItemType, Name, SequenceType, Span};
use phoenixmldb_xdm::Str;

/// One module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// `xquery version …;`.
    pub version: Option<VersionDecl>,
    /// Main or library.
    pub kind: ModuleKind,
    /// Declarations in the order written.
    pub prolog: Vec<Declaration>,
}

impl Drop for Module {
    fn drop(&mut self) {
        let nothing = ModuleKind::Library { prefix: Str::from(""), uri: Str::from(""), span: Span::default() };
        let kind = std::mem::replace(&mut self.kind, nothing);
        let prolog = std::mem::take(&mut self.prolog);
        crate::stack::for_tree(|| drop((kind, prolog)));
    }
}

impl Module {
    /// The query body of a main module.
    #[must_use]
    pub fn body(&self) -> Option<&Expr> {
        match &self.kind {
            ModuleKind::Main(body) => Some(body),
            ModuleKind::Library { .. } => None,
        }
    }
}

/// What a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// A query with its body.
    Main(Expr),
    /// `module namespace prefix = "uri";`.
    Library {
        /// The prefix.
        prefix: Str,
        /// The target namespace; never empty (XQST0088).
        uri: Str,
        /// Where the declaration stands.
        span: Span,
    },
}

/// `xquery version "3.1" encoding "utf-8";`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionDecl {
    /// `1.0`, `3.0` or `3.1`.
    pub version: Option<Str>,
    /// Name of an encoding; checked for its form, otherwise ignored, because text arrives decoded.
    pub encoding: Option<Str>,
}

/// A declaration and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Which declaration.
    pub kind: DeclarationKind,
    /// Where it stands.
    pub span: Span,
}

/// Every declaration of a prolog. Those that may occur once do (checked by the parser).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclarationKind {
    /// `declare boundary-space preserve|strip`.
    BoundarySpace {
        /// `preserve`.
        preserve: bool,
    },
    /// `declare default collation "uri"`.
    DefaultCollation(Str),
    /// `declare base-uri "uri"`.
    BaseUri(Str),
    /// `declare construction strip|preserve`.
    Construction(ConstructionMode),
    /// `declare ordering ordered|unordered`.
    Ordering {
        /// `ordered`.
        ordered: bool,
    },
    /// `declare default order empty greatest|least`.
    EmptyOrder(EmptyOrder),
    /// `declare copy-namespaces preserve|no-preserve, inherit|no-inherit`.
    CopyNamespaces {
        /// `preserve`.
        preserve: bool,
        /// `inherit`.
        inherit: bool,
    },
    /// `declare revalidation strict|lax|skip` (Update Facility).
    Revalidation(RevalidationMode),
    /// `declare decimal-format` and `declare default decimal-format`.
    DecimalFormat(DecimalFormatDecl),
    /// `declare namespace prefix = "uri"`.
    Namespace {
        /// The prefix.
        prefix: Str,
        /// The namespace; empty removes a predeclared one.
        uri: Str,
    },
    /// `declare default element namespace "uri"`.
    DefaultElementNamespace(Str),
    /// `declare default function namespace "uri"`.
    DefaultFunctionNamespace(Str),
    /// `import schema …`.
    ImportSchema(SchemaImport),
    /// `import module …`.
    ImportModule(ModuleImport),
    /// `declare context item …`.
    ContextItem(ContextItemDecl),
    /// `declare variable …`.
    Variable(Box<VariableDecl>),
    /// `declare function …`.
    Function(Box<FunctionDecl>),
    /// `declare option name "value"`.
    Option {
        /// The name.
        name: Name,
        /// The value.
        value: Str,
    },
}

/// Whether constructed elements keep the types of copied nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named like the keyword")]
pub enum ConstructionMode {
    Strip,
    Preserve,
}

/// What happens after updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named like the keyword")]
pub enum RevalidationMode {
    Strict,
    Lax,
    Skip,
}

/// A decimal format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecimalFormatDecl {
    /// `None` for the default format.
    pub name: Option<Name>,
    /// Properties in the order written, each at most once.
    pub properties: Vec<(DecimalFormatProperty, Str)>,
}

/// A property of a decimal format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is named like the keyword")]
pub enum DecimalFormatProperty {
    DecimalSeparator,
    GroupingSeparator,
    Infinity,
    MinusSign,
    Nan,
    Percent,
    PerMille,
    ZeroDigit,
    Digit,
    PatternSeparator,
    ExponentSeparator,
}

impl DecimalFormatProperty {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::DecimalSeparator,
        Self::GroupingSeparator,
        Self::Infinity,
        Self::MinusSign,
        Self::Nan,
        Self::Percent,
        Self::PerMille,
        Self::ZeroDigit,
        Self::Digit,
        Self::PatternSeparator,
        Self::ExponentSeparator,
    ];

    /// As written.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::DecimalSeparator => "decimal-separator",
            Self::GroupingSeparator => "grouping-separator",
            Self::Infinity => "infinity",
            Self::MinusSign => "minus-sign",
            Self::Nan => "NaN",
            Self::Percent => "percent",
            Self::PerMille => "per-mille",
            Self::ZeroDigit => "zero-digit",
            Self::Digit => "digit",
            Self::PatternSeparator => "pattern-separator",
            Self::ExponentSeparator => "exponent-separator",
        }
    }
}

/// `import schema …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaImport {
    /// What the namespace is bound to.
    pub prefix: SchemaPrefix,
    /// The target namespace.
    pub uri: Str,
    /// Location hints.
    pub locations: Vec<Str>,
}

/// What a schema's namespace is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaPrefix {
    /// Nothing.
    None,
    /// `default element namespace`.
    DefaultElement,
    /// `namespace prefix =`.
    Prefix(Str),
}

/// `import module …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleImport {
    /// `namespace prefix =`.
    pub prefix: Option<Str>,
    /// The target namespace.
    pub uri: Str,
    /// Location hints.
    pub locations: Vec<Str>,
}

/// `declare context item as T := …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextItemDecl {
    /// Its type.
    pub item_type: Option<ItemType>,
    /// `external`.
    pub external: bool,
    /// The value, or the default when external.
    pub value: Option<Expr>,
}

/// `declare %a variable $x as T := …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableDecl {
    /// `%name(…)`.
    pub annotations: Vec<Annotation>,
    /// The name.
    pub name: Name,
    /// Its type.
    pub declared_type: Option<SequenceType>,
    /// `external`.
    pub external: bool,
    /// The value, or the default when external. `Some` unless external.
    pub value: Option<Expr>,
}

/// `declare %a function f(…) as T { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionDecl {
    /// `%name(…)`; `declare updating function` counts as `%updating`.
    pub annotations: Vec<Annotation>,
    /// The name.
    pub name: Name,
    /// The parameters.
    pub params: Vec<Param>,
    /// Declared result type.
    pub result: Option<SequenceType>,
    /// The body; `None` for `external`.
    pub body: Option<Expr>,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// The variable.
    pub name: Name,
    /// Its declared type.
    pub declared_type: Option<SequenceType>,
}

/// `%name(values)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The name; without prefix it is in `http://www.w3.org/2012/xquery`.
    pub name: Name,
    /// Literals.
    pub values: Vec<AnnotationValue>,
}

/// A literal in an annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named like the literal")]
pub enum AnnotationValue {
    String(Str),
    Integer(Str),
    Decimal(Str),
    Double(Str),
}
