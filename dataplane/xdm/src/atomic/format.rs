//! Canonical strings of atomic values: casting to `xs:string` (F&O 3.1 §19.1.2).

use super::moment::NANOS;
use super::{Atomic, Duration, Moment};
use crate::Str;
use std::fmt::Write;

impl Atomic {
    /// The value cast to `xs:string`. Names are written with their prefix.
    #[must_use]
    pub fn to_str(&self) -> Str {
        let text = match self {
            Self::Untyped(text) | Self::String(text, _) | Self::AnyUri(text) => return text.clone(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value, _) => {
                let value = value.0;
                value.to_string()
            }
            Self::Decimal(value) => value.to_string(),
            Self::Double(value) => format_double(*value),
            Self::Float(value) => format_float(*value),
            Self::QName(name) | Self::Notation(name) => name.lexical(),
            Self::DateTime(m, _) => format!("{}T{}{}", date(m), time(m), zone(m)),
            Self::Date(m) => date(m) + &zone(m),
            Self::Time(m) => time(m) + &zone(m),
            Self::GYear(m) => year(m) + &zone(m),
            Self::GYearMonth(m) => format!("{}-{:02}{}", year(m), m.month, zone(m)),
            Self::GMonth(m) => format!("--{:02}{}", m.month, zone(m)),
            Self::GMonthDay(m) => format!("--{:02}-{:02}{}", m.month, m.day, zone(m)),
            Self::GDay(m) => format!("---{:02}{}", m.day, zone(m)),
            Self::Duration(d) => duration(d, "PT0S"),
            Self::YearMonthDuration(d) => duration(d, "P0M"),
            Self::DayTimeDuration(d) => duration(d, "PT0S"),
            Self::Base64Binary(octets) => base64(octets),
            Self::HexBinary(octets) => octets.iter().fold(String::new(), |mut text, octet| {
                let _ = write!(text, "{octet:02X}");
                text
            }),
        };
        Str::from(text)
    }
}

/// An `xs:double` as `xs:string`: like a decimal from 1e-6 to 1e6, else with an exponent.
#[must_use]
pub fn format_double(value: f64) -> String {
    if value.is_finite() && value != 0.0 && (value.abs() >= 1e6 || value.abs() < 1e-6) {
        return exponent(&format!("{value:E}"));
    }
    special(value).unwrap_or_else(|| value.to_string())
}

/// An `xs:float` as `xs:string`.
#[must_use]
pub fn format_float(value: f32) -> String {
    if value.is_finite() && value != 0.0 && (value.abs() >= 1e6 || value.abs() < 1e-6) {
        return exponent(&format!("{value:E}"));
    }
    special(f64::from(value)).unwrap_or_else(|| value.to_string())
}

fn special(value: f64) -> Option<String> {
    let text = match value {
        v if v.is_nan() => "NaN",
        f64::INFINITY => "INF",
        f64::NEG_INFINITY => "-INF",
        v if v == 0.0 => return Some(if v.is_sign_negative() { "-0".into() } else { "0".into() }),
        _ => return None,
    };
    Some(text.to_owned())
}

/// `1E7` is written `1.0E7`.
fn exponent(text: &str) -> String {
    match text.split_once('E') {
        Some((mantissa, power)) if !mantissa.contains('.') => format!("{mantissa}.0E{power}"),
        _ => text.to_owned(),
    }
}

fn year(m: &Moment) -> String {
    if m.year < 0 { format!("-{:04}", -m.year) } else { format!("{:04}", m.year) }
}

fn date(m: &Moment) -> String {
    format!("{}-{:02}-{:02}", year(m), m.month, m.day)
}

fn time(m: &Moment) -> String {
    let seconds = m.nanos / NANOS;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut text, m.nanos % NANOS);
    text
}

