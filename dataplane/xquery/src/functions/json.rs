//! JSON — F&O 3.1 §17.5: to maps and arrays, to XML, and back to text.

use super::args::Args;
use super::documents::raw_text_at;
use super::json_text::{Event, Reading, Text, read};
use super::maps::option;
use super::signature::{Depends, FunctionEntry, fun};
use crate::context::FN_NAMESPACE;
use crate::eval::CallContext;
use hashbrown::HashSet;
use phoenixmldb_xdm::axes::{Axis, NodeTest, step};
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::{
    Array, Atomic, AtomicType, EventSink, Function, Item, Map, Node, NodeKind, QName, Sequence, SinkError, Str,
    TreeBuilder,
};

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("parse-json", &["xs:string?", "map(*)"], "item()?", parse_json).required(1),
    fun("json-doc", &["xs:string?", "map(*)"], "item()?", json_doc).required(1).depends(Depends::Context),
    fun("json-to-xml", &["xs:string?", "map(*)"], "document-node()?", json_to_xml).required(1),
    fun("xml-to-json", &["node()?", "map(*)"], "xs:string?", xml_to_json).required(1),
];

/// The options of the parsing functions.
struct Options {
    reading: Reading,
    duplicates: String,
    fallback: Option<Function>,
}

fn flag(options: &Map, name: &str) -> Result<Option<bool>> {
    let Some(value) = options.get(&Atomic::string(name)) else { return Ok(None) };
    match &value.atomize()?[..] {
        [Atomic::Boolean(value)] => Ok(Some(*value)),
        [value @ Atomic::Untyped(_)] => match value.cast_as(AtomicType::Boolean, &|_| None)? {
            Atomic::Boolean(value) => Ok(Some(value)),
            _ => Ok(None),
        },
        _ => Err(fail("XPTY0004", format!("option {name} is one xs:boolean"))),
    }
}

fn options(args: &Args, duplicates: &[&str]) -> Result<Options> {
    let default = if duplicates.contains(&"retain") { "retain" } else { "use-first" };
    let mut found = Options { reading: Reading::default(), duplicates: default.to_owned(), fallback: None };
    if args.count() < 2 {
        return Ok(found);
    }
    let map = args.map(1)?;
    found.reading.liberal = flag(&map, "liberal")?.unwrap_or(false);
    found.reading.escape = flag(&map, "escape")?.unwrap_or(false);
    let is_validated = duplicates.contains(&"retain") && flag(&map, "validate")?.unwrap_or(false);
    if is_validated {
        return Err(fail("FOJS0004", "validation needs a schema, and this engine has none"));
    }
    if let Some(value) = option(&map, "duplicates", duplicates, "FOJS0005")? {
        found.duplicates = value;
    }
    if let Some(value) = map.get(&Atomic::string("fallback")) {
        let Some(Item::Function(function)) = value.single() else {
            return Err(fail("XPTY0004", "option fallback is one function"));
        };
        if function.arity() != 1 {
            return Err(fail("XPTY0004", "option fallback is a function of one argument"));
        }
        if found.reading.escape {
            return Err(fail("FOJS0005", "options escape and fallback exclude each other"));
        }
        found.fallback = Some(function);
    }
    Ok(found)
}

/// The value of a string under the options.
fn string(ctx: &mut CallContext<'_>, text: &Text, options: &Options) -> Result<String> {
    if options.reading.escape {
        return Ok(text.with_escapes());
    }
    text.plain(&mut |unit| match &options.fallback {
        None => Ok("\u{FFFD}".to_owned()),
        Some(function) => {
            let escape = Sequence::string(format!("\\u{unit:04X}"));
            let result = ctx.call(function, vec![escape])?.atomize()?;
            match &result[..] {
                [value] => Ok(value.to_str().to_string()),
                _ => Err(fail("XPTY0004", "the fallback function returns one string")),
            }
        }
    })
}

fn duplicate(key: &str) -> Box<Error> {
    fail("FOJS0003", format!("JSON: key {key:?} comes twice in an object"))
}

/// An object or array that is being filled.
enum Open {
    Object(Map, Option<String>),
    Array(Vec<Sequence>),
}

