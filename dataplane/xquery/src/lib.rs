//! XQuery 3.1: from text to typed plans to items.
//!
//! ```text
//!  text ─► syntax (parse) ─► AST ─► compile (names, slots, static errors) ─► eval ─► items
//! ```
//!
//! Knows nothing of shards and storage: documents come through [`context::Resolver`].

pub mod compile;
pub mod context;
pub mod distribute;
pub mod eval;
pub mod functions;
pub mod limits;
pub mod query;
mod stack;
pub mod syntax;

pub use context::{DynamicContext, NoResolver, Options, Resolver, StaticContext};
pub use query::Query;
