//! FLWOR, quantified and conditional expressions (XQuery 3.1 §3.12 to §3.18).

use crate::syntax::ast::{
    CatchClause, Clause, EmptyOrder, Expr, ExprKind, ForBinding, GroupSpec, LetBinding, NameTest, OrderSpec,
    QuantifiedBinding, SwitchCase, TypeswitchCase, WindowClause, WindowCondition, WindowKind,
};
use crate::syntax::cursor::Cursor;
use phoenixmldb_xdm::Str;
use phoenixmldb_xdm::error::Result;

impl Cursor<'_> {
    /// An expression that begins with a keyword and is no operand, if one begins here.
    pub(super) fn clause_expr(&mut self) -> Result<Option<Expr>> {
        let start = self.pos;
        let word = self.ncname_here().unwrap_or_default();
        self.pos = start;
        let kind = match word {
            "for" | "let" if self.begins_flwor()? => self.flwor()?,
            "some" if self.sees_all(&["some", "$"])? => self.quantified(false)?,
            "every" if self.sees_all(&["every", "$"])? => self.quantified(true)?,
            "if" if self.sees_all(&["if", "("])? => self.conditional()?,
            "switch" if self.sees_all(&["switch", "("])? => self.switch()?,
            "typeswitch" if self.sees_all(&["typeswitch", "("])? => self.typeswitch()?,
            "try" if self.sees_all(&["try", "{"])? => self.try_catch()?,
            _ => return Ok(None),
        };
        Ok(Some(Expr::new(kind, self.span(start))))
    }

    fn begins_flwor(&mut self) -> Result<bool> {
        Ok(self.sees_all(&["for", "$"])?
            || self.sees_all(&["let", "$"])?
            || self.sees_all(&["for", "tumbling", "window"])?
            || self.sees_all(&["for", "sliding", "window"])?)
    }

    fn flwor(&mut self) -> Result<ExprKind> {
        let mut clauses = Vec::new();
        loop {
            self.space()?;
            if self.sees_all(&["for", "$"])? {
                self.expect_word("for")?;
                self.for_bindings(&mut clauses)?;
            } else if self.sees_all(&["let", "$"])? {
                self.expect_word("let")?;
                self.let_bindings(&mut clauses)?;
            } else if self.sees_all(&["for", "tumbling", "window"])? || self.sees_all(&["for", "sliding", "window"])? {
                self.chained()?;
                clauses.push(Clause::Window(Box::new(self.window()?)));
            } else if self.eat_word("where")? {
                self.chained()?;
                clauses.push(Clause::Where(self.expr_single()?));
            } else if self.eat_words(&["group", "by"])? {
                self.chained()?;
                clauses.push(Clause::GroupBy(self.group_specs()?));
            } else if self.eat_words(&["stable", "order", "by"])? {
                self.chained()?;
                clauses.push(Clause::OrderBy { stable: true, specs: self.order_specs()? });
            } else if self.eat_words(&["order", "by"])? {
                self.chained()?;
                clauses.push(Clause::OrderBy { stable: false, specs: self.order_specs()? });
            } else if self.sees_all(&["count", "$"])? {
                self.expect_word("count")?;
                self.chained()?;
                clauses.push(Clause::Count(self.variable()?));
            } else if self.eat_word("return")? {
                return Ok(ExprKind::Flwor { clauses, result: Box::new(self.below(Self::expr_single)?) });
            } else {
                return Err(self.expected("a clause or \"return\""));
            }
        }
    }

    fn for_bindings(&mut self, clauses: &mut Vec<Clause>) -> Result<()> {
        loop {
            self.chained()?;
            self.space()?;
            let start = self.pos;
            let variable = self.variable()?;
            let declared_type = self.type_declaration()?;
            let allowing_empty = self.eat_words(&["allowing", "empty"])?;
            let position = if self.eat_word("at")? { Some(self.variable()?) } else { None };
            self.expect_word("in")?;
            let input = self.expr_single()?;
            let span = self.span(start);
            let binding = ForBinding { variable, declared_type, allowing_empty, position, input, span };
            clauses.push(Clause::For(Box::new(binding)));
            if !self.eat(",")? {
                return Ok(());
            }
        }
    }

    fn let_bindings(&mut self, clauses: &mut Vec<Clause>) -> Result<()> {
        loop {
            self.chained()?;
            self.space()?;
            let start = self.pos;
            let variable = self.variable()?;
            let declared_type = self.type_declaration()?;
            self.expect(":=")?;
            let value = self.expr_single()?;
            let span = self.span(start);
            clauses.push(Clause::Let(Box::new(LetBinding { variable, declared_type, value, span })));
            if !self.eat(",")? {
                return Ok(());
            }
        }
    }

    fn window(&mut self) -> Result<WindowClause> {
        self.space()?;
        let at = self.pos;
        self.expect_word("for")?;
        let kind = if self.eat_word("tumbling")? {
            WindowKind::Tumbling
        } else {
            self.expect_word("sliding")?;
            WindowKind::Sliding
        };
        self.expect_word("window")?;
        let variable = self.variable()?;
        let declared_type = self.type_declaration()?;
        self.expect_word("in")?;
        let input = self.expr_single()?;
        self.expect_word("start")?;
        let start = self.window_condition()?;
        let only_end = self.sees_all(&["only", "end"])?;
        if only_end {
            self.expect_word("only")?;
        }
        let end = if self.eat_word("end")? { Some(self.window_condition()?) } else { None };
        if end.is_none() && kind == WindowKind::Sliding {
            return Err(self.expected("the end condition of a sliding window"));
        }
        Ok(WindowClause { kind, variable, declared_type, input, start, end, only_end, span: self.span(at) })
    }

    fn window_condition(&mut self) -> Result<WindowCondition> {
        let current = if self.sees("$")? { Some(self.variable()?) } else { None };
        let position = if self.eat_word("at")? { Some(self.variable()?) } else { None };
        let previous = if self.eat_word("previous")? { Some(self.variable()?) } else { None };
        let next = if self.eat_word("next")? { Some(self.variable()?) } else { None };
        self.expect_word("when")?;
        Ok(WindowCondition { current, position, previous, next, when: self.expr_single()? })
    }

    fn collation(&mut self) -> Result<Option<Str>> {
        if self.eat_word("collation")? { Ok(Some(self.uri()?)) } else { Ok(None) }
    }

    fn group_specs(&mut self) -> Result<Vec<GroupSpec>> {
        let mut specs = Vec::new();
        loop {
            let variable = self.variable()?;
            let declared_type = self.type_declaration()?;
            let value = if declared_type.is_some() || self.sees(":=")? {
                self.expect(":=")?;
                Some(self.expr_single()?)
            } else {
                None
            };
            let collation = self.collation()?;
            specs.push(GroupSpec { variable, declared_type, value, collation });
            if !self.eat(",")? {
                return Ok(specs);
            }
        }
    }

    fn order_specs(&mut self) -> Result<Vec<OrderSpec>> {
        let mut specs = Vec::new();
        loop {
            let key = self.expr_single()?;
            let descending = !self.eat_word("ascending")? && self.eat_word("descending")?;
            let empty = if self.eat_words(&["empty", "greatest"])? {
                Some(EmptyOrder::Greatest)
            } else if self.eat_words(&["empty", "least"])? {
                Some(EmptyOrder::Least)
            } else {
                None
            };
            let collation = self.collation()?;
            specs.push(OrderSpec { key, descending, empty, collation });
            if !self.eat(",")? {
                return Ok(specs);
            }
        }
    }

    fn quantified(&mut self, every: bool) -> Result<ExprKind> {
        self.ncname()?;
        let mut bindings = Vec::new();
        loop {
            self.chained()?;
            let variable = self.variable()?;
            let declared_type = self.type_declaration()?;
            self.expect_word("in")?;
            bindings.push(QuantifiedBinding { variable, declared_type, input: self.expr_single()? });
            if !self.eat(",")? {
                break;
            }
        }
        self.expect_word("satisfies")?;
        Ok(ExprKind::Quantified { every, bindings, satisfies: Box::new(self.expr_single()?) })
    }

    /// `( expr )` after a keyword.
    fn condition(&mut self) -> Result<Box<Expr>> {
        self.expect("(")?;
        let expr = self.expr()?;
        self.expect(")")?;
        Ok(Box::new(expr))
    }

    fn conditional(&mut self) -> Result<ExprKind> {
        self.expect_word("if")?;
        let condition = self.condition()?;
        self.expect_word("then")?;
        let then = Box::new(self.expr_single()?);
        self.expect_word("else")?;
        Ok(ExprKind::If { condition, then, otherwise: Box::new(self.expr_single()?) })
    }

    fn switch(&mut self) -> Result<ExprKind> {
        self.expect_word("switch")?;
        let operand = self.condition()?;
        let mut cases = Vec::new();
        while self.eat_word("case")? {
            let mut operands = vec![self.expr_single()?];
            while self.eat_word("case")? {
                operands.push(self.expr_single()?);
            }
            self.expect_word("return")?;
            cases.push(SwitchCase { operands, result: self.expr_single()? });
        }
        if cases.is_empty() {
            return Err(self.expected("\"case\""));
        }
        self.expect_word("default")?;
        self.expect_word("return")?;
        Ok(ExprKind::Switch { operand, cases, default: Box::new(self.expr_single()?) })
    }

    fn typeswitch(&mut self) -> Result<ExprKind> {
        self.expect_word("typeswitch")?;
        let operand = self.condition()?;
        let mut cases = Vec::new();
        while self.eat_word("case")? {
            let variable = if self.sees("$")? {
                let name = self.variable()?;
                self.expect_word("as")?;
                Some(name)
            } else {
                None
            };
            let mut types = vec![self.sequence_type()?];
            while self.eat("|")? {
                types.push(self.sequence_type()?);
            }
            self.expect_word("return")?;
            cases.push(TypeswitchCase { variable, types, result: self.expr_single()? });
        }
        if cases.is_empty() {
            return Err(self.expected("\"case\""));
        }
        self.expect_word("default")?;
        let default_variable = if self.sees("$")? { Some(self.variable()?) } else { None };
        self.expect_word("return")?;
        Ok(ExprKind::Typeswitch { operand, cases, default_variable, default: Box::new(self.expr_single()?) })
    }

    fn try_catch(&mut self) -> Result<ExprKind> {
        self.expect_word("try")?;
        let body = Box::new(self.enclosed()?);
        let mut catches = Vec::new();
        while self.eat_word("catch")? {
            let mut errors: Vec<NameTest> = Vec::new();
            loop {
                self.space()?;
                errors.push(self.name_test()?.ok_or_else(|| self.expected("the name of an error"))?);
                if !self.eat("|")? {
                    break;
                }
            }
            catches.push(CatchClause { errors, body: self.enclosed()? });
        }
        if catches.is_empty() {
            return Err(self.expected("\"catch\""));
        }
        Ok(ExprKind::TryCatch { body, catches })
    }
}
