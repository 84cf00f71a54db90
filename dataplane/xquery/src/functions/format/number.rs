//! `fn:format-number` — F&O 3.1 §4.7, over decimal digits.

use super::{PictureError, digit_of};
use crate::context::DecimalFormat;

/// Sets the property called `name`. Errors: `XQST0097` for a bad value, `XPST0003` for an unknown property.
pub fn set_property(format: &mut DecimalFormat, name: &str, value: &str) -> Result<(), PictureError> {
    let mut chars = value.chars();
    let one = match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(PictureError::new("XQST0097", format!("{name} of a decimal format is one character"))),
    };
    match name {
        "decimal-separator" => format.decimal_separator = one?,
        "grouping-separator" => format.grouping_separator = one?,
        "exponent-separator" => format.exponent_separator = one?,
        "infinity" => format.infinity = value.into(),
        "minus-sign" => format.minus_sign = one?,
        "NaN" => format.nan = value.into(),
        "percent" => format.percent = one?,
        "per-mille" => format.per_mille = one?,
        "zero-digit" => {
            let zero = one?;
            if super::zero_of(zero) != Some(zero) {
                return Err(PictureError::new("XQST0097", "zero-digit is a digit zero".to_owned()));
            }
            format.zero_digit = zero;
        }
        "digit" => format.digit = one?,
        "pattern-separator" => format.pattern_separator = one?,
        name => return Err(PictureError::new("XPST0003", format!("a decimal format has no property {name}"))),
    }
    Ok(())
}

/// Checks that all characters with a meaning differ. Error: `XQST0098`.
pub fn check(format: &DecimalFormat) -> Result<(), PictureError> {
    let signs = [
        format.decimal_separator,
        format.grouping_separator,
        format.exponent_separator,
        format.percent,
        format.per_mille,
        format.digit,
        format.pattern_separator,
    ];
    for (i, sign) in signs.iter().enumerate() {
        if signs[..i].contains(sign) || value_of(format, *sign).is_some() {
            return Err(PictureError::new("XQST0098", format!("{sign:?} has two meanings in a decimal format")));
        }
    }
    Ok(())
}

/// The value of a digit of the format's family.
fn value_of(format: &DecimalFormat, c: char) -> Option<u32> {
    u32::from(c).checked_sub(u32::from(format.zero_digit)).filter(|value| *value < 10)
}

fn is_active(format: &DecimalFormat, c: char) -> bool {
    value_of(format, c).is_some() || [format.decimal_separator, format.grouping_separator, format.digit].contains(&c)
}

/// A number to be formatted: not a number, infinite, or digits.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// Not a number.
    NaN,
    /// Infinite; negative or not.
    Infinite(bool),
    /// `0.d1d2d3… × 10^point`, negative or not. Digits are ASCII without leading zeros; none for zero.
    Finite {
        /// The sign.
        negative: bool,
        /// Significant digits.
        digits: String,
        /// Where the decimal point is, in digits from the left.
        point: i32,
    },
}

impl Number {
    /// From plain decimal notation, as `-12.50`, with or without an exponent.
    #[must_use]
    pub fn from_decimal(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = all.len() - digits.len();
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let point = count(whole.len()) - count(leading) + exponent;
        Self::Finite { negative, digits: digits.trim_end_matches('0').to_owned(), point }
    }
}

/// One half of a picture.
#[derive(Clone, Debug, Default)]
struct Pattern {
    prefix: String,
    suffix: String,
    whole_min: usize,
    whole_separators: Vec<usize>,
    regular: Option<usize>,
    fraction_min: usize,
    fraction_max: usize,
    fraction_separators: Vec<usize>,
    exponent_min: usize,
    scaling: usize,
    percent: bool,
    per_mille: bool,
}

/// Formats a number. Error: `FODF1310`.
pub fn format_number(number: &Number, picture: &str, format: &DecimalFormat) -> Result<String, PictureError> {
    let halves: Vec<&str> = picture.split(format.pattern_separator).collect();
    let error = |reason: &str| PictureError::new("FODF1310", format!("picture {picture:?}: {reason}"));
    if halves.len() > 2 {
        return Err(error("more than one pattern separator"));
    }
    let patterns: Vec<Pattern> =
        halves.iter().map(|half| read(half, format).map_err(&error)).collect::<Result<_, _>>()?;
    let negative = match number {
        Number::NaN => return Ok(format.nan.to_string()),
        Number::Infinite(negative) | Number::Finite { negative, .. } => *negative,
    };
    let mut pattern = patterns[0].clone();
    if negative {
        match patterns.get(1) {
            Some(second) => pattern = second.clone(),
            None => pattern.prefix.insert(0, format.minus_sign),
        }
    }
    let body = match number {
        Number::Finite { digits, point, .. } => finite(digits, *point, &pattern, format),
        Number::Infinite(_) | Number::NaN => format.infinity.to_string(),
    };
    Ok(format!("{}{body}{}", pattern.prefix, pattern.suffix))
}

