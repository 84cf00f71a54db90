//! Collations (F&O 3.1 §5.3): codepoints, ASCII without case, and the Unicode Collation Algorithm through ICU4X.
//!
//! ICU4X has no search, so that `contains` and its like under UCA compare candidate substrings.

use crate::eval::CallContext;
use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, MaxVariable, Strength};
use icu_collator::preferences::CollationCaseFirst;
use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences};
use phoenixmldb_xdm::Str;
use phoenixmldb_xdm::atomic::compare::{self, Comparison};
use phoenixmldb_xdm::error::{Result, fail};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The Unicode codepoint collation.
pub const CODEPOINT: &str = "http://www.w3.org/2005/xpath-functions/collation/codepoint";
const ASCII: &str = "http://www.w3.org/2005/xpath-functions/collation/html-ascii-case-insensitive";
const UCA: &str = "http://www.w3.org/2013/collation/UCA";

/// The collation with this absolute URI, for the evaluator: `None` when it is not known, `Some(None)` for codepoints.
#[must_use]
pub fn find(uri: &str) -> Option<Option<Arc<dyn compare::Collation>>> {
    Collation::named(uri, None).ok().map(Collation::shared)
}

/// A way to compare texts.
#[derive(Clone)]
pub enum Collation {
    /// By codepoints.
    Codepoint,
    /// By codepoints, with `A` to `Z` like `a` to `z`.
    AsciiCaseInsensitive,
    /// Unicode Collation Algorithm.
    Uca(Arc<CollatorBorrowed<'static>>),
}

impl Collation {
    /// The collation with this URI, resolved against the base URI. Error: FOCH0002.
    pub fn named(uri: &str, base: Option<&str>) -> Result<Self> {
        let resolved = super::uri::resolve(uri, base).unwrap_or_else(|| uri.to_owned());
        match resolved.split_once('?') {
            None if resolved == CODEPOINT => Ok(Self::Codepoint),
            None if resolved == ASCII => Ok(Self::AsciiCaseInsensitive),
            None if resolved == UCA => uca(""),
            Some((UCA, parameters)) => uca(parameters),
            _ => Err(fail("FOCH0002", format!("there is no collation {resolved}"))),
        }
    }

    /// As the comparisons of atomic values take it; `None` for codepoints.
    #[must_use]
    pub fn shared(self) -> Option<Arc<dyn compare::Collation>> {
        match self {
            Self::Codepoint => None,
            other => Some(Arc::new(other)),
        }
    }

    /// Orders two texts.
    #[must_use]
    pub fn compare(&self, a: &str, b: &str) -> Ordering {
        match self {
            Self::Codepoint => a.cmp(b),
            Self::AsciiCaseInsensitive => {
                let low = |c: u8| c.to_ascii_lowercase();
                a.bytes().map(low).cmp(b.bytes().map(low))
            }
            Self::Uca(collator) => collator.compare(a, b),
        }
    }

    /// Bytes that are equal, and ordered, as the texts are.
    #[must_use]
    pub fn key(&self, text: &str) -> Vec<u8> {
        match self {
            Self::Codepoint => text.as_bytes().to_vec(),
            Self::AsciiCaseInsensitive => text.to_ascii_lowercase().into_bytes(),
            Self::Uca(collator) => {
                let mut key = Vec::new();
                // A vector takes whatever is written.
                let _ = collator.write_sort_key_to(text, &mut key);
                key
            }
        }
    }

    /// The first and the shortest range of `text` that equals `part`; of several ends the first one.
    #[must_use]
    pub fn search(&self, text: &str, part: &str) -> Option<(usize, usize)> {
        if part.is_empty() {
            return Some((0, 0));
        }
        match self {
            Self::Codepoint => text.find(part).map(|at| (at, at + part.len())),
            Self::AsciiCaseInsensitive => {
                let at = text.to_ascii_lowercase().find(&part.to_ascii_lowercase())?;
                Some((at, at + part.len()))
            }
            Self::Uca(_) => {
                if self.compare(part, "") == Ordering::Equal {
                    return Some((0, 0));
                }
                let mut starts = text.char_indices().map(|(at, _)| at);
                let found = |from: usize| self.prefix(&text[from..], part).map(|to| (from, from + to));
                let (first, to) = starts.find_map(found)?;
                // The match is minimal: what is ignored at its front does not belong to it.
                let later = starts.take_while(|from| *from < to);
                let from = later.take_while(|from| self.compare(&text[*from..to], part) == Ordering::Equal).last();
                Some((from.unwrap_or(first), to))
            }
        }
    }

    /// Length of the shortest prefix of `text` that equals `part`.
    #[must_use]
    pub fn prefix(&self, text: &str, part: &str) -> Option<usize> {
        match self {
            Self::Codepoint => text.starts_with(part).then_some(part.len()),
            Self::AsciiCaseInsensitive => {
                text.get(..part.len()).filter(|head| head.eq_ignore_ascii_case(part)).map(str::len)
            }
            Self::Uca(_) => {
                let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
                ends.into_iter().find(|to| self.compare(&text[..*to], part) == Ordering::Equal)
            }
        }
    }

