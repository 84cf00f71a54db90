//! FLWOR and quantified expressions.

use super::plan::{Clause, GroupKey, Op, Plan, SortKey, Window, WindowCondition};
use super::{Compiler, types};
use crate::syntax::ast::{self, EmptyOrder, Expr};
use phoenixmldb_xdm::QName;
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::types::SequenceType;

impl Compiler {
    fn declared(&self, declared: Option<&ast::SequenceType>) -> Result<Option<SequenceType>> {
        declared.map(|t| types::sequence_type(t, &self.context)).transpose()
    }

    pub(super) fn flwor(&mut self, clauses: &[ast::Clause], result: &Expr, tail: Option<usize>) -> Result<Op> {
        let mark = self.scopes.mark();
        let op = self.flwor_in_scope(clauses, result, tail);
        self.scopes.release(mark);
        op
    }

    fn flwor_in_scope(&mut self, clauses: &[ast::Clause], result: &Expr, tail: Option<usize>) -> Result<Op> {
        let mut bound: Vec<(QName, usize)> = Vec::new();
        let mut compiled = Vec::with_capacity(clauses.len());
        for clause in clauses {
            compiled.push(self.clause(clause, &mut bound)?);
        }
        self.refuse_updates("a clause before return")?;
        // With nothing but `let` there is one tuple, and the result is in tail position.
        if compiled.iter().all(|clause| matches!(clause, Clause::Let { .. })) {
            self.tail_of = tail;
            let result = self.tail(result);
            self.tail_of = None;
            let nested = compiled.into_iter().rev().fold(result?, |body, clause| match clause {
                Clause::Let { slot, declared_type, value } => {
                    let span = body.span;
                    Plan { op: Op::Let(slot, declared_type, Box::new(value), Box::new(body)), span }
                }
                _ => body,
            });
            return Ok(nested.op);
        }
        Ok(Op::Flwor(compiled, self.boxed(result)?))
    }

    fn bind_tuple(&mut self, name: &ast::Name, bound: &mut Vec<(QName, usize)>) -> Result<usize> {
        let resolved = types::resolve(name, "", &self.context)?;
        let slot = self.scopes.bind(resolved.clone());
        bound.push((resolved, slot));
        Ok(slot)
    }

    fn clause(&mut self, clause: &ast::Clause, bound: &mut Vec<(QName, usize)>) -> Result<Clause> {
        Ok(match clause {
            ast::Clause::For(binding) => {
                let input = self.expr(&binding.input)?;
                let declared_type = self.declared(binding.declared_type.as_ref())?;
                let slot = self.bind_tuple(&binding.variable, bound)?;
                let position = match &binding.position {
                    Some(name) => {
                        let same = types::resolve(name, "", &self.context)?
                            == types::resolve(&binding.variable, "", &self.context)?;
                        if same {
                            let message = format!("${name} is both the item and its position");
                            return Err(fail("XQST0089", message).at(name.span.start, name.span.end));
                        }
                        Some(self.bind_tuple(name, bound)?)
                    }
                    None => None,
                };
                Clause::For { slot, declared_type, allowing_empty: binding.allowing_empty, position, input }
            }
            ast::Clause::Let(binding) => {
                let value = self.expr(&binding.value)?;
                let declared_type = self.declared(binding.declared_type.as_ref())?;
                Clause::Let { slot: self.bind_tuple(&binding.variable, bound)?, declared_type, value }
            }
            ast::Clause::Where(condition) => Clause::Where(self.expr(condition)?),
            ast::Clause::Count(name) => Clause::Count(self.bind_tuple(name, bound)?),
            ast::Clause::OrderBy { specs, .. } => {
                let mut keys = Vec::with_capacity(specs.len());
                for spec in specs {
                    let collation = match &spec.collation {
                        Some(uri) => self.collation(uri, "XQST0076")?,
                        None => self.default_collation(),
                    };
                    let empty_greatest = match spec.empty {
                        Some(order) => order == EmptyOrder::Greatest,
                        None => self.context.empty_greatest,
                    };
                    keys.push(SortKey {
                        key: self.expr(&spec.key)?,
                        descending: spec.descending,
                        empty_greatest,
                        collation,
                    });
                }
                Clause::OrderBy { keys, bound: bound.iter().map(|(_, slot)| *slot).collect() }
            }
            ast::Clause::GroupBy(specs) => self.group_by(specs, bound)?,
            ast::Clause::Window(window) => Clause::Window(Box::new(self.window(window, bound)?)),
        })
    }

