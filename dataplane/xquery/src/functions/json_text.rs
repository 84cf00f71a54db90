//! Reading JSON (RFC 7159) as events, without recursion: F&O 3.1 §17.5.

use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::names::is_xml_char;

/// How texts are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// Whether deviations from the grammar are tolerated; none are, which the option allows.
    pub(super) liberal: bool,
    /// Whether escapes stay as they are written.
    pub(super) escape: bool,
}

/// A part of a JSON text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    StartObject,
    EndObject,
    StartArray,
    EndArray,
    /// The name of the member whose value follows.
    Key(Text),
    String(Text),
    Number(String),
    Boolean(bool),
    Null,
}

/// A string: as it was written, for `escape`, and what it means. Characters that XML does not have are left as escapes
/// for whoever replaces them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    /// Code units resolved; `Err` holds a code unit that is no XML character.
    pub(super) units: Vec<std::result::Result<char, u16>>,
    /// With escapes for everything special, as `escape` asks.
    pub(super) escaped: String,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

fn wrong(at: usize, reason: &str) -> Box<phoenixmldb_xdm::Error> {
    fail("FOJS0001", format!("JSON: {reason} at byte {at}"))
}

/// The events of a text. Error: FOJS0001.
pub(super) fn read(text: &str, reading: Reading) -> Result<Vec<Event>> {
    let _ = reading.liberal;
    let mut reader = Reader { text: text.strip_prefix('\u{FEFF}').unwrap_or(text), at: 0 };
    let mut events = Vec::new();
    let mut open: Vec<bool> = Vec::new();
    reader.space();
    loop {
        // A value begins here.
        let opened = reader.value(&mut events)?;
        if let Some(is_object) = opened {
            reader.space();
            if reader.eat(if is_object { '}' } else { ']' }) {
                events.push(if is_object { Event::EndObject } else { Event::EndArray });
            } else {
                open.push(is_object);
                if is_object {
                    reader.key(&mut events)?;
                }
                continue;
            }
        }
        // A value has ended.
        loop {
            reader.space();
            let Some(is_object) = open.last().copied() else {
                return if reader.at == reader.text.len() {
                    Ok(events)
                } else {
                    Err(wrong(reader.at, "more than one value"))
                };
            };
            if reader.eat(',') {
                reader.space();
                if is_object {
                    reader.key(&mut events)?;
                }
                break;
            }
            if !reader.eat(if is_object { '}' } else { ']' }) {
                return Err(wrong(reader.at, "a comma or the end of the object or array is missing"));
            }
            events.push(if is_object { Event::EndObject } else { Event::EndArray });
            open.pop();
        }
    }
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().bytes().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn eat(&mut self, token: char) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len_utf8() } else { 0 };
        found
    }

    fn key(&mut self, events: &mut Vec<Event>) -> Result<()> {
        if !self.eat('"') {
            return Err(wrong(self.at, "a name in quotes is missing"));
        }
        events.push(Event::Key(self.string()?));
        self.space();
        if !self.eat(':') {
            return Err(wrong(self.at, "a colon is missing"));
        }
        self.space();
        Ok(())
    }

    /// Reads a value, or the beginning of an object (`Some(true)`) or array (`Some(false)`).
    fn value(&mut self, events: &mut Vec<Event>) -> Result<Option<bool>> {
        if self.eat('{') {
            events.push(Event::StartObject);
            return Ok(Some(true));
        }
        if self.eat('[') {
            events.push(Event::StartArray);
            self.space();
            return Ok(Some(false));
        }
        if self.eat('"') {
            events.push(Event::String(self.string()?));
            return Ok(None);
        }
        for (word, event) in [("true", Event::Boolean(true)), ("false", Event::Boolean(false)), ("null", Event::Null)] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                events.push(event);
                return Ok(None);
            }
        }
        events.push(Event::Number(self.number()?));
        Ok(None)
    }

    fn digits(&mut self) -> usize {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Result<String> {
        let start = self.at;
        self.eat('-');
        let zero = self.rest().starts_with('0');
        let whole = self.digits();
        if whole == 0 || zero && whole > 1 {
            return Err(wrong(start, "a value is missing"));
        }
        if self.eat('.') && self.digits() == 0 {
            return Err(wrong(self.at, "a digit is missing"));
        }
        if self.eat('e') || self.eat('E') {
            if !self.eat('+') {
                self.eat('-');
            }
            if self.digits() == 0 {
                return Err(wrong(self.at, "a digit is missing"));
            }
        }
        Ok(self.text[start..self.at].to_owned())
    }

    /// Behind the opening quote.
    fn string(&mut self) -> Result<Text> {
        let mut units: Vec<std::result::Result<char, u16>> = Vec::new();
        let mut escaped = String::new();
        loop {
            let c = self.rest().chars().next().ok_or_else(|| wrong(self.at, "a string is not closed"))?;
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(Text { units: paired(units), escaped }),
                '\\' => self.escape(&mut units, &mut escaped)?,
                c if c < ' ' => return Err(wrong(self.at, "a control character in a string is escaped")),
                c if is_xml_char(c) => {
                    units.push(Ok(c));
                    match c {
                        '\u{7F}'..='\u{9F}' => escaped.push_str(&format!("\\u{:04X}", u32::from(c))),
                        c => escaped.push(c),
                    }
                }
                c => {
                    // U+FFFE and U+FFFF, which XML does not have.
                    let unit =
                        u16::try_from(u32::from(c)).map_err(|_| wrong(self.at, "a character XML does not have"))?;
                    units.push(Err(unit));
                    escaped.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }

    fn escape(&mut self, units: &mut Vec<std::result::Result<char, u16>>, escaped: &mut String) -> Result<()> {
        let c = self.rest().chars().next().ok_or_else(|| wrong(self.at, "a string is not closed"))?;
        self.at += c.len_utf8();
        let (unit, keeps) = match c {
            '"' => (u16::from(b'"'), false),
            '/' => (u16::from(b'/'), false),
            '\\' => (u16::from(b'\\'), true),
            'b' => (8, true),
            'f' => (0xC, true),
            'n' => (0xA, true),
            'r' => (0xD, true),
            't' => (9, true),
            'u' => {
                let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let digits = digits.ok_or_else(|| wrong(self.at, "\\u needs four hexadecimal digits"))?;
                let unit = u16::from_str_radix(digits, 16).map_err(|_| wrong(self.at, "\\u needs four digits"))?;
                self.at += 4;
                (unit, false)
            }
            _ => return Err(wrong(self.at, "there is no such escape")),
        };
        match char::from_u32(u32::from(unit)).filter(|c| is_xml_char(*c)) {
            Some(c) => units.push(Ok(c)),
            None => units.push(Err(unit)),
        }
        match (keeps, units.last()) {
            (true, _) => escaped.push_str(&format!("\\{c}")),
            (false, Some(Ok(c))) => match c {
                '\\' => escaped.push_str("\\\\"),
                '\u{8}' => escaped.push_str("\\b"),
                '\u{C}' => escaped.push_str("\\f"),
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                '\t' => escaped.push_str("\\t"),
                c if ('\u{7F}'..='\u{9F}').contains(c) => escaped.push_str(&format!("\\u{unit:04X}")),
                c => escaped.push(*c),
            },
            _ => match unit {
                8 => escaped.push_str("\\b"),
                0xC => escaped.push_str("\\f"),
                _ => escaped.push_str(&format!("\\u{unit:04X}")),
            },
        }
        Ok(())
    }
}

/// Two escapes that are a surrogate pair are one character.
fn paired(units: Vec<std::result::Result<char, u16>>) -> Vec<std::result::Result<char, u16>> {
    let mut joined: Vec<std::result::Result<char, u16>> = Vec::with_capacity(units.len());
    for unit in units {
        if let (Some(Err(high @ 0xD800..=0xDBFF)), Err(low @ 0xDC00..=0xDFFF)) = (joined.last(), &unit) {
            let pair = [*high, *low];
            if let Some(Ok(c)) = char::decode_utf16(pair).next() {
                joined.pop();
                joined.push(Ok(c));
                continue;
            }
        }
        joined.push(unit);
    }
    joined
}

impl Text {
    /// The text, with `replace` for what XML does not have.
    pub(super) fn plain(&self, replace: &mut dyn FnMut(u16) -> Result<String>) -> Result<String> {
        let mut text = String::with_capacity(self.units.len());
        for unit in &self.units {
            match unit {
                Ok(c) => text.push(*c),
                Err(unit) => text.push_str(&replace(*unit)?),
            }
        }
        Ok(text)
    }

    /// The text with escapes; surrogate pairs are joined.
    pub(super) fn with_escapes(&self) -> String {
        let mut text = String::new();
        let mut rest = self.escaped.as_str();
        while let Some(at) = rest.find("\\u") {
            let before = rest[..at].bytes().rev().take_while(|b| *b == b'\\').count();
            let hex = |from: usize| rest.get(from..from + 4).and_then(|d| u16::from_str_radix(d, 16).ok());
            let pair = match (hex(at + 2), rest.get(at + 6..at + 8), hex(at + 8)) {
                (Some(high @ 0xD800..=0xDBFF), Some("\\u"), Some(low @ 0xDC00..=0xDFFF)) if before % 2 == 0 => {
                    char::decode_utf16([high, low]).next().and_then(std::result::Result::ok)
                }
                _ => None,
            };
            match pair {
                Some(c) => {
                    text.push_str(&rest[..at]);
                    text.push(c);
                    rest = &rest[at + 12..];
                }
                None => {
                    text.push_str(&rest[..at + 2]);
                    rest = &rest[at + 2..];
                }
            }
        }
        text.push_str(rest);
        text
    }
}
