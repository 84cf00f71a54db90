//! The built-in functions of F&O 3.1.
//!
//! `signature.rs` is the one table; each file beside it implements one chapter and contributes its rows.

pub mod signature;