    fn group_by(&mut self, specs: &[ast::GroupSpec], bound: &mut Vec<(QName, usize)>) -> Result<Clause> {
        let mut keys: Vec<GroupKey> = Vec::with_capacity(specs.len());
        let mut names: Vec<QName> = Vec::new();
        for spec in specs {
            let name = types::resolve(&spec.variable, "", &self.context)?;
            let collation = match &spec.collation {
                Some(uri) => self.collation(uri, "XQST0076")?,
                None => self.default_collation(),
            };
            let declared_type = self.declared(spec.declared_type.as_ref())?;
            let value = match &spec.value {
                Some(value) => self.expr(value)?,
                None => {
                    let known = bound.iter().rev().find(|(known, _)| *known == name);
                    let Some((_, slot)) = known else {
                        let message = format!("grouping variable ${} is bound by no clause before", spec.variable);
                        return Err(fail("XQST0094", message));
                    };
                    Plan { op: Op::Local(*slot), span: spec.variable.span }
                }
            };
            let slot = self.bind_tuple(&spec.variable, bound)?;
            names.push(name);
            keys.push(GroupKey { slot, shadowed: false, value, declared_type, collation });
        }
        for (index, key) in keys.iter_mut().enumerate() {
            key.shadowed = names[index + 1..].contains(&names[index]);
        }
        let is_key = |slot: usize| keys.iter().any(|key| key.slot == slot);
        let others = bound.iter().map(|(_, slot)| *slot).filter(|slot| !is_key(*slot)).collect();
        Ok(Clause::GroupBy { keys, others })
    }

    fn window(&mut self, window: &ast::WindowClause, bound: &mut Vec<(QName, usize)>) -> Result<Window> {
        let input = self.expr(&window.input)?;
        let declared_type = self.declared(window.declared_type.as_ref())?;
        let mut names = vec![types::resolve(&window.variable, "", &self.context)?];
        let start = self.window_condition(&window.start, &mut names, bound)?;
        let end = match &window.end {
            Some(end) => Some(self.window_condition(end, &mut names, bound)?),
            None => None,
        };
        let slot = self.bind_tuple(&window.variable, bound)?;
        let sliding = window.kind == ast::WindowKind::Sliding;
        Ok(Window { sliding, slot, declared_type, input, start, end, only_end: window.only_end })
    }

    fn window_condition(
        &mut self,
        condition: &ast::WindowCondition,
        names: &mut Vec<QName>,
        bound: &mut Vec<(QName, usize)>,
    ) -> Result<WindowCondition> {
        let mut bind = |this: &mut Self, name: &Option<ast::Name>| -> Result<Option<usize>> {
            let Some(name) = name else { return Ok(None) };
            let resolved = types::resolve(name, "", &this.context)?;
            if names.contains(&resolved) {
                return Err(fail("XQST0103", format!("${name} is bound twice in one window clause")));
            }
            names.push(resolved);
            Ok(Some(this.bind_tuple(name, bound)?))
        };
        let current = bind(self, &condition.current)?;
        let position = bind(self, &condition.position)?;
        let previous = bind(self, &condition.previous)?;
        let next = bind(self, &condition.next)?;
        Ok(WindowCondition { current, position, previous, next, when: self.expr(&condition.when)? })
    }

    pub(super) fn quantified(
        &mut self,
        every: bool,
        bindings: &[ast::QuantifiedBinding],
        satisfies: &Expr,
    ) -> Result<Op> {
        let mark = self.scopes.mark();
        let compiled = (|| {
            let mut clauses = Vec::with_capacity(bindings.len());
            for binding in bindings {
                let input = self.expr(&binding.input)?;
                let declared_type = self.declared(binding.declared_type.as_ref())?;
                let slot = self.bind(&binding.variable)?;
                clauses.push(Clause::For { slot, declared_type, allowing_empty: false, position: None, input });
            }
            Ok(Op::Quantified(every, clauses, self.boxed(satisfies)?))
        })();
        self.scopes.release(mark);
        compiled
    }
}
