//! Bounds of the Raft glue, each with its unit and reason.

/// Largest chunk of a snapshot, in bytes: well below a gRPC message's bound, large enough for full bandwidth.
pub const SNAPSHOT_CHUNK_BYTES: usize = 1 << 20;

/// Largest snapshot accepted, in bytes: a shard is split long before, and a broken sender must not fill the disk.
pub const SNAPSHOT_BYTES_MAX: u64 = 64 << 30;

/// Snapshots arriving at one process at a time, in snapshots: each holds a spool file and disk bandwidth; a sender that
/// is refused tries again.
pub const SNAPSHOTS_ARRIVING_MAX: usize = 4;

/// Longest pause within a snapshot's transfer, in milliseconds: a sender or receiver that hung must not hold the other.
pub const SNAPSHOT_IDLE_MS_MAX: u64 = 10_000;

/// Longest transfer and installation of a snapshot, in milliseconds: a full one of 64 GiB takes nine minutes at
/// 1 Gbit/s.
pub const SNAPSHOT_TRANSFER_MS_MAX: u64 = 900_000;

/// Most proposals of one group waiting for their commit, in proposals: a bounded queue keeps applied close behind
/// committed, and the memory of waiting callers bounded.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 4096;

/// Most bytes of proposals of one group waiting for their commit, in bytes: two documents at their bound. A proposal
/// that waits alone may be larger.
pub const PROPOSED_BYTES_IN_FLIGHT_MAX: usize = 2 * FRAME_BYTES_MAX;

/// Longest wait for a proposal's outcome, in milliseconds: a leader that lost its quorum learns the outcome only from
/// its successor, and a caller must not wait for ever.
pub const PROPOSAL_WAIT_MS_MAX: u64 = 60_000;

/// Committed entries handed to a state in one batch, in entries: one storage batch each.
pub const APPLY_BATCH_ENTRIES_MAX: usize = 256;

/// Bytes of committed entries handed to a state in one batch, in bytes: with the entry that crosses it, the memory of
/// one batch.
pub const APPLY_BATCH_BYTES_MAX: usize = 8 << 20;

/// Bytes of committed entries applied without handing the thread's other tasks over first, in bytes: a full batch of
/// small documents, little beside what a heartbeat may be late.
pub const APPLY_IN_PLACE_BYTES_MAX: usize = 256 << 10;

/// Bytes of entries read from the log at once for applying, in bytes: replay after a start must not load a whole log.
pub const APPLY_READ_BYTES_MAX: usize = 8 << 20;

/// Entries of one group kept in memory behind the newest, in entries: followers that keep up are served without reading
/// the disk.
pub const TAIL_ENTRIES: usize = 512;

/// Bytes of entries of one group kept in memory behind the newest once they are durable, in bytes: 512 large documents
/// would be gigabytes.
pub const TAIL_BYTES_MAX: usize = 8 << 20;

/// Most entries of one append, in entries.
pub const APPEND_ENTRIES_MAX: u64 = 300;

/// Bytes of entries in one append, in bytes: the first entry that crosses it is the last one, so that an append of
/// documents at their bound still fits a frame.
pub const APPEND_BYTES_MAX: usize = 4 << 20;

/// Appends of one group on their way to one follower, in appends. One, because openraft 0.10.0-alpha.37 takes the answer to an
/// append for one to every later append that ends at the same entry, as those without entries do: a late answer would then
/// vouch for a read that began after it was given.
pub const APPENDS_IN_FLIGHT_MAX: usize = 1;

/// Slowest link that still replicates large entries, in bytes per millisecond: 1 MB/s. Gives an append of many bytes
/// its time before it counts as lost.
pub const LINK_BYTES_PER_MS_MIN: u64 = 1_000;

/// Largest message between nodes, in bytes: one log entry can hold a document at its bound, encoded.
pub const FRAME_BYTES_MAX: usize = phoenixmldb_types::limits::DOCUMENT_BYTES_MAX + (16 << 20);

/// Bytes of frames that may share one message, in bytes: keeps a heartbeat from waiting behind megabytes.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// Frames waiting for one node, in frames: more means the node cannot follow; callers get an error and try again.
pub const FRAMES_QUEUED_MAX: usize = 8192;

/// Longest wait for a connection to a peer, in milliseconds: on one network an answer takes microseconds, and a dead
/// host must not hold up the next try.
pub const CONNECT_TIMEOUT_MS: u64 = 300;

/// Time between two signs of life on an idle connection, in milliseconds: a host that vanished without a word is noticed
/// before TCP gives up.
pub const KEEP_ALIVE_MS: u64 = 2_000;

/// Longest wait for an answer to a sign of life, in milliseconds: longer than a starved peer pauses.
pub const KEEP_ALIVE_TIMEOUT_MS: u64 = 4_000;

/// Longest time between a leader transfer's request and the target's first sign of leading, in milliseconds.
pub const TRANSFER_TIMEOUT_MS: u64 = 3_000;

/// Entries by which a transfer target may lag, in entries: it is verified before the old leader stops serving.
pub const TRANSFER_LAG_ENTRIES_MAX: u64 = 200;

/// Log entries kept behind what is applied, in entries: keeps purging behind applying.
pub const PURGE_MARGIN_ENTRIES: u64 = 1_000;

/// Fewest log entries purged at once, in entries: each purge is a write to the log.
pub const PURGE_BATCH_ENTRIES: u64 = 64;

/// Entries by which a snapshot being sent may hold purging back, in entries: the receiver continues with the log behind
/// its snapshot (openraft#1706), but one slow receiver must not fill the disk.
pub const PURGE_HELD_ENTRIES_MAX: u64 = 1_000_000;

/// Time between two looks at how late the Raft runtime runs its timers, in milliseconds: the default heartbeat.
pub const TICK_MS: u64 = 50;
