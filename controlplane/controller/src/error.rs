//! Why a node does not start.

use crate::config::Origin;
use phoenixmldb_types::NodeName;
use std::path::PathBuf;

/// Why a node does not start, or stops.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be used.
    #[error("{}: {reason}", path.display())]
    DataDir {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Another process has it.
    #[error("{} is in use by pid {pid}", path.display())]
    InUse {
        /// Which folder.
        path: PathBuf,
        /// The process.
        pid: String,
    },
    /// It is another node's.
    #[error("{}: this data directory belongs to {owner}, not {given}", path.display())]
    OtherNode {
        /// Which folder.
        path: PathBuf,
        /// Whose it is.
        owner: NodeName,
        /// Who came.
        given: NodeName,
    },
    /// A port cannot be opened.
    #[error("port {port} {reason}")]
    Port {
        /// Which one.
        port: u16,
        /// In use, or what the system says.
        reason: String,
    },
    /// The address others are to use does not exist.
    #[error("--advertise {0}: the name cannot be resolved")]
    Advertise(String),
    /// The number of shards is fixed, and somebody typed another one.
    #[error("sharding.shardCount is {known} since the cluster formed; {origin} says {given}")]
    ShardCount {
        /// What it is.
        known: u32,
        /// What was given.
        given: String,
        /// Who gave it.
        origin: Origin,
    },
    /// The peers belong to another cluster, or to another life of it.
    #[error("{0}")]
    WrongCluster(String),
    /// The cluster knows this name with another disk.
    #[error("{0}")]
    IdentityLost(String),
    /// A stored state or log cannot be read or written.
    #[error("{0}")]
    Fault(String),
}

impl StartError {
    /// What to type next; empty when the message says it all.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::DataDir { .. } => "check the path, its owner and the space on its disk".to_owned(),
            Self::InUse { pid, .. } => format!("stop process {pid}, or choose another --data"),
            Self::OtherNode { owner, .. } => format!("start it with --node-id {owner}, or choose another --data"),
            Self::Port { .. } => "choose another --port or --raft-port".to_owned(),
            Self::Advertise(_) => {
                "give a name or address that the other nodes can use: --advertise host:port".to_owned()
            }
            Self::ShardCount { origin, known, .. } => format!("leave out the {origin}, or set it to {known}"),
            Self::WrongCluster(_) => "check --cluster-id and --peers; a folder joins one cluster only".to_owned(),
            Self::IdentityLost(_) | Self::Fault(_) => String::new(),
        }
    }
}
