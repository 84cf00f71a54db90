//! Wire contract: generated gRPC modules, conversions, and the one place that makes a `Status`.
//!
//! | module | package | port | who speaks it |
//! |---|---|---|---|
//! | [`v1`] | `phoenixmldb.v1` | client | applications: containers, documents, queries |
//! | [`admin`] | `phoenixmldb.admin.v1` | client | operators: snapshot, topology, events |
//! | [`internal`] | `phoenixmldb.internal.v1` | peer | our own processes |
//!
//! [`status`] maps every public [`Code`](phoenixmldb_types::Code) to a gRPC status with `google.rpc` details and back.

/// `phoenixmldb.v1`: what applications depend on.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("phoenixmldb.v1");
}

/// `phoenixmldb.admin.v1`: what operators depend on.
#[allow(missing_docs, clippy::all)]
pub mod admin {
    tonic::include_proto!("phoenixmldb.admin.v1");
}

/// `phoenixmldb.internal.v1`: between our own processes.
#[allow(missing_docs, clippy::all)]
pub mod internal {
    tonic::include_proto!("phoenixmldb.internal.v1");
}

/// Descriptors of all files, for the reflection service.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

pub mod status;

pub use status::PublicError;
