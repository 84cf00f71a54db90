//! The grammar of F&O 3.1 §5.6.1 on top of XML Schema 1.1 part 2 appendix G, as a tree.

use super::blocks;
use crate::functions::limits::REGEX_NESTING_MAX;
use crate::limits::{STACK_RED_ZONE_BYTES, STACK_SEGMENT_BYTES};

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RegexError {
    /// `FORX0001` or `FORX0002`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl RegexError {
    pub(super) fn pattern(pattern: &str, reason: &str) -> Self {
        // A pattern may be as long as a document.
        let shown: String = pattern.chars().take(100).collect();
        Self { code: "FORX0002", message: format!("regular expression {shown:?}: {reason}") }
    }
}

/// The flags `s m i x q`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) dot_all: bool,
    pub(super) multi_line: bool,
    pub(super) ignore_case: bool,
    pub(super) ignore_space: bool,
    pub(super) literal: bool,
}

impl Flags {
    pub(super) fn read(text: &str) -> Result<Self, RegexError> {
        let mut flags = Self::default();
        for c in text.chars() {
            match c {
                's' => flags.dot_all = true,
                'm' => flags.multi_line = true,
                'i' => flags.ignore_case = true,
                'x' => flags.ignore_space = true,
                'q' => flags.literal = true,
                c => return Err(RegexError { code: "FORX0001", message: format!("{c:?} is no flag; smixq are") }),
            }
        }
        Ok(flags)
    }
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Empty,
    Char(char),
    /// `.`
    Any,
    /// `^`
    Start,
    /// `$`
    End,
    Class(Class),
    /// Capturing when numbered.
    Group(Option<usize>, Box<Self>),
    Sequence(Vec<Self>),
    Choice(Vec<Self>),
    Repeat {
        node: Box<Self>,
        min: u32,
        max: Option<u32>,
        lazy: bool,
    },
    Reference(usize),
}

/// A set of characters.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) parts: Vec<Part>,
    pub(super) minus: Option<Box<Self>>,
}

/// A part of a set.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Range(char, char),
    /// In the syntax of the regex crate, usable inside brackets: an escape or a bracketed set.
    Escape(String),
}

/// A parsed expression.
pub(super) struct Parsed {
    pub(super) node: Node,
    pub(super) groups: usize,
    pub(super) parents: Vec<usize>,
    pub(super) has_references: bool,
}

struct Parser<'a> {
    pattern: &'a str,
    chars: Vec<char>,
    at: usize,
    parents: Vec<usize>,
    open: Vec<usize>,
    closed: Vec<bool>,
    has_references: bool,
    depth: usize,
}

pub(super) fn parse(pattern: &str, flags: Flags) -> Result<Parsed, RegexError> {
    if flags.literal {
        let node = Node::Sequence(pattern.chars().map(Node::Char).collect());
        return Ok(Parsed { node, groups: 0, parents: vec![0], has_references: false });
    }
    let chars = if flags.ignore_space { without_space(pattern) } else { pattern.chars().collect() };
    let mut parser = Parser {
        pattern,
        chars,
        at: 0,
        parents: vec![0],
        open: Vec::new(),
        closed: vec![false],
        has_references: false,
        depth: 0,
    };
    let node = parser.choice()?;
    if parser.at < parser.chars.len() {
        return Err(parser.error("unbalanced )"));
    }
    let groups = parser.parents.len() - 1;
    Ok(Parsed { node, groups, parents: parser.parents, has_references: parser.has_references })
}

