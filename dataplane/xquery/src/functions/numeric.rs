//! Numbers — F&O 3.1 §4.4 to §4.8.

use super::args::{Args, double, to_double};
use super::format::{integer as format_integer_picture, number as format_number_picture};
use super::signature::{Depends, FunctionEntry, fun};
use crate::context::MATH_NAMESPACE;
use crate::eval::CallContext;
use phoenixmldb_xdm::atomic::{Decimal, Integer};
use phoenixmldb_xdm::error::{Error, Result, fail};
use phoenixmldb_xdm::names::is_ncname;
use phoenixmldb_xdm::{Atomic, AtomicType, ErrorCode, QName, Sequence};

const fn math(local: &'static str, run: fn(&mut CallContext<'_>, Vec<Sequence>) -> Result<Sequence>) -> FunctionEntry {
    super::signature::function(MATH_NAMESPACE, local, &["xs:double?"], "xs:double?", run)
}

pub(super) const TABLE: &[FunctionEntry] = &[
    fun("abs", &["xs:numeric?"], "xs:numeric?", |_, args| map_number(&args, abs)),
    fun("ceiling", &["xs:numeric?"], "xs:numeric?", |_, args| map_number(&args, ceiling)),
    fun("floor", &["xs:numeric?"], "xs:numeric?", |_, args| map_number(&args, floor)),
    fun("round", &["xs:numeric?", "xs:integer"], "xs:numeric?", |_, args| rounded(args, false)).required(1),
    fun("round-half-to-even", &["xs:numeric?", "xs:integer"], "xs:numeric?", |_, args| rounded(args, true)).required(1),
    fun("number", &["xs:anyAtomicType?"], "xs:double", number).required(0).depends(Depends::Focus),
    fun("format-integer", &["xs:integer?", "xs:string", "xs:string?"], "xs:string", format_integer).required(2),
    fun("format-number", &["xs:numeric?", "xs:string", "xs:string?"], "xs:string", format_number)
        .required(2)
        .depends(Depends::Context),
    super::signature::function(MATH_NAMESPACE, "pi", &[], "xs:double", |_, _| Ok(double(std::f64::consts::PI))),
    math("exp", |_, args| map_double(args, f64::exp)),
    math("exp10", |_, args| map_double(args, |x| 10_f64.powf(x))),
    math("log", |_, args| map_double(args, f64::ln)),
    math("log10", |_, args| map_double(args, f64::log10)),
    math("sqrt", |_, args| map_double(args, f64::sqrt)),
    math("sin", |_, args| map_double(args, f64::sin)),
    math("cos", |_, args| map_double(args, f64::cos)),
    math("tan", |_, args| map_double(args, f64::tan)),
    math("asin", |_, args| map_double(args, f64::asin)),
    math("acos", |_, args| map_double(args, f64::acos)),
    math("atan", |_, args| map_double(args, f64::atan)),
    super::signature::function(MATH_NAMESPACE, "pow", &["xs:double?", "xs:numeric"], "xs:double?", pow),
    super::signature::function(MATH_NAMESPACE, "atan2", &["xs:double", "xs:double"], "xs:double", atan2),
];

fn map_double(args: Vec<Sequence>, apply: fn(f64) -> f64) -> Result<Sequence> {
    Ok(Args::new(args).double(0)?.map_or(Sequence::Empty, |value| double(apply(value))))
}

fn pow(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let (Some(base), Some(exponent)) = (args.double(0)?, args.double(1)?) else { return Ok(Sequence::Empty) };
    Ok(double(if base == 1.0 { 1.0 } else { base.powf(exponent) }))
}

fn atan2(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    Ok(double(args.double(0)?.unwrap_or(f64::NAN).atan2(args.double(1)?.unwrap_or(f64::NAN))))
}

fn map_number(args: &[Sequence], apply: fn(&Atomic) -> Result<Atomic>) -> Result<Sequence> {
    match args[0].atomize()?.first() {
        None => Ok(Sequence::Empty),
        Some(value) => Ok(Sequence::from(apply(value)?)),
    }
}

fn not_a_number(value: &Atomic) -> Box<Error> {
    fail("XPTY0004", format!("{} where a number is needed", value.type_of()))
}