/// §4.7.4: analyses a sub-picture.
fn read(half: &str, format: &DecimalFormat) -> Result<Pattern, &'static str> {
    let chars: Vec<char> = half.chars().collect();
    let first = chars.iter().position(|c| is_active(format, *c)).ok_or("no digit")?;
    let last = chars.iter().rposition(|c| is_active(format, *c)).ok_or("no digit")?;
    let mut pattern = Pattern {
        prefix: chars[..first].iter().collect(),
        suffix: chars[last + 1..].iter().collect(),
        ..Pattern::default()
    };
    let count = |sign: char| chars.iter().filter(|c| **c == sign).count();
    let (percents, per_milles) = (count(format.percent), count(format.per_mille));
    if percents + per_milles > 1 {
        return Err("more than one percent or per-mille sign");
    }
    pattern.percent = percents == 1;
    pattern.per_mille = per_milles == 1;
    if count(format.decimal_separator) > 1 {
        return Err("more than one decimal separator");
    }
    let active = &chars[first..=last];
    let exponents: Vec<usize> = (0..active.len()).filter(|at| active[*at] == format.exponent_separator).collect();
    if exponents.len() > 1 {
        return Err("more than one exponent separator");
    }
    let mut mantissa = active;
    if let Some(at) = exponents.first() {
        let exponent = &active[at + 1..];
        if exponent.is_empty() || exponent.iter().any(|c| value_of(format, *c).is_none()) {
            return Err("the exponent is not digits alone");
        }
        if pattern.percent || pattern.per_mille {
            return Err("an exponent together with percent or per-mille");
        }
        pattern.exponent_min = exponent.len();
        mantissa = &active[..*at];
    }
    if mantissa.iter().any(|c| !is_active(format, *c)) {
        return Err("a passive character stands between active ones");
    }
    let at = mantissa.iter().position(|c| *c == format.decimal_separator);
    let (whole, fraction) = at.map_or((mantissa, &[][..]), |at| (&mantissa[..at], &mantissa[at + 1..]));
    let is_digit = |c: char| c == format.digit || value_of(format, c).is_some();
    if !mantissa.iter().any(|c| is_digit(*c)) {
        return Err("no digit");
    }
    let grouping = format.grouping_separator;
    let adjacent = mantissa.windows(2).any(|pair| {
        pair[0] == grouping && (pair[1] == grouping || pair[1] == format.decimal_separator)
            || pair[1] == grouping && pair[0] == format.decimal_separator
    });
    if adjacent || whole.last() == Some(&grouping) || fraction.last() == Some(&grouping) && exponents.is_empty() {
        return Err("a grouping separator stands beside another separator or at the end");
    }
    if fraction.last() == Some(&grouping) {
        return Err("a grouping separator stands at the end");
    }
    let mandatory = |part: &[char]| part.iter().filter(|c| value_of(format, **c).is_some()).count();
    let after_mandatory = whole.iter().skip_while(|c| value_of(format, **c).is_none());
    if after_mandatory.clone().any(|c| *c == format.digit) {
        return Err("an optional digit stands behind a mandatory one");
    }
    if fraction.iter().skip_while(|c| **c != format.digit).any(|c| value_of(format, *c).is_some()) {
        return Err("a mandatory digit stands behind an optional one");
    }
    for (at, c) in whole.iter().enumerate() {
        if *c == grouping {
            pattern.whole_separators.push(whole[at..].iter().filter(|c| is_digit(**c)).count());
        }
    }
    for (at, c) in fraction.iter().enumerate() {
        if *c == grouping {
            pattern.fraction_separators.push(fraction[..at].iter().filter(|c| is_digit(**c)).count());
        }
    }
    pattern.regular = regular(&pattern.whole_separators, whole.iter().filter(|c| is_digit(**c)).count());
    pattern.whole_min = mandatory(whole);
    pattern.scaling = pattern.whole_min;
    pattern.fraction_min = mandatory(fraction);
    pattern.fraction_max = fraction.iter().filter(|c| is_digit(**c)).count();
    if pattern.whole_min == 0 && pattern.fraction_max == 0 {
        if pattern.exponent_min > 0 {
            pattern.fraction_min = 1;
            pattern.fraction_max = 1;
        } else {
            pattern.whole_min = 1;
        }
    }
    if pattern.exponent_min > 0 && pattern.whole_min == 0 && whole.contains(&format.digit) {
        pattern.whole_min = 1;
    }
    if pattern.whole_min == 0 && pattern.fraction_min == 0 {
        pattern.fraction_min = 1;
    }
    Ok(pattern)
}

fn regular(separators: &[usize], places: usize) -> Option<usize> {
    let distance = *separators.last()?;
    let even = separators.iter().rev().enumerate().all(|(i, at)| *at == distance * (i + 1));
    (even && places <= distance * (separators.len() + 1)).then_some(distance)
}