/// Flag `x`: white space vanishes, except inside brackets.
fn without_space(pattern: &str) -> Vec<char> {
    let mut kept = Vec::new();
    let mut depth = 0_i32;
    let mut escaped = false;
    for c in pattern.chars() {
        if depth == 0 && matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        if !escaped {
            match c {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
        }
        escaped = c == '\\' && !escaped;
        kept.push(c);
    }
    kept
}

impl Parser<'_> {
    /// Runs `f` one level deeper. Error: groups or subtractions nest too deeply.
    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T, RegexError>) -> Result<T, RegexError> {
        if self.depth >= REGEX_NESTING_MAX {
            return Err(self.error(&format!("it nests more than {REGEX_NESTING_MAX} levels deep")));
        }
        self.depth += 1;
        let result = stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_SEGMENT_BYTES, || f(self));
        self.depth -= 1;
        result
    }

    fn error(&self, reason: &str) -> RegexError {
        RegexError::pattern(self.pattern, reason)
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn peek_after(&self) -> Option<char> {
        self.chars.get(self.at + 1).copied()
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn next(&mut self, missing: &str) -> Result<char, RegexError> {
        let c = self.peek().ok_or_else(|| self.error(missing))?;
        self.at += 1;
        Ok(c)
    }

    fn choice(&mut self) -> Result<Node, RegexError> {
        let mut branches = vec![self.branch()?];
        while self.eat('|') {
            branches.push(self.branch()?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Choice(branches) })
    }

    fn branch(&mut self) -> Result<Node, RegexError> {
        let mut pieces = Vec::new();
        while let Some(c) = self.peek()
            && c != '|'
            && c != ')'
        {
            let atom = self.atom()?;
            pieces.push(self.quantified(atom)?);
        }
        Ok(match pieces.len() {
            0 => Node::Empty,
            1 => pieces.remove(0),
            _ => Node::Sequence(pieces),
        })
    }

    fn quantified(&mut self, atom: Node) -> Result<Node, RegexError> {
        let (min, max) = match self.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => {
                self.at += 1;
                let bounds = self.bounds()?;
                let lazy = self.eat('?');
                return Ok(Node::Repeat { node: Box::new(atom), min: bounds.0, max: bounds.1, lazy });
            }
            _ => return Ok(atom),
        };
        self.at += 1;
        let lazy = self.eat('?');
        Ok(Node::Repeat { node: Box::new(atom), min, max, lazy })
    }

    fn number(&mut self) -> Result<Option<u32>, RegexError> {
        let digits: String = self.chars[self.at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        self.at += digits.len();
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| self.error("a quantifier is too large"))
    }

    fn bounds(&mut self) -> Result<(u32, Option<u32>), RegexError> {
        let min = self.number()?.ok_or_else(|| self.error("a quantifier needs a number after {"))?;
        let max = if self.eat(',') { self.number()? } else { Some(min) };
        if !self.eat('}') {
            return Err(self.error("a quantifier is not closed by }"));
        }
        if max.is_some_and(|max| max < min) {
            return Err(self.error("the bounds of a quantifier are reversed"));
        }
        Ok((min, max))
    }

    fn atom(&mut self) -> Result<Node, RegexError> {
        match self.next("empty")? {
            '.' => Ok(Node::Any),
            '^' => Ok(Node::Start),
            '$' => Ok(Node::End),
            '(' => self.group(),
            '[' => Ok(Node::Class(self.class()?)),
            '\\' => self.escape(),
            c @ ('?' | '*' | '+' | '{' | '}' | ']' | ')') => Err(self.error(&format!("{c} stands alone"))),
            c => Ok(Node::Char(c)),
        }
    }

    fn group(&mut self) -> Result<Node, RegexError> {
        let number = if self.eat('?') {
            if !self.eat(':') {
                return Err(self.error("only (?: may follow (?"));
            }
            None
        } else {
            self.parents.push(self.open.last().copied().unwrap_or(0));
            self.closed.push(false);
            Some(self.parents.len() - 1)
        };
        self.open.extend(number);
        let node = self.deeper(Self::choice)?;
        if !self.eat(')') {
            return Err(self.error("a group is not closed"));
        }
        if let Some(number) = number {
            self.open.pop();
            self.closed[number] = true;
        }
        Ok(Node::Group(number, Box::new(node)))
    }

    fn escape(&mut self) -> Result<Node, RegexError> {
        let c = self.peek().ok_or_else(|| self.error("\\ at the end"))?;
        if c.is_ascii_digit() {
            return self.reference();
        }
        Ok(match self.class_escape()? {
            Part::Range(c, _) => Node::Char(c),
            part @ Part::Escape(_) => Node::Class(Class { negated: false, parts: vec![part], minus: None }),
        })
    }

    /// `\N`: as many digits as name a group opened so far.
    fn reference(&mut self) -> Result<Node, RegexError> {
        let mut number = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let longer = number * 10 + digit as usize;
            if number > 0 && longer >= self.closed.len() {
                break;
            }
            number = longer;
            self.at += 1;
        }
        if number == 0 || !self.closed.get(number).copied().unwrap_or(false) {
            return Err(self.error("a back-reference names no group that is closed before it"));
        }
        self.has_references = true;
        Ok(Node::Reference(number))
    }

    /// What follows a backslash, other than a back-reference.
    fn class_escape(&mut self) -> Result<Part, RegexError> {
        let single = |c| Part::Range(c, c);
        let set = |text: &str| Part::Escape(text.to_owned());
        Ok(match self.next("\\ at the end")? {
            'n' => single('\n'),
            'r' => single('\r'),
            't' => single('\t'),
            c @ ('\\' | '|' | '.' | '?' | '*' | '+' | '(' | ')' | '{' | '}' | '-' | '[' | ']' | '^' | '$') => single(c),
            's' => set(r"[\t\n\r ]"),
            'S' => set(r"[^\t\n\r ]"),
            'd' => set(r"\p{Nd}"),
            'D' => set(r"\P{Nd}"),
            'w' => set(r"[^\p{P}\p{Z}\p{C}]"),
            'W' => set(r"[\p{P}\p{Z}\p{C}]"),
            'i' => set(blocks::NAME_START),
            'I' => set(&format!("[^{}]", blocks::NAME_START)),
            'c' => set(blocks::NAME_CHAR),
            'C' => set(&format!("[^{}]", blocks::NAME_CHAR)),
            'p' => self.property(false)?,
            'P' => self.property(true)?,
            c => return Err(self.error(&format!("\\{c} is no escape"))),
        })
    }

    fn property(&mut self, negated: bool) -> Result<Part, RegexError> {
        if !self.eat('{') {
            return Err(self.error("\\p needs {"));
        }
        let name: String = self.chars[self.at..].iter().take_while(|c| **c != '}').collect();
        self.at += name.chars().count();
        if !self.eat('}') {
            return Err(self.error("\\p{ is not closed"));
        }
        let hat = if negated { "^" } else { "" };
        if let Some(block) = name.strip_prefix("Is") {
            let ranges = blocks::block(block).ok_or_else(|| self.error(&format!("there is no block {block}")))?;
            let ranges: String = ranges.iter().map(|(from, to)| format!(r"\x{{{from:X}}}-\x{{{to:X}}}")).collect();
            return Ok(Part::Escape(format!("[{hat}{ranges}]")));
        }
        if !blocks::is_category(&name) {
            return Err(self.error(&format!("there is no category {name}")));
        }
        Ok(Part::Escape(format!(r"[{hat}\p{{{name}}}]")))
    }

    /// Behind `[`.
    fn class(&mut self) -> Result<Class, RegexError> {
        let negated = self.eat('^');
        let mut class = Class { negated, parts: Vec::new(), minus: None };
        loop {
            let c = self.peek().ok_or_else(|| self.error("[ is not closed"))?;
            match c {
                ']' => {
                    self.at += 1;
                    if class.parts.is_empty() {
                        return Err(self.error("a character class is empty"));
                    }
                    return Ok(class);
                }
                '-' if self.peek_after() == Some('[') && !class.parts.is_empty() => {
                    self.at += 2;
                    class.minus = Some(Box::new(self.deeper(Self::class)?));
                    if !self.eat(']') {
                        return Err(self.error("a subtraction ends its class"));
                    }
                    return Ok(class);
                }
                _ => {
                    // Behind a range a hyphen stands for itself.
                    let may_hyphen = match class.parts.last() {
                        None => true,
                        Some(Part::Range(from, to)) => from != to,
                        Some(Part::Escape(_)) => false,
                    };
                    let part = self.class_part(may_hyphen)?;
                    class.parts.push(part);
                }
            }
        }
    }

    fn class_part(&mut self, may_hyphen: bool) -> Result<Part, RegexError> {
        let from = match self.next("[ is not closed")? {
            '\\' => match self.class_escape()? {
                Part::Range(c, _) => c,
                escape @ Part::Escape(_) => return Ok(escape),
            },
            '[' => return Err(self.error("[ in a class is written \\[")),
            // A hyphen stands for itself at either end of the group.
            '-' if !may_hyphen
                && self.peek() != Some(']')
                && !(self.peek() == Some('-') && self.peek_after() == Some('[')) =>
            {
                return Err(self.error("- in a class is written \\-"));
            }
            c => c,
        };
        if self.peek() != Some('-') || matches!(self.peek_after(), Some(']' | '[') | None) {
            return Ok(Part::Range(from, from));
        }
        self.at += 1;
        let to = match self.next("[ is not closed")? {
            '\\' => match self.class_escape()? {
                Part::Range(c, _) => c,
                Part::Escape(_) => return Err(self.error("a range ends in a set")),
            },
            c => c,
        };
        if to < from {
            return Err(self.error(&format!("the range {from}-{to} is reversed")));
        }
        Ok(Part::Range(from, to))
    }
}
