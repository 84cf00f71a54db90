//! Names that users give: containers and documents, checked once and trusted afterwards.
//!
//! The rules are printed in every refusal, so that nobody has to look them up.

use crate::limits::{CONTAINER_NAME_BYTES_MAX, DOCUMENT_NAME_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not a name. Final: the same text never becomes valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A node or cluster id.
    #[error("{what} {text:?} is not valid: 1 to 63 characters of [a-z0-9][a-z0-9._-]{{0,62}}")]
    Identifier {
        /// `node id` or `cluster id`.
        what: &'static str,
        /// What was given.
        text: String,
    },
    /// A container name.
    #[error(
        "container name {text:?} is not valid: a letter or digit, then letters, digits, '-', '_' and '.', 1 to 128 bytes"
    )]
    Container {
        /// What was given.
        text: String,
    },
    /// A document name.
    #[error("document name {text:?} is not valid: {rule}")]
    Document {
        /// What was given.
        text: String,
        /// The part of the rule that it breaks.
        rule: &'static str,
    },
    /// A transaction id.
    #[error("transaction id {text:?} is not valid: expected <shard>-<hexadecimal start timestamp>")]
    TransactionId {
        /// What was given.
        text: String,
    },
}

/// Name of a container: an ASCII letter or digit, then letters, digits, `-`, `_`, `.`; at most 128 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(String);

/// Name of a document within its container: a virtual path of letters, digits, `-`, `_`, `.` and `/`.
///
/// Letters and digits are Unicode's; at most 1,024 bytes of UTF-8; no empty, `.` or `..` segment, so no leading slash.
/// Ordered by codepoints, which is also document order across documents.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentName(String);

impl ContainerName {
    /// The only constructor. Error: [`NameError::Container`]; final.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if starts && text.len() <= CONTAINER_NAME_BYTES_MAX && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Container { text: text.to_owned() })
        }
    }
}

impl DocumentName {
    /// The only constructor. Error: [`NameError::Document`], naming the broken rule; final.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = |rule| Err(NameError::Document { text: text.to_owned(), rule });
        if text.is_empty() || text.len() > DOCUMENT_NAME_BYTES_MAX {
            return refuse("1 to 1024 bytes");
        }
        if !text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')) {
            return refuse("letters, digits, '-', '_', '.' and '/' only");
        }
        if text.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..") {
            return refuse("no empty, '.' or '..' segment, so no leading, trailing or double '/'");
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! text_name {
    ($name:ident) => {
        impl $name {
            /// The checked text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}
text_name!(ContainerName);
text_name!(DocumentName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_names_are_virtual_paths() {
        for good in ["o1.xml", "2026/05/order-1.xml", "straße_1", "a"] {
            assert_eq!(DocumentName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "a b", "a\n", "a?b", &"x".repeat(1025)] {
            assert!(DocumentName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn container_names_are_short_ascii() {
        for good in ["orders", "O2", "a.b-c_d"] {
            assert_eq!(ContainerName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a/b", "é", &"x".repeat(129)] {
            assert!(ContainerName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
