//! Bounds of the function library, each with its unit and reason.

/// Most steps of one match with back-references, in steps: about a second of work.
pub const REGEX_STEPS_MAX: u64 = 20_000_000;

/// Deepest recursion of a match with back-references, in frames of about 300 bytes.
pub const REGEX_DEPTH_MAX: usize = 10_000;

/// Largest compiled regular expression, in bytes: counted repetitions multiply.
pub const REGEX_SIZE_BYTES_MAX: usize = 32 << 20;

/// Compiled regular expressions that one query keeps, in expressions: more than any query writes down, few enough to
/// bound the memory of one that computes them.
pub const REGEXES_KEPT_MAX: usize = 64;
