//! Bounds of the coordinator, each with its unit and reason.

/// Pause between two looks for a shard's leader, in milliseconds: a fifth of the shortest default election timeout.
pub const LEADER_POLL_MS: u64 = 25;

/// Longest page of a listing, in entries.
pub const PAGE_ENTRIES_MAX: u32 = 10_000;

/// Length of a page nobody gave a length, in entries.
pub const PAGE_ENTRIES_DEFAULT: u32 = 1_000;

/// Shards asked at the same time for one request, in shards: more would only queue on the peers.
pub const FAN_OUT_MAX: usize = 32;