fn to_items(ctx: &mut CallContext<'_>, events: &[Event], options: &Options) -> Result<Sequence> {
    let mut open: Vec<Open> = Vec::new();
    for event in events {
        let value = match event {
            Event::StartObject => {
                open.push(Open::Object(Map::new(), None));
                continue;
            }
            Event::StartArray => {
                open.push(Open::Array(Vec::new()));
                continue;
            }
            Event::Key(text) => {
                let name = string(ctx, text, options)?;
                if let Some(Open::Object(_, key)) = open.last_mut() {
                    *key = Some(name);
                }
                continue;
            }
            Event::EndObject | Event::EndArray => match open.pop() {
                Some(Open::Object(map, _)) => Sequence::from(Function::from(map)),
                Some(Open::Array(members)) => Sequence::from(Function::from(Array::new(members))),
                None => Sequence::Empty,
            },
            Event::String(text) => Sequence::string(string(ctx, text, options)?),
            Event::Number(text) => Sequence::from(Atomic::Double(text.parse().unwrap_or(f64::NAN))),
            Event::Boolean(value) => Sequence::from(Atomic::Boolean(*value)),
            Event::Null => Sequence::Empty,
        };
        match open.last_mut() {
            None => return Ok(value),
            Some(Open::Array(members)) => members.push(value),
            Some(Open::Object(map, key)) => {
                let name = key.take().unwrap_or_default();
                let key = Atomic::string(name.as_str());
                match (map.get(&key).is_some(), options.duplicates.as_str()) {
                    (true, "reject") => return Err(duplicate(&name)),
                    (true, "use-first") => {}
                    _ => {
                        map.put(key, value);
                    }
                }
            }
        }
    }
    Ok(Sequence::Empty)
}

fn parse_json(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let options = options(&args, &["reject", "use-first", "use-last"])?;
    let Some(text) = args.text(0)? else { return Ok(Sequence::Empty) };
    to_items(ctx, &read(&text, options.reading)?, &options)
}

fn json_doc(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let options = options(&args, &["reject", "use-first", "use-last"])?;
    let Some(href) = args.text(0)? else { return Ok(Sequence::Empty) };
    let text = raw_text_at(ctx, &href, None)?;
    to_items(ctx, &read(&text, options.reading)?, &options)
}

fn name(local: &str) -> QName {
    QName::new("", FN_NAMESPACE, local)
}

fn sink_error(error: SinkError) -> Box<Error> {
    fail("FOJS0001", error.to_string())
}

fn json_to_xml(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let options = options(&args, &["reject", "use-first", "retain"])?;
    let Some(text) = args.text(0)? else { return Ok(Sequence::Empty) };
    let events = read(&text, options.reading)?;
    let mut builder = TreeBuilder::new(ctx.static_context.base_uri.clone());
    builder.start_document().map_err(sink_error)?;
    let mut key: Option<Text> = None;
    let mut names: Vec<HashSet<String>> = Vec::new();
    // Depth of a member that is left out because its key came before.
    let mut skipped: Option<usize> = None;
    let mut depth: usize = 0;
    for event in &events {
        if let Some(from) = skipped {
            match event {
                Event::StartObject | Event::StartArray => depth += 1,
                Event::EndObject | Event::EndArray => depth -= 1,
                _ => {}
            }
            if depth == from {
                skipped = None;
            }
            continue;
        }
        let (local, text) = match event {
            Event::Key(text) => {
                let plain = text.plain(&mut |unit| Ok(format!("\\u{unit:04X}")))?;
                let is_new = names.last_mut().is_none_or(|names| names.insert(plain.clone()));
                match (is_new, options.duplicates.as_str()) {
                    (false, "reject") => return Err(duplicate(&plain)),
                    (false, "use-first") => skipped = Some(depth),
                    _ => key = Some(text.clone()),
                }
                continue;
            }
            Event::EndObject | Event::EndArray => {
                depth -= 1;
                if *event == Event::EndObject {
                    names.pop();
                }
                builder.end_element().map_err(sink_error)?;
                continue;
            }
            Event::StartObject => ("map", None),
            Event::StartArray => ("array", None),
            Event::String(text) => ("string", Some(text.clone())),
            Event::Number(_) => ("number", None),
            Event::Boolean(_) => ("boolean", None),
            Event::Null => ("null", None),
        };
        builder.start_element(&name(local)).map_err(sink_error)?;
        if depth == 0 {
            builder.namespace("", FN_NAMESPACE).map_err(sink_error)?;
        }
        let has_escapes = |value: &str| options.reading.escape && value.contains('\\');
        if let Some(text) = key.take() {
            let value = string(ctx, &text, &options)?;
            builder.attribute(&QName::local("key"), &value, false).map_err(sink_error)?;
            if has_escapes(&value) {
                builder.attribute(&QName::local("escaped-key"), "true", false).map_err(sink_error)?;
            }
        }
        match (event, text) {
            (Event::StartObject, _) => {
                names.push(HashSet::new());
                depth += 1;
                continue;
            }
            (Event::StartArray, _) => {
                depth += 1;
                continue;
            }
            (_, Some(text)) => {
                let value = string(ctx, &text, &options)?;
                if has_escapes(&value) {
                    builder.attribute(&QName::local("escaped"), "true", false).map_err(sink_error)?;
                }
                builder.text(&value).map_err(sink_error)?;
            }
            (Event::Number(text), _) => builder.text(text).map_err(sink_error)?,
            (Event::Boolean(value), _) => builder.text(if *value { "true" } else { "false" }).map_err(sink_error)?,
            _ => {}
        }
        builder.end_element().map_err(sink_error)?;
    }
    builder.end_document().map_err(sink_error)?;
    Ok(Sequence::from(Node::root_of(&builder.finish())))
}

