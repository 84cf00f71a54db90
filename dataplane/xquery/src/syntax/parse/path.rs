//! Paths, steps, predicates and what else follows a primary expression (XQuery 3.1 §3.2, §3.3).

use crate::syntax::ast::{
    Argument, Axis, AxisStep, Expr, ExprKind, KindTest, LookupKey, NameTest, NodeTest, PathExpr, PathStep,
};
use crate::syntax::cursor::Cursor;
use phoenixmldb_xdm::error::Result;
use phoenixmldb_xdm::names::is_name_start;

impl Cursor<'_> {
    /// A path, or the one step it consists of.
    pub(super) fn path(&mut self) -> Result<Expr> {
        self.space()?;
        let start = self.pos;
        let mut absolute = false;
        let mut steps = Vec::new();
        let mut descend = false;
        if self.byte() == b'/' {
            absolute = true;
            self.pos += 1;
            if self.byte() == b'/' {
                self.pos += 1;
                descend = true;
            }
            self.space()?;
            if !self.begins_step() {
                if descend {
                    return Err(self.expected("a step after \"//\""));
                }
                return Ok(Expr::new(ExprKind::Path(PathExpr { absolute, steps }), self.span(start)));
            }
        }
        loop {
            let expr = self.step()?;
            steps.push(PathStep { descend, expr });
            self.space()?;
            if self.byte() != b'/' {
                break;
            }
            self.pos += 1;
            descend = self.byte() == b'/';
            if descend {
                self.pos += 1;
            }
            self.space()?;
        }
        if !absolute && steps.len() == 1 {
            return Ok(steps.remove(0).expr);
        }
        Ok(Expr::new(ExprKind::Path(PathExpr { absolute, steps }), self.span(start)))
    }

    /// Whether what is here can only be a step: decides what follows a leading `/`.
    fn begins_step(&self) -> bool {
        match self.char() {
            Some('*' | '@' | '.' | '$' | '(' | '[' | '"' | '\'' | '%' | '?' | '`' | '0'..='9') => true,
            Some('<') => !matches!(self.byte_at(1), b'=' | b'<'),
            Some(c) => is_name_start(c),
            None => false,
        }
    }

    fn step(&mut self) -> Result<Expr> {
        self.space()?;
        let start = self.pos;
        if let Some((axis, test)) = self.axis_step()? {
            let predicates = self.predicates()?;
            return Ok(Expr::new(ExprKind::Step(AxisStep { axis, test, predicates }), self.span(start)));
        }
        self.postfix()
    }

    /// Axis and node test, if an axis step begins here.
    fn axis_step(&mut self) -> Result<Option<(Axis, NodeTest)>> {
        let start = self.pos;
        match self.byte() {
            b'.' if self.byte_at(1) == b'.' => {
                self.pos += 2;
                return Ok(Some((Axis::Parent, NodeTest::Kind(KindTest::Node))));
            }
            b'@' => {
                self.pos += 1;
                let test = self.node_test()?.ok_or_else(|| self.expected("an attribute"))?;
                return Ok(Some((Axis::Attribute, test)));
            }
            b'*' => {
                return Ok(self.name_test()?.map(|test| (Axis::Child, NodeTest::Name(test))));
            }
            _ => {}
        }
        let Some(word) = self.ncname_here() else {
            return Ok(None);
        };
        let after_word = self.pos;
        self.space()?;
        if self.rest().starts_with("::") {
            self.pos = start;
            let axis = self.axis()?;
            let test = self.node_test()?.ok_or_else(|| self.expected("a node test"))?;
            return Ok(Some((axis, test)));
        }
        self.pos = start;
        if let Some(test) = self.kind_test()? {
            let attribute = matches!(test, KindTest::Attribute(_) | KindTest::SchemaAttribute(_));
            let axis = match test {
                _ if attribute => Axis::Attribute,
                KindTest::NamespaceNode => return Err(self.error("XQST0134", "there is no namespace axis")),
                _ => Axis::Child,
            };
            return Ok(Some((axis, NodeTest::Kind(test))));
        }
        self.pos = after_word;
        let whole_word = word != "Q" || self.byte() != b'{';
        self.pos = start;
        if whole_word && self.begins_primary(word)? {
            return Ok(None);
        }
        let Some(test) = self.name_test()? else { return Ok(None) };
        if let NameTest::Name(_) = test {
            // A name before "(" is a call, before "#" a function reference.
            let after = self.pos;
            self.space()?;
            let called = self.byte() == b'(' || self.byte() == b'#' && self.byte_at(1) != b')';
            self.pos = after;
            if called {
                self.pos = start;
                return Ok(None);
            }
        }
        Ok(Some((Axis::Child, NodeTest::Name(test))))
    }

    fn axis(&mut self) -> Result<Axis> {
        let start = self.pos;
        let axis = match self.ncname()? {
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "attribute" => Axis::Attribute,
            "self" => Axis::SelfAxis,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "following-sibling" => Axis::FollowingSibling,
            "following" => Axis::Following,
            "parent" => Axis::Parent,
            "ancestor" => Axis::Ancestor,
            "preceding-sibling" => Axis::PrecedingSibling,
            "preceding" => Axis::Preceding,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            "namespace" => {
                self.pos = start;
                return Err(self.error("XQST0134", "XQuery has no namespace axis"));
            }
            other => {
                self.pos = start;
                return Err(self.error("XPST0003", format!("{other:?} is no axis")));
            }
        };
        self.expect("::")?;
        Ok(axis)
    }

    fn node_test(&mut self) -> Result<Option<NodeTest>> {
        self.space()?;
        if let Some(test) = self.kind_test()? {
            return Ok(Some(NodeTest::Kind(test)));
        }
        Ok(self.name_test()?.map(NodeTest::Name))
    }

    /// A name or wildcard exactly here.
    pub(super) fn name_test(&mut self) -> Result<Option<NameTest>> {
        let start = self.pos;
        if self.byte() == b'*' {
            self.pos += 1;
            if self.byte() == b':' {
                self.pos += 1;
                if let Some(local) = self.ncname_here() {
                    return Ok(Some(NameTest::AnyWithLocal(local.into())));
                }
                self.pos -= 1;
            }
            return Ok(Some(NameTest::Any));
        }
        if self.rest().starts_with("Q{") {
            let uri = self.braced_uri()?;
            if self.byte() == b'*' {
                self.pos += 1;
                return Ok(Some(NameTest::AnyInUri(uri)));
            }
            self.pos = start;
        } else if let Some(prefix) = self.ncname_here() {
            if self.rest().starts_with(":*") {
                self.pos += 2;
                return Ok(Some(NameTest::AnyInPrefix(prefix.into(), self.span(start))));
            }
            self.pos = start;
        }
        Ok(self.name_here()?.map(NameTest::Name))
    }

    fn predicates(&mut self) -> Result<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.eat("[")? {
            predicates.push(self.expr()?);
            self.expect("]")?;
        }
        Ok(predicates)
    }

    /// A primary expression with what follows it.
    pub(super) fn postfix(&mut self) -> Result<Expr> {
        self.space()?;
        let start = self.pos;
        let mut expr = self.primary()?;
        loop {
            self.space()?;
            match self.byte() {
                b'[' => {
                    self.chained()?;
                    let predicates = self.predicates()?;
                    expr = Expr::new(ExprKind::Filter { base: Box::new(expr), predicates }, self.span(start));
                }
                b'(' if self.byte_at(1) != b'#' => {
                    self.chained()?;
                    let args = self.arguments()?;
                    expr = Expr::new(ExprKind::DynamicCall { function: Box::new(expr), args }, self.span(start));
                }
                b'?' => {
                    self.chained()?;
                    self.pos += 1;
                    let key = self.lookup_key()?;
                    expr = Expr::new(ExprKind::Lookup { base: Box::new(expr), key }, self.span(start));
                }
                _ => return Ok(expr),
            }
        }
    }

    pub(super) fn lookup_key(&mut self) -> Result<LookupKey> {
        self.space()?;
        match self.byte() {
            b'*' => {
                self.pos += 1;
                Ok(LookupKey::Wildcard)
            }
            b'(' => Ok(LookupKey::Expr(Box::new(self.parenthesized()?))),
            b'0'..=b'9' => Ok(LookupKey::Integer(self.digits().into())),
            _ => match self.ncname_here() {
                Some(name) => Ok(LookupKey::Name(name.into())),
                None => Err(self.expected("a key after \"?\"")),
            },
        }
    }

    /// `(a, ?, b)`.
    pub(super) fn arguments(&mut self) -> Result<Vec<Argument>> {
        self.expect("(")?;
        let mut args = Vec::new();
        if self.eat(")")? {
            return Ok(args);
        }
        loop {
            self.space()?;
            let start = self.pos;
            if self.eat("?")? {
                self.space()?;
                if matches!(self.byte(), b',' | b')') {
                    args.push(Argument::Placeholder(self.span(start)));
                } else {
                    self.pos = start;
                    args.push(Argument::Expr(self.expr_single()?));
                }
            } else {
                args.push(Argument::Expr(self.expr_single()?));
            }
            if !self.eat(",")? {
                break;
            }
        }
        self.expect(")")?;
        Ok(args)
    }
}