fn overflow() -> Box<Error> {
    fail("FOAR0002", "the result is too large")
}

fn abs(value: &Atomic) -> Result<Atomic> {
    Ok(match value {
        Atomic::Integer(value, _) => {
            Atomic::Integer(Integer({ value.0 }.checked_abs().ok_or_else(overflow)?), AtomicType::Integer)
        }
        Atomic::Decimal(value) => Atomic::Decimal(Decimal { mantissa: { value.mantissa }.abs(), scale: value.scale }),
        Atomic::Double(value) => Atomic::Double(value.abs()),
        Atomic::Float(value) => Atomic::Float(value.abs()),
        other => return Err(not_a_number(other)),
    })
}

/// Whole part of a decimal, towards negative infinity.
fn floored(value: &Decimal) -> i128 {
    { value.mantissa }.div_euclid(10_i128.pow(u32::from(value.scale)))
}

fn floor(value: &Atomic) -> Result<Atomic> {
    Ok(match value {
        Atomic::Integer(value, _) => Atomic::Integer(*value, AtomicType::Integer),
        Atomic::Decimal(value) => Atomic::Decimal(Decimal::new(floored(value), 0)),
        Atomic::Double(value) => Atomic::Double(value.floor()),
        Atomic::Float(value) => Atomic::Float(value.floor()),
        other => return Err(not_a_number(other)),
    })
}

fn ceiling(value: &Atomic) -> Result<Atomic> {
    Ok(match value {
        Atomic::Integer(value, _) => Atomic::Integer(*value, AtomicType::Integer),
        Atomic::Decimal(value) => {
            let negated = Decimal { mantissa: -{ value.mantissa }, scale: value.scale };
            Atomic::Decimal(Decimal::new(-floored(&negated), 0))
        }
        Atomic::Double(value) => Atomic::Double(value.ceil()),
        Atomic::Float(value) => Atomic::Float(value.ceil()),
        other => return Err(not_a_number(other)),
    })
}

/// `mantissa / 10^scale` at `precision` digits behind the point, which may be negative.
fn round_exact(mantissa: i128, scale: u8, precision: i128, to_even: bool) -> Result<Decimal> {
    let drop = i128::from(scale) - precision;
    if drop <= 0 {
        return Ok(Decimal::new(mantissa, scale));
    }
    let Some(divisor) = u32::try_from(drop).ok().and_then(|drop| 10_i128.checked_pow(drop)) else {
        return Ok(Decimal::new(0, 0));
    };
    let floor = mantissa.div_euclid(divisor);
    let rest = mantissa.rem_euclid(divisor);
    let half = divisor / 2;
    let up = rest > half || rest == half && divisor % 2 == 0 && (!to_even || floor % 2 != 0);
    let kept = floor + i128::from(up);
    if precision >= 0 {
        return Ok(Decimal::new(kept, u8::try_from(precision).map_err(|_| overflow())?));
    }
    let factor = u32::try_from(-precision).ok().and_then(|power| 10_i128.checked_pow(power)).ok_or_else(overflow)?;
    Ok(Decimal::new(kept.checked_mul(factor).ok_or_else(overflow)?, 0))
}

/// Rounds a floating number by way of its decimal digits.
fn round_floating(value: f64, digits: &str, precision: i128, to_even: bool) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let rounded = Decimal::parse(digits)
        .and_then(|exact| round_exact(exact.mantissa, exact.scale, precision, to_even).ok().map(Decimal::to_f64));
    match rounded {
        Some(rounded) if rounded == 0.0 && value < 0.0 => -0.0,
        Some(rounded) => rounded,
        // Too large or too small for 38 digits: nothing to round, or nothing left.
        None if value.abs() >= 1.0 => value,
        None => 0.0_f64.copysign(value),
    }
}

