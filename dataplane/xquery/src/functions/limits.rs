//! Bounds of the function library, each with its unit and reason.

/// Deepest recursion of a match with back-references, in frames of about 500 bytes: some 100,000 characters.
pub const REGEX_DEPTH_MAX: usize = 400_000;

/// Deepest nesting of groups and subtractions in a regular expression, in levels: what is compiled from it recurses.
pub const REGEX_NESTING_MAX: usize = 200;

/// Largest compiled regular expression, in bytes: counted repetitions multiply.
pub const REGEX_SIZE_BYTES_MAX: usize = 32 << 20;

/// Compiled regular expressions that one query keeps, in expressions: more than any query writes down, few enough to
/// bound the memory of one that computes them.
pub const REGEXES_KEPT_MAX: usize = 64;
