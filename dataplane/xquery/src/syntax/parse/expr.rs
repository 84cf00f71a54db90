//! Operators, from the comma down to the unary minus (XQuery 3.1, appendix A.4).
//!
//! Binary operators climb by precedence in one function, so that a plain literal does not pass twenty frames.

use crate::syntax::ast::{ArrowTarget, BinaryOp, Expr, ExprKind, Pragma, Sign, ValidationMode};
use crate::syntax::cursor::Cursor;
use phoenixmldb_xdm::error::Result;

/// A binary operator with its precedence.
#[derive(Clone, Copy, PartialEq)]
enum Infix {
    Or,
    And,
    Concat,
    Union,
    Plain(BinaryOp),
}

impl Infix {
    /// Strength, from `or` to `intersect`.
    fn level(self) -> u8 {
        use BinaryOp as B;
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Concat => 4,
            Self::Union => 8,
            Self::Plain(op) => match op {
                B::Range => 5,
                B::Add | B::Subtract => 6,
                B::Multiply | B::Div | B::IDiv | B::Mod => 7,
                B::Intersect | B::Except => 9,
                _ => 3,
            },
        }
    }

    /// Whether `a op b op c` is an error.
    fn stands_alone(self) -> bool {
        matches!(self.level(), 3 | 5)
    }
}

