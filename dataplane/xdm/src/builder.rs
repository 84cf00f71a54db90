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
    /// The tree that subtrees were copied from last, by serial number, and its names here.
    copied: Option<(u64, Vec<NameId>)>,
    /// Names interned lately, found by where their text is: parsers send the same text again and again.
    recent: Vec<Option<(QName, NameId)>>,
}

/// Names that are found by where they are, in names.
const RECENT: usize = 64;

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

    fn intern(&mut self, name: &QName) -> NameId {
        // Most constructed trees are smaller than the memory for this.
        if self.columns.kind.len() < RECENT {
            return self.names.intern(name);
        }
        if self.recent.is_empty() {
            self.recent.resize(RECENT, None);
        }
        let place = (name.local.as_ptr() as usize >> 4) % RECENT;
        if let Some((known, id)) = &self.recent[place]
            && Str::ptr_eq(&known.local, &name.local)
            && Str::ptr_eq(&known.uri, &name.uri)
            && Str::ptr_eq(&known.prefix, &name.prefix)
        {
            return *id;
        }
        let id = self.names.intern(name);
        self.recent[place] = Some((name.clone(), id));
        id
    }

    /// The name of a row of another tree, in this one's table.
    fn name_of(&mut self, tree: &Tree, pre: u32) -> NameId {
        let id = tree.name_id(pre);
        let Some(name) = tree.names().get(id) else { return NameId::NONE };
        let (serial, known) = self.copied.get_or_insert_with(|| (tree.serial(), Vec::new()));
        if *serial != tree.serial() {
            *serial = tree.serial();
            known.clear();
        }
        let place = id.0 as usize;
        if known.len() <= place {
            known.resize(tree.names().all().len(), NameId::NONE);
        }
        if known[place] == NameId::NONE {
            known[place] = self.names.intern(name);
        }
        known[place]
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
        let name = self.intern(name);
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
        let name = self.intern(name);
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

    /// Ranges of columns are appended as they are; only names are translated.
    fn subtree(&mut self, tree: &Tree, pre: u32) -> Result<(), SinkError> {
        if tree.kind(pre) != NodeKind::Element {
            // A text may continue the one before.
            return crate::node::send_rows(tree, pre, self);
        }
        let name = self.name_of(tree, pre);
        let at = self.push(NodeKind::Element, name)?;
        let count = tree.size(pre);
        let source = &tree.columns;
        let (from, to) = (pre as usize, (pre + count) as usize);
        let end = |offsets: &[u32], heap: &str| offsets.get(to + 1).map_or(heap.len(), |at| *at as usize);
        let text = source.text_at[from] as usize..end(&source.text_at, &source.text);
        let other = source.other_at[from] as usize..end(&source.other_at, &source.other);
        let rows = self.columns.kind.len() + count as usize;
        let fits = |heap: &String, more: usize| u32::try_from(heap.len() + more).is_ok();
        if u32::try_from(rows).is_err()
            || !fits(&self.columns.text, text.len())
            || !fits(&self.columns.other, other.len())
        {
            return Err(SinkError::TooLarge { what: "a document, in nodes or bytes of text", max: u32::MAX as usize });
        }
        let depth = source.level[from + 1..=to].iter().max().map_or(0, |level| level - source.level[from]);
        let level = self.columns.level[at as usize];
        if usize::from(level) + usize::from(depth) > limits::XML_DEPTH_MAX {
            return Err(SinkError::TooLarge { what: "element nesting, in levels", max: limits::XML_DEPTH_MAX });
        }
        let names: Vec<NameId> = (pre + 1..=pre + count).map(|row| self.name_of(tree, row)).collect();
        let columns = &mut self.columns;
        let [text_base, other_base] = [columns.text_at[at as usize], columns.other_at[at as usize]];
        let (text_from, other_from) = (source.text_at[from], source.other_at[from]);
        columns.size[at as usize] = count;
        columns.kind.extend_from_slice(&source.kind[from + 1..=to]);
        columns.level.extend(source.level[from + 1..=to].iter().map(|other| level + (other - source.level[from])));
        columns.size.extend_from_slice(&source.size[from + 1..=to]);
        columns.parent.extend(source.parent[from + 1..=to].iter().map(|parent| parent - pre + at));
        columns.name.extend(names);
        columns.text_at.extend(source.text_at[from + 1..=to].iter().map(|offset| offset - text_from + text_base));
        columns.other_at.extend(source.other_at[from + 1..=to].iter().map(|offset| offset - other_from + other_base));
        columns.text.push_str(&source.text[text]);
        columns.other.push_str(&source.other[other]);
        let first = source.ids.partition_point(|id| *id <= pre);
        let ids = source.ids[first..].iter().take_while(|id| **id <= pre + count);
        columns.ids.extend(ids.map(|id| id - pre + at));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseOptions, parse_xml};
    use crate::serialize::xml::to_xml;
    use crate::{Node, node};

    #[test]
    fn a_copied_range_of_columns_is_what_its_events_build() {
        let xml = "<r><x>before</x><a i='1'>t<b j='2'><!--c--></b><c>u<d/></c></a>after</r>";
        let source = parse_xml(xml.as_bytes(), &ParseOptions::default()).unwrap();
        let build = |copy: &dyn Fn(&mut TreeBuilder, u32)| {
            let mut builder = TreeBuilder::default();
            builder.start_element(&QName::local("copy")).unwrap();
            builder.text("first").unwrap();
            for pre in (1..source.len()).filter(|pre| source.kind(*pre) != NodeKind::Attribute) {
                copy(&mut builder, pre);
            }
            builder.end_element().unwrap();
            builder.finish()
        };
        let by_range = build(&|builder, pre| builder.subtree(&source, pre).unwrap());
        let by_events = build(&|builder, pre| node::send_rows(&source, pre, builder).unwrap());
        assert_eq!(to_xml(&Node::root_of(&by_range)), to_xml(&Node::root_of(&by_events)));
        for pre in 0..by_events.len() {
            let row =
                |tree: &Tree| (tree.level(pre), tree.size(pre), tree.parent(pre), tree.string_value(pre).to_owned());
            assert_eq!(row(&by_range), row(&by_events));
        }
    }
}
