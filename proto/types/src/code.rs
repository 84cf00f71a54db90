//! The public registry of error codes, each with advice on retrying.
//!
//! A code is stable once released: clients match on its name. `proto/src/status.rs` alone turns one into a
//! gRPC status. Query errors carry the W3C code (`XPST0003`, `FORG0001`, …) beside [`Code::QueryStatic`] or
//! [`Code::QueryDynamic`].

use serde::{Deserialize, Serialize};

/// What a caller may do with the same request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Retry {
    /// The same request fails again.
    Never,
    /// The same request, with the same request id, may be sent again after this many milliseconds.
    After {
        /// How long to wait, in milliseconds.
        ms: u64,
    },
    /// The same request, at once, to another node: the leader that the error names, or one that may reach more of the
    /// cluster; or with the epoch that it names.
    Elsewhere,
    /// Begin the transaction again from its first read.
    WholeTransaction,
    /// The effect is unknown: ask for the outcome, never send again blindly.
    AskOutcome,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $retry:expr;)*) => {
        /// Everything that can be wrong, as clients see it. The name is the `reason` of `google.rpc.ErrorInfo`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The code with this name, if this build knows it.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// What the caller may do.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$variant => $retry,)* }
            }

            /// One sentence for the documentation.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)* }
            }
        }
    };
}

codes! {
    /// A field of the request is missing or breaks a rule; the message names both.
    InvalidArgument = "INVALID_ARGUMENT", Retry::Never;
    /// The document is not well-formed XML; line and column are given.
    MalformedDocument = "MALFORMED_DOCUMENT", Retry::Never;
    /// No container has this name.
    ContainerNotFound = "CONTAINER_NOT_FOUND", Retry::Never;
    /// A container with this name exists, with other options or without `if_not_exists`.
    ContainerExists = "CONTAINER_EXISTS", Retry::Never;
    /// No document has this name.
    DocumentNotFound = "DOCUMENT_NOT_FOUND", Retry::Never;
    /// The document exists and `overwrite` was off.
    DocumentExists = "DOCUMENT_EXISTS", Retry::Never;
    /// The document has another version than the one demanded.
    VersionConflict = "VERSION_CONFLICT", Retry::Never;
    /// The query is wrong before it runs; the W3C code and the position are given.
    QueryStatic = "QUERY_STATIC", Retry::Never;
    /// The query failed while running; the W3C code and the position are given.
    QueryDynamic = "QUERY_DYNAMIC", Retry::Never;
    /// The query used up its fuel, memory, depth or result bound.
    QueryLimit = "QUERY_LIMIT", Retry::Never;
    /// The deadline passed, or the client went away.
    DeadlineExceeded = "DEADLINE_EXCEEDED", Retry::Never;
    /// The caller cancelled the request.
    Cancelled = "CANCELLED", Retry::Never;
    /// Not built yet, or refused on purpose; the message says which.
    Unsupported = "UNSUPPORTED", Retry::Never;
    /// This replica does not lead; the error names the leader where it is known.
    NotLeader = "NOT_LEADER", Retry::Elsewhere;
    /// The request was routed by another shard map; the error carries the epoch to fetch.
    WrongEpoch = "WRONG_EPOCH", Retry::Elsewhere;
    /// The shard has no quorum within reach: reads may be served stale, writes are refused.
    NoQuorum = "NO_QUORUM", Retry::Elsewhere;
    /// No replica of the shard answered in time.
    ShardUnavailable = "SHARD_UNAVAILABLE", Retry::After { ms: 200 };
    /// No timestamp can be had: the clock group has no quorum within reach.
    ClockUnavailable = "CLOCK_UNAVAILABLE", Retry::After { ms: 200 };
    /// The control plane has no quorum within reach; documents are still served.
    ControlUnavailable = "CONTROL_UNAVAILABLE", Retry::After { ms: 500 };
    /// The cluster is still forming; the message says whom it waits for.
    Forming = "FORMING", Retry::After { ms: 500 };
    /// The node was never initialised: run init or join.
    NotInitialised = "NOT_INITIALISED", Retry::Never;
    /// A transaction lost against another one; the message names the document and the winner.
    TxnConflict = "TXN_CONFLICT", Retry::WholeTransaction;
    /// The transaction was rolled back earlier.
    TxnAborted = "TXN_ABORTED", Retry::WholeTransaction;
    /// The transaction was open for longer than its timeout.
    TxnTimeout = "TXN_TIMEOUT", Retry::WholeTransaction;
    /// No transaction has this id, or its outcome is older than 24 hours.
    TxnNotFound = "TXN_NOT_FOUND", Retry::Never;
    /// A write was sent and its effect is not known; its session is gone.
    OutcomeUnknown = "OUTCOME_UNKNOWN", Retry::AskOutcome;
    /// A queue or budget is full.
    Overloaded = "OVERLOADED", Retry::After { ms: 100 };
    /// A size bound was crossed; the message names it.
    TooLarge = "TOO_LARGE", Retry::Never;
    /// The result has more items than `max_results`.
    TooManyResults = "TOO_MANY_RESULTS", Retry::Never;
    /// The cluster id or incarnation of the sender is another one.
    WrongCluster = "WRONG_CLUSTER", Retry::Never;
    /// The name belongs to another node, or this disk lost the identity it had.
    IdentityMismatch = "IDENTITY_MISMATCH", Retry::Never;
    /// No node has this name.
    NodeNotFound = "NODE_NOT_FOUND", Retry::Never;
    /// The operation cannot end well now; the message says which rule is in the way.
    Refused = "REFUSED", Retry::Never;
    /// The disk is full or read-only; reads go on.
    ReadOnly = "READ_ONLY", Retry::After { ms: 1000 };
    /// The node is shutting down.
    ShuttingDown = "SHUTTING_DOWN", Retry::Elsewhere;
    /// A promise of our own code was broken; please report it with the request id.
    Internal = "INTERNAL", Retry::Never;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        for code in Code::ALL {
            assert_eq!(Code::from_name(code.name()), Some(*code));
            assert!(!code.summary().is_empty());
        }
        assert_eq!(Code::from_name("NO_SUCH_CODE"), None);
    }
}
