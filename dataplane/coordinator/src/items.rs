//! Items as they leave the engine: text and kind. Values as they travel between nodes: type and lexical form.

use phoenixmldb_xdm::atomic::{Atomic, AtomicType};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::serialize::{Method, Parameters, sequence};
use phoenixmldb_xdm::{Item, NodeKind, Sequence};

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

/// How items are written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// `xml` when empty; `html`, `xhtml`, `text`, `json`, `adaptive`.
    pub method: String,
    /// Lines and indentation for people.
    pub indent: bool,
}

impl Style {
    /// The engine's parameters. Error: `SEPM0016` for an unknown method.
    pub fn parameters(&self) -> Result<Parameters> {
        let mut parameters = Parameters { indent: self.indent, ..Parameters::default() };
        if !self.method.is_empty() {
            parameters.set("method", &self.method)?;
        }
        Ok(parameters)
    }
}

/// An item as text. Attributes, which no document can hold alone, are written as they stand in a tag. Errors: those of
/// the output method, such as `SENR0001` for a function.
pub fn serialize(item: &Item, parameters: &Parameters) -> Result<ResultItem> {
    let kind = match item {
        Item::Node(node) => match node.kind() {
            NodeKind::Document => "document-node",
            NodeKind::Element => "element",
            NodeKind::Attribute => "attribute",
            NodeKind::Text => "text",
            NodeKind::Comment => "comment",
            NodeKind::ProcessingInstruction => "processing-instruction",
        }
        .to_owned(),
        Item::Atomic(value) => format!("xs:{}", value.type_of().local_name()),
        Item::Function(_) => "function".to_owned(),
    };
    let whole = Sequence::from(vec![item.clone()]);
    let text = match item {
        Item::Node(node) if node.kind() == NodeKind::Attribute && parameters.method != Method::Json => {
            sequence(&whole, &Parameters { method: Method::Adaptive, ..parameters.clone() })?
        }
        _ => sequence(&whole, parameters)?,
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
