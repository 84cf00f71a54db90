//! What can go wrong on the caller's side of the wire.

use crate::options::OptionsError;
use phoenixmldb_proto::PublicError;
use phoenixmldb_types::Code;
use std::error::Error as _;
use std::time::Duration;
use tonic::Status;

/// Why a call failed after everything that could be tried was tried.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The options cannot work.
    #[error("{0}")]
    Options(OptionsError),
    /// No node answered; each attempt with its reason.
    #[error("no node reachable: {}", attempts(tried))]
    Unreachable {
        /// Address and reason of each attempt, in order.
        tried: Vec<(String, String)>,
    },
    /// The call's own deadline passed.
    #[error("no answer within {} ms{}", after.as_millis(), if tried.is_empty() { String::new() } else { format!(": {}", attempts(tried)) })]
    Timeout {
        /// The deadline.
        after: Duration,
        /// What failed before it passed.
        tried: Vec<(String, String)>,
    },
    /// A node refused; the code says whether another try can help.
    #[error("{}", error.message)]
    Refused {
        /// What it said.
        error: Box<PublicError>,
        /// Who said it.
        node: String,
        /// Attempts made.
        attempts: usize,
    },
}

/// Each node once, in the order they were tried, with the last reason.
fn attempts(tried: &[(String, String)]) -> String {
    let mut nodes: Vec<(&str, &str)> = Vec::new();
    for (node, why) in tried {
        match nodes.iter_mut().find(|(known, _)| known == node) {
            Some(known) => known.1 = why,
            None => nodes.push((node, why)),
        }
    }
    nodes.iter().map(|(node, why)| format!("{node} ({why})")).collect::<Vec<_>>().join(", ")
}

impl ClientError {
    /// The code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused { error, .. } => Some(error.code),
            Self::Options(_) | Self::Unreachable { .. } | Self::Timeout { .. } => None,
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { error, .. } => crate::retry::is_retryable(error),
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Options(_) => false,
        }
    }
}

/// Why a node cannot be reached, in the words of whoever found out first: "Connection refused".
pub(crate) fn root(status: &Status) -> String {
    let mut why = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        why = error.to_string();
        source = error.source();
    }
    why
}

/// Whether a status was made by the transport, so that no server has spoken.
pub(crate) fn is_transport(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::transport::Error>() || error.is::<std::io::Error>() || error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}