fn rounded(args: Vec<Sequence>, to_even: bool) -> Result<Sequence> {
    let args = Args::new(args);
    let precision = args.integer(1)?.unwrap_or(0);
    let Some(value) = args.atomic(0)? else { return Ok(Sequence::Empty) };
    Ok(Sequence::from(match value {
        Atomic::Integer(value, _) => {
            let rounded = round_exact(value.0, 0, precision, to_even)?;
            Atomic::Integer(Integer(rounded.mantissa), AtomicType::Integer)
        }
        Atomic::Decimal(value) => Atomic::Decimal(round_exact(value.mantissa, value.scale, precision, to_even)?),
        Atomic::Double(value) => {
            // A half is decided on the exact value of the double when there is no precision.
            if precision == 0 && !to_even {
                Atomic::Double(round_half_up(value))
            } else {
                Atomic::Double(round_floating(value, &value.to_string(), precision, to_even))
            }
        }
        Atomic::Float(value) => {
            if precision == 0 && !to_even {
                Atomic::Float(round_half_up(f64::from(value)) as f32)
            } else {
                Atomic::Float(round_floating(f64::from(value), &value.to_string(), precision, to_even) as f32)
            }
        }
        other => return Err(not_a_number(&other)),
    }))
}

fn round_half_up(value: f64) -> f64 {
    let floor = value.floor();
    let rounded = if value - floor >= 0.5 { floor + 1.0 } else { floor };
    if rounded == 0.0 && value.is_sign_negative() { -0.0 } else { rounded }
}

fn number(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let value = match args.first() {
        Some(arg) => arg.atomize()?,
        None => Sequence::One(ctx.context_item()?.clone()).atomize()?,
    };
    let value = value.first().and_then(|value| value.cast_as(AtomicType::Double, &|_| None).ok());
    Ok(double(value.map_or(Ok(f64::NAN), |value| to_double(&value))?))
}

fn picture_error(error: super::format::PictureError) -> Box<Error> {
    Box::new(Error::new(ErrorCode(error.code), error.message))
}

fn format_integer(_: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let Some(value) = args.integer(0)? else { return Ok(Sequence::string("")) };
    let picture = format_integer_picture::Picture::read(&args.text_or_empty(1)?).map_err(picture_error)?;
    Ok(Sequence::string(picture.format(value < 0, &value.unsigned_abs().to_string())))
}

/// The name of a decimal format: a QName or an EQName. Error: FODF1280.
fn format_name(ctx: &CallContext<'_>, text: &str) -> Result<QName> {
    let unknown = || fail("FODF1280", format!("{text:?} is no name of a decimal format"));
    let text = text.trim();
    if let Some((uri, local)) = text.strip_prefix("Q{").and_then(|rest| rest.split_once('}')) {
        return if is_ncname(local) { Ok(QName::new("", uri, local)) } else { Err(unknown()) };
    }
    match text.split_once(':') {
        Some((prefix, local)) if is_ncname(prefix) && is_ncname(local) => {
            let uri = ctx.static_context.namespaces.get(prefix).ok_or_else(unknown)?;
            Ok(QName::new(prefix, uri.clone(), local))
        }
        None if is_ncname(text) => Ok(QName::local(text)),
        _ => Err(unknown()),
    }
}

fn format_number(ctx: &mut CallContext<'_>, args: Vec<Sequence>) -> Result<Sequence> {
    let args = Args::new(args);
    let name = args.text(2)?.map(|text| format_name(ctx, &text)).transpose()?;
    let format = ctx.static_context.decimal_formats.get(&name);
    let format = format.ok_or_else(|| fail("FODF1280", "there is no decimal format of this name"))?;
    let number = match args.atomic(0)? {
        None => format_number_picture::Number::NaN,
        Some(Atomic::Double(value)) if !value.is_finite() => special(value),
        Some(Atomic::Float(value)) if !value.is_finite() => special(f64::from(value)),
        Some(Atomic::Double(value)) => format_number_picture::Number::from_decimal(&format!("{value:?}")),
        Some(Atomic::Float(value)) => format_number_picture::Number::from_decimal(&format!("{value:?}")),
        Some(value) => format_number_picture::Number::from_decimal(&value.to_str()),
    };
    let text = format_number_picture::format_number(&number, &args.text_or_empty(1)?, format);
    Ok(Sequence::string(text.map_err(picture_error)?))
}

fn special(value: f64) -> format_number_picture::Number {
    if value.is_nan() {
        format_number_picture::Number::NaN
    } else {
        format_number_picture::Number::Infinite(value < 0.0)
    }
}
