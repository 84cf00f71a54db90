//! The built-in functions of F&O 3.1.
//!
//! `signature.rs` is the one table; each file beside it implements one chapter and contributes its rows. The picture
//! languages (`format`) and regular expressions (`regex`) are libraries of their own below it.

mod aggregates;
mod args;
mod arrays;
mod boolean;
pub mod collation;
mod dates;
pub mod deep_equal;
mod documents;
mod errors;
mod focus;
pub mod format;
mod higher_order;
mod json;
mod json_text;
pub mod limits;
mod lookup;
mod maps;
mod matching;
mod modules;
pub(crate) mod nodes;
mod numeric;
pub mod parsing;
mod qnames;
mod random;
pub mod regex;
mod sequences;
pub mod signature;
mod strings;
pub mod uri;
