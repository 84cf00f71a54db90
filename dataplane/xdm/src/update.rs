//! Updates as data: primitives, the pending update list, and what is incompatible (XQuery Update Facility 3.0 §8).
//!
//! ```text
//!  expressions ─► PendingUpdates ─ check ─► apply (update/{apply,build}.rs): one pass per tree ─► a new tree for each old one
//!                       │
//!                       └─► whoever keeps documents: target = (tree, row), content = trees, names and texts
//! ```
//!
//! Knows no query language, so that a store can keep and ship a list. Trees are immutable: applying gives new ones, and
//! nodes of the old ones stay what they were. There is no revalidation, because nothing is typed.

mod apply;
mod build;
#[cfg(test)]
mod model_test;

pub use apply::{Applied, Stored};

use crate::error::{Result, fail};
use crate::names::QName;
use crate::node::Node;
use crate::tree::{NodeKind, Tree};
use crate::{Str, copy};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// Nodes to put somewhere, other than attributes: the children of the document node of a tree that nobody else has.
///
/// Every element at the top declares all namespaces that are in scope for it.
#[derive(Clone, Debug)]
pub struct Content(Arc<Tree>);

impl Content {
    /// The children of the tree's root, which must be a document node.
    #[must_use]
    pub fn new(tree: Arc<Tree>) -> Self {
        assert_eq!(tree.kind(0), NodeKind::Document, "content is what a document node holds");
        Self(tree)
    }

    /// The tree that holds the nodes.
    #[must_use]
    pub fn tree(&self) -> &Arc<Tree> {
        &self.0
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len() == 1
    }
}

/// An attribute to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name; a name in a namespace may lack a prefix and gets one.
    pub name: QName,
    /// Its value.
    pub value: Str,
}

/// What happens to a node. The number is the section of the Update Facility 3.0.
#[derive(Clone, Debug)]
pub enum Update {
    /// `upd:insertBefore` (8.1.1): siblings before the target, which has a parent and is no attribute.
    InsertBefore(Content),
    /// `upd:insertAfter` (8.1.2).
    InsertAfter(Content),
    /// `upd:insertInto` (8.1.3): children of an element or document, here behind those it has.
    InsertInto(Content),
    /// `upd:insertIntoAsFirst` (8.1.4).
    InsertIntoAsFirst(Content),
    /// `upd:insertIntoAsLast` (8.1.5).
    InsertIntoAsLast(Content),
    /// `upd:insertAttributes` (8.1.6): attributes of an element.
    InsertAttributes(Vec<Attribute>),
    /// `upd:delete` (8.1.7): nothing happens to a node without parent.
    Delete,
    /// `upd:replaceNode` (8.1.8) of a node with a parent that is no attribute.
    ReplaceNode(Content),
    /// `upd:replaceNode` (8.1.8) of an attribute with a parent.
    ReplaceAttribute(Vec<Attribute>),
    /// `upd:replaceValue` (8.1.9) of an attribute, text, comment or processing instruction.
    ReplaceValue(Str),
    /// `upd:replaceElementContent` (8.1.10): one text, or with the empty string no child.
    ReplaceElementContent(Str),
    /// `upd:rename` (8.1.11) of an element, attribute or processing instruction, of which only the local part counts.
    Rename(QName),
    /// `upd:put` (8.1.12): the document or element, as the other updates leave it, is to be stored at an absolute URI.
    Put(Str),
}

/// One update primitive.
#[derive(Clone, Debug)]
pub struct Primitive {
    /// The node that is affected.
    pub target: Node,
    /// What happens to it.
    pub update: Update,
}

/// A pending update list. Primitives stay in the order in which they came, which decides the order of what several of
/// them insert at one place, and nothing else.
#[derive(Clone, Debug, Default)]
pub struct PendingUpdates {
    primitives: Vec<Primitive>,
}

/// A node, for maps.
type Key = (u64, u32);

fn key(node: &Node) -> Key {
    (node.tree.serial(), node.pre)
}

impl PendingUpdates {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of primitives.
    #[must_use]
    pub fn len(&self) -> usize {
        self.primitives.len()
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.primitives.is_empty()
    }

    /// The primitives.
    #[must_use]
    pub fn primitives(&self) -> &[Primitive] {
        &self.primitives
    }

    /// Adds a primitive.
    pub fn push(&mut self, target: Node, update: Update) {
        self.primitives.push(Primitive { target, update });
    }

    /// `upd:mergeUpdates` (8.2.2): adds those of another list.
    pub fn merge(&mut self, other: Self) {
        self.primitives.extend(other.primitives);
    }

    /// Forgets all primitives but the first ones.
    pub fn truncate(&mut self, len: usize) {
        self.primitives.truncate(len);
    }

