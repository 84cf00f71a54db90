//! Bounds of the store, each with its unit and reason.

/// Size at which a block of an encoded document ends, in bytes: large enough to scan fast, small enough to rewrite one.
pub const BLOCK_BYTES: usize = 16 * 1024;

/// Largest piece of one value in a block, in bytes: a long text is cut over blocks, so that none grows beyond twice
/// `BLOCK_BYTES`.
pub const VALUE_PIECE_BYTES_MAX: usize = 16 * 1024;

/// Longest page of a listing, in entries: one answer has to stay below a message's bound.
pub const LIST_ENTRIES_MAX: usize = 10_000;
