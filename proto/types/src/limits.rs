//! Bounds of the cluster that several crates share, each with its unit and reason.
//!
//! Bounds of one crate live in that crate's own `limits.rs`.

/// Longest node or cluster id, in bytes: fits a DNS label and a metrics label.
pub const IDENTIFIER_BYTES_MAX: usize = 63;

/// Longest container name, in bytes: part of every key, so kept short.
pub const CONTAINER_NAME_BYTES_MAX: usize = 128;

/// Longest document name, in bytes: a virtual path; one key must stay far below a storage block of 16 KiB.
pub const DOCUMENT_NAME_BYTES_MAX: usize = 1024;

/// Most shards of a cluster, in shards: the shard map travels whole and must stay below 1 MiB.
pub const SHARDS_MAX: u32 = 4096;

/// Most copies of a shard, in replicas: beyond 7 a quorum costs more than it protects.
pub const REPLICATION_FACTOR_MAX: u32 = 7;

/// Largest document accepted, in bytes of text: one Raft entry has to carry its encoded form.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Shortest and longest time a coordinator waits for a shard to have a leader before it answers UNAVAILABLE, in
/// milliseconds: two and a half of the default longest election timeouts, so that one election passes unseen.
pub const LEADER_WAIT_MS: u64 = 800;

/// Deadline of a request that brings none, in milliseconds: the page's default.
pub const REQUEST_DEADLINE_MS_DEFAULT: u64 = 30_000;

/// Longest deadline accepted, in milliseconds: ten minutes, after which a request is a job.
pub const REQUEST_DEADLINE_MS_MAX: u64 = 600_000;
