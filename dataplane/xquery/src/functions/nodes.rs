//! Nodes — F&O 3.1 §2, §13, §14.5.

use super::args::{Args, boolean, node_or_context, strings};
use super::signature::{Depends, FunctionEntry, fun};
use super::strings::{is_xml_space, trim_xml};
use super::uri;
use crate::eval::CallContext;
use phoenixmldb_xdm::axes::{Axis, NodeTest, step};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::names::{XML_NAMESPACE, is_ncname};
use phoenixmldb_xdm::{Atomic, Item, Node, NodeKind, QName, Sequence, Str};
use std::collections::BTreeSet;

const fn of_node(local: &'static str, result: &'static str, run: Run) -> FunctionEntry {
    fun(local, &["node()?"], result, run).required(0).depends(Depends::Focus)
}

type Run = fn(&mut CallContext<'_>, Vec<Sequence>) -> Result<Sequence>;

pub(super) const TABLE: &[FunctionEntry] = &[
    of_node("node-name", "xs:QName?", node_name),
    of_node("nilled", "xs:boolean?", nilled),
    of_node("base-uri", "xs:anyURI?", base_uri),
    of_node("document-uri", "xs:anyURI?", document_uri),
    of_node("name", "xs:string", |ctx, args| text_of(ctx, args, |node| node.name().map(QName::lexical))),
    of_node("local-name", "xs:string", |ctx, args| {
        text_of(ctx, args, |node| node.name().map(|name| name.local.to_string()))
    }),
    of_node("namespace-uri", "xs:anyURI", namespace_uri),
    of_node("root", "node()?", root),
    of_node("path", "xs:string?", path),
    of_node("has-children", "xs:boolean", has_children),
    of_node("generate-id", "xs:string", generate_id),
    fun("lang", &["xs:string?", "node()"], "xs:boolean", lang).required(1).depends(Depends::Focus),
    fun("innermost", &["node()*"], "node()*", innermost),
    fun("outermost", &["node()*"], "node()*", outermost),
    fun("id", &["xs:string*", "node()"], "element()*", |ctx, args| by_id(ctx, args, true))
        .required(1)
        .depends(Depends::Focus),
    fun("element-with-id", &["xs:string*", "node()"], "element()*", |ctx, args| by_id(ctx, args, false))
        .required(1)
        .depends(Depends::Focus),
    fun("idref", &["xs:string*", "node()"], "node()*", idref).required(1).depends(Depends::Focus),
];

fn node_name(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let node = node_or_context(ctx, &Args::new(args), 0)?;
    let name_of = |node: Node| {
        let name = node.name()?.clone();
        if !node.is_namespace() {
            return Some(Atomic::from(name));
        }
        // The name of a namespace node is its prefix, if it has one.
        Some(name.local).filter(|prefix| !prefix.is_empty()).map(|prefix| Atomic::from(QName::local(prefix)))
    };
    Ok(node.and_then(name_of).into())
}

fn nilled(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let node = node_or_context(ctx, &Args::new(args), 0)?;
    Ok(node.filter(|node| node.kind() == NodeKind::Element).map(|_| Item::from(false)).into())
}

/// The attribute of an element, by name.
fn attribute(node: &Node, name: &QName) -> Option<Str> {
    let mut rows = Vec::new();
    let test = NodeTest::name(&node.tree, Axis::Attribute, name);
    step(&node.tree, node.pre, Axis::Attribute, test, &mut rows);
    rows.first().map(|row| Str::from(node.tree.string_value(*row)))
}

/// `dm:base-uri`: the document's URI, changed by `xml:base` on the way down.
pub(crate) fn base_of(node: &Node, fallback: Option<&Str>) -> Option<Str> {
    let xml_base = QName::new("xml", XML_NAMESPACE, "base");
    let line: Vec<Node> = std::iter::successors(Some(node.clone()), Node::parent).collect();
    let root = line.last()?;
    let known = root.tree.base_uri().or(fallback);
    let mut base = known.cloned();
    for ancestor in line.iter().rev().filter(|ancestor| ancestor.kind() == NodeKind::Element) {
        if let Some(relative) = attribute(ancestor, &xml_base) {
            base = uri::resolve(&relative, base.as_deref()).map(Str::from).or(Some(relative));
        }
    }
    base
}

fn base_uri(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let Some(node) = node_or_context(ctx, &Args::new(args), 0)? else { return Ok(Sequence::Empty) };
    let has_base = match node.kind() {
        NodeKind::Document | NodeKind::Element => true,
        NodeKind::ProcessingInstruction | NodeKind::Comment | NodeKind::Attribute | NodeKind::Text => {
            node.parent().is_some()
        }
    };
    // Constructed trees have the static base URI.
    let base = if has_base { base_of(&node, ctx.static_context.base_uri.as_ref()) } else { None };
    Ok(base.map(Atomic::AnyUri).into())
}

fn document_uri(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let node = node_or_context(ctx, &Args::new(args), 0)?;
    let uri = node.filter(|node| node.kind() == NodeKind::Document).and_then(|node| node.tree.document_uri().cloned());
    Ok(uri.map(Atomic::AnyUri).into())
}

fn text_of(ctx: &CallContext<'_>, args: Vec<Sequence>, text: fn(&Node) -> Option<String>) -> Result<Sequence> {
    let node = node_or_context(ctx, &Args::new(args), 0)?;
    Ok(Sequence::string(node.and_then(|node| text(&node)).unwrap_or_default()))
}

fn namespace_uri(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let node = node_or_context(ctx, &Args::new(args), 0)?;
    let node = node.filter(|node| !node.is_namespace());
    let uri = node.and_then(|node| node.name().map(|name| name.uri.clone())).unwrap_or_default();
    Ok(Sequence::from(Atomic::AnyUri(uri)))
}

fn root(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let node = node_or_context(ctx, &Args::new(args), 0)?;
    Ok(node.map(|node| Node::root_of(&node.tree)).into())
}

fn same_kind_before(node: &Node) -> usize {
    let mut rows = Vec::new();
    step(&node.tree, node.pre, Axis::PrecedingSibling, NodeTest::Kind(node.kind()), &mut rows);
    let name = node.name();
    let same = |row: &&u32| node.tree.names().get(node.tree.name_id(**row)) == name;
    rows.iter().filter(same).count()
}

/// §14.5.? `fn:path`.
fn path(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let Some(node) = node_or_context(ctx, &Args::new(args), 0)? else { return Ok(Sequence::Empty) };
    if node.kind() == NodeKind::Document {
        return Ok(Sequence::string("/"));
    }
    let mut parts = Vec::new();
    let mut at = node;
    while let Some(parent) = at.parent() {
        let position = same_kind_before(&at) + 1;
        let name = at.name();
        parts.push(match (at.kind(), name) {
            (NodeKind::Element, Some(name)) => format!("Q{{{}}}{}[{position}]", name.uri, name.local),
            (NodeKind::Attribute, Some(name)) if name.uri.is_empty() => format!("@{}", name.local),
            (NodeKind::Attribute, Some(name)) => format!("@Q{{{}}}{}", name.uri, name.local),
            (NodeKind::ProcessingInstruction, Some(name)) => {
                format!("processing-instruction({})[{position}]", name.local)
            }
            (NodeKind::Comment, _) => format!("comment()[{position}]"),
            _ => format!("text()[{position}]"),
        });
        at = parent;
    }
    if at.kind() != NodeKind::Document {
        parts.push("Q{http://www.w3.org/2005/xpath-functions}root()".to_owned());
        parts.reverse();
        return Ok(Sequence::string(parts.join("/")));
    }
    parts.reverse();
    Ok(Sequence::string(format!("/{}", parts.join("/"))))
}

fn has_children(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let node = node_or_context(ctx, &Args::new(args), 0)?;
    let mut rows = Vec::new();
    if let Some(node) = node {
        step(&node.tree, node.pre, Axis::Child, NodeTest::Any, &mut rows);
    }
    Ok(boolean(!rows.is_empty()))
}

fn generate_id(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let node = node_or_context(ctx, &Args::new(args), 0)?;
    Ok(strings([node.map_or_else(String::new, |node| format!("t{}n{}", node.tree.serial(), node.pre))]))
}

fn lang(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let wanted = args.text_or_empty(0)?.to_lowercase();
    let node = node_or_context(ctx, &args, 1)?;
    let xml_lang = QName::new("xml", XML_NAMESPACE, "lang");
    let found = std::iter::successors(node, Node::parent).find_map(|node| attribute(&node, &xml_lang));
    Ok(boolean(found.is_some_and(|found| {
        let found = found.to_lowercase();
        found == wanted || found.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('-'))
    })))
}

