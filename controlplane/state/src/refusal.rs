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
    /// The name is a member's, so that no other node can join with it.
    #[error("node id {name:?} is already a member at {address}")]
    NameTaken {
        /// The name.
        name: String,
        /// Where the member is.
        address: String,
    },
    /// No node has this name.
    #[error("there is no node {name:?}{}", if known.is_empty() { String::new() } else { format!("; there are {}", known.join(", ")) })]
    NodeNotFound {
        /// The name.
        name: String,
        /// Names there are.
        known: Vec<String>,
    },
    /// The node still holds copies.
    #[error("node {name:?} holds {copies} copies, and moving copies to other nodes is not built yet")]
    NodeInUse {
        /// Its name.
        name: String,
        /// Copies of shards and of the clock group.
        copies: usize,
    },
    /// The node has a vote in the control group.
    #[error("node {0:?} votes in the control group, and changing its voters is not built yet")]
    NodeVotes(String),
    /// The disk belongs to a node that was taken out.
    #[error("node {0:?} was removed from the cluster with this disk")]
    NodeRemoved(String),
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
            Self::IdentityMismatch { .. } | Self::NameMismatch { .. } | Self::NameTaken { .. } => {
                Code::IdentityMismatch
            }
            Self::NodeNotFound { .. } => Code::NodeNotFound,
            Self::ContainerExists(_) => Code::ContainerExists,
            Self::ContainerNotFound(_) => Code::ContainerNotFound,
            Self::TooMany { .. } => Code::TooLarge,
            Self::Formed(_)
            | Self::NodeInUse { .. }
            | Self::NodeVotes(_)
            | Self::NodeRemoved(_)
            | Self::Placed
            | Self::BadPlan(_) => Code::Refused,
        }
    }

    /// What to type next; empty where nothing helps.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NotFormed => "phoenixmldb-cluster status".to_owned(),
            Self::NodeNotFound { .. } => "phoenixmldb-cluster members".to_owned(),
            Self::NameTaken { name, .. } => {
                format!("choose another --node-id, or: phoenixmldb-cluster remove-node {name}")
            }
            Self::IdentityMismatch { name, .. } => {
                format!("bring the disk of {name} back, or choose another --node-id")
            }
            Self::NameMismatch { known, .. } => format!("start it with --node-id {known}"),
            Self::ContainerExists(name) => format!("phoenixmldb-cluster container info {name}"),
            Self::ContainerNotFound(_) => "phoenixmldb-cluster container ls".to_owned(),
            Self::NodeInUse { .. } | Self::NodeVotes(_) => "leave it in; see: phoenixmldb-cluster members".to_owned(),
            Self::NodeRemoved(_) => "wipe its folder and let it join again: phoenixmldb-cluster join".to_owned(),
            Self::Formed(_)
            | Self::BadSettings(_)
            | Self::BadNode { .. }
            | Self::TooMany { .. }
            | Self::Placed
            | Self::BadPlan(_) => String::new(),
        }
    }
}
