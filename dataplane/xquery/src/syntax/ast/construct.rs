//! Constructors as written (XQuery 3.1, 3.9 and 3.10).
//!
//! Line endings are normalised and references replaced. Whether white space between tags is kept depends on the
//! `boundary-space` declaration, which is not looked at here: such text is marked.

use super::{Expr, Name, Span};
use phoenixmldb_xdm::Str;

/// `<name attributes>content</name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectElement {
    /// Name of the start tag; the end tag had the same.
    pub name: Name,
    /// `xmlns` and `xmlns:prefix` attributes in order.
    pub namespaces: Vec<DirectNamespace>,
    /// The other attributes in order.
    pub attributes: Vec<DirectAttribute>,
    /// What is between the tags.
    pub content: Vec<ContentPart>,
}

/// `xmlns="uri"` or `xmlns:prefix="uri"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectNamespace {
    /// `None` for the default element namespace.
    pub prefix: Option<Str>,
    /// The namespace, white space normalised; empty removes the default.
    pub uri: Str,
    /// Where it stands.
    pub span: Span,
}

/// `name="value"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectAttribute {
    /// The name.
    pub name: Name,
    /// The value; two texts never follow each other, and none is empty.
    pub value: Vec<AttributePart>,
    /// Where it stands.
    pub span: Span,
}

/// A part of an attribute value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributePart {
    /// Characters, white space already made spaces as XML asks for.
    Text(Str),
    /// `{ … }`; `()` when empty.
    Expr(Expr),
}

/// A part of an element's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentPart {
    /// Characters, references and CDATA sections in one run; never empty.
    Text {
        /// The characters.
        text: Str,
        /// Boundary white space: only white space, none of it from references or CDATA. Dropped unless
        /// `declare boundary-space preserve`.
        boundary: bool,
    },
    /// `{ … }`; `()` when empty.
    Enclosed(Expr),
    /// A nested direct element, comment or processing instruction.
    Direct(Expr),
}

/// A part of a string constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StringPart {
    /// Characters as they are; never empty.
    Text(Str),
    /// `` `{ … }` ``; `()` when empty.
    Expr(Expr),
}

/// Name of a computed constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComputedName {
    /// Known while compiling.
    Name(Name),
    /// `{ … }`.
    Expr(Box<Expr>),
}
