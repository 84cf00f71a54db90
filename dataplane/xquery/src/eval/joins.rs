//! Joins and remembered values.
//!
//! ```text
//!  keys of all items ─► all text      ─► hash table of texts    ◄─ text probe
//!                    ─► all numbers   ─► hash table of doubles  ◄─ number probe, each hit compared exactly
//!                    ─► for < and >   ─► sorted doubles         ◄─ number probe, one binary search
//! ```
//!
//! Keys and probes meet as general comparisons say: untyped with untyped or string as text, untyped with a number as
//! double, NaN never (XQuery 3.1 §3.7.2). Any other pair of types, and any error on the way, goes back to comparing item
//! by item, which then raises what it has to. A table is built when the same items come for the second time.

use super::Evaluator;
use super::context::{Env, Focus};
use crate::compile::plan::{FocusUse, Join, Plan, Slot};
use phoenixmldb_xdm::atomic::compare::{self, Comparison};
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::{Atomic, AtomicType, Item, Sequence, Str};
use std::collections::HashMap;
use std::sync::Arc;

/// Items from which on a table is worth building.
const JOINED_FROM: usize = 8;

/// Integers up to here are doubles exactly.
const EXACT_MAX: i128 = 1 << 53;

/// What one join clause remembers.
#[derive(Clone, Default)]
pub(crate) struct JoinState {
    input: Option<Sequence>,
    /// `None` until the input comes again; then `Some(None)` when it cannot be joined by a table.
    table: Option<Option<Arc<Table>>>,
}

/// The keys of the items, each with the item's place.
pub(crate) struct Table {
    keys: Vec<(u32, Atomic)>,
    class: Class,
    index: Index,
    /// No item has several keys.
    is_single: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Untyped,
    /// Strings, URIs and untyped values.
    Text,
    Number,
}

enum Index {
    Text(HashMap<Str, Vec<u32>>),
    /// By bits of the double: places in `keys`.
    Number(HashMap<u64, Vec<u32>>),
    /// For untyped keys both, for either kind of probe; numbers only when all are.
    Both(HashMap<Str, Vec<u32>>, Option<HashMap<u64, Vec<u32>>>),
    /// Ascending, without NaN: key and place of the item.
    Sorted(Vec<(f64, u32)>),
}

/// Items that match, by place.
pub(super) enum Matches {
    Places(Vec<u32>),
    /// All different, in no order.
    Unordered(Arc<Table>, std::ops::Range<usize>),
}

impl Matches {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Places(places) => places.len(),
            Self::Unordered(_, range) => range.len(),
        }
    }

    /// In the order of the items.
    pub(super) fn places(self) -> Vec<u32> {
        match self {
            Self::Places(places) => places,
            Self::Unordered(table, range) => {
                let Index::Sorted(keys) = &table.index else { return Vec::new() };
                let mut places: Vec<u32> = keys[range].iter().map(|(_, place)| *place).collect();
                places.sort_unstable();
                places
            }
        }
    }
}

fn bits(value: f64) -> u64 {
    // Both zeros are equal.
    if value == 0.0 { 0 } else { value.to_bits() }
}

/// A number whose double stands for it in every comparison with another of these; not NaN.
fn exact_double(value: &Atomic) -> Option<f64> {
    match value {
        Atomic::Double(value) => Some(*value),
        Atomic::Integer(integer, _) => {
            let integer = integer.0;
            if integer.abs() < EXACT_MAX { value.to_double() } else { None }
        }
        _ => None,
    }
}

fn untyped_double(value: &Atomic) -> Option<Atomic> {
    value.cast_as(AtomicType::Double, &|_| None).ok()
}

fn class_of(value: &Atomic) -> Option<Class> {
    match value {
        Atomic::Untyped(_) => Some(Class::Untyped),
        Atomic::String(..) | Atomic::AnyUri(_) => Some(Class::Text),
        // Floats are compared with decimals as floats, which doubles do not mirror.
        Atomic::Integer(..) | Atomic::Decimal(_) | Atomic::Double(_) => Some(Class::Number),
        _ => None,
    }
}

fn by_text(keys: &[(u32, Atomic)]) -> HashMap<Str, Vec<u32>> {
    let mut index: HashMap<Str, Vec<u32>> = HashMap::with_capacity(keys.len());
    for (place, key) in keys {
        let Some(text) = key.as_text() else { continue };
        let places = index.entry(text.clone()).or_default();
        if places.last() != Some(place) {
            places.push(*place);
        }
    }
    index
}

