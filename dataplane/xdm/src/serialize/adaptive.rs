//! The adaptive output method — Serialization 3.1 §10. For people: every value has a form.

use super::{Method, Parameters};
use crate::atomic::{Atomic, AtomicType, format_double};
use crate::error::Result;
use crate::function::Function;
use crate::item::Item;
use crate::sequence::Sequence;
use crate::tree::NodeKind;

pub(super) fn write(sequence: &Sequence, parameters: &Parameters) -> Result<String> {
    let separator = parameters.item_separator.clone().unwrap_or_else(|| "\n".into());
    let mut out = String::new();
    for (at, item) in sequence.iter().enumerate() {
        if at > 0 {
            out.push_str(&separator);
        }
        one(&mut out, &item, parameters)?;
    }
    Ok(out)
}

/// Parts of a nested value still to be written; a stack, so that depth is no concern.
enum Todo {
    Item(Item),
    Text(String),
}

fn one(out: &mut String, item: &Item, parameters: &Parameters) -> Result<()> {
    let mut todo = vec![Todo::Item(item.clone())];
    while let Some(next) = todo.pop() {
        let item = match next {
            Todo::Text(text) => {
                out.push_str(&text);
                continue;
            }
            Todo::Item(item) => item,
        };
        match item {
            Item::Atomic(value) => atomic(out, &value),
            Item::Node(node) if node.kind() == NodeKind::Attribute => {
                let name = node.name().map(crate::QName::lexical).unwrap_or_default();
                let value = node.string_value().replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
                out.push_str(&format!("{name}=\"{value}\""));
            }
            Item::Node(node) => {
                let inner = Parameters { method: Method::Xml, item_separator: None, ..parameters.clone() };
                out.push_str(&super::sequence(&Sequence::from(node), &inner)?);
            }
            Item::Function(Function::Array(array)) => {
                let mut parts = vec![Todo::Text("[".to_owned())];
                for (at, member) in array.members().iter().enumerate() {
                    if at > 0 {
                        parts.push(Todo::Text(",".to_owned()));
                    }
                    value(&mut parts, member);
                }
                parts.push(Todo::Text("]".to_owned()));
                todo.extend(parts.into_iter().rev());
            }
            Item::Function(Function::Map(map)) => {
                let mut parts = vec![Todo::Text("map{".to_owned())];
                for (at, (key, member)) in map.iter().enumerate() {
                    if at > 0 {
                        parts.push(Todo::Text(",".to_owned()));
                    }
                    parts.push(Todo::Item(Item::Atomic(key.clone())));
                    parts.push(Todo::Text(":".to_owned()));
                    value(&mut parts, member);
                }
                parts.push(Todo::Text("}".to_owned()));
                todo.extend(parts.into_iter().rev());
            }
            Item::Function(Function::Callable(callable)) => {
                let name = callable.name().map(|name| match &*name.uri {
                    "http://www.w3.org/2005/xpath-functions" => format!("fn:{}", name.local),
                    "http://www.w3.org/2005/xpath-functions/math" => format!("math:{}", name.local),
                    "http://www.w3.org/2005/xpath-functions/map" => format!("map:{}", name.local),
                    "http://www.w3.org/2005/xpath-functions/array" => format!("array:{}", name.local),
                    "http://www.w3.org/2001/XMLSchema" => format!("xs:{}", name.local),
                    uri => format!("Q{{{uri}}}{}", name.local),
                });
                let name = name.unwrap_or_else(|| "(anonymous-function)".to_owned());
                out.push_str(&format!("{name}#{}", callable.arity()));
            }
        }
    }
    Ok(())
}

/// A member: in parentheses unless it is one item.
fn value(parts: &mut Vec<Todo>, member: &Sequence) {
    let in_parentheses = member.len() != 1;
    if in_parentheses {
        parts.push(Todo::Text("(".to_owned()));
    }
    for (at, item) in member.iter().enumerate() {
        if at > 0 {
            parts.push(Todo::Text(",".to_owned()));
        }
        parts.push(Todo::Item(item));
    }
    if in_parentheses {
        parts.push(Todo::Text(")".to_owned()));
    }
}

fn atomic(out: &mut String, value: &Atomic) {
    let text = value.to_str();
    match value {
        Atomic::Boolean(value) => out.push_str(if *value { "true()" } else { "false()" }),
        Atomic::Untyped(_) | Atomic::String(..) | Atomic::AnyUri(_) => {
            out.push_str(&format!("\"{}\"", text.replace('"', "\"\"")));
        }
        Atomic::Integer(..) | Atomic::Decimal(_) => out.push_str(&text),
        Atomic::Double(value) => out.push_str(&double(*value)),
        Atomic::QName(name) | Atomic::Notation(name) => {
            out.push_str(&format!("Q{{{}}}{}", name.uri, name.local));
        }
        other => {
            let shown = match other.type_of() {
                AtomicType::DateTimeStamp => AtomicType::DateTime,
                AtomicType::YearMonthDuration | AtomicType::DayTimeDuration => AtomicType::Duration,
                shown => shown,
            };
            out.push_str(&format!("{shown}(\"{text}\")"));
        }
    }
}

/// A double with an exponent, as in `1.0e0`.
fn double(value: f64) -> String {
    if !value.is_finite() {
        return format_double(value);
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => text,
    }
}
