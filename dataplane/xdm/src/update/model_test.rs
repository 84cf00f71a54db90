//! Applying in one pass gives what the specification's steps give on a tree that can be changed, whatever the updates.

use super::{Attribute, Content, PendingUpdates, Update};
use crate::builder::TreeBuilder;
use crate::events::EventSink;
use crate::serialize::xml::to_xml;
use crate::{Node, NodeKind, ParseOptions, QName, Str, Tree, parse_xml};
use proptest::prelude::*;
use std::sync::Arc;

/// A node of the model; `parent` is `None` when it is detached.
#[derive(Clone, Debug)]
struct ModelNode {
    kind: NodeKind,
    name: Option<QName>,
    value: String,
    parent: Option<usize>,
    attributes: Vec<usize>,
    children: Vec<usize>,
}

/// A tree that can be changed, node by node.
struct Model(Vec<ModelNode>);

impl Model {
    /// The nodes of a tree; their numbers are its rows.
    fn of(tree: &Arc<Tree>) -> Self {
        let mut model = Self(Vec::new());
        for pre in 0..tree.len() {
            let node = Node { tree: tree.clone(), pre };
            let value = match node.kind() {
                NodeKind::Document | NodeKind::Element => String::new(),
                _ => node.string_value().to_owned(),
            };
            let parent = tree.parent(pre).map(|parent| parent as usize);
            model.add(node.kind(), node.name().cloned(), value, parent);
        }
        model
    }

    fn add(&mut self, kind: NodeKind, name: Option<QName>, value: String, parent: Option<usize>) -> usize {
        let number = self.0.len();
        self.0.push(ModelNode { kind, name, value, parent, attributes: Vec::new(), children: Vec::new() });
        if let Some(parent) = parent {
            match kind {
                NodeKind::Attribute => self.0[parent].attributes.push(number),
                _ => self.0[parent].children.push(number),
            }
        }
        number
    }

    /// New nodes for content, without parent.
    fn content(&mut self, content: &Content) -> Vec<usize> {
        let tree = content.tree();
        let first = self.0.len();
        let other = Self::of(tree);
        for mut node in other.0.into_iter().skip(1) {
            node.parent = node.parent.filter(|parent| *parent > 0).map(|parent| parent - 1 + first);
            node.attributes.iter_mut().chain(&mut node.children).for_each(|child| *child = *child - 1 + first);
            self.0.push(node);
        }
        (first..self.0.len()).filter(|number| self.0[*number].parent.is_none()).collect()
    }

    fn attributes(&mut self, attributes: &[Attribute]) -> Vec<usize> {
        let add = |attribute: &Attribute| {
            self.add(NodeKind::Attribute, Some(attribute.name.clone()), attribute.value.to_string(), None)
        };
        attributes.iter().map(add).collect()
    }

    /// Puts nodes among the children of a parent, at a place.
    fn place(&mut self, parent: usize, at: usize, nodes: Vec<usize>) {
        for node in &nodes {
            self.0[*node].parent = Some(parent);
        }
        self.0[parent].children.splice(at..at, nodes);
    }

    fn position(&self, node: usize) -> Option<(usize, usize)> {
        let parent = self.0[node].parent?;
        let list = if self.0[node].kind == NodeKind::Attribute {
            &self.0[parent].attributes
        } else {
            &self.0[parent].children
        };
        Some((parent, list.iter().position(|child| *child == node).unwrap()))
    }

    fn detach(&mut self, node: usize) {
        let Some((parent, at)) = self.position(node) else { return };
        if self.0[node].kind == NodeKind::Attribute {
            self.0[parent].attributes.remove(at);
        } else {
            self.0[parent].children.remove(at);
        }
        self.0[node].parent = None;
    }

