//! Bounds of the dashboard, each with its unit and reason.

/// Time between two snapshots asked of the cluster, in milliseconds: what a person can follow.
pub const INTERVAL_MS_DEFAULT: u32 = 1_000;

/// Shortest interval accepted, in milliseconds: the cluster sends no faster.
pub const INTERVAL_MS_MIN: u32 = 100;

/// Longest interval accepted, in milliseconds: a minute; slower is a report, not a dashboard.
pub const INTERVAL_MS_MAX: u32 = 60_000;

/// Shortest time between two drawings, in milliseconds: four a second, also over a slow line.
pub const REDRAW_MS_MIN: u64 = 250;

/// Refreshes that may be missing before what is shown is called stale, in intervals.
pub const STALE_INTERVALS_MAX: u64 = 3;

/// Silence of an open stream after which it is given up, in milliseconds, beyond three intervals: two missed answers of
/// the longest call a node makes for a snapshot.
pub const SILENCE_MS_MAX: u64 = 4_000;

/// Wait before connecting again after a failure, in milliseconds.
pub const RECONNECT_MS: u64 = 500;

/// Length of the history that can be scrubbed, in milliseconds: the time an operator asks about.
pub const HISTORY_MS_MAX: u64 = 15 * 60 * 1_000;

/// Memory for the history, in bytes as estimated: a cluster of 4096 shards keeps a shorter one.
pub const HISTORY_BYTES_MAX: usize = 64 << 20;

/// Events waiting for the screen, in items: a burst of keys; the feed waits when it is full.
pub const WAITING_ITEMS_MAX: usize = 64;

/// Smallest terminal that shows more than a notice, in columns.
pub const COLUMNS_MIN: u16 = 40;

/// Smallest terminal that shows more than a notice, in lines.
pub const LINES_MIN: u16 = 10;

/// Widest plain frame, in columns: beyond that nothing more is shown.
pub const COLUMNS_MAX: u16 = 1_000;

/// Width of a plain frame, in columns: the widest that most terminals, mails and tickets keep.
pub const COLUMNS_DEFAULT: u16 = 120;

/// Highest plain frame, in lines: a node table of that many rows is read with other tools.
pub const PLAIN_LINES_MAX: u16 = 500;

/// Longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 200;

/// Memory of a compiled filter, in bytes: a filter is typed by hand.
pub const FILTER_COMPILED_BYTES_MAX: usize = 1 << 20;
