//! `op:same-key` as a hash key (F&O 3.1 §17.1.1): numbers are compared by their exact value, NaN is itself, and values
//! with and without time zone differ.

use super::{Atomic, Decimal, Moment};
use crate::Str;
use crate::names::QName;
use std::sync::Arc;

/// Two atomic values are the same key when these are equal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MapKey {
    /// Strings, URIs and untyped values, by codepoints.
    Text(Str),
    /// A truth value.
    Boolean(bool),
    /// Every number that is a decimal with few digits.
    Exact(Decimal),
    /// Every other number, NaN and the infinities: bits of the double.
    Bits(u64),
    /// A name; `true` for notations.
    Name(Arc<QName>, bool),
    /// A date or time: the number of its type, the instant in UTC, whether it has a time zone.
    Moment(u8, i128, bool),
    /// Months and nanoseconds.
    Duration(i64, i128),
    /// Octets; `true` for hexadecimal.
    Binary(Arc<[u8]>, bool),
}

impl Atomic {
    /// The value as a key of maps.
    #[must_use]
    pub fn map_key(&self) -> MapKey {
        let moment = |number, m: &Moment| MapKey::Moment(number, m.instant(0), m.zone.is_some());
        match self {
            Self::Untyped(text) | Self::String(text, _) | Self::AnyUri(text) => MapKey::Text(text.clone()),
            Self::Boolean(value) => MapKey::Boolean(*value),
            Self::Integer(value, _) => MapKey::Exact(Decimal::from(*value)),
            Self::Decimal(value) => MapKey::Exact(*value),
            Self::Double(value) => double_key(*value),
            Self::Float(value) => double_key(f64::from(*value)),
            Self::QName(name) => MapKey::Name(name.clone(), false),
            Self::Notation(name) => MapKey::Name(name.clone(), true),
            Self::DateTime(m, _) => moment(0, m),
            Self::Date(m) => moment(1, m),
            Self::Time(m) => moment(2, m),
            Self::GYear(m) => moment(3, m),
            Self::GYearMonth(m) => moment(4, m),
            Self::GMonth(m) => moment(5, m),
            Self::GMonthDay(m) => moment(6, m),
            Self::GDay(m) => moment(7, m),
            Self::Duration(d) | Self::YearMonthDuration(d) | Self::DayTimeDuration(d) => {
                MapKey::Duration(d.months, d.total_nanos())
            }
            Self::Base64Binary(octets) => MapKey::Binary(octets.clone(), false),
            Self::HexBinary(octets) => MapKey::Binary(octets.clone(), true),
        }
    }
}

/// The key of a double: its exact decimal expansion when that has at most 37 digits behind the point.
fn double_key(value: f64) -> MapKey {
    if value == 0.0 {
        return MapKey::Exact(Decimal::new(0, 0));
    }
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return MapKey::Exact(Decimal::new(value as i128, 0));
    }
    // `{}` would round; `{:.37}` is exact, and the value is that decimal only if nothing was cut.
    let text = if value.is_finite() && value.abs() < 1e38 { format!("{value:.37}") } else { String::new() };
    match Decimal::parse(&text) {
        Some(exact) if exact.to_f64() == value && is_exact(value, &text) => MapKey::Exact(exact),
        _ => MapKey::Bits(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }),
    }
}

/// Whether 37 digits hold the whole value: one more digit adds nothing but zeros.
fn is_exact(value: f64, text: &str) -> bool {
    let longer = format!("{value:.1100}");
    let cut = &longer[text.len()..];
    // The parser drops what 38 digits do not hold, so the length is checked as well.
    cut.bytes().all(|digit| digit == b'0')
        && text.trim_end_matches('0').bytes().filter(u8::is_ascii_digit).count() <= 37
}
