//! `fn:format-integer` — F&O 3.1 §4.6.1. Also the numbers inside dates.

use super::{PictureError, in_family, words, zero_of};

/// A parsed picture.
#[derive(Clone, Debug)]
pub struct Picture {
    primary: Primary,
    ordinal: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Primary {
    Digits {
        zero: char,
        digits_min: usize,
        separators: Vec<(usize, char)>,
        regular: Option<(usize, char)>,
    },
    Letters(Vec<char>),
    /// Upper case?
    Roman(bool),
    Words(Case),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Case {
    Lower,
    Upper,
    Title,
}

impl Picture {
    /// Reads a picture. Error: `FODF1310`.
    pub fn read(picture: &str) -> Result<Self, PictureError> {
        let error = |reason: &str| PictureError::new("FODF1310", format!("picture {picture:?}: {reason}"));
        let (primary, modifier) = match picture.rfind(';') {
            Some(at) => (&picture[..at], &picture[at + 1..]),
            None => (picture, ""),
        };
        if primary.is_empty() {
            return Err(error("there is no primary format"));
        }
        let modifier_is_valid = {
            let rest = modifier.strip_prefix(['c', 'o']);
            let rest = match rest {
                Some(rest) if rest.starts_with('(') => rest.find(')').map_or("(", |at| &rest[at + 1..]),
                Some(rest) => rest,
                None => modifier,
            };
            matches!(rest, "" | "a" | "t")
        };
        if !modifier_is_valid {
            return Err(error("the modifier after ; is not c or o with a or t"));
        }
        let primary = Primary::read(primary).map_err(|reason| error(&reason))?;
        Ok(Self { primary, ordinal: modifier.starts_with('o') })
    }

    /// A picture of a date component: like [`Picture::read`], with `ordinal` told apart already.
    pub(super) fn of_component(primary: &str, ordinal: bool) -> Result<Self, String> {
        Ok(Self { primary: Primary::read(primary)?, ordinal })
    }

    /// Whether the picture is one of digits, and how many at least.
    pub(super) fn digits_min(&self) -> Option<usize> {
        match &self.primary {
            Primary::Digits { digits_min, .. } => Some(*digits_min),
            Primary::Letters(_) | Primary::Roman(_) | Primary::Words(_) => None,
        }
    }

    /// Formats a number given by its sign and decimal digits without leading zeros.
    #[must_use]
    pub fn format(&self, negative: bool, digits: &str) -> String {
        let value: Option<u128> = digits.parse().ok();
        let plain = || (digits.to_owned(), '0');
        let text = match (&self.primary, value) {
            (Primary::Digits { zero, digits_min, separators, regular }, _) => {
                // A width of the formatter is at most 65,535.
                let padded = "0".repeat(digits_min.saturating_sub(digits.len())) + digits;
                let mut text = group(&in_family(&padded, *zero), separators, *regular);
                if self.ordinal {
                    text.push_str(value.map_or("th", words::ordinal_suffix));
                }
                text
            }
            (_, None) => plain().0,
            (Primary::Letters(alphabet), Some(value)) => words::letters(value, alphabet).unwrap_or_else(|| plain().0),
            (Primary::Roman(upper), Some(value)) => {
                let text = words::roman(value).unwrap_or_else(|| plain().0);
                if *upper { text } else { text.to_lowercase() }
            }
            (Primary::Words(case), Some(value)) => {
                let text = if self.ordinal { words::ordinal(value) } else { words::cardinal(value) };
                match case {
                    Case::Lower => text,
                    Case::Upper => text.to_uppercase(),
                    Case::Title => words::title(&text),
                }
            }
        };
        if negative { format!("-{text}") } else { text }
    }
}

impl Primary {
    fn read(text: &str) -> Result<Self, String> {
        if text.chars().any(|c| zero_of(c).is_some()) {
            return Self::digits(text);
        }
        let one = Self::Digits { zero: '0', digits_min: 1, separators: Vec::new(), regular: None };
        Ok(match text {
            "A" => Self::Letters(('A'..='Z').collect()),
            "a" => Self::Letters(('a'..='z').collect()),
            "I" => Self::Roman(true),
            "i" => Self::Roman(false),
            "W" => Self::Words(Case::Upper),
            "w" => Self::Words(Case::Lower),
            "Ww" => Self::Words(Case::Title),
            "\u{3B1}" => Self::Letters(('\u{3B1}'..='\u{3C9}').filter(|c| *c != '\u{3C2}').collect()),
            "\u{391}" => Self::Letters(('\u{391}'..='\u{3A9}').filter(|c| *c != '\u{3A2}').collect()),
            _ => one,
        })
    }

    fn digits(text: &str) -> Result<Self, String> {
        let mut zero = None;
        let mut digits_min = 0;
        let mut places = 0;
        let mut marks = Vec::new();
        let mut after_separator = true;
        for c in text.chars() {
            if c == '#' || zero_of(c).is_some() {
                match zero_of(c) {
                    Some(family) => {
                        if *zero.get_or_insert(family) != family {
                            return Err("digits of two families are mixed".to_owned());
                        }
                        digits_min += 1;
                    }
                    None if digits_min > 0 => return Err("# stands behind a digit".to_owned()),
                    None => {}
                }
                places += 1;
                after_separator = false;
            } else if c.is_alphanumeric() {
                return Err(format!("{c:?} is neither digit nor separator"));
            } else {
                if after_separator {
                    return Err("a separator stands at the start or beside another".to_owned());
                }
                marks.push((places, c));
                after_separator = true;
            }
        }
        if after_separator {
            return Err("a separator stands at the end".to_owned());
        }
        let separators: Vec<(usize, char)> = marks.into_iter().map(|(before, c)| (places - before, c)).rev().collect();
        let regular = regular(&separators, places);
        Ok(Self::Digits { zero: zero.unwrap_or('0'), digits_min, separators, regular })
    }
}

/// The distance and sign of separators that repeat; positions are counted from the right, ascending.
fn regular(separators: &[(usize, char)], places: usize) -> Option<(usize, char)> {
    let (distance, sign) = *separators.first()?;
    let even = separators.iter().enumerate().all(|(i, (at, c))| *at == distance * (i + 1) && *c == sign);
    // A further separator would have had room in the picture.
    (even && places <= distance * (separators.len() + 1)).then_some((distance, sign))
}

/// Digits with separators, whose positions count from the right.
pub(super) fn group(digits: &str, separators: &[(usize, char)], regular: Option<(usize, char)>) -> String {
    let count = digits.chars().count();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        let to_the_right = count - i;
        if i > 0 {
            match regular {
                Some((distance, sign)) if to_the_right.is_multiple_of(distance) => text.push(sign),
                Some(_) => {}
                None => text.extend(separators.iter().filter(|(at, _)| *at == to_the_right).map(|(_, sign)| *sign)),
            }
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: i64, picture: &str, expected: &str) {
        let text = Picture::read(picture).unwrap().format(value < 0, &value.unsigned_abs().to_string());
        assert_eq!(text, expected, "{value} as {picture}");
    }

    #[test]
    fn pictures_of_the_specification() {
        check(123, "0000", "0123");
        check(123, "w", "one hundred and twenty-three");
        check(21, "1;o", "21st");
        check(14, "Ww;o(-e)", "Fourteenth");
        check(7, "a", "g");
        check(57, "I", "LVII");
        check(1_234, "#;##0;", "1;234");
        check(-1_500_000, "#,###,000", "-1,500,000");
        check(602_347_826, "#(000)000-000", "(602)347-826".trim_start_matches('('));
        check(12, "\u{661}", "\u{661}\u{662}");
    }

    #[test]
    fn bad_pictures_are_refused() {
        for picture in ["", "0#", ",000", "0,,0", "000,", "1;x", "1\u{661}"] {
            assert_eq!(Picture::read(picture).unwrap_err().code, "FODF1310", "{picture}");
        }
    }
}