/// Nodes in document order, each once.
fn ordered(sequence: &Sequence) -> Vec<Node> {
    let mut nodes: Vec<Node> = sequence.iter().filter_map(|item| item.as_node().cloned()).collect();
    nodes.sort_by(Node::document_order);
    nodes.dedup();
    nodes
}

fn is_below(node: &Node, above: &Node) -> bool {
    node.tree.serial() == above.tree.serial()
        && node.pre > above.pre
        && node.pre <= above.pre + above.tree.size(above.pre)
}

fn innermost(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let nodes = ordered(&args[0]);
    // What lies below a node follows it at once.
    let kept = (0..nodes.len()).filter(|at| nodes.get(at + 1).is_none_or(|next| !is_below(next, &nodes[*at])));
    Ok(kept.map(|at| Item::Node(nodes[at].clone())).collect())
}

fn outermost(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let mut kept: Vec<Node> = Vec::new();
    for node in ordered(&args[0]) {
        if kept.last().is_none_or(|above| !is_below(&node, above)) {
            kept.push(node);
        }
    }
    Ok(kept.into_iter().map(Item::Node).collect())
}

/// The document below which IDs are looked for. Errors: XPDY0002, XPTY0004, FODC0001.
fn id_document(ctx: &CallContext<'_>, args: &Args) -> Result<Node> {
    let node = node_or_context(ctx, args, 1)?.ok_or_else(|| fail("XPTY0004", "a node is needed"))?;
    let root = Node::root_of(&node.tree);
    if root.kind() != NodeKind::Document {
        return Err(fail("FODC0001", "the tree has no document node"));
    }
    Ok(root)
}

fn is_id(root: &Node, row: u32) -> bool {
    let name = root.tree.names().get(root.tree.name_id(row));
    root.tree.is_id(row) || name.is_some_and(|name| name.local == "id" && name.uri == XML_NAMESPACE)
}

fn by_id(ctx: &CallContext<'_>, args: Vec<Sequence>, _of_attribute: bool) -> Result<Sequence> {
    let args = Args::new(args);
    let root = id_document(ctx, &args)?;
    let mut wanted = BTreeSet::new();
    for text in args.get(0).atomize()? {
        wanted.extend(text.to_str().split(is_xml_space).filter(|id| is_ncname(id)).map(str::to_owned));
    }
    let tree = &root.tree;
    let mut rows = Vec::new();
    for row in 0..tree.len() {
        if tree.kind(row) == NodeKind::Attribute && is_id(&root, row) && wanted.remove(trim_xml(tree.string_value(row)))
        {
            rows.extend(tree.parent(row));
        }
    }
    Ok(Sequence::nodes(tree, &rows))
}

fn idref(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    // Without a schema nothing is annotated as an IDREF, and the parser does not keep what a DTD says of it.
    id_document(ctx, &Args::new(args))?;
    Ok(Sequence::Empty)
}
