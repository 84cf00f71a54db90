//! Errors of queries: a code of the specifications, a message, and where it happened.
//!
//! F&O 3.1 appendix C, XQuery 3.1 appendix F. Boxed in [`Result`], so that the good path stays narrow.

use crate::names::QName;
use crate::sequence::Sequence;
use std::fmt;

/// Namespace of the codes, usually bound to `err`.
pub const ERROR_NAMESPACE: &str = "http://www.w3.org/2005/xqt-errors";

/// A code of the specifications, such as `XPTY0004`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct ErrorCode(pub &'static str);

/// Where an error happened, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// URI of the module; `None` for the main module.
    pub module: Option<crate::Str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// An error of a query.
#[derive(Clone, Debug)]
pub struct Error {
    /// The code as a name; `err:` codes of the specifications or one given to `fn:error`.
    pub code: QName,
    /// What is wrong, in words.
    pub message: String,
    /// The error object of `fn:error`.
    pub value: Option<Sequence>,
    /// Byte offsets in the module text; set by the engine at the innermost expression.
    pub span: Option<(u32, u32)>,
    /// Line and column of the span; set by the engine.
    pub location: Option<Location>,
}

/// What evaluation returns.
pub type Result<T> = std::result::Result<T, Box<Error>>;

impl Error {
    /// An error of the specifications.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::named(QName::new("err", ERROR_NAMESPACE, code.0), message)
    }

    /// An error with a code of the query's own.
    pub fn named(code: QName, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), value: None, span: None, location: None }
    }

    /// Whether the code is this one of the specifications.
    #[must_use]
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code.uri == ERROR_NAMESPACE && self.code.local == code.0
    }

    /// The same, at a place; the first place given stays.
    #[must_use]
    pub fn at(mut self: Box<Self>, start: u32, end: u32) -> Box<Self> {
        self.span.get_or_insert((start, end));
        self
    }
}

/// An error of the specifications, boxed: `return Err(fail("FORG0001", …))`.
pub fn fail(code: &'static str, message: impl Into<String>) -> Box<Error> {
    Box::new(Error::new(ErrorCode(code), message))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.lexical(), self.message)?;
        if let Some(at) = &self.location {
            write!(f, " (line {}, column {}", at.line, at.column)?;
            if let Some(module) = &at.module {
                write!(f, " of {module}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
