//! The grammar of XQuery 3.1 and the Update Facility 3.0, by recursive descent.
//!
//! ```text
//!  prolog.rs ─► expr.rs (operators) ─► path.rs (steps, postfix) ─► primary.rs ─► construct.rs
//!                   └─► flwor.rs (clauses, branches)      types.rs       update.rs
//! ```
//!
//! Errors are XPST0003 and the XQST codes that need no names, each with line and column.

mod construct;
mod expr;
mod flwor;
mod path;
mod primary;
mod prolog;
mod types;
mod update;

use super::ast::{Module, SequenceType};
use super::cursor::{Cursor, locate};
use crate::limits;
use crate::stack::for_tree;
use phoenixmldb_xdm::Str;
use phoenixmldb_xdm::error::{Error, Result, fail};
use std::borrow::Cow;

/// Reads a module. `uri` is named in errors; `None` for a main module.
pub fn parse_module(text: &str, uri: Option<&Str>) -> Result<Module> {
    let text = normalize_lines(text);
    if text.len() > limits::QUERY_BYTES_MAX {
        let max = limits::QUERY_BYTES_MAX;
        return Err(fail("XPST0003", format!("the module has {} bytes; {max} is the bound", text.len())));
    }
    let mut cursor = Cursor::new(&text);
    for_tree(|| cursor.module()).map_err(|error| placed(error, &text, uri))
}

/// Reads a sequence type on its own.
pub fn parse_sequence_type(text: &str) -> Result<SequenceType> {
    let mut cursor = Cursor::new(text);
    let parsed = cursor.sequence_type().and_then(|parsed| {
        cursor.space()?;
        if cursor.at_end() { Ok(parsed) } else { Err(cursor.expected("the end of the type")) }
    });
    parsed.map_err(|error| placed(error, text, None))
}

fn placed(mut error: Box<Error>, text: &str, uri: Option<&Str>) -> Box<Error> {
    if let (Some((start, _)), None) = (error.span, &error.location) {
        error.location = Some(locate(text, start as usize, uri));
    }
    error
}

/// Line ends as XML 1.0 §2.11 asks for.
pub(crate) fn normalize_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}
