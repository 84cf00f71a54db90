//! Bounds of placement, each with its unit and reason.

/// Most voting copies of the clock group, in replicas: more make every timestamp slower and no outage likelier to pass.
pub const CLOCK_VOTERS_MAX: usize = 5;
