//! The xml, xhtml and html output methods — Serialization 3.1 §5 to §7.

use super::{Method, Parameters, Piece};
use crate::Str;
use crate::error::{Result, fail};
use crate::names::QName;
use crate::node::Node;
use crate::tree::{NodeKind, Tree};

const XHTML_NAMESPACE: &str = "http://www.w3.org/1999/xhtml";
const VOID: &[&str] = &[
    "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "isindex", "keygen", "link",
    "meta", "param", "source", "track", "wbr",
];
const BOOLEAN: &[&str] = &[
    "allowfullscreen",
    "async",
    "autofocus",
    "autoplay",
    "checked",
    "compact",
    "controls",
    "declare",
    "default",
    "defer",
    "disabled",
    "formnovalidate",
    "hidden",
    "ismap",
    "itemscope",
    "loop",
    "multiple",
    "muted",
    "nohref",
    "nomodule",
    "noresize",
    "noshade",
    "novalidate",
    "nowrap",
    "open",
    "readonly",
    "required",
    "reversed",
    "selected",
];
const URI_ATTRIBUTES: &[&str] = &[
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "codebase",
    "data",
    "datasrc",
    "for",
    "formaction",
    "href",
    "icon",
    "longdesc",
    "manifest",
    "name",
    "poster",
    "profile",
    "src",
    "usemap",
    "value",
];
/// Elements of HTML that run within a line, so that white space around them shows.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "button", "cite", "code", "del", "dfn", "em", "font", "i",
    "img", "input", "ins", "kbd", "label", "map", "object", "q", "s", "samp", "select", "small", "span", "strike",
    "strong", "sub", "sup", "textarea", "tt", "u", "var",
];

struct Writer<'a> {
    out: String,
    parameters: &'a Parameters,
    /// Largest character the encoding has.
    last_char: u32,
    /// Bindings written so far, innermost last; `usize` counts those of the elements around.
    bindings: Vec<(Str, Str)>,
    open: Vec<Open>,
}

struct Open {
    last_row: u32,
    name: String,
    bindings_before: usize,
    has_content: bool,
    indented: bool,
    is_cdata: bool,
    is_raw: bool,
    expanded: QName,
}

pub(super) fn write(pieces: &[Piece], parameters: &Parameters) -> Result<String> {
    let label = parameters.encoding.to_ascii_uppercase();
    let last_char = match label.as_str() {
        "US-ASCII" | "ASCII" => 0x7F,
        "ISO-8859-1" => 0xFF,
        _ => 0x10_FFFF,
    };
    let mut writer = Writer { out: String::new(), parameters, last_char, bindings: Vec::new(), open: Vec::new() };
    let top: Vec<&Node> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Node(node) if node.kind() == NodeKind::Element => Some(node),
            _ => None,
        })
        .collect();
    let is_document = top.len() == 1
        && pieces.iter().all(|piece| match piece {
            Piece::Text(text) => text.trim().is_empty(),
            Piece::Node(_) => true,
        });
    if (parameters.standalone.is_some() || parameters.doctype_system.is_some())
        && parameters.method == Method::Xml
        && !is_document
    {
        return Err(fail("SEPM0004", "standalone and doctype-system need a document with one element"));
    }
    writer.declaration();
    let mut wrote_doctype = false;
    for piece in pieces {
        match piece {
            Piece::Text(text) => writer.text(text),
            Piece::Node(node) => {
                if node.kind() == NodeKind::Element && !std::mem::replace(&mut wrote_doctype, true) {
                    writer.doctype(node);
                }
                let is_later = !writer.out.is_empty() && !writer.out.ends_with('\n');
                if parameters.indent && is_document && is_later {
                    writer.out.push('\n');
                }
                writer.node(node)?;
            }
        }
    }
    Ok(writer.out)
}

