//! A document to blocks: events in order, names in a table at the front of each block.
//!
//! ```text
//!  block = format (u8) | CRC-32 of the rest (u32) | names | events
//!  names = count | (prefix, namespace, local part) …          only those used in this block
//!  event = tag (u8) | name index or values
//! ```
//!
//! A block is independent of the others, so one can be decoded, checked or shipped alone. Names travel as text, never as
//! numbers of a dictionary, because log entries carry blocks and replicas must not depend on each other's dictionaries.

use crate::codec::{Reader, Writer};
use crate::document::EncodedDocument;
use crate::keyspace::FORMAT;
use crate::kv::KvError;
use crate::limits::{BLOCK_BYTES, VALUE_PIECE_BYTES_MAX};
use phoenixmldb_xdm::names::{NameTable, QName};
use phoenixmldb_xdm::{EventSink, SinkError};
use xxhash_rust::xxh3::Xxh3;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    StartDocument = 1,
    EndDocument = 2,
    StartElement = 3,
    Namespace = 4,
    Attribute = 5,
    IdAttribute = 6,
    EndElement = 7,
    Text = 8,
    Comment = 9,
    ProcessingInstruction = 10,
}

impl Tag {
    fn from_byte(byte: u8) -> Option<Self> {
        use Tag::*;
        let all = [
            StartDocument,
            EndDocument,
            StartElement,
            Namespace,
            Attribute,
            IdAttribute,
            EndElement,
            Text,
            Comment,
            ProcessingInstruction,
        ];
        all.into_iter().find(|tag| *tag as u8 == byte)
    }
}

/// Encodes the events of one document.
#[derive(Default)]
pub struct Encoder {
    names: NameTable,
    events: Writer,
    blocks: Vec<Vec<u8>>,
    nodes: u64,
    hash: Xxh3,
    in_text: bool,
}

impl Encoder {
    /// The encoded document; `text_bytes` is the size of the text it came from.
    #[must_use]
    pub fn finish(mut self, text_bytes: u64) -> EncodedDocument {
        self.cut();
        EncodedDocument { text_bytes, nodes: self.nodes, content_hash: self.hash.digest(), blocks: self.blocks }
    }

    fn event(&mut self, tag: Tag, fill: impl FnOnce(Writer, &mut NameTable) -> Writer) {
        if self.events.len() >= BLOCK_BYTES {
            self.cut();
        }
        let events = std::mem::take(&mut self.events);
        self.events = fill(events.u8(tag as u8), &mut self.names);
        self.in_text = tag == Tag::Text;
    }

    /// Ends the block.
    fn cut(&mut self) {
        let events = std::mem::take(&mut self.events).finish();
        let names = std::mem::take(&mut self.names);
        if events.is_empty() {
            return;
        }
        let mut payload = Writer::new().varint(names.all().len() as u64);
        for name in names.all() {
            payload = payload.bytes(name.prefix.as_bytes()).bytes(name.uri.as_bytes()).bytes(name.local.as_bytes());
        }
        let payload = payload.raw(&events).finish();
        self.hash.update(&payload);
        let crc = crc32fast::hash(&payload);
        self.blocks.push(Writer::new().u8(FORMAT).u32(crc).raw(&payload).finish());
    }
}

impl EventSink for Encoder {
    fn start_document(&mut self) -> Result<(), SinkError> {
        self.nodes += 1;
        self.event(Tag::StartDocument, |writer, _| writer);
        Ok(())
    }

    fn end_document(&mut self) -> Result<(), SinkError> {
        self.event(Tag::EndDocument, |writer, _| writer);
        Ok(())
    }

    fn start_element(&mut self, name: &QName) -> Result<(), SinkError> {
        self.nodes += 1;
        self.event(Tag::StartElement, |writer, names| writer.varint(u64::from(names.intern(name).0)));
        Ok(())
    }

    fn namespace(&mut self, prefix: &str, uri: &str) -> Result<(), SinkError> {
        self.event(Tag::Namespace, |writer, _| writer.bytes(prefix.as_bytes()).bytes(uri.as_bytes()));
        Ok(())
    }

    fn attribute(&mut self, name: &QName, value: &str, is_id: bool) -> Result<(), SinkError> {
        self.nodes += 1;
        let tag = if is_id { Tag::IdAttribute } else { Tag::Attribute };
        self.event(tag, |writer, names| writer.varint(u64::from(names.intern(name).0)).bytes(value.as_bytes()));
        Ok(())
    }

    fn end_element(&mut self) -> Result<(), SinkError> {
        self.event(Tag::EndElement, |writer, _| writer);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), SinkError> {
        if !self.in_text && !text.is_empty() {
            self.nodes += 1;
        }
        let mut rest = text;
        while !rest.is_empty() {
            // A long text is cut, so that a block stays near its size; neighbouring pieces are one node again.
            let mut end = rest.len().min(VALUE_PIECE_BYTES_MAX);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let (piece, after) = rest.split_at(end);
            self.event(Tag::Text, |writer, _| writer.bytes(piece.as_bytes()));
            rest = after;
        }
        Ok(())
    }

    fn comment(&mut self, text: &str) -> Result<(), SinkError> {
        self.nodes += 1;
        self.event(Tag::Comment, |writer, _| writer.bytes(text.as_bytes()));
        Ok(())
    }

    fn processing_instruction(&mut self, target: &str, data: &str) -> Result<(), SinkError> {
        self.nodes += 1;
        self.event(Tag::ProcessingInstruction, |writer, _| writer.bytes(target.as_bytes()).bytes(data.as_bytes()));
        Ok(())
    }
}

/// Why a block cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The block is damaged.
    #[error(transparent)]
    Damaged(#[from] KvError),
    /// The sink did not take an event.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// Sends the events of one block to a sink.
pub fn decode_block(block: &[u8], sink: &mut dyn EventSink) -> Result<(), DecodeError> {
    let mut reader = Reader::new("block", block);
    reader.version(FORMAT)?;
    let crc = reader.u32()?;
    let payload = reader.rest();
    if crc32fast::hash(payload) != crc {
        return Err(KvError::damaged("block", "its checksum does not match").into());
    }
    let mut reader = Reader::new("block", payload);
    let count = reader.length()?;
    let mut names = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        names.push(QName::new(reader.text()?, reader.text()?, reader.text()?));
    }
    let name = |index: u64| {
        let found = usize::try_from(index).ok().and_then(|index| names.get(index));
        found.ok_or_else(|| KvError::damaged("block", "a name is not in its table"))
    };
    while !reader.is_empty() {
        let tag = reader.u8()?;
        match Tag::from_byte(tag).ok_or_else(|| KvError::damaged("block", format!("event {tag} is not known")))? {
            Tag::StartDocument => sink.start_document()?,
            Tag::EndDocument => sink.end_document()?,
            Tag::StartElement => sink.start_element(name(reader.varint()?)?)?,
            Tag::Namespace => sink.namespace(reader.text()?, reader.text()?)?,
            Tag::Attribute => sink.attribute(name(reader.varint()?)?, reader.text()?, false)?,
            Tag::IdAttribute => sink.attribute(name(reader.varint()?)?, reader.text()?, true)?,
            Tag::EndElement => sink.end_element()?,
            Tag::Text => sink.text(reader.text()?)?,
            Tag::Comment => sink.comment(reader.text()?)?,
            Tag::ProcessingInstruction => sink.processing_instruction(reader.text()?, reader.text()?)?,
        }
    }
    Ok(())
}
