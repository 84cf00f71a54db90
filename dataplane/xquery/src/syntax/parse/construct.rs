//! Direct constructors: XML inside a query (XQuery 3.1 §3.9.1, §3.9.2). White space counts here.

use crate::syntax::ast::{
    AttributePart, ContentPart, DirectAttribute, DirectElement, DirectNamespace, Expr, ExprKind, Name,
};
use crate::syntax::cursor::{Cursor, collapse};
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::names::{XML_NAMESPACE, XMLNS_NAMESPACE, is_xml_char};

impl Cursor<'_> {
    /// An element, a comment or a processing instruction; `<` is here.
    pub(super) fn direct_constructor(&mut self) -> Result<Expr> {
        let start = self.pos;
        let rest = self.rest();
        let kind = if rest.starts_with("<!--") {
            self.pos += 4;
            let text = self.until("-->")?;
            if text.contains("--") || text.ends_with('-') {
                return Err(self.error("XPST0003", "a comment must not contain \"--\" or end with \"-\""));
            }
            ExprKind::DirectComment(text.into())
        } else if rest.starts_with("<?") {
            self.pos += 2;
            self.direct_pi()?
        } else {
            ExprKind::DirectElement(Box::new(self.nested(Self::element)?))
        };
        Ok(Expr::new(kind, self.span(start)))
    }

    /// Text up to a mark, which is taken too.
    fn until(&mut self, mark: &str) -> Result<String> {
        let rest = self.rest();
        let Some(end) = rest.find(mark) else { return Err(self.expected(&format!("{mark:?}"))) };
        let text = &rest[..end];
        if let Some(at) = text.find(|c| !is_xml_char(c)) {
            self.pos += at;
            return Err(self.error("XPST0003", "this is no character of XML"));
        }
        self.pos += end + mark.len();
        Ok(text.to_owned())
    }

    fn direct_pi(&mut self) -> Result<ExprKind> {
        let target = self.ncname_here().ok_or_else(|| self.expected("the target of a processing instruction"))?;
        if target.eq_ignore_ascii_case("xml") {
            return Err(self.error("XPST0003", "a processing instruction cannot be called \"xml\""));
        }
        let text = self.until("?>")?;
        let data = text.trim_start_matches([' ', '\t', '\n']);
        if data.len() == text.len() && !data.is_empty() {
            return Err(self.error("XPST0003", "white space is missing after the target"));
        }
        Ok(ExprKind::DirectPi { target: target.into(), data: data.into() })
    }

    /// Skips white space of XML and says whether there was any.
    fn xml_space(&mut self) -> bool {
        let before = self.pos;
        while matches!(self.byte(), b' ' | b'\t' | b'\n' | b'\r') {
            self.pos += 1;
        }
        self.pos > before
    }

    /// A QName of XML, without braces.
    fn xml_name(&mut self) -> Result<Name> {
        if self.rest().starts_with("Q{") {
            return Err(self.expected("a name as in XML"));
        }
        match self.name_here()? {
            Some(name) => Ok(name),
            None => Err(self.expected("a name")),
        }
    }

    fn element(&mut self) -> Result<DirectElement> {
        self.pos += 1;
        let name = self.xml_name()?;
        let mut element = DirectElement { name, namespaces: Vec::new(), attributes: Vec::new(), content: Vec::new() };
        loop {
            let spaced = self.xml_space();
            if self.rest().starts_with("/>") {
                self.pos += 2;
                return Ok(element);
            }
            if self.byte() == b'>' {
                self.pos += 1;
                break;
            }
            if !spaced {
                return Err(self.expected("white space, \">\" or \"/>\""));
            }
            self.attribute(&mut element)?;
        }
        element.content = self.content()?;
        let close = self.pos;
        let end = self.xml_name()?;
        if end != element.name {
            self.pos = close;
            return Err(self.error("XQST0118", format!("<{}> is closed by </{end}>", element.name)));
        }
        self.xml_space();
        if self.byte() != b'>' {
            return Err(self.expected("\">\""));
        }
        self.pos += 1;
        Ok(element)
    }

    fn attribute(&mut self, element: &mut DirectElement) -> Result<()> {
        let start = self.pos;
        let name = self.xml_name()?;
        self.xml_space();
        if self.byte() != b'=' {
            return Err(self.expected("\"=\""));
        }
        self.pos += 1;
        self.xml_space();
        let value = self.attribute_value()?;
        let span = self.span(start);
        let prefix = match name.prefix() {
            None if &*name.local == "xmlns" => None,
            Some(prefix) if &**prefix == "xmlns" => Some(name.local.clone()),
            _ => {
                element.attributes.push(DirectAttribute { name, value, span });
                return Ok(());
            }
        };
        let uri = match &value[..] {
            [] => String::new(),
            [AttributePart::Text(text)] => collapse(text),
            _ => return Err(self.error("XQST0022", "a namespace is declared by characters, not by an expression")),
        };
        let misused = match prefix.as_deref() {
            Some("xml") => uri != XML_NAMESPACE,
            Some("xmlns") => true,
            _ => uri == XML_NAMESPACE,
        };
        if misused || uri == XMLNS_NAMESPACE {
            return Err(
                self.error("XQST0070", "xml and xmlns, and their namespaces, belong together and to nothing else")
            );
        }
        if prefix.is_some() && uri.is_empty() {
            return Err(self.error("XQST0085", "a prefix cannot be undeclared"));
        }
        if element.namespaces.iter().any(|other| other.prefix == prefix) {
            return Err(self.error("XQST0071", "the prefix is declared twice"));
        }
        element.namespaces.push(DirectNamespace { prefix, uri: uri.into(), span });
        Ok(())
    }

    fn attribute_value(&mut self) -> Result<Vec<AttributePart>> {
        let quote = self.char().filter(|c| matches!(c, '"' | '\'')).ok_or_else(|| self.expected("a quoted value"))?;
        self.pos += 1;
        let mut parts = Vec::new();
        let mut text = String::new();
        loop {
            let Some(c) = self.char() else { return Err(self.expected("the end of the attribute value")) };
            match c {
                c if c == quote => {
                    if self.byte_at(1) != quote as u8 {
                        self.pos += 1;
                        break;
                    }
                    text.push(quote);
                    self.pos += 2;
                }
                '{' | '}' if self.byte_at(1) == c as u8 => {
                    text.push(c);
                    self.pos += 2;
                }
                '{' => {
                    if !text.is_empty() {
                        parts.push(AttributePart::Text(std::mem::take(&mut text).into()));
                    }
                    parts.push(AttributePart::Expr(self.enclosed()?));
                }
                '&' => text.push_str(&self.reference()?),
                '\t' | '\n' | '\r' => {
                    text.push(' ');
                    self.pos += 1;
                }
                '}' | '<' => return Err(self.expected("an attribute value; write \"}}\" or \"&lt;\"")),
                c if is_xml_char(c) => {
                    text.push(c);
                    self.pos += c.len_utf8();
                }
                _ => return Err(self.error("XPST0003", "this is no character of XML")),
            }
        }
        if !text.is_empty() {
            parts.push(AttributePart::Text(text.into()));
        }
        Ok(parts)
    }

    /// Content up to and including `</`.
    fn content(&mut self) -> Result<Vec<ContentPart>> {
        let mut parts = Vec::new();
        let mut text = String::new();
        // White space from references or CDATA is never boundary white space.
        let mut literal = false;
        let flush = |text: &mut String, literal: &mut bool, parts: &mut Vec<ContentPart>| {
            if !text.is_empty() {
                let blank = text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
                let boundary = blank && !*literal;
                parts.push(ContentPart::Text { text: std::mem::take(text).into(), boundary });
            }
            *literal = false;
        };
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return Err(self.expected("the end tag")) };
            match c {
                '<' if rest.starts_with("</") => {
                    flush(&mut text, &mut literal, &mut parts);
                    self.pos += 2;
                    return Ok(parts);
                }
                '<' if rest.starts_with("<![CDATA[") => {
                    self.pos += 9;
                    text.push_str(&self.until("]]>")?);
                    literal = true;
                }
                '<' => {
                    flush(&mut text, &mut literal, &mut parts);
                    parts.push(ContentPart::Direct(self.direct_constructor()?));
                }
                '{' | '}' if self.byte_at(1) == c as u8 => {
                    text.push(c);
                    self.pos += 2;
                }
                '{' => {
                    flush(&mut text, &mut literal, &mut parts);
                    parts.push(ContentPart::Enclosed(self.enclosed()?));
                }
                '}' => return Err(self.expected("content; write \"}}\" for a brace")),
                '&' => {
                    text.push_str(&self.reference()?);
                    literal = true;
                }
                c if is_xml_char(c) => {
                    text.push(c);
                    self.pos += c.len_utf8();
                }
                _ => return Err(self.error("XPST0003", "this is no character of XML")),
            }
        }
    }
}
