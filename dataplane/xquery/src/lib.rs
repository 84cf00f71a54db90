//! XQuery 3.1: from text to typed plans to items.

pub mod syntax;
