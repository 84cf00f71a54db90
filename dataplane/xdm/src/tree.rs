//! A document as columns: node `pre` is row `pre`, in document order.
//!
//! ```text
//!  pre  kind       level  size  name   value
//!   0   document     0      4    -      -            size: rows below, attributes included
//!   1   element      1      3   order   -
//!   2   attribute    2      0   id      other[0..2]   attributes follow their owner
//!   3   element      2      1   total   -
//!   4   text         3      0    -      text[0..5]
//! ```
//!
//! Text content has a heap of its own, in document order, so that an element's string value is one slice; values of
//! attributes, comments and processing instructions lie in another. At most 2^32 - 1 nodes and 4 GiB per heap.

use crate::Str;
use crate::limits;
use crate::names::{NameId, NameTable};
use crate::summary::Summary;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum NodeKind {
    /// The root of a document.
    Document,
    /// An element.
    Element,
    /// An attribute.
    Attribute,
    /// Character data.
    Text,
    /// A comment.
    Comment,
    /// A processing instruction.
    ProcessingInstruction,
}

/// The columns; all have one entry per node, and one more offset at the end of both heaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) kind: Vec<NodeKind>,
    pub(crate) level: Vec<u16>,
    pub(crate) size: Vec<u32>,
    pub(crate) parent: Vec<u32>,
    pub(crate) name: Vec<NameId>,
    /// Start of the node's own value, or for elements and documents of what lies below, in the text heap.
    pub(crate) text_at: Vec<u32>,
    /// Start of the node's own value in the other heap.
    pub(crate) other_at: Vec<u32>,
    pub(crate) text: String,
    pub(crate) other: String,
    /// Namespace declarations, by element, ascending.
    pub(crate) namespaces: Vec<(u32, Vec<(Str, Str)>)>,
    /// Attributes that a document type declares to be IDs, ascending.
    pub(crate) ids: Vec<u32>,
}

/// Bytes of one row of the columns.
pub const ROW_BYTES: usize = size_of::<NodeKind>() + size_of::<u16>() + 5 * size_of::<u32>();

impl Columns {
    pub(crate) fn bytes(&self) -> usize {
        self.kind.len() * ROW_BYTES + self.text.len() + self.other.len()
    }
}

/// An immutable tree. Shared by reference; a node is the tree and a row.
#[derive(Debug)]
pub struct Tree {
    pub(crate) columns: Columns,
    pub(crate) names: NameTable,
    serial: u64,
    document_uri: Option<Str>,
    summary: OnceLock<Option<Box<Summary>>>,
    base_uri: Option<Str>,
}

static SERIAL: AtomicU64 = AtomicU64::new(0);

