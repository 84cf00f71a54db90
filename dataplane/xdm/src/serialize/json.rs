//! The json output method — Serialization 3.1 §9.

use super::{Method, Parameters};
use crate::atomic::Atomic;
use crate::error::{Result, fail};
use crate::function::Function;
use crate::item::Item;
use crate::sequence::Sequence;
use hashbrown::HashSet;

/// What is still to be written; a stack, so that depth is no concern.
enum Todo {
    Value(Sequence),
    Text(String),
}

pub(super) fn write(sequence: &Sequence, parameters: &Parameters) -> Result<String> {
    let mut out = String::new();
    let mut todo = vec![Todo::Value(sequence.clone())];
    while let Some(next) = todo.pop() {
        match next {
            Todo::Text(text) => out.push_str(&text),
            Todo::Value(value) => match value.len() {
                0 => out.push_str("null"),
                1 => item(&mut out, &value.first().unwrap_or(Item::integer(0)), parameters, &mut todo)?,
                _ => return Err(fail("SERE0023", "a value of JSON is one item")),
            },
        }
    }
    Ok(out)
}

fn item(out: &mut String, item: &Item, parameters: &Parameters, todo: &mut Vec<Todo>) -> Result<()> {
    match item {
        Item::Function(Function::Array(array)) => {
            out.push('[');
            todo.push(Todo::Text("]".to_owned()));
            for (at, member) in array.members().iter().enumerate().rev() {
                todo.push(Todo::Value(member.clone()));
                if at > 0 {
                    todo.push(Todo::Text(",".to_owned()));
                }
            }
        }
        Item::Function(Function::Map(map)) => {
            out.push('{');
            todo.push(Todo::Text("}".to_owned()));
            let mut names = HashSet::new();
            let entries: Vec<_> = map.iter().collect();
            for (at, (key, value)) in entries.into_iter().enumerate().rev() {
                let name = key.to_str();
                if !names.insert(name.clone()) && !parameters.allow_duplicate_names {
                    return Err(fail("SERE0022", format!("key {name} comes twice")));
                }
                todo.push(Todo::Value(value.clone()));
                let mut text = String::from(if at > 0 { "," } else { "" });
                string(&mut text, &name, parameters);
                text.push(':');
                todo.push(Todo::Text(text));
            }
        }
        Item::Function(Function::Callable(_)) => return Err(fail("SERE0021", "a function has no form in JSON")),
        Item::Atomic(Atomic::Boolean(value)) => out.push_str(if *value { "true" } else { "false" }),
        Item::Atomic(value) if value.type_of().is_numeric() => {
            if value.to_double().is_some_and(|value| !value.is_finite()) {
                return Err(fail("SERE0020", format!("{} has no form in JSON", value.to_str())));
            }
            out.push_str(&value.to_str());
        }
        Item::Atomic(value) => string(out, &value.to_str(), parameters),
        Item::Node(node) => {
            let method = parameters.json_node_output_method;
            let method = if matches!(method, Method::Json | Method::Adaptive) { Method::Xml } else { method };
            let inner = Parameters { method, omit_declaration: true, ..Parameters::default() };
            string(out, &super::sequence(&Sequence::from(node.clone()), &inner)?, parameters);
        }
    }
    Ok(())
}

fn string(out: &mut String, text: &str, parameters: &Parameters) {
    out.push('"');
    let last_char = match parameters.encoding.to_ascii_uppercase().as_str() {
        "US-ASCII" | "ASCII" => 0x7F,
        "ISO-8859-1" => 0xFF,
        _ => 0x10_FFFF,
    };
    for c in text.chars() {
        if let Some(by) = parameters.character_map.get(&c) {
            out.push_str(by);
            continue;
        }
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{C}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || ('\u{7F}'..='\u{9F}').contains(&c) || u32::from(c) > last_char => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
