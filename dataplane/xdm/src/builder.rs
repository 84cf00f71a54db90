//! Events to columns.

use crate::events::{EventSink, SinkError};
use crate::names::{NameId, NameTable, QName};
use crate::tree::{Columns, NodeKind, Tree};
use crate::{Str, limits};
use std::sync::Arc;

/// Builds a tree from events. Neighbouring text events become one text node; empty ones vanish.
#[derive(Default)]
pub struct TreeBuilder {
    columns: Columns,
    names: NameTable,
    open: Vec<u32>,
    document_uri: Option<Str>,
}

impl TreeBuilder {
    /// A builder; `document_uri` becomes the tree's.
    #[must_use]
    pub fn new(document_uri: Option<Str>) -> Self {
        Self { document_uri, ..Self::default() }
    }

    /// The tree. Call after `end_document`, or after the end of a parentless element.
    #[must_use]
    pub fn finish(self) -> Arc<Tree> {
        assert!(self.open.is_empty(), "every element that was begun has ended");
        Tree::new(self.columns, self.names, self.document_uri)
    }

    fn push(&mut self, kind: NodeKind, name: NameId) -> Result<u32, SinkError> {
        let columns = &mut self.columns;
        let pre = u32::try_from(columns.kind.len()).ok().filter(|pre| *pre < u32::MAX);
        let offset = |heap: &String| u32::try_from(heap.len()).ok();
        let (Some(pre), Some(text_at), Some(other_at)) = (pre, offset(&columns.text), offset(&columns.other)) else {
            return Err(SinkError::TooLarge { what: "a document, in nodes or bytes of text", max: u32::MAX as usize });
        };
        if self.open.len() > limits::XML_DEPTH_MAX {
            return Err(SinkError::TooLarge { what: "element nesting, in levels", max: limits::XML_DEPTH_MAX });
        }
        columns.kind.push(kind);
        columns.level.push(u16::try_from(self.open.len()).expect("the depth bound is below 2^16"));
        columns.size.push(0);
        columns.parent.push(self.open.last().copied().unwrap_or(0));
        columns.name.push(name);
        columns.text_at.push(text_at);
        columns.other_at.push(other_at);
        Ok(pre)
    }

    fn close(&mut self) {
        let pre = self.open.pop().expect("events are balanced");
        let rows = u32::try_from(self.columns.kind.len()).expect("checked at every push");
        self.columns.size[pre as usize] = rows - pre - 1;
    }
}

impl EventSink for TreeBuilder {
    fn start_document(&mut self) -> Result<(), SinkError> {
        let pre = self.push(NodeKind::Document, NameId::NONE)?;
        self.open.push(pre);
        Ok(())
    }

    fn end_document(&mut self) -> Result<(), SinkError> {
        self.close();
        Ok(())
    }

    fn start_element(&mut self, name: &QName) -> Result<(), SinkError> {
        let name = self.names.intern(name);
        let pre = self.push(NodeKind::Element, name)?;
        self.open.push(pre);
        Ok(())
    }

    fn namespace(&mut self, prefix: &str, uri: &str) -> Result<(), SinkError> {
        let element = *self.open.last().expect("a declaration belongs to an element");
        let declaration = (Str::from(prefix), Str::from(uri));
        match self.columns.namespaces.last_mut() {
            Some((at, declarations)) if *at == element => declarations.push(declaration),
            _ => self.columns.namespaces.push((element, vec![declaration])),
        }
        Ok(())
    }

    fn attribute(&mut self, name: &QName, value: &str, is_id: bool) -> Result<(), SinkError> {
        let name = self.names.intern(name);
        let pre = self.push(NodeKind::Attribute, name)?;
        self.columns.other.push_str(value);
        if is_id {
            self.columns.ids.push(pre);
        }
        Ok(())
    }

    fn end_element(&mut self) -> Result<(), SinkError> {
        self.close();
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), SinkError> {
        if text.is_empty() {
            return Ok(());
        }
        let last = self.columns.kind.len().wrapping_sub(1);
        let level = self.open.len();
        let continues =
            self.columns.kind.last() == Some(&NodeKind::Text) && usize::from(self.columns.level[last]) == level;
        if !continues {
            self.push(NodeKind::Text, NameId::NONE)?;
        }
        self.columns.text.push_str(text);
        Ok(())
    }

    fn comment(&mut self, text: &str) -> Result<(), SinkError> {
        self.push(NodeKind::Comment, NameId::NONE)?;
        self.columns.other.push_str(text);
        Ok(())
    }

    fn processing_instruction(&mut self, target: &str, data: &str) -> Result<(), SinkError> {
        let name = self.names.intern(&QName::local(target));
        self.push(NodeKind::ProcessingInstruction, name)?;
        self.columns.other.push_str(data);
        Ok(())
    }
}

/// A tree that is one text node, which may be empty.
#[must_use]
pub fn text_tree(text: &str) -> Arc<Tree> {
    let mut builder = TreeBuilder::default();
    builder.push(NodeKind::Text, NameId::NONE).expect("one node is within the bounds");
    builder.columns.text.push_str(text);
    builder.finish()
}
