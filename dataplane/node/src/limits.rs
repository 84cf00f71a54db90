//! Bounds of a data node, each with its unit and reason.

/// Attempts of one write whose timestamp was overtaken, in attempts: the latch makes even the second one rare.
pub const SUPERSEDED_ATTEMPTS_MAX: u32 = 8;

/// Time between two looks at what the map wants of this node's replicas, in milliseconds.
pub const RECONCILE_MS: u64 = 200;

/// Time between two resolved timestamps of a shard that is being written, in milliseconds: how old a stale read may be.
pub const RESOLVED_INTERVAL_MS: u64 = 1_000;

/// Callers waiting for a timestamp on one node, in callers: all share one request; more means the clock group is gone.
pub const TIMESTAMP_WAITERS_MAX: usize = 16_384;

/// Longest wait for the clock group, in milliseconds: one election of its group must pass unseen.
pub const CLOCK_WAIT_MS: u64 = 800;

/// Pause after an attempt at the clock group that failed, in milliseconds: much shorter than an election.
pub const CLOCK_PAUSE_MS: u64 = 20;

/// Longest wait for a connection to another node, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 300;

/// Largest message on either port, in bytes: a document at its bound, encoded, and its frame.
pub const MESSAGE_BYTES_MAX: usize = phoenixmldb_types::limits::DOCUMENT_BYTES_MAX + (16 << 20);

/// Longest time a stopping node spends on handing leaderships over, in milliseconds: the rest falls to elections.
pub const STOP_TRANSFER_MS: u64 = 3_000;

/// Items of a query result in one message, in items: large enough to cost little, small enough to stream.
pub const QUERY_ITEMS_PER_MESSAGE: usize = 256;

/// Time after which a replica that is not the preferred leader begins a group that has never had one, in milliseconds.
pub const INITIALISE_AFTER_MS: u64 = 1_000;

/// Pieces of a fragment's result that wait for the coordinator, in pieces; then the evaluation waits.
pub const FRAGMENT_PIECES_BUFFERED: usize = 8;

/// Text of items in one piece of a fragment's result, in bytes: with what is buffered per shard, the memory that a slow
/// reader can tie up. One item may be larger.
pub const FRAGMENT_PIECE_BYTES: usize = 128 << 10;

/// Documents listed at once by a scan, in documents: a view of the database lives that long.
pub const SCAN_PAGE_DOCUMENTS: usize = 256;

/// Fragments and scans evaluated at once on a node, in threads; more wait for their turn.
pub const FRAGMENTS_RUNNING_MAX: usize = 16;

/// Length of the window over which load is told, in milliseconds: long enough for a percentile, short enough to follow.
pub const LOAD_WINDOW_MS: u64 = 10_000;

/// Shortest time between two counts of a shard's documents, in milliseconds: a screen that is watched still follows.
pub const COUNT_INTERVAL_MS_MIN: u64 = 2_000;

/// Pause after counting a shard, in times that counting took: it costs at most a twentieth of a thread.
pub const COUNT_PAUSE_MAX: u32 = 20;

/// Time an attempt on another node has once this node's own replica is out of touch with the shard's group, in
/// milliseconds: one connection; a refusal has to arrive within a second.
pub const CUT_OFF_GRACE_MS: u64 = 300;

/// Time between two looks at whether the own replica is out of touch while an attempt on another node waits, in
/// milliseconds: one heartbeat.
pub const CUT_OFF_POLL_MS: u64 = 50;

/// Longest wait for a stale answer of another node, in milliseconds: a connection and a read; others may have it too.
pub const STALE_WAIT_MS: u64 = 600;

/// Chunks of a snapshot read ahead of its connection, in chunks of a MiB each.
pub const SNAPSHOT_CHUNKS_BUFFERED_MAX: usize = 1;
