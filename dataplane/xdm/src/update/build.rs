//! The pass that builds one tree as changes leave it.
//!
//! Subtrees without targets are copied by column ranges. Rows are visited one after the other with a list of the elements
//! that are open, so that no depth of the data can exhaust the stack. The declarations of open elements are tracked,
//! so that what is inserted or renamed means the same where it comes to stand.

use super::apply::{Final, TreeChanges, name_of};
use super::{Content, stays_id};
use crate::builder::text_tree;
use crate::error::{Result, fail};
use crate::events::{EventSink, SinkError};
use crate::names::QName;
use crate::tree::{NodeKind, Tree};
use crate::{Str, TreeBuilder};
use std::sync::Arc;

/// An element or document that is being built.
struct Open {
    /// Its row, and the last one below it.
    row: u32,
    last: u32,
    element: Element,
    is_document: bool,
}

/// What an element means for the elements below it.
#[derive(Default)]
struct Element {
    /// Bindings in scope around it.
    outer_bindings: usize,
    /// Unprefixed names below may mean something else than before, so that they are looked at one by one.
    careful: bool,
    /// Prefixes that an update bound here and that the elements below do not inherit.
    hidden: Vec<Str>,
}

/// The pass over one tree.
struct Pass<'a> {
    changes: &'a TreeChanges<'a>,
    root: u32,
    out: TreeBuilder,
    /// Declarations of the open elements, innermost last.
    bindings: Vec<(Str, Str)>,
    open: Vec<Open>,
    inherit: bool,
}

/// Builds the tree below a row as the changes leave it.
pub(super) fn build(changes: &TreeChanges<'_>, root: u32, inherit: bool) -> Result<Arc<Tree>> {
    let tree = changes.tree;
    if tree.kind(root) == NodeKind::Text {
        let value = changes.by_row.get(&root).and_then(|changes| changes.value);
        return Ok(text_tree(value.map_or(tree.string_value(root), |value| value)));
    }
    let uri = if root == 0 { tree.document_uri().cloned() } else { None };
    let out = TreeBuilder::new(uri).with_base_uri(tree.base_uri().cloned());
    let mut pass = Pass { changes, root, out, bindings: Vec::new(), open: Vec::new(), inherit };
    pass.run().map_err(|error| fail("XQDY0901", error.to_string()))?;
    Ok(pass.out.finish())
}

impl<'a> Pass<'a> {
    fn run(&mut self) -> std::result::Result<(), SinkError> {
        let end = self.root + self.changes.tree.size(self.root);
        let mut row = self.root;
        loop {
            while self.open.last().is_some_and(|open| open.last < row) {
                self.close()?;
            }
            if row > end {
                return Ok(());
            }
            row = self.visit(row)?;
        }
    }

    /// Builds what a row becomes; gives the next row to visit.
    fn visit(&mut self, row: u32) -> std::result::Result<u32, SinkError> {
        let tree: &Tree = self.changes.tree;
        let behind = row + tree.size(row) + 1;
        if let Some(stop) = self.untouched_until(row) {
            self.out.copy_rows(tree, row, stop - 1)?;
            return Ok(stop);
        }
        let changes = self.changes.by_row.get(&row);
        if let Some(changes) = changes.filter(|_| row != self.root) {
            self.insert(&changes.before)?;
            if changes.replacement.is_some() || changes.delete {
                self.insert(changes.replacement.as_slice())?;
                self.insert(&changes.after)?;
                return Ok(behind);
            }
        }
        let value = changes.and_then(|changes| changes.value).map_or(tree.string_value(row), |value| value.as_str());
        match tree.kind(row) {
            NodeKind::Document => {
                self.out.start_document()?;
                return self.descend(row, row + 1, Element::default(), true);
            }
            NodeKind::Element => {
                let name = changes.and_then(|changes| changes.name).unwrap_or_else(|| name_of(tree, row));
                let attributes = self.changes.attributes(row);
                let hidden = self.open.last().map(|open| open.element.hidden.clone()).unwrap_or_default();
                let element = self.start(tree, row, name, &attributes, &hidden)?;
                let content = (row + 1..behind).find(|row| tree.kind(*row) != NodeKind::Attribute).unwrap_or(behind);
                return self.descend(row, content, element, false);
            }
            NodeKind::Attribute => {
                let name = changes.and_then(|changes| changes.name).unwrap_or_else(|| name_of(tree, row));
                self.out.attribute(name, value, stays_id(name) || changes.is_none() && tree.is_id(row))?;
            }
            NodeKind::Text => self.out.text(value)?,
            NodeKind::Comment => self.out.comment(value)?,
            NodeKind::ProcessingInstruction => {
                let name = changes.and_then(|changes| changes.name).unwrap_or_else(|| name_of(tree, row));
                self.out.processing_instruction(&name.local, value)?;
            }
        }
        if let Some(changes) = changes.filter(|_| row != self.root) {
            self.insert(&changes.after)?;
        }
        Ok(behind)
    }

