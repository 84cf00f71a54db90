//! Documents as ordered key-value pairs: keyspace, codecs, versions.
//!
//! ```text
//!   xdm events ─► encode ─► header + blocks ─┐
//!                                            ├─► Batch ─► Kv (RocksDB, or memory in tests)
//!   name, version ─► mvcc ─► write records ──┘
//!
//!   Kv snapshot ─► mvcc: the version visible at a timestamp ─► document ─► xdm events
//! ```
//!
//! Pure: no clock, no randomness, no I/O but through the [`kv`] traits. Knows nothing of Raft or of queries. The table of
//! all keys is in [`keyspace`]; start there.

pub mod codec;
pub mod document;
pub mod encode;
pub mod keyspace;
pub mod kv;
pub mod limits;
pub mod memory;
pub mod mvcc;

pub use document::EncodedDocument;
pub use kv::{Batch, Cf, Kv, KvError, Snapshot, Write};
pub use memory::MemoryKv;
