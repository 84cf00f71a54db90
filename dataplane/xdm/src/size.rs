//! How many bytes values hold: what a query's memory is counted in.
//!
//! Estimates: containers remember what their members hold, and of a long sequence some items stand for all. A value that
//! is shared counts wherever it is; the meter never counts more than was made.

use crate::atomic::Atomic;
use crate::function::Function;
use crate::item::Item;
use crate::sequence::Sequence;

/// Longest sequence whose items are looked at one by one, and how many are looked at of a longer one, in items.
const LOOKED_AT_ITEMS: usize = 1_024;

/// Bytes of one place in a sequence.
pub const ITEM_BYTES: u64 = size_of::<Item>() as u64;

/// Bytes of `count` places in a sequence.
#[must_use]
pub fn places(count: usize) -> u64 {
    (count as u64).saturating_mul(ITEM_BYTES)
}

/// Bytes beyond the place of an atomic value.
#[must_use]
pub fn of_atomic(value: &Atomic) -> u64 {
    value.as_text().map_or(0, |text| text.len() as u64)
}

/// Bytes beyond the place of an item. A root counts for its tree.
#[must_use]
pub fn of_item(item: &Item) -> u64 {
    match item {
        Item::Atomic(value) => of_atomic(value),
        Item::Node(node) if node.pre == 0 => node.tree.bytes() as u64,
        Item::Node(_) => 0,
        Item::Function(Function::Map(map)) => map.held_bytes(),
        Item::Function(Function::Array(array)) => array.held_bytes(),
        Item::Function(Function::Callable(callable)) => callable.held_bytes(),
    }
}

/// Bytes of a sequence beyond its own place.
#[must_use]
pub fn of_sequence(sequence: &Sequence) -> u64 {
    match sequence {
        Sequence::Empty | Sequence::Range(..) => 0,
        Sequence::One(item) => of_item(item),
        Sequence::Nodes(_, rows) => 4 * rows.len() as u64,
        Sequence::Many(items) => {
            let stride = items.len().div_ceil(LOOKED_AT_ITEMS);
            let looked_at: u64 = items.iter().step_by(stride).map(of_item).fold(0, u64::saturating_add);
            places(items.len()).saturating_add(looked_at.saturating_mul(stride as u64))
        }
    }
}

/// Bytes of a sequence as a member of a container.
pub(crate) fn of_member(sequence: &Sequence) -> u64 {
    ITEM_BYTES.saturating_add(of_sequence(sequence))
}
