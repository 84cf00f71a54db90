//! Sequence types with resolved names, and matching (XQuery 3.1 §2.5.4 to §2.5.6).

use crate::Str;
use crate::atomic::AtomicType;
use crate::function::{Function, Signature};
use crate::item::Item;
use crate::names::QName;
use crate::node::Node;
use crate::sequence::Sequence;
use crate::tree::NodeKind;
use std::fmt;
use std::sync::Arc;

/// How many items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occurrence {
    /// None: `empty-sequence()`.
    Empty,
    /// Exactly one.
    One,
    /// `?`
    Optional,
    /// `*`
    Any,
    /// `+`
    AtLeastOne,
}

impl Occurrence {
    /// Whether so many items are accepted.
    #[must_use]
    pub fn accepts(self, count: usize) -> bool {
        match self {
            Self::Empty => count == 0,
            Self::One => count == 1,
            Self::Optional => count <= 1,
            Self::Any => true,
            Self::AtLeastOne => count >= 1,
        }
    }

    /// Whether none is accepted.
    #[must_use]
    pub fn accepts_none(self) -> bool {
        matches!(self, Self::Empty | Self::Optional | Self::Any)
    }

    /// Whether several are accepted.
    #[must_use]
    pub fn accepts_many(self) -> bool {
        matches!(self, Self::Any | Self::AtLeastOne)
    }
}

/// A sequence type.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceType {
    /// Type of every item.
    pub item: ItemType,
    /// How many.
    pub occurrence: Occurrence,
}

/// What a node test asks of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum NameTest {
    /// `*`
    Any,
    /// This name.
    Name(QName),
    /// `prefix:*`
    Namespace(Str),
    /// `*:local`
    Local(Str),
}

impl NameTest {
    /// Whether a name passes.
    #[must_use]
    pub fn accepts(&self, name: &QName) -> bool {
        match self {
            Self::Any => true,
            Self::Name(wanted) => wanted == name,
            Self::Namespace(uri) => *uri == name.uri,
            Self::Local(local) => *local == name.local,
        }
    }
}

/// A node type.
#[derive(Clone, Debug, PartialEq)]
pub enum KindTest {
    /// `node()`
    Node,
    /// `document-node()`, or with a test of its only element.
    Document(Option<Box<KindTest>>),
    /// `element(…)`; the type asked for, which untyped elements have when it is above `xs:untyped`.
    Element(NameTest, Option<QName>),
    /// `attribute(…)`
    Attribute(NameTest, Option<QName>),
    /// `processing-instruction(…)`
    Pi(Option<Str>),
    /// `comment()`
    Comment,
    /// `text()`
    Text,
    /// `namespace-node()`
    NamespaceNode,
}

impl KindTest {
    /// Whether a node passes.
    #[must_use]
    pub fn accepts(&self, node: &Node) -> bool {
        let kind = node.kind();
        match self {
            Self::Node => true,
            Self::Document(None) => kind == NodeKind::Document,
            Self::Document(Some(test)) => kind == NodeKind::Document && document_element_passes(node, test),
            Self::Element(name, type_name) => {
                kind == NodeKind::Element
                    && node.name().is_some_and(|found| name.accepts(found))
                    && type_name.as_ref().is_none_or(|t| matches!(&*t.local, "untyped" | "anyType"))
            }
            Self::Attribute(name, type_name) => {
                let untyped =
                    |t: &QName| matches!(&*t.local, "untypedAtomic" | "anyAtomicType" | "anySimpleType" | "anyType");
                kind == NodeKind::Attribute
                    && !node.is_namespace()
                    && node.name().is_some_and(|found| name.accepts(found))
                    && type_name.as_ref().is_none_or(untyped)
            }
            Self::Pi(target) => {
                kind == NodeKind::ProcessingInstruction
                    && target.as_ref().is_none_or(|t| node.name().is_some_and(|name| name.local == *t))
            }
            Self::Comment => kind == NodeKind::Comment,
            Self::Text => kind == NodeKind::Text,
            Self::NamespaceNode => node.is_namespace(),
        }
    }
}

