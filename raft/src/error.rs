//! What can go wrong with a group.
//!
//! [`StateFault`] is special: it means that this replica can no longer follow the others, so the group stops and the
//! process is told through `on_fatal`. Returning it as a result would let replicas disagree.

use crate::type_config::Peer;

/// A disk or decode failure while applying: stops the replica.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct StateFault {
    /// What was being done.
    pub what: String,
    /// Why it failed.
    pub reason: String,
}

impl StateFault {
    /// A fault.
    pub fn new(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self { what: what.into(), reason: reason.to_string() }
    }
}

/// Why a group did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GroupError {
    /// This replica does not lead. Ask the leader, or wait for one.
    #[error("not the leader{}", leader.as_ref().map_or(String::new(), |peer| format!("; {} leads", peer.name)))]
    NotLeader {
        /// Who leads, if known.
        leader: Option<Peer>,
    },
    /// Leadership changed after the proposal was appended: it may or may not be committed by the new leader.
    #[error("leadership changed while the proposal was in flight")]
    Ambiguous,
    /// Leadership changed since the token was taken; nothing was appended.
    #[error("leadership changed since the command was evaluated")]
    LeadershipChanged,
    /// No quorum answered within the election timeout.
    #[error("no quorum within reach")]
    NoQuorum,
    /// Too many proposals wait already.
    #[error("{in_flight} proposals are waiting already")]
    Overloaded {
        /// How many wait.
        in_flight: usize,
    },
    /// It did not happen in time.
    #[error("{what} did not happen within {ms} ms")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        ms: u64,
    },
    /// A membership or transfer request that breaks a rule.
    #[error("refused: {reason}")]
    Refused {
        /// The rule.
        reason: String,
    },
    /// The group has stopped.
    #[error("the group has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}
