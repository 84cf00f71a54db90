//! Why a request failed, as its caller will hear it.

use phoenixmldb_types::{Code, Epoch, NameError, ShardId, TxnId};
use phoenixmldb_xdm::ParseError;
use phoenixmldb_xdm::atomic::{Atomic, AtomicType};
use std::time::Duration;

/// Why a request failed. Each variant has one public code.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// A name breaks its rule.
    #[error("{0}")]
    Name(#[from] NameError),
    /// Another field breaks a rule.
    #[error("{field}: {rule}")]
    Field {
        /// Which one.
        field: &'static str,
        /// The rule, with what was given.
        rule: String,
    },
    /// The document is not well-formed.
    #[error("{container}/{document} is not well-formed XML: {error}")]
    Malformed {
        /// Where it was to go.
        container: String,
        /// Its name.
        document: String,
        /// What is wrong and where.
        error: ParseError,
    },
    /// A document is larger than the bound.
    #[error("the document has {bytes} bytes; {max} is the bound")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// No container has this name.
    #[error("container {name:?} does not exist")]
    ContainerNotFound {
        /// The name.
        name: String,
    },
    /// No document has this name.
    #[error("document {container}/{document} does not exist")]
    DocumentNotFound {
        /// Its container.
        container: String,
        /// Its name.
        document: String,
    },
    /// The document exists and may not be replaced.
    #[error("document {container}/{document} exists")]
    DocumentExists {
        /// Its container.
        container: String,
        /// Its name.
        document: String,
    },
    /// The document has another version.
    #[error("document {container}/{document} has version {actual}, not {expected}")]
    VersionConflict {
        /// Its container.
        container: String,
        /// Its name.
        document: String,
        /// What it has; 0 for no document.
        actual: u64,
        /// What was demanded.
        expected: u64,
    },
    /// The write was acknowledged as answered before.
    #[error("the outcome of this write has been forgotten: its client said it had the answer")]
    OutcomeForgotten,
    /// Shards have not been placed.
    #[error("the cluster is forming: {waiting}")]
    Forming {
        /// For what it waits.
        waiting: String,
    },
    /// The shard has no quorum within reach.
    #[error(
        "shard {shard} has no quorum within reach of {node}: {} of {} replicas answer{}; read-only since {}",
        answering.len(), answering.len() + silent.len(), listed(answering), utc(*since_ms)
    )]
    NoQuorum {
        /// Which shard.
        shard: ShardId,
        /// Who looked.
        node: String,
        /// Replicas that answered, by the name of their node.
        answering: Vec<String>,
        /// Replicas that did not.
        silent: Vec<String>,
        /// Since when, in milliseconds since 1970.
        since_ms: u64,
    },
    /// No replica of the shard led within the time a coordinator waits.
    #[error("shard {shard} has no leader: {tried}")]
    ShardUnavailable {
        /// Which shard.
        shard: ShardId,
        /// The replicas asked, each with its answer.
        tried: String,
    },
    /// No timestamp can be had.
    #[error("no timestamp can be had: {reason}")]
    ClockUnavailable {
        /// Why.
        reason: String,
    },
    /// The shard map has moved on and the new one did not arrive in time.
    #[error("shard {shard} has moved on to epoch {epoch}")]
    WrongEpoch {
        /// Which shard.
        shard: ShardId,
        /// The epoch it is in.
        epoch: Epoch,
    },
    /// The request's time is up.
    #[error("the deadline of {} ms has passed", limit.as_millis())]
    Deadline {
        /// How long it was.
        limit: Duration,
    },
    /// The query is wrong, or failed.
    #[error("{message}")]
    Query {
        /// Its W3C code.
        code: String,
        /// In words.
        message: String,
        /// Line and column in the query, from 1.
        place: Option<(u32, u32)>,
    },
    /// The result has more items than asked for.
    #[error("the result has more than {max} items")]
    TooManyResults {
        /// The bound.
        max: u64,
    },
    /// A query needs more than it may have.
    #[error("{what}")]
    QueryLimit {
        /// Of what.
        what: String,
    },
    /// No transaction has this id, or its outcome has been forgotten.
    #[error("transaction {txn} does not exist")]
    TransactionNotFound {
        /// Its id.
        txn: TxnId,
    },
    /// Another transaction or write was there first. Begin again.
    #[error("{container}/{document} {}", match holder {
        Some(holder) => format!("is being changed by transaction {holder}"),
        None => format!("has changed at {version} since the transaction began"),
    })]
    TransactionConflict {
        /// Its container.
        container: String,
        /// The document.
        document: String,
        /// The transaction that holds it now.
        holder: Option<TxnId>,
        /// Otherwise: the version that is there.
        version: u64,
    },
    /// The transaction was rolled back, by its client or after a conflict.
    #[error("transaction {txn} was rolled back: {reason}")]
    TransactionAborted {
        /// Its id.
        txn: TxnId,
        /// By whom or why.
        reason: String,
    },
    /// The transaction was open for too long.
    #[error("transaction {txn} was rolled back: it was open for longer than {} ms", timeout.as_millis())]
    TransactionTimeout {
        /// Its id.
        txn: TxnId,
        /// Its timeout.
        timeout: Duration,
    },
    /// The transaction would become larger than the bound.
    #[error("the transaction would hold {bytes} bytes; {max} is the bound")]
    TransactionTooLarge {
        /// What it would hold.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// A write in a transaction that only reads.
    #[error("transaction {txn} is read-only")]
    TransactionReadOnly {
        /// Its id.
        txn: TxnId,
    },
    /// The answer to the commit was lost.
    #[error("the outcome of transaction {txn} is not known yet: {reason}")]
    TransactionUnknown {
        /// Its id.
        txn: TxnId,
        /// What was lost.
        reason: String,
    },
    /// A queue is full.
    #[error("overloaded: {what}")]
    Overloaded {
        /// Which.
        what: String,
    },
    /// The control plane refused.
    #[error("{message}")]
    Control {
        /// Its code.
        code: Code,
        /// Its words.
        message: String,
        /// Its advice.
        help: String,
    },
    /// A promise of our own code was broken.
    #[error("{what}: {reason}")]
    Internal {
        /// What was being done.
        what: &'static str,
        /// What went wrong.
        reason: String,
    },
}

