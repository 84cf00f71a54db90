//! Modules loaded while a query runs, and stylesheets, which are refused — F&O 3.1 §16.2.1, §14.8.3.

use super::args::Args;
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use crate::eval::ModuleRequest;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::function::Map;
use phoenixmldb_xdm::{Atomic, Function, Item, Sequence, Str};
use std::collections::HashMap;

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("load-xquery-module", &["xs:string", "map(*)"], "map(*)", load_xquery_module)
        .required(1)
        .depends(Depends::Outside),
    fun("transform", &["map(*)"], "map(*)", |_, _| {
        Err(fail("FOXT0004", "there is no XSLT processor; write the transformation in XQuery"))
    })
    .depends(Depends::Outside),
];

/// An option that is a sequence of strings.
fn texts(options: &Map, name: &str) -> Result<Vec<Str>> {
    let values = options.get(&Atomic::string(name)).cloned().unwrap_or_default().atomize()?;
    let text = |value: &Atomic| match value {
        Atomic::String(text, _) | Atomic::Untyped(text) | Atomic::AnyUri(text) => Ok(text.clone()),
        other => Err(fail("XPTY0004", format!("option {name} is a string, not {}", other.type_of()))),
    };
    values.iter().map(text).collect()
}

fn load_xquery_module(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let uri = args.text_or_empty(0)?;
    if uri.is_empty() {
        return Err(fail("FOQM0001", "a module has a namespace, which is not empty"));
    }
    let options = match args.get(1).first() {
        Some(Item::Function(Function::Map(map))) => Map::clone(&map),
        _ => Map::new(),
    };
    if let Some(version) = options.get(&Atomic::string("xquery-version")) {
        let number = match &version.atomize()?[..] {
            [number @ (Atomic::Decimal(_) | Atomic::Integer(..))] => number.to_double().unwrap_or(f64::NAN),
            _ => return Err(fail("XPTY0004", "option xquery-version is one xs:decimal")),
        };
        if !(1.0..=3.1).contains(&number) {
            return Err(fail("FOQM0006", "only XQuery up to version 3.1 is there"));
        }
    }
    let context_item = options.get(&Atomic::string("context-item")).cloned().unwrap_or_default();
    if context_item.len() > 1 {
        return Err(fail("FOQM0005", "the context item is one item"));
    }
    let mut variables = HashMap::new();
    match options.get(&Atomic::string("variables")).map(Sequence::single) {
        None => {}
        Some(Some(Item::Function(Function::Map(map)))) => {
            for (name, value) in map.iter() {
                let Atomic::QName(name) = name else {
                    return Err(fail("XPTY0004", "variables are given by their names, which are xs:QName"));
                };
                variables.insert(phoenixmldb_xdm::QName::clone(name), value.clone());
            }
        }
        Some(_) => return Err(fail("XPTY0004", "option variables is a map")),
    }
    match options.get(&Atomic::string("vendor-options")).map(Sequence::single) {
        None => {}
        // There are none to know.
        Some(Some(Item::Function(Function::Map(map))))
            if map.iter().all(|(key, _)| matches!(key, Atomic::QName(_))) => {}
        Some(_) => return Err(fail("XPTY0004", "option vendor-options is a map whose keys are xs:QName")),
    }
    let request = ModuleRequest {
        uri,
        hints: texts(&options, "location-hints")?,
        context_item: context_item.first(),
        variables,
        base_uri: ctx.static_context.base_uri.clone(),
    };
    ctx.evaluator.load_module(request)
}