    /// The row behind the siblings from `row` on that can be copied as they are; `None` when this one cannot.
    fn untouched_until(&self, row: u32) -> Option<u32> {
        let parent = self.open.last()?;
        if parent.element.careful || !parent.element.hidden.is_empty() {
            return None;
        }
        let tree = self.changes.tree;
        let Some(mut touched) = self.changes.next_in(row, parent.last) else { return Some(parent.last + 1) };
        while tree.parent(touched) != Some(parent.row) {
            touched = tree.parent(touched)?;
        }
        Some(touched).filter(|touched| *touched > row)
    }

    /// Opens a row that was begun, and builds what comes before its children; gives the row of the first child.
    fn descend(
        &mut self,
        row: u32,
        content: u32,
        element: Element,
        is_document: bool,
    ) -> std::result::Result<u32, SinkError> {
        let last = row + self.changes.tree.size(row);
        self.open.push(Open { row, last, element, is_document });
        let Some(changes) = self.changes.by_row.get(&row) else { return Ok(content) };
        match changes.content {
            Some(text) => {
                self.out.text(text)?;
                Ok(last + 1)
            }
            None => {
                self.insert(&changes.first)?;
                Ok(content)
            }
        }
    }

    /// Ends the innermost element or document, and builds what comes behind its children and behind itself.
    fn close(&mut self) -> std::result::Result<(), SinkError> {
        let row = self.open.last().expect("called when something is open").row;
        let changes = self.changes.by_row.get(&row);
        if let Some(changes) = changes.filter(|changes| changes.content.is_none()) {
            self.insert(&changes.into)?;
            self.insert(&changes.last)?;
        }
        let open = self.open.pop().expect("it is open still");
        if open.is_document {
            return self.out.end_document();
        }
        self.out.end_element()?;
        self.bindings.truncate(open.element.outer_bindings);
        match changes.filter(|_| row != self.root) {
            Some(changes) => self.insert(&changes.after),
            None => Ok(()),
        }
    }

    fn insert(&mut self, contents: &[&Content]) -> std::result::Result<(), SinkError> {
        let hidden = if self.inherit { Vec::new() } else { self.prefixes_in_scope() };
        for tree in contents.iter().map(|content| &**content.tree()) {
            let mut row = 1;
            while row < tree.len() {
                self.graft(tree, row, &hidden)?;
                row += tree.size(row) + 1;
            }
        }
        Ok(())
    }

    fn prefixes_in_scope(&self) -> Vec<Str> {
        let mut prefixes: Vec<Str> = self.bindings.iter().map(|(prefix, _)| prefix.clone()).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes.retain(|prefix| !self.bound(prefix).is_empty());
        prefixes
    }

    /// Copies a subtree of another tree.
    fn graft(&mut self, tree: &Tree, top: u32, hidden: &[Str]) -> std::result::Result<(), SinkError> {
        let last = top + tree.size(top);
        let mut open: Vec<(u32, Element)> = Vec::new();
        let mut row = top;
        loop {
            while open.last().is_some_and(|(end, _)| *end < row) {
                let (_, element) = open.pop().expect("there is one");
                self.bindings.truncate(element.outer_bindings);
                self.out.end_element()?;
            }
            if row > last {
                return Ok(());
            }
            match open.last() {
                Some((end, element)) if !element.careful => {
                    self.out.copy_rows(tree, row, *end)?;
                    row = end + 1;
                }
                _ if tree.kind(row) == NodeKind::Element => {
                    let end = row + tree.size(row);
                    let owned = (row + 1..=end).take_while(|row| tree.kind(*row) == NodeKind::Attribute);
                    let attributes: Vec<Final<'_>> = owned
                        .map(|row| {
                            let (name, value, is_id) = (name_of(tree, row), tree.string_value(row), tree.is_id(row));
                            Final { name, value, is_id }
                        })
                        .collect();
                    let hidden = if row == top { hidden } else { &[] };
                    let element = self.start(tree, row, name_of(tree, row), &attributes, hidden)?;
                    open.push((end, element));
                    row += 1 + u32::try_from(attributes.len()).expect("they are rows of the tree");
                }
                _ => {
                    self.out.copy_rows(tree, row, row)?;
                    row += 1;
                }
            }
        }
    }

