//! An item: a node, an atomic value or a function (XDM 3.1 §2.1).

use crate::Str;
use crate::atomic::Atomic;
use crate::error::{Result, fail};
use crate::function::Function;
use crate::node::Node;
use crate::sequence::Sequence;
use crate::tree::NodeKind;

/// A node, an atomic value or a function.
#[derive(Clone, Debug)]
pub enum Item {
    /// A node.
    Node(Node),
    /// An atomic value.
    Atomic(Atomic),
    /// A function, a map or an array.
    Function(Function),
}

impl Item {
    /// An `xs:string`.
    pub fn string(text: impl Into<Str>) -> Self {
        Self::Atomic(Atomic::string(text))
    }

    /// An `xs:integer`.
    #[must_use]
    pub fn integer(value: i64) -> Self {
        Self::Atomic(Atomic::integer(value))
    }

    /// `fn:string`: the string value. Error: FOTY0014 for functions.
    pub fn string_value(&self) -> Result<Str> {
        match self {
            Self::Node(node) => Ok(Str::from(node.string_value())),
            Self::Atomic(atomic) => Ok(atomic.to_str()),
            Self::Function(_) => Err(fail("FOTY0014", "a function has no string value")),
        }
    }

    /// The typed value. Nodes are untyped: elements, attributes, texts and documents give `xs:untypedAtomic`, comments
    /// and processing instructions `xs:string`. Arrays give the values of their members, other functions FOTY0013.
    pub fn atomize(&self, into: &mut Vec<Atomic>) -> Result<()> {
        match self {
            Self::Node(node) => into.push(atomize_node(node)),
            Self::Atomic(atomic) => into.push(atomic.clone()),
            Self::Function(Function::Array(array)) => {
                // Nested arrays are opened by a stack of their own, however deep they are.
                let mut pending: Vec<Sequence> = array.members().iter().rev().cloned().collect();
                while let Some(sequence) = pending.pop() {
                    let items: Vec<Item> = sequence.iter().collect();
                    for (index, item) in items.iter().enumerate() {
                        if let Self::Function(Function::Array(inner)) = item {
                            let rest: Vec<Item> = items[index + 1..].to_vec();
                            pending.push(Sequence::from(rest));
                            pending.extend(inner.members().iter().rev().cloned());
                            break;
                        }
                        item.atomize(into)?;
                    }
                }
            }
            Self::Function(Function::Map(_)) => return Err(fail("FOTY0013", "a map has no typed value")),
            Self::Function(Function::Callable(_)) => return Err(fail("FOTY0013", "a function has no typed value")),
        }
        Ok(())
    }

    /// The node, if it is one.
    #[must_use]
    pub fn as_node(&self) -> Option<&Node> {
        match self {
            Self::Node(node) => Some(node),
            Self::Atomic(_) | Self::Function(_) => None,
        }
    }

    /// The atomic value, if it is one.
    #[must_use]
    pub fn as_atomic(&self) -> Option<&Atomic> {
        match self {
            Self::Atomic(atomic) => Some(atomic),
            Self::Node(_) | Self::Function(_) => None,
        }
    }
}

/// The typed value of a node, which is always one atomic value.
#[must_use]
pub fn atomize_node(node: &Node) -> Atomic {
    let text = Str::from(node.string_value());
    match node.kind() {
        NodeKind::Comment | NodeKind::ProcessingInstruction => Atomic::string(text),
        NodeKind::Attribute if node.is_namespace() => Atomic::string(text),
        NodeKind::Document | NodeKind::Element | NodeKind::Attribute | NodeKind::Text => Atomic::Untyped(text),
    }
}

impl From<Node> for Item {
    fn from(node: Node) -> Self {
        Self::Node(node)
    }
}
impl From<Atomic> for Item {
    fn from(atomic: Atomic) -> Self {
        Self::Atomic(atomic)
    }
}
impl From<Function> for Item {
    fn from(function: Function) -> Self {
        Self::Function(function)
    }
}
impl From<bool> for Item {
    fn from(value: bool) -> Self {
        Self::Atomic(Atomic::Boolean(value))
    }
}
