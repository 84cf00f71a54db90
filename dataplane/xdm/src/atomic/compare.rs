//! Comparing atomic values: `eq` and its like, `=` and its like, ordering, grouping — XQuery 3.1 §3.7, F&O 3.1 §14.

use super::{Atomic, AtomicType, Decimal, MapKey, Moment};
use crate::Str;
use crate::error::{Result, fail};
use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

/// A comparison operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "each is named like the operator")]
pub enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Op {
    /// Whether operands in this order satisfy the operator; `None` for operands that are not ordered (NaN).
    #[must_use]
    pub fn holds(self, order: Option<Ordering>) -> bool {
        let Some(order) = order else { return self == Self::Ne };
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }
}

/// A way to compare texts other than by codepoints.
pub trait Collation: Send + Sync + Debug {
    /// Its URI.
    fn uri(&self) -> &str;
    /// Orders two texts.
    fn compare(&self, a: &str, b: &str) -> Ordering;
    /// Bytes that are equal, and ordered, as the texts are.
    fn sort_key(&self, text: &str) -> Vec<u8>;
}

/// What comparing depends on.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Implicit time zone, in minutes.
    pub implicit_zone: i16,
    /// How texts are compared; by codepoints when there is none.
    pub collation: Option<Arc<dyn Collation>>,
}

impl Comparison {
    fn text(&self, a: &str, b: &str) -> Ordering {
        match &self.collation {
            Some(collation) => collation.compare(a, b),
            None => a.cmp(b),
        }
    }
}

/// The order of two values of comparable types: `Some(None)` when one is NaN, `None` when the types do not compare.
/// `is_ordered` is false for types that have only equality.
struct Compared {
    order: Option<Ordering>,
    is_ordered: bool,
}

fn compare(a: &Atomic, b: &Atomic, how: &Comparison) -> Option<Compared> {
    use Atomic as A;
    let ordered = |order| Some(Compared { order: Some(order), is_ordered: true });
    let equal = |equal: bool| {
        let order = if equal { Ordering::Equal } else { Ordering::Less };
        Some(Compared { order: Some(order), is_ordered: false })
    };
    let moments = |a: &Moment, b: &Moment| a.instant(how.implicit_zone).cmp(&b.instant(how.implicit_zone));
    match (a, b) {
        (A::Untyped(a) | A::String(a, _) | A::AnyUri(a), A::Untyped(b) | A::String(b, _) | A::AnyUri(b)) => {
            ordered(how.text(a, b))
        }
        (A::Integer(a, _), A::Integer(b, _)) => ordered(a.cmp(b)),
        (A::Boolean(a), A::Boolean(b)) => ordered(a.cmp(b)),
        (A::DateTime(a, _), A::DateTime(b, _)) | (A::Date(a), A::Date(b)) | (A::Time(a), A::Time(b)) => {
            ordered(moments(a, b))
        }
        (A::GYear(a), A::GYear(b))
        | (A::GYearMonth(a), A::GYearMonth(b))
        | (A::GMonth(a), A::GMonth(b))
        | (A::GMonthDay(a), A::GMonthDay(b))
        | (A::GDay(a), A::GDay(b)) => equal(moments(a, b).is_eq()),
        (A::YearMonthDuration(a), A::YearMonthDuration(b)) => ordered(a.months.cmp(&b.months)),
        (A::DayTimeDuration(a), A::DayTimeDuration(b)) => ordered(a.total_nanos().cmp(&b.total_nanos())),
        (
            A::Duration(a) | A::YearMonthDuration(a) | A::DayTimeDuration(a),
            A::Duration(b) | A::YearMonthDuration(b) | A::DayTimeDuration(b),
        ) => equal(a == b),
        (A::QName(a), A::QName(b)) | (A::Notation(a), A::Notation(b)) => equal(a == b),
        (A::HexBinary(a), A::HexBinary(b)) | (A::Base64Binary(a), A::Base64Binary(b)) => ordered(a.cmp(b)),
        _ => numbers(a, b).map(|order| Compared { order, is_ordered: true }),
    }
}

