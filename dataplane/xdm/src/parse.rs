//! XML 1.0 (fifth edition) with namespaces, from bytes to events.
//!
//! Written by hand over text rather than on a tokenizer crate: well-formedness, entities that span content, attribute
//! normalisation and positions in errors all need the raw text, and a tokenizer would be looked through at each of them.
//!
//! Non-validating: reads the internal subset for entities, attribute defaults and ID types. Never opens anything
//! external. Iterative; nesting, names, attributes and expansion are bounded by [`limits`].

use crate::dtd::{AttributeType, Dtd, Entity};
use crate::events::{EventSink, SinkError};
use crate::names::{QName, XML_NAMESPACE, XMLNS_NAMESPACE, is_name_char, is_name_start, is_xml_char};
use crate::tree::Tree;
use crate::{Str, TreeBuilder, limits};
use hashbrown::HashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Why a text is not a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct ParseError {
    /// What is wrong, in words.
    pub message: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// How to parse.
#[derive(Clone, Debug)]
pub struct ParseOptions {
    /// Becomes the tree's document URI.
    pub document_uri: Option<Str>,
    /// Drop text that is nothing but white space, unless `xml:space="preserve"` is in force.
    pub strip_whitespace: bool,
    /// Largest document accepted, in bytes.
    pub bytes_max: usize,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { document_uri: None, strip_whitespace: false, bytes_max: limits::XML_DOCUMENT_BYTES_MAX }
    }
}

/// Parses a document into a tree.
pub fn parse_xml(bytes: &[u8], options: &ParseOptions) -> Result<Arc<Tree>, ParseError> {
    let mut builder = TreeBuilder::new(options.document_uri.clone());
    parse_into(bytes, options, &mut builder)?;
    Ok(builder.finish())
}

/// Parses a document into events. After an error the sink has seen a part of the document.
pub fn parse_into(bytes: &[u8], options: &ParseOptions, sink: &mut dyn EventSink) -> Result<(), ParseError> {
    let whole = |message: String| ParseError { message, line: 1, column: 1 };
    if bytes.len() > options.bytes_max {
        return Err(whole(format!("the document has {} bytes; {} is the bound", bytes.len(), options.bytes_max)));
    }
    let text = crate::input::decode(bytes).map_err(whole)?;
    Parser {
        options,
        sink,
        dtd: Dtd::default(),
        open: Vec::new(),
        bindings: vec![(Str::from("xml"), Str::from(XML_NAMESPACE))],
        text: String::new(),
        expanded_bytes: 0,
        names: HashMap::new(),
    }
    .document(Cursor::new(&text))
}

