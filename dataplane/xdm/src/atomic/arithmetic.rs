//! Arithmetic on atomic values — F&O 3.1 §4.2, §8.4, §9.7; XQuery 3.1 §3.5.

use super::compare::to_float;
use super::dates::MomentKind;
use super::number::{Decimal, Integer};
use super::{Atomic, AtomicType, Duration, Moment, NANOS};
use crate::error::{Error, Result, fail};

/// An arithmetic operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "each is named like the operator")]
pub enum Op {
    Add,
    Subtract,
    Multiply,
    Div,
    IDiv,
    Mod,
}

impl Op {
    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Div => "div",
            Self::IDiv => "idiv",
            Self::Mod => "mod",
        }
    }
}

fn overflow() -> Box<Error> {
    fail("FOAR0002", "the result of an arithmetic operation is too large")
}

fn by_zero() -> Box<Error> {
    fail("FOAR0001", "division by zero")
}

/// Applies an operator. Untyped operands become doubles. Errors: XPTY0004, FOAR0001, FOAR0002, FODT0001, FODT0002.
pub fn apply(op: Op, a: &Atomic, b: &Atomic, implicit_zone: i16) -> Result<Atomic> {
    if let (Atomic::Integer(a, _), Atomic::Integer(b, _)) = (a, b) {
        return integers(op, a.0, b.0);
    }
    let number = |value: &Atomic| match value {
        Atomic::Untyped(_) => value.cast_as(AtomicType::Double, &|_| None).map(Some),
        _ => Ok(None),
    };
    let (x, y) = (number(a)?, number(b)?);
    let (a, b) = (x.as_ref().unwrap_or(a), y.as_ref().unwrap_or(b));
    if a.type_of().is_numeric() && b.type_of().is_numeric() {
        return numbers(op, a, b);
    }
    let result = durations(op, a, b)?.or(moments(op, a, b, implicit_zone)?);
    result.ok_or_else(|| fail("XPTY0004", format!("{} {} {} is not defined", a.type_of(), op.symbol(), b.type_of())))
}

/// Unary minus. Error: XPTY0004.
pub fn negate(a: &Atomic) -> Result<Atomic> {
    match a {
        Atomic::Integer(value, _) => integer(value.0.checked_neg()),
        Atomic::Decimal(value) => Ok(Atomic::Decimal(Decimal { mantissa: -{ value.mantissa }, scale: value.scale })),
        Atomic::Double(value) => Ok(Atomic::Double(-value)),
        Atomic::Float(value) => Ok(Atomic::Float(-value)),
        Atomic::Untyped(_) => negate(&a.cast_as(AtomicType::Double, &|_| None)?),
        other => Err(fail("XPTY0004", format!("{} has no sign", other.type_of()))),
    }
}

fn integer(value: Option<i128>) -> Result<Atomic> {
    value.map(|value| Atomic::Integer(Integer(value), AtomicType::Integer)).ok_or_else(overflow)
}

fn integers(op: Op, a: i128, b: i128) -> Result<Atomic> {
    match op {
        Op::Add => integer(a.checked_add(b)),
        Op::Subtract => integer(a.checked_sub(b)),
        Op::Multiply => integer(a.checked_mul(b)),
        Op::Div => divide(Decimal::new(a, 0), Decimal::new(b, 0)).map(Atomic::Decimal),
        Op::IDiv | Op::Mod if b == 0 => Err(by_zero()),
        Op::IDiv => integer(a.checked_div(b)),
        Op::Mod => integer(a.checked_rem(b).or(Some(0))),
    }
}

fn numbers(op: Op, a: &Atomic, b: &Atomic) -> Result<Atomic> {
    let decimal = |value: &Atomic| match value {
        Atomic::Integer(value, _) => Some(Decimal::from(*value)),
        Atomic::Decimal(value) => Some(*value),
        _ => None,
    };
    if let (Some(a), Some(b)) = (decimal(a), decimal(b)) {
        return decimals(op, a, b);
    }
    let is_float = |value: &Atomic| matches!(value, Atomic::Float(_));
    if (is_float(a) || is_float(b))
        && let (Some(x), Some(y)) = (to_float(a), to_float(b))
    {
        return match op {
            Op::Add => Ok(Atomic::Float(x + y)),
            Op::Subtract => Ok(Atomic::Float(x - y)),
            Op::Multiply => Ok(Atomic::Float(x * y)),
            Op::Div => Ok(Atomic::Float(x / y)),
            Op::Mod => Ok(Atomic::Float(x % y)),
            Op::IDiv => whole(f64::from(x), f64::from(y), f64::from(x / y)),
        };
    }
    let (Some(x), Some(y)) = (a.to_double(), b.to_double()) else { return Err(overflow()) };
    match op {
        Op::Add => Ok(Atomic::Double(x + y)),
        Op::Subtract => Ok(Atomic::Double(x - y)),
        Op::Multiply => Ok(Atomic::Double(x * y)),
        Op::Div => Ok(Atomic::Double(x / y)),
        Op::Mod => Ok(Atomic::Double(x % y)),
        Op::IDiv => whole(x, y, x / y),
    }
}