/// Numeric comparison after promotion to the wider type (XQuery 3.1 §B.2): `Some(None)` with NaN.
fn numbers(a: &Atomic, b: &Atomic) -> Option<Option<Ordering>> {
    use Atomic as A;
    let decimal = |value: &Atomic| match value {
        A::Integer(value, _) => Some(Decimal::from(*value)),
        A::Decimal(value) => Some(*value),
        _ => None,
    };
    if let (Some(a), Some(b)) = (decimal(a), decimal(b)) {
        return Some(Some(decimals(a, b)));
    }
    match (a, b) {
        (A::Double(_), _) | (_, A::Double(_)) => Some(a.to_double()?.partial_cmp(&b.to_double()?)),
        _ => Some(to_float(a)?.partial_cmp(&to_float(b)?)),
    }
}

/// A number as `xs:float`.
pub(super) fn to_float(value: &Atomic) -> Option<f32> {
    match value {
        Atomic::Float(value) => Some(*value),
        Atomic::Integer(..) | Atomic::Decimal(_) => value.to_str().parse().ok(),
        _ => None,
    }
}

fn decimals(a: Decimal, b: Decimal) -> Ordering {
    let (a_mantissa, b_mantissa) = (a.mantissa, b.mantissa);
    let scale = a.scale.max(b.scale);
    let widen = |mantissa: i128, by: u8| 10_i128.checked_pow(u32::from(by)).and_then(|p| mantissa.checked_mul(p));
    match (widen(a_mantissa, scale - a.scale), widen(b_mantissa, scale - b.scale)) {
        (Some(a), Some(b)) => a.cmp(&b),
        // One side overflows, so its whole part decides.
        _ => {
            let whole = |mantissa: i128, scale: u8| 10_i128.checked_pow(u32::from(scale)).map_or(0, |p| mantissa / p);
            let by_whole = whole(a_mantissa, a.scale).cmp(&whole(b_mantissa, b.scale));
            by_whole.then_with(|| a.to_f64().total_cmp(&b.to_f64()))
        }
    }
}

/// `eq`, `lt` and their like on one value each; untyped values count as strings. Error: XPTY0004.
pub fn value_compare(op: Op, a: &Atomic, b: &Atomic, how: &Comparison) -> Result<bool> {
    let denied = || fail("XPTY0004", format!("{} and {} cannot be compared", a.type_of(), b.type_of()));
    let compared = compare(a, b, how).ok_or_else(denied)?;
    if !compared.is_ordered && !matches!(op, Op::Eq | Op::Ne) {
        return Err(fail("XPTY0004", format!("{} has no order", a.type_of())));
    }
    Ok(op.holds(compared.order))
}

/// `=`, `<` and their like on one pair: untyped values take the type of the other side (XQuery 3.1 §3.7.2).
pub fn general_compare(op: Op, a: &Atomic, b: &Atomic, how: &Comparison) -> Result<bool> {
    let cast = |value: &Atomic, other: &Atomic| -> Result<Option<Atomic>> {
        if !matches!(value, Atomic::Untyped(_)) {
            return Ok(None);
        }
        let other = other.type_of();
        let target = match other.primitive() {
            AtomicType::Untyped | AtomicType::String | AtomicType::AnyUri => AtomicType::String,
            _ if other.is_numeric() => AtomicType::Double,
            AtomicType::Duration => other,
            primitive => primitive,
        };
        value.cast_as(target, &|_: &str| -> Option<Str> { None }).map(Some)
    };
    match (cast(a, b)?, cast(b, a)?) {
        (None, None) => value_compare(op, a, b, how),
        (x, y) => value_compare(op, x.as_ref().unwrap_or(a), y.as_ref().unwrap_or(b), how),
    }
}

/// The order of `order by` and `fn:sort`: untyped values as strings, NaN equal to itself and before all numbers.
/// Error: XPTY0004.
pub fn sort_compare(a: &Atomic, b: &Atomic, how: &Comparison) -> Result<Ordering> {
    let denied = || fail("XPTY0004", format!("{} and {} cannot be ordered", a.type_of(), b.type_of()));
    let compared = compare(a, b, how).ok_or_else(denied)?;
    if !compared.is_ordered {
        return Err(denied());
    }
    Ok(compared.order.unwrap_or_else(|| is_nan(b).cmp(&is_nan(a))))
}

