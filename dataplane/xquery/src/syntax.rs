//! The front of the engine: text to syntax tree and back. Resolves nothing and evaluates nothing.

pub mod ast;
