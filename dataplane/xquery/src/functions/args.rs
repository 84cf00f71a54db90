//! Taking arguments apart. The engine has converted them to the types of the table, so that a wrong type is a broken
//! promise only where no error is returned here.

use crate::eval::CallContext;
use phoenixmldb_xdm::atomic::{Atomic, AtomicType, Integer};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::function::{Array, Function, Map};
use phoenixmldb_xdm::item::Item;
use phoenixmldb_xdm::sequence::Sequence;
use phoenixmldb_xdm::{Node, Str};
use std::sync::Arc;

/// Arguments of a call.
pub(super) struct Args(Vec<Sequence>);

impl Args {
    pub(super) fn new(args: Vec<Sequence>) -> Self {
        Self(args)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// An argument; the empty sequence when it was left out.
    pub(super) fn get(&self, at: usize) -> &Sequence {
        self.0.get(at).unwrap_or(&Sequence::Empty)
    }

    pub(super) fn take(&mut self, at: usize) -> Sequence {
        self.0.get_mut(at).map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn atomic(&self, at: usize) -> Result<Option<Atomic>> {
        let mut values = self.get(at).atomize()?;
        Ok(values.pop())
    }

    /// A text, or nothing for the empty sequence.
    pub(super) fn text(&self, at: usize) -> Result<Option<Str>> {
        match self.get(at).first() {
            None => Ok(None),
            Some(item) => {
                let mut values = Vec::new();
                item.atomize(&mut values)?;
                Ok(values.first().map(Atomic::to_str))
            }
        }
    }

    /// A text, empty for the empty sequence.
    pub(super) fn text_or_empty(&self, at: usize) -> Result<Str> {
        Ok(self.text(at)?.unwrap_or_default())
    }

    pub(super) fn double(&self, at: usize) -> Result<Option<f64>> {
        self.atomic(at)?.map(|atomic| to_double(&atomic)).transpose()
    }

    pub(super) fn integer(&self, at: usize) -> Result<Option<i128>> {
        match self.atomic(at)? {
            None => Ok(None),
            Some(Atomic::Integer(value, _)) => Ok(Some(value.0)),
            Some(other) => Err(fail("XPTY0004", format!("{} where xs:integer is needed", other.type_of()))),
        }
    }

    pub(super) fn node(&self, at: usize) -> Result<Option<Node>> {
        match self.get(at).first() {
            None => Ok(None),
            Some(Item::Node(node)) => Ok(Some(node)),
            Some(_) => Err(fail("XPTY0004", "a node is needed")),
        }
    }

    pub(super) fn function(&self, at: usize) -> Result<Function> {
        match self.get(at).first() {
            Some(Item::Function(function)) => Ok(function),
            _ => Err(fail("XPTY0004", "a function is needed")),
        }
    }

    pub(super) fn map(&self, at: usize) -> Result<Arc<Map>> {
        match self.get(at).first() {
            Some(Item::Function(Function::Map(map))) => Ok(map),
            _ => Err(fail("XPTY0004", "a map is needed")),
        }
    }

    pub(super) fn array(&self, at: usize) -> Result<Arc<Array>> {
        match self.get(at).first() {
            Some(Item::Function(Function::Array(array))) => Ok(array),
            _ => Err(fail("XPTY0004", "an array is needed")),
        }
    }
}

/// The context item. Error: XPDY0002.
pub(super) fn context_item(ctx: &CallContext<'_>) -> Result<Item> {
    ctx.context_item().cloned()
}

/// The node an optional argument names: the context item when it was left out. Errors: XPDY0002, XPTY0004.
pub(super) fn node_or_context(ctx: &CallContext<'_>, args: &Args, at: usize) -> Result<Option<Node>> {
    if args.count() > at {
        return args.node(at);
    }
    match context_item(ctx)? {
        Item::Node(node) => Ok(Some(node)),
        Item::Atomic(_) | Item::Function(_) => Err(fail("XPTY0004", "the context item is not a node")),
    }
}

/// A number as `xs:double`. Error: XPTY0004 for what is no number.
pub(super) fn to_double(atomic: &Atomic) -> Result<f64> {
    Ok(match atomic {
        Atomic::Double(value) => *value,
        Atomic::Float(value) => f64::from(*value),
        Atomic::Integer(value, _) => {
            let value = value.0;
            value as f64
        }
        Atomic::Decimal(value) => value.to_f64(),
        other => return Err(fail("XPTY0004", format!("{} where a number is needed", other.type_of()))),
    })
}

/// An `xs:integer`.
pub(super) fn integer(value: i128) -> Sequence {
    Sequence::One(Item::Atomic(Atomic::Integer(Integer(value), AtomicType::Integer)))
}

/// An `xs:integer` that counts something.
pub(super) fn count(value: usize) -> Sequence {
    Sequence::One(Item::Atomic(Atomic::count(value)))
}

/// An `xs:boolean`.
pub(super) fn boolean(value: bool) -> Sequence {
    Sequence::One(Item::Atomic(Atomic::Boolean(value)))
}

/// An `xs:double`.
pub(super) fn double(value: f64) -> Sequence {
    Sequence::One(Item::Atomic(Atomic::Double(value)))
}

/// Texts as `xs:string*`.
pub(super) fn strings<T: Into<Str>>(texts: impl IntoIterator<Item = T>) -> Sequence {
    texts.into_iter().map(|text| Item::string(text)).collect()
}
