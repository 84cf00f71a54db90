//! The front of the engine: text to syntax tree and back. Resolves nothing and evaluates nothing.
//!
//! ```text
//!  text ─► cursor (bytes, white space, names, literals) ─► parse/* (one file per part of the grammar) ─► ast
//! ```

pub mod ast;
mod cursor;
mod parse;

pub use cursor::locate;
pub(crate) use parse::normalize_lines;
pub use parse::{parse_module, parse_sequence_type};

#[cfg(test)]
mod parse_test;
