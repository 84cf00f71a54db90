//! `fn:parse-xml`, `fn:parse-xml-fragment` and `fn:serialize` — F&O 3.1 §14.7.

use super::args::Args;
use super::signature::{Depends, FunctionEntry, fun};
use crate::context::{OUTPUT_NAMESPACE, Resolver, StaticContext};
use crate::eval::CallContext;
use phoenixmldb_xdm::axes::{Axis, NodeTest, step};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::serialize::{self, Parameters};
use phoenixmldb_xdm::{
    Atomic, EventSink, Function, Item, Map, Node, NodeKind, ParseOptions, Sequence, Str, TreeBuilder, parse_xml,
};

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("parse-xml", &["xs:string?"], "document-node()?", parse).depends(Depends::Context),
    fun("parse-xml-fragment", &["xs:string?"], "document-node()?", parse_fragment).depends(Depends::Context),
    fun("serialize", &["item()*", "item()?"], "xs:string", serialize).required(1).depends(Depends::Context),
];

fn parse(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let Some(text) = Args::new(args).text(0)? else { return Ok(Sequence::Empty) };
    let options = ParseOptions { document_uri: ctx.static_context.base_uri.clone(), ..ParseOptions::default() };
    // The text is decoded already, whatever its declaration says.
    let tree = parse_xml(without_encoding(&text).as_bytes(), &options);
    let tree = tree.map_err(|error| fail("FODC0006", error.to_string()))?;
    Ok(Sequence::from(Node::root_of(&tree)))
}

/// The text with the encoding taken out of its declaration.
fn without_encoding(text: &str) -> String {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let end = if text.starts_with("<?xml") { text.find("?>").unwrap_or(0) } else { 0 };
    let Some(at) = text[..end].find("encoding") else { return text.to_owned() };
    let rest = &text[at..end];
    let after = rest.find(['"', '\'']).and_then(|open| {
        let quote = &rest[open..=open];
        rest[open + 1..].find(quote).map(|close| open + close + 2)
    });
    after.map_or_else(|| text.to_owned(), |length| format!("{}{}", &text[..at], &text[at + length..]))
}

fn parse_fragment(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let Some(given) = Args::new(args).text(0)? else { return Ok(Sequence::Empty) };
    let text = without_encoding(&given);
    let wrong = |reason: String| fail("FODC0006", reason);
    let mut content = text.as_str();
    if let Some(rest) = content.strip_prefix("<?xml")
        && rest.starts_with([' ', '\t', '\r', '\n'])
    {
        let (declaration, after) = rest.split_once("?>").ok_or_else(|| wrong("?> is missing".to_owned()))?;
        // A text declaration has an encoding, and no standalone.
        if given.strip_prefix('\u{FEFF}').unwrap_or(&given).len() == text.len() {
            return Err(wrong("the declaration of a fragment says its encoding".to_owned()));
        }
        if declaration.contains("standalone") {
            return Err(wrong("a fragment has no standalone declaration".to_owned()));
        }
        content = after;
    }
    if content.trim_start().starts_with("<!DOCTYPE") {
        return Err(wrong("a fragment has no document type".to_owned()));
    }
    let wrapped = format!("<w>{content}</w>");
    let tree = parse_xml(wrapped.as_bytes(), &ParseOptions::default()).map_err(|error| wrong(error.to_string()))?;
    let mut rows = Vec::new();
    step(&tree, 1, Axis::Child, NodeTest::Any, &mut rows);
    if tree.size(0) != tree.size(1) + 1 {
        return Err(wrong("the fragment ends an element it did not begin".to_owned()));
    }
    let mut builder = TreeBuilder::new(ctx.static_context.base_uri.clone());
    let build = || {
        builder.start_document()?;
        for pre in rows {
            Node { tree: tree.clone(), pre }.send(&mut builder)?;
        }
        builder.end_document()
    };
    build().map_err(|error| wrong(error.to_string()))?;
    Ok(Sequence::from(Node::root_of(&builder.finish())))
}

fn serialize(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let parameters = match args.get(1).first() {
        None => Parameters::default(),
        Some(Item::Function(Function::Map(map))) => of_map(&map)?,
        Some(Item::Node(node)) => of_element(&node)?,
        Some(_) => return Err(fail("XPTY0004", "serialization parameters are a map or an element")),
    };
    Ok(Sequence::string(serialize::sequence(args.get(0), &parameters)?))
}

