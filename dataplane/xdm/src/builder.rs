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
    base_uri: Option<Str>,
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

    /// The same, for a tree whose base URI is not its own URI.
    #[must_use]
    pub fn with_base_uri(self, base_uri: Option<Str>) -> Self {
        Self { base_uri, ..self }
    }

    /// The tree. Call after `end_document`, or after the end of a parentless element.
    #[must_use]
    pub fn finish(self) -> Arc<Tree> {
        assert!(self.open.is_empty(), "every element that was begun has ended");
        Tree::new(self.columns, self.names, self.document_uri, self.base_uri)
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

    /// Copies rows `first..=last` of a tree, which are whole subtrees beside each other, as content of what is open: by
    /// ranges of columns, with no look at what the rows are beside their names.
    ///
    /// With nothing open, one subtree becomes the whole tree. A text at the front continues a text before it.
    /// Declarations go along as they are written; the caller sees to it that they mean the same here. Error:
    /// [`SinkError::TooLarge`].
    pub fn copy_rows(&mut self, tree: &Tree, mut first: u32, last: u32) -> Result<(), SinkError> {
        if first <= last && tree.kind(first) == NodeKind::Text && !self.open.is_empty() {
            self.text(tree.string_value(first))?;
            first += 1;
        }
        if first > last {
            return Ok(());
        }
        let source = &tree.columns;
        let (from, to) = (first as usize, last as usize + 1);
        let offset = |offsets: &[u32], heap: &str, row: usize| offsets.get(row).map_or(heap.len(), |&at| at as usize);
        let text = offset(&source.text_at, &source.text, from)..offset(&source.text_at, &source.text, to);
        let other = offset(&source.other_at, &source.other, from)..offset(&source.other_at, &source.other, to);
        let bound = |have: usize, more: usize| u32::try_from(have + more).ok().filter(|rows| *rows < u32::MAX);
        let columns = &mut self.columns;
        let fits = bound(columns.kind.len(), to - from).is_some()
            && bound(columns.text.len(), text.len()).is_some()
            && bound(columns.other.len(), other.len()).is_some();
        if !fits {
            return Err(SinkError::TooLarge { what: "a document, in nodes or bytes of text", max: u32::MAX as usize });
        }
        let (top, level) = (source.level[from], self.open.len());
        let deepest = source.level[from..to].iter().map(|found| usize::from(found - top) + level).max().unwrap_or(0);
        if deepest > limits::XML_DEPTH_MAX {
            return Err(SinkError::TooLarge { what: "element nesting, in levels", max: limits::XML_DEPTH_MAX });
        }
        let narrow = |value: usize| u32::try_from(value).expect("checked above");
        let (base, outer) = (narrow(columns.kind.len()), self.open.last().copied().unwrap_or(0));
        let (text_base, other_base) = (narrow(columns.text.len()), narrow(columns.other.len()));
        let level = u16::try_from(level).expect("the depth bound is below 2^16");
        columns.kind.extend_from_slice(&source.kind[from..to]);
        columns.size.extend_from_slice(&source.size[from..to]);
        columns.level.extend(source.level[from..to].iter().map(|found| found - top + level));
        let parents = source.level[from..to].iter().zip(&source.parent[from..to]);
        columns.parent.extend(parents.map(|(at, parent)| if *at == top { outer } else { parent - first + base }));
        let (text_from, other_from) = (narrow(text.start), narrow(other.start));
        columns.text_at.extend(source.text_at[from..to].iter().map(|at| at - text_from + text_base));
        columns.other_at.extend(source.other_at[from..to].iter().map(|at| at - other_from + other_base));
        columns.text.push_str(&source.text[text]);
        columns.other.push_str(&source.other[other]);
        let begin = source.namespaces.partition_point(|(at, _)| *at < first);
        let declared = source.namespaces[begin..].iter().take_while(|(at, _)| *at <= last);
        columns.namespaces.extend(declared.map(|(at, list)| (at - first + base, list.clone())));
        let begin = source.ids.partition_point(|at| *at < first);
        columns.ids.extend(source.ids[begin..].iter().take_while(|at| **at <= last).map(|at| at - first + base));
        for row in first..=last {
            let name = self.name_of(tree, row);
            self.columns.name.push(name);
        }
        Ok(())
    }

    /// Leaves only `xml:id` attributes as IDs.
    pub(crate) fn forget_declared_ids(&mut self) {
        let (columns, names) = (&mut self.columns, &self.names);
        columns.ids.retain(|at| names.get(columns.name[*at as usize]).is_some_and(crate::copy::is_xml_id));
    }

    fn close(&mut self) {
        let pre = self.open.pop().expect("events are balanced");
        let rows = u32::try_from(self.columns.kind.len()).expect("checked at every push");
        self.columns.size[pre as usize] = rows - pre - 1;
    }
}

impl EventSink for TreeBuilder {
    fn held_bytes(&self) -> usize {
        self.columns.bytes()
    }

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
        self.copy_rows(tree, pre, pre + tree.size(pre))
    }
}

/// A tree that is one namespace node.
#[must_use]
pub fn namespace_tree(prefix: &str, uri: &str) -> Arc<Tree> {
    let mut builder = TreeBuilder::default();
    let name = QName::new("", crate::names::XMLNS_NAMESPACE, prefix);
    builder.attribute(&name, uri, false).expect("one node is within the bounds");
    builder.finish()
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
