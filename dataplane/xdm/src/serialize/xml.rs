//! The xml output method: events to text that parses back to the same document.
//!
//! Serialization 3.1 §5. No XML declaration, no indentation; `>` is escaped in text so that `]]>` cannot arise, and
//! white space that a parser would normalise is written as a character reference.

use crate::events::{EventSink, SinkError};
use crate::names::QName;
use crate::node::Node;
use crate::tree::{NodeKind, Tree};

/// Writes a document as XML.
#[derive(Default)]
pub struct XmlWriter {
    out: String,
    /// Names of the open elements, one behind the other, and where each begins.
    names: String,
    open: Vec<usize>,
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
        escape(&mut self.out, text, in_attribute);
    }

    /// Appends text that is markup already, as content of the open element.
    pub fn markup(&mut self, text: &str) {
        self.close_tag();
        self.out.push_str(text);
    }

    fn name(&mut self, name: &QName) {
        push_name(&mut self.out, name);
    }
}

fn push_name(out: &mut String, name: &QName) {
    if !name.prefix.is_empty() {
        out.push_str(&name.prefix);
        out.push(':');
    }
    out.push_str(&name.local);
}

/// Bytes that may begin what has to be escaped: markup, control characters, and the first bytes of U+0080 to U+00BF and
/// of U+2000 to U+2FFF.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = *b"<&>\"\n\t\r\x7F\xC2\xE2";
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

fn escape(out: &mut String, text: &str, in_attribute: bool) {
    let bytes = text.as_bytes();
    // Where what has not been written yet begins.
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| SPECIAL[usize::from(*byte)]) {
        at += found;
        let c = text[at..].chars().next().unwrap_or_default();
        let by = match c {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '"' if in_attribute => "&quot;",
            '\n' if in_attribute => "&#xA;",
            '\t' if in_attribute => "&#x9;",
            '\r' => "&#xD;",
            '\u{2028}' => "&#x2028;",
            '\u{7F}'..='\u{9F}' => "",
            _ => {
                at += c.len_utf8();
                continue;
            }
        };
        out.push_str(&text[from..at]);
        if by.is_empty() {
            out.push_str(&format!("&#x{:X};", u32::from(c)))
        } else {
            out.push_str(by)
        }
        at += c.len_utf8();
        from = at;
    }
    out.push_str(&text[from..]);
}

/// A node as XML text.
#[must_use]
pub fn to_xml(node: &Node) -> String {
    let mut writer = XmlWriter::default();
    node.send(&mut writer).expect("writing to memory does not fail");
    writer.into_text()
}

impl EventSink for XmlWriter {
    fn held_bytes(&self) -> usize {
        self.out.len()
    }

    fn start_document(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn end_document(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn start_element(&mut self, name: &QName) -> Result<(), SinkError> {
        self.close_tag();
        self.out.push('<');
        self.name(name);
        self.open.push(self.names.len());
        push_name(&mut self.names, name);
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
        self.name(name);
        self.out.push_str("=\"");
        self.escape(value, true);
        self.out.push('"');
        Ok(())
    }

    fn end_element(&mut self) -> Result<(), SinkError> {
        let from = self.open.pop().ok_or_else(|| SinkError::Other("an element ends that never began".to_owned()))?;
        if std::mem::take(&mut self.in_tag) {
            self.out.push_str("/>");
        } else {
            self.out.push_str("</");
            self.out.push_str(&self.names[from..]);
            self.out.push('>');
        }
        self.names.truncate(from);
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

    fn subtree(&mut self, tree: &Tree, pre: u32) -> Result<(), SinkError> {
        self.close_tag();
        let end = pre + tree.size(pre);
        let out = &mut self.out;
        // Open elements of the subtree: the last row below, and the name.
        let mut open: Vec<(u32, &QName)> = Vec::new();
        let mut row = pre;
        while row <= end {
            while let Some((_, name)) = open.pop_if(|(last, _)| *last < row) {
                end_tag(out, name);
            }
            let value = tree.string_value(row);
            match (tree.kind(row), tree.names().get(tree.name_id(row))) {
                (NodeKind::Element, Some(name)) => {
                    out.push('<');
                    push_name(out, name);
                    let last = row + tree.size(row);
                    while row < last && tree.kind(row + 1) == NodeKind::Attribute {
                        row += 1;
                        out.push(' ');
                        if let Some(name) = tree.names().get(tree.name_id(row)) {
                            push_name(out, name);
                        }
                        out.push_str("=\"");
                        escape(out, tree.string_value(row), true);
                        out.push('"');
                    }
                    if row == last {
                        out.push_str("/>");
                    } else {
                        out.push('>');
                        open.push((last, name));
                    }
                }
                (NodeKind::Text, _) => escape(out, value, false),
                (NodeKind::Comment, _) => {
                    out.push_str("<!--");
                    out.push_str(value);
                    out.push_str("-->");
                }
                (NodeKind::ProcessingInstruction, Some(name)) => {
                    out.push_str("<?");
                    out.push_str(&name.local);
                    if !value.is_empty() {
                        out.push(' ');
                        out.push_str(value);
                    }
                    out.push_str("?>");
                }
                _ => {}
            }
            row += 1;
        }
        for (_, name) in open.into_iter().rev() {
            end_tag(out, name);
        }
        Ok(())
    }
}

fn end_tag(out: &mut String, name: &QName) {
    out.push_str("</");
    push_name(out, name);
    out.push('>');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ParseOptions, parse_xml};

    #[test]
    fn a_subtree_is_written_as_its_events_are() {
        let xml = "<a i=\"&lt;&quot;&#xA;\"><b/>x&amp;\u{E9}\u{20AC}&#x85;<?p d?><!--c--><c><d>y</d></c></a>";
        let tree = parse_xml(xml.as_bytes(), &ParseOptions::default()).unwrap();
        let mut writer = XmlWriter::default();
        writer.subtree(&tree, 1).unwrap();
        assert_eq!(writer.into_text(), xml);
        assert_eq!(to_xml(&Node::root_of(&tree)), xml);
    }
}