/// The serialization parameters that the options of a prolog give (XQuery 3.1 §2.2.4).
///
/// Errors: SEPM0016 and its like for values, XQST0119 for a parameter document that is not one.
pub fn declared_parameters(context: &StaticContext, resolver: &dyn Resolver) -> Result<Parameters> {
    let mut parameters = Parameters { omit_declaration: false, ..Parameters::default() };
    let document = context.serialization.iter().find(|(name, _)| name.local == "parameter-document");
    if let Some((_, href)) = document {
        let wrong = || fail("XQST0119", format!("{href} is no document of serialization parameters"));
        let uri = super::uri::resolve(href, context.base_uri.as_deref().map(|base| base as &str)).ok_or_else(wrong)?;
        let document = resolver.document(&uri).map_err(|_| wrong())?;
        let root = elements(&document).into_iter().next().ok_or_else(wrong)?;
        parameters = of_element_over(parameters, &root)?;
    }
    for (name, value) in &context.serialization {
        if matches!(name.local.as_str(), "cdata-section-elements" | "suppress-indentation") {
            let one = |lexical: &str| {
                if lexical.starts_with("Q{") {
                    return lexical.to_owned();
                }
                let (prefix, local) = lexical.split_once(':').unwrap_or(("", lexical));
                format!("Q{{{}}}{local}", context.namespace(prefix).unwrap_or_default())
            };
            let spelled: Vec<String> = value.split_ascii_whitespace().map(one).collect();
            parameters.set(&name.local, &spelled.join(" "))?;
        } else {
            parameters.set(&name.local, value)?;
        }
    }
    Ok(parameters)
}

const BOOLEANS: &[&str] = &[
    "allow-duplicate-names",
    "byte-order-mark",
    "escape-uri-attributes",
    "include-content-type",
    "indent",
    "omit-xml-declaration",
    "standalone",
    "undeclare-prefixes",
];
const STRINGS: &[&str] = &[
    "doctype-public",
    "doctype-system",
    "encoding",
    "item-separator",
    "json-node-output-method",
    "media-type",
    "method",
    "normalization-form",
    "version",
];

fn of_map(map: &Map) -> Result<Parameters> {
    let mut parameters = Parameters::default();
    for (key, value) in map.iter() {
        let Atomic::String(name, _) = key else { continue };
        if value.is_empty() {
            continue;
        }
        let wrong = || fail("XPTY0004", format!("serialization parameter {name} has a value of another type"));
        let values = if name == "use-character-maps" { Vec::new() } else { value.atomize()? };
        match (name.as_str(), &values[..]) {
            ("use-character-maps", _) => {
                let Some(Item::Function(Function::Map(map))) = value.single() else { return Err(wrong()) };
                for (from, to) in map.iter() {
                    let (Atomic::String(from, _), [Atomic::String(to, _)]) = (from, &to.atomize()?[..]) else {
                        return Err(wrong());
                    };
                    let mut chars = from.chars();
                    let (Some(from), None) = (chars.next(), chars.next()) else {
                        return Err(fail("SEPM0016", "a character map maps single characters"));
                    };
                    parameters.character_map.insert(from, to.clone());
                }
            }
            ("cdata-section-elements" | "suppress-indentation", names) => {
                for name_value in names {
                    let Atomic::QName(found) = name_value else { return Err(wrong()) };
                    let set = if name == "cdata-section-elements" {
                        &mut parameters.cdata_section_elements
                    } else {
                        &mut parameters.suppress_indentation
                    };
                    set.insert((**found).clone());
                }
            }
            ("method" | "json-node-output-method", [Atomic::QName(method)]) => parameters.set(name, &method.local)?,
            ("html-version", [value]) if value.type_of().is_numeric() => parameters.set(name, &value.to_str())?,
            (known, [Atomic::Boolean(value)]) if BOOLEANS.contains(&known) => {
                parameters.set(known, if *value { "yes" } else { "no" })?;
            }
            (known, [value @ Atomic::Untyped(_)]) if BOOLEANS.contains(&known) => {
                parameters.set(known, &value.to_str())?;
            }
            (known, [Atomic::String(value, _) | Atomic::Untyped(value)]) if STRINGS.contains(&known) => {
                parameters.set(known, value)?;
            }
            (known, _) if BOOLEANS.contains(&known) || STRINGS.contains(&known) || known == "html-version" => {
                return Err(wrong());
            }
            // Names that are not known, without a namespace, are ignored.
            _ => {}
        }
    }
    Ok(parameters)
}

