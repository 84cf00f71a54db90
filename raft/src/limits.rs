//! Bounds of the Raft glue, each with its unit and reason.

/// Largest chunk of a snapshot, in bytes: well below a gRPC message's bound, large enough for full bandwidth.
pub const SNAPSHOT_CHUNK_BYTES: usize = 1 << 20;

/// Most proposals of one group waiting for their commit, in proposals: openraft loses a race between purging and a long
/// apply queue, and a bounded queue keeps applied close behind committed.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 4096;

/// Committed entries handed to a state in one batch, in entries: one storage batch each.
pub const APPLY_BATCH_ENTRIES_MAX: usize = 256;

/// Entries of one group kept in memory behind the newest, in entries: followers that keep up are served without reading
/// the disk.
pub const TAIL_ENTRIES: usize = 512;

/// Largest message between nodes, in bytes: one log entry can hold a document at its bound, encoded.
pub const FRAME_BYTES_MAX: usize = phoenixmldb_types::limits::DOCUMENT_BYTES_MAX + (16 << 20);

/// Bytes of frames that may share one message, in bytes: keeps a heartbeat from waiting behind megabytes.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// Frames waiting for one node, in frames: more means the node cannot follow; callers get an error and try again.
pub const FRAMES_QUEUED_MAX: usize = 8192;

/// Longest wait for a connection to a peer, in milliseconds: on one network an answer takes microseconds, and a dead
/// host must not hold up the next try.
pub const CONNECT_TIMEOUT_MS: u64 = 300;

/// Longest time between a leader transfer's request and the target's first sign of leading, in milliseconds.
pub const TRANSFER_TIMEOUT_MS: u64 = 3_000;

/// Entries by which a transfer target may lag, in entries: it is verified before the old leader stops serving.
pub const TRANSFER_LAG_ENTRIES_MAX: u64 = 200;

/// Log entries kept behind the purge point beyond what was asked for, in entries: keeps purging behind applying.
pub const PURGE_MARGIN_ENTRIES: u64 = 1_000;