/// §4.7.5: the digits of a finite number.
fn finite(digits: &str, point: i32, pattern: &Pattern, format: &DecimalFormat) -> String {
    let mut point = point
        + if pattern.percent {
            2
        } else if pattern.per_mille {
            3
        } else {
            0
        };
    let mut exponent = 0;
    if pattern.exponent_min > 0 && !digits.is_empty() {
        let scaling = i32::try_from(pattern.scaling).unwrap_or(i32::MAX);
        exponent = point - scaling;
        point = scaling;
    }
    let (mut whole, mut fraction) = round(digits, point, pattern.fraction_max);
    while whole.len() < pattern.whole_min {
        whole.insert(0, '0');
    }
    while fraction.len() < pattern.fraction_min {
        fraction.push('0');
    }
    let digit = |c: char| digit_of(format.zero_digit, c.to_digit(10).unwrap_or(0));
    let mut text = String::new();
    for (i, c) in whole.chars().enumerate() {
        let to_the_right = whole.len() - i;
        let separated = match pattern.regular {
            Some(distance) => to_the_right % distance == 0,
            None => pattern.whole_separators.contains(&to_the_right),
        };
        if i > 0 && separated {
            text.push(format.grouping_separator);
        }
        text.push(digit(c));
    }
    if !fraction.is_empty() {
        text.push(format.decimal_separator);
    }
    for (i, c) in fraction.chars().enumerate() {
        if pattern.fraction_separators.contains(&i) {
            text.push(format.grouping_separator);
        }
        text.push(digit(c));
    }
    if pattern.exponent_min > 0 {
        text.push(format.exponent_separator);
        if exponent < 0 {
            text.push(format.minus_sign);
        }
        let width = pattern.exponent_min;
        text.extend(format!("{:0>width$}", exponent.unsigned_abs()).chars().map(digit));
    }
    text
}

/// Whole and fraction digits of `0.digits × 10^point`, rounded half to even at `fraction_max` digits.
fn round(digits: &str, point: i32, fraction_max: usize) -> (String, String) {
    let keep = i64::from(point) + i64::try_from(fraction_max).unwrap_or(i64::MAX);
    let mut kept: Vec<u8> = Vec::new();
    let bytes = digits.as_bytes();
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let lead = usize::try_from(-point).unwrap_or(0);
    if keep >= length {
        kept.extend_from_slice(bytes);
    } else if keep >= 0 {
        let at = usize::try_from(keep).unwrap_or(0);
        kept.extend_from_slice(&bytes[..at]);
        let half = bytes[at] == b'5' && bytes[at + 1..].iter().all(|b| *b == b'0');
        let odd = kept.last().is_some_and(|b| (b - b'0') % 2 == 1);
        if bytes[at] > b'5' || bytes[at] == b'5' && (!half || odd) {
            return carried(kept, point, lead.min(fraction_max));
        }
    }
    split(kept, point, lead.min(fraction_max))
}

fn carried(mut kept: Vec<u8>, point: i32, lead: usize) -> (String, String) {
    for at in (0..kept.len()).rev() {
        if kept[at] == b'9' {
            kept[at] = b'0';
        } else {
            kept[at] += 1;
            return split(kept, point, lead);
        }
    }
    kept.insert(0, b'1');
    split(kept, point + 1, lead.saturating_sub(1))
}

/// Splits digits at the point; `lead` zeros stand between a point and the first digit when `point` is negative.
fn split(mut kept: Vec<u8>, point: i32, lead: usize) -> (String, String) {
    let text = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<String>();
    if point <= 0 {
        let fraction = "0".repeat(if kept.is_empty() { 0 } else { lead }) + &text(&kept);
        return (String::new(), fraction.trim_end_matches('0').to_owned());
    }
    let at = usize::try_from(point).unwrap_or(0);
    while kept.len() < at && !kept.is_empty() {
        kept.push(b'0');
    }
    let at = at.min(kept.len());
    (text(&kept[..at]), text(&kept[at..]).trim_end_matches('0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: &str, picture: &str, expected: &str) {
        let text = format_number(&Number::from_decimal(number), picture, &DecimalFormat::default());
        assert_eq!(text.unwrap(), expected, "{number} as {picture}");
    }

    #[test]
    fn pictures_of_the_specification() {
        check("12345.6", "#,###.00", "12,345.60");
        check("12345678.9", "9,999.99", "12,345,678.90");
        check("123.9", "9999", "0124");
        check("0.14", "01%", "14%");
        check("-6", "000", "-006");
        check("1234.5678", "00.000e0", "12.346e2");
        check("0.234", "0.0e0", "2.3e-1");
        check("0.234", ".00e0", ".23e0");
        check("0.00001", "#.##", ".0");
        check("0.5", "0", "0");
        check("1.5", "0", "2");
        check("9.99", "0.0", "10.0");
        check("0.05", "0.0", "0.0");
        check("0.06", "#.0", ".1");
        check("123", "#,##0", "123");
    }

    #[test]
    fn bad_pictures_are_refused() {
        for picture in ["", "a", "0#", "0.#0", "0,,0", "0.0.0", "0%%", "1;1;1", "0,.0", "0e"] {
            let error = format_number(&Number::NaN, picture, &DecimalFormat::default());
            if picture == "0e" {
                assert!(error.is_ok())
            } else {
                assert_eq!(error.unwrap_err().code, "FODF1310", "{picture}")
            }
        }
    }
}
