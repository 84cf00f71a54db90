//! Sequence types and node tests as written (XQuery 3.1, 2.5.4 and 3.3.2.2).

use super::{Annotation, Name, Span};
use phoenixmldb_xdm::Str;

/// A sequence type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceType {
    /// The item type; `None` for `empty-sequence()`.
    pub item: Option<ItemType>,
    /// How many items; `One` for `empty-sequence()`.
    pub occurrence: Occurrence,
    /// Where it stands.
    pub span: Span,
}

/// Occurrence indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occurrence {
    /// No indicator.
    One,
    /// `?`.
    Optional,
    /// `*`.
    Any,
    /// `+`.
    AtLeastOne,
}

/// An item type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemType {
    /// `item()`.
    Item,
    /// A node kind.
    Kind(KindTest),
    /// The name of an atomic or union type.
    Atomic(Name),
    /// `function(*)`.
    AnyFunction {
        /// Assertions.
        annotations: Vec<Annotation>,
    },
    /// `function(A, B) as R`.
    Function {
        /// Assertions.
        annotations: Vec<Annotation>,
        /// Types of the parameters.
        params: Vec<SequenceType>,
        /// Type of the result.
        result: Box<SequenceType>,
    },
    /// `map(*)`.
    AnyMap,
    /// `map(K, V)`.
    Map {
        /// An atomic or union type.
        key: Name,
        /// Type of every entry.
        value: Box<SequenceType>,
    },
    /// `array(*)`.
    AnyArray,
    /// `array(T)`.
    Array(Box<SequenceType>),
}

/// A node kind test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KindTest {
    /// `node()`.
    Node,
    /// `document-node()`, or with an `element(…)` or `schema-element(…)` test of its only element.
    Document(Option<Box<KindTest>>),
    /// `element(…)`.
    Element(ElementTest),
    /// `attribute(…)`; never nillable.
    Attribute(ElementTest),
    /// `schema-element(name)`.
    SchemaElement(Name),
    /// `schema-attribute(name)`.
    SchemaAttribute(Name),
    /// `processing-instruction()`, or with a target (white space normalised).
    Pi(Option<Str>),
    /// `comment()`.
    Comment,
    /// `text()`.
    Text,
    /// `namespace-node()`.
    NamespaceNode,
}

/// What is between the parentheses of `element()` and `attribute()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementTest {
    /// The name; `None` for any.
    pub name: Option<Name>,
    /// The type annotation asked for.
    pub type_name: Option<Name>,
    /// `T?`: nilled elements pass too.
    pub nillable: bool,
}

/// What a step selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeTest {
    /// By name, among nodes of the axis's principal kind.
    Name(NameTest),
    /// By kind.
    Kind(KindTest),
}

/// A name or a wildcard, in steps and in `catch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameTest {
    /// A name.
    Name(Name),
    /// `*`.
    Any,
    /// `prefix:*`.
    AnyInPrefix(Str, Span),
    /// `Q{uri}*`.
    AnyInUri(Str),
    /// `*:local`.
    AnyWithLocal(Str),
}

/// Target of `cast` and `castable`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SingleType {
    /// The type.
    pub name: Name,
    /// `?`: the empty sequence is allowed.
    pub optional: bool,
}