    /// The namespace of a prefix; empty for none.
    fn bound(&self, prefix: &str) -> Str {
        let found = self.bindings.iter().rev().find(|(known, _)| known == prefix);
        found.map(|(_, uri)| uri.clone()).unwrap_or_default()
    }

    fn declare(&mut self, prefix: &Str, uri: &Str) -> std::result::Result<(), SinkError> {
        if self.bound(prefix) == *uri {
            return Ok(());
        }
        self.bindings.push((prefix.clone(), uri.clone()));
        self.out.namespace(prefix, uri)
    }

    /// Begins an element with its attributes; `row` is where `tree` has it. `hidden` prefixes are not inherited.
    fn start(
        &mut self,
        tree: &Tree,
        row: u32,
        name: &QName,
        attributes: &[Final<'_>],
        hidden: &[Str],
    ) -> std::result::Result<Element, SinkError> {
        let outer_bindings = self.bindings.len();
        self.out.start_element(name)?;
        let around;
        let declared = if self.open.is_empty() && row != 0 {
            around = tree.namespaces_in_scope(row);
            &around[..]
        } else {
            tree.declarations(row)
        };
        for prefix in hidden {
            let is_used = declared.iter().any(|(known, _)| known == prefix)
                || name.prefix == *prefix
                || attributes.iter().any(|attribute| binds_prefix(attribute.name, prefix));
            if !is_used {
                self.declare(prefix, &Str::default())?;
            }
        }
        for (prefix, uri) in declared {
            // An element that lost its namespace cannot keep the default one.
            if *prefix != name.prefix || *uri == name.uri {
                self.declare(prefix, uri)?;
            }
        }
        if name.prefix != "xml" {
            self.declare(&name.prefix, &name.uri)?;
        }
        let mut prefixed = Vec::with_capacity(attributes.len());
        for attribute in attributes {
            prefixed.push(self.attribute_name(attribute.name, name, outer_bindings)?);
        }
        for (attribute, name) in attributes.iter().zip(&prefixed) {
            self.out.attribute(name.as_ref().unwrap_or(attribute.name), attribute.value, attribute.is_id)?;
        }
        let before = |prefix: &str| tree.namespace_of(row, prefix).unwrap_or_default();
        let careful = self.bound("") != before("");
        let hidden = if self.inherit {
            Vec::new()
        } else {
            let bound = self.bindings[outer_bindings..].iter();
            let new = bound.filter(|(prefix, uri)| !uri.is_empty() && before(prefix) != *uri);
            new.map(|(prefix, _)| prefix.clone()).collect()
        };
        Ok(Element { outer_bindings, careful, hidden })
    }

    /// Declares the prefix of an attribute; gives the name with another prefix if its own cannot be used.
    fn attribute_name(
        &mut self,
        name: &QName,
        element: &QName,
        outer_bindings: usize,
    ) -> std::result::Result<Option<QName>, SinkError> {
        if name.uri.is_empty() || name.uri == crate::names::XML_NAMESPACE {
            return Ok(None);
        }
        let taken = |pass: &Self, prefix: &str| {
            let here = pass.bindings[outer_bindings..].iter().any(|(known, _)| known == prefix);
            pass.bound(prefix) != name.uri && (here || element.prefix == prefix)
        };
        if !name.prefix.is_empty() && !taken(self, &name.prefix) {
            self.declare(&name.prefix, &name.uri)?;
            return Ok(None);
        }
        let known = self.bindings.iter().rev().map(|(prefix, _)| prefix.clone());
        let mut known = known.filter(|prefix| !prefix.is_empty() && self.bound(prefix) == name.uri);
        let prefix = known.next().unwrap_or_else(|| {
            let free = |prefix: &Str| self.bound(prefix).is_empty() && !taken(self, prefix);
            (0_u32..)
                .map(|number| Str::from(format!("ns{number}")))
                .find(free)
                .expect("there are more numbers than prefixes")
        });
        self.declare(&prefix, &name.uri)?;
        Ok(Some(QName::new(prefix, name.uri.clone(), name.local.clone())))
    }
}

fn binds_prefix(name: &QName, prefix: &Str) -> bool {
    !name.prefix.is_empty() && name.prefix == *prefix
}
