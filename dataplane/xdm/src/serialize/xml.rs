//! The xml output method: events to text that parses back to the same document.
//!
//! Serialization 3.1 §5. No XML declaration, no indentation; `>` is escaped in text so that `]]>` cannot arise, and
//! white space that a parser would normalise is written as a character reference.

use crate::events::{EventSink, SinkError};
use crate::names::QName;
use crate::node::Node;

/// Writes a document as XML.
#[derive(Default)]
pub struct XmlWriter {
    out: String,
    open: Vec<String>,
    /// A start tag has been begun and not closed.
    in_tag: bool,
}

impl XmlWriter {
    /// The text so far.
    #[must_use]
    pub fn into_text(self) -> String {
        self.out
    }

    fn close_tag(&mut self) {
        if std::mem::take(&mut self.in_tag) {
            self.out.push('>');
        }
    }

    fn escape(&mut self, text: &str, in_attribute: bool) {
        let mut rest = text;
        let special = |c: char| match c {
            '<' | '&' | '>' | '\r' | '\u{85}' | '\u{2028}' => true,
            '"' | '\n' | '\t' => in_attribute,
            c => ('\u{7F}'..='\u{9F}').contains(&c),
        };
        while let Some(at) = rest.find(special) {
            self.out.push_str(&rest[..at]);
            let c = rest[at..].chars().next().unwrap_or_default();
            match c {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                c => self.out.push_str(&format!("&#x{:X};", u32::from(c))),
            }
            rest = &rest[at + c.len_utf8()..];
        }
        self.out.push_str(rest);
    }
}

/// A node as XML text.
#[must_use]
pub fn to_xml(node: &Node) -> String {
    let mut writer = XmlWriter::default();
    node.send(&mut writer).expect("writing to memory does not fail");
    writer.into_text()
}

impl EventSink for XmlWriter {
    fn start_document(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn end_document(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn start_element(&mut self, name: &QName) -> Result<(), SinkError> {
        self.close_tag();
        let name = name.lexical();
        self.out.push('<');
        self.out.push_str(&name);
        self.open.push(name);
        self.in_tag = true;
        Ok(())
    }

    fn namespace(&mut self, prefix: &str, uri: &str) -> Result<(), SinkError> {
        self.out.push_str(" xmlns");
        if !prefix.is_empty() {
            self.out.push(':');
            self.out.push_str(prefix);
        }
        self.out.push_str("=\"");
        self.escape(uri, true);
        self.out.push('"');
        Ok(())
    }

    fn attribute(&mut self, name: &QName, value: &str, _is_id: bool) -> Result<(), SinkError> {
        self.out.push(' ');
        self.out.push_str(&name.lexical());
        self.out.push_str("=\"");
        self.escape(value, true);
        self.out.push('"');
        Ok(())
    }

    fn end_element(&mut self) -> Result<(), SinkError> {
        let name = self.open.pop().ok_or_else(|| SinkError::Other("an element ends that never began".to_owned()))?;
        if std::mem::take(&mut self.in_tag) {
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(&name);
            self.out.push('>');
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), SinkError> {
        self.close_tag();
        self.escape(text, false);
        Ok(())
    }

    fn comment(&mut self, text: &str) -> Result<(), SinkError> {
        self.close_tag();
        self.out.push_str("<!--");
        self.out.push_str(text);
        self.out.push_str("-->");
        Ok(())
    }

    fn processing_instruction(&mut self, target: &str, data: &str) -> Result<(), SinkError> {
        self.close_tag();
        self.out.push_str("<?");
        self.out.push_str(target);
        if !data.is_empty() {
            self.out.push(' ');
            self.out.push_str(data);
        }
        self.out.push_str("?>");
        Ok(())
    }
}