/// Whether the document has exactly one element, no text, and the element passes.
fn document_element_passes(node: &Node, test: &KindTest) -> bool {
    let mut rows = Vec::new();
    crate::axes::step(&node.tree, node.pre, crate::axes::Axis::Child, crate::axes::NodeTest::Any, &mut rows);
    let mut elements = Vec::new();
    for pre in rows {
        match node.tree.kind(pre) {
            NodeKind::Element => elements.push(Node { tree: node.tree.clone(), pre }),
            NodeKind::Text => return false,
            NodeKind::Document | NodeKind::Attribute | NodeKind::Comment | NodeKind::ProcessingInstruction => {}
        }
    }
    matches!(&elements[..], [only] if test.accepts(only))
}

/// An item type.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemType {
    /// `item()`
    Item,
    /// A node.
    Kind(KindTest),
    /// An atomic type.
    Atomic(AtomicType),
    /// `function(*)`
    AnyFunction,
    /// `function(A, B) as R`
    Function(Arc<Signature>),
    /// `%updating function(…)`: one of the two types above, which alone are never of updating functions.
    Updating {
        /// `%updating("required")`: of updating functions only.
        required: bool,
        /// [`Self::AnyFunction`] or [`Self::Function`].
        function: Arc<ItemType>,
    },
    /// `map(*)`
    AnyMap,
    /// `map(K, V)`
    Map(AtomicType, Arc<SequenceType>),
    /// `array(*)`
    AnyArray,
    /// `array(T)`
    Array(Arc<SequenceType>),
}

impl SequenceType {
    /// `item()*`
    pub const ANY: Self = Self { item: ItemType::Item, occurrence: Occurrence::Any };

    /// A type with an occurrence indicator.
    #[must_use]
    pub fn new(item: ItemType, occurrence: Occurrence) -> Self {
        Self { item, occurrence }
    }

    /// `instance of`.
    #[must_use]
    pub fn matches(&self, sequence: &Sequence) -> bool {
        if !self.occurrence.accepts(sequence.len()) {
            return false;
        }
        match (&self.item, sequence) {
            (ItemType::Item, _) => true,
            (ItemType::Atomic(wanted), Sequence::Range(..)) => AtomicType::Integer.derives_from(*wanted),
            (ItemType::Kind(KindTest::Node), Sequence::Nodes(..)) => true,
            _ => sequence.iter().all(|item| self.item.accepts(&item)),
        }
    }

    /// Whether every sequence of this type is one of the other (§2.5.6.1).
    #[must_use]
    pub fn is_subtype_of(&self, other: &Self) -> bool {
        use Occurrence::{Any, AtLeastOne, Empty, One, Optional};
        let fits = matches!(
            (self.occurrence, other.occurrence),
            (_, Any)
                | (Empty, Empty | Optional)
                | (One, One | Optional | AtLeastOne)
                | (Optional, Optional)
                | (AtLeastOne, AtLeastOne)
        );
        fits && (self.occurrence == Empty || self.item.is_subtype_of(&other.item))
    }
}

impl ItemType {
    /// Parameters and result, of a function type that says them.
    #[must_use]
    pub fn signature(&self) -> Option<&Arc<Signature>> {
        match self {
            Self::Function(signature) => Some(signature),
            Self::Updating { function, .. } => function.signature(),
            _ => None,
        }
    }