fn by_number<'k>(keys: impl Iterator<Item = &'k Atomic>) -> Option<HashMap<u64, Vec<u32>>> {
    let mut index: HashMap<u64, Vec<u32>> = HashMap::new();
    for (at, key) in keys.enumerate() {
        let double = key.to_double()?;
        index.entry(bits(double)).or_default().push(u32::try_from(at).ok()?);
    }
    Some(index)
}

impl Table {
    fn new(keys: Vec<(u32, Atomic)>, join: &Join) -> Option<Self> {
        let is_single = keys.windows(2).all(|pair| pair[0].0 != pair[1].0);
        if !is_single && !join.general {
            return None;
        }
        let mut class: Option<Class> = None;
        for (_, key) in &keys {
            let this = class_of(key)?;
            class = Some(match (class, this) {
                (None, this) => this,
                (Some(Class::Number), Class::Number) => Class::Number,
                (Some(Class::Number), _) | (Some(_), Class::Number) => return None,
                (Some(Class::Untyped), Class::Untyped) => Class::Untyped,
                _ => Class::Text,
            });
        }
        let class = class.unwrap_or(Class::Untyped);
        let index = if join.op != compare::Op::Eq {
            let mut sorted = Vec::with_capacity(keys.len());
            for (place, key) in &keys {
                let double = match class {
                    Class::Number => exact_double(key)?,
                    Class::Untyped if join.general => exact_double(&untyped_double(key)?)?,
                    Class::Untyped | Class::Text => return None,
                };
                if !double.is_nan() {
                    sorted.push((double, *place));
                }
            }
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            Index::Sorted(sorted)
        } else {
            match class {
                Class::Text => Index::Text(by_text(&keys)),
                Class::Number => Index::Number(by_number(keys.iter().map(|(_, key)| key))?),
                Class::Untyped if !join.general => Index::Text(by_text(&keys)),
                Class::Untyped => {
                    let doubles: Option<Vec<Atomic>> = keys.iter().map(|(_, key)| untyped_double(key)).collect();
                    let numbers = doubles.as_ref().and_then(|doubles| by_number(doubles.iter()));
                    Index::Both(by_text(&keys), numbers)
                }
            }
        };
        Some(Self { keys, class, index, is_single })
    }

    /// The items that match one of the probes; `None` where only comparing can tell.
    fn find(self: &Arc<Self>, probes: &[Atomic], join: &Join, how: &Comparison) -> Option<Matches> {
        if probes.len() > 1 && !join.general {
            return None;
        }
        if let Index::Sorted(keys) = &self.index {
            return self.find_sorted(keys, probes, join);
        }
        let mut places = Vec::new();
        for probe in probes {
            let class = class_of(probe)?;
            match (&self.index, class) {
                (Index::Text(index) | Index::Both(index, _), Class::Untyped | Class::Text) => {
                    let text = probe.as_text()?;
                    places.extend(index.get(text).into_iter().flatten());
                }
                (Index::Both(_, Some(index)), Class::Number) | (Index::Number(index), Class::Number) => {
                    self.compared(index, probe, join, how, &mut places)?;
                }
                (Index::Number(index), Class::Untyped) if join.general => {
                    self.compared(index, &untyped_double(probe)?, join, how, &mut places)?;
                }
                _ => return None,
            }
        }
        if probes.len() > 1 || !self.is_single {
            places.sort_unstable();
            places.dedup();
        }
        Some(Matches::Places(places))
    }

    /// Hits by double, each compared as the comparison says.
    fn compared(
        &self,
        index: &HashMap<u64, Vec<u32>>,
        probe: &Atomic,
        join: &Join,
        how: &Comparison,
        places: &mut Vec<u32>,
    ) -> Option<()> {
        let double = probe.to_double()?;
        for at in index.get(&bits(double)).into_iter().flatten() {
            let (place, key) = &self.keys[*at as usize];
            if compare::general_compare(join.op, probe, key, how).ok()? {
                places.push(*place);
            }
        }
        Some(())
    }

