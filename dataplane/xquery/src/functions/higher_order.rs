//! Higher-order functions — F&O 3.1 §16.

use super::args::{Args, count};
use super::collation::comparison;
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use phoenixmldb_xdm::atomic::compare::{self, Comparison};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Atomic, Function, Item, Sequence, size};
use std::cmp::Ordering;

const ONE: &str = "function(item()) as item()*";
const TWO: &str = "function(item()*, item()) as item()*";

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("for-each", &["item()*", ONE], "item()*", for_each),
    fun("filter", &["item()*", "function(item()) as xs:boolean"], "item()*", filter),
    fun("fold-left", &["item()*", "item()*", TWO], "item()*", fold_left),
    fun("fold-right", &["item()*", "item()*", "function(item(), item()*) as item()*"], "item()*", fold_right),
    fun("for-each-pair", &["item()*", "item()*", "function(item(), item()) as item()*"], "item()*", for_each_pair),
    fun("sort", &["item()*", "xs:string?", "function(item()) as xs:anyAtomicType*"], "item()*", sort)
        .required(1)
        .depends(Depends::Context),
    fun("apply", &["function(*)", "array(*)"], "item()*", apply),
    fun("function-arity", &["function(*)"], "xs:integer", |_, args| Ok(count(Args::new(args).function(0)?.arity()))),
    fun("function-name", &["function(*)"], "xs:QName?", function_name),
];

/// The only item as a boolean. Error: XPTY0004.
pub(super) fn truth(sequence: &Sequence) -> Result<bool> {
    match sequence.single() {
        Some(Item::Atomic(Atomic::Boolean(value))) => Ok(value),
        Some(Item::Node(_) | Item::Atomic(Atomic::Untyped(_))) => {
            let values = sequence.atomize()?;
            let cast = values.first().map(|value| value.cast_as(phoenixmldb_xdm::AtomicType::Boolean, &|_| None));
            match cast.transpose()? {
                Some(Atomic::Boolean(value)) => Ok(value),
                _ => Err(fail("XPTY0004", "a predicate function returns one xs:boolean")),
            }
        }
        _ => Err(fail("XPTY0004", "a predicate function returns one xs:boolean")),
    }
}

fn for_each(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let action = args.function(1)?;
    let mut results = Vec::new();
    for item in args.get(0) {
        ctx.hold(size::ITEM_BYTES as usize)?;
        results.push(ctx.call(&action, vec![Sequence::One(item)])?);
    }
    ctx.evaluator.concat(results)
}

fn filter(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let keep = args.function(1)?;
    let mut kept = Vec::new();
    for item in args.get(0) {
        if truth(&ctx.call(&keep, vec![Sequence::One(item.clone())])?)? {
            ctx.hold(size::ITEM_BYTES as usize)?;
            kept.push(item);
        }
    }
    Ok(Sequence::from(kept))
}

fn fold_left(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let (items, zero, action) = (args.take(0), args.take(1), args.function(2)?);
    fold(ctx, items.iter(), zero, |ctx, so_far, item| ctx.call(&action, vec![so_far, Sequence::One(item)]))
}

fn fold_right(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let (items, zero, action) = (args.take(0), args.take(1), args.function(2)?);
    fold(ctx, items.iter().rev(), zero, |ctx, so_far, item| ctx.call(&action, vec![Sequence::One(item), so_far]))
}

/// Calls a function with what it returned before; of each value only the last is kept.
pub(super) fn fold<T>(
    ctx: &mut CallContext<'_>,
    items: impl Iterator<Item = T>,
    zero: Sequence,
    mut step: impl FnMut(&mut CallContext<'_>, Sequence, T) -> Result<Sequence>,
) -> Result<Sequence> {
    let held = ctx.dynamic().meter.held_bytes();
    let mut so_far = zero;
    for item in items {
        so_far = step(ctx, so_far, item)?;
        ctx.evaluator.keep(held, &so_far);
    }
    Ok(so_far)
}

fn for_each_pair(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let action = args.function(2)?;
    let mut results = Vec::new();
    for (a, b) in args.get(0).iter().zip(args.get(1).iter()) {
        ctx.hold(size::ITEM_BYTES as usize)?;
        results.push(ctx.call(&action, vec![Sequence::One(a), Sequence::One(b)])?);
    }
    ctx.evaluator.concat(results)
}

fn sort(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let how = comparison(ctx, args.text(1)?)?;
    let key = if args.count() > 2 { Some(args.function(2)?) } else { None };
    let items = args.get(0).iter().map(Sequence::One).collect();
    Ok(Sequence::concat(sorted(ctx, items, key.as_ref(), &how)?))
}

/// §16.2.6: stable; keys are compared value by value, shorter keys first.
pub(super) fn sorted(
    ctx: &mut CallContext<'_>,
    members: Vec<Sequence>,
    key: Option<&Function>,
    how: &Comparison,
) -> Result<Vec<Sequence>> {
    let mut keyed = Vec::with_capacity(members.len());
    for member in members {
        let key = match key {
            Some(key) => ctx.call(key, vec![member.clone()])?.atomize()?,
            None => member.atomize()?,
        };
        keyed.push((key, member));
    }
    let mut failed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        // After an error everything is equal, which ends the sorting soon.
        if failed.is_some() {
            return Ordering::Equal;
        }
        match ctx.charge(1).and_then(|()| compare_keys(a, b, how)) {
            Ok(order) => order,
            Err(error) => {
                failed = Some(error);
                Ordering::Equal
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, member)| member).collect()),
    }
}

fn compare_keys(a: &[Atomic], b: &[Atomic], how: &Comparison) -> Result<Ordering> {
    for (a, b) in a.iter().zip(b) {
        let order = compare::sort_compare(a, b, how)?;
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(a.len().cmp(&b.len()))
}

fn apply(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (function, array) = (args.function(0)?, args.array(1)?);
    if function.arity() != array.len() {
        let (has, given) = (function.arity(), array.len());
        return Err(fail("FOAP0001", format!("a function of {has} parameters was applied to {given} arguments")));
    }
    ctx.call(&function, array.members().to_vec())
}

fn function_name(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(match Args::new(args).function(0)? {
        Function::Callable(callable) => callable.name().map(|name| Atomic::from(name.clone())).into(),
        Function::Map(_) | Function::Array(_) => Sequence::Empty,
    })
}
