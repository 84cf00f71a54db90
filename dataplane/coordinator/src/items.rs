//! Items as they leave the engine: text and kind. Values as they travel between nodes: type and lexical form.

use phoenixmldb_xdm::atomic::{Atomic, AtomicType};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::serialize::xml::to_xml;
use phoenixmldb_xdm::{Item, NodeKind};

/// An item of a result.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResultItem {
    /// Its text.
    pub text: String,
    /// `element`, `attribute`, …, or the type of an atomic value.
    pub kind: String,
    /// Container and name of the document it is stored in; empty for what was constructed.
    pub document: String,
}

/// An item as text, in the xml output method; an attribute as it stands in a tag. Error: `SENR0001` for a function.
pub fn serialize(item: &Item) -> Result<ResultItem> {
    let (text, kind) = match item {
        Item::Node(node) => {
            let kind = match node.kind() {
                NodeKind::Document => "document-node",
                NodeKind::Element => "element",
                NodeKind::Attribute => "attribute",
                NodeKind::Text => "text",
                NodeKind::Comment => "comment",
                NodeKind::ProcessingInstruction => "processing-instruction",
            };
            let text = match (node.kind(), node.name()) {
                (NodeKind::Attribute, Some(name)) => {
                    let value = node.string_value().replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
                    format!("{name}=\"{value}\"")
                }
                _ => to_xml(node),
            };
            (text, kind.to_owned())
        }
        Item::Atomic(value) => (value.to_str().to_string(), format!("xs:{}", value.type_of().local_name())),
        Item::Function(_) => {
            return Err(fail("SENR0001", "a function, map or array cannot be written as XML"));
        }
    };
    Ok(ResultItem { text, kind, document: String::new() })
}

/// An atomic value for the wire.
#[must_use]
pub fn value_to_wire(value: &Atomic) -> (String, String) {
    (value.type_of().local_name().to_owned(), value.to_str().to_string())
}

/// An atomic value from the wire. Error: the type is unknown, or the lexical form is not one of it.
pub fn value_from_wire(type_name: &str, lexical: &str) -> Result<Atomic> {
    let name = if type_name.is_empty() { "string" } else { type_name.strip_prefix("xs:").unwrap_or(type_name) };
    let target = AtomicType::from_local_name(name)
        .ok_or_else(|| fail("XPST0051", format!("there is no atomic type {type_name}")))?;
    Atomic::string(lexical).cast_as(target, &|_| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_wire_with_their_types() {
        for (type_name, lexical) in [
            ("integer", "12"),
            ("decimal", "1.50"),
            ("double", "1.0E3"),
            ("string", "a b"),
            ("boolean", "true"),
            ("date", "2020-02-29"),
        ] {
            let value = value_from_wire(type_name, lexical).unwrap();
            let (again, text) = value_to_wire(&value);
            assert_eq!(again, type_name);
            assert_eq!(value_to_wire(&value_from_wire(&again, &text).unwrap()), (again, text));
        }
        assert!(value_from_wire("integer", "x").is_err());
        assert!(value_from_wire("nonsense", "x").is_err());
    }
}
