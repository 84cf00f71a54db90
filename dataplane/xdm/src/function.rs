//! Functions as values: maps, arrays and whatever can be called (XDM 3.1 §2.8).
//!
//! The engine implements [`Callable`]; this crate does not know it.

use crate::atomic::{Atomic, MapKey};
use crate::error::Result;
use crate::item::Item;
use crate::names::QName;
use crate::sequence::Sequence;
use crate::size;
use crate::types::SequenceType;
use hashbrown::HashMap;
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// A function item.
#[derive(Clone, Debug)]
pub enum Function {
    /// A map: a function of its key.
    Map(Arc<Map>),
    /// An array: a function of its position.
    Array(Arc<Array>),
    /// Any other function.
    Callable(Arc<dyn Callable>),
}

/// Types of the parameters and of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// One per parameter.
    pub params: Vec<SequenceType>,
    /// The result.
    pub result: SequenceType,
}

/// A function that is neither a map nor an array.
pub trait Callable: Send + Sync + Debug {
    /// Its name; `None` for inline functions and partial applications.
    fn name(&self) -> Option<&QName>;
    /// Number of parameters.
    fn arity(&self) -> usize;
    /// Its types.
    fn signature(&self) -> Signature;
    /// Whether calling it can give pending updates (XQuery Update Facility 3.0 §2.3).
    fn is_updating(&self) -> bool {
        false
    }
    /// Calls it with as many arguments as it has parameters. `ctx` is the evaluator's own.
    fn call(&self, args: Vec<Sequence>, ctx: &mut dyn Any) -> Result<Sequence>;
    /// The implementation, for the evaluator to recognise its own functions.
    fn as_any(&self) -> &dyn Any;
    /// Bytes that it holds.
    fn held_bytes(&self) -> u64 {
        0
    }
    /// Gives away the values it holds, when it is dropped: however deep they nest, they are dropped one by one.
    fn give_away(&mut self, into: &mut Vec<Sequence>) {
        let _ = into;
    }
}

/// A map: keys are equal by `op:same-key`. Entries keep the order in which their keys came.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<(Atomic, Sequence)>,
    index: HashMap<MapKey, usize>,
    held_bytes: u64,
}

impl Map {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Atomic) -> Option<&Sequence> {
        self.index.get(&key.map_key()).map(|&at| &self.entries[at].1)
    }

    /// Sets the value of a key; the new key replaces one that is the same. Returns whether the key was there.
    pub fn put(&mut self, key: Atomic, value: Sequence) -> bool {
        let place = key.map_key();
        self.held_bytes = self.held_bytes.saturating_add(entry_bytes(&key, &value));
        if let Some(&at) = self.index.get(&place) {
            let (key, value) = std::mem::replace(&mut self.entries[at], (key, value));
            self.held_bytes = self.held_bytes.saturating_sub(entry_bytes(&key, &value));
            return true;
        }
        self.index.insert(place, self.entries.len());
        self.entries.push((key, value));
        false
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &Atomic) {
        if let Some(at) = self.index.remove(&key.map_key()) {
            let (key, value) = self.entries.remove(at);
            self.held_bytes = self.held_bytes.saturating_sub(entry_bytes(&key, &value));
            for place in self.index.values_mut().filter(|place| **place > at) {
                *place -= 1;
            }
        }
    }

    /// Bytes that its entries hold.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = (&Atomic, &Sequence)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}

/// Bytes of an entry, its place in the index included.
fn entry_bytes(key: &Atomic, value: &Sequence) -> u64 {
    (2 * (size::ITEM_BYTES + size::of_atomic(key))).saturating_add(size::of_member(value))
}

impl Drop for Map {
    fn drop(&mut self) {
        drop_all(self.entries.drain(..).map(|(_, value)| value));
    }
}

impl FromIterator<(Atomic, Sequence)> for Map {
    /// Later entries win.
    fn from_iter<T: IntoIterator<Item = (Atomic, Sequence)>>(entries: T) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.put(key, value);
        }
        map
    }
}

/// An array: every member is a sequence.
#[derive(Clone, Debug, Default)]
pub struct Array {
    members: Vec<Sequence>,
    held_bytes: u64,
}

impl Drop for Array {
    fn drop(&mut self) {
        drop_all(self.members.drain(..));
    }
}

/// Drops values that hold further values, however deep they nest, without recursion.
pub fn drop_all(values: impl Iterator<Item = Sequence>) {
    let mut pending = Vec::new();
    let mut functions = Vec::new();
    for value in values {
        take_functions(value, &mut functions);
        while let Some(function) = functions.pop() {
            match function {
                Function::Map(map) => {
                    if let Ok(mut map) = Arc::try_unwrap(map) {
                        pending.extend(map.entries.drain(..).map(|(_, value)| value));
                    }
                }
                Function::Array(array) => {
                    if let Ok(mut array) = Arc::try_unwrap(array) {
                        pending.append(&mut array.members);
                    }
                }
                Function::Callable(mut callable) => {
                    if let Some(callable) = Arc::get_mut(&mut callable) {
                        callable.give_away(&mut pending);
                    }
                }
            }
            for value in pending.drain(..) {
                take_functions(value, &mut functions);
            }
        }
    }
}

/// The functions of a value that nobody else holds.
fn take_functions(value: Sequence, functions: &mut Vec<Function>) {
    match value {
        Sequence::One(Item::Function(function)) => functions.push(function),
        Sequence::Many(mut items) => {
            if items.iter().any(|item| matches!(item, Item::Function(_)))
                && let Some(items) = Arc::get_mut(&mut items)
            {
                for item in items {
                    if let Item::Function(function) = std::mem::replace(item, Item::integer(0)) {
                        functions.push(function);
                    }
                }
            }
        }
        Sequence::Empty | Sequence::One(_) | Sequence::Range(..) | Sequence::Nodes(..) => {}
    }
}

impl Array {
    /// An array of these members.
    #[must_use]
    pub fn new(members: Vec<Sequence>) -> Self {
        let held_bytes = members.iter().map(size::of_member).fold(0, u64::saturating_add);
        Self { members, held_bytes }
    }

    /// Bytes that its members hold.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &[Sequence] {
        &self.members
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The member at a position from 1.
    #[must_use]
    pub fn get(&self, position: i64) -> Option<&Sequence> {
        usize::try_from(position).ok()?.checked_sub(1).and_then(|index| self.members.get(index))
    }
}

impl From<Map> for Function {
    fn from(map: Map) -> Self {
        Self::Map(Arc::new(map))
    }
}
impl From<Array> for Function {
    fn from(array: Array) -> Self {
        Self::Array(Arc::new(array))
    }
}

impl Function {
    /// Whether calling it can give pending updates.
    #[must_use]
    pub fn is_updating(&self) -> bool {
        match self {
            Self::Map(_) | Self::Array(_) => false,
            Self::Callable(callable) => callable.is_updating(),
        }
    }

    /// Number of parameters.
    #[must_use]
    pub fn arity(&self) -> usize {
        match self {
            Self::Map(_) | Self::Array(_) => 1,
            Self::Callable(callable) => callable.arity(),
        }
    }
}
