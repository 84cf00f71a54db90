//! FLWOR and quantified expressions (XQuery 3.1 §3.12, §3.16).
//!
//! A tuple is the state of the frame: every clause sets its slots and hands over to the next. `order by` and `group by`
//! collect tuples as copies of the slots bound so far, and go on with those.

use super::Evaluator;
use super::context::Env;
use super::convert::mismatch;
use crate::compile::plan::{Clause, GroupKey, Plan, Slot, SortKey, Window, WindowCondition};
use phoenixmldb_xdm::atomic::{MapKey, compare};
use phoenixmldb_xdm::error::{Error, Result};
use phoenixmldb_xdm::types::{Occurrence, SequenceType};
use phoenixmldb_xdm::{Atomic, Item, Sequence, size};
use std::cmp::Ordering;
use std::collections::HashMap;

/// What happens with a tuple behind the last clause; `false` ends the expression.
type Sink<'s> = &'s mut dyn FnMut(&mut Evaluator, &mut Env) -> Result<bool>;

impl Evaluator {
    pub(super) fn flwor(&mut self, clauses: &[Clause], result: &Plan, env: &mut Env) -> Result<Sequence> {
        let mut items: Vec<Item> = Vec::new();
        let outer = std::mem::take(&mut self.kept_bytes);
        let done = self.tuples(clauses, env, &mut |this, env| {
            let held = this.dynamic.meter.held_bytes();
            let value = this.eval(result, env)?;
            this.hold(size::places(value.len()))?;
            let kept = this.dynamic.meter.held_bytes().saturating_sub(held);
            this.kept_bytes = this.kept_bytes.saturating_add(kept);
            match value {
                Sequence::One(item) => items.push(item),
                other => other.append_to(&mut items),
            }
            Ok(true)
        });
        self.kept_bytes = outer;
        done?;
        // Values of variables out of scope are not kept until the function returns.
        for clause in clauses {
            if let Clause::For { slot, .. } | Clause::Let { slot, .. } = clause {
                env.slots[*slot] = Sequence::Empty;
            }
        }
        Ok(Sequence::from(items))
    }

    pub(super) fn quantified(
        &mut self,
        every: bool,
        clauses: &[Clause],
        condition: &Plan,
        env: &mut Env,
    ) -> Result<bool> {
        let mut result = every;
        let outer = std::mem::take(&mut self.kept_bytes);
        let done = self.tuples(clauses, env, &mut |this, env| {
            if this.truth(condition, env)? != every {
                result = !every;
            }
            Ok(result == every)
        });
        self.kept_bytes = outer;
        done?;
        Ok(result)
    }

    /// Sends every tuple of the clauses to the sink. What stands before the last sorting or grouping is collected.
    pub(super) fn tuples(&mut self, clauses: &[Clause], env: &mut Env, sink: Sink<'_>) -> Result<bool> {
        let blocks = |clause: &Clause| matches!(clause, Clause::OrderBy { .. } | Clause::GroupBy { .. });
        let Some(at) = clauses.iter().rposition(blocks) else {
            return self.clauses(clauses, &mut vec![0; clauses.len()], env, sink);
        };
        let (before, after) = (&clauses[..at], &clauses[at + 1..]);
        let mut counts = vec![0; after.len()];
        match &clauses[at] {
            Clause::OrderBy { keys, bound } => {
                for tuple in self.ordered(before, keys, bound, env)? {
                    let (held, kept) = (self.dynamic.meter.held_bytes(), self.kept_bytes);
                    for (slot, value) in bound.iter().zip(tuple) {
                        env.slots[*slot] = value;
                    }
                    if !self.clauses(after, &mut counts, env, sink)? {
                        return Ok(false);
                    }
                    self.end_tuple(held, kept);
                }
            }
            Clause::GroupBy { keys, others } => {
                for group in self.grouped(before, keys, others, env)? {
                    let (held, kept) = (self.dynamic.meter.held_bytes(), self.kept_bytes);
                    for (slot, parts) in others.iter().zip(group.others) {
                        env.slots[*slot] = Sequence::concat(parts);
                    }
                    for (key, value) in keys.iter().zip(group.keys) {
                        env.slots[key.slot] = value;
                    }
                    if !self.clauses(after, &mut counts, env, sink)? {
                        return Ok(false);
                    }
                    self.end_tuple(held, kept);
                }
            }
            _ => unreachable!("found as one of the two"),
        }
        Ok(true)
    }

