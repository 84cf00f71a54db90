//! Atomic values: one variant per primitive type, with the type annotation inline where types derive.
//!
//! ```text
//!  types.rs   the names and derivations       number.rs  Integer, Decimal
//!  format.rs  canonical strings               key.rs     op:same-key
//!  moment.rs  dates, times, durations as data; dates.rs reads them and calculates
//!  cast.rs    casting                 compare.rs, arithmetic.rs  the operators
//! ```

pub mod arithmetic;
mod cast;
pub mod compare;
pub mod dates;
mod format;
mod key;
mod moment;
mod number;
mod types;

pub use cast::{Prefixes, parse_double};
pub use format::{format_double, format_float};
pub use key::MapKey;
pub use moment::{Duration, Moment, NANOS};
pub use number::{Decimal, Integer};
pub use types::{AtomicType, SCHEMA_NAMESPACE};

use crate::Str;
use crate::error::{Result, fail};
use crate::names::QName;
use std::sync::Arc;

/// An atomic value.
#[derive(Clone, Debug)]
pub enum Atomic {
    /// `xs:untypedAtomic`
    Untyped(Str),
    /// `xs:string` and what derives from it.
    String(Str, AtomicType),
    /// `xs:anyURI`
    AnyUri(Str),
    /// `xs:boolean`
    Boolean(bool),
    /// `xs:integer` and what derives from it.
    Integer(Integer, AtomicType),
    /// `xs:decimal`
    Decimal(Decimal),
    /// `xs:double`
    Double(f64),
    /// `xs:float`
    Float(f32),
    /// `xs:QName`
    QName(Arc<QName>),
    /// `xs:NOTATION`
    Notation(Arc<QName>),
    /// `xs:dateTime`; with the annotation `xs:dateTimeStamp` the time zone is there.
    DateTime(Moment, AtomicType),
    /// `xs:date`
    Date(Moment),
    /// `xs:time`
    Time(Moment),
    /// `xs:gYear`
    GYear(Moment),
    /// `xs:gYearMonth`
    GYearMonth(Moment),
    /// `xs:gMonth`
    GMonth(Moment),
    /// `xs:gMonthDay`
    GMonthDay(Moment),
    /// `xs:gDay`
    GDay(Moment),
    /// `xs:duration`
    Duration(Duration),
    /// `xs:yearMonthDuration`
    YearMonthDuration(Duration),
    /// `xs:dayTimeDuration`
    DayTimeDuration(Duration),
    /// `xs:base64Binary`
    Base64Binary(Arc<[u8]>),
    /// `xs:hexBinary`
    HexBinary(Arc<[u8]>),
}

impl Atomic {
    /// An `xs:string`.
    pub fn string(text: impl Into<Str>) -> Self {
        Self::String(text.into(), AtomicType::String)
    }

    /// An `xs:integer`.
    #[must_use]
    pub fn integer(value: i64) -> Self {
        Self::Integer(Integer::from(value), AtomicType::Integer)
    }

    /// An `xs:integer` counting something.
    #[must_use]
    pub fn count(value: usize) -> Self {
        Self::integer(i64::try_from(value).expect("fewer than 2^63 items fit into memory"))
    }

    /// Its type.
    #[must_use]
    pub fn type_of(&self) -> AtomicType {
        match self {
            Self::Untyped(_) => AtomicType::Untyped,
            Self::String(_, annotation) | Self::Integer(_, annotation) | Self::DateTime(_, annotation) => *annotation,
            Self::AnyUri(_) => AtomicType::AnyUri,
            Self::Boolean(_) => AtomicType::Boolean,
            Self::Decimal(_) => AtomicType::Decimal,
            Self::Double(_) => AtomicType::Double,
            Self::Float(_) => AtomicType::Float,
            Self::QName(_) => AtomicType::QName,
            Self::Notation(_) => AtomicType::Notation,
            Self::Date(_) => AtomicType::Date,
            Self::Time(_) => AtomicType::Time,
            Self::GYear(_) => AtomicType::GYear,
            Self::GYearMonth(_) => AtomicType::GYearMonth,
            Self::GMonth(_) => AtomicType::GMonth,
            Self::GMonthDay(_) => AtomicType::GMonthDay,
            Self::GDay(_) => AtomicType::GDay,
            Self::Duration(_) => AtomicType::Duration,
            Self::YearMonthDuration(_) => AtomicType::YearMonthDuration,
            Self::DayTimeDuration(_) => AtomicType::DayTimeDuration,
            Self::Base64Binary(_) => AtomicType::Base64Binary,
            Self::HexBinary(_) => AtomicType::HexBinary,
        }
    }

    /// The text of strings, URIs and untyped values.
    #[must_use]
    pub fn as_text(&self) -> Option<&Str> {
        match self {
            Self::Untyped(text) | Self::String(text, _) | Self::AnyUri(text) => Some(text),
            _ => None,
        }
    }

    /// The effective boolean value (XPath 3.1 §2.4.3). Error: FORG0006.
    pub fn effective_boolean_value(&self) -> Result<bool> {
        match self {
            Self::Boolean(value) => Ok(*value),
            Self::Untyped(text) | Self::String(text, _) | Self::AnyUri(text) => Ok(!text.is_empty()),
            Self::Integer(value, _) => Ok(value.0 != 0),
            Self::Decimal(value) => Ok(value.mantissa != 0),
            Self::Double(value) => Ok(!value.is_nan() && *value != 0.0),
            Self::Float(value) => Ok(!value.is_nan() && *value != 0.0),
            other => Err(fail("FORG0006", format!("{} has no effective boolean value", other.type_of()))),
        }
    }
}

impl From<bool> for Atomic {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}
impl From<f64> for Atomic {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}
impl From<QName> for Atomic {
    fn from(name: QName) -> Self {
        Self::QName(Arc::new(name))
    }
}
