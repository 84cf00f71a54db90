//! Casting between atomic types — F&O 3.1 §19, XSD 1.1 part 2.

use super::dates::{MomentKind, Unreadable};
use super::number::{Decimal, Integer};
use super::{Atomic, AtomicType, Duration, Moment};
use crate::Str;
use crate::error::{Error, Result, fail};
use crate::names::{QName, is_name_char, is_name_start, is_ncname};
use std::sync::Arc;

/// Finds the namespace of a prefix; the empty prefix asks for the default element namespace.
pub type Prefixes<'a> = &'a dyn Fn(&str) -> Option<Str>;

impl Atomic {
    /// `cast as`. Errors: FORG0001 and its like for values, XPTY0004 for types, XPST0080 for abstract targets.
    pub fn cast_as(&self, target: AtomicType, namespaces: Prefixes<'_>) -> Result<Self> {
        use AtomicType as T;
        if self.type_of() == target {
            return Ok(self.clone());
        }
        match target {
            T::AnyAtomic | T::Notation => {
                return Err(fail("XPST0080", format!("{target} is no target of a cast")));
            }
            T::Error => return Err(fail("FORG0001", "nothing can be cast to xs:error")),
            T::Numeric if self.type_of().is_numeric() => return Ok(self.clone()),
            T::Numeric => return self.cast_as(T::Double, namespaces),
            _ => {}
        }
        match self {
            Self::Untyped(text) | Self::String(text, _) => from_text(text, target, namespaces),
            Self::AnyUri(text) if matches!(target.primitive(), T::String | T::Untyped) => {
                from_text(text, target, namespaces)
            }
            _ if target.primitive() == T::String || target == T::Untyped => {
                from_text(&self.to_str(), target, namespaces)
            }
            _ => self.cast_value(target),
        }
    }

    /// `castable as`.
    #[must_use]
    pub fn castable_as(&self, target: AtomicType, namespaces: Prefixes<'_>) -> bool {
        self.cast_as(target, namespaces).is_ok()
    }

    /// Values that are not text to types that are not text.
    fn cast_value(&self, target: AtomicType) -> Result<Self> {
        use AtomicType as T;
        let denied = || fail("XPTY0004", format!("{} cannot be cast to {target}", self.type_of()));
        let value = match (self, target.primitive()) {
            (Self::Boolean(_), T::Boolean) => self.clone(),
            (Self::Boolean(value), T::Integer) => Self::Integer(Integer(i128::from(*value)), T::Integer),
            (Self::Boolean(value), T::Decimal) => Self::Decimal(Decimal::new(i128::from(*value), 0)),
            (Self::Boolean(value), T::Double) => Self::Double(f64::from(u8::from(*value))),
            (Self::Boolean(value), T::Float) => Self::Float(f32::from(u8::from(*value))),
            (Self::Integer(..) | Self::Decimal(_) | Self::Double(_) | Self::Float(_), T::Boolean) => {
                Self::Boolean(self.effective_boolean_value()?)
            }
            (Self::Integer(..) | Self::Decimal(_) | Self::Double(_) | Self::Float(_), T::Double) => {
                Self::Double(self.to_double().ok_or_else(denied)?)
            }
            (Self::Float(value), T::Float) => Self::Float(*value),
            (Self::Double(value), T::Float) => Self::Float(*value as f32),
            (Self::Integer(..) | Self::Decimal(_), T::Float) => {
                Self::Float(self.to_str().parse().map_err(|_| denied())?)
            }
            (Self::Integer(value, _), T::Integer) => Self::Integer(*value, T::Integer),
            (Self::Integer(value, _), T::Decimal) => Self::Decimal(Decimal::from(*value)),
            (Self::Decimal(_), T::Decimal) => self.clone(),
            (Self::Decimal(value), T::Integer) => {
                Self::Integer(Integer(value.mantissa / 10_i128.pow(u32::from(value.scale))), T::Integer)
            }
            (Self::Double(value), T::Integer | T::Decimal) => from_double(*value, target)?,
            (Self::Float(value), T::Integer | T::Decimal) => from_double(f64::from(*value), target)?,
            (Self::QName(_) | Self::Notation(_), T::QName) => self.clone(),
            (Self::AnyUri(_), T::AnyUri) => self.clone(),
            (Self::Base64Binary(octets) | Self::HexBinary(octets), T::Base64Binary) => {
                Self::Base64Binary(octets.clone())
            }
            (Self::Base64Binary(octets) | Self::HexBinary(octets), T::HexBinary) => Self::HexBinary(octets.clone()),
            (Self::Duration(d) | Self::YearMonthDuration(d) | Self::DayTimeDuration(d), T::Duration) => {
                let both = *d;
                match target {
                    T::YearMonthDuration => {
                        Self::YearMonthDuration(Duration { months: both.months, ..Duration::default() })
                    }
                    T::DayTimeDuration => Self::DayTimeDuration(Duration { months: 0, ..both }),
                    _ => Self::Duration(both),
                }
            }
            (_, primitive) => return self.cast_moment(primitive, target).ok_or_else(denied)?,
        };
        restrict(value, target)
    }

