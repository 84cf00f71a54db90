//! Sequences — F&O 3.1 §14.1 to §14.3.

use super::args::{Args, boolean, integer};
use super::collation::comparison;
use super::deep_equal;
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use hashbrown::HashMap;
use phoenixmldb_xdm::atomic::compare;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Atomic, Item, Sequence};

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("empty", &["item()*"], "xs:boolean", |_, args| Ok(boolean(args[0].is_empty()))),
    fun("exists", &["item()*"], "xs:boolean", |_, args| Ok(boolean(!args[0].is_empty()))),
    fun("head", &["item()*"], "item()?", |_, args| Ok(args[0].slice(0, 1))),
    fun("tail", &["item()*"], "item()*", |_, args| Ok(args[0].slice(1, usize::MAX))),
    fun("insert-before", &["item()*", "xs:integer", "item()*"], "item()*", insert_before),
    fun("remove", &["item()*", "xs:integer"], "item()*", remove),
    fun("reverse", &["item()*"], "item()*", |_, args| Ok(args[0].iter().rev().collect())),
    fun("subsequence", &["item()*", "xs:double", "xs:double"], "item()*", subsequence).required(2),
    fun("unordered", &["item()*"], "item()*", |_, mut args| Ok(args.remove(0))),
    fun("distinct-values", &["xs:anyAtomicType*", "xs:string"], "xs:anyAtomicType*", distinct_values)
        .required(1)
        .depends(Depends::Context),
    fun("index-of", &["xs:anyAtomicType*", "xs:anyAtomicType", "xs:string"], "xs:integer*", index_of)
        .required(2)
        .depends(Depends::Context),
    fun("deep-equal", &["item()*", "item()*", "xs:string"], "xs:boolean", deep_equal)
        .required(2)
        .depends(Depends::Context),
    fun("zero-or-one", &["item()*"], "item()?", zero_or_one),
    fun("one-or-more", &["item()*"], "item()+", one_or_more),
    fun("exactly-one", &["item()*"], "item()", exactly_one),
    fun("data", &["item()*"], "xs:anyAtomicType*", data).required(0).depends(Depends::Focus),
];

/// A position from 1 as an index from 0, kept within `0..=length`.
fn index(position: i128, length: usize) -> usize {
    usize::try_from(position - 1).map_or(if position < 1 { 0 } else { length }, |index| index.min(length))
}

fn insert_before(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let at = index(args.integer(1)?.unwrap_or(1), args.get(0).len());
    let (target, inserted) = (args.take(0), args.take(2));
    Ok(Sequence::concat(vec![target.slice(0, at), inserted, target.slice(at, usize::MAX)]))
}

fn remove(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (target, position) = (args.get(0), args.integer(1)?.unwrap_or(0));
    if position < 1 || position > target.len() as i128 {
        return Ok(target.clone());
    }
    let at = index(position, target.len());
    Ok(Sequence::concat(vec![target.slice(0, at), target.slice(at + 1, usize::MAX)]))
}

fn subsequence(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let round = |value: f64| (value + 0.5).floor();
    let start = round(args.double(1)?.unwrap_or(f64::NAN));
    let end = if args.count() == 2 { f64::INFINITY } else { start + round(args.double(2)?.unwrap_or(f64::NAN)) };
    if start.is_nan() || end.is_nan() {
        return Ok(Sequence::Empty);
    }
    // Casts of floats saturate, so infinities become the ends.
    let from = (start.max(1.0) - 1.0) as usize;
    let to = (end.max(1.0) - 1.0) as usize;
    Ok(args.get(0).slice(from, to))
}

fn distinct_values(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let how = comparison(ctx, args.text(1)?)?;
    let mut seen: HashMap<_, Vec<Atomic>> = HashMap::new();
    let mut kept = Vec::new();
    // Exact and inexact numbers are compared as the inexact type, in which different ones may be equal.
    let (mut exact, mut inexact): (Vec<Atomic>, Vec<Atomic>) = (Vec::new(), Vec::new());
    for value in args.get(0).atomize()? {
        let others = match &value {
            Atomic::Integer(..) | Atomic::Decimal(_) => Some((&mut exact, &inexact)),
            Atomic::Float(_) | Atomic::Double(_) => Some((&mut inexact, &exact)),
            _ => None,
        };
        if let Some((own, others)) = others {
            let equal = |other| compare::value_compare(compare::Op::Eq, &value, other, &how).unwrap_or(false);
            if others.iter().any(equal) {
                continue;
            }
            own.push(value.clone());
        }
        let group = seen.entry(compare::grouping_key(&value, &how)).or_default();
        if !group.iter().any(|other| compare::deep_equal(other, &value, &how)) {
            group.push(value.clone());
            kept.push(Item::Atomic(value));
        }
    }
    Ok(Sequence::from(kept))
}

fn index_of(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let how = comparison(ctx, args.text(2)?)?;
    let Some(search) = args.atomic(1)? else { return Ok(Sequence::Empty) };
    let values = args.get(0).atomize()?;
    let equal = |value: &Atomic| compare::value_compare(compare::Op::Eq, value, &search, &how).unwrap_or(false);
    let found = values.iter().enumerate().filter(|(_, value)| equal(value));
    Ok(found.flat_map(|(at, _)| integer(at as i128 + 1).first()).collect())
}

fn deep_equal(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let how = comparison(ctx, args.text(2)?)?;
    Ok(boolean(deep_equal::sequences(args.get(0), args.get(1), &how)?))
}

fn zero_or_one(_: &mut CallContext<'_>, mut args: Vec<Sequence>) -> Result<Sequence> {
    if args[0].len() > 1 {
        return Err(fail("FORG0003", format!("fn:zero-or-one was called with {} items", args[0].len())));
    }
    Ok(args.remove(0))
}

fn one_or_more(_: &mut CallContext<'_>, mut args: Vec<Sequence>) -> Result<Sequence> {
    if args[0].is_empty() {
        return Err(fail("FORG0004", "fn:one-or-more was called with no items"));
    }
    Ok(args.remove(0))
}

fn exactly_one(_: &mut CallContext<'_>, mut args: Vec<Sequence>) -> Result<Sequence> {
    if args[0].len() != 1 {
        return Err(fail("FORG0005", format!("fn:exactly-one was called with {} items", args[0].len())));
    }
    Ok(args.remove(0))
}

fn data(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let values = match args.first() {
        Some(arg) => arg.atomize()?,
        None => Sequence::One(ctx.context_item()?.clone()).atomize()?,
    };
    Ok(values.into_iter().map(Item::Atomic).collect())
}
