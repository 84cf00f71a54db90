//! Aggregates — F&O 3.1 §14.4.

use super::args::{Args, count as counted};
use super::collation::comparison;
use super::signature::{Depends, FunctionEntry, fun};
use crate::eval::CallContext;
use phoenixmldb_xdm::atomic::arithmetic::{self, Op};
use phoenixmldb_xdm::atomic::compare::{self, Comparison};
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::{Atomic, AtomicType, Sequence};

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("count", &["item()*"], "xs:integer", |_, args| Ok(counted(args[0].len()))),
    fun("sum", &["xs:anyAtomicType*", "xs:anyAtomicType?"], "xs:anyAtomicType?", sum).required(1),
    fun("avg", &["xs:anyAtomicType*"], "xs:anyAtomicType?", avg),
    fun("min", &["xs:anyAtomicType*", "xs:string"], "xs:anyAtomicType?", |ctx, args| {
        extreme(ctx, args, compare::Op::Lt)
    })
    .required(1)
    .depends(Depends::Context),
    fun("max", &["xs:anyAtomicType*", "xs:string"], "xs:anyAtomicType?", |ctx, args| {
        extreme(ctx, args, compare::Op::Gt)
    })
    .required(1)
    .depends(Depends::Context),
];

/// Untyped values count as doubles.
fn numbers(sequence: &Sequence) -> Result<Vec<Atomic>> {
    let mut values = sequence.atomize()?;
    for value in &mut values {
        if matches!(value, Atomic::Untyped(_)) {
            *value = value.cast_as(AtomicType::Double, &|_| None)?;
        }
    }
    Ok(values)
}

fn not_of_one_kind(function: &str, value: &Atomic) -> Box<Error> {
    fail("FORG0006", format!("fn:{function} over values of different kinds, among them {}", value.type_of()))
}

/// Values that may be added to each other: numbers, or durations of one of the two kinds.
fn check_summable(function: &str, values: &[Atomic]) -> Result<()> {
    let kind = |value: &Atomic| match value {
        value if value.type_of().is_numeric() => Some(0),
        Atomic::DayTimeDuration(_) => Some(1),
        Atomic::YearMonthDuration(_) => Some(2),
        _ => None,
    };
    let first = values.first().and_then(kind);
    match values.iter().find(|value| kind(value).is_none() || kind(value) != first) {
        Some(value) => Err(not_of_one_kind(function, value)),
        None => Ok(()),
    }
}

fn add_all(values: &[Atomic]) -> Result<Atomic> {
    let mut total = values[0].clone();
    for value in &values[1..] {
        total = arithmetic::apply(Op::Add, &total, value, 0)?;
    }
    Ok(total)
}

fn sum(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    if let Sequence::Range(first, last) = args.get(0) {
        let (first, last) = (i128::from(*first), i128::from(*last));
        return Ok(super::args::integer((first + last) * (last - first + 1) / 2));
    }
    let values = numbers(args.get(0))?;
    if values.is_empty() {
        return Ok(if args.count() == 2 { args.get(1).clone() } else { Sequence::from(Atomic::integer(0)) });
    }
    check_summable("sum", &values)?;
    Ok(Sequence::from(add_all(&values)?))
}

fn avg(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let values = numbers(&args[0])?;
    if values.is_empty() {
        return Ok(Sequence::Empty);
    }
    check_summable("avg", &values)?;
    let total = add_all(&values)?;
    Ok(Sequence::from(arithmetic::apply(Op::Div, &total, &Atomic::count(values.len()), 0)?))
}

/// §14.4.3, §14.4.4: numbers are promoted to the widest type among them, URIs to strings.
fn extreme(ctx: &mut CallContext<'_>, args: Vec<Sequence>, op: compare::Op) -> Result<Sequence> {
    let args = Args::new(args);
    let how = comparison(ctx, args.text(1)?)?;
    let name = if op == compare::Op::Lt { "min" } else { "max" };
    let mut values = numbers(args.get(0))?;
    if values.is_empty() {
        return Ok(Sequence::Empty);
    }
    promote(&mut values)?;
    let is_nan = |value: &&Atomic| value.to_double().is_some_and(f64::is_nan);
    check_comparable(name, &values, op, &how)?;
    if let Some(nan) = values.iter().find(is_nan) {
        return Ok(Sequence::from(nan.clone()));
    }
    let mut best = &values[0];
    for value in &values[1..] {
        if compare::value_compare(op, value, best, &how).map_err(|_| not_of_one_kind(name, value))? {
            best = value;
        }
    }
    Ok(Sequence::from(best.clone()))
}

fn check_comparable(name: &str, values: &[Atomic], op: compare::Op, how: &Comparison) -> Result<()> {
    for value in values {
        compare::value_compare(op, value, &values[0], how).map_err(|_| not_of_one_kind(name, value))?;
    }
    Ok(())
}

fn promote(values: &mut [Atomic]) -> Result<()> {
    let has = |wanted: AtomicType| values.iter().any(|value| value.type_of().primitive() == wanted);
    let target = if has(AtomicType::Double) {
        Some(AtomicType::Double)
    } else if has(AtomicType::Float) {
        Some(AtomicType::Float)
    } else {
        None
    };
    let has_string = has(AtomicType::String);
    for value in values {
        let is_number = value.type_of().is_numeric();
        match target {
            Some(target) if is_number => *value = value.cast_as(target, &|_| None)?,
            _ if has_string && matches!(value, Atomic::AnyUri(_)) => *value = Atomic::string(value.to_str()),
            _ => {}
        }
    }
    Ok(())
}
