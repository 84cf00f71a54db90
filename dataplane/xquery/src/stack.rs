//! The stack for walks of whole trees: parsing, compiling, rewriting and dropping a query.
//!
//! Such walks are recursive and their depth is bounded, so one large segment is enough for each. Evaluation, which the
//! query can make as deep as it likes, takes its segments one by one and counts them: `eval/context.rs`.

use crate::limits::{TREE_RED_ZONE_BYTES, TREE_SEGMENT_BYTES};

/// Runs `walk` with stack enough for the highest tree that a query can make.
pub(crate) fn for_tree<T>(walk: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(TREE_RED_ZONE_BYTES, TREE_SEGMENT_BYTES, walk)
}