impl Writer<'_> {
    /// Whether an element is one of HTML: in its namespace or, from version 5 on and in HTML always, in none.
    fn is_html_name(&self, name: &QName) -> bool {
        let is_five = self.parameters.html_version() >= 5.0;
        match self.parameters.method {
            Method::Html => name.uri.is_empty() || is_five && name.uri == XHTML_NAMESPACE,
            Method::Xhtml => name.uri == XHTML_NAMESPACE || is_five && name.uri.is_empty(),
            _ => false,
        }
    }

    /// Whether elements of this namespace lose their prefix (§6, §7: XHTML, SVG and MathML from version 5 on).
    fn loses_prefix(&self, name: &QName) -> bool {
        const NAMESPACES: [&str; 3] =
            [XHTML_NAMESPACE, "http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"];
        self.parameters.method != Method::Xml
            && self.parameters.html_version() >= 5.0
            && !name.prefix.is_empty()
            && NAMESPACES.contains(&name.uri.as_str())
    }

    fn is_html(&self) -> bool {
        self.parameters.method == Method::Html
    }

    fn declaration(&mut self) {
        let parameters = self.parameters;
        if self.is_html() || parameters.omit_declaration {
            return;
        }
        let version = parameters.version.as_deref().filter(|_| parameters.method == Method::Xml).unwrap_or("1.0");
        self.out.push_str(&format!("<?xml version=\"{version}\" encoding=\"{}\"", parameters.encoding));
        if let Some(standalone) = parameters.standalone {
            self.out.push_str(if standalone { " standalone=\"yes\"" } else { " standalone=\"no\"" });
        }
        self.out.push_str("?>");
        if parameters.indent {
            self.out.push('\n');
        }
    }

    fn doctype(&mut self, element: &Node) {
        let parameters = self.parameters;
        let Some(name) = element.name() else { return };
        let is_html = parameters.method != Method::Xml;
        let is_html_element = name.local.eq_ignore_ascii_case("html") && self.is_html_name(name);
        match (&parameters.doctype_public, &parameters.doctype_system) {
            (Some(public), Some(system)) => {
                self.out.push_str(&format!("<!DOCTYPE {} PUBLIC \"{public}\" {}>", name.lexical(), quoted(system)));
            }
            (None, Some(system)) => {
                self.out.push_str(&format!("<!DOCTYPE {} SYSTEM {}>", name.lexical(), quoted(system)));
            }
            (Some(public), None) if self.is_html() => {
                self.out.push_str(&format!("<!DOCTYPE {} PUBLIC \"{public}\">", name.lexical()));
            }
            _ if is_html && is_html_element && parameters.html_version() >= 5.0 => {
                let spelled = if self.is_html() { name.lexical() } else { name.local.to_string() };
                self.out.push_str(&format!("<!DOCTYPE {spelled}>"));
            }
            _ => return,
        }
        if parameters.indent {
            self.out.push('\n');
        }
    }

    /// Writes a subtree without recursion.
    fn node(&mut self, node: &Node) -> Result<()> {
        let tree = &node.tree;
        let end = node.pre + tree.size(node.pre);
        let outer = self.open.len();
        let mut row = node.pre;
        loop {
            while self.open.len() > outer && self.open.last().is_some_and(|open| open.last_row < row) {
                self.close();
            }
            if row > end {
                return Ok(());
            }
            match tree.kind(row) {
                NodeKind::Element if self.is_replaced_meta(tree, row) => row += tree.size(row),
                NodeKind::Element => {
                    self.before_child(tree, row);
                    row = self.start(tree, row, row == node.pre)?;
                    continue;
                }
                NodeKind::Text => {
                    let text = tree.string_value(row);
                    if let Some(open) = self.open.last_mut() {
                        open.has_content = true;
                    }
                    self.text(text);
                }
                NodeKind::Comment => {
                    self.before_child(tree, row);
                    self.out.push_str(&format!("<!--{}-->", tree.string_value(row)));
                }
                NodeKind::ProcessingInstruction => {
                    self.before_child(tree, row);
                    self.instruction(tree, row)?;
                }
                NodeKind::Document | NodeKind::Attribute => {}
            }
            row += 1;
        }
    }

    fn instruction(&mut self, tree: &Tree, row: u32) -> Result<()> {
        let target = tree.names().get(tree.name_id(row)).map(QName::lexical).unwrap_or_default();
        let data = tree.string_value(row);
        let end = if self.is_html() { ">" } else { "?>" };
        if self.is_html() && data.contains('>') {
            return Err(fail("SERE0015", "a processing instruction of HTML contains >"));
        }
        let space = if data.is_empty() { "" } else { " " };
        self.out.push_str(&format!("<?{target}{space}{data}{end}"));
        Ok(())
    }

    /// Marks the element around as not empty, and indents what follows.
    fn before_child(&mut self, tree: &Tree, row: u32) {
        let depth = self.open.len();
        let inline = |row: u32| {
            let name = tree.names().get(tree.name_id(row));
            tree.kind(row) == NodeKind::Element && name.is_some_and(|name| INLINE.contains(&name.local.as_str()))
        };
        let skip = self.parameters.method != Method::Xml && inline(row);
        let Some(open) = self.open.last_mut() else { return };
        open.has_content = true;
        if open.indented && !skip {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(depth));
        }
    }

    /// Writes a start tag; the row behind its attributes.
    fn start(&mut self, tree: &Tree, row: u32, is_top: bool) -> Result<u32> {
        let parameters = self.parameters;
        let expanded = tree.names().get(tree.name_id(row)).cloned().unwrap_or_default();
        let is_html_element = self.is_html_name(&expanded);
        let name = if self.loses_prefix(&expanded) { expanded.local.to_string() } else { expanded.lexical() };
        let bindings_before = self.bindings.len();
        self.out.push('<');
        self.out.push_str(&name);
        self.namespaces(tree, row, is_top, &expanded);
        let last_row = row + tree.size(row);
        let mut next = row + 1;
        while next <= last_row && tree.kind(next) == NodeKind::Attribute {
            self.attribute(tree, next, is_html_element);
            next += 1;
        }
        let is_raw = self.is_html()
            && is_html_element
            && matches!(expanded.local.to_ascii_lowercase().as_str(), "script" | "style");
        let of_html = is_html_element && parameters.method != Method::Xml;
        let keeps = preserves(tree, row) || of_html && keeps_space(&expanded.local);
        let is_fixed = keeps || parameters.suppress_indentation.contains(&expanded);
        let indented = parameters.indent && !is_fixed && has_only_elements(tree, row);
        let within_mixed = self.open.iter().any(|open| !open.indented);
        self.open.push(Open {
            last_row,
            name,
            bindings_before,
            has_content: false,
            indented: indented && !within_mixed,
            is_cdata: parameters.cdata_section_elements.contains(&expanded) && !(self.is_html() && is_html_element),
            is_raw,
            expanded,
        });
        if next <= last_row {
            self.out.push('>');
        }
        self.content_type(is_html_element, next <= last_row);
        Ok(next)
    }

    /// The `meta` element that states the encoding (§6.1.13).
    fn content_type(&mut self, is_html_element: bool, is_tag_closed: bool) {
        let parameters = self.parameters;
        let Some(open) = self.open.last_mut() else { return };
        let is_head = is_html_element && open.expanded.local.eq_ignore_ascii_case("head");
        if parameters.method == Method::Xml || !parameters.include_content_type || !is_head {
            return;
        }
        if !is_tag_closed {
            self.out.push('>');
        }
        open.has_content = true;
        let media = parameters.media_type.as_deref().unwrap_or("text/html");
        let end = if parameters.method == Method::Html { ">" } else { " />" };
        let meta =
            format!("<meta http-equiv=\"Content-Type\" content=\"{media}; charset={}\"{end}", parameters.encoding);
        self.out.push_str(&meta);
    }

    /// Whether it is the `meta` element that [`Self::content_type`] writes anew.
    fn is_replaced_meta(&self, tree: &Tree, row: u32) -> bool {
        let in_head = self.open.last().is_some_and(|open| open.expanded.local.eq_ignore_ascii_case("head"));
        let name = tree.names().get(tree.name_id(row));
        if !in_head
            || !self.parameters.include_content_type
            || !name.is_some_and(|name| self.is_html_name(name) && name.local.eq_ignore_ascii_case("meta"))
        {
            return false;
        }
        let end = row + tree.size(row);
        (row + 1..=end).take_while(|row| tree.kind(*row) == NodeKind::Attribute).any(|row| {
            let name = tree.names().get(tree.name_id(row));
            name.is_some_and(|name| name.local.eq_ignore_ascii_case("http-equiv"))
                && tree.string_value(row).trim().eq_ignore_ascii_case("content-type")
        })
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.bindings.truncate(open.bindings_before);
        let local = open.expanded.local.to_ascii_lowercase();
        let is_html_name = self.is_html_name(&open.expanded);
        let is_old = matches!(local.as_str(), "basefont" | "frame" | "isindex");
        let is_void = is_html_name
            && VOID.contains(&local.as_str())
            && !(is_old && self.parameters.method == Method::Xhtml && self.parameters.html_version() >= 5.0);
        if !open.has_content {
            match self.parameters.method {
                Method::Html if is_void => self.out.push('>'),
                Method::Html if is_html_name => self.out.push_str(&format!("></{}>", open.name)),
                Method::Xhtml if is_void => self.out.push_str(" />"),
                Method::Xhtml => self.out.push_str(&format!("></{}>", open.name)),
                _ => self.out.push_str("/>"),
            }
            return;
        }
        if open.indented {
            self.out.push('\n');
            self.out.push_str(&"  ".repeat(self.open.len()));
        }
        self.out.push_str(&format!("</{}>", open.name));
    }

    /// Declares what is not declared around; at the top also what ancestors declare.
    fn namespaces(&mut self, tree: &Tree, row: u32, is_top: bool, name: &QName) {
        let mut declared: Vec<(Str, Str)> = Vec::new();
        let mut at = Some(row);
        while let Some(element) = at {
            for (prefix, uri) in tree.declarations(element) {
                if !declared.iter().any(|(known, _)| known == prefix) {
                    declared.push((prefix.clone(), uri.clone()));
                }
            }
            at = if is_top { tree.parent(element) } else { None };
        }
        let unprefixed_html = self.loses_prefix(name);
        if unprefixed_html {
            declared.retain(|(prefix, _)| *prefix != name.prefix && !prefix.is_empty());
            declared.push((Str::new(), name.uri.clone()));
        }
        let bound = |bindings: &[(Str, Str)], prefix: &str| {
            bindings.iter().rev().find(|(known, _)| known == prefix).map(|(_, uri)| uri.clone())
        };
        for (prefix, uri) in declared {
            let around = bound(&self.bindings, &prefix).unwrap_or_default();
            if around == uri || prefix == "xml" {
                continue;
            }
            if uri.is_empty() && !prefix.is_empty() && !self.parameters.undeclare_prefixes {
                continue;
            }
            self.out.push_str(" xmlns");
            if !prefix.is_empty() {
                self.out.push(':');
                self.out.push_str(&prefix);
            }
            self.out.push_str("=\"");
            self.escape(&uri, true);
            self.out.push('"');
            self.bindings.push((prefix, uri));
        }
    }

    fn attribute(&mut self, tree: &Tree, row: u32, of_html: bool) {
        let Some(name) = tree.names().get(tree.name_id(row)) else { return };
        let value = tree.string_value(row);
        self.out.push(' ');
        self.out.push_str(&name.lexical());
        let local = name.local.to_ascii_lowercase();
        let plain = name.uri.is_empty() && of_html && self.parameters.method != Method::Xml;
        if plain && self.is_html() && BOOLEAN.contains(&local.as_str()) && value.eq_ignore_ascii_case(&local) {
            return;
        }
        self.out.push_str("=\"");
        if plain
            && self.parameters.escape_uri_attributes
            && URI_ATTRIBUTES.contains(&local.as_str())
            && local != "name"
            && local != "value"
            && local != "for"
        {
            let escaped: String = value
                .chars()
                .map(|c| {
                    if (' '..='~').contains(&c) {
                        return c.to_string();
                    }
                    let mut buffer = [0; 4];
                    c.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")).collect()
                })
                .collect();
            self.escape(&escaped, true);
        } else {
            self.escape(value, true);
        }
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        let (is_raw, is_cdata) = self.open.last().map_or((false, false), |open| (open.is_raw, open.is_cdata));
        if is_raw {
            self.out.push_str(text);
        } else if is_cdata {
            self.cdata(text);
        } else {
            self.escape(text, false);
        }
    }

    fn cdata(&mut self, text: &str) {
        let fits = |c: char| u32::from(c) <= self.last_char;
        let mut rest = text;
        while !rest.is_empty() {
            let at = rest.find(|c| !fits(c)).unwrap_or(rest.len());
            if at > 0 {
                let safe = rest[..at].replace("]]>", "]]]]><![CDATA[>");
                self.out.push_str(&format!("<![CDATA[{safe}]]>"));
            }
            rest = &rest[at..];
            if let Some(c) = rest.chars().next() {
                self.out.push_str(&format!("&#x{:X};", u32::from(c)));
                rest = &rest[c.len_utf8()..];
            }
        }
    }

    fn escape(&mut self, text: &str, in_attribute: bool) {
        let is_html = self.is_html();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if let Some(by) = self.parameters.character_map.get(&c) {
                self.out.push_str(by);
                continue;
            }
            match c {
                '<' if !(is_html && in_attribute) => self.out.push_str("&lt;"),
                '>' if !(is_html && in_attribute) => self.out.push_str("&gt;"),
                // In an attribute of HTML, a script macro stays as it is (§7.2).
                '&' if is_html && in_attribute && chars.peek() == Some(&'{') => self.out.push('&'),
                '&' => self.out.push_str("&amp;"),
                '"' if in_attribute => self.out.push_str("&quot;"),
                '\u{A0}' if is_html => self.out.push_str("&nbsp;"),
                '\t' | '\n' if in_attribute && !is_html => self.out.push_str(&format!("&#x{:X};", u32::from(c))),
                '\r' | '\u{7F}'..='\u{9F}' | '\u{2028}' if !is_html || c != '\r' => {
                    self.out.push_str(&format!("&#x{:X};", u32::from(c)));
                }
                c if u32::from(c) > self.last_char => self.out.push_str(&format!("&#x{:X};", u32::from(c))),
                c => self.out.push(c),
            }
        }
    }
}

fn quoted(system: &str) -> String {
    if system.contains('"') { format!("'{system}'") } else { format!("\"{system}\"") }
}

fn keeps_space(local: &str) -> bool {
    matches!(local.to_ascii_lowercase().as_str(), "pre" | "script" | "style" | "textarea" | "title")
}

/// Whether `xml:space="preserve"` is written on the element.
fn preserves(tree: &Tree, row: u32) -> bool {
    let end = row + tree.size(row);
    (row + 1..=end).take_while(|row| tree.kind(*row) == NodeKind::Attribute).any(|row| {
        let name = tree.names().get(tree.name_id(row));
        name.is_some_and(|name| name.lexical() == "xml:space") && tree.string_value(row) == "preserve"
    })
}

/// Whether an element has children, and none is text.
fn has_only_elements(tree: &Tree, row: u32) -> bool {
    let mut rows = Vec::new();
    crate::axes::step(tree, row, crate::axes::Axis::Child, crate::axes::NodeTest::Any, &mut rows);
    !rows.is_empty() && rows.iter().all(|row| tree.kind(*row) != NodeKind::Text)
}
