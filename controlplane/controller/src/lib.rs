//! The control plane's driver: Raft group, heartbeats, watch streams.
