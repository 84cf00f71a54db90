//! A document as a sequence of events: what parsers and constructors produce, and builders, encoders and serializers eat.

use crate::QName;
use crate::tree::Tree;

/// Why a sink does not take an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// A bound was crossed.
    #[error("{what} exceeds {max}")]
    TooLarge {
        /// What was counted, with its unit.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The sink's own trouble, in words.
    #[error("{0}")]
    Other(String),
}

/// Takes the events of one document.
///
/// Order: `start_document`, content, `end_document`. Of an element: `start_element`, its namespace declarations, its
/// attributes, content, `end_element`. The source promises balanced elements, unique attributes, and declared prefixes.
pub trait EventSink {
    /// The document begins.
    fn start_document(&mut self) -> Result<(), SinkError>;
    /// The document ends; nothing follows.
    fn end_document(&mut self) -> Result<(), SinkError>;
    /// An element begins.
    fn start_element(&mut self, name: &QName) -> Result<(), SinkError>;
    /// A namespace declaration of the element just begun; an empty `uri` undeclares the default namespace.
    fn namespace(&mut self, prefix: &str, uri: &str) -> Result<(), SinkError>;
    /// An attribute of the element just begun.
    fn attribute(&mut self, name: &QName, value: &str, is_id: bool) -> Result<(), SinkError>;
    /// The element ends.
    fn end_element(&mut self) -> Result<(), SinkError>;
    /// Character data; neighbouring events are one text node.
    fn text(&mut self, text: &str) -> Result<(), SinkError>;
    /// A comment.
    fn comment(&mut self, text: &str) -> Result<(), SinkError>;
    /// A processing instruction.
    fn processing_instruction(&mut self, target: &str, data: &str) -> Result<(), SinkError>;

    /// Bytes that the sink holds of what it was sent.
    fn held_bytes(&self) -> usize {
        0
    }

    /// A node that is no document and no attribute, with everything below it, of a tree without namespace declarations.
    /// Equal to sending its events one by one, which is what it does unless the sink knows better.
    fn subtree(&mut self, tree: &Tree, pre: u32) -> Result<(), SinkError>
    where
        Self: Sized,
    {
        crate::node::send_rows(tree, pre, self)
    }
}
