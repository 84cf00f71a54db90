//! A sequence of items: immutable and cheap to clone (XDM 3.1 §2.1).
//!
//! Ranges and rows of one tree are kept as such, so that `count(1 to 1000000)` and paths need no item per member.

use crate::Str;
use crate::atomic::Atomic;
use crate::error::{Result, fail};
use crate::item::{Item, atomize_node};
use crate::limits;
use crate::meter::Limit;
use crate::node::Node;
use crate::tree::Tree;
use std::sync::Arc;

/// A sequence.
#[derive(Clone, Debug, Default)]
pub enum Sequence {
    /// No item.
    #[default]
    Empty,
    /// One item.
    One(Item),
    /// Several items.
    Many(Arc<[Item]>),
    /// The integers from the first to the last, which is not smaller.
    Range(i64, i64),
    /// Nodes of one tree.
    Nodes(Arc<Tree>, Arc<[u32]>),
}

impl Sequence {
    /// A sequence of one `xs:string`.
    pub fn string(text: impl Into<Str>) -> Self {
        Self::One(Item::string(text))
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(items) => items.len(),
            Self::Range(first, last) => usize::try_from(last - first + 1).expect("a range does not descend"),
            Self::Nodes(_, rows) => rows.len(),
        }
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both are known to be the same without looking at every item: the same nodes, equal simple values, or
    /// shared storage. `false` says nothing.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::One(Item::Node(a)), Self::One(Item::Node(b))) => a == b,
            (Self::One(Item::Atomic(a)), Self::One(Item::Atomic(b))) => match (a, b) {
                (Atomic::Untyped(a), Atomic::Untyped(b)) => a == b,
                (Atomic::String(a, t), Atomic::String(b, u)) => t == u && a == b,
                (Atomic::Integer(a, t), Atomic::Integer(b, u)) => t == u && a == b,
                (Atomic::Boolean(a), Atomic::Boolean(b)) => a == b,
                (Atomic::Double(a), Atomic::Double(b)) => a.to_bits() == b.to_bits(),
                _ => false,
            },
            (Self::Many(a), Self::Many(b)) => Arc::ptr_eq(a, b),
            (Self::Range(a, b), Self::Range(c, d)) => a == c && b == d,
            (Self::Nodes(t, a), Self::Nodes(u, b)) => Arc::ptr_eq(t, u) && Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The item at an index from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Item> {
        match self {
            Self::Empty => None,
            Self::One(item) => (index == 0).then(|| item.clone()),
            Self::Many(items) => items.get(index).cloned(),
            Self::Range(first, _) if index < self.len() => {
                Some(Item::integer(first + i64::try_from(index).expect("an index within the range")))
            }
            Self::Range(..) => None,
            Self::Nodes(tree, rows) => rows.get(index).map(|&pre| Item::Node(Node { tree: tree.clone(), pre })),
        }
    }

    /// The first item.
    #[must_use]
    pub fn first(&self) -> Option<Item> {
        self.get(0)
    }

    /// The only item; `None` when there are none or several.
    #[must_use]
    pub fn single(&self) -> Option<Item> {
        if self.len() == 1 { self.get(0) } else { None }
    }