    /// The five steps, then the constraint on attributes.
    fn apply(&mut self, list: &PendingUpdates) -> Result<(), &'static str> {
        let all: Vec<(usize, &Update)> = list.primitives().iter().map(|p| (p.target.pre as usize, &p.update)).collect();
        for (target, update) in &all {
            match update {
                Update::InsertInto(content) => {
                    let nodes = self.content(content);
                    let end = self.0[*target].children.len();
                    self.place(*target, end, nodes);
                }
                Update::InsertAttributes(attributes) => {
                    for attribute in self.attributes(attributes) {
                        self.0[attribute].parent = Some(*target);
                        self.0[*target].attributes.push(attribute);
                    }
                }
                Update::ReplaceValue(value) => self.0[*target].value = value.to_string(),
                Update::Rename(name) => self.0[*target].name = Some(name.clone()),
                _ => {}
            }
        }
        // Groups at one place stay in the order of the list: what is put behind the same point goes last to first.
        for (target, update) in &all {
            match update {
                Update::InsertBefore(content) => {
                    let (nodes, place) = (self.content(content), self.position(*target).unwrap());
                    self.place(place.0, place.1, nodes);
                }
                Update::InsertIntoAsLast(content) => {
                    let nodes = self.content(content);
                    let end = self.0[*target].children.len();
                    self.place(*target, end, nodes);
                }
                _ => {}
            }
        }
        for (target, update) in all.iter().rev() {
            match update {
                Update::InsertAfter(content) => {
                    let (nodes, place) = (self.content(content), self.position(*target).unwrap());
                    self.place(place.0, place.1 + 1, nodes);
                }
                Update::InsertIntoAsFirst(content) => {
                    let nodes = self.content(content);
                    self.place(*target, 0, nodes);
                }
                _ => {}
            }
        }
        for (target, update) in &all {
            match update {
                Update::ReplaceNode(content) => {
                    let (nodes, place) = (self.content(content), self.position(*target).unwrap());
                    self.detach(*target);
                    self.place(place.0, place.1, nodes);
                }
                Update::ReplaceAttribute(attributes) => {
                    let (nodes, (parent, at)) = (self.attributes(attributes), self.position(*target).unwrap());
                    self.detach(*target);
                    nodes.iter().for_each(|node| self.0[*node].parent = Some(parent));
                    self.0[parent].attributes.splice(at..at, nodes);
                }
                _ => {}
            }
        }
        for (target, update) in &all {
            if let Update::ReplaceElementContent(text) = update {
                for child in std::mem::take(&mut self.0[*target].children) {
                    self.0[child].parent = None;
                }
                self.add(NodeKind::Text, None, text.to_string(), Some(*target));
            }
        }
        for (target, update) in &all {
            if matches!(update, Update::Delete) {
                self.detach(*target);
            }
        }
        let twice = |node: &ModelNode| {
            let names: Vec<_> = node.attributes.iter().map(|attribute| &self.0[*attribute].name).collect();
            (1..names.len()).any(|at| names[..at].contains(&names[at]))
        };
        if self.0.iter().any(twice) { Err("XUDY0021") } else { Ok(()) }
    }

    fn send(&self, number: usize, out: &mut TreeBuilder) {
        let node = &self.0[number];
        let children = |out: &mut TreeBuilder| node.children.iter().for_each(|child| self.send(*child, out));
        match node.kind {
            NodeKind::Document => {
                out.start_document().unwrap();
                children(out);
                out.end_document().unwrap();
            }
            NodeKind::Element => {
                out.start_element(node.name.as_ref().unwrap()).unwrap();
                for attribute in &node.attributes {
                    let attribute = &self.0[*attribute];
                    out.attribute(attribute.name.as_ref().unwrap(), &attribute.value, false).unwrap();
                }
                children(out);
                out.end_element().unwrap();
            }
            NodeKind::Text => out.text(&node.value).unwrap(),
            NodeKind::Comment => out.comment(&node.value).unwrap(),
            NodeKind::ProcessingInstruction => {
                out.processing_instruction(&node.name.as_ref().unwrap().local, &node.value).unwrap();
            }
            NodeKind::Attribute => unreachable!("sent with its element"),
        }
    }

    fn tree(&self) -> Arc<Tree> {
        let mut out = TreeBuilder::default();
        self.send(0, &mut out);
        out.finish()
    }
}

fn content(xml: &str) -> Content {
    let wrapped = parse_xml(format!("<w>{xml}</w>").as_bytes(), &ParseOptions::default()).unwrap();
    let mut out = TreeBuilder::default();
    out.start_document().unwrap();
    out.copy_rows(&wrapped, 2, wrapped.len() - 1).unwrap();
    out.end_document().unwrap();
    Content::new(out.finish())
}

fn attributes(names: &[&str]) -> Vec<Attribute> {
    names.iter().map(|name| Attribute { name: QName::local(*name), value: Str::from("new") }).collect()
}

/// XML of random elements, texts, comments and instructions.
fn fragment() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("t".to_owned()),
        Just("<!--c-->".to_owned()),
        Just("<?p q?>".to_owned()),
        Just("<a/>".to_owned()),
        Just("<b i='1' j='2'/>".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop::collection::vec(inner, 0..5).prop_map(|parts| format!("<e i='1'>{}</e>", parts.concat()))
    })
}

