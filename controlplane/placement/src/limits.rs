//! Bounds of placement, each with its unit and reason.

/// Points of each node on the hash ring, in points: enough that no node owns much more of the ring than another.
pub const RING_POINTS: usize = 128;

/// Most voting copies of the clock group, in replicas: more make every timestamp slower and no outage likelier to pass.
pub const CLOCK_VOTERS_MAX: usize = 5;
