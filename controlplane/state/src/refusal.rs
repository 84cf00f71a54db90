//! Why a command changed nothing: the closed list, each with its public code and what to type next.

use phoenixmldb_types::{Code, RaftId};
use serde::{Deserialize, Serialize};

/// Why a command changed nothing. Every replica comes to the same one; only the proposer hears of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// There is no cluster yet.
    #[error("the cluster is not formed")]
    NotFormed,
    /// There is one.
    #[error("the cluster was formed as {0}")]
    Formed(String),
    /// A setting breaks a rule.
    #[error("{0}")]
    BadSettings(String),
    /// What a node says of itself breaks a rule.
    #[error("node {name:?}: {rule}")]
    BadNode {
        /// Its name.
        name: String,
        /// The rule, with what was given.
        rule: String,
    },
    /// The name is another disk's.
    #[error(
        "node id {name:?} is already a member at {address}, with another disk (identity {known}, this one is {given})"
    )]
    IdentityMismatch {
        /// The name.
        name: String,
        /// Where the member is.
        address: String,
        /// Its identity.
        known: RaftId,
        /// The other identity.
        given: RaftId,
    },
    /// The disk has another name.
    #[error("this disk belongs to node {known:?}, not {given:?}")]
    NameMismatch {
        /// Its name.
        known: String,
        /// The name given.
        given: String,
    },
    /// No node has this name.
    #[error("there is no node {0:?}")]
    NodeNotFound(String),
    /// The node still holds copies.
    #[error("node {0:?} holds copies of shards")]
    NodeInUse(String),
    /// The container exists.
    #[error("container {0:?} exists")]
    ContainerExists(String),
    /// It does not.
    #[error("container {0:?} does not exist")]
    ContainerNotFound(String),
    /// A bound was reached.
    #[error("there are {max} {what} already, the bound")]
    TooMany {
        /// Of what.
        what: String,
        /// The bound.
        max: usize,
    },
    /// Shards were placed before.
    #[error("shards are placed")]
    Placed,
    /// The plan breaks a rule of the shard map.
    #[error("the plan is wrong: {0}")]
    BadPlan(String),
}

impl Refusal {
    /// The public code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotFormed => Code::Forming,
            Self::BadSettings(_) | Self::BadNode { .. } => Code::InvalidArgument,
            Self::IdentityMismatch { .. } | Self::NameMismatch { .. } => Code::IdentityMismatch,
            Self::ContainerExists(_) => Code::ContainerExists,
            Self::ContainerNotFound(_) => Code::ContainerNotFound,
            Self::TooMany { .. } => Code::TooLarge,
            Self::Formed(_) | Self::NodeNotFound(_) | Self::NodeInUse(_) | Self::Placed | Self::BadPlan(_) => {
                Code::Refused
            }
        }
    }

    /// What to type next; empty where nothing helps.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NotFormed | Self::NodeNotFound(_) => "phoenixmldb-cluster status".to_owned(),
            Self::IdentityMismatch { name, .. } => {
                format!(
                    "choose another --node-id; if the disk of {name} was lost: phoenixmldb-cluster rebuild-node {name}"
                )
            }
            Self::NameMismatch { known, .. } => format!("start it with --node-id {known}"),
            Self::ContainerExists(name) => format!("phoenixmldb-cluster container info {name}"),
            Self::ContainerNotFound(_) => "phoenixmldb-cluster container ls".to_owned(),
            Self::NodeInUse(name) => format!("phoenixmldb-cluster remove-node {name}"),
            Self::Formed(_)
            | Self::BadSettings(_)
            | Self::BadNode { .. }
            | Self::TooMany { .. }
            | Self::Placed
            | Self::BadPlan(_) => String::new(),
        }
    }
}
