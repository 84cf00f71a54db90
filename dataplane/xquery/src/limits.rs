//! Bounds of the query engine, each with its unit and reason.

/// Deepest nesting of expressions, in levels: written queries stay under 100; dropping a tree uses the native stack.
pub const QUERY_DEPTH_MAX: usize = 2_000;

/// Highest tree of an expression, in levels: a chain of operators, calls or clauses is as deep as it is long.
pub const QUERY_CHAIN_MAX: usize = 4_000;

/// Longest module text, in bytes: offsets are 32 bits wide.
pub const QUERY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Stack that must be left before an expression is entered, in bytes; otherwise a new segment is taken.
pub const STACK_RED_ZONE_BYTES: usize = 128 * 1024;

/// Size of a stack segment, in bytes.
pub const STACK_SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// Stack that must be left before a whole tree is parsed, compiled or dropped, in bytes: the walks of the compiler use
/// the native stack, at most a few KiB for each of the levels that [`QUERY_DEPTH_MAX`] and [`QUERY_CHAIN_MAX`] allow.
pub const TREE_RED_ZONE_BYTES: usize = 32 * 1024 * 1024;

/// Size of the stack segment for walks of whole trees, in bytes; only the pages that are used become memory.
pub const TREE_SEGMENT_BYTES: usize = 64 * 1024 * 1024;

/// Steps of work that one evaluation collects before it charges them to the shared meter: a few microseconds.
pub const CHARGE_STEPS_MAX: usize = 1_024;
