//! Bounds of the control plane's state, each with its unit and reason.

/// Events kept, in events: what an operator scrolls back through; older ones are in the logs.
pub const EVENTS_MAX: usize = 1_000;

/// Most nodes of a cluster, in nodes: the map travels whole to each of them.
pub const NODES_MAX: usize = 1_000;

/// Most containers, in containers: the map travels whole to every node at each change.
pub const CONTAINERS_MAX: usize = 10_000;
