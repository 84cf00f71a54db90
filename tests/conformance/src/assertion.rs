//! What a case expects, as data. The judging is in `judge`.

use crate::xml::Element;
use std::path::Path;

/// An expectation.
#[derive(Clone, Debug)]
pub enum Assertion {
    /// The query fails with this code; `*` for any.
    Error(String),
    /// The expression over `$result` is true.
    Assert(String, Vec<(String, String)>),
    /// `$result eq (expression)`.
    Eq(String),
    /// `deep-equal($result, (expression))`.
    DeepEq(String),
    /// The same items in any order.
    Permutation(String),
    /// Number of items.
    Count(usize),
    /// No items.
    Empty,
    /// The value `true`.
    True,
    /// The value `false`.
    False,
    /// The result is an instance of the sequence type.
    Type(String),
    /// String values joined by single spaces; with white space normalised first, or not.
    StringValue {
        /// Expected text.
        expected: String,
        /// Whether runs of white space count as one space.
        normalize: bool,
    },
    /// Serialized, the same XML.
    Xml {
        /// Expected text, or why it could not be read.
        expected: Result<String, String>,
        /// Whether prefixes do not matter.
        ignore_prefixes: bool,
    },
    /// The serialized result matches a regular expression.
    SerializationMatches {
        /// The expression.
        pattern: String,
        /// Its flags.
        flags: String,
    },
    /// The serialized result is the text of a file or of the element.
    Serialization(Result<String, String>),
    /// Serializing fails with this code.
    SerializationError(String),
    /// All hold.
    All(Vec<Self>),
    /// One holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
}

impl Assertion {
    /// Reads the element of an assertion; files are relative to `directory`.
    pub fn read(element: &Element, directory: &Path) -> Result<Self, String> {
        let all = || element.children().map(|child| Self::read(&child, directory)).collect::<Result<Vec<_>, _>>();
        let code = || element.attribute("code").unwrap_or_else(|| "*".to_owned());
        let flag = |name: &str| element.attribute(name).is_some_and(|value| value.trim() == "true");
        let text_or_file = || match element.attribute("file") {
            None => Ok(element.text()),
            Some(file) => {
                let path = directory.join(file);
                let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
                Ok(text.strip_prefix('\u{FEFF}').unwrap_or(&text).to_owned())
            }
        };
        Ok(match element.name() {
            "error" => Self::Error(code()),
            "assert" => Self::Assert(element.text(), element.bindings()),
            "assert-eq" => Self::Eq(element.text()),
            "assert-deep-eq" => Self::DeepEq(element.text()),
            "assert-permutation" => Self::Permutation(element.text()),
            "assert-count" => {
                let text = element.text();
                Self::Count(text.trim().parse().map_err(|_| format!("assert-count {text:?} is no number"))?)
            }
            "assert-empty" => Self::Empty,
            "assert-true" => Self::True,
            "assert-false" => Self::False,
            "assert-type" => Self::Type(element.text()),
            "assert-string-value" => Self::StringValue { expected: element.text(), normalize: flag("normalize-space") },
            "assert-xml" => Self::Xml { expected: text_or_file(), ignore_prefixes: flag("ignore-prefixes") },
            "serialization-matches" | "assert-serialization-matches" => Self::SerializationMatches {
                pattern: text_or_file()?,
                flags: element.attribute("flags").unwrap_or_default(),
            },
            "assert-serialization" => Self::Serialization(text_or_file()),
            "assert-serialization-error" => Self::SerializationError(code()),
            "all-of" => Self::All(all()?),
            "any-of" => Self::Any(all()?),
            "not" => {
                let inner = element.children().next().ok_or("not has no operand")?;
                Self::Not(Box::new(Self::read(&inner, directory)?))
            }
            other => return Err(format!("unknown assertion {other}")),
        })
    }
}