/// `idiv` of floating numbers.
fn whole(a: f64, b: f64, quotient: f64) -> Result<Atomic> {
    if b == 0.0 {
        return Err(by_zero());
    }
    if a.is_nan() || b.is_nan() || a.is_infinite() || quotient.abs() >= 1.7e38 {
        return Err(overflow());
    }
    integer(Some(quotient.trunc() as i128))
}

fn power(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

/// Both mantissas at the larger scale.
fn aligned(a: Decimal, b: Decimal) -> Option<(i128, i128, u8)> {
    let scale = a.scale.max(b.scale);
    let x = { a.mantissa }.checked_mul(power(scale - a.scale)?)?;
    let y = { b.mantissa }.checked_mul(power(scale - b.scale)?)?;
    Some((x, y, scale))
}

/// The value with fewer digits behind the point, cut off.
fn shortened(value: Decimal, scale: u8) -> Decimal {
    match power(value.scale.saturating_sub(scale)) {
        Some(divisor) if value.scale > scale => Decimal::new(value.mantissa / divisor, scale),
        _ => value,
    }
}

fn decimals(op: Op, a: Decimal, b: Decimal) -> Result<Atomic> {
    let decimal = |value: Option<i128>, scale: u8| {
        value.map(|value| Atomic::Decimal(Decimal::new(value, scale))).ok_or_else(overflow)
    };
    match op {
        Op::Add | Op::Subtract => {
            // Digits that 128 bits cannot hold are dropped, as implementations may (F&O 3.1 §4.2).
            let mut keep = a.scale.max(b.scale);
            loop {
                let sum = aligned(shortened(a, keep), shortened(b, keep)).and_then(|(x, y, scale)| {
                    let sum = if op == Op::Add { x.checked_add(y) } else { x.checked_sub(y) };
                    sum.map(|sum| (sum, scale))
                });
                match sum {
                    Some((sum, scale)) => return decimal(Some(sum), scale),
                    None if keep == 0 => return Err(overflow()),
                    None => keep -= 1,
                }
            }
        }
        Op::Multiply => multiply(a, b).map(Atomic::Decimal),
        Op::Div => divide(a, b).map(Atomic::Decimal),
        Op::IDiv | Op::Mod => {
            if b.mantissa == 0 {
                return Err(by_zero());
            }
            let (x, y, scale) = aligned(a, b).ok_or_else(overflow)?;
            if op == Op::IDiv { integer(x.checked_div(y)) } else { decimal(x.checked_rem(y), scale) }
        }
    }
}

fn multiply(a: Decimal, b: Decimal) -> Result<Decimal> {
    let (mut a, mut b) = (a, b);
    loop {
        let product = { a.mantissa }.checked_mul(b.mantissa);
        match product {
            Some(product) if a.scale + b.scale <= Decimal::SCALE_MAX => {
                return Ok(Decimal::new(product, a.scale + b.scale));
            }
            _ if a.scale >= b.scale && a.scale > 0 => a = shortened(a, a.scale - 1),
            _ if b.scale > 0 => b = shortened(b, b.scale - 1),
            _ => return Err(overflow()),
        }
    }
}

/// To 18 digits behind the point at least, when 128 bits hold them.
fn divide(a: Decimal, b: Decimal) -> Result<Decimal> {
    if b.mantissa == 0 {
        return Err(by_zero());
    }
    let (x, y, _) = aligned(a, b).ok_or_else(overflow)?;
    let whole = x.checked_div(y).ok_or_else(overflow)?;
    let mut rest = x % y;
    let mut mantissa = whole;
    let mut scale = 0;
    while rest != 0 && scale < 18 {
        let Some(longer) = rest.checked_mul(10) else { break };
        let digit = longer / y;
        let Some(next) = mantissa.checked_mul(10).and_then(|m| m.checked_add(digit)) else { break };
        mantissa = next;
        rest = longer % y;
        scale += 1;
    }
    // The last digit is rounded to the nearest.
    if rest != 0 && rest.unsigned_abs() >= y.unsigned_abs() - rest.unsigned_abs() {
        mantissa += if (x < 0) == (y < 0) { 1 } else { -1 };
    }
    Ok(Decimal::new(mantissa, scale))
}

fn duration(months: i64, nanos: i128) -> Result<Duration> {
    Duration::from_parts(months, nanos).ok_or_else(|| fail("FODT0002", "a duration is too large"))
}

/// Durations with durations and with numbers; `None` when the operands are something else.
fn durations(op: Op, a: &Atomic, b: &Atomic) -> Result<Option<Atomic>> {
    use Atomic::{DayTimeDuration as D, YearMonthDuration as Y};
    Ok(Some(match (op, a, b) {
        (Op::Add, Y(a), Y(b)) => Y(duration(a.months.saturating_add(b.months), 0)?),
        (Op::Subtract, Y(a), Y(b)) => Y(duration(a.months.saturating_sub(b.months), 0)?),
        (Op::Add, D(a), D(b)) => D(duration(0, a.total_nanos() + b.total_nanos())?),
        (Op::Subtract, D(a), D(b)) => D(duration(0, a.total_nanos() - b.total_nanos())?),
        (Op::Div, Y(a), Y(b)) => {
            Atomic::Decimal(divide(Decimal::new(a.months.into(), 0), Decimal::new(b.months.into(), 0))?)
        }
        (Op::Div, D(a), D(b)) => {
            Atomic::Decimal(divide(Decimal::new(a.total_nanos(), 0), Decimal::new(b.total_nanos(), 0))?)
        }
        (Op::Multiply | Op::Div, Y(d) | D(d), number) if number.type_of().is_numeric() => {
            scaled(op, d, number, matches!(a, Y(_)))?
        }
        (Op::Multiply, number, Y(d) | D(d)) if number.type_of().is_numeric() => {
            scaled(op, d, number, matches!(b, Y(_)))?
        }
        _ => return Ok(None),
    }))
}

fn scaled(op: Op, d: &Duration, number: &Atomic, is_months: bool) -> Result<Atomic> {
    let factor = number.to_double().unwrap_or(f64::NAN);
    if factor.is_nan() {
        return Err(fail("FOCA0005", "a duration cannot be multiplied or divided by NaN"));
    }
    if op == Op::Div && factor == 0.0 {
        return Err(fail("FODT0002", "a duration is divided by zero"));
    }
    let too_large = || fail("FODT0002", "a duration is too large");
    let exact = match number {
        Atomic::Integer(value, _) => Some(Decimal::from(*value)),
        Atomic::Decimal(value) => Some(*value),
        _ => None,
    };
    let base = if is_months { i128::from(d.months) } else { d.total_nanos() };
    // Exact factors give exact durations; floating ones go through doubles.
    let product = exact.and_then(|factor| {
        let (mantissa, divisor) = (factor.mantissa, power(factor.scale)?);
        let (above, below) = match op {
            Op::Div => (base.checked_mul(divisor)?, mantissa),
            _ => (base.checked_mul(mantissa)?, divisor),
        };
        Some(if is_months { half_up(above, below) } else { above / below })
    });
    let product = match product {
        Some(product) => product,
        None => {
            let value = if op == Op::Div { base as f64 / factor } else { base as f64 * factor };
            let rounded = if is_months { (value + 0.5).floor() } else { value.round() };
            if !rounded.is_finite() || rounded.abs() > 1e30 {
                return Err(too_large());
            }
            rounded as i128
        }
    };
    if is_months {
        let months = i64::try_from(product).map_err(|_| too_large())?;
        return Ok(Atomic::YearMonthDuration(duration(months, 0)?));
    }
    Ok(Atomic::DayTimeDuration(duration(0, product)?))
}

/// The nearest integer to `above / below`, halves towards positive infinity.
fn half_up(above: i128, below: i128) -> i128 {
    let (above, below) = if below < 0 { (-above, -below) } else { (above, below) };
    (above * 2 + below).div_euclid(below * 2)
}

/// Moments with durations and with each other; `None` when the operands are something else.
fn moments(op: Op, a: &Atomic, b: &Atomic, implicit_zone: i16) -> Result<Option<Atomic>> {
    use Atomic as A;
    if op == Op::Subtract {
        let between = |a: &Moment, b: &Moment| -> Result<Atomic> {
            Ok(A::DayTimeDuration(duration(0, a.instant(implicit_zone) - b.instant(implicit_zone))?))
        };
        match (a, b) {
            (A::DateTime(a, _), A::DateTime(b, _)) | (A::Date(a), A::Date(b)) | (A::Time(a), A::Time(b)) => {
                return between(a, b).map(Some);
            }
            _ => {}
        }
    }
    let (moment, by) = match (op, a, b) {
        (Op::Add | Op::Subtract, moment, by @ (A::YearMonthDuration(_) | A::DayTimeDuration(_))) => (moment, by),
        (Op::Add, by @ (A::YearMonthDuration(_) | A::DayTimeDuration(_)), moment) => (moment, by),
        _ => return Ok(None),
    };
    let sign = if op == Op::Subtract { -1 } else { 1 };
    let moved = |moment: &Moment| {
        let moved = match by {
            A::YearMonthDuration(by) => moment.plus_months(by.months * sign),
            A::DayTimeDuration(by) => moment.plus_nanos(by.total_nanos() * i128::from(sign)),
            _ => None,
        };
        moved.ok_or_else(|| fail("FODT0001", "a date is out of range"))
    };
    Ok(match (moment, by) {
        (A::DateTime(moment, _), _) => Some(A::DateTime(moved(moment)?, AtomicType::DateTime)),
        (A::Date(moment), _) => Some(A::Date(moved(moment)?.cast(MomentKind::Date))),
        (A::Time(moment), A::DayTimeDuration(by)) => {
            // A time wraps around the day.
            let day = 86_400 * i128::from(NANOS);
            let nanos = (i128::from(moment.nanos) + by.total_nanos() * i128::from(sign)).rem_euclid(day);
            let nanos = i64::try_from(nanos).expect("a remainder of a day");
            Some(A::Time(Moment { nanos, ..*moment }))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast(text: &str, target: AtomicType) -> Atomic {
        Atomic::string(text).cast_as(target, &|_| None).unwrap()
    }

    fn check(op: Op, a: (&str, AtomicType), b: (&str, AtomicType), expected: &str) {
        let result = apply(op, &cast(a.0, a.1), &cast(b.0, b.1), 0);
        let shown = result.map_or_else(|error| error.code.local.to_string(), |value| value.to_str().to_string());
        assert_eq!(shown, expected, "{a:?} {op:?} {b:?}");
    }

    #[test]
    fn numbers_keep_their_exactness() {
        use AtomicType::{Decimal, Double, Float, Integer};
        check(Op::Add, ("0.1", Decimal), ("0.2", Decimal), "0.3");
        check(Op::Div, ("1", Integer), ("3", Integer), "0.333333333333333333");
        check(Op::Div, ("1", Integer), ("0", Integer), "FOAR0001");
        check(Op::Div, ("1", Double), ("0", Integer), "INF");
        check(Op::IDiv, ("-7", Integer), ("2", Integer), "-3");
        check(Op::Mod, ("-7", Integer), ("2", Integer), "-1");
        check(Op::Mod, ("5.5", Decimal), ("2", Integer), "1.5");
        check(Op::Multiply, ("1.1", Float), ("2", Integer), "2.2");
        check(Op::Multiply, ("99999999999999999999999999", Integer), ("99999999999999999999999", Integer), "FOAR0002");
    }

    #[test]
    fn dates_and_durations() {
        use AtomicType::{Date, DayTimeDuration, Decimal, Time, YearMonthDuration};
        check(Op::Add, ("2000-01-31", Date), ("P1M", YearMonthDuration), "2000-02-29");
        check(Op::Subtract, ("2000-03-01", Date), ("2000-02-01", Date), "P29D");
        check(Op::Add, ("23:30:00", Time), ("PT1H", DayTimeDuration), "00:30:00");
        check(Op::Multiply, ("P2Y11M", YearMonthDuration), ("2.3", Decimal), "P6Y9M");
        check(Op::Div, ("P1D", DayTimeDuration), ("PT6H", DayTimeDuration), "4");
        check(Op::Add, ("23:30:00", Time), ("P1M", YearMonthDuration), "XPTY0004");
    }
}
