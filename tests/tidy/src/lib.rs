//! The rules of the source tree, as tests: see `tests/tidy.rs`.
