//! Primary expressions: literals, variables, calls, functions, maps, arrays, computed constructors
//! (XQuery 3.1 §3.1, §3.9.3, §3.11).

use crate::syntax::ast::{ComputedName, Expr, ExprKind, InlineFunction, Name, Param, Qualifier, StringPart};
use crate::syntax::cursor::Cursor;
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::names::is_name_start;

/// Names that cannot be called without prefix (appendix A.3).
const RESERVED: &[&str] = &[
    "array",
    "attribute",
    "comment",
    "document-node",
    "element",
    "empty-sequence",
    "function",
    "if",
    "item",
    "map",
    "namespace-node",
    "node",
    "processing-instruction",
    "schema-attribute",
    "schema-element",
    "switch",
    "text",
    "typeswitch",
];

impl Cursor<'_> {
    /// Whether a word begins a primary expression rather than a name test.
    pub(super) fn begins_primary(&mut self, word: &str) -> Result<bool> {
        Ok(match word {
            "map" | "array" | "document" | "text" | "comment" | "ordered" | "unordered" => {
                self.sees_all(&[word, "{"])?
            }
            "function" => self.sees_all(&["function", "("])?,
            "element" | "attribute" | "processing-instruction" | "namespace" => {
                self.sees_all(&[word, "{"])? || {
                    let start = self.pos;
                    self.pos += word.len();
                    self.space()?;
                    let named = self.name_here().ok().flatten().is_some() && self.sees("{")?;
                    self.pos = start;
                    named
                }
            }
            _ => false,
        })
    }

    pub(super) fn primary(&mut self) -> Result<Expr> {
        self.space()?;
        let start = self.pos;
        let kind = match self.byte() {
            b'0'..=b'9' => self.number()?,
            b'.' if self.byte_at(1).is_ascii_digit() => self.number()?,
            b'.' => {
                self.pos += 1;
                ExprKind::ContextItem
            }
            b'"' | b'\'' => ExprKind::String(self.string()?),
            b'$' => ExprKind::Variable(self.variable()?),
            b'(' => return self.parenthesized(),
            b'[' => ExprKind::SquareArray(self.square_array()?),
            b'?' => {
                self.pos += 1;
                ExprKind::UnaryLookup(self.lookup_key()?)
            }
            b'%' => self.inline_function()?,
            b'`' if self.rest().starts_with("``[") => self.string_constructor()?,
            b'<' => return self.direct_constructor(),
            _ => match self.ncname_here() {
                Some(word) => {
                    let unprefixed = self.byte() != b':' && !(word == "Q" && self.byte() == b'{');
                    self.pos = start;
                    if unprefixed && self.begins_primary(word)? {
                        self.keyword_primary(word)?
                    } else {
                        self.call_or_reference()?
                    }
                }
                None => return Err(self.expected("an expression")),
            },
        };
        Ok(Expr::new(kind, self.span(start)))
    }

    /// What `invoke updating` calls.
    pub(super) fn postfix_primary(&mut self) -> Result<Expr> {
        self.primary()
    }

    /// `( expr )`, `()`.
    pub(super) fn parenthesized(&mut self) -> Result<Expr> {
        let start = self.pos;
        self.expect("(")?;
        if self.eat(")")? {
            return Ok(Expr::empty(self.span(start)));
        }
        let expr = self.expr()?;
        self.expect(")")?;
        Ok(expr)
    }

    pub(super) fn number(&mut self) -> Result<ExprKind> {
        let start = self.pos;
        self.digits();
        let mut is_integer = true;
        if self.byte() == b'.' {
            is_integer = false;
            self.pos += 1;
            self.digits();
        }
        let mut is_double = false;
        if matches!(self.byte(), b'e' | b'E') {
            let signed = matches!(self.byte_at(1), b'+' | b'-');
            if self.byte_at(1 + usize::from(signed)).is_ascii_digit() {
                is_double = true;
                self.pos += 1 + usize::from(signed);
                self.digits();
            }
        }
        if self.char().is_some_and(is_name_start) {
            return Err(self.error("XPST0003", "a number must not run into a name"));
        }
        let text = self.text[start..self.pos].into();
        Ok(match (is_double, is_integer) {
            (true, _) => ExprKind::Double(text),
            (false, true) => ExprKind::Integer(text),
            (false, false) => ExprKind::Decimal(text),
        })
    }

    fn square_array(&mut self) -> Result<Vec<Expr>> {
        self.expect("[")?;
        let mut members = Vec::new();
        if self.eat("]")? {
            return Ok(members);
        }
        loop {
            members.push(self.expr_single()?);
            if !self.eat(",")? {
                break;
            }
        }
        self.expect("]")?;
        Ok(members)
    }

    fn inline_function(&mut self) -> Result<ExprKind> {
        let annotations = self.annotations()?;
        self.expect_word("function")?;
        let params = self.params()?;
        let result = self.type_declaration()?;
        let body = self.enclosed()?;
        Ok(ExprKind::InlineFunction(Box::new(InlineFunction { annotations, params, result, body })))
    }

    /// `($a as T, $b)`.
    pub(super) fn params(&mut self) -> Result<Vec<Param>> {
        self.expect("(")?;
        let mut params = Vec::new();
        if self.eat(")")? {
            return Ok(params);
        }
        loop {
            let name = self.variable()?;
            params.push(Param { name, declared_type: self.type_declaration()? });
            if !self.eat(",")? {
                break;
            }
        }
        self.expect(")")?;
        Ok(params)
    }

    fn string_constructor(&mut self) -> Result<ExprKind> {
        self.pos += 3;
        let mut parts = Vec::new();
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with("]``") {
                self.pos += 3;
                break;
            }
            if rest.starts_with("`{") {
                if !text.is_empty() {
                    parts.push(StringPart::Text(std::mem::take(&mut text).into()));
                }
                self.pos += 2;
                self.space()?;
                let start = self.pos;
                let expr = if self.rest().starts_with("}`") { Expr::empty(self.span(start)) } else { self.expr()? };
                self.space()?;
                if !self.rest().starts_with("}`") {
                    return Err(self.expected("\"}`\""));
                }
                self.pos += 2;
                parts.push(StringPart::Expr(expr));
                continue;
            }
            match self.char() {
                None => return Err(self.expected("\"]``\"")),
                Some(c) => {
                    text.push(c);
                    self.pos += c.len_utf8();
                }
            }
        }
        if !text.is_empty() {
            parts.push(StringPart::Text(text.into()));
        }
        Ok(ExprKind::StringConstructor(parts))
    }

    /// The name of a function that is called: not reserved.
    pub(super) fn function_name(&mut self) -> Result<Name> {
        let start = self.pos;
        let name = self.name()?;
        if name.qualifier == Qualifier::None && RESERVED.contains(&&*name.local) {
            self.pos = start;
            return Err(self.error("XPST0003", format!("{:?} is reserved and names no function", &*name.local)));
        }
        Ok(name)
    }

    fn call_or_reference(&mut self) -> Result<ExprKind> {
        let name = self.function_name()?;
        self.space()?;
        if self.byte() == b'#' {
            self.pos += 1;
            self.space()?;
            let arity = self.digits();
            if arity.is_empty() {
                return Err(self.expected("an arity"));
            }
            return Ok(ExprKind::FunctionRef { name, arity: arity.into() });
        }
        let args = self.arguments()?;
        Ok(ExprKind::Call { name, args })
    }

    fn keyword_primary(&mut self, word: &str) -> Result<ExprKind> {
        if word == "function" {
            return self.inline_function();
        }
        self.expect_word(word)?;
        Ok(match word {
            "map" => ExprKind::Map(self.map_entries()?),
            "array" => ExprKind::CurlyArray(Box::new(self.enclosed()?)),
            "document" => ExprKind::ComputedDocument(Box::new(self.enclosed()?)),
            "text" => ExprKind::ComputedText(Box::new(self.enclosed()?)),
            "comment" => ExprKind::ComputedComment(Box::new(self.enclosed()?)),
            "ordered" => ExprKind::Ordered(Box::new(self.enclosed()?)),
            "unordered" => ExprKind::Unordered(Box::new(self.enclosed()?)),
            _ => {
                let name = self.computed_name(matches!(word, "element" | "attribute"))?;
                let content = Box::new(self.enclosed()?);
                match word {
                    "element" => ExprKind::ComputedElement { name, content },
                    "attribute" => ExprKind::ComputedAttribute { name, content },
                    "namespace" => ExprKind::ComputedNamespace { prefix: name, content },
                    _ => ExprKind::ComputedPi { target: name, content },
                }
            }
        })
    }

    fn computed_name(&mut self, qualified: bool) -> Result<ComputedName> {
        if self.eat("{")? {
            let expr = self.expr()?;
            self.expect("}")?;
            return Ok(ComputedName::Expr(Box::new(expr)));
        }
        let name = self.name()?;
        if !qualified && name.qualifier != Qualifier::None {
            return Err(self.error("XPST0003", format!("{name} has a namespace, which this constructor takes none of")));
        }
        Ok(ComputedName::Name(name))
    }

    fn map_entries(&mut self) -> Result<Vec<(Expr, Expr)>> {
        self.expect("{")?;
        let mut entries = Vec::new();
        if self.eat("}")? {
            return Ok(entries);
        }
        loop {
            let key = self.expr_single()?;
            self.expect(":")?;
            entries.push((key, self.expr_single()?));
            if !self.eat(",")? {
                break;
            }
        }
        self.expect("}")?;
        Ok(entries)
    }
}
