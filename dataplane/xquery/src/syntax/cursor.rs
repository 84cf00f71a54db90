//! A place in the text of a module, and what can be read there: white space, keywords, names, literals.
//!
//! XQuery has no reserved words and its tokens depend on where they stand, so there is no separate lexer: the parser
//! asks for what the grammar allows at this place (XQuery 3.1, appendix A.2).

use super::ast::{Name, Qualifier, Span};
use crate::limits;
use phoenixmldb_xdm::Str;
use phoenixmldb_xdm::error::{Error, Location, Result, fail};
use phoenixmldb_xdm::names::{is_name_char, is_name_start, is_xml_char};

/// A parser's place in the text.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) pos: usize,
    pub(super) depth: usize,
    /// At most how high the tree is that was made so far at this depth.
    height: usize,
}

/// Line and column of a byte offset.
#[must_use]
pub fn locate(text: &str, offset: usize, module: Option<&Str>) -> Location {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before[before.rfind('\n').map_or(0, |at| at + 1)..].chars().count() + 1;
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Location { module: module.cloned(), line: small(line), column: small(column) }
}

fn offset(pos: usize) -> u32 {
    u32::try_from(pos).expect("module texts are bounded")
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, pos: 0, depth: 0, height: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    pub(super) fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.pos).copied().unwrap_or(0)
    }

    pub(super) fn byte_at(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.pos + ahead).copied().unwrap_or(0)
    }

    pub(super) fn char(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn at_end(&self) -> bool {
        self.pos >= self.text.len()
    }

    /// From `start` to here.
    pub(super) fn span(&self, start: usize) -> Span {
        Span::new(offset(start), offset(self.pos))
    }

    /// An error at this place.
    pub(super) fn error(&self, code: &'static str, message: impl Into<String>) -> Box<Error> {
        fail(code, message).at(offset(self.pos), offset(self.pos))
    }

    /// A syntax error: what was expected instead of what is here.
    pub(super) fn expected(&self, what: &str) -> Box<Error> {
        let found = match self.char() {
            None => "the end of the query".to_owned(),
            Some(_) => {
                let word: String = self.rest().chars().take_while(|&c| is_name_char(c)).take(30).collect();
                let word = if word.is_empty() { self.rest().chars().take(1).collect() } else { word };
                format!("{word:?}")
            }
        };
        self.error("XPST0003", format!("expected {what}, found {found}"))
    }

    /// Runs `f` one level deeper. Error: XPST0003 when the query is nested too deeply.
    pub(super) fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= limits::QUERY_DEPTH_MAX {
            let max = limits::QUERY_DEPTH_MAX;
            return Err(self.error("XPST0003", format!("expressions are nested more than {max} levels deep")));
        }
        self.depth += 1;
        let height = std::mem::take(&mut self.height);
        let result = stacker::maybe_grow(limits::STACK_RED_ZONE_BYTES, limits::STACK_SEGMENT_BYTES, || f(self));
        self.depth -= 1;
        self.height = height.max(self.height + 1);
        result
    }

    /// Runs `f`, whose tree will stand below all that was made so far at this depth. Error: XPST0003, as `chained`.
    pub(super) fn below<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let above = std::mem::take(&mut self.height);
        let result = f(self)?;
        self.height += above;
        self.chained()?;
        Ok(result)
    }

    /// Counts what puts the expression so far below itself, such as an operator behind it: a chain of them is as deep as
    /// it is long. Error: XPST0003 when the tree gets too high.
    pub(super) fn chained(&mut self) -> Result<()> {
        self.height += 1;
        if self.height > limits::QUERY_CHAIN_MAX {
            let max = limits::QUERY_CHAIN_MAX;
            return Err(self.error("XPST0003", format!("more than {max} operators, calls or clauses in a row")));
        }
        Ok(())
    }

    /// Skips white space and comments.
    pub(super) fn space(&mut self) -> Result<()> {
        loop {
            match self.byte() {
                b' ' | b'\t' | b'\n' | b'\r' => self.pos += 1,
                b'(' if self.byte_at(1) == b':' => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<()> {
        let start = self.pos;
        let mut open = 0_usize;
        loop {
            match (self.byte(), self.byte_at(1)) {
                (b'(', b':') => {
                    open += 1;
                    self.pos += 2;
                }
                (b':', b')') => {
                    open -= 1;
                    self.pos += 2;
                    if open == 0 {
                        return Ok(());
                    }
                }
                (0, _) if self.at_end() => {
                    self.pos = start;
                    return Err(self.error("XPST0003", "the comment is not closed"));
                }
                _ => self.pos += 1,
            }
        }
    }

    /// Takes `symbol` after white space, if it is there.
    pub(super) fn eat(&mut self, symbol: &str) -> Result<bool> {
        self.space()?;
        let found = self.rest().starts_with(symbol);
        if found {
            self.pos += symbol.len();
        }
        Ok(found)
    }

    /// Whether `symbol` is next, after white space.
    pub(super) fn sees(&mut self, symbol: &str) -> Result<bool> {
        self.space()?;
        Ok(self.rest().starts_with(symbol))
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.eat(symbol)? { Ok(()) } else { Err(self.expected(&format!("{symbol:?}"))) }
    }

    /// Takes a keyword after white space, if it is there and ends there.
    pub(super) fn eat_word(&mut self, word: &str) -> Result<bool> {
        self.space()?;
        let found = self.word_is(word);
        if found {
            self.pos += word.len();
        }
        Ok(found)
    }

    fn word_is(&self, word: &str) -> bool {
        self.rest().strip_prefix(word).is_some_and(|rest| !rest.chars().next().is_some_and(is_name_char))
    }

    /// Takes all these keywords, or none.
    pub(super) fn eat_words(&mut self, words: &[&str]) -> Result<bool> {
        self.space()?;
        let start = self.pos;
        for word in words {
            if !self.eat_word(word)? {
                self.pos = start;
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.eat_word(word)? { Ok(()) } else { Err(self.expected(&format!("{word:?}"))) }
    }

    /// Whether these words and symbols come next. Moves nothing.
    pub(super) fn sees_all(&mut self, parts: &[&str]) -> Result<bool> {
        let start = self.pos;
        let mut found = true;
        for part in parts {
            let is_word = part.chars().next().is_some_and(is_name_start);
            found = if is_word { self.eat_word(part)? } else { self.eat(part)? };
            if !found {
                break;
            }
        }
        self.pos = start;
        Ok(found)
    }

    /// An NCName exactly here.
    pub(super) fn ncname_here(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        if !rest.chars().next().is_some_and(is_name_start) {
            return None;
        }
        let end = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
        self.pos += end;
        Some(&rest[..end])
    }

    /// An NCName after white space.
    pub(super) fn ncname(&mut self) -> Result<&'a str> {
        self.space()?;
        self.ncname_here().ok_or_else(|| self.expected("a name"))
    }

    /// A QName or EQName exactly here, without looking at what follows.
    pub(super) fn name_here(&mut self) -> Result<Option<Name>> {
        let start = self.pos;
        if self.rest().starts_with("Q{") {
            let uri = self.braced_uri()?;
            let local = self.ncname_here().ok_or_else(|| self.expected("a local name"))?;
            return Ok(Some(Name { qualifier: Qualifier::Uri(uri), local: local.into(), span: self.span(start) }));
        }
        let Some(first) = self.ncname_here() else { return Ok(None) };
        let after = self.pos;
        if self.byte() == b':' {
            self.pos += 1;
            if let Some(local) = self.ncname_here() {
                let qualifier = Qualifier::Prefix(first.into());
                return Ok(Some(Name { qualifier, local: local.into(), span: self.span(start) }));
            }
            self.pos = after;
        }
        Ok(Some(Name { qualifier: Qualifier::None, local: first.into(), span: self.span(start) }))
    }

    /// A QName or EQName after white space.
    pub(super) fn name(&mut self) -> Result<Name> {
        self.space()?;
        match self.name_here()? {
            Some(name) => Ok(name),
            None => Err(self.expected("a name")),
        }
    }

    /// `Q{uri}`, white space normalised.
    pub(super) fn braced_uri(&mut self) -> Result<Str> {
        self.pos += 2;
        let mut uri = String::new();
        loop {
            match self.char() {
                None | Some('{') => return Err(self.expected("\"}\" after a namespace")),
                Some('}') => break,
                Some('&') => uri.push_str(&self.reference()?),
                Some(c) => {
                    uri.push(c);
                    self.pos += c.len_utf8();
                }
            }
        }
        self.pos += 1;
        let uri = collapse(&uri);
        if uri == phoenixmldb_xdm::names::XMLNS_NAMESPACE {
            return Err(self.error("XQST0070", "no name can be in the namespace of xmlns"));
        }
        Ok(uri.into())
    }

    /// `$name`.
    pub(super) fn variable(&mut self) -> Result<Name> {
        self.expect("$")?;
        self.name()
    }

    /// `&lt;` and its like, `&#10;`, `&#xA;`. Errors: XPST0003, XQST0090.
    pub(super) fn reference(&mut self) -> Result<String> {
        let rest = self.rest();
        let Some(end) = rest.find(';').filter(|end| *end <= 40) else {
            return Err(self.error("XPST0003", "\"&\" does not begin a reference; write \"&amp;\""));
        };
        let name = &rest[1..end];
        let known = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => None,
        };
        let found = match (known, name.strip_prefix('#')) {
            (Some(c), _) => c,
            (None, Some(number)) => {
                let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
                if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                    return Err(self.error("XPST0003", format!("\"&{name};\" is no character reference")));
                }
                let value = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
                let value = value.filter(|&c| is_xml_char(c));
                value.ok_or_else(|| self.error("XQST0090", format!("\"&{name};\" is no character of XML")))?
            }
            (None, None) => return Err(self.error("XPST0003", format!("\"&{name};\" is no predefined entity"))),
        };
        self.pos += end + 1;
        Ok(found.to_string())
    }

    /// A string literal after white space.
    pub(super) fn string(&mut self) -> Result<Str> {
        self.space()?;
        let quote = self.byte();
        if !matches!(quote, b'"' | b'\'') {
            return Err(self.expected("a string"));
        }
        let start = self.pos;
        self.pos += 1;
        let mut value = String::new();
        loop {
            let rest = self.rest();
            let Some(stop) = rest.bytes().position(|b| b == quote || b == b'&') else {
                self.pos = start;
                return Err(self.error("XPST0003", "the string is not closed"));
            };
            value.push_str(&rest[..stop]);
            self.pos += stop;
            if self.byte() == b'&' {
                value.push_str(&self.reference()?);
            } else if self.byte_at(1) == quote {
                value.push(char::from(quote));
                self.pos += 2;
            } else {
                self.pos += 1;
                return Ok(value.into());
            }
        }
    }

    /// A string literal that is a URI: white space normalised.
    pub(super) fn uri(&mut self) -> Result<Str> {
        Ok(collapse(&self.string()?).into())
    }

    /// Digits exactly here.
    pub(super) fn digits(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.pos += end;
        &rest[..end]
    }
}

/// Runs of white space become one space; none at the ends.
pub(super) fn collapse(text: &str) -> String {
    text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
