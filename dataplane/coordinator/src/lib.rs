//! Routes requests to shards and merges their answers.
//!
//! ```text
//!  PutDocument ─► parse and encode once ─► Router: which shard, who leads ─► ShardTransport ─► outcome
//!                                            ▲                                   │
//!                                            └── not the leader, newer map ──────┘   retried here and nowhere else
//! ```
//!
//! Runs on every data node, so that a client may ask any of them. Sees other nodes only through [`ShardTransport`], the
//! control plane only through [`ControlPlane`], and the cluster as the [`ClusterMap`](phoenixmldb_types::ClusterMap) it
//! was last told. Holds no state that another coordinator would need.

pub mod documents;
pub mod error;
mod fetch;
pub mod items;
pub mod limits;
mod point;
pub mod query;
pub mod retry;
pub mod router;
pub mod transport;

pub use documents::{Coordinator, DocumentInfo, Listed, PutRequest, ReadAnswer, ReadConsistency};
pub use error::CoordinatorError;
pub use query::{QueryRequest, ResultPart, Summary};
pub use router::Router;
pub use transport::{ControlPlane, Read, ShardTransport, TransportError};
