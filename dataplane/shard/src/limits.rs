//! Bounds of a shard, each with its unit and reason.

/// How long the outcomes of an unused session are kept, in milliseconds: far beyond the longest deadline, so that every
/// repetition of a write finds its first answer.
pub const SESSION_LIFETIME_MS: u64 = 3_600_000;

/// Outcomes kept of one session on one shard, in writes: a client acknowledges as it goes; beyond this the oldest go.
pub const SESSION_OUTCOMES_MAX: u64 = 10_000;

/// Window of timestamps that the clock group may give out before it has to persist a new bound, in milliseconds.
pub const CLOCK_WINDOW_MS: u64 = 3_000;

/// Most timestamps of one grant, in timestamps: a tenth of a millisecond's counter.
pub const GRANT_MAX: u32 = 26_000;

/// Size of a snapshot's chunk, in bytes; below the transport's bound even with one pair beyond it.
pub const SNAPSHOT_CHUNK_BYTES: usize = 512 * 1024;

/// Finished transactions forgotten by one command, in entries: applying it must not hold up the writes behind it.
pub const FORGOTTEN_ENTRIES_MAX: usize = 10_000;

/// How long the outcome of a transaction can be asked, in milliseconds: a day, for people who come back to it tomorrow.
pub const OUTCOME_LIFETIME_MS: u64 = 86_400_000;

/// Time that a commit over several shards may take before others may abort it, in milliseconds: several elections, and
/// short enough that nothing of a dead coordinator is in the way after ten seconds.
pub const COMMIT_PHASE_MS: u64 = 8_000;
