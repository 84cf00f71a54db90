//! The control plane's driver: its Raft group, forming, heartbeats, watch streams; and what every node needs of it.
//!
//! ```text
//!  phoenixmldb-controller ─┐                       ┌─ controller: group, duties of its leader
//!                          ├─► process: folder, ───┤
//!  phoenixmldb-server ─────┘   ports, cluster      └─ link, client: registers, follows the map, sends heartbeats
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`forming`] | finds or makes the cluster; pure |
//! | [`controller`] | proposes what the leader has to: form, place, note who is down |
//! | [`observed`], [`snapshot`] | heartbeats, and what operators see; pure |
//! | [`machine`] | the state behind Raft |
//! | [`client`], [`link`], `system` | a node's way to the control plane, and what it tells of itself |
//! | [`rpc`], [`http`], [`metrics`], [`ports`] | both ports |
//! | [`data_dir`], [`config`], [`process`] | folder, configuration, start and end |

pub mod client;
pub mod config;
pub mod controller;
pub mod data_dir;
pub mod error;
pub mod forming;
pub mod http;
pub mod limits;
pub mod link;
pub mod machine;
pub mod metrics;
pub mod observed;
pub mod ports;
pub mod process;
pub mod rpc;
pub mod snapshot;
mod system;

pub use config::{ConfigError, FileConfig};
pub use controller::Controller;
pub use error::StartError;
pub use link::Link;
pub use process::{Process, ProcessConfig};