    fn find_sorted(self: &Arc<Self>, keys: &[(f64, u32)], probes: &[Atomic], join: &Join) -> Option<Matches> {
        let mut range: Option<std::ops::Range<usize>> = None;
        for probe in probes {
            let double = match (class_of(probe)?, self.class) {
                (Class::Number, _) => exact_double(probe)?,
                (Class::Untyped, Class::Number) if join.general => exact_double(&untyped_double(probe)?)?,
                _ => return None,
            };
            if double.is_nan() {
                continue;
            }
            let below = keys.partition_point(|(key, _)| *key < double);
            let upto = keys.partition_point(|(key, _)| *key <= double);
            let this = match join.op {
                compare::Op::Gt => 0..below,
                compare::Op::Ge => 0..upto,
                compare::Op::Lt => upto..keys.len(),
                compare::Op::Le => below..keys.len(),
                compare::Op::Eq | compare::Op::Ne => return None,
            };
            range = Some(match range {
                Some(known) => known.start.min(this.start)..known.end.max(this.end),
                None => this,
            });
        }
        let range = range.unwrap_or(0..0);
        let matches = Matches::Unordered(self.clone(), range);
        if self.is_single {
            return Some(matches);
        }
        let mut places = matches.places();
        places.dedup();
        Some(Matches::Places(places))
    }
}

impl Evaluator {
    /// The items of the input that match for the current tuple; `None` when they have to be compared one by one.
    pub(super) fn join_matches(&mut self, join: &Join, input: &Sequence, env: &mut Env) -> Result<Option<Matches>> {
        if input.len() < JOINED_FROM {
            return Ok(None);
        }
        let state = &mut self.joins[join.id];
        if !state.input.as_ref().is_some_and(|known| known.is_same(input)) {
            *state = JoinState { input: Some(input.clone()), table: None };
            return Ok(None);
        }
        let table = match state.table.clone() {
            Some(table) => table,
            None => {
                self.charge(input.len())?;
                let built = self.build(join, input, env);
                self.joins[join.id].table = Some(built.clone());
                built
            }
        };
        let Some(table) = table else { return Ok(None) };
        let probes = self.eval(&join.probe, env).ok().and_then(|value| value.atomize().ok());
        let how = self.comparison(&None);
        let matches = probes.and_then(|probes| table.find(&probes, join, &how));
        if let Some(matches) = &matches {
            self.charge(matches.count() + 1)?;
        }
        Ok(matches)
    }

    fn build(&mut self, join: &Join, input: &Sequence, env: &mut Env) -> Option<Arc<Table>> {
        let mut keys = Vec::with_capacity(input.len());
        for (place, item) in input.iter().enumerate() {
            let place = u32::try_from(place).ok()?;
            env.slots[join.slot] = Sequence::One(item);
            for key in self.eval(&join.key, env).ok()?.atomize().ok()? {
                keys.push((place, key));
            }
        }
        Table::new(keys, join).map(Arc::new)
    }

    /// A value that is kept as long as what it depends on stays the same.
    pub(super) fn memo(
        &mut self,
        id: usize,
        slots: &[Slot],
        focus: FocusUse,
        plan: &Plan,
        env: &mut Env,
    ) -> Result<Sequence> {
        if let Some(known) = &self.memos[id]
            && known.slots.iter().zip(slots).all(|(value, slot)| value.is_same(&env.slots[*slot]))
            && same_focus(known.focus.as_ref(), env.focus.as_ref(), focus)
        {
            return Ok(known.value.clone());
        }
        let value = self.eval(plan, env)?;
        let slots = slots.iter().map(|slot| env.slots[*slot].clone()).collect();
        self.memos[id] = Some(MemoState { slots, focus: env.focus.clone(), value: value.clone() });
        Ok(value)
    }
}

/// A remembered value and what it was made of.
#[derive(Clone)]
pub(crate) struct MemoState {
    slots: Vec<Sequence>,
    focus: Option<Focus>,
    value: Sequence,
}

fn same_focus(known: Option<&Focus>, now: Option<&Focus>, used: FocusUse) -> bool {
    match (used, known, now) {
        (FocusUse::No, ..) | (_, None, None) => true,
        (FocusUse::Root, Some(known), Some(now)) => match (&known.item, &now.item) {
            (Item::Node(known), Item::Node(now)) => Arc::ptr_eq(&known.tree, &now.tree),
            _ => false,
        },
        (FocusUse::Item, Some(known), Some(now)) => {
            known.position == now.position
                && known.size == now.size
                && Sequence::One(known.item.clone()).is_same(&Sequence::One(now.item.clone()))
        }
        _ => false,
    }
}