/// A place in a text.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> ParseError {
        let before = &self.text[..self.at];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let count = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count();
        ParseError { message: message.into(), line: count(line), column: count(before[line_start..].chars().count()) }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub(crate) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(crate) fn next_char(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(crate) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(crate) fn require(&mut self, token: &str) -> Result<(), ParseError> {
        if self.eat(token) { Ok(()) } else { Err(self.error(format!("expected {token:?}"))) }
    }

    /// Whether there was any.
    pub(crate) fn skip_space(&mut self) -> bool {
        let space = self.rest().bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.at += space;
        space > 0
    }

    pub(crate) fn require_space(&mut self) -> Result<(), ParseError> {
        if self.skip_space() { Ok(()) } else { Err(self.error("expected white space")) }
    }

    /// Text up to a token, which is skipped.
    pub(crate) fn until(&mut self, token: &str) -> Result<&'a str, ParseError> {
        let rest = self.rest();
        let Some(at) = memchr::memmem::find(rest.as_bytes(), token.as_bytes()) else {
            return Err(self.error(format!("{token:?} is missing")));
        };
        self.at += at + token.len();
        Ok(&rest[..at])
    }

    pub(crate) fn quoted(&mut self) -> Result<&'a str, ParseError> {
        match self.rest().as_bytes().first() {
            Some(b'"') => {
                self.at += 1;
                self.until("\"")
            }
            Some(b'\'') => {
                self.at += 1;
                self.until("'")
            }
            _ => Err(self.error("expected a quoted value")),
        }
    }

    /// A name, with or without colons.
    pub(crate) fn name(&mut self) -> Result<&'a str, ParseError> {
        let rest = self.rest();
        let ascii = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':');
        let mut end = rest.bytes().take_while(|b| ascii(b)).count();
        if rest[end..].chars().next().is_some_and(|c| !c.is_ascii()) {
            end = rest.find(|c| !(c == ':' || is_name_char(c))).unwrap_or(rest.len());
        }
        let name = &rest[..end];
        if !name.chars().next().is_some_and(|c| c == ':' || is_name_start(c)) {
            return Err(self.error("expected a name"));
        }
        if end > limits::XML_NAME_BYTES_MAX {
            return Err(self.error(format!("a name is longer than {} bytes", limits::XML_NAME_BYTES_MAX)));
        }
        self.at += end;
        Ok(name)
    }

    /// A name without colons.
    pub(crate) fn ncname(&mut self, what: &str) -> Result<&'a str, ParseError> {
        let name = self.name()?;
        if name.contains(':') { Err(self.error(format!("{what} may not contain a colon"))) } else { Ok(name) }
    }

    /// What follows `&#`, up to and with the semicolon.
    pub(crate) fn character_reference(&mut self) -> Result<char, ParseError> {
        let body = self.until(";")?;
        let number = match body.strip_prefix('x') {
            Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(hex, 16).ok(),
            None if body.bytes().all(|b| b.is_ascii_digit()) => body.parse().ok(),
            _ => None,
        };
        let c = number.and_then(char::from_u32).filter(|&c| is_xml_char(c));
        c.ok_or_else(|| self.error(format!("&#{body}; is not an XML character")))
    }

    /// What follows `<!--`.
    pub(crate) fn comment(&mut self) -> Result<&'a str, ParseError> {
        let text = self.until("--")?;
        if !self.eat(">") {
            return Err(self.error("\"--\" may not occur in a comment"));
        }
        self.check_chars(text)?;
        Ok(text)
    }

    /// What follows `<?`: target and data.
    pub(crate) fn processing_instruction(&mut self) -> Result<(&'a str, &'a str), ParseError> {
        let target = self.ncname("a processing instruction's target")?;
        if target.eq_ignore_ascii_case("xml") {
            return Err(self.error("an XML declaration is only allowed at the very beginning"));
        }
        if self.eat("?>") {
            return Ok((target, ""));
        }
        self.require_space()?;
        let data = self.until("?>")?;
        self.check_chars(data)?;
        Ok((target, data))
    }

    /// Refuses what is no XML character.
    fn check_chars(&self, text: &str) -> Result<(), ParseError> {
        let suspicious = |b: u8| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0xEF;
        if !text.bytes().any(suspicious) {
            return Ok(());
        }
        match text.chars().find(|&c| !is_xml_char(c)) {
            None => Ok(()),
            Some(c) => Err(self.error(format!("U+{:04X} is not an XML character", u32::from(c)))),
        }
    }
}

/// XML 1.0 §2.11: `\r\n` and `\r` are `\n`.
fn line_ends(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\r', text.as_bytes()).is_none() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    }
}

/// An element that has begun and not ended.
struct OpenElement {
    /// As written, to compare with the end tag.
    name: Str,
    /// Namespace bindings before it.
    bindings: usize,
    preserve_space: bool,
}

/// Replacement text being read, innermost last.
struct Source {
    entity: String,
    text: String,
    at: usize,
    /// Elements open when it began; as many have to be open when it ends.
    open: usize,
}

struct Parser<'a> {
    options: &'a ParseOptions,
    sink: &'a mut dyn EventSink,
    dtd: Dtd,
    open: Vec<OpenElement>,
    bindings: Vec<(Str, Str)>,
    /// Character data not yet sent.
    text: String,
    expanded_bytes: usize,
    /// Names seen, as written and, for those without prefix, in no namespace: every name is allocated once.
    names: HashMap<Str, QName>,
}

/// An attribute as written: name, value, whether it is an ID.
type Written<'t> = (Str, Cow<'t, str>, bool);

fn sink_error(cursor: &Cursor<'_>, error: &SinkError) -> ParseError {
    cursor.error(error.to_string())
}

macro_rules! send {
    ($self:ident, $cursor:ident, $event:ident($($argument:expr),*)) => {
        $self.sink.$event($($argument),*).map_err(|error| sink_error(&$cursor, &error))?
    };
}

