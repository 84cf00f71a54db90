//! Maps — F&O 3.1 §17.1.

use super::args::{Args, boolean, count};
use super::signature::{FunctionEntry, function};
use crate::context::MAP_NAMESPACE;
use crate::eval::CallContext;
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::{Array, Atomic, Function, Item, Map, Sequence};
use std::sync::Arc;

const fn map(
    local: &'static str,
    params: &'static [&'static str],
    result: &'static str,
    run: fn(&mut CallContext<'_>, Vec<Sequence>) -> Result<Sequence>,
) -> FunctionEntry {
    function(MAP_NAMESPACE, local, params, result, run)
}

pub(super) const TABLE: &[FunctionEntry] = &[
    map("merge", &["map(*)*", "map(*)"], "map(*)", merge).required(1),
    map("size", &["map(*)"], "xs:integer", |_, args| Ok(count(Args::new(args).map(0)?.len()))),
    map("keys", &["map(*)"], "xs:anyAtomicType*", keys),
    map("contains", &["map(*)", "xs:anyAtomicType"], "xs:boolean", contains),
    map("get", &["map(*)", "xs:anyAtomicType"], "item()*", get),
    map("find", &["item()*", "xs:anyAtomicType"], "array(*)", find),
    map("put", &["map(*)", "xs:anyAtomicType", "item()*"], "map(*)", put),
    map("entry", &["xs:anyAtomicType", "item()*"], "map(*)", entry),
    map("remove", &["map(*)", "xs:anyAtomicType*"], "map(*)", remove),
    map("for-each", &["map(*)", "function(xs:anyAtomicType, item()*) as item()*"], "item()*", for_each),
];

fn key(args: &Args, at: usize) -> Result<Atomic> {
    args.atomic(at)?.ok_or_else(|| fail("XPTY0004", "a key is one atomic value"))
}

/// The value of an option that is one string. Error: `code` when it is none of the `known`.
pub(super) fn option(options: &Map, name: &str, known: &[&str], code: &'static str) -> Result<Option<String>> {
    let Some(value) = options.get(&Atomic::string(name)) else { return Ok(None) };
    let wrong = || -> Box<Error> { fail(code, format!("option {name} is one of {}", known.join(", "))) };
    match value.single() {
        Some(Item::Atomic(Atomic::String(text, _) | Atomic::Untyped(text))) if known.contains(&text.as_str()) => {
            Ok(Some(text.to_string()))
        }
        Some(Item::Atomic(Atomic::String(..) | Atomic::Untyped(_))) => Err(wrong()),
        Some(Item::Node(node)) if known.contains(&node.string_value()) => Ok(Some(node.string_value().to_owned())),
        _ => Err(fail("XPTY0004", format!("option {name} is one string"))),
    }
}

fn merge(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let known = ["reject", "use-first", "use-last", "use-any", "combine"];
    let duplicates = match args.count() {
        2 => option(&*args.map(1)?, "duplicates", &known, "FOJS0005")?,
        _ => None,
    };
    let duplicates = duplicates.unwrap_or_else(|| "use-first".to_owned());
    let mut merged = Map::new();
    for item in args.get(0) {
        let Item::Function(Function::Map(map)) = item else { return Err(fail("XPTY0004", "a map is needed")) };
        if merged.is_empty() {
            merged = (*map).clone();
            continue;
        }
        for (key, value) in map.iter() {
            match (merged.get(key), duplicates.as_str()) {
                (None, _) | (Some(_), "use-last") => {
                    merged.put(key.clone(), value.clone());
                }
                (Some(_), "reject") => {
                    return Err(fail("FOJS0003", format!("key {} comes twice", key.to_str())));
                }
                (Some(before), "combine") => {
                    let both = Sequence::concat(vec![before.clone(), value.clone()]);
                    merged.put(key.clone(), both);
                }
                (Some(_), _) => {}
            }
        }
    }
    Ok(Sequence::from(Function::from(merged)))
}

fn keys(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    Ok(Args::new(args).map(0)?.iter().map(|(key, _)| Item::Atomic(key.clone())).collect())
}

fn contains(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    Ok(boolean(args.map(0)?.get(&key(&args, 1)?).is_some()))
}

fn get(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    Ok(args.map(0)?.get(&key(&args, 1)?).cloned().unwrap_or_default())
}

/// §17.1.7: looks in maps and arrays at every depth.
fn find(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let key = key(&args, 1)?;
    let mut found = Vec::new();
    let mut pending: Vec<Item> = args.get(0).iter().rev().collect();
    while let Some(item) = pending.pop() {
        match item {
            Item::Function(Function::Map(map)) => {
                found.extend(map.get(&key).cloned());
                let inner: Vec<Item> = map.iter().flat_map(|(_, value)| value.iter().collect::<Vec<_>>()).collect();
                pending.extend(inner.into_iter().rev());
            }
            Item::Function(Function::Array(array)) => {
                let inner: Vec<Item> = array.members().iter().flat_map(Sequence::iter).collect();
                pending.extend(inner.into_iter().rev());
            }
            Item::Node(_) | Item::Atomic(_) | Item::Function(Function::Callable(_)) => {}
        }
    }
    Ok(Sequence::from(Function::from(Array::new(found))))
}

fn put(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let key = key(&args, 1)?;
    let mut map = (*args.map(0)?).clone();
    map.put(key, args.take(2));
    Ok(Sequence::from(Function::from(map)))
}

fn entry(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut args = Args::new(args);
    let key = key(&args, 0)?;
    Ok(Sequence::from(Function::from(Map::from_iter([(key, args.take(1))]))))
}

fn remove(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let mut map = args.map(0)?;
    for key in args.get(1).atomize()? {
        if map.get(&key).is_some() {
            Arc::make_mut(&mut map).remove(&key);
        }
    }
    Ok(Sequence::from(Function::Map(map)))
}

fn for_each(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (map, action) = (args.map(0)?, args.function(1)?);
    let mut results = Vec::with_capacity(map.len());
    for (key, value) in map.iter() {
        results.push(ctx.call(&action, vec![Sequence::from(key.clone()), value.clone()])?);
    }
    Ok(Sequence::concat(results))
}