/// ` (a, b)`, or nothing.
fn listed(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// A wall clock's time in UTC.
fn utc(ms: u64) -> String {
    Atomic::DateTime(crate::query::moment(ms), AtomicType::DateTime).to_str().to_string()
}

impl CoordinatorError {
    /// Whether it only says that no quorum could be reached, so that a stale read may still be served.
    #[must_use]
    pub const fn lacks_quorum(&self) -> bool {
        matches!(self, Self::NoQuorum { .. } | Self::ShardUnavailable { .. } | Self::ClockUnavailable { .. })
    }

    /// The public code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Name(_) | Self::Field { .. } => Code::InvalidArgument,
            Self::Malformed { .. } => Code::MalformedDocument,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::ContainerNotFound { .. } => Code::ContainerNotFound,
            Self::DocumentNotFound { .. } => Code::DocumentNotFound,
            Self::DocumentExists { .. } => Code::DocumentExists,
            Self::VersionConflict { .. } => Code::VersionConflict,
            Self::OutcomeForgotten => Code::OutcomeUnknown,
            Self::Forming { .. } => Code::Forming,
            Self::NoQuorum { .. } => Code::NoQuorum,
            Self::ShardUnavailable { .. } => Code::ShardUnavailable,
            Self::ClockUnavailable { .. } => Code::ClockUnavailable,
            Self::WrongEpoch { .. } => Code::WrongEpoch,
            Self::Deadline { .. } => Code::DeadlineExceeded,
            // Bounds of the engine, such as its memory.
            Self::Query { code, .. } if code.starts_with("PXLM") => Code::QueryLimit,
            Self::Query { code, .. } => {
                // Static errors of the specifications are XPST and XQST; everything else happens while running.
                let is_static = code.starts_with("XPST") || code.starts_with("XQST");
                if is_static { Code::QueryStatic } else { Code::QueryDynamic }
            }
            Self::TooManyResults { .. } => Code::TooManyResults,
            Self::QueryLimit { .. } => Code::QueryLimit,
            Self::TransactionNotFound { .. } => Code::TxnNotFound,
            Self::TransactionConflict { .. } => Code::TxnConflict,
            Self::TransactionAborted { .. } => Code::TxnAborted,
            Self::TransactionTimeout { .. } => Code::TxnTimeout,
            Self::TransactionTooLarge { .. } => Code::TooLarge,
            Self::TransactionReadOnly { .. } => Code::Refused,
            Self::TransactionUnknown { .. } => Code::OutcomeUnknown,
            Self::Overloaded { .. } => Code::Overloaded,
            Self::Control { code, .. } => *code,
            Self::Internal { .. } => Code::Internal,
        }
    }

    /// What to type or do next; empty when the message says it all.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::ContainerNotFound { name } => {
                format!("create it first: phoenixmldb-cluster container create {name}")
            }
            Self::DocumentExists { .. } => "put it with overwrite to replace it".to_owned(),
            Self::Forming { .. } => "phoenixmldb-cluster status".to_owned(),
            Self::NoQuorum { silent, .. } => {
                let others = if silent.is_empty() { "another node".to_owned() } else { silent.join(" or ") };
                format!("ask {others}, or read with --consistency stale; phoenixmldb-cluster status")
            }
            Self::ShardUnavailable { shard, .. } => format!("phoenixmldb-cluster shards {shard}"),
            Self::TransactionConflict { .. } | Self::TransactionAborted { .. } | Self::TransactionTimeout { .. } => {
                "begin the transaction again".to_owned()
            }
            Self::TransactionUnknown { txn, .. } => format!("phoenixmldb-cluster txn show {txn}"),
            Self::TransactionReadOnly { .. } => "begin one that may write".to_owned(),
            Self::TooManyResults { .. } => "raise max_results, or ask to truncate".to_owned(),
            Self::Control { help, .. } => help.clone(),
            _ => String::new(),
        }
    }
}