    fn cast_moment(&self, primitive: AtomicType, target: AtomicType) -> Option<Result<Self>> {
        use AtomicType as T;
        let kind = kind_of(primitive)?;
        let moment = match self {
            Self::DateTime(moment, _) => moment,
            Self::Date(moment) if primitive != T::Time => moment,
            Self::Time(moment) if primitive == T::Time => moment,
            Self::GYear(moment) if primitive == T::GYear => moment,
            Self::GYearMonth(moment) if primitive == T::GYearMonth => moment,
            Self::GMonth(moment) if primitive == T::GMonth => moment,
            Self::GMonthDay(moment) if primitive == T::GMonthDay => moment,
            Self::GDay(moment) if primitive == T::GDay => moment,
            _ => return None,
        };
        Some(restrict(of_kind(kind, moment.cast(kind)), target))
    }

    /// The number as `xs:double`; `None` for what is no number.
    #[must_use]
    pub fn to_double(&self) -> Option<f64> {
        match self {
            Self::Double(value) => Some(*value),
            Self::Float(value) => Some(f64::from(*value)),
            Self::Integer(value, _) => {
                let value = value.0;
                Some(value as f64)
            }
            Self::Decimal(value) => Some(value.to_f64()),
            _ => None,
        }
    }
}

fn kind_of(primitive: AtomicType) -> Option<MomentKind> {
    Some(match primitive {
        AtomicType::DateTime => MomentKind::DateTime,
        AtomicType::Date => MomentKind::Date,
        AtomicType::Time => MomentKind::Time,
        AtomicType::GYear => MomentKind::GYear,
        AtomicType::GYearMonth => MomentKind::GYearMonth,
        AtomicType::GMonth => MomentKind::GMonth,
        AtomicType::GMonthDay => MomentKind::GMonthDay,
        AtomicType::GDay => MomentKind::GDay,
        _ => return None,
    })
}

fn of_kind(kind: MomentKind, moment: Moment) -> Atomic {
    match kind {
        MomentKind::DateTime => Atomic::DateTime(moment, AtomicType::DateTime),
        MomentKind::Date => Atomic::Date(moment),
        MomentKind::Time => Atomic::Time(moment),
        MomentKind::GYear => Atomic::GYear(moment),
        MomentKind::GYearMonth => Atomic::GYearMonth(moment),
        MomentKind::GMonth => Atomic::GMonth(moment),
        MomentKind::GMonthDay => Atomic::GMonthDay(moment),
        MomentKind::GDay => Atomic::GDay(moment),
    }
}