    /// Whether an item is of this type.
    #[must_use]
    pub fn accepts(&self, item: &Item) -> bool {
        match (self, item) {
            (Self::Item, _) => true,
            (Self::Kind(test), Item::Node(node)) => test.accepts(node),
            (Self::Atomic(wanted), Item::Atomic(atomic)) => atomic.type_of().derives_from(*wanted),
            (Self::AnyFunction, Item::Function(function)) => !function.is_updating(),
            (Self::AnyMap, Item::Function(Function::Map(_))) => true,
            (Self::AnyArray, Item::Function(Function::Array(_))) => true,
            (Self::Map(key, value), Item::Function(Function::Map(map))) => {
                map.iter().all(|(k, v)| k.type_of().derives_from(*key) && value.matches(v))
            }
            (Self::Array(member), Item::Function(Function::Array(array))) => {
                array.members().iter().all(|m| member.matches(m))
            }
            (Self::Function(wanted), Item::Function(function)) => {
                !function.is_updating() && function_matches(function, wanted)
            }
            (Self::Updating { required, function: wanted }, Item::Function(function)) => {
                let of_type = wanted.signature().is_none_or(|wanted| function_matches(function, wanted));
                of_type && (!required || function.is_updating())
            }
            _ => false,
        }
    }

    /// Whether every item of this type is one of the other (§2.5.6.2).
    #[must_use]
    pub fn is_subtype_of(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Item) => true,
            (Self::Atomic(a), Self::Atomic(b)) => a.derives_from(*b),
            (Self::Kind(a), Self::Kind(b)) => kind_subtype(a, b),
            (Self::Function(_) | Self::AnyMap | Self::Map(..) | Self::AnyArray | Self::Array(_), Self::AnyFunction)
            | (Self::AnyFunction, Self::AnyFunction)
            | (Self::AnyMap | Self::Map(..), Self::AnyMap)
            | (Self::AnyArray | Self::Array(_), Self::AnyArray) => true,
            (Self::Map(k1, v1), Self::Map(k2, v2)) => k1.derives_from(*k2) && v1.is_subtype_of(v2),
            (Self::Array(a), Self::Array(b)) => a.is_subtype_of(b),
            (Self::Function(a), Self::Function(b)) => signature_subtype(a, b),
            (Self::Updating { required: a, function: f }, Self::Updating { required: b, function: g }) => {
                (*a || !b) && f.is_subtype_of(g)
            }
            (own, Self::Updating { required: false, function }) => own.is_subtype_of(function),
            (Self::AnyMap, Self::Function(f)) => signature_subtype(&map_signature(&SequenceType::ANY), f),
            (Self::Map(_, value), Self::Function(f)) => signature_subtype(&map_signature(value), f),
            (Self::AnyArray, Self::Function(f)) => signature_subtype(&array_signature(&SequenceType::ANY), f),
            (Self::Array(member), Self::Function(f)) => signature_subtype(&array_signature(member), f),
            _ => false,
        }
    }
}

fn map_signature(value: &SequenceType) -> Signature {
    let key = SequenceType::new(ItemType::Atomic(AtomicType::AnyAtomic), Occurrence::One);
    let occurrence = match value.occurrence {
        Occurrence::One => Occurrence::Optional,
        Occurrence::AtLeastOne => Occurrence::Any,
        other => other,
    };
    Signature { params: vec![key], result: SequenceType::new(value.item.clone(), occurrence) }
}

fn array_signature(member: &SequenceType) -> Signature {
    let key = SequenceType::new(ItemType::Atomic(AtomicType::Integer), Occurrence::One);
    Signature { params: vec![key], result: member.clone() }
}

fn function_matches(function: &Function, wanted: &Signature) -> bool {
    match function {
        // A map is of type function(xs:anyAtomicType) as V? when all its values are V.
        Function::Map(map) => match &wanted.params[..] {
            [param] => {
                let key = SequenceType::new(ItemType::Atomic(AtomicType::AnyAtomic), Occurrence::One);
                let result = &wanted.result;
                param.is_subtype_of(&key)
                    && result.occurrence.accepts_none()
                    && map.iter().all(|(_, value)| result.matches(value))
            }
            _ => false,
        },
        Function::Array(array) => match &wanted.params[..] {
            [param] => {
                let key = SequenceType::new(ItemType::Atomic(AtomicType::Integer), Occurrence::One);
                param.is_subtype_of(&key) && array.members().iter().all(|member| wanted.result.matches(member))
            }
            _ => false,
        },
        Function::Callable(callable) => signature_subtype(&callable.signature(), wanted),
    }
}

