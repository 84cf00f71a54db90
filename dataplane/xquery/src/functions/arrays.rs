//! Arrays — F&O 3.1 §17.3.

use super::args::{Args, count};
use super::collation::comparison;
use super::higher_order;
use super::signature::{Depends, FunctionEntry, function};
use crate::context::ARRAY_NAMESPACE;
use crate::eval::CallContext;
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::{Array, Function, Item, Sequence};

const fn array(
    local: &'static str,
    params: &'static [&'static str],
    result: &'static str,
    run: fn(&mut CallContext<'_>, Vec<Sequence>) -> Result<Sequence>,
) -> FunctionEntry {
    function(ARRAY_NAMESPACE, local, params, result, run)
}

const ONE: &str = "function(item()*) as item()*";
const TWO: &str = "function(item()*, item()*) as item()*";

pub(super) const TABLE: &[FunctionEntry] = &[
    array("size", &["array(*)"], "xs:integer", |_, args| Ok(count(Args::new(args).array(0)?.len()))),
    array("get", &["array(*)", "xs:integer"], "item()*", get),
    array("put", &["array(*)", "xs:integer", "item()*"], "array(*)", put),
    array("append", &["array(*)", "item()*"], "array(*)", append),
    array("subarray", &["array(*)", "xs:integer", "xs:integer"], "array(*)", subarray).required(2),
    array("remove", &["array(*)", "xs:integer*"], "array(*)", remove),
    array("insert-before", &["array(*)", "xs:integer", "item()*"], "array(*)", insert_before),
    array("head", &["array(*)"], "item()*", head),
    array("tail", &["array(*)"], "array(*)", tail),
    array("reverse", &["array(*)"], "array(*)", reverse),
    array("join", &["array(*)*"], "array(*)", join),
    array("for-each", &["array(*)", ONE], "array(*)", for_each),
    array("filter", &["array(*)", "function(item()*) as xs:boolean"], "array(*)", filter),
    array("fold-left", &["array(*)", "item()*", TWO], "item()*", fold_left),
    array("fold-right", &["array(*)", "item()*", TWO], "item()*", fold_right),
    array("for-each-pair", &["array(*)", "array(*)", TWO], "array(*)", for_each_pair),
    array("sort", &["array(*)", "xs:string?", "function(item()*) as xs:anyAtomicType*"], "array(*)", sort)
        .required(1)
        .depends(Depends::Context),
    array("flatten", &["item()*"], "item()*", flatten),
];

fn made(members: Vec<Sequence>) -> Result<Sequence> {
    Ok(Sequence::from(Function::from(Array::new(members))))
}

fn outside(position: i128, length: usize) -> Box<Error> {
    fail("FOAY0001", format!("position {position} is outside of an array of {length} members"))
}

/// The index from 0 of a position from 1, at most `last`. Error: FOAY0001.
fn index(args: &Args, at: usize, last: usize, length: usize) -> Result<usize> {
    let position = args.integer(at)?.unwrap_or(0);
    let index = usize::try_from(position).ok().filter(|position| (1..=last).contains(position));
    index.map(|position| position - 1).ok_or_else(|| outside(position, length))
}

fn get(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let array = args.array(0)?;
    Ok(array.members()[index(&args, 1, array.len(), array.len())?].clone())
}

fn put(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let mut members = args.array(0)?.members().to_vec();
    let at = index(&args, 1, members.len(), members.len())?;
    members[at] = args.take(2);
    made(members)
}

fn append(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let mut members = args.array(0)?.members().to_vec();
    members.push(args.take(1));
    made(members)
}

fn subarray(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let array = args.array(0)?;
    let from = index(&args, 1, array.len() + 1, array.len())?;
    let length = match args.integer(2)? {
        None => array.len() - from,
        Some(length) if length < 0 => return Err(fail("FOAY0002", format!("length {length} is negative"))),
        Some(length) => {
            let end = usize::try_from(length).ok().filter(|length| from + length <= array.len());
            end.ok_or_else(|| outside(from as i128 + length, array.len()))?
        }
    };
    made(array.members()[from..from + length].to_vec())
}

fn remove(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let array = args.array(0)?;
    let mut gone = vec![false; array.len()];
    for position in args.get(1) {
        let one = Args::new(vec![Sequence::Empty, Sequence::One(position)]);
        gone[index(&one, 1, array.len(), array.len())?] = true;
    }
    made(array.members().iter().zip(gone).filter(|(_, gone)| !gone).map(|(member, _)| member.clone()).collect())
}

fn insert_before(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let mut members = args.array(0)?.members().to_vec();
    let at = index(&args, 1, members.len() + 1, members.len())?;
    members.insert(at, args.take(2));
    made(members)
}

fn head(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let array = Args::new(args).array(0)?;
    array.members().first().cloned().ok_or_else(|| outside(1, 0))
}

fn tail(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let array = Args::new(args).array(0)?;
    made(array.members().get(1..).ok_or_else(|| outside(1, 0))?.to_vec())
}

fn reverse(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    made(Args::new(args).array(0)?.members().iter().rev().cloned().collect())
}

fn join(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut members = Vec::new();
    for item in &args[0] {
        let Item::Function(Function::Array(array)) = item else { return Err(fail("XPTY0004", "an array is needed")) };
        members.extend_from_slice(array.members());
    }
    made(members)
}

fn for_each(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (array, action) = (args.array(0)?, args.function(1)?);
    made(array.members().iter().map(|member| ctx.call(&action, vec![member.clone()])).collect::<Result<_>>()?)
}

fn filter(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (array, keep) = (args.array(0)?, args.function(1)?);
    let mut members = Vec::new();
    for member in array.members() {
        if higher_order::truth(&ctx.call(&keep, vec![member.clone()])?)? {
            members.push(member.clone());
        }
    }
    made(members)
}

fn fold_left(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let (array, action, zero) = (args.array(0)?, args.function(2)?, args.take(1));
    let step = |ctx: &mut CallContext<'_>, so_far, member: &Sequence| ctx.call(&action, vec![so_far, member.clone()]);
    higher_order::fold(ctx, array.members().iter(), zero, step)
}

fn fold_right(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let (array, action, zero) = (args.array(0)?, args.function(2)?, args.take(1));
    let step = |ctx: &mut CallContext<'_>, so_far, member: &Sequence| ctx.call(&action, vec![member.clone(), so_far]);
    higher_order::fold(ctx, array.members().iter().rev(), zero, step)
}

fn for_each_pair(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (a, b, action) = (args.array(0)?, args.array(1)?, args.function(2)?);
    let pairs = a.members().iter().zip(b.members());
    made(pairs.map(|(a, b)| ctx.call(&action, vec![a.clone(), b.clone()])).collect::<Result<_>>()?)
}

fn sort(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let how = comparison(ctx, args.text(1)?)?;
    let key = if args.count() > 2 { Some(args.function(2)?) } else { None };
    let members = args.array(0)?.members().to_vec();
    made(higher_order::sorted(ctx, members, key.as_ref(), &how)?)
}

fn flatten(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut flat = Vec::new();
    let mut pending: Vec<Item> = args[0].iter().rev().collect();
    while let Some(item) = pending.pop() {
        match item {
            Item::Function(Function::Array(array)) => {
                let inner: Vec<Item> = array.members().iter().flat_map(Sequence::iter).collect();
                pending.extend(inner.into_iter().rev());
            }
            other => flat.push(other),
        }
    }
    Ok(Sequence::from(flat))
}
