//! Copies of subtrees as trees of their own: what `copy … modify` works on (XQuery Update Facility 3.0 §5.6).
//!
//! The rows of a subtree are copied by column ranges; only the element at the top is looked at, because it brings along
//! the namespaces that its ancestors declare.

use crate::builder::text_tree;
use crate::events::{EventSink, SinkError};
use crate::names::{QName, XML_NAMESPACE};
use crate::node::Node;
use crate::tree::{NodeKind, Tree};
use crate::{Str, TreeBuilder};
use std::sync::Arc;

/// Whether an attribute of this name is an ID whatever a document type says.
#[must_use]
pub fn is_xml_id(name: &QName) -> bool {
    name.local == "id" && name.uri == XML_NAMESPACE
}

/// A copy of a node and what is below it, as a tree of its own that has a base URI, but no document URI.
///
/// With `preserve`, elements keep all namespaces that are in scope, otherwise those that their own names and the names of
/// their attributes use. Attributes that are IDs because a document type said so are none in the copy. Error:
/// [`SinkError::TooLarge`].
pub fn copy_node(node: &Node, preserve: bool, base_uri: Option<Str>) -> Result<Arc<Tree>, SinkError> {
    let (tree, pre) = (&*node.tree, node.pre);
    let last = pre + tree.size(pre);
    if node.kind() == NodeKind::Text {
        return Ok(text_tree(node.string_value()));
    }
    let mut out = TreeBuilder::default().with_base_uri(base_uri);
    if !preserve && matches!(node.kind(), NodeKind::Document | NodeKind::Element) {
        used_names_only(tree, pre, &mut out)?;
    } else if let (NodeKind::Element, Some(name)) = (node.kind(), node.name()) {
        out.start_element(name)?;
        for (prefix, uri) in tree.namespaces_in_scope(pre) {
            out.namespace(&prefix, &uri)?;
        }
        let content = copy_attributes(tree, pre, &mut out)?;
        out.copy_rows(tree, content, last)?;
        out.end_element()?;
    } else {
        out.copy_rows(tree, pre, last)?;
    }
    out.forget_declared_ids();
    Ok(out.finish())
}

/// Copies the attributes of an element; gives the row behind them.
fn copy_attributes(tree: &Tree, element: u32, out: &mut TreeBuilder) -> Result<u32, SinkError> {
    let mut row = element + 1;
    while row < tree.len() && tree.kind(row) == NodeKind::Attribute {
        let name = tree.names().get(tree.name_id(row)).expect("attributes have names");
        out.attribute(name, tree.string_value(row), tree.is_id(row))?;
        row += 1;
    }
    Ok(row)
}

/// Copies with the declarations that names need and no other.
fn used_names_only(tree: &Tree, top: u32, out: &mut TreeBuilder) -> Result<(), SinkError> {
    let last = top + tree.size(top);
    // Open elements: their last row, and how many declarations were in scope before them.
    let mut open: Vec<(u32, usize)> = Vec::new();
    let mut scope: Vec<(Str, Str)> = Vec::new();
    let is_document = tree.kind(top) == NodeKind::Document;
    let mut row = top;
    if is_document {
        out.start_document()?;
        row += 1;
    }
    loop {
        while let Some(&(end, mark)) = open.last()
            && end < row
        {
            open.pop();
            scope.truncate(mark);
            out.end_element()?;
        }
        if row > last {
            break;
        }
        if tree.kind(row) != NodeKind::Element {
            out.copy_rows(tree, row, row)?;
            row += 1;
            continue;
        }
        let name = tree.names().get(tree.name_id(row)).expect("elements have names");
        open.push((row + tree.size(row), scope.len()));
        out.start_element(name)?;
        let owned = (row + 1..=row + tree.size(row)).take_while(|at| tree.kind(*at) == NodeKind::Attribute);
        let names = owned.filter_map(|at| tree.names().get(tree.name_id(at))).filter(|name| !name.prefix.is_empty());
        for name in std::iter::once(name).chain(names).filter(|name| name.prefix != "xml") {
            let bound = scope.iter().rev().find(|(prefix, _)| *prefix == name.prefix).map(|(_, uri)| uri.as_str());
            if bound.unwrap_or_default() != name.uri {
                scope.push((name.prefix.clone(), name.uri.clone()));
                out.namespace(&name.prefix, &name.uri)?;
            }
        }
        row = copy_attributes(tree, row, out)?;
    }
    if is_document { out.end_document() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serialize::xml::to_xml;
    use crate::{ParseOptions, parse_xml};

    const XML: &str = "<a xmlns='d' xmlns:p='u' i='1'>t<p:b j='2'><c xmlns='' p:k='3'>x</c><!--c--></p:b><?p q?></a>";

    fn check(row: u32, preserve: bool, expected: &str) {
        let tree = parse_xml(XML.as_bytes(), &ParseOptions::default()).unwrap();
        let copy = copy_node(&Node { tree, pre: row }, preserve, None).unwrap();
        assert_eq!(to_xml(&Node::root_of(&copy)), expected);
        for pre in 1..copy.len() {
            let parent = copy.parent(pre).unwrap();
            assert!(parent < pre && pre <= parent + copy.size(parent));
            assert_eq!(copy.level(pre), copy.level(parent) + 1);
        }
    }

    #[test]
    fn a_copy_is_a_tree_of_its_own_with_the_namespaces_around_it() {
        let whole =
            "<a xmlns=\"d\" xmlns:p=\"u\" i=\"1\">t<p:b j=\"2\"><c xmlns=\"\" p:k=\"3\">x</c><!--c--></p:b><?p q?></a>";
        check(0, true, whole);
        check(1, true, whole);
        check(4, true, "<p:b xmlns=\"d\" xmlns:p=\"u\" j=\"2\"><c xmlns=\"\" p:k=\"3\">x</c><!--c--></p:b>");
        check(6, true, "<c xmlns:p=\"u\" p:k=\"3\">x</c>");
        check(3, true, "t");
        check(9, true, "<!--c-->");
    }

    #[test]
    fn without_preserving_only_used_namespaces_stay() {
        check(4, false, "<p:b xmlns:p=\"u\" j=\"2\"><c p:k=\"3\">x</c><!--c--></p:b>");
        check(
            0,
            false,
            "<a xmlns=\"d\" i=\"1\">t<p:b xmlns:p=\"u\" j=\"2\"><c xmlns=\"\" p:k=\"3\">x</c><!--c--></p:b><?p q?></a>",
        );
    }
}