impl Parser<'_> {
    fn document(mut self, mut cursor: Cursor<'_>) -> Result<(), ParseError> {
        if cursor.rest().starts_with("<?xml") && !cursor.rest()[5..].starts_with(is_name_char) {
            xml_declaration(&mut cursor)?;
        }
        send!(self, cursor, start_document());
        self.misc(&mut cursor, true)?;
        if !cursor.rest().starts_with('<') {
            return Err(cursor.error("expected the document's element"));
        }
        self.element_start(&mut cursor)?;
        self.content(&mut cursor)?;
        self.misc(&mut cursor, false)?;
        if !cursor.at_end() {
            return Err(cursor.error("only comments and processing instructions may follow the document's element"));
        }
        send!(self, cursor, end_document());
        Ok(())
    }

    fn misc(&mut self, cursor: &mut Cursor<'_>, mut doctype_allowed: bool) -> Result<(), ParseError> {
        loop {
            cursor.skip_space();
            if cursor.eat("<!--") {
                let text = cursor.comment()?;
                send!(self, cursor, comment(&line_ends(text)));
            } else if cursor.eat("<?") {
                let (target, data) = cursor.processing_instruction()?;
                send!(self, cursor, processing_instruction(target, &line_ends(data)));
            } else if doctype_allowed && cursor.eat("<!DOCTYPE") {
                doctype_allowed = false;
                self.doctype(cursor)?;
            } else {
                return Ok(());
            }
        }
    }

    fn doctype(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        cursor.require_space()?;
        cursor.name()?;
        cursor.skip_space();
        if cursor.eat("SYSTEM") {
            cursor.require_space()?;
            cursor.quoted()?;
        } else if cursor.eat("PUBLIC") {
            cursor.require_space()?;
            cursor.quoted()?;
            cursor.require_space()?;
            cursor.quoted()?;
        }
        cursor.skip_space();
        if cursor.eat("[") {
            self.dtd.parse_subset(cursor)?;
            cursor.require("]")?;
            cursor.skip_space();
        }
        cursor.require(">")
    }

    /// Content until the document's element has ended. Entities are read as sources of their own, so that an element
    /// that begins in one has to end in it.
    fn content(&mut self, outer: &mut Cursor<'_>) -> Result<(), ParseError> {
        let mut sources: Vec<Source> = Vec::new();
        while !self.open.is_empty() {
            let Some(source) = sources.last() else {
                if let Some(next) = self.run(outer, &sources)? {
                    sources.push(next);
                } else if outer.at_end() && !self.open.is_empty() {
                    let name = self.open.last().map_or("", |open| &open.name);
                    return Err(outer.error(format!("<{name}> is not closed")));
                }
                continue;
            };
            let mut cursor = Cursor { text: &source.text, at: source.at };
            let inside = |error: ParseError| outer.error(format!("in entity &{};: {}", source.entity, error.message));
            let next = self.run(&mut cursor, &sources).map_err(inside)?;
            let (at, ended) = (cursor.at, cursor.at_end());
            let balanced = self.open.len() == source.open;
            let entity = source.entity.clone();
            if self.open.len() < source.open || (ended && next.is_none() && !balanced) {
                return Err(outer.error(format!("elements do not nest properly in entity &{entity};")));
            }
            if let Some(source) = sources.last_mut() {
                source.at = at;
            }
            match next {
                Some(next) => sources.push(next),
                None if ended => drop(sources.pop()),
                None => {}
            }
        }
        if sources.is_empty() { Ok(()) } else { Err(outer.error("the document's element ends inside an entity")) }
    }

    /// Reads content until the source ends, the document's element ends, or an entity begins, which is returned.
    fn run(&mut self, cursor: &mut Cursor<'_>, sources: &[Source]) -> Result<Option<Source>, ParseError> {
        while !self.open.is_empty() && !cursor.at_end() {
            let rest = cursor.rest();
            let run = memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len());
            if run > 0 {
                let text = &rest[..run];
                let bracket = memchr::memchr(b']', text.as_bytes());
                if bracket.is_some_and(|at| text[at..].contains("]]>")) {
                    return Err(cursor.error("\"]]>\" may not occur in text"));
                }
                cursor.check_chars(text)?;
                self.text.push_str(&line_ends(text));
                cursor.advance(run);
                continue;
            }
            if cursor.eat("&#") {
                let c = cursor.character_reference()?;
                self.text.push(c);
            } else if cursor.eat("&") {
                let name = cursor.name()?.to_owned();
                cursor.require(";")?;
                if let Some(c) = predefined(&name) {
                    self.text.push(c);
                    continue;
                }
                let text = self.expand(cursor, &name, sources.len(), |entity| {
                    sources.iter().any(|source| source.entity == entity)
                })?;
                return Ok(Some(Source { entity: name, text, at: 0, open: self.open.len() }));
            } else if cursor.eat("<![CDATA[") {
                let text = cursor.until("]]>")?;
                cursor.check_chars(text)?;
                self.text.push_str(&line_ends(text));
            } else {
                self.markup(cursor)?;
            }
        }
        Ok(None)
    }

    fn markup(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        self.flush_text(cursor)?;
        if cursor.eat("</") {
            let name = cursor.name()?;
            let element = self.open.pop().expect("content is read while an element is open");
            if name != element.name {
                return Err(cursor.error(format!("</{name}> closes <{}>", element.name)));
            }
            cursor.skip_space();
            cursor.require(">")?;
            self.bindings.truncate(element.bindings);
            send!(self, cursor, end_element());
            Ok(())
        } else if cursor.eat("<!--") {
            let text = cursor.comment()?;
            send!(self, cursor, comment(&line_ends(text)));
            Ok(())
        } else if cursor.eat("<?") {
            let (target, data) = cursor.processing_instruction()?;
            send!(self, cursor, processing_instruction(target, &line_ends(data)));
            Ok(())
        } else {
            self.element_start(cursor)
        }
    }

    fn flush_text(&mut self, cursor: &Cursor<'_>) -> Result<(), ParseError> {
        if self.text.is_empty() {
            return Ok(());
        }
        let blank = || self.text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'));
        let preserve = self.open.last().is_some_and(|open| open.preserve_space);
        if !self.options.strip_whitespace || preserve || !blank() {
            send!(self, cursor, text(&self.text));
        }
        self.text.clear();
        Ok(())
    }

    /// The replacement text of an entity, if it may be expanded here.
    fn expand(
        &mut self,
        cursor: &Cursor<'_>,
        name: &str,
        depth: usize,
        open: impl Fn(&str) -> bool,
    ) -> Result<String, ParseError> {
        let text = match self.dtd.entities.get(name) {
            Some(Entity::Internal(text)) => text.clone(),
            Some(Entity::External) => {
                return Err(cursor.error(format!("entity &{name}; is external; external entities are not read")));
            }
            None => return Err(cursor.error(format!("entity &{name}; is not declared"))),
        };
        if open(name) {
            return Err(cursor.error(format!("entity &{name}; contains itself")));
        }
        if depth >= limits::XML_ENTITY_DEPTH_MAX {
            let max = limits::XML_ENTITY_DEPTH_MAX;
            return Err(cursor.error(format!("entity references nest deeper than {max} levels")));
        }
        self.expanded_bytes += text.len();
        if self.expanded_bytes > limits::XML_ENTITY_BYTES_MAX {
            let max = limits::XML_ENTITY_BYTES_MAX;
            return Err(cursor.error(format!("entity references add more than {max} bytes")));
        }
        Ok(text)
    }

    fn element_start(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        cursor.require("<")?;
        let name = self.known(cursor.name()?);
        let mut attributes: Vec<Written<'_>> = Vec::new();
        let empty = loop {
            let spaced = cursor.skip_space();
            if cursor.eat("/>") {
                break true;
            }
            if cursor.eat(">") {
                break false;
            }
            if !spaced {
                return Err(cursor.error(format!("expected white space, \">\" or \"/>\" in <{name}>")));
            }
            let attribute = self.known(cursor.name()?);
            cursor.skip_space();
            cursor.require("=")?;
            cursor.skip_space();
            let raw = cursor.quoted()?;
            if attributes.iter().any(|(other, ..)| *other == attribute) {
                return Err(cursor.error(format!("attribute {attribute} occurs twice in <{name}>")));
            }
            if attributes.len() >= limits::XML_ATTRIBUTES_MAX {
                let max = limits::XML_ATTRIBUTES_MAX;
                return Err(cursor.error(format!("<{name}> has more than {max} attributes")));
            }
            let kind = self.dtd.attribute(&name, &attribute).map_or(AttributeType::Cdata, |decl| decl.kind);
            let value = self.attribute_value(cursor, raw, kind)?;
            attributes.push((attribute, value, kind == AttributeType::Id));
        };
        self.add_defaults(cursor, &name, &mut attributes)?;
        self.emit_start(cursor, &name, &attributes)?;
        if empty {
            let element = self.open.pop().expect("just begun");
            self.bindings.truncate(element.bindings);
            send!(self, cursor, end_element());
        }
        Ok(())
    }

    fn add_defaults(
        &mut self,
        cursor: &Cursor<'_>,
        element: &str,
        attributes: &mut Vec<Written<'_>>,
    ) -> Result<(), ParseError> {
        if self.dtd.attributes.is_empty() {
            return Ok(());
        }
        let declared = self.dtd.attributes.get(element).cloned().unwrap_or_default();
        for (name, decl) in declared {
            if let Some(default) = decl.default.filter(|_| !attributes.iter().any(|(other, ..)| *other == *name)) {
                let value = self.attribute_value(cursor, &default, decl.kind)?.into_owned();
                attributes.push((Str::from(name), Cow::Owned(value), decl.kind == AttributeType::Id));
            }
        }
        Ok(())
    }

    /// Binds namespaces, resolves names, and sends the element with its attributes.
    fn emit_start(&mut self, cursor: &Cursor<'_>, name: &Str, attributes: &[Written<'_>]) -> Result<(), ParseError> {
        let bindings = self.bindings.len();
        for (attribute, value, _) in attributes {
            let prefix = match attribute.as_str() {
                "xmlns" => "",
                other => match other.strip_prefix("xmlns:") {
                    Some(prefix) => prefix,
                    None => continue,
                },
            };
            let refuse = |why: &str| Err(cursor.error(format!("{attribute}={value:?}: {why}")));
            match (prefix, &**value) {
                ("xmlns", _) => return refuse("the prefix xmlns may not be declared"),
                ("xml", XML_NAMESPACE) => continue,
                ("xml", _) => return refuse("the prefix xml may not be bound to another namespace"),
                (_, XML_NAMESPACE | XMLNS_NAMESPACE) => return refuse("this namespace may not be declared"),
                (prefix, "") if !prefix.is_empty() => return refuse("a prefix may not be undeclared"),
                _ => self.bindings.push((Str::from(prefix), Str::from(&**value))),
            }
        }
        let inherited = self.open.last().is_some_and(|open| open.preserve_space);
        let space = attributes.iter().find(|(attribute, ..)| attribute == "xml:space").map(|(_, value, _)| value);
        let preserve_space = space.map_or(inherited, |value| &**value == "preserve");
        self.open.push(OpenElement { name: name.clone(), bindings, preserve_space });
        let element = self.resolve(cursor, name, true)?;
        send!(self, cursor, start_element(&element));
        for index in bindings..self.bindings.len() {
            let (prefix, uri) = self.bindings[index].clone();
            send!(self, cursor, namespace(&prefix, &uri));
        }
        let mut seen: Vec<QName> = Vec::new();
        for (attribute, value, is_id) in attributes {
            if attribute == "xmlns" || attribute.starts_with("xmlns:") {
                continue;
            }
            let resolved = self.resolve(cursor, attribute, false)?;
            if !resolved.prefix.is_empty() {
                if seen.contains(&resolved) {
                    return Err(cursor.error(format!("attribute {resolved} occurs twice in <{name}>")));
                }
                seen.push(resolved.clone());
            }
            if attribute == "xml:id" {
                // xml:id §4: white space is normalized as that of every ID.
                let id =
                    value.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
                send!(self, cursor, attribute(&resolved, &id, true));
                continue;
            }
            send!(self, cursor, attribute(&resolved, value, *is_id));
        }
        Ok(())
    }

    /// A name as written, allocated when it is new.
    fn known(&mut self, name: &str) -> Str {
        if let Some((known, _)) = self.names.get_key_value(name) {
            return known.clone();
        }
        let known = Str::from(name);
        self.names.insert(known.clone(), QName::local(known.clone()));
        known
    }

    fn resolve(&self, cursor: &Cursor<'_>, name: &str, is_element: bool) -> Result<QName, ParseError> {
        // Without declarations a name without colon is what it was before.
        if self.bindings.len() == 1
            && let Some(known) = self.names.get(name)
            && memchr::memchr(b':', name.as_bytes()).is_none()
        {
            return Ok(known.clone());
        }
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let local_ok = local.chars().next().is_some_and(is_name_start) && !local.contains(':');
        if !local_ok || (prefix.is_empty() && name.starts_with(':')) {
            return Err(cursor.error(format!("{name:?} is not a qualified name")));
        }
        if prefix.is_empty() && !is_element {
            return Ok(QName::local(local));
        }
        let bound = self.bindings.iter().rev().find(|(declared, _)| declared == prefix).map(|(_, uri)| uri.clone());
        match bound {
            Some(uri) => Ok(QName { prefix: Str::from(prefix), uri, local: Str::from(local) }),
            None if prefix.is_empty() => Ok(QName::local(local)),
            None => Err(cursor.error(format!("prefix {prefix:?} of {name:?} is not declared"))),
        }
    }

    /// XML 1.0 §3.3.3: references replaced, white space to blanks, collapsed unless the type is CDATA.
    fn attribute_value<'t>(
        &mut self,
        cursor: &Cursor<'_>,
        raw: &'t str,
        kind: AttributeType,
    ) -> Result<Cow<'t, str>, ParseError> {
        let plain = |b: u8| b >= 0x20 && !matches!(b, b'<' | b'&' | 0xEF);
        if kind == AttributeType::Cdata && raw.bytes().all(plain) {
            return Ok(Cow::Borrowed(raw));
        }
        let mut value = String::with_capacity(raw.len());
        // Replacement texts being read, innermost last, each with its entity.
        let mut stack: Vec<(String, String, usize)> = vec![(String::new(), line_ends(raw).into_owned(), 0)];
        while let Some((_, text, at)) = stack.last_mut() {
            let mut inner = Cursor { text, at: *at };
            let Some(c) = inner.next_char() else {
                stack.pop();
                continue;
            };
            match c {
                '<' => return Err(cursor.error("'<' may not occur in an attribute value")),
                '\t' | '\n' | '\r' => value.push(' '),
                '&' if inner.eat("#") => {
                    value.push(inner.character_reference().map_err(|error| cursor.error(error.message))?);
                }
                '&' => {
                    let name = inner.name().map_err(|error| cursor.error(error.message))?.to_owned();
                    inner.require(";").map_err(|error| cursor.error(error.message))?;
                    *at = inner.at;
                    match predefined(&name) {
                        Some(c) => value.push(c),
                        None => {
                            let depth = stack.len() - 1;
                            let open: Vec<String> = stack.iter().map(|(entity, ..)| entity.clone()).collect();
                            let replacement =
                                self.expand(cursor, &name, depth, |entity| open.iter().any(|other| other == entity))?;
                            stack.push((name, replacement, 0));
                        }
                    }
                    continue;
                }
                c if is_xml_char(c) => value.push(c),
                c => return Err(cursor.error(format!("U+{:04X} is not an XML character", u32::from(c)))),
            }
            *at = inner.at;
        }
        if kind != AttributeType::Cdata {
            value = value.split(' ').filter(|token| !token.is_empty()).collect::<Vec<_>>().join(" ");
        }
        Ok(Cow::Owned(value))
    }
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return None,
    })
}

fn xml_declaration(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    cursor.require("<?xml")?;
    let value = |cursor: &mut Cursor<'_>, name: &str, needed: bool| -> Result<Option<String>, ParseError> {
        let start = cursor.at;
        let spaced = cursor.skip_space();
        if !spaced || !cursor.eat(name) {
            cursor.at = start;
            return if needed {
                Err(cursor.error(format!("expected {name} in the XML declaration")))
            } else {
                Ok(None)
            };
        }
        cursor.skip_space();
        cursor.require("=")?;
        cursor.skip_space();
        Ok(Some(cursor.quoted()?.to_owned()))
    };
    let version = value(cursor, "version", true)?.unwrap_or_default();
    let minor =
        version.strip_prefix("1.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()));
    if !minor {
        return Err(cursor.error(format!("XML version {version:?} is not known")));
    }
    value(cursor, "encoding", false)?;
    if let Some(standalone) = value(cursor, "standalone", false)?
        && !["yes", "no"].contains(&standalone.as_str())
    {
        return Err(cursor.error("standalone is \"yes\" or \"no\""));
    }
    cursor.skip_space();
    cursor.require("?>")
}
