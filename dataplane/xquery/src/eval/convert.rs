//! Function conversion rules (XQuery 3.1 §3.1.5.2) and casts.

use super::context::Env;
use super::{Evaluator, function};
use crate::compile::plan::Plan;
use crate::context::StaticContext;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::item::atomize_node;
use phoenixmldb_xdm::types::{ItemType, SequenceType};
use phoenixmldb_xdm::{Atomic, AtomicType, Function, Item, Sequence};
use std::sync::Arc;

impl Evaluator {
    /// The value of a variable: of its declared type, without conversion. Error: XPTY0004.
    pub(super) fn bound(&mut self, value: Sequence, declared: Option<&SequenceType>) -> Result<Sequence> {
        match declared {
            None => Ok(value),
            Some(wanted) if wanted.matches(&value) => function::coerce_all(value, wanted),
            Some(wanted) => Err(mismatch(&value, wanted)),
        }
    }

    pub(super) fn cast(
        &mut self,
        operand: &Plan,
        target: AtomicType,
        optional: bool,
        context: &Arc<StaticContext>,
        env: &mut Env,
    ) -> Result<Sequence> {
        match self.optional_atomic(operand, env)? {
            Some(value) => Ok(Sequence::from(value.cast_as(target, &|prefix| context.namespace(prefix))?)),
            None if optional => Ok(Sequence::Empty),
            None => Err(fail("XPTY0004", format!("the empty sequence cannot be cast to {target}"))),
        }
    }
}

/// Casting to a list type. Errors: XPTY0004, FORG0001.
pub(super) fn cast_list(value: &Sequence, item: AtomicType, optional: bool) -> Result<Sequence> {
    let values = value.atomize()?;
    let text = match &values[..] {
        [] if optional => return Ok(Sequence::Empty),
        [Atomic::Untyped(text) | Atomic::String(text, _)] => text.clone(),
        _ => return Err(fail("XPTY0004", "a list type takes one string")),
    };
    let mut items = Vec::new();
    for word in text.split_ascii_whitespace() {
        items.push(Item::Atomic(Atomic::string(word).cast_as(item, &|_| None)?));
    }
    if items.is_empty() {
        return Err(fail("FORG0001", format!("a list of {item} has at least one")));
    }
    Ok(Sequence::from(items))
}

/// Converts an argument or a result to a type. Errors: XPTY0004, FORG0001, FOTY0013.
pub(crate) fn convert(value: Sequence, wanted: &SequenceType) -> Result<Sequence> {
    if wanted.matches(&value) {
        return function::coerce_all(value, wanted);
    }
    if let (ItemType::Atomic(target), Sequence::One(Item::Node(node))) = (&wanted.item, &value)
        && wanted.occurrence.accepts(1)
    {
        return Ok(Sequence::from(convert_atomic(atomize_node(node), *target, wanted)?));
    }
    match &wanted.item {
        ItemType::Atomic(target) => {
            let mut items = Vec::with_capacity(value.len());
            for atomic in value.atomize()? {
                items.push(Item::Atomic(convert_atomic(atomic, *target, wanted)?));
            }
            if !wanted.occurrence.accepts(items.len()) {
                return Err(fail("XPTY0004", format!("{} items where {wanted} is needed", items.len())));
            }
            Ok(Sequence::from(items))
        }
        ItemType::Function(_) | ItemType::Updating { .. } if wanted.occurrence.accepts(value.len()) => {
            function::coerce_all(value, wanted)
        }
        _ => Err(mismatch(&value, wanted)),
    }
}

fn convert_atomic(atomic: Atomic, target: AtomicType, wanted: &SequenceType) -> Result<Atomic> {
    let found = atomic.type_of();
    if found.derives_from(target) {
        return Ok(atomic);
    }
    let promoted = match (&atomic, target) {
        (Atomic::Untyped(_), AtomicType::Numeric) => Some(AtomicType::Double),
        (Atomic::Untyped(_), AtomicType::QName | AtomicType::Notation) => {
            return Err(fail("XPTY0117", format!("an untyped value cannot become {target}")));
        }
        (Atomic::Untyped(_), target) => Some(target),
        (Atomic::Integer(..) | Atomic::Decimal(_), AtomicType::Float | AtomicType::Double)
        | (Atomic::Float(_), AtomicType::Double)
        | (Atomic::AnyUri(_), AtomicType::String) => Some(target),
        _ => None,
    };
    match promoted {
        Some(target) => atomic.cast_as(target, &|_| None),
        None => Err(fail("XPTY0004", format!("{found} where {wanted} is needed"))),
    }
}

/// Error: XPTY0004, saying what was found.
pub(crate) fn mismatch(value: &Sequence, wanted: &SequenceType) -> Box<phoenixmldb_xdm::Error> {
    let found = match (value.len(), value.first()) {
        (1, Some(Item::Atomic(atomic))) => atomic.type_of().to_string(),
        (1, Some(Item::Node(_))) => "a node".to_owned(),
        (1, Some(Item::Function(Function::Map(_)))) => "a map".to_owned(),
        (1, Some(Item::Function(Function::Array(_)))) => "an array".to_owned(),
        (1, Some(Item::Function(Function::Callable(_)))) => "a function".to_owned(),
        (0, _) => "the empty sequence".to_owned(),
        (count, _) => format!("{count} items"),
    };
    fail("XPTY0004", format!("{found} where {wanted} is needed"))
}