    /// All items in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { sequence: self, next: 0, end: self.len() }
    }

    /// The items from an index up to another, exclusive.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> Self {
        let to = to.min(self.len());
        if from >= to {
            return Self::Empty;
        }
        if from == 0 && to == self.len() {
            return self.clone();
        }
        match self {
            Self::Empty | Self::One(_) => self.clone(),
            Self::Many(items) => Self::from(items[from..to].to_vec()),
            Self::Range(first, _) => {
                let offset = |index: usize| i64::try_from(index).expect("an index within the range");
                Self::Range(first + offset(from), first + offset(to) - 1)
            }
            Self::Nodes(tree, rows) => Self::nodes(tree, &rows[from..to]),
        }
    }

    /// Nodes of one tree.
    #[must_use]
    pub fn nodes(tree: &Arc<Tree>, rows: &[u32]) -> Self {
        match rows {
            [] => Self::Empty,
            [pre] => Self::One(Item::Node(Node { tree: tree.clone(), pre: *pre })),
            rows => Self::Nodes(tree.clone(), Arc::from(rows)),
        }
    }

    /// The items of several sequences one after the other.
    #[must_use]
    pub fn concat(parts: Vec<Self>) -> Self {
        let mut parts: Vec<Self> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.len() <= 1 {
            return parts.pop().unwrap_or_default();
        }
        let mut items = Vec::with_capacity(parts.iter().map(Self::len).sum());
        for part in &parts {
            part.append_to(&mut items);
        }
        Self::from(items)
    }

    /// Appends the items to a list.
    pub fn append_to(&self, items: &mut Vec<Item>) {
        match self {
            Self::Empty => {}
            Self::One(item) => items.push(item.clone()),
            Self::Many(many) => items.extend_from_slice(many),
            Self::Range(..) | Self::Nodes(..) => items.extend(self.iter()),
        }
    }

    /// `fn:data`: the typed values. Errors: FOTY0013 for functions other than arrays; [`Limit::Memory`] for a range that
    /// is longer than [`limits::RANGE_ITEMS_MAX`].
    pub fn atomize(&self) -> Result<Vec<Atomic>> {
        if matches!(self, Self::Range(..)) && self.len() > limits::RANGE_ITEMS_MAX {
            let message = format!("{} integers of a range do not fit into memory as single values", self.len());
            return Err(Limit::Memory.exceeded(message));
        }
        let mut values = Vec::with_capacity(self.len());
        match self {
            Self::Nodes(tree, rows) => {
                values.extend(rows.iter().map(|&pre| atomize_node(&Node { tree: tree.clone(), pre })));
            }
            Self::One(item) => item.atomize(&mut values)?,
            Self::Many(items) => {
                for item in items.iter() {
                    item.atomize(&mut values)?;
                }
            }
            Self::Empty | Self::Range(..) => {
                for item in self.iter() {
                    item.atomize(&mut values)?;
                }
            }
        }
        Ok(values)
    }

    /// The effective boolean value (XPath 3.1 §2.4.3). Error: FORG0006.
    pub fn effective_boolean_value(&self) -> Result<bool> {
        match self {
            Self::Empty => Ok(false),
            Self::Nodes(..) => Ok(true),
            Self::One(Item::Node(_)) => Ok(true),
            Self::One(Item::Atomic(atomic)) => atomic.effective_boolean_value(),
            Self::Many(items) if matches!(items[0], Item::Node(_)) => Ok(true),
            Self::Range(first, last) if first == last => Ok(*first != 0),
            Self::One(Item::Function(_)) => Err(fail("FORG0006", "a function has no effective boolean value")),
            Self::Many(_) | Self::Range(..) => {
                Err(fail("FORG0006", "several items of which the first is no node have no effective boolean value"))
            }
        }
    }
}

/// Iterates over the items of a sequence.
pub struct Iter<'a> {
    sequence: &'a Sequence,
    next: usize,
    end: usize,
}

impl Iterator for Iter<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.next >= self.end {
            return None;
        }
        self.next += 1;
        self.sequence.get(self.next - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Item> {
        if self.next >= self.end {
            return None;
        }
        self.end -= 1;
        self.sequence.get(self.end)
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Sequence {
    type Item = Item;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl From<Vec<Item>> for Sequence {
    fn from(mut items: Vec<Item>) -> Self {
        match items.len() {
            0 => Self::Empty,
            1 => Self::One(items.pop().expect("there is one")),
            _ => Self::Many(Arc::from(items)),
        }
    }
}

impl FromIterator<Item> for Sequence {
    fn from_iter<T: IntoIterator<Item = Item>>(items: T) -> Self {
        Self::from(items.into_iter().collect::<Vec<_>>())
    }
}

impl<T: Into<Item>> From<T> for Sequence {
    fn from(item: T) -> Self {
        Self::One(item.into())
    }
}

impl<T: Into<Item>> From<Option<T>> for Sequence {
    fn from(item: Option<T>) -> Self {
        item.map_or(Self::Empty, |item| Self::One(item.into()))
    }
}