impl Tree {
    pub(crate) fn new(
        columns: Columns,
        names: NameTable,
        document_uri: Option<Str>,
        base_uri: Option<Str>,
    ) -> Arc<Self> {
        // Only gives trees that were made here an order among each other.
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { columns, names, serial, document_uri, base_uri, summary: OnceLock::new() })
    }

    /// Number of nodes, attributes included.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.columns.kind.len()).expect("the builder bounds the number of nodes")
    }

    /// A tree has at least its root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.kind.is_empty()
    }

    /// The names of this tree.
    #[must_use]
    pub fn names(&self) -> &NameTable {
        &self.names
    }

    /// The path summary, built when first asked for. `None` for trees too small to be worth one, or with too many paths.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        if self.len() < limits::SUMMARY_ROWS_MIN {
            return None;
        }
        self.summary.get_or_init(|| Summary::build(self).map(Box::new)).as_deref()
    }

    /// Whether no element declares a namespace, so that subtrees can be copied without looking at declarations.
    #[must_use]
    pub fn declares_nothing(&self) -> bool {
        self.columns.namespaces.is_empty()
    }

    /// Orders trees by creation.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Where the document came from, if it came from somewhere.
    #[must_use]
    pub fn document_uri(&self) -> Option<&Str> {
        self.document_uri.as_ref()
    }

    /// What relative URIs in the tree are relative to, where no `xml:base` says otherwise: by default its own URI.
    #[must_use]
    pub fn base_uri(&self) -> Option<&Str> {
        self.base_uri.as_ref().or(self.document_uri.as_ref())
    }

    /// What row `pre` is.
    #[must_use]
    pub fn kind(&self, pre: u32) -> NodeKind {
        self.columns.kind[pre as usize]
    }

    /// Rows below `pre`, attributes included.
    #[must_use]
    pub fn size(&self, pre: u32) -> u32 {
        self.columns.size[pre as usize]
    }

    /// Distance from the root.
    #[must_use]
    pub fn level(&self, pre: u32) -> u16 {
        self.columns.level[pre as usize]
    }

    /// The parent's row; `None` for the root.
    #[must_use]
    pub fn parent(&self, pre: u32) -> Option<u32> {
        if pre == 0 { None } else { Some(self.columns.parent[pre as usize]) }
    }

    /// Name of elements, attributes and processing instructions.
    #[must_use]
    pub fn name_id(&self, pre: u32) -> NameId {
        self.columns.name[pre as usize]
    }

    /// String value: of elements and documents all text below, of others their own.
    #[must_use]
    pub fn string_value(&self, pre: u32) -> &str {
        let columns = &self.columns;
        let (heap, offsets, end) = match self.kind(pre) {
            NodeKind::Text => (&columns.text, &columns.text_at, pre + 1),
            NodeKind::Document | NodeKind::Element => (&columns.text, &columns.text_at, pre + self.size(pre) + 1),
            NodeKind::Attribute | NodeKind::Comment | NodeKind::ProcessingInstruction => {
                (&columns.other, &columns.other_at, pre + 1)
            }
        };
        let to = offsets.get(end as usize).map_or(heap.len(), |&to| to as usize);
        &heap[offsets[pre as usize] as usize..to]
    }

    /// Namespace declarations written on element `pre`.
    #[must_use]
    pub fn declarations(&self, pre: u32) -> &[(Str, Str)] {
        match self.columns.namespaces.binary_search_by_key(&pre, |(at, _)| *at) {
            Ok(found) => &self.columns.namespaces[found].1,
            Err(_) => &[],
        }
    }

    /// Namespace bound to `prefix` at element `pre`; `None` when it is unbound.
    #[must_use]
    pub fn namespace_of(&self, pre: u32, prefix: &str) -> Option<Str> {
        if prefix == "xml" {
            return Some(Str::from(crate::names::XML_NAMESPACE));
        }
        let mut at = Some(pre);
        while let Some(element) = at {
            if let Some((_, uri)) = self.declarations(element).iter().find(|(declared, _)| declared == prefix) {
                return if uri.is_empty() { None } else { Some(uri.clone()) };
            }
            at = self.parent(element);
        }
        None
    }

    /// Namespaces in scope at element `pre`, the innermost first, without `xml` and without what is undeclared.
    #[must_use]
    pub fn namespaces_in_scope(&self, pre: u32) -> Vec<(Str, Str)> {
        let mut found: Vec<(Str, Str)> = Vec::new();
        let mut at = Some(pre);
        while let Some(row) = at {
            for (prefix, uri) in self.declarations(row) {
                if !found.iter().any(|(known, _)| known == prefix) {
                    found.push((prefix.clone(), uri.clone()));
                }
            }
            at = self.parent(row);
        }
        found.retain(|(_, uri)| !uri.is_empty());
        found
    }

    /// Whether the attribute `pre` is an ID: declared so, or called `xml:id`.
    #[must_use]
    pub fn is_id(&self, pre: u32) -> bool {
        self.columns.ids.binary_search(&pre).is_ok()
    }

    /// Bytes of memory held, for statistics and bounds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.columns.bytes()
    }
}
