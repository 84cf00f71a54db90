//! Expressions, one kind after the other.

use super::plan::{Construct, Key, NodeOp, Op, Plan, SetOp};
use super::{Compiler, types};
use crate::limits;
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind, Sign};
use phoenixmldb_xdm::atomic::{Decimal, Integer, arithmetic, compare};
use phoenixmldb_xdm::error::{Result, fail};
use phoenixmldb_xdm::{Atomic, AtomicType, Item, Sequence, Str};

impl Compiler {
    /// Compiles an expression that is not in tail position.
    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Plan> {
        let tail = self.tail_of.take();
        let plan = self.tail(expr);
        self.tail_of = tail;
        plan
    }

    pub(super) fn boxed(&mut self, expr: &Expr) -> Result<Box<Plan>> {
        Ok(Box::new(self.expr(expr)?))
    }

    pub(super) fn all(&mut self, exprs: &[Expr]) -> Result<Vec<Plan>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    /// Compiles an expression whose value is that of the function around it, if [`Self::tail_of`] is set.
    pub(super) fn tail(&mut self, expr: &Expr) -> Result<Plan> {
        let outer = std::mem::take(&mut self.updates);
        let result = stacker::maybe_grow(limits::STACK_RED_ZONE_BYTES, limits::STACK_SEGMENT_BYTES, || self.op(expr));
        let result = result.and_then(|op| self.categorized(expr, op));
        self.updates |= outer;
        let op = result.map_err(|error| error.at(expr.span.start, expr.span.end))?;
        Ok(Plan { op, span: expr.span })
    }

    fn op(&mut self, expr: &Expr) -> Result<Op> {
        // Only the branches below may keep the tail; everything else is compiled without.
        let tail = self.tail_of.take();
        let op = match &expr.kind {
            ExprKind::If { condition, then, otherwise } => {
                let condition = Box::new(self.simple(condition)?);
                self.tail_of = tail;
                let then = self.tail(then)?;
                self.tail_of = tail;
                Op::If(condition, Box::new(then), Box::new(self.tail(otherwise)?))
            }
            ExprKind::Flwor { clauses, result } => self.flwor(clauses, result, tail)?,
            ExprKind::Switch { operand, cases, default } => {
                let operand = Box::new(self.simple(operand)?);
                let mut branches = Vec::new();
                for case in cases {
                    let operands = case.operands.iter().map(|case| self.simple(case)).collect::<Result<_>>()?;
                    self.tail_of = tail;
                    branches.push((operands, self.tail(&case.result)?));
                    self.tail_of = None;
                }
                self.tail_of = tail;
                let default = Box::new(self.tail(default)?);
                Op::Switch(operand, branches, default, self.default_collation())
            }
            ExprKind::Typeswitch { operand, cases, default_variable, default } => {
                let operand = Box::new(self.simple(operand)?);
                let mut branches = Vec::new();
                for case in cases {
                    let context = self.context();
                    let types = case.types.iter().map(|t| types::sequence_type(t, &context)).collect::<Result<_>>()?;
                    let (slot, result) = self.branch(case.variable.as_ref(), &case.result, tail)?;
                    branches.push((types, slot, result));
                }
                let (slot, default) = self.branch(default_variable.as_ref(), default, tail)?;
                Op::Typeswitch(operand, branches, slot, Box::new(default))
            }
            ExprKind::Call { name, args } => self.call(name, args, tail)?,
            ExprKind::Ordered(inner) | ExprKind::Unordered(inner) => {
                self.tail_of = tail;
                return Ok(self.tail(inner)?.op);
            }
            ExprKind::Extension { pragmas, operand } => {
                for pragma in pragmas {
                    types::resolve(&pragma.name, "", &self.context)?;
                }
                let Some(operand) = operand else {
                    return Err(fail("XQST0079", "none of the pragmas is known and there is no expression"));
                };
                self.tail_of = tail;
                return Ok(self.tail(operand)?.op);
            }
            kind => self.plain(kind)?,
        };
        Ok(op)
    }

