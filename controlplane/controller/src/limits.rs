//! Bounds of the control plane's driver, each with its unit and reason.

/// Time between two greetings of a node that looks for its cluster, in milliseconds.
pub const HELLO_INTERVAL_MS: u64 = 200;

/// Longest wait for one answer of another node, in milliseconds: beyond it the next one is asked.
pub const CALL_TIMEOUT_MS: u64 = 1_000;

/// Longest wait for a connection, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 300;

/// Time a caller looks for the control leader before it gives up, in milliseconds: several elections.
pub const LEADER_SEARCH_MS: u64 = 3_000;

/// Time between two heartbeats of a node to the control leader, in milliseconds.
pub const HEARTBEAT_INTERVAL_MS: u64 = 500;

/// Age of a node's last heartbeat from which it is suspect, in milliseconds: three were missed.
pub const SUSPECT_AFTER_MS: u64 = 1_750;

/// Age of a node's last heartbeat from which it counts as down, in milliseconds: eight were missed.
pub const DOWN_AFTER_MS: u64 = 4_000;

/// Time between two looks of the control leader at what is left to do, in milliseconds.
pub const DUTY_INTERVAL_MS: u64 = 100;

/// Entries a copy may be behind its leader before it is called lagging, in entries: a heartbeat's worth under load.
pub const LAGGING_ENTRIES: u64 = 1_000;

/// Shortest time between two snapshots of a cluster watch, in milliseconds: what a screen can show.
pub const WATCH_INTERVAL_MS_MIN: u64 = 100;

/// Events in one answer, in events.
pub const EVENTS_PAGE_MAX: usize = 1_000;

/// Attempts to find all copies of a shard at one log position, in attempts: under load they differ for moments only.
pub const CHECK_ATTEMPTS: u32 = 20;

/// Longest time a new control leader waits for heartbeats before it shows the cluster, in milliseconds: one interval,
/// and the time a node needs to find the new leader; shorter than a caller waits.
pub const SETTLE_MS: u64 = 800;

/// Time between two looks of a node at the cluster, in milliseconds: how old its view is when the leader is lost, at most.
pub const VIEW_REFRESH_MS: u64 = 2_000;
