//! Bounds of the coordinator, each with its unit and reason.

/// Pause between two looks for a shard's leader, in milliseconds: a fifth of the shortest default election timeout.
pub const LEADER_POLL_MS: u64 = 25;

/// Longest page of a listing, in entries.
pub const PAGE_ENTRIES_MAX: u32 = 10_000;

/// Length of a page nobody gave a length, in entries.
pub const PAGE_ENTRIES_DEFAULT: u32 = 1_000;

/// Shards asked at the same time for one request, in shards: more would only queue on the peers.
pub const FAN_OUT_MAX: usize = 32;

/// Longest query accepted, in bytes of text: one message, and one splice per shard.
pub const QUERY_BYTES_MAX: usize = 1 << 20;

/// Items of a result when the caller names no bound, in items.
pub const MAX_RESULTS_DEFAULT: u64 = 10_000;

/// Pieces of a result that wait for a slow reader, in pieces; then the shards wait.
pub const RESULT_PIECES_BUFFERED: usize = 16;

/// Items in one piece of a result that was evaluated whole, in items.
pub const RESULT_ITEMS_PER_PIECE: usize = 64;

/// Text of the documents fetched for one query that runs on the coordinator, in bytes: their trees are in memory.
pub const FETCHED_BYTES_MAX: u64 = 512 << 20;