/// Truncates towards zero for integers. Errors: FOCA0002, FOCA0003.
fn from_double(value: f64, target: AtomicType) -> Result<Atomic> {
    if !value.is_finite() {
        return Err(fail("FOCA0002", format!("{value} cannot be cast to {target}")));
    }
    if target.primitive() == AtomicType::Integer {
        let whole = value.trunc();
        if whole.abs() >= 1.7e38 {
            return Err(fail("FOCA0003", format!("{value} is too large for xs:integer")));
        }
        return Ok(Atomic::Integer(Integer(whole as i128), AtomicType::Integer));
    }
    let decimal = Decimal::parse(&format!("{value}"));
    decimal.map(Atomic::Decimal).ok_or_else(|| fail("FOCA0001", format!("{value} is too large for xs:decimal")))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn collapse(text: &str) -> String {
    text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn wrong(text: &str, target: AtomicType) -> Box<Error> {
    fail("FORG0001", format!("{text:?} is not in the form of {target}"))
}

/// §19.2: from `xs:string` and `xs:untypedAtomic`.
fn from_text(text: &Str, target: AtomicType, namespaces: Prefixes<'_>) -> Result<Atomic> {
    use AtomicType as T;
    let trimmed = text.trim_matches(is_space);
    let wrong = || wrong(text, target);
    let moment = |kind, code: &'static str| match Moment::parse(kind, trimmed) {
        Ok(moment) => Ok(of_kind(kind, moment)),
        Err(Unreadable::Form) => Err(wrong()),
        Err(Unreadable::Overflow) => Err(fail(code, format!("{trimmed} is too large"))),
    };
    let value = match target.primitive() {
        T::Untyped => Atomic::Untyped(text.clone()),
        T::String => return string_type(text, target),
        T::AnyUri => Atomic::AnyUri(Str::from(any_uri(text).ok_or_else(wrong)?)),
        T::Boolean => match trimmed {
            "true" | "1" => Atomic::Boolean(true),
            "false" | "0" => Atomic::Boolean(false),
            _ => return Err(wrong()),
        },
        T::Integer => Atomic::Integer(integer(trimmed, &wrong)?, T::Integer),
        T::Decimal => match Decimal::parse(trimmed) {
            Some(value) => Atomic::Decimal(value),
            None if is_decimal(trimmed) => return Err(fail("FOCA0001", format!("{trimmed} is too large"))),
            None => return Err(wrong()),
        },
        T::Double => Atomic::Double(double(trimmed).ok_or_else(wrong)?.parse().map_err(|_| wrong())?),
        T::Float => Atomic::Float(double(trimmed).ok_or_else(wrong)?.parse().map_err(|_| wrong())?),
        T::QName => Atomic::QName(Arc::new(qname(trimmed, target, namespaces)?)),
        T::Duration => {
            let read = match Duration::parse(trimmed) {
                Ok(duration) => duration,
                Err(Unreadable::Form) => return Err(wrong()),
                Err(Unreadable::Overflow) => return Err(fail("FODT0002", format!("{trimmed} is too large"))),
            };
            match target {
                T::YearMonthDuration if trimmed.contains(['D', 'T']) => return Err(wrong()),
                T::YearMonthDuration => Atomic::YearMonthDuration(read),
                T::DayTimeDuration if trimmed.split('T').next().is_some_and(|date| date.contains(['Y', 'M'])) => {
                    return Err(wrong());
                }
                T::DayTimeDuration => Atomic::DayTimeDuration(read),
                _ => Atomic::Duration(read),
            }
        }
        T::HexBinary => Atomic::HexBinary(Arc::from(hex(trimmed).ok_or_else(wrong)?)),
        T::Base64Binary => Atomic::Base64Binary(Arc::from(base64(trimmed).ok_or_else(wrong)?)),
        primitive => match kind_of(primitive) {
            Some(kind) => moment(kind, "FODT0001")?,
            None => return Err(fail("XPTY0004", format!("a text cannot be cast to {target}"))),
        },
    };
    restrict(value, target)
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut points = 0;
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.' && std::mem::replace(&mut points, 1) == 0);
    plain && digits.bytes().any(|b| b.is_ascii_digit())
}

fn integer(text: &str, wrong: &dyn Fn() -> Box<Error>) -> Result<Integer> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map(Integer).map_err(|_| fail("FOCA0003", format!("{text} is too large for xs:integer")))
}

