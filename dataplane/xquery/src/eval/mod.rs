//! Evaluation of compiled expressions.
//!
//! `context.rs` is what built-in functions see of it.

pub mod context;

pub use context::{CallContext, Evaluator, Focus};