fn push_fraction(text: &mut String, nanos: i64) {
    if nanos != 0 {
        let digits = format!("{nanos:09}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
}

fn zone(m: &Moment) -> String {
    match m.zone {
        None => String::new(),
        Some(0) => "Z".to_owned(),
        Some(minutes) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        }
    }
}

fn duration(d: &Duration, zero: &str) -> String {
    if *d == Duration::default() {
        return zero.to_owned();
    }
    let mut text = String::from(if d.months < 0 || d.total_nanos() < 0 { "-P" } else { "P" });
    let (months, seconds) = (d.months.unsigned_abs(), d.seconds.unsigned_abs());
    let part = |text: &mut String, value: u64, unit: char| {
        if value != 0 {
            let _ = write!(text, "{value}{unit}");
        }
    };
    part(&mut text, months / 12, 'Y');
    part(&mut text, months % 12, 'M');
    part(&mut text, seconds / 86_400, 'D');
    if seconds % 86_400 != 0 || d.nanos != 0 {
        text.push('T');
        part(&mut text, seconds / 3600 % 24, 'H');
        part(&mut text, seconds / 60 % 60, 'M');
        if seconds % 60 != 0 || d.nanos != 0 {
            let _ = write!(text, "{}", seconds % 60);
            push_fraction(&mut text, i64::from(d.nanos).abs());
            text.push('S');
        }
    }
    text
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, &octet| bits << 8 | u32::from(octet)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Decimal, Integer};
    use super::*;
    use std::sync::Arc;

    #[test]
    fn numbers_have_the_canonical_forms_of_the_casting_rules() {
        let check = |value: f64, expected: &str| assert_eq!(format_double(value), expected);
        check(1.0, "1");
        check(0.1, "0.1");
        check(1e6, "1.0E6");
        check(123_456_789.0, "1.23456789E8");
        check(1e-7, "1.0E-7");
        check(-0.0, "-0");
        check(f64::NEG_INFINITY, "-INF");
        assert_eq!(Decimal::parse("-0012.500").unwrap().to_string(), "-12.5");
        assert_eq!(Decimal::parse(".5").unwrap().to_string(), "0.5");
        assert_eq!(Decimal::parse("1.e"), None);
    }

    #[test]
    fn dates_durations_and_binaries_have_their_canonical_forms() {
        let m = Moment { year: -44, month: 3, day: 15, nanos: 3_723_500_000_000, zone: Some(-330) };
        assert_eq!(&*Atomic::Date(m).to_str(), "-0044-03-15-05:30");
        assert_eq!(&*Atomic::Time(m).to_str(), "01:02:03.5-05:30");
        let d = Duration { months: -14, seconds: -90_061, nanos: -500_000_000 };
        assert_eq!(&*Atomic::Duration(d).to_str(), "-P1Y2M1DT1H1M1.5S");
        assert_eq!(&*Atomic::YearMonthDuration(Duration::default()).to_str(), "P0M");
        assert_eq!(&*Atomic::Base64Binary(Arc::from(*b"abcd")).to_str(), "YWJjZA==");
        assert_eq!(&*Atomic::HexBinary(Arc::from([0u8, 255])).to_str(), "00FF");
    }

    #[test]
    fn numbers_of_different_types_are_one_key_only_when_they_are_exactly_equal() {
        let decimal = |text: &str| Atomic::Decimal(Decimal::parse(text).unwrap()).map_key();
        assert_eq!(Atomic::Double(0.5).map_key(), decimal("0.5"));
        assert_ne!(Atomic::Double(0.1).map_key(), decimal("0.1"));
        assert_eq!(
            Atomic::Integer(Integer(3), crate::atomic::AtomicType::Byte).map_key(),
            Atomic::Float(3.0).map_key()
        );
        assert_eq!(Atomic::Double(f64::NAN).map_key(), Atomic::Float(f32::NAN).map_key());
        assert_eq!(Atomic::Untyped("a".into()).map_key(), Atomic::AnyUri("a".into()).map_key());
    }
}