impl Cursor<'_> {
    /// `a, b, c`.
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.space()?;
        let start = self.pos;
        let first = self.expr_single()?;
        if !self.sees(",")? {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.eat(",")? {
            items.push(self.expr_single()?);
        }
        Ok(Expr::new(ExprKind::Sequence(items), self.span(start)))
    }

    /// `{ expr }`, with `()` when empty.
    pub(super) fn enclosed(&mut self) -> Result<Expr> {
        self.expect("{")?;
        let start = self.pos;
        if self.eat("}")? {
            return Ok(Expr::empty(self.span(start)));
        }
        let expr = self.expr()?;
        self.expect("}")?;
        Ok(expr)
    }

    /// An expression without comma.
    pub(super) fn expr_single(&mut self) -> Result<Expr> {
        self.nested(|this| {
            this.space()?;
            if let Some(expr) = this.clause_expr()? {
                return Ok(expr);
            }
            if let Some(expr) = this.update_expr()? {
                return Ok(expr);
            }
            this.binary(1)
        })
    }

    /// Operators of at least this level.
    fn binary(&mut self, least: u8) -> Result<Expr> {
        let start = {
            self.space()?;
            self.pos
        };
        let mut left = self.typed()?;
        let mut last: Option<Infix> = None;
        loop {
            let before = self.pos;
            let Some(op) = self.infix()? else {
                self.pos = before;
                return Ok(left);
            };
            if op.level() < least {
                self.pos = before;
                return Ok(left);
            }
            if op.stands_alone() && last.is_some_and(|last| last.level() == op.level()) {
                self.pos = before;
                return Err(self.error("XPST0003", "comparisons and ranges cannot be chained; use parentheses"));
            }
            self.chained()?;
            let right = self.nested(|this| this.binary(op.level() + 1))?;
            let span = self.span(start);
            left = join(op, left, right, last, span);
            last = Some(op);
        }
    }

    /// The infix operator here, taken.
    fn infix(&mut self) -> Result<Option<Infix>> {
        use BinaryOp as B;
        self.space()?;
        let symbol = |this: &mut Self, length, op| {
            this.pos += length;
            Ok(Some(op))
        };
        match (self.byte(), self.byte_at(1)) {
            (b'|', b'|') => return symbol(self, 2, Infix::Concat),
            (b'|', _) => return symbol(self, 1, Infix::Union),
            (b'=', b'>') => return Ok(None),
            (b'=', _) => return symbol(self, 1, Infix::Plain(B::GeneralEq)),
            (b'!', b'=') => return symbol(self, 2, Infix::Plain(B::GeneralNe)),
            (b'<', b'<') => return symbol(self, 2, Infix::Plain(B::Precedes)),
            (b'<', b'=') => return symbol(self, 2, Infix::Plain(B::GeneralLe)),
            (b'<', _) => return symbol(self, 1, Infix::Plain(B::GeneralLt)),
            (b'>', b'>') => return symbol(self, 2, Infix::Plain(B::Follows)),
            (b'>', b'=') => return symbol(self, 2, Infix::Plain(B::GeneralGe)),
            (b'>', _) => return symbol(self, 1, Infix::Plain(B::GeneralGt)),
            (b'+', _) => return symbol(self, 1, Infix::Plain(B::Add)),
            (b'-', _) => return symbol(self, 1, Infix::Plain(B::Subtract)),
            (b'*', _) => return symbol(self, 1, Infix::Plain(B::Multiply)),
            (b'a'..=b'z', _) => {}
            _ => return Ok(None),
        }
        let before = self.pos;
        let op = match self.ncname_here().unwrap_or_default() {
            "or" => Infix::Or,
            "and" => Infix::And,
            "union" => Infix::Union,
            "eq" => Infix::Plain(B::ValueEq),
            "ne" => Infix::Plain(B::ValueNe),
            "lt" => Infix::Plain(B::ValueLt),
            "le" => Infix::Plain(B::ValueLe),
            "gt" => Infix::Plain(B::ValueGt),
            "ge" => Infix::Plain(B::ValueGe),
            "is" => Infix::Plain(B::Is),
            "to" => Infix::Plain(B::Range),
            "div" => Infix::Plain(B::Div),
            "idiv" => Infix::Plain(B::IDiv),
            "mod" => Infix::Plain(B::Mod),
            "intersect" => Infix::Plain(B::Intersect),
            "except" => Infix::Plain(B::Except),
            _ => {
                self.pos = before;
                return Ok(None);
            }
        };
        Ok(Some(op))
    }

    /// `instance of`, `treat as`, `castable as`, `cast as`, `transform with`, `=>`, each at most once and in this order.
    fn typed(&mut self) -> Result<Expr> {
        self.space()?;
        let start = self.pos;
        let mut expr = self.arrow()?;
        if self.eat_words(&["transform", "with"])? {
            let modify = Box::new(self.enclosed()?);
            expr = Expr::new(ExprKind::TransformWith { input: Box::new(expr), modify }, self.span(start));
        }
        if self.eat_words(&["cast", "as"])? {
            let target = self.single_type()?;
            expr = Expr::new(ExprKind::CastAs(Box::new(expr), target), self.span(start));
        }
        if self.eat_words(&["castable", "as"])? {
            let target = self.single_type()?;
            expr = Expr::new(ExprKind::CastableAs(Box::new(expr), target), self.span(start));
        }
        if self.eat_words(&["treat", "as"])? {
            let target = Box::new(self.sequence_type()?);
            expr = Expr::new(ExprKind::TreatAs(Box::new(expr), target), self.span(start));
        }
        if self.eat_words(&["instance", "of"])? {
            let target = Box::new(self.sequence_type()?);
            expr = Expr::new(ExprKind::InstanceOf(Box::new(expr), target), self.span(start));
        }
        Ok(expr)
    }

    fn arrow(&mut self) -> Result<Expr> {
        let start = self.pos;
        let mut expr = self.unary()?;
        while self.eat("=>")? {
            self.chained()?;
            self.space()?;
            let target = match self.byte() {
                b'$' => {
                    let at = self.pos;
                    let name = self.variable()?;
                    ArrowTarget::Expr(Box::new(Expr::new(ExprKind::Variable(name), self.span(at))))
                }
                b'(' => ArrowTarget::Expr(Box::new(self.parenthesized()?)),
                _ => ArrowTarget::Name(self.function_name()?),
            };
            let args = self.arguments()?;
            expr = Expr::new(ExprKind::Arrow { input: Box::new(expr), target, args }, self.span(start));
        }
        Ok(expr)
    }

    fn unary(&mut self) -> Result<Expr> {
        self.space()?;
        let start = self.pos;
        let mut sign: Option<Sign> = None;
        loop {
            self.space()?;
            let minus = match self.byte() {
                b'-' => true,
                b'+' => false,
                _ => break,
            };
            self.pos += 1;
            let negative = (sign == Some(Sign::Minus)) != minus;
            sign = Some(if negative { Sign::Minus } else { Sign::Plus });
        }
        let operand = self.value()?;
        Ok(match sign {
            Some(sign) => Expr::new(ExprKind::Unary(sign, Box::new(operand)), self.span(start)),
            None => operand,
        })
    }

    /// `validate`, pragmas, or a simple map of paths.
    fn value(&mut self) -> Result<Expr> {
        self.space()?;
        let start = self.pos;
        if self.rest().starts_with("(#") {
            return self.extension();
        }
        if self.rest().starts_with("validate") {
            let mode = if self.sees_all(&["validate", "{"])? {
                Some(ValidationMode::Default)
            } else if self.sees_all(&["validate", "lax", "{"])? {
                Some(ValidationMode::Lax)
            } else if self.sees_all(&["validate", "strict", "{"])? {
                Some(ValidationMode::Strict)
            } else if self.eat_words(&["validate", "type"])? {
                let name = self.name();
                match (name, self.sees("{")?) {
                    (Ok(name), true) => Some(ValidationMode::Type(name)),
                    _ => {
                        self.pos = start;
                        None
                    }
                }
            } else {
                None
            };
            if let Some(mode) = mode {
                for word in ["validate", "lax", "strict"] {
                    self.eat_word(word)?;
                }
                let at = self.pos;
                let operand = Box::new(self.enclosed()?);
                if operand.kind == ExprKind::Sequence(Vec::new()) && self.text[at..self.pos].trim() == "{}" {
                    return Err(self.expected("an expression in validate"));
                }
                return Ok(Expr::new(ExprKind::Validate { mode, operand }, self.span(start)));
            }
        }
        let first = self.path()?;
        let mut parts = vec![first];
        loop {
            self.space()?;
            if self.byte() != b'!' || self.byte_at(1) == b'=' {
                break;
            }
            self.pos += 1;
            self.space()?;
            self.chained()?;
            parts.push(self.path()?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        Ok(Expr::new(ExprKind::SimpleMap(parts), self.span(start)))
    }

    fn extension(&mut self) -> Result<Expr> {
        let start = self.pos;
        let mut pragmas = Vec::new();
        while self.eat("(#")? {
            let name = self.name()?;
            let spaced = matches!(self.byte(), b' ' | b'\t' | b'\n');
            let rest = self.rest();
            let end = rest.find("#)").ok_or_else(|| self.expected("\"#)\" after a pragma"))?;
            let content = rest[..end].trim_start();
            if !content.is_empty() && !spaced {
                return Err(self.expected("white space after the name of a pragma"));
            }
            pragmas.push(Pragma { name, content: content.into() });
            self.pos += end + 2;
        }
        self.expect("{")?;
        let operand = if self.eat("}")? {
            None
        } else {
            let operand = self.expr()?;
            self.expect("}")?;
            Some(Box::new(operand))
        };
        Ok(Expr::new(ExprKind::Extension { pragmas, operand }, self.span(start)))
    }
}

/// `left op right`; operators that associate collect in lists.
fn join(op: Infix, left: Expr, right: Expr, last: Option<Infix>, span: crate::syntax::ast::Span) -> Expr {
    let plain = match op {
        Infix::Plain(op) => return Expr::new(ExprKind::Binary(op, Box::new(left), Box::new(right)), span),
        listed => listed,
    };
    // Only a list made by this very chain grows: one in parentheses keeps its shape.
    let mut items = match left.kind {
        ExprKind::Or(items) | ExprKind::And(items) | ExprKind::Concat(items) | ExprKind::Union(items)
            if last == Some(op) =>
        {
            items
        }
        kind => vec![Expr::new(kind, left.span)],
    };
    items.push(right);
    let kind = match plain {
        Infix::Or => ExprKind::Or(items),
        Infix::And => ExprKind::And(items),
        Infix::Concat => ExprKind::Concat(items),
        _ => ExprKind::Union(items),
    };
    Expr::new(kind, span)
}