fn of_element(node: &Node) -> Result<Parameters> {
    of_element_over(Parameters::default(), node)
}

/// The parameters of an element on top of others.
fn of_element_over(mut parameters: Parameters, node: &Node) -> Result<Parameters> {
    let named =
        |node: &Node, local: &str| node.name().is_some_and(|name| name.uri == OUTPUT_NAMESPACE && name.local == local);
    if node.kind() != NodeKind::Element || !named(node, "serialization-parameters") {
        return Err(fail("XPTY0004", "serialization parameters are an output:serialization-parameters element"));
    }
    only_attributes(node, &[])?;
    let mut seen = hashbrown::HashSet::new();
    for child in elements(node) {
        let Some(name) = child.name().cloned() else { continue };
        if !seen.insert(name.clone()) {
            return Err(fail("SEPM0019", format!("serialization parameter {} comes twice", name.local)));
        }
        if name.uri.is_empty() {
            return Err(fail("SEPM0017", format!("{} is in no namespace", name.local)));
        }
        if name.uri != OUTPUT_NAMESPACE {
            continue;
        }
        if name.local == "use-character-maps" {
            only_attributes(&child, &[])?;
            for entry in elements(&child) {
                if !named(&entry, "character-map") {
                    return Err(fail("SEPM0017", "a character map holds character-map elements only"));
                }
                only_attributes(&entry, &["character", "map-string"])?;
                let (from, to) = (attribute(&entry, "character"), attribute(&entry, "map-string"));
                let (Some(from), Some(to)) = (from, to) else {
                    return Err(fail("SEPM0017", "a character map has character and map-string"));
                };
                let mut chars = from.chars();
                let (Some(c), None) = (chars.next(), chars.next()) else {
                    return Err(fail("SEPM0017", "a character map maps single characters"));
                };
                if parameters.character_map.insert(c, to).is_some() {
                    return Err(fail("SEPM0018", format!("character {c:?} is mapped twice")));
                }
            }
            continue;
        }
        only_attributes(&child, &["value"])?;
        let value = attribute(&child, "value");
        let value = value.ok_or_else(|| fail("SEPM0017", format!("{} has no value", name.local)))?;
        let value = if matches!(name.local.as_str(), "cdata-section-elements" | "suppress-indentation") {
            expanded(&child, &value)
        } else {
            value.to_string()
        };
        parameters.set(&name.local, &value).map_err(|error| fail("SEPM0017", error.message))?;
    }
    Ok(parameters)
}

/// Error: SEPM0017 for an attribute without namespace that is not one of these.
fn only_attributes(node: &Node, known: &[&str]) -> Result<()> {
    let mut rows = Vec::new();
    step(&node.tree, node.pre, Axis::Attribute, NodeTest::Any, &mut rows);
    for row in rows {
        let Some(name) = node.tree.names().get(node.tree.name_id(row)) else { continue };
        if name.uri.is_empty() && !known.contains(&name.local.as_str()) {
            return Err(fail("SEPM0017", format!("attribute {name} is not allowed in serialization parameters")));
        }
    }
    Ok(())
}

/// Lexical names with their namespaces spelled out.
fn expanded(element: &Node, value: &str) -> String {
    let one = |name: &str| {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let uri = element.tree.namespace_of(element.pre, prefix).unwrap_or_default();
        format!("Q{{{uri}}}{local}")
    };
    value.split_ascii_whitespace().map(one).collect::<Vec<_>>().join(" ")
}

fn elements(node: &Node) -> Vec<Node> {
    let mut rows = Vec::new();
    step(&node.tree, node.pre, Axis::Child, NodeTest::Kind(NodeKind::Element), &mut rows);
    rows.into_iter().map(|pre| Node { tree: node.tree.clone(), pre }).collect()
}

fn attribute(node: &Node, local: &str) -> Option<Str> {
    let mut rows = Vec::new();
    step(&node.tree, node.pre, Axis::Attribute, NodeTest::Any, &mut rows);
    let named =
        |row: &&u32| node.tree.names().get(node.tree.name_id(**row)).is_some_and(|name| name.lexical() == local);
    rows.iter().find(named).map(|row| Str::from(node.tree.string_value(*row)))
}