fn not_json(reason: impl Into<String>) -> Box<Error> {
    fail("FOJS0006", reason)
}

fn xml_to_json(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let indented = args.count() > 1 && flag(&*args.map(1)?, "indent")?.unwrap_or(false);
    let Some(node) = args.node(0)? else { return Ok(Sequence::Empty) };
    let element = match node.kind() {
        NodeKind::Element => node,
        NodeKind::Document => match &children(&node)?[..] {
            [only] => only.clone(),
            _ => return Err(not_json("a document of JSON has one element")),
        },
        _ => return Err(not_json("a document or an element is needed")),
    };
    let mut out = String::new();
    write_element(&mut out, &element)?;
    Ok(Sequence::string(if indented { indent(&out) } else { out }))
}

/// JSON with a line for every member.
fn indent(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut previous = ' ';
    for c in json.chars() {
        let is_mark = !in_string && matches!(c, '{' | '[' | '}' | ']' | ',');
        if !in_string && matches!(previous, '{' | '[') && !matches!(c, '}' | ']') {
            depth += 1;
            line(&mut out, depth);
        }
        if is_mark && matches!(c, '}' | ']') && !matches!(previous, '{' | '[') {
            depth = depth.saturating_sub(1);
            line(&mut out, depth);
        }
        out.push(c);
        if is_mark && c == ',' {
            line(&mut out, depth);
        }
        in_string = if c == '"' && !escaped { !in_string } else { in_string };
        escaped = in_string && c == '\\' && !escaped;
        previous = if in_string { ' ' } else { c };
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Child elements; other text than white space is an error.
fn children(node: &Node) -> Result<Vec<Node>> {
    let mut rows = Vec::new();
    step(&node.tree, node.pre, Axis::Child, NodeTest::Any, &mut rows);
    let mut found = Vec::new();
    for pre in rows {
        let child = Node { tree: node.tree.clone(), pre };
        match child.kind() {
            NodeKind::Element => found.push(child),
            NodeKind::Text if !child.string_value().trim().is_empty() => {
                return Err(not_json("text stands between elements"));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Attributes without a namespace; others of the JSON vocabulary's namespace are errors.
fn attributes(node: &Node, known: &[&str]) -> Result<Vec<(Str, Str)>> {
    let mut rows = Vec::new();
    step(&node.tree, node.pre, Axis::Attribute, NodeTest::Any, &mut rows);
    let mut found = Vec::new();
    for pre in rows {
        let attribute = Node { tree: node.tree.clone(), pre };
        let Some(name) = attribute.name() else { continue };
        if name.uri == FN_NAMESPACE || name.uri.is_empty() && !known.contains(&name.local.as_str()) {
            return Err(not_json(format!("attribute {name} is not allowed")));
        }
        if name.uri.is_empty() {
            found.push((name.local.clone(), Str::from(attribute.string_value())));
        }
    }
    Ok(found)
}

fn is_true(attributes: &[(Str, Str)], name: &str) -> Result<bool> {
    match attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim()) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(other) => Err(not_json(format!("{name} is a boolean, not {other:?}"))),
    }
}

/// Pending work of the writer.
enum Todo {
    Element(Node, bool),
    Text(String),
}

fn write_element(out: &mut String, element: &Node) -> Result<()> {
    let mut todo = vec![Todo::Element(element.clone(), false)];
    while let Some(next) = todo.pop() {
        match next {
            Todo::Text(text) => out.push_str(&text),
            Todo::Element(element, in_map) => write_one(out, &element, in_map, &mut todo)?,
        }
    }
    Ok(())
}

fn write_one(out: &mut String, element: &Node, in_map: bool, todo: &mut Vec<Todo>) -> Result<()> {
    let name = element.name().filter(|name| name.uri == FN_NAMESPACE);
    let local = name.map(|name| name.local.clone()).ok_or_else(|| not_json("an element of another namespace"))?;
    let known: &[&str] = match local.as_str() {
        "string" => &["key", "escaped-key", "escaped"],
        _ if in_map => &["key", "escaped-key"],
        _ => &["key", "escaped-key", "escaped"],
    };
    let attributes = attributes(element, known)?;
    is_true(&attributes, "escaped-key")?;
    is_true(&attributes, "escaped")?;
    let only_text = || -> Result<&str> {
        if children(element).is_ok_and(|children| children.is_empty()) || !element_children(element) {
            Ok(element.string_value())
        } else {
            Err(not_json(format!("{local} has child elements")))
        }
    };
    match local.as_str() {
        "null" => {
            if !only_text()?.is_empty() {
                return Err(not_json("null is empty"));
            }
            out.push_str("null");
        }
        "boolean" => match only_text()?.trim() {
            "true" | "1" => out.push_str("true"),
            "false" | "0" => out.push_str("false"),
            other => return Err(not_json(format!("{other:?} is no boolean"))),
        },
        "number" => {
            let text = Atomic::string(only_text()?);
            let number = text.cast_as(AtomicType::Double, &|_| None).map_err(|_| not_json("not a number"))?;
            if !number.to_double().is_some_and(f64::is_finite) {
                return Err(not_json("JSON has no such number"));
            }
            out.push_str(&number.to_str());
        }
        "string" => write_string(out, only_text()?, is_true(&attributes, "escaped")?)?,
        "array" => {
            out.push('[');
            todo.push(Todo::Text("]".to_owned()));
            for (at, child) in children(element)?.into_iter().enumerate().rev() {
                todo.push(Todo::Element(child, false));
                if at > 0 {
                    todo.push(Todo::Text(",".to_owned()));
                }
            }
        }
        "map" => {
            out.push('{');
            todo.push(Todo::Text("}".to_owned()));
            let mut keys = HashSet::new();
            for (at, child) in children(element)?.into_iter().enumerate().rev() {
                let of_child = self::attributes(&child, &["key", "escaped-key", "escaped"])?;
                let key = of_child.iter().find(|(name, _)| name == "key").map(|(_, value)| value.clone());
                let key = key.ok_or_else(|| not_json("a member of a map has no key"))?;
                let mut text = String::from(if at > 0 { "," } else { "" });
                let mut written = String::new();
                write_string(&mut written, &key, is_true(&of_child, "escaped-key")?)?;
                let meaning = match &read(&written, Reading::default())?[..] {
                    [Event::String(text)] => text.units.clone(),
                    _ => Vec::new(),
                };
                if !keys.insert(meaning) {
                    return Err(not_json(format!("key {key:?} comes twice in a map")));
                }
                text.push_str(&written);
                text.push(':');
                todo.push(Todo::Element(child, true));
                todo.push(Todo::Text(text));
            }
        }
        other => return Err(not_json(format!("{other} is no element of JSON"))),
    }
    Ok(())
}

fn element_children(element: &Node) -> bool {
    let mut rows = Vec::new();
    step(&element.tree, element.pre, Axis::Child, NodeTest::Kind(NodeKind::Element), &mut rows);
    !rows.is_empty()
}

/// A string in quotes; with `escaped`, its escapes stay. Error: FOJS0007.
fn write_string(out: &mut String, text: &str, escaped: bool) -> Result<()> {
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if escaped => {
                let wrong = || fail("FOJS0007", format!("{text:?} has an escape that JSON does not have"));
                out.push('\\');
                let c = chars.next().ok_or_else(wrong)?;
                out.push(c);
                match c {
                    '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {}
                    'u' => {
                        for _ in 0..4 {
                            out.push(chars.next().filter(char::is_ascii_hexdigit).ok_or_else(wrong)?);
                        }
                    }
                    _ => return Err(wrong()),
                }
            }
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{C}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || ('\u{7F}'..='\u{9F}').contains(&c) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}
