//! Values to text: the output methods of Serialization 3.1.
//!
//! ```text
//!  Sequence + Parameters ─► sequence ─┬─► markup    xml, xhtml, html
//!                                     ├─► text      the string values
//!                                     ├─► json      json.rs
//!                                     └─► adaptive  adaptive.rs
//! ```
//!
//! `xml` beside them writes events without any parameters: what the store keeps.

mod adaptive;
mod json;
mod markup;
mod parameters;
pub mod xml;

pub use parameters::{Method, Parameters};

use crate::error::{Result, fail};
use crate::function::Function;
use crate::item::Item;
use crate::node::Node;
use crate::sequence::Sequence;
use crate::tree::NodeKind;

/// Serializes a sequence. Errors: SENR0001 and what the methods and parameters raise.
pub fn sequence(sequence: &Sequence, parameters: &Parameters) -> Result<String> {
    parameters.check()?;
    match parameters.method {
        Method::Json => json::write(sequence, parameters),
        Method::Adaptive => adaptive::write(sequence, parameters),
        Method::Text => {
            let mut out = String::new();
            for piece in normalized(sequence, parameters)? {
                match piece {
                    Piece::Text(text) => mapped(&mut out, &text, parameters),
                    Piece::Node(node) if matches!(node.kind(), NodeKind::Comment | NodeKind::ProcessingInstruction) => {
                    }
                    Piece::Node(node) => mapped(&mut out, node.string_value(), parameters),
                }
            }
            Ok(out)
        }
        Method::Xml | Method::Html | Method::Xhtml => markup::write(&normalized(sequence, parameters)?, parameters),
    }
}

/// Text with the character map applied.
fn mapped(out: &mut String, text: &str, parameters: &Parameters) {
    for c in text.chars() {
        match parameters.character_map.get(&c) {
            Some(by) => out.push_str(by),
            None => out.push(c),
        }
    }
}

/// A part of a normalized sequence: text, or a node that is no document.
enum Piece {
    Text(String),
    Node(Node),
}

/// Sequence normalization (§2): atomic values become text, documents their children. Error: SENR0001.
fn normalized(sequence: &Sequence, parameters: &Parameters) -> Result<Vec<Piece>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut after_atomic = false;
    let mut is_first = true;
    let mut pending: Vec<Item> = sequence.iter().rev().collect();
    while let Some(item) = pending.pop() {
        if let Item::Function(Function::Array(array)) = &item {
            let inner: Vec<Item> = array.members().iter().flat_map(Sequence::iter).collect();
            pending.extend(inner.into_iter().rev());
            continue;
        }
        if !is_first {
            match &parameters.item_separator {
                Some(separator) => pieces.push(Piece::Text(separator.to_string())),
                None if after_atomic && matches!(item, Item::Atomic(_)) => pieces.push(Piece::Text(" ".to_owned())),
                None => {}
            }
        }
        is_first = false;
        after_atomic = matches!(item, Item::Atomic(_));
        match item {
            Item::Atomic(atomic) => pieces.push(Piece::Text(atomic.to_str().to_string())),
            Item::Function(_) => return Err(fail("SENR0001", "a function cannot be serialized")),
            Item::Node(node) => match node.kind() {
                NodeKind::Attribute => return Err(fail("SENR0001", "an attribute alone cannot be serialized")),
                NodeKind::Text => pieces.push(Piece::Text(node.string_value().to_owned())),
                NodeKind::Document => {
                    let mut rows = Vec::new();
                    let (tree, test) = (&node.tree, crate::axes::NodeTest::Any);
                    crate::axes::step(tree, node.pre, crate::axes::Axis::Child, test, &mut rows);
                    for pre in rows {
                        let child = Node { tree: tree.clone(), pre };
                        pieces.push(match child.kind() {
                            NodeKind::Text => Piece::Text(child.string_value().to_owned()),
                            _ => Piece::Node(child),
                        });
                    }
                }
                NodeKind::Element | NodeKind::Comment | NodeKind::ProcessingInstruction => {
                    pieces.push(Piece::Node(node));
                }
            },
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseOptions, parse_xml};

    fn check(xml: &str, parameters: &[(&str, &str)], expected: &str) {
        let tree = parse_xml(xml.as_bytes(), &ParseOptions::default()).unwrap();
        let mut set = Parameters::default();
        for (name, value) in parameters {
            set.set(name, value).unwrap();
        }
        let text = sequence(&Sequence::from(Node::root_of(&tree)), &set).unwrap();
        assert_eq!(text, expected);
    }

    #[test]
    fn xml_keeps_namespaces_and_escapes() {
        check(
            "<a xmlns='u'><p:b xmlns:p='v' c='&lt;\"'/>x&amp;y</a>",
            &[],
            "<a xmlns=\"u\"><p:b xmlns:p=\"v\" c=\"&lt;&quot;\"/>x&amp;y</a>",
        );
        check("<a>1&lt;2</a>", &[("cdata-section-elements", "a")], "<a><![CDATA[1<2]]></a>");
        check("<a/>", &[("omit-xml-declaration", "no")], "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>");
    }

    #[test]
    fn indentation_leaves_mixed_content_alone() {
        check("<a><b/><c>t<d/></c></a>", &[("indent", "yes")], "<a>\n  <b/>\n  <c>t<d/></c>\n</a>");
    }

    #[test]
    fn html_has_void_elements_and_raw_scripts() {
        check(
            "<html><body><br/><p/><script>a &lt; b</script><option selected='selected'/></body></html>",
            &[("method", "html")],
            "<!DOCTYPE html><html><body><br><p></p><script>a < b</script><option selected></option></body></html>",
        );
    }

    #[test]
    fn atomic_values_are_separated_by_one_space() {
        let items: Sequence = [Item::integer(1), Item::string("a<b")].into_iter().collect();
        assert_eq!(sequence(&items, &Parameters::default()).unwrap(), "1 a&lt;b");
    }
}
