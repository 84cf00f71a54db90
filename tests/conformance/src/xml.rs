//! Looking through the XML files of a suite: child elements and attributes by name, nothing more.

use phoenixmldb_xdm::axes::{Axis, NodeTest, step};
use phoenixmldb_xdm::{Node, NodeKind, ParseOptions, parse_xml};
use std::path::Path;

/// An element of a suite file.
#[derive(Clone, Debug)]
pub struct Element(Node);

impl Element {
    /// The outermost element of a file. Error: the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let tree =
            parse_xml(&bytes, &ParseOptions::default()).map_err(|error| format!("{}: {error}", path.display()))?;
        let root = Self(Node::root_of(&tree));
        let first = root.children().next();
        first.ok_or_else(|| format!("{}: no element", path.display()))
    }

    /// The local part of its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name().map_or("", |name| name.local.as_str())
    }

    /// Child elements in order.
    pub fn children(&self) -> impl Iterator<Item = Self> + use<> {
        let mut rows = Vec::new();
        step(&self.0.tree, self.0.pre, Axis::Child, NodeTest::Kind(NodeKind::Element), &mut rows);
        let tree = self.0.tree.clone();
        rows.into_iter().map(move |pre| Self(Node { tree: tree.clone(), pre }))
    }

    /// Child elements of one name.
    pub fn named(&self, name: &'static str) -> impl Iterator<Item = Self> + use<> {
        self.children().filter(move |child| child.name() == name)
    }

    /// An attribute's value.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<String> {
        let mut rows = Vec::new();
        step(&self.0.tree, self.0.pre, Axis::Attribute, NodeTest::Any, &mut rows);
        let named = |row: &u32| {
            let found = self.0.tree.names().get(self.0.tree.name_id(*row));
            found.is_some_and(|found| found.uri.is_empty() && found.local == name)
        };
        rows.iter().find(|row| named(row)).map(|row| self.0.tree.string_value(*row).to_owned())
    }

    /// All text below.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.string_value().to_owned()
    }

    /// The namespace a prefix is bound to here.
    #[must_use]
    pub fn namespace_of(&self, prefix: &str) -> Option<String> {
        self.0.tree.namespace_of(self.0.pre, prefix).map(|uri| uri.to_string())
    }

    /// All prefixes bound here, innermost binding first.
    #[must_use]
    pub fn bindings(&self) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut at = Some(self.0.pre);
        while let Some(row) = at {
            for (prefix, uri) in self.0.tree.declarations(row) {
                if !found.iter().any(|(known, _)| known == prefix.as_str()) {
                    found.push((prefix.to_string(), uri.to_string()));
                }
            }
            at = self.0.tree.parent(row);
        }
        found
    }
}