/// An update of a node, if the numbers choose one that its kind allows.
fn update(node: &Node, which: u8, xml: &str) -> Option<Update> {
    use NodeKind::{Attribute as A, Comment as C, Document as D, Element as E, ProcessingInstruction as P, Text as T};
    let has_parent = node.parent().is_some();
    let name = QName::local(["x", "i", "j"][usize::from(which) % 3]);
    Some(match (which % 13, node.kind()) {
        (0, E | T | C | P) if has_parent => Update::InsertBefore(content(xml)),
        (1, E | T | C | P) if has_parent => Update::InsertAfter(content(xml)),
        (2, E | D) => Update::InsertInto(content(xml)),
        (3, E | D) => Update::InsertIntoAsFirst(content(xml)),
        (4, E | D) => Update::InsertIntoAsLast(content(xml)),
        (5, E) => Update::InsertAttributes(attributes(&["k"])),
        (6, E) => Update::InsertAttributes(attributes(&["j"])),
        (7, _) if has_parent => Update::Delete,
        (8, E | T | C | P) if has_parent => Update::ReplaceNode(content(if xml.len() > 20 { "" } else { xml })),
        (8, A) if has_parent => Update::ReplaceAttribute(attributes(&["k", "l"])),
        (9, A | T | C | P) => Update::ReplaceValue(Str::from(if xml.len() > 20 { "" } else { "v" })),
        (10, E) => Update::ReplaceElementContent(Str::from(if xml.len() > 20 { "" } else { "v" })),
        (11 | 12, E | A | P) => Update::Rename(name),
        _ => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn one_pass_gives_what_the_steps_give(
        xml in fragment(),
        choices in prop::collection::vec((any::<u32>(), any::<u8>(), fragment()), 0..12),
    ) {
        let tree = parse_xml(format!("<r>{xml}</r>").as_bytes(), &ParseOptions::default()).unwrap();
        let mut list = PendingUpdates::new();
        for (row, which, xml) in &choices {
            let node = Node { tree: tree.clone(), pre: row % tree.len() };
            if let Some(update) = update(&node, *which, xml) {
                list.push(node, update);
            }
        }
        if list.check(0).is_err() {
            return Ok(());
        }
        let mut model = Model::of(&tree);
        match (model.apply(&list), list.apply(true)) {
            (Ok(()), Ok(applied)) => {
                let (expected, found) = (model.tree(), applied.tree(&tree));
                prop_assert_eq!(to_xml(&Node::root_of(&expected)), to_xml(&Node::root_of(&found)));
                for pre in 0..expected.len() {
                    prop_assert_eq!(expected.kind(pre), found.kind(pre));
                    prop_assert_eq!(expected.size(pre), found.size(pre));
                    prop_assert_eq!(expected.level(pre), found.level(pre));
                    prop_assert_eq!(expected.parent(pre), found.parent(pre));
                    prop_assert_eq!(expected.string_value(pre), found.string_value(pre));
                }
            }
            (Err(code), Err(error)) => prop_assert_eq!(code, &*error.code.local),
            (expected, found) => prop_assert!(false, "{:?} but {:?}", expected, found.map(|_| ())),
        }
    }
}

#[test]
fn a_deep_tree_is_updated_without_using_the_stack() {
    let depth = crate::limits::XML_DEPTH_MAX - 2;
    let xml = format!("{}x{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let tree = parse_xml(xml.as_bytes(), &ParseOptions::default()).unwrap();
    let mut list = PendingUpdates::new();
    list.push(Node { tree: tree.clone(), pre: tree.len() - 1 }, Update::ReplaceValue(Str::from("y")));
    let found = list.apply(true).unwrap().tree(&tree);
    assert_eq!((found.len(), found.string_value(0)), (tree.len(), "y"));
}

#[test]
fn what_is_stored_is_what_the_updates_left() {
    let tree = parse_xml(b"<r xmlns:p='u'><p:a>old</p:a></r>", &ParseOptions::default()).unwrap();
    let mut list = PendingUpdates::new();
    list.push(Node { tree: tree.clone(), pre: 2 }, Update::Put(Str::from("/a.xml")));
    list.push(Node { tree: tree.clone(), pre: 3 }, Update::ReplaceValue(Str::from("new")));
    let applied = list.apply(true).unwrap();
    assert_eq!(to_xml(&applied.stored[0].node), "<p:a xmlns:p=\"u\">new</p:a>");
    assert_eq!(applied.trees.len(), 1);
    list.push(Node { tree, pre: 1 }, Update::Put(Str::from("/a.xml")));
    assert_eq!(&*list.apply(true).unwrap_err().code.local, "XUDY0031");
}
