//! The internal subset of a document type: entities, attribute defaults, ID types. Element content is not checked.
//!
//! XML 1.0 §3.3, §4. External entities are never read: a reference to one is an error in content, and external
//! parameter entities end the reading of declarations, as §5.1 allows.

use crate::parse::{Cursor, ParseError};
use hashbrown::HashMap;

/// A declared general entity.
#[derive(Clone, Debug)]
pub(crate) enum Entity {
    /// Its replacement text; character references are already replaced.
    Internal(String),
    /// Lies outside of the document.
    External,
}

/// How an attribute's value is normalised and whether it is an ID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AttributeType {
    Cdata,
    Id,
    /// All other types: white space is collapsed.
    Tokens,
}

/// A declared attribute.
#[derive(Clone, Debug)]
pub(crate) struct AttributeDecl {
    pub(crate) kind: AttributeType,
    /// Raw default value, references not replaced.
    pub(crate) default: Option<String>,
}

/// What a document type declares. The first declaration of a name wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dtd {
    pub(crate) entities: HashMap<String, Entity>,
    parameters: HashMap<String, Option<String>>,
    /// By element and attribute, in order of declaration.
    pub(crate) attributes: HashMap<String, Vec<(String, AttributeDecl)>>,
    /// Bytes added by parameter entities so far.
    expanded_bytes: usize,
}

impl Dtd {
    pub(crate) fn attribute(&self, element: &str, attribute: &str) -> Option<&AttributeDecl> {
        self.attributes.get(element)?.iter().find(|(name, _)| name == attribute).map(|(_, decl)| decl)
    }

    /// Reads the declarations up to the closing bracket, which is left.
    pub(crate) fn parse_subset(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        self.declarations(cursor, true, 0)
    }

    fn declarations(&mut self, cursor: &mut Cursor<'_>, inner: bool, depth: usize) -> Result<(), ParseError> {
        loop {
            cursor.skip_space();
            if cursor.at_end() {
                return if inner { Err(cursor.error("the document type is not closed")) } else { Ok(()) };
            }
            if inner && cursor.rest().starts_with(']') {
                return Ok(());
            }
            if cursor.eat("<!--") {
                cursor.comment()?;
            } else if cursor.eat("<?") {
                cursor.processing_instruction()?;
            } else if cursor.eat("<!ENTITY") {
                self.entity(cursor)?;
            } else if cursor.eat("<!ATTLIST") {
                self.attlist(cursor)?;
            } else if cursor.eat("<!ELEMENT") || cursor.eat("<!NOTATION") {
                cursor.require_space()?;
                cursor.name()?;
                skip_declaration(cursor)?;
            } else if cursor.eat("%") {
                let name = cursor.name()?.to_owned();
                cursor.require(";")?;
                self.parameter(cursor, &name, depth)?;
            } else {
                return Err(cursor.error("expected a declaration"));
            }
        }
    }

    /// Replacement text of a parameter entity between declarations: more declarations.
    fn parameter(&mut self, cursor: &Cursor<'_>, name: &str, depth: usize) -> Result<(), ParseError> {
        let Some(entity) = self.parameters.get(name).cloned() else {
            return Err(cursor.error(format!("parameter entity %{name}; is not declared")));
        };
        let Some(text) = entity else { return Ok(()) };
        self.expanded_bytes += text.len();
        if depth >= crate::limits::XML_ENTITY_DEPTH_MAX || self.expanded_bytes > crate::limits::XML_ENTITY_BYTES_MAX {
            return Err(cursor.error(format!("parameter entity %{name}; expands too far")));
        }
        self.declarations(&mut Cursor::new(&text), false, depth + 1)
    }

    fn entity(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        cursor.require_space()?;
        let parameter = cursor.eat("%");
        if parameter {
            cursor.require_space()?;
        }
        let name = cursor.ncname("an entity's name")?.to_owned();
        cursor.require_space()?;
        if cursor.eat("SYSTEM") || cursor.eat("PUBLIC") {
            skip_declaration(cursor)?;
            if parameter {
                self.parameters.entry(name).or_insert(None);
            } else {
                self.entities.entry(name).or_insert(Entity::External);
            }
            return Ok(());
        }
        let raw = cursor.quoted()?.to_owned();
        let value = entity_value(cursor, &raw)?;
        cursor.skip_space();
        cursor.require(">")?;
        if parameter {
            self.parameters.entry(name).or_insert(Some(value));
        } else {
            self.entities.entry(name).or_insert(Entity::Internal(value));
        }
        Ok(())
    }

    fn attlist(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        cursor.require_space()?;
        let element = cursor.name()?.to_owned();
        loop {
            cursor.skip_space();
            if cursor.eat(">") {
                return Ok(());
            }
            let attribute = cursor.name()?.to_owned();
            cursor.require_space()?;
            let kind = attribute_type(cursor)?;
            cursor.require_space()?;
            let default = if cursor.eat("#REQUIRED") || cursor.eat("#IMPLIED") {
                None
            } else {
                if cursor.eat("#FIXED") {
                    cursor.require_space()?;
                }
                let value = cursor.quoted()?;
                if value.contains('<') {
                    return Err(cursor.error("'<' may not occur in an attribute value"));
                }
                Some(value.to_owned())
            };
            let declared = self.attributes.entry(element.clone()).or_default();
            if !declared.iter().any(|(name, _)| *name == attribute) {
                declared.push((attribute, AttributeDecl { kind, default }));
            }
        }
    }
}

fn attribute_type(cursor: &mut Cursor<'_>) -> Result<AttributeType, ParseError> {
    if cursor.eat("CDATA") {
        return Ok(AttributeType::Cdata);
    }
    for tokens in ["IDREFS", "IDREF", "ENTITY", "ENTITIES", "NMTOKENS", "NMTOKEN"] {
        if cursor.eat(tokens) {
            return Ok(AttributeType::Tokens);
        }
    }
    if cursor.eat("ID") {
        return Ok(AttributeType::Id);
    }
    if cursor.eat("NOTATION") {
        cursor.require_space()?;
    }
    cursor.require("(")?;
    cursor.until(")")?;
    Ok(AttributeType::Tokens)
}

/// Replaces character references of an entity value; general references stay, parameter references are not allowed.
fn entity_value(cursor: &Cursor<'_>, raw: &str) -> Result<String, ParseError> {
    let mut value = String::with_capacity(raw.len());
    let mut inner = Cursor::new(raw);
    while let Some(c) = inner.next_char() {
        if c == '%' {
            return Err(cursor.error("a parameter entity may not be used inside a declaration here"));
        }
        if c != '&' {
            value.push(c);
        } else if inner.eat("#") {
            value.push(inner.character_reference().map_err(|error| cursor.error(error.message))?);
        } else {
            let name = inner.name().map_err(|error| cursor.error(error.message))?;
            value.push('&');
            value.push_str(name);
            inner.require(";").map_err(|error| cursor.error(error.message))?;
            value.push(';');
        }
    }
    Ok(value)
}

/// Skips to the end of a declaration, past quoted text.
fn skip_declaration(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    loop {
        match cursor.rest().find(['>', '"', '\'', '<']) {
            None => return Err(cursor.error("the declaration is not closed")),
            Some(at) => {
                cursor.advance(at);
                match cursor.rest().as_bytes()[0] {
                    b'>' => {
                        cursor.advance(1);
                        return Ok(());
                    }
                    b'<' => return Err(cursor.error("the declaration is not closed")),
                    _ => {
                        cursor.quoted()?;
                    }
                }
            }
        }
    }
}
