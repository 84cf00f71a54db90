//! Regular expressions of XPath and XQuery Functions 3.1 §5.6.1: the flavour of XML Schema with anchors, reluctant
//! quantifiers, groups that do not capture, and back-references.
//!
//! ```text
//!  pattern ─► parse ─► Node ─┬─► translate ─► regex crate           linear time
//!                            └─► backtrack   (back-references only)  charged to the meter
//! ```
//!
//! Compiled expressions are values; callers keep them for constant patterns.

mod backtrack;
mod blocks;
mod parse;
mod translate;

pub use parse::RegexError;

use phoenixmldb_xdm::Meter;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct XPathRegex {
    matcher: Matcher,
    groups: usize,
    /// For each group the one around it; 0 for none. Entry 0 is the whole match.
    parents: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Matcher {
    Linear(regex::Regex),
    Backtrack(backtrack::Program),
}

/// Byte ranges of a match and of its groups; entry 0 is the whole match.
pub type Captures = Vec<Option<(usize, usize)>>;

impl XPathRegex {
    /// Compiles a pattern. Errors: a bad flag (`FORX0001`) or a bad pattern (`FORX0002`).
    pub fn new(pattern: &str, flags: &str) -> Result<Self, RegexError> {
        let flags = parse::Flags::read(flags)?;
        let parsed = parse::parse(pattern, flags)?;
        let matcher = if parsed.has_references {
            Matcher::Backtrack(backtrack::Program::new(&parsed.node, flags)?)
        } else {
            let text = translate::translate(&parsed.node, flags);
            let built =
                regex::RegexBuilder::new(&text).size_limit(crate::functions::limits::REGEX_SIZE_BYTES_MAX).build();
            Matcher::Linear(built.map_err(|error| RegexError::pattern(pattern, &error.to_string()))?)
        };
        Ok(Self { matcher, groups: parsed.groups, parents: parsed.parents })
    }

    /// Bytes that a match takes.
    fn match_bytes(&self) -> u64 {
        (size_of::<Captures>() + (self.groups + 1) * size_of::<Option<(usize, usize)>>()) as u64
    }

    /// Number of capturing groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The group around group `group`; 0 when it stands alone.
    #[must_use]
    pub fn parent_of(&self, group: usize) -> usize {
        self.parents.get(group).copied().unwrap_or(0)
    }

    /// Whether it matches anywhere. Errors: those of the meter, and [`Limit::Stack`](phoenixmldb_xdm::Limit::Stack).
    pub fn is_match(&self, text: &str, meter: &Meter) -> phoenixmldb_xdm::error::Result<bool> {
        match &self.matcher {
            Matcher::Linear(regex) => Ok(regex.is_match(text)),
            Matcher::Backtrack(program) => Ok(program.find(text, 0, meter)?.is_some()),
        }
    }

    /// All matches from left to right that do not overlap. Errors: those of [`XPathRegex::is_match`].
    pub fn all(&self, text: &str, meter: &Meter) -> phoenixmldb_xdm::error::Result<Vec<Captures>> {
        match &self.matcher {
            Matcher::Linear(regex) => {
                let spans = |captures: regex::Captures<'_>| {
                    captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
                };
                let match_bytes = self.match_bytes();
                let mut found = Vec::new();
                for captures in regex.captures_iter(text) {
                    meter.charge(1)?;
                    meter.hold(match_bytes)?;
                    found.push(spans(captures));
                }
                Ok(found)
            }
            Matcher::Backtrack(program) => {
                let mut found = Vec::new();
                let mut from = 0;
                while let Some(captures) = program.find(text, from, meter)? {
                    let (start, end) = captures[0].expect("a match has a range");
                    meter.hold(self.match_bytes())?;
                    found.push(captures);
                    from = if end > start {
                        end
                    } else {
                        match text[end..].chars().next() {
                            Some(c) => end + c.len_utf8(),
                            None => break,
                        }
                    };
                }
                Ok(found)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, flags: &str, text: &str, matched: &[&str]) {
        let regex = XPathRegex::new(pattern, flags).unwrap();
        let all = regex.all(text, &Meter::default()).unwrap();
        let found: Vec<&str> = all.iter().map(|groups| groups[0].map_or("", |(from, to)| &text[from..to])).collect();
        assert_eq!(found, matched, "{pattern} in {text}");
    }

    #[test]
    fn classes_subtract_and_name_blocks_and_categories() {
        check("[a-z-[aeiou]]+", "", "hello", &["h", "ll"]);
        check(r"\p{IsBasicLatin}+", "", "aé", &["a"]);
        check(r"\p{Lu}", "", "aBc", &["B"]);
        check(r"\i\c*", "", "1a-b c", &["a-b", "c"]);
        check(r"[^\d]+", "", "1ab2", &["ab"]);
    }

    #[test]
    fn flags_change_meaning() {
        check("A.B", "is", "a\nb", &["a\nb"]);
        check("a b", "x", "ab", &["ab"]);
        check("a.b", "q", "a.b axb", &["a.b"]);
        check("^a$", "m", "a\nb\na", &["a", "a"]);
    }

    #[test]
    fn references_compare_with_the_group() {
        check(r"(.)\1", "", "aabcc", &["aa", "cc"]);
        check(r"(['\u{22}]).*?\1".replace("\\u{22}", "\"").as_str(), "", "'a\"b' c", &["'a\"b'"]);
        check(r"([ab])([cd])\2\1", "", "acca bddb", &["acca", "bddb"]);
    }

    #[test]
    fn bad_patterns_are_refused() {
        for pattern in ["(", "a{2,1}", "[b-a]", r"\p{Foo}", r"\1(a)", "a**", "[]", "(?=a)", r"\u0041", "[a", "{"] {
            assert_eq!(XPathRegex::new(pattern, "").unwrap_err().code, "FORX0002", "{pattern}");
        }
        assert_eq!(XPathRegex::new("a", "u").unwrap_err().code, "FORX0001");
    }
}
