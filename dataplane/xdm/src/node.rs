//! A node: a tree and a row.

use crate::events::{EventSink, SinkError};
use crate::names::{QName, XMLNS_NAMESPACE};
use crate::tree::{NodeKind, Tree};
use std::cmp::Ordering;
use std::sync::Arc;

/// A node. Equal to another only if it is the same one.
#[derive(Clone, Debug)]
pub struct Node {
    /// The tree it is part of.
    pub tree: Arc<Tree>,
    /// Its row.
    pub pre: u32,
}

impl Node {
    /// The root of a tree.
    #[must_use]
    pub fn root_of(tree: &Arc<Tree>) -> Self {
        Self { tree: tree.clone(), pre: 0 }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        self.tree.kind(self.pre)
    }

    /// Whether it is a namespace node. Only those without parent exist: a tree of one row, kept as an attribute in the
    /// namespace of `xmlns`, which no attribute can be in, with the prefix as its local name.
    #[must_use]
    pub fn is_namespace(&self) -> bool {
        self.kind() == NodeKind::Attribute && self.name().is_some_and(|name| name.uri == XMLNS_NAMESPACE)
    }

    /// `dm:node-name`; `None` for nodes that have none.
    #[must_use]
    pub fn name(&self) -> Option<&QName> {
        self.tree.names().get(self.tree.name_id(self.pre))
    }

    /// `dm:string-value`.
    #[must_use]
    pub fn string_value(&self) -> &str {
        self.tree.string_value(self.pre)
    }

    /// `dm:parent`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.tree.parent(self.pre).map(|pre| Self { tree: self.tree.clone(), pre })
    }

    /// Document order; trees among each other in order of creation.
    #[must_use]
    pub fn document_order(&self, other: &Self) -> Ordering {
        (self.tree.serial(), self.pre).cmp(&(other.tree.serial(), other.pre))
    }

    /// Sends the node and what is below it to a sink, which for an attribute is nothing but the attribute.
    pub fn send(&self, sink: &mut dyn EventSink) -> Result<(), SinkError> {
        send_rows(&self.tree, self.pre, sink)
    }
}

/// Sends the events of a node and what is below it.
pub(crate) fn send_rows(tree: &Tree, from: u32, sink: &mut dyn EventSink) -> Result<(), SinkError> {
    let end = from + tree.size(from);
    // Rows of the elements that are open, each with the last row below it.
    let mut open: Vec<(u32, NodeKind)> = Vec::new();
    let mut pre = from;
    loop {
        while let Some(&(last, kind)) = open.last()
            && last < pre
        {
            open.pop();
            if kind == NodeKind::Document { sink.end_document()? } else { sink.end_element()? }
        }
        if pre > end {
            return Ok(());
        }
        let name = tree.names().get(tree.name_id(pre));
        let value = tree.string_value(pre);
        match (tree.kind(pre), name) {
            (NodeKind::Document, _) => {
                sink.start_document()?;
                open.push((pre + tree.size(pre), NodeKind::Document));
            }
            (NodeKind::Element, Some(name)) => {
                sink.start_element(name)?;
                for (prefix, uri) in tree.declarations(pre) {
                    sink.namespace(prefix, uri)?;
                }
                open.push((pre + tree.size(pre), NodeKind::Element));
            }
            (NodeKind::Attribute, Some(name)) => sink.attribute(name, value, tree.is_id(pre))?,
            (NodeKind::ProcessingInstruction, Some(name)) => sink.processing_instruction(&name.local, value)?,
            (NodeKind::Text, _) => sink.text(value)?,
            (NodeKind::Comment, _) => sink.comment(value)?,
            (NodeKind::Element | NodeKind::Attribute | NodeKind::ProcessingInstruction, None) => {
                unreachable!("the builder names these nodes")
            }
        }
        pre += 1;
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.pre == other.pre && Arc::ptr_eq(&self.tree, &other.tree)
    }
}
impl Eq for Node {}
