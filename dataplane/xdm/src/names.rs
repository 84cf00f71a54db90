//! Names: prefix, namespace and local part, kept once per tree.

use crate::Str;
use hashbrown::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Namespace of the prefix `xml`, bound in every document.
pub const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// Namespace of `xmlns`, which no prefix may be bound to.
pub const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// An expanded QName. Equal when namespace and local part are; the prefix only remembers how it was written.
#[derive(Clone, Debug, Default)]
pub struct QName {
    /// Prefix as written; empty for none.
    pub prefix: Str,
    /// Namespace; empty for none.
    pub uri: Str,
    /// Local part.
    pub local: Str,
}

impl QName {
    /// A name from its parts.
    pub fn new(prefix: impl Into<Str>, uri: impl Into<Str>, local: impl Into<Str>) -> Self {
        Self { prefix: prefix.into(), uri: uri.into(), local: local.into() }
    }

    /// A name in no namespace.
    pub fn local(local: impl Into<Str>) -> Self {
        Self { local: local.into(), ..Self::default() }
    }

    /// As written in a document: `prefix:local` or `local`.
    #[must_use]
    pub fn lexical(&self) -> String {
        if self.prefix.is_empty() { self.local.to_string() } else { format!("{}:{}", self.prefix, self.local) }
    }
}

impl PartialEq for QName {
    fn eq(&self, other: &Self) -> bool {
        self.local == other.local && self.uri == other.uri
    }
}
impl Eq for QName {}

impl Hash for QName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.local.hash(state);
        self.uri.hash(state);
    }
}

impl fmt::Display for QName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.uri.is_empty() { f.write_str(&self.local) } else { write!(f, "Q{{{}}}{}", self.uri, self.local) }
    }
}

/// Index of a name in its tree's table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct NameId(pub u32);

impl NameId {
    /// Of nodes that have no name.
    pub const NONE: Self = Self(u32::MAX);
}

/// The names of one tree. Two ids differ when prefixes differ; [`NameTable::expanded`] folds them.
#[derive(Clone, Debug, Default)]
pub struct NameTable {
    names: Vec<QName>,
    /// For each name the first one with the same namespace and local part.
    expanded: Vec<NameId>,
    ids: HashMap<(Str, Str, Str), NameId>,
    first: HashMap<QName, NameId>,
}

impl NameTable {
    /// The id of a name, added when it is new.
    pub fn intern(&mut self, name: &QName) -> NameId {
        let key = (name.prefix.clone(), name.uri.clone(), name.local.clone());
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = NameId(u32::try_from(self.names.len()).expect("a document has fewer than 2^32 names"));
        self.names.push(name.clone());
        self.expanded.push(*self.first.entry(name.clone()).or_insert(id));
        self.ids.insert(key, id);
        id
    }

    /// The name with this id; `None` for [`NameId::NONE`].
    #[must_use]
    pub fn get(&self, id: NameId) -> Option<&QName> {
        self.names.get(id.0 as usize)
    }

    /// The id shared by all spellings of a name.
    #[must_use]
    pub fn expanded(&self, id: NameId) -> NameId {
        self.expanded.get(id.0 as usize).copied().unwrap_or(NameId::NONE)
    }

    /// The shared id of a namespace and local part; `None` when no node has that name.
    #[must_use]
    pub fn find(&self, name: &QName) -> Option<NameId> {
        self.first.get(name).copied()
    }

    /// Names in order of appearance.
    #[must_use]
    pub fn all(&self) -> &[QName] {
        &self.names
    }
}

/// Whether `c` may begin an XML name without colon (XML 1.0 fifth edition, production 4).
#[must_use]
pub fn is_name_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '_' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// Whether `c` may continue an XML name (production 4a, without colon).
#[must_use]
pub fn is_name_char(c: char) -> bool {
    is_name_start(c) || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether `text` is an NCName.
#[must_use]
pub fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// Whether `c` is an XML 1.0 character (production 2).
#[must_use]
pub fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}
