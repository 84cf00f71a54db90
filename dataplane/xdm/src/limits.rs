//! Bounds of the data model, each with its unit and reason.

/// Deepest element nesting accepted, in levels: real documents stay under 100, levels are 16 bits wide.
pub const XML_DEPTH_MAX: usize = 10_000;

/// Most attributes of one element, namespace declarations included, in attributes: duplicates are found by comparing.
pub const XML_ATTRIBUTES_MAX: usize = 10_000;

/// Longest name, in bytes: names are kept once per document, but appear in every message about it.
pub const XML_NAME_BYTES_MAX: usize = 4_096;

/// Deepest nesting of entity references, in levels: beyond it lies an expansion attack.
pub const XML_ENTITY_DEPTH_MAX: usize = 16;

/// Text that entity references may add to a document, in bytes, on top of its own size.
pub const XML_ENTITY_BYTES_MAX: usize = 64 * 1024;

/// Largest document accepted by the parser unless told otherwise, in bytes.
pub const XML_DOCUMENT_BYTES_MAX: usize = 1 << 31;

/// Most paths of one tree's summary, in paths: real documents have hundreds, path numbers are 16 bits wide.
pub const SUMMARY_PATHS_MAX: usize = 1 << 15;

/// Sets of paths whose rows one tree keeps merged, in sets: about as many as a workload has different `//name`.
pub const SUMMARY_MERGED_MAX: usize = 256;

/// Rows from which on a tree is worth a summary, in rows: below, scanning is as quick.
pub const SUMMARY_ROWS_MIN: u32 = 256;

/// Memory that the values of one query may hold unless told otherwise, in bytes: a few queries side by side fit a server.
pub const QUERY_MEMORY_BYTES_DEFAULT: u64 = 1 << 30;

/// Stack that nested calls of one query may use unless told otherwise, in bytes: some 100,000 calls of small functions.
pub const QUERY_STACK_BYTES_DEFAULT: u64 = 256 * 1024 * 1024;

/// Longest range of integers that is made into single values where no meter is at hand, in items: 2 GiB of them.
pub const RANGE_ITEMS_MAX: usize = 1 << 26;