    /// Whether a suffix of `text` equals `part`.
    #[must_use]
    pub fn is_suffix(&self, text: &str, part: &str) -> bool {
        match self {
            Self::Codepoint => text.ends_with(part),
            Self::AsciiCaseInsensitive => text.to_ascii_lowercase().ends_with(&part.to_ascii_lowercase()),
            Self::Uca(_) => {
                let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
                starts.into_iter().any(|from| self.compare(&text[from..], part) == Ordering::Equal)
            }
        }
    }
}

impl fmt::Debug for Collation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(compare::Collation::uri(self))
    }
}

impl compare::Collation for Collation {
    fn uri(&self) -> &str {
        match self {
            Self::Codepoint => CODEPOINT,
            Self::AsciiCaseInsensitive => ASCII,
            Self::Uca(_) => UCA,
        }
    }

    fn compare(&self, a: &str, b: &str) -> Ordering {
        Self::compare(self, a, b)
    }

    fn sort_key(&self, text: &str) -> Vec<u8> {
        self.key(text)
    }
}

/// How values are compared under the collation that an optional argument names, or the default one.
pub(super) fn comparison(ctx: &CallContext<'_>, name: Option<Str>) -> Result<Comparison> {
    let collation = of(ctx, name)?.shared();
    Ok(Comparison { implicit_zone: ctx.evaluator.dynamic.implicit_zone(), collation })
}

/// §5.3.4: parameters of the UCA, separated by semicolons.
fn uca(parameters: &str) -> Result<Collation> {
    let mut options = CollatorOptions::default();
    let mut preferences = CollatorPreferences::default();
    let mut with_fallback = true;
    let bad = |key: &str, value: &str| fail("FOCH0002", format!("collation parameter {key}={value} is not supported"));
    let mut refused = None;
    for parameter in parameters.split(';').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (key, value) {
            ("fallback", "yes") => with_fallback = true,
            ("fallback", "no") => with_fallback = false,
            ("lang", language) => match language.parse::<icu_locale_core::Locale>() {
                Ok(locale) => preferences.extend(CollatorPreferences::from(&locale)),
                Err(_) => refused = Some(bad(key, value)),
            },
            ("strength", "primary" | "1") => options.strength = Some(Strength::Primary),
            ("strength", "secondary" | "2") => options.strength = Some(Strength::Secondary),
            ("strength", "tertiary" | "3") => options.strength = Some(Strength::Tertiary),
            ("strength", "quaternary" | "4") => options.strength = Some(Strength::Quaternary),
            ("strength", "identical" | "5") => options.strength = Some(Strength::Identical),
            ("alternate", "non-ignorable") => options.alternate_handling = Some(AlternateHandling::NonIgnorable),
            ("alternate", "shifted" | "blanked") => options.alternate_handling = Some(AlternateHandling::Shifted),
            ("caseLevel", "yes") => options.case_level = Some(CaseLevel::On),
            ("caseLevel", "no") => options.case_level = Some(CaseLevel::Off),
            ("caseFirst", "upper") => preferences.case_first = Some(CollationCaseFirst::Upper),
            ("caseFirst", "lower") => preferences.case_first = Some(CollationCaseFirst::Lower),
            ("numeric", "yes") => {
                preferences.numeric_ordering = Some(icu_collator::preferences::CollationNumericOrdering::True);
            }
            ("maxVariable", "space") => options.max_variable = Some(MaxVariable::Space),
            ("maxVariable", "punct") => options.max_variable = Some(MaxVariable::Punctuation),
            ("maxVariable", "symbol") => options.max_variable = Some(MaxVariable::Symbol),
            ("maxVariable", "currency") => options.max_variable = Some(MaxVariable::Currency),
            ("numeric" | "backwards", "no") | ("normalization", "yes" | "no") => {}
            // Another order of scripts than asked for would be a wrong answer rather than an approximation.
            ("reorder", _) => return Err(bad(key, value)),
            (key, value) => refused = Some(bad(key, value)),
        }
    }
    match refused {
        Some(error) if !with_fallback => Err(error),
        _ => {
            let collator = Collator::try_new(preferences, options);
            let collator = collator.map_err(|error| fail("FOCH0002", error.to_string()))?;
            Ok(Collation::Uca(Arc::new(collator)))
        }
    }
}

/// The collation an optional argument names, or the default one.
pub(super) fn of(ctx: &CallContext<'_>, name: Option<Str>) -> Result<Collation> {
    match name {
        Some(uri) => {
            let context = ctx.static_context;
            Collation::named(context.collation_uri(&uri), context.base_uri.as_deref())
        }
        None => default(ctx),
    }
}

/// The default collation.
pub(super) fn default(ctx: &CallContext<'_>) -> Result<Collation> {
    Collation::named(ctx.static_context.collation_uri(&ctx.static_context.default_collation), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_decides_what_is_equal() {
        let primary = Collation::named("http://www.w3.org/2013/collation/UCA?lang=en;strength=primary", None).unwrap();
        assert_eq!(primary.compare("resume", "R\u{E9}sum\u{E9}"), Ordering::Equal);
        assert_eq!(primary.key("A"), primary.key("a"));
        assert_eq!(primary.search("xxABcd", "abc"), Some((2, 5)));
        let exact = Collation::named(CODEPOINT, None).unwrap();
        assert_ne!(exact.compare("a", "A"), Ordering::Equal);
    }

    #[test]
    fn unknown_collations_are_refused() {
        assert!(Collation::named("http://example.com/c", None).is_err());
        assert!(Collation::named("http://www.w3.org/2013/collation/UCA?fallback=no;strength=9", None).is_err());
    }
}