fn is_nan(value: &Atomic) -> bool {
    matches!(value, Atomic::Double(value) if value.is_nan()) || matches!(value, Atomic::Float(value) if value.is_nan())
}

/// `eq`, or both NaN; values that do not compare are different. Never an error.
#[must_use]
pub fn deep_equal(a: &Atomic, b: &Atomic, how: &Comparison) -> bool {
    if is_nan(a) && is_nan(b) {
        return true;
    }
    compare(a, b, how).is_some_and(|compared| compared.order.is_some_and(Ordering::is_eq))
}

/// Equal keys stand for values that are equal under [`deep_equal`], as far as hashing allows: exact and floating numbers
/// are compared by their doubles.
#[must_use]
pub fn grouping_key(a: &Atomic, how: &Comparison) -> MapKey {
    let instant = |number, m: &Moment| MapKey::Moment(number, m.instant(how.implicit_zone), true);
    match a {
        Atomic::Untyped(text) | Atomic::String(text, _) | Atomic::AnyUri(text) => match &how.collation {
            Some(collation) => MapKey::Binary(Arc::from(collation.sort_key(text)), true),
            None => MapKey::Text(text.clone()),
        },
        Atomic::Float(_) | Atomic::Double(_) | Atomic::Integer(..) | Atomic::Decimal(_) => {
            let value = a.to_double().unwrap_or(f64::NAN);
            let bits = if value == 0.0 {
                0
            } else if value.is_nan() {
                f64::NAN.to_bits()
            } else {
                value.to_bits()
            };
            MapKey::Bits(bits)
        }
        Atomic::DateTime(m, _) => instant(0, m),
        Atomic::Date(m) => instant(1, m),
        Atomic::Time(m) => instant(2, m),
        Atomic::GYear(m) => instant(3, m),
        Atomic::GYearMonth(m) => instant(4, m),
        Atomic::GMonth(m) => instant(5, m),
        Atomic::GMonthDay(m) => instant(6, m),
        Atomic::GDay(m) => instant(7, m),
        other => other.map_key(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how() -> Comparison {
        Comparison::default()
    }

    #[test]
    fn exact_numbers_compare_exactly() {
        let decimal = |text: &str| Atomic::Decimal(Decimal::parse(text).unwrap());
        assert!(value_compare(Op::Lt, &decimal("0.1"), &decimal("0.10000000000000000001"), &how()).unwrap());
        assert!(value_compare(Op::Eq, &Atomic::integer(1), &decimal("1.0"), &how()).unwrap());
        assert!(!value_compare(Op::Eq, &Atomic::Double(f64::NAN), &Atomic::integer(1), &how()).unwrap());
        assert!(value_compare(Op::Ne, &Atomic::Double(f64::NAN), &Atomic::integer(1), &how()).unwrap());
    }

    #[test]
    fn untyped_values_take_the_type_of_the_other_side_in_general_comparisons() {
        let untyped = Atomic::Untyped("10".into());
        assert!(general_compare(Op::Eq, &untyped, &Atomic::Double(10.0), &how()).unwrap());
        assert!(value_compare(Op::Eq, &untyped, &Atomic::Double(10.0), &how()).is_err());
        assert!(general_compare(Op::Lt, &untyped, &Atomic::Untyped("9".into()), &how()).unwrap());
    }

    #[test]
    fn nan_sorts_first_and_is_one_group() {
        let nan = Atomic::Double(f64::NAN);
        assert_eq!(sort_compare(&nan, &Atomic::integer(0), &how()).unwrap(), Ordering::Less);
        assert!(deep_equal(&nan, &Atomic::Float(f32::NAN), &how()));
        assert_eq!(grouping_key(&nan, &how()), grouping_key(&Atomic::Float(f32::NAN), &how()));
    }
}