    /// What a tuple made and did not leave in the result is gone.
    fn end_tuple(&self, held: u64, kept: u64) {
        if self.kept_bytes != u64::MAX {
            self.dynamic.meter.settle(held.saturating_add(self.kept_bytes - kept));
        }
    }

    /// Collects tuples, which keep all they hold.
    fn collect(&mut self, before: &[Clause], env: &mut Env, sink: Sink<'_>) -> Result<()> {
        let kept = std::mem::replace(&mut self.kept_bytes, u64::MAX);
        let done = self.on_stack(|this| this.tuples(before, env, sink));
        self.kept_bytes = kept;
        done.map(|_| ())
    }

    /// Sends every tuple that the clauses make of the current one to the sink. `counts` belongs to the clauses.
    fn clauses(&mut self, clauses: &[Clause], counts: &mut [i64], env: &mut Env, sink: Sink<'_>) -> Result<bool> {
        self.on_stack(|this| this.first_clause(clauses, counts, env, sink))
    }

    fn first_clause(&mut self, clauses: &[Clause], counts: &mut [i64], env: &mut Env, sink: Sink<'_>) -> Result<bool> {
        let Some((clause, rest)) = clauses.split_first() else { return sink(self, env) };
        match clause {
            Clause::For { slot, declared_type, allowing_empty, position, input } => {
                let input = self.eval(input, env)?;
                let later = &mut counts[1..];
                if input.is_empty() && *allowing_empty {
                    if let Some(wanted) = declared_type
                        && !wanted.occurrence.accepts_none()
                    {
                        return Err(mismatch(&input, wanted));
                    }
                    env.slots[*slot] = Sequence::Empty;
                    if let Some(position) = position {
                        env.slots[*position] = Sequence::from(Item::integer(0));
                    }
                    return self.clauses(rest, later, env, sink);
                }
                for (index, item) in input.iter().enumerate() {
                    self.charge(1)?;
                    let (held, kept) = (self.dynamic.meter.held_bytes(), self.kept_bytes);
                    if let Some(wanted) = declared_type {
                        check_item(&item, wanted)?;
                    }
                    env.slots[*slot] = Sequence::One(item);
                    if let Some(position) = position {
                        env.slots[*position] = Sequence::from(Atomic::count(index + 1));
                    }
                    if !self.clauses(rest, later, env, sink)? {
                        return Ok(false);
                    }
                    self.end_tuple(held, kept);
                }
                Ok(true)
            }
            Clause::Let { slot, declared_type, value } => {
                let value = self.eval(value, env)?;
                env.slots[*slot] = self.bound(value, declared_type.as_ref())?;
                let later = &mut counts[1..];
                self.clauses(rest, later, env, sink)
            }
            Clause::Where(condition) => {
                if !self.truth(condition, env)? {
                    return Ok(true);
                }
                let later = &mut counts[1..];
                self.clauses(rest, later, env, sink)
            }
            Clause::Count(slot) => {
                counts[0] += 1;
                env.slots[*slot] = Sequence::from(Item::integer(counts[0]));
                self.clauses(rest, &mut counts[1..], env, sink)
            }
            Clause::Window(window) => self.window(window, rest, &mut counts[1..], env, sink),
            Clause::Join(join) => {
                let input = self.eval(&join.input, env)?;
                let later = &mut counts[1..];
                let Some(matches) = self.join_matches(join, &input, env)? else {
                    self.charge(input.len())?;
                    for item in input.iter() {
                        let (held, kept) = (self.dynamic.meter.held_bytes(), self.kept_bytes);
                        env.slots[join.slot] = Sequence::One(item);
                        if self.truth(&join.condition, env)? && !self.clauses(rest, later, env, sink)? {
                            return Ok(false);
                        }
                        self.end_tuple(held, kept);
                    }
                    return Ok(true);
                };
                for place in matches.places() {
                    let (held, kept) = (self.dynamic.meter.held_bytes(), self.kept_bytes);
                    env.slots[join.slot] = Sequence::from(input.get(place as usize));
                    if !self.clauses(rest, later, env, sink)? {
                        return Ok(false);
                    }
                    self.end_tuple(held, kept);
                }
                Ok(true)
            }
            Clause::OrderBy { .. } | Clause::GroupBy { .. } => {
                unreachable!("clauses that need all tuples are taken apart before")
            }
        }
    }
}