fn signature_subtype(a: &Signature, b: &Signature) -> bool {
    a.params.len() == b.params.len()
        && a.params.iter().zip(&b.params).all(|(a, b)| b.is_subtype_of(a))
        && a.result.is_subtype_of(&b.result)
}

fn name_subtype(a: &NameTest, b: &NameTest) -> bool {
    match (a, b) {
        (_, NameTest::Any) => true,
        (NameTest::Name(name), b) => b.accepts(name),
        (a, b) => a == b,
    }
}

fn kind_subtype(a: &KindTest, b: &KindTest) -> bool {
    match (a, b) {
        (_, KindTest::Node) => true,
        (KindTest::Document(_), KindTest::Document(None)) => true,
        (KindTest::Document(Some(a)), KindTest::Document(Some(b))) => kind_subtype(a, b),
        (KindTest::Element(a, s), KindTest::Element(b, t)) | (KindTest::Attribute(a, s), KindTest::Attribute(b, t)) => {
            name_subtype(a, b) && (t.is_none() || s == t || t.as_ref().is_some_and(|t| &*t.local == "anyType"))
        }
        (KindTest::Pi(_), KindTest::Pi(None)) => true,
        (a, b) => a == b,
    }
}

impl fmt::Display for SequenceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.occurrence {
            Occurrence::Empty => return f.write_str("empty-sequence()"),
            Occurrence::One => "",
            Occurrence::Optional => "?",
            Occurrence::Any => "*",
            Occurrence::AtLeastOne => "+",
        };
        match &self.item {
            ItemType::Function(_) | ItemType::Updating { .. } if !mark.is_empty() => write!(f, "({}){mark}", self.item),
            item => write!(f, "{item}{mark}"),
        }
    }
}

impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item => f.write_str("item()"),
            Self::Kind(test) => write!(f, "{test}"),
            Self::Atomic(atomic) => write!(f, "{atomic}"),
            Self::AnyFunction => f.write_str("function(*)"),
            Self::Updating { required, function } => {
                write!(f, "%updating{} {function}", if *required { "(\"required\")" } else { "" })
            }
            Self::AnyMap => f.write_str("map(*)"),
            Self::AnyArray => f.write_str("array(*)"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Array(member) => write!(f, "array({member})"),
            Self::Function(signature) => {
                f.write_str("function(")?;
                for (index, param) in signature.params.iter().enumerate() {
                    write!(f, "{}{param}", if index == 0 { "" } else { ", " })?;
                }
                write!(f, ") as {}", signature.result)
            }
        }
    }
}

impl fmt::Display for KindTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, kind: &str, name: &NameTest, type_name: &Option<QName>| {
            let name = match name {
                NameTest::Any => "*".to_owned(),
                NameTest::Name(name) => name.to_string(),
                NameTest::Namespace(uri) => format!("Q{{{uri}}}*"),
                NameTest::Local(local) => format!("*:{local}"),
            };
            match type_name {
                Some(type_name) => write!(f, "{kind}({name}, {type_name})"),
                None => write!(f, "{kind}({name})"),
            }
        };
        match self {
            Self::Node => f.write_str("node()"),
            Self::Document(None) => f.write_str("document-node()"),
            Self::Document(Some(test)) => write!(f, "document-node({test})"),
            Self::Element(name, type_name) => named(f, "element", name, type_name),
            Self::Attribute(name, type_name) => named(f, "attribute", name, type_name),
            Self::Pi(None) => f.write_str("processing-instruction()"),
            Self::Pi(Some(target)) => write!(f, "processing-instruction({target})"),
            Self::Comment => f.write_str("comment()"),
            Self::Text => f.write_str("text()"),
            Self::NamespaceNode => f.write_str("namespace-node()"),
        }
    }
}
