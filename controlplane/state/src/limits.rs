//! Bounds of the control plane's state, each with its unit and reason.

/// Events kept, in events: what an operator scrolls back through; older ones are in the logs.
pub const EVENTS_MAX: usize = 1_000;

/// Longest text of an event, in bytes: two lines of a wide terminal; with [`EVENTS_MAX`] it keeps a snapshot below 1 MiB.
pub const EVENT_TEXT_BYTES_MAX: usize = 400;

/// Most nodes of a cluster, in nodes: the map travels whole to each of them.
pub const NODES_MAX: usize = 1_000;

/// Longest `host:port`, in bytes: a DNS name of 253 and a port.
pub const ADDRESS_BYTES_MAX: usize = 260;

/// Most containers, in containers: the map travels whole to every node at each change.
pub const CONTAINERS_MAX: usize = 10_000;

/// Disks of removed nodes that are remembered, in nodes: enough for years of replacing them.
pub const REMOVED_MAX: usize = 1_024;