/// Tuples with the same key.
struct Group {
    keys: Vec<Sequence>,
    /// Per slot the values of all tuples.
    others: Vec<Vec<Sequence>>,
}

impl Evaluator {
    /// The tuples of the clauses, sorted: per tuple the values of the slots that are bound.
    fn ordered(
        &mut self,
        before: &[Clause],
        keys: &[SortKey],
        bound: &[Slot],
        env: &mut Env,
    ) -> Result<Vec<Vec<Sequence>>> {
        let mut tuples: Vec<(Vec<Option<Atomic>>, Vec<Sequence>)> = Vec::new();
        self.collect(before, env, &mut |this, env| {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                values.push(match this.optional_atomic(&key.key, env)? {
                    Some(Atomic::Untyped(text)) => Some(Atomic::string(text)),
                    value => value,
                });
            }
            this.hold(size::places(2 + values.len() + bound.len()))?;
            tuples.push((values, bound.iter().map(|slot| env.slots[*slot].clone()).collect()));
            Ok(true)
        })?;
        let how: Vec<compare::Comparison> = keys.iter().map(|key| self.comparison(&key.collation)).collect();
        let mut failed: Option<Box<Error>> = None;
        tuples.sort_by(|(a, _), (b, _)| {
            // After an error everything is equal, which ends the sorting soon.
            if failed.is_some() {
                return Ordering::Equal;
            }
            if let Err(error) = self.charge(1) {
                failed = Some(error);
            }
            for (index, key) in keys.iter().enumerate() {
                let order = match sort_order(&a[index], &b[index], key.empty_greatest, &how[index]) {
                    Ok(order) => order,
                    Err(error) => {
                        failed.get_or_insert(error);
                        Ordering::Equal
                    }
                };
                if order != Ordering::Equal {
                    return if key.descending { order.reverse() } else { order };
                }
            }
            Ordering::Equal
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(tuples.into_iter().map(|(_, tuple)| tuple).collect()),
        }
    }

    /// The tuples of the clauses, grouped, in the order in which their keys came.
    fn grouped(&mut self, before: &[Clause], keys: &[GroupKey], others: &[Slot], env: &mut Env) -> Result<Vec<Group>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut index: HashMap<Vec<Option<MapKey>>, usize> = HashMap::new();
        let how: Vec<compare::Comparison> = keys.iter().map(|key| self.comparison(&key.collation)).collect();
        self.collect(before, env, &mut |this, env| {
            let mut values = Vec::with_capacity(keys.len());
            let mut place = Vec::with_capacity(keys.len());
            for (key, how) in keys.iter().zip(&how) {
                let value = this.optional_atomic(&key.value, env)?;
                if let (Some(wanted), Some(value)) = (&key.declared_type, &value) {
                    check_item(&Item::Atomic(value.clone()), wanted)?;
                }
                let value = match value {
                    Some(Atomic::Untyped(text)) => Some(Atomic::string(text)),
                    value => value,
                };
                if !key.shadowed {
                    place.push(value.as_ref().map(|value| compare::grouping_key(value, how)));
                }
                if value.is_none() {
                    this.bound(Sequence::Empty, key.declared_type.as_ref())?;
                }
                let value = Sequence::from(value);
                // Later keys see this one.
                env.slots[key.slot] = value.clone();
                values.push(value);
            }
            let mut grown = 0;
            let at = *index.entry(place).or_insert_with(|| {
                grown = size::places(2 * keys.len() + 4);
                groups.push(Group { keys: values, others: vec![Vec::new(); others.len()] });
                groups.len() - 1
            });
            this.hold(grown + size::places(others.len()))?;
            for (parts, slot) in groups[at].others.iter_mut().zip(others) {
                parts.push(env.slots[*slot].clone());
            }
            Ok(true)
        })?;
        Ok(groups)
    }
}