/// A text as `xs:double`, white space around it aside; `None` when it is none.
#[must_use]
pub fn parse_double(text: &str) -> Option<f64> {
    double(text.trim_matches(is_space))?.parse().ok()
}

/// A lexical double in the spelling that `str::parse` takes.
fn double(text: &str) -> Option<&str> {
    match text {
        "INF" | "+INF" => return Some("inf"),
        "-INF" => return Some("-inf"),
        "NaN" => return Some("NaN"),
        _ => {}
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    (whole && is_decimal(mantissa)).then_some(text)
}

fn qname(text: &str, target: AtomicType, namespaces: Prefixes<'_>) -> Result<QName> {
    let (prefix, local) = text.split_once(':').unwrap_or(("", text));
    if !is_ncname(local) || !(prefix.is_empty() && !text.starts_with(':') || is_ncname(prefix)) {
        return Err(wrong(text, target));
    }
    match namespaces(prefix) {
        Some(uri) => Ok(QName::new(prefix, uri, local)),
        None if prefix.is_empty() => Ok(QName::local(local)),
        None => Err(fail("FONS0004", format!("prefix {prefix} is not bound"))),
    }
}

fn any_uri(text: &str) -> Option<String> {
    let text = collapse(text);
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let escapes = bytes.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(at, _)| hex(at + 1) && hex(at + 2));
    let scheme = text.split_once(':').is_none_or(|(scheme, _)| !scheme.is_empty() || text.starts_with("::"));
    (escapes && scheme && text.matches('#').count() <= 1).then_some(text)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|b| !is_space(char::from(*b))).collect();
    let padding = symbols.iter().rev().take_while(|b| **b == b'=').count();
    if !symbols.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut octets = Vec::new();
    for chunk in symbols.chunks(4) {
        let kept = chunk.iter().take_while(|b| **b != b'=').count();
        let mut bits: u32 = 0;
        for symbol in chunk {
            let value = match symbol {
                b'A'..=b'Z' => symbol - b'A',
                b'a'..=b'z' => symbol - b'a' + 26,
                b'0'..=b'9' => symbol - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => 0,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        // Bits that padding cuts off are zero.
        if kept < 2 || kept == 2 && bits & 0xFFFF != 0 || kept == 3 && bits & 0xFF != 0 {
            return None;
        }
        octets.extend_from_slice(&bits.to_be_bytes()[1..kept]);
    }
    let inner = symbols[..symbols.len() - padding].contains(&b'=');
    (!inner).then_some(octets)
}

/// `xs:string` and what derives from it.
fn string_type(text: &str, target: AtomicType) -> Result<Atomic> {
    use AtomicType as T;
    let normalized = match target {
        T::String => text.to_owned(),
        T::NormalizedString => text.replace(['\t', '\n', '\r'], " "),
        _ => collapse(text),
    };
    let is_name = |text: &str| {
        let mut chars = text.chars();
        chars.next().is_some_and(|c| c == ':' || is_name_start(c)) && chars.all(|c| c == ':' || is_name_char(c))
    };
    let is_language = |text: &str| {
        let mut parts = text.split('-');
        let fits = |part: &str| (1..=8).contains(&part.len());
        parts.next().is_some_and(|part| fits(part) && part.bytes().all(|b| b.is_ascii_alphabetic()))
            && parts.all(|part| fits(part) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    let fits = match target {
        T::Language => is_language(&normalized),
        T::NmToken => !normalized.is_empty() && normalized.chars().all(|c| c == ':' || is_name_char(c)),
        T::Name => is_name(&normalized),
        T::NcName | T::Id | T::IdRef | T::Entity => is_ncname(&normalized),
        _ => true,
    };
    if fits { Ok(Atomic::String(Str::from(normalized), target)) } else { Err(wrong(text, target)) }
}

/// Checks the range of derived integers and the zone of `xs:dateTimeStamp`, and sets the annotation.
fn restrict(value: Atomic, target: AtomicType) -> Result<Atomic> {
    use AtomicType as T;
    match value {
        Atomic::Integer(value, _) => {
            let (min, max) = range(target);
            let number = value.0;
            if number < min || number > max {
                return Err(fail("FORG0001", format!("{number} is out of the range of {target}")));
            }
            let annotation = if target.primitive() == T::Integer { target } else { T::Integer };
            Ok(Atomic::Integer(value, annotation))
        }
        Atomic::DateTime(moment, _) if target == T::DateTimeStamp => match moment.zone {
            Some(_) => Ok(Atomic::DateTime(moment, target)),
            None => Err(fail("FORG0001", "an xs:dateTimeStamp has a time zone")),
        },
        other => Ok(other),
    }
}

fn range(target: AtomicType) -> (i128, i128) {
    use AtomicType as T;
    match target {
        T::NonPositiveInteger => (i128::MIN, 0),
        T::NegativeInteger => (i128::MIN, -1),
        T::Long => (i64::MIN.into(), i64::MAX.into()),
        T::Int => (i32::MIN.into(), i32::MAX.into()),
        T::Short => (i16::MIN.into(), i16::MAX.into()),
        T::Byte => (i8::MIN.into(), i8::MAX.into()),
        T::NonNegativeInteger => (0, i128::MAX),
        T::UnsignedLong => (0, u64::MAX.into()),
        T::UnsignedInt => (0, u32::MAX.into()),
        T::UnsignedShort => (0, u16::MAX.into()),
        T::UnsignedByte => (0, u8::MAX.into()),
        T::PositiveInteger => (1, i128::MAX),
        _ => (i128::MIN, i128::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, target: AtomicType, expected: std::result::Result<&str, &str>) {
        let cast = Atomic::string(text).cast_as(target, &|_| None);
        match (cast, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(&*value.to_str(), expected),
            (Err(error), Err(code)) => assert_eq!(&*error.code.local, code, "{text} as {target}"),
            (cast, _) => panic!("{text} as {target}: {cast:?}"),
        }
    }

    #[test]
    fn texts_are_read_by_the_lexical_rules() {
        check(" 12 ", AtomicType::Integer, Ok("12"));
        check("256", AtomicType::UnsignedByte, Err("FORG0001"));
        check("1e3", AtomicType::Double, Ok("1000"));
        check("1e3", AtomicType::Decimal, Err("FORG0001"));
        check("inf", AtomicType::Double, Err("FORG0001"));
        check("P1Y", AtomicType::YearMonthDuration, Ok("P1Y"));
        check("P1D", AtomicType::YearMonthDuration, Err("FORG0001"));
        check("0fb7", AtomicType::HexBinary, Ok("0FB7"));
        check("YWJjZA==", AtomicType::Base64Binary, Ok("YWJjZA=="));
        check(" a  b ", AtomicType::Token, Ok("a b"));
        check("en-US", AtomicType::Language, Ok("en-US"));
        check("p:a", AtomicType::QName, Err("FONS0004"));
        check("2000-01-01T00:00:00", AtomicType::DateTimeStamp, Err("FORG0001"));
    }

    #[test]
    fn values_are_cast_by_the_table() {
        let none = |_: &str| None;
        let date = Atomic::string("2001-02-03Z").cast_as(AtomicType::Date, &none).unwrap();
        assert_eq!(&*date.cast_as(AtomicType::DateTime, &none).unwrap().to_str(), "2001-02-03T00:00:00Z");
        assert_eq!(&*date.cast_as(AtomicType::GMonthDay, &none).unwrap().to_str(), "--02-03Z");
        assert!(!date.castable_as(AtomicType::Time, &none));
        assert_eq!(&*Atomic::Double(-1.9).cast_as(AtomicType::Integer, &none).unwrap().to_str(), "-1");
        assert!(
            Atomic::Double(f64::NAN).cast_as(AtomicType::Integer, &none).unwrap_err().is(crate::ErrorCode("FOCA0002"))
        );
    }
}