    /// A branch that may bind a variable.
    fn branch(
        &mut self,
        variable: Option<&ast::Name>,
        result: &Expr,
        tail: Option<usize>,
    ) -> Result<(Option<usize>, Plan)> {
        let mark = self.scopes.mark();
        let slot = match variable {
            Some(name) => Some(self.bind(name)?),
            None => None,
        };
        self.tail_of = tail;
        let plan = self.tail(result);
        self.tail_of = None;
        self.scopes.release(mark);
        Ok((slot, plan?))
    }

    /// Brings a variable into scope.
    pub(super) fn bind(&mut self, name: &ast::Name) -> Result<usize> {
        let name = types::resolve(name, "", &self.context)?;
        Ok(self.scopes.bind(name))
    }

    fn plain(&mut self, kind: &ExprKind) -> Result<Op> {
        Ok(match kind {
            ExprKind::Integer(digits) => {
                // An error when evaluated, so that it can be caught.
                match digits.parse::<i128>() {
                    Ok(value) => constant(Atomic::Integer(Integer(value), AtomicType::Integer)),
                    Err(_) => Op::Fail("FOAR0002", format!("integer {digits} is out of range")),
                }
            }
            ExprKind::Decimal(text) => match Decimal::parse(text) {
                Some(value) => constant(Atomic::Decimal(value)),
                None => Op::Fail("FOAR0002", format!("decimal {text} is out of range")),
            },
            ExprKind::Double(text) => {
                let value = text.parse().map_err(|_| fail("FOAR0002", format!("{text} is no double")))?;
                constant(Atomic::Double(value))
            }
            ExprKind::String(text) => constant(Atomic::string(text.clone())),
            ExprKind::Variable(name) => self.variable(name)?,
            ExprKind::ContextItem => Op::ContextItem,
            ExprKind::Sequence(items) if items.is_empty() => Op::Const(Sequence::Empty),
            ExprKind::Sequence(items) => Op::Sequence(self.all(items)?),
            ExprKind::DynamicCall { function, args } => {
                let function = self.boxed(function)?;
                Op::CallDynamic(function, self.open_args(args)?)
            }
            ExprKind::FunctionRef { name, arity } => {
                let count =
                    arity.parse::<usize>().map_err(|_| fail("FOAR0002", format!("arity {arity} is out of range")))?;
                Op::FunctionRef(self.function_ref(name, count)?)
            }
            ExprKind::InlineFunction(function) => self.inline_function(function)?,
            ExprKind::Filter { base, predicates } => {
                let base = self.boxed(base)?;
                Op::Filter(base, self.predicates(predicates)?)
            }
            ExprKind::Lookup { base, key } => {
                let base = self.boxed(base)?;
                Op::Lookup(base, self.key(key)?)
            }
            ExprKind::UnaryLookup(key) => {
                let base = Plan { op: Op::ContextItem, span: ast::Span::default() };
                Op::Lookup(Box::new(base), self.key(key)?)
            }
            ExprKind::Path(path) => self.path(path)?,
            ExprKind::Step(step) => Op::Path(None, vec![self.axis_step(step)?]),
            ExprKind::Or(items) => Op::Or(self.all(items)?),
            ExprKind::And(items) => Op::And(self.all(items)?),
            ExprKind::Concat(items) => Op::Concat(self.all(items)?),
            ExprKind::Union(items) => Op::Set(SetOp::Union, self.all(items)?),
            ExprKind::SimpleMap(items) => {
                let (last, before) = items.split_last().expect("a simple map has at least two parts");
                let mut items = before.iter().map(|item| self.simple(item)).collect::<Result<Vec<_>>>()?;
                items.push(self.expr(last)?);
                let mut items = items.into_iter();
                let first = items.next().expect("a simple map has at least two parts");
                items
                    .fold(first, |left, right| {
                        let span = left.span.to(right.span);
                        Plan { op: Op::SimpleMap(Box::new(left), Box::new(right)), span }
                    })
                    .op
            }
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right)?,
            ExprKind::Unary(sign, operand) => {
                let operand = self.boxed(operand)?;
                if let (Sign::Minus, Op::Const(Sequence::One(Item::Atomic(value @ Atomic::Integer(..))))) =
                    (sign, &operand.op)
                {
                    return Ok(constant(arithmetic::negate(value)?));
                }
                Op::Sign(*sign == Sign::Minus, operand)
            }
            ExprKind::InstanceOf(operand, target) => {
                let target = types::sequence_type(target, &self.context)?;
                Op::InstanceOf(self.boxed(operand)?, target)
            }
            ExprKind::TreatAs(operand, target) => {
                let target = types::sequence_type(target, &self.context)?;
                Op::TreatAs(self.boxed(operand)?, target)
            }
            ExprKind::CastAs(operand, target) => self.cast(operand, target, false)?,
            ExprKind::CastableAs(operand, target) => self.cast(operand, target, true)?,
            ExprKind::Arrow { input, target, args } => self.arrow(input, target, args)?,
            ExprKind::Quantified { every, bindings, satisfies } => self.quantified(*every, bindings, satisfies)?,
            ExprKind::TryCatch { body, catches } => self.try_catch(body, catches)?,
            ExprKind::Map(entries) => {
                let mut compiled = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    compiled.push((self.expr(key)?, self.expr(value)?));
                }
                Op::Map(compiled)
            }
            ExprKind::SquareArray(members) => Op::SquareArray(self.all(members)?),
            ExprKind::CurlyArray(content) => Op::CurlyArray(self.boxed(content)?),
            ExprKind::StringConstructor(parts) => {
                let mut plans = Vec::with_capacity(parts.len());
                for part in parts {
                    plans.push(match part {
                        ast::StringPart::Text(text) => text_plan(text.clone()),
                        ast::StringPart::Expr(expr) => self.expr(expr)?,
                    });
                }
                Op::Join(plans)
            }
            ExprKind::DirectElement(element) => self.direct_element(element)?,
            ExprKind::DirectComment(text) => self.construct(Construct::Comment(Box::new(text_plan(text.clone())))),
            ExprKind::DirectPi { target, data } => {
                let name = super::plan::Naming::Fixed(phoenixmldb_xdm::QName::local(target.clone()));
                self.construct(Construct::Pi(name, Box::new(text_plan(data.clone()))))
            }
            ExprKind::ComputedDocument(_)
            | ExprKind::ComputedElement { .. }
            | ExprKind::ComputedAttribute { .. }
            | ExprKind::ComputedNamespace { .. }
            | ExprKind::ComputedText(_)
            | ExprKind::ComputedComment(_)
            | ExprKind::ComputedPi { .. } => self.computed(kind)?,
            ExprKind::Validate { .. } => {
                return Err(fail("XQST0075", "there is no schema validation"));
            }
            ExprKind::Insert { .. }
            | ExprKind::Delete(_)
            | ExprKind::ReplaceNode { .. }
            | ExprKind::ReplaceValue { .. }
            | ExprKind::Rename { .. }
            | ExprKind::CopyModify { .. }
            | ExprKind::TransformWith { .. }
            | ExprKind::InvokeUpdating { .. } => self.update(kind)?,
            ExprKind::If { .. }
            | ExprKind::Flwor { .. }
            | ExprKind::Switch { .. }
            | ExprKind::Typeswitch { .. }
            | ExprKind::Call { .. }
            | ExprKind::Ordered(_)
            | ExprKind::Unordered(_)
            | ExprKind::Extension { .. } => unreachable!("compiled with the tail in mind"),
        })
    }

    fn key(&mut self, key: &ast::LookupKey) -> Result<Key> {
        Ok(match key {
            ast::LookupKey::Wildcard => Key::Wildcard,
            ast::LookupKey::Name(name) => Key::Values(Box::new(text_plan(name.clone()))),
            ast::LookupKey::Integer(digits) => {
                let op = self.plain(&ExprKind::Integer(digits.clone()))?;
                Key::Values(Box::new(Plan { op, span: ast::Span::default() }))
            }
            ast::LookupKey::Expr(expr) => Key::Values(self.boxed(expr)?),
        })
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Result<Op> {
        let (left, right) = (self.boxed(left)?, self.boxed(right)?);
        let collation = self.default_collation();
        Ok(match op {
            BinaryOp::ValueEq => Op::ValueCompare(compare::Op::Eq, left, right, collation),
            BinaryOp::ValueNe => Op::ValueCompare(compare::Op::Ne, left, right, collation),
            BinaryOp::ValueLt => Op::ValueCompare(compare::Op::Lt, left, right, collation),
            BinaryOp::ValueLe => Op::ValueCompare(compare::Op::Le, left, right, collation),
            BinaryOp::ValueGt => Op::ValueCompare(compare::Op::Gt, left, right, collation),
            BinaryOp::ValueGe => Op::ValueCompare(compare::Op::Ge, left, right, collation),
            BinaryOp::GeneralEq => Op::GeneralCompare(compare::Op::Eq, left, right, collation),
            BinaryOp::GeneralNe => Op::GeneralCompare(compare::Op::Ne, left, right, collation),
            BinaryOp::GeneralLt => Op::GeneralCompare(compare::Op::Lt, left, right, collation),
            BinaryOp::GeneralLe => Op::GeneralCompare(compare::Op::Le, left, right, collation),
            BinaryOp::GeneralGt => Op::GeneralCompare(compare::Op::Gt, left, right, collation),
            BinaryOp::GeneralGe => Op::GeneralCompare(compare::Op::Ge, left, right, collation),
            BinaryOp::Is => Op::NodeCompare(NodeOp::Is, left, right),
            BinaryOp::Precedes => Op::NodeCompare(NodeOp::Precedes, left, right),
            BinaryOp::Follows => Op::NodeCompare(NodeOp::Follows, left, right),
            BinaryOp::Range => Op::Range(left, right),
            BinaryOp::Add => Op::Arithmetic(arithmetic::Op::Add, left, right),
            BinaryOp::Subtract => Op::Arithmetic(arithmetic::Op::Subtract, left, right),
            BinaryOp::Multiply => Op::Arithmetic(arithmetic::Op::Multiply, left, right),
            BinaryOp::Div => Op::Arithmetic(arithmetic::Op::Div, left, right),
            BinaryOp::IDiv => Op::Arithmetic(arithmetic::Op::IDiv, left, right),
            BinaryOp::Mod => Op::Arithmetic(arithmetic::Op::Mod, left, right),
            BinaryOp::Intersect => Op::Set(SetOp::Intersect, vec![*left, *right]),
            BinaryOp::Except => Op::Set(SetOp::Except, vec![*left, *right]),
        })
    }

    fn cast(&mut self, operand: &Expr, target: &ast::SingleType, only_test: bool) -> Result<Op> {
        let operand = self.boxed(operand)?;
        let context = self.context();
        let name = types::resolve(&target.name, &context.default_element_namespace, &context)?;
        if let Some(item) = types::list_type(&name) {
            return Ok(Op::CastList(operand, item, target.optional, only_test));
        }
        if name.uri == phoenixmldb_xdm::atomic::SCHEMA_NAMESPACE
            && matches!(&*name.local, "anyAtomicType" | "NOTATION" | "anySimpleType")
        {
            return Err(fail("XPST0080", format!("nothing can be cast to {}", target.name)));
        }
        let target_type = types::atomic_type(&target.name, &context, "XQST0052")?;
        Ok(if only_test {
            Op::Castable(operand, target_type, target.optional, context)
        } else {
            Op::Cast(operand, target_type, target.optional, context)
        })
    }

    fn try_catch(&mut self, body: &Expr, catches: &[ast::CatchClause]) -> Result<Op> {
        let body = self.boxed(body)?;
        let mut compiled = Vec::with_capacity(catches.len());
        for clause in catches {
            let context = self.context();
            let errors =
                clause.errors.iter().map(|test| types::name_test(test, "", &context)).collect::<Result<_>>()?;
            let mark = self.scopes.mark();
            let names = ["code", "description", "value", "module", "line-number", "column-number", "additional"];
            let variables = names.map(|local| {
                let uri = phoenixmldb_xdm::error::ERROR_NAMESPACE;
                self.scopes.bind(phoenixmldb_xdm::QName::new("err", uri, local))
            });
            let body = self.expr(&clause.body);
            self.scopes.release(mark);
            compiled.push(super::plan::Catch { errors, variables, body: body? });
        }
        Ok(Op::Try(body, compiled))
    }
}

fn constant(value: Atomic) -> Op {
    Op::Const(Sequence::from(value))
}

/// A constant text.
pub(super) fn text_plan(text: Str) -> Plan {
    Plan { op: constant(Atomic::string(text)), span: ast::Span::default() }
}