/// The order of two sort keys; the empty sequence is least or greatest, and NaN comes next to it.
fn sort_order(
    a: &Option<Atomic>,
    b: &Option<Atomic>,
    empty_greatest: bool,
    how: &compare::Comparison,
) -> Result<Ordering> {
    let is_nan = |value: &Atomic| match value {
        Atomic::Double(value) => value.is_nan(),
        Atomic::Float(value) => value.is_nan(),
        _ => false,
    };
    // 0 for empty, 1 for NaN, 2 for all others.
    let rank = |value: &Option<Atomic>| value.as_ref().map_or(0, |value| if is_nan(value) { 1 } else { 2 });
    let order = match (a, b) {
        (Some(a), Some(b)) if !is_nan(a) && !is_nan(b) => return compare::sort_compare(a, b, how),
        _ => rank(a).cmp(&rank(b)),
    };
    Ok(if empty_greatest { order.reverse() } else { order })
}

impl Evaluator {
    fn window(
        &mut self,
        window: &Window,
        rest: &[Clause],
        counts: &mut [i64],
        env: &mut Env,
        sink: Sink<'_>,
    ) -> Result<bool> {
        let input = self.eval(&window.input, env)?;
        self.hold(size::places(input.len()))?;
        let input: Vec<Item> = input.iter().collect();
        let mut start = 0;
        while start < input.len() {
            self.charge(1)?;
            if !self.window_holds(&window.start, &input, start, env)? {
                start += 1;
                continue;
            }
            let mut end = None;
            let mut at = start;
            match &window.end {
                Some(condition) => {
                    while at < input.len() {
                        self.charge(1)?;
                        // The start's variables are visible in the end condition.
                        bind_window(&window.start, &input, start, env);
                        if self.window_holds(condition, &input, at, env)? {
                            end = Some(at);
                            break;
                        }
                        at += 1;
                    }
                }
                // Without end condition a window ends before the next start.
                None => {
                    at = start + 1;
                    while at < input.len() && !self.window_holds(&window.start, &input, at, env)? {
                        at += 1;
                    }
                    end = Some(at - 1);
                }
            }
            let last = end.unwrap_or(input.len() - 1);
            if end.is_some() || !window.only_end {
                bind_window(&window.start, &input, start, env);
                if let Some(condition) = &window.end {
                    bind_window(condition, &input, last, env);
                }
                let value = Sequence::from(input[start..=last].to_vec());
                env.slots[window.slot] = self.bound(value, window.declared_type.as_ref())?;
                if !self.clauses(rest, counts, env, sink)? {
                    return Ok(false);
                }
            }
            start = if window.sliding { start + 1 } else { last + 1 };
        }
        Ok(true)
    }

    fn window_holds(&mut self, condition: &WindowCondition, input: &[Item], at: usize, env: &mut Env) -> Result<bool> {
        bind_window(condition, input, at, env);
        self.truth(&condition.when, env)
    }
}

fn bind_window(condition: &WindowCondition, input: &[Item], at: usize, env: &mut Env) {
    let item = |index: Option<usize>| Sequence::from(index.and_then(|index| input.get(index)).cloned());
    let mut set = |slot: Option<Slot>, value: Sequence| {
        if let Some(slot) = slot {
            env.slots[slot] = value;
        }
    };
    set(condition.current, item(Some(at)));
    set(condition.position, Sequence::from(Atomic::count(at + 1)));
    set(condition.previous, item(at.checked_sub(1)));
    set(condition.next, item(Some(at + 1)));
}

/// Error: XPTY0004.
fn check_item(item: &Item, wanted: &SequenceType) -> Result<()> {
    if wanted.occurrence != Occurrence::Empty && wanted.item.accepts(item) {
        return Ok(());
    }
    Err(mismatch(&Sequence::One(item.clone()), wanted))
}