    /// `upd:compatibilityCheck` (8.2.1) of the primitives from an index on.
    ///
    /// Errors: XUDY0015, XUDY0016, XUDY0017 for a second `rename`, `replace node` or `replace value` of a node; XUDY0031
    /// for a second `put` at a URI; XUDY0024 when two primitives bind a prefix of one element to different namespaces.
    pub fn check(&self, from: usize) -> Result<()> {
        let mut renamed: HashSet<Key> = HashSet::new();
        let mut replaced: HashSet<Key> = HashSet::new();
        let mut valued: HashSet<Key> = HashSet::new();
        let mut stored: HashSet<&Str> = HashSet::new();
        let mut bindings: HashMap<(Key, &Str), &Str> = HashMap::new();
        for Primitive { target, update } in &self.primitives[from..] {
            let twice = |code, what: &str| Err(fail(code, format!("{} is {what} twice", describe(target))));
            match update {
                Update::Rename(name) => {
                    if !renamed.insert(key(target)) {
                        return twice("XUDY0015", "renamed");
                    }
                    match target.kind() {
                        NodeKind::Element => bind(&mut bindings, target, name)?,
                        NodeKind::Attribute => bind_on_parent(&mut bindings, target, std::slice::from_ref(name))?,
                        _ => {}
                    }
                }
                Update::ReplaceNode(_) if !replaced.insert(key(target)) => return twice("XUDY0016", "replaced"),
                Update::ReplaceAttribute(attributes) => {
                    if !replaced.insert(key(target)) {
                        return twice("XUDY0016", "replaced");
                    }
                    bind_on_parent(&mut bindings, target, attributes.iter().map(|attribute| &attribute.name))?;
                }
                Update::ReplaceValue(_) | Update::ReplaceElementContent(_) if !valued.insert(key(target)) => {
                    return twice("XUDY0017", "given a value");
                }
                Update::InsertAttributes(attributes) => {
                    for name in attributes.iter().map(|attribute| &attribute.name).filter(|name| binds(name)) {
                        bind(&mut bindings, target, name)?;
                    }
                }
                Update::Put(uri) if !stored.insert(uri) => {
                    return Err(fail("XUDY0031", format!("two nodes are to be stored at {uri}")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `upd:applyUpdates` (8.2.3): makes all of them effective, or none.
    ///
    /// With `inherit`, namespaces that an update brings to an element are seen below it. Errors: those of
    /// [`Self::check`]; XUDY0021 when an element would have two attributes of one name; XQDY0901 (an error of this
    /// engine) when a tree would get too large.
    pub fn apply(&self, inherit: bool) -> Result<Applied> {
        self.check(0)?;
        apply::apply(self, inherit)
    }
}

/// Whether an attribute's name implies a namespace binding for its element.
fn binds(name: &QName) -> bool {
    !name.prefix.is_empty() && name.prefix != "xml"
}

fn bind<'a>(bindings: &mut HashMap<(Key, &'a Str), &'a Str>, element: &Node, name: &'a QName) -> Result<()> {
    let before = bindings.insert((key(element), &name.prefix), &name.uri);
    match before.filter(|uri| **uri != name.uri) {
        None => Ok(()),
        Some(uri) => Err(fail(
            "XUDY0024",
            format!("updates bind prefix {:?} of one element to {uri:?} and to {:?}", name.prefix, name.uri),
        )),
    }
}

fn bind_on_parent<'a>(
    bindings: &mut HashMap<(Key, &'a Str), &'a Str>,
    attribute: &Node,
    names: impl IntoIterator<Item = &'a QName>,
) -> Result<()> {
    let Some(parent) = attribute.parent() else { return Ok(()) };
    names.into_iter().filter(|name| binds(name)).try_for_each(|name| bind(bindings, &parent, name))
}

/// Checks that a name given to an element conflicts with no namespace in scope for it. Error: XUDY0023.
pub fn check_element_name(element: &Node, name: &QName) -> Result<()> {
    let bound = element.tree.namespace_of(element.pre, &name.prefix);
    conflict(bound, name)
}

/// Checks that the names of attributes conflict with no namespace in scope for their element, and not with each other.
/// Errors: XUDY0023, XUDY0024.
pub fn check_attribute_names<'a>(element: &Node, names: impl IntoIterator<Item = &'a QName>) -> Result<()> {
    let mut bindings = HashMap::new();
    for name in names.into_iter().filter(|name| binds(name)) {
        conflict(element.tree.namespace_of(element.pre, &name.prefix), name)?;
        bind(&mut bindings, element, name)?;
    }
    Ok(())
}

fn conflict(bound: Option<Str>, name: &QName) -> Result<()> {
    match bound.filter(|uri| *uri != name.uri) {
        None => Ok(()),
        Some(uri) => {
            Err(fail("XUDY0023", format!("{name} needs prefix {:?}, which is bound to {uri} already", name.prefix)))
        }
    }
}

fn describe(node: &Node) -> String {
    let name = node.name().map(QName::lexical).unwrap_or_default();
    match node.kind() {
        NodeKind::Document => "the document".to_owned(),
        NodeKind::Element => format!("element {name}"),
        NodeKind::Attribute => format!("attribute {name}"),
        NodeKind::Text => "a text".to_owned(),
        NodeKind::Comment => "a comment".to_owned(),
        NodeKind::ProcessingInstruction => format!("processing instruction {name}"),
    }
}

/// Whether an attribute is an ID after it was renamed or got another value.
fn stays_id(name: &QName) -> bool {
    copy::is_xml_id(name)
}
