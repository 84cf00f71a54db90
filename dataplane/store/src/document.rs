//! A document in its encoded form: what travels in requests and log entries, and what a read gives back.

use crate::codec::{Reader, Writer};
use crate::encode::{DecodeError, Encoder, decode_block};
use crate::keyspace::FORMAT;
use crate::kv::KvError;
use phoenixmldb_xdm::parse::{ParseError, ParseOptions, parse_into};
use phoenixmldb_xdm::serialize::xml::XmlWriter;
use phoenixmldb_xdm::{EventSink, Str, Tree, TreeBuilder};
use std::sync::Arc;

/// An encoded document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedDocument {
    /// Size of the text it came from, in bytes.
    pub text_bytes: u64,
    /// Number of nodes, attributes included.
    pub nodes: u64,
    /// Equal for equal content.
    pub content_hash: u64,
    /// The blocks, in order.
    pub blocks: Vec<Vec<u8>>,
}

impl EncodedDocument {
    /// Parses XML and encodes it in one pass. Error: it is not well-formed, with line and column.
    pub fn from_xml(text: &[u8], options: &ParseOptions) -> Result<Self, ParseError> {
        let mut encoder = Encoder::default();
        parse_into(text, options, &mut encoder)?;
        Ok(encoder.finish(text.len() as u64))
    }

    /// Sends the document's events to a sink.
    pub fn replay(&self, sink: &mut dyn EventSink) -> Result<(), DecodeError> {
        self.blocks.iter().try_for_each(|block| decode_block(block, sink))
    }

    /// The document as a tree.
    pub fn to_tree(&self, document_uri: Option<Str>) -> Result<Arc<Tree>, DecodeError> {
        let mut builder = TreeBuilder::new(document_uri);
        self.replay(&mut builder)?;
        Ok(builder.finish())
    }

    /// The document as XML text.
    pub fn to_xml(&self) -> Result<String, DecodeError> {
        let mut writer = XmlWriter::default();
        self.replay(&mut writer)?;
        Ok(writer.into_text())
    }

    /// Size of the encoded form, in bytes.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// As bytes, for requests and log entries.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new()
            .u8(FORMAT)
            .varint(self.text_bytes)
            .varint(self.nodes)
            .u64(self.content_hash)
            .varint(self.blocks.len() as u64);
        for block in &self.blocks {
            writer = writer.bytes(block);
        }
        writer.finish()
    }

    /// What [`EncodedDocument::to_bytes`] made. Blocks are checked when they are decoded.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KvError> {
        let mut reader = Reader::new("encoded document", bytes);
        reader.version(FORMAT)?;
        let (text_bytes, nodes, content_hash) = (reader.varint()?, reader.varint()?, reader.u64()?);
        let count = reader.length()?;
        let mut blocks = Vec::with_capacity(count.min(4096));
        for _ in 0..count {
            blocks.push(reader.bytes()?.to_vec());
        }
        if !reader.is_empty() {
            return Err(KvError::damaged("encoded document", "something follows its last block"));
        }
        Ok(Self { text_bytes, nodes, content_hash, blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_xdm::{Node, parse_xml, serialize::xml::to_xml};

    fn encode(xml: &str) -> EncodedDocument {
        EncodedDocument::from_xml(xml.as_bytes(), &ParseOptions::default()).unwrap()
    }

    #[test]
    fn a_document_comes_back_as_text_and_as_tree() {
        let documents = [
            "<a/>",
            "<a xmlns=\"u\" xmlns:p=\"v\" p:i=\"1 &lt; 2\"><p:b/>text<!--c--><?t d?></a>",
            "<a><b xmlns=\"x\"><c xmlns=\"\"/></b>é日本𝄞</a>",
        ];
        for xml in documents {
            let document = encode(xml);
            assert_eq!(document.to_xml().unwrap(), xml);
            let tree = document.to_tree(None).unwrap();
            assert_eq!(to_xml(&Node::root_of(&tree)), xml);
            assert_eq!(u64::from(tree.len()), document.nodes, "{xml}");
            assert_eq!(EncodedDocument::from_bytes(&document.to_bytes()).unwrap(), document);
        }
    }

    #[test]
    fn a_long_document_is_cut_into_blocks_of_bounded_size() {
        let long = "ä".repeat(100_000);
        let items = (0..5_000).map(|i| format!("<item n=\"{i}\">{i}</item>")).collect::<String>();
        let xml = format!("<r><long>{long}</long>{items}</r>");
        let document = encode(&xml);
        assert!(document.blocks.len() > 10);
        assert!(document.blocks.iter().all(|block| block.len() <= 2 * crate::limits::BLOCK_BYTES + 64));
        assert_eq!(document.to_xml().unwrap(), xml);
        let tree = document.to_tree(None).unwrap();
        assert_eq!(tree.len(), parse_xml(xml.as_bytes(), &ParseOptions::default()).unwrap().len());
    }

    #[test]
    fn equal_content_has_equal_hashes_however_it_was_written() {
        assert_eq!(encode("<a b='1'/>").content_hash, encode("<a  b=\"1\" ></a>").content_hash);
        assert_ne!(encode("<a b='1'/>").content_hash, encode("<a b='2'/>").content_hash);
    }

    #[test]
    fn every_flipped_bit_of_a_block_is_noticed() {
        let document = encode("<a xmlns:p=\"v\"><p:b i='x'>text</p:b></a>");
        let block = &document.blocks[0];
        for bit in 0..block.len() * 8 {
            let mut damaged = block.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let mut sink = XmlWriter::default();
            assert!(decode_block(&damaged, &mut sink).is_err(), "bit {bit}");
        }
    }
}
