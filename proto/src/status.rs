//! `PublicError` ⇄ `tonic::Status`: the only place where one becomes the other.
//!
//! Every refusal is three things: what happened (`message`), why a program should care ([`Code`] and the metadata), and
//! what to type next (`help`). On the wire: the canonical gRPC code, `google.rpc.ErrorInfo` with the code's name and the
//! metadata, `RetryInfo` where waiting helps, and `Help` with the next step.

use phoenixmldb_types::{Code, Retry};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use tonic::{Code as Grpc, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `google.rpc.ErrorInfo.domain` of all our errors.
pub const DOMAIN: &str = "phoenixmldb";
const HELP_KEY: &str = "help";

/// An error as a client sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicError {
    /// What kind of wrong, with its advice on retrying.
    pub code: Code,
    /// What happened, with the values someone needs.
    pub message: String,
    /// What to type or do next; empty when the message says it all.
    pub help: String,
    /// Fields for programs: `leader`, `epoch`, `shard`, `xquery_code`, `line`, `column`, …
    pub metadata: BTreeMap<String, String>,
}

impl PublicError {
    /// An error without help or metadata.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: String::new(), metadata: BTreeMap::new() }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Adds a field for programs.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// A field, if it is there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }
}

impl fmt::Display for PublicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for PublicError {}

/// The canonical gRPC code of each of ours.
const fn grpc(code: Code) -> Grpc {
    match code {
        Code::InvalidArgument | Code::MalformedDocument | Code::QueryStatic => Grpc::InvalidArgument,
        Code::ContainerNotFound | Code::DocumentNotFound | Code::TxnNotFound | Code::NodeNotFound => Grpc::NotFound,
        Code::ContainerExists | Code::DocumentExists => Grpc::AlreadyExists,
        Code::VersionConflict | Code::QueryDynamic | Code::NotInitialised | Code::WrongCluster | Code::Refused => {
            Grpc::FailedPrecondition
        }
        Code::QueryLimit | Code::TooLarge | Code::TooManyResults | Code::Overloaded => Grpc::ResourceExhausted,
        Code::DeadlineExceeded | Code::TxnTimeout => Grpc::DeadlineExceeded,
        Code::Cancelled => Grpc::Cancelled,
        Code::Unsupported => Grpc::Unimplemented,
        Code::NotLeader
        | Code::WrongEpoch
        | Code::NoQuorum
        | Code::ShardUnavailable
        | Code::ClockUnavailable
        | Code::ControlUnavailable
        | Code::Forming
        | Code::ReadOnly
        | Code::ShuttingDown => Grpc::Unavailable,
        Code::TxnConflict | Code::TxnAborted => Grpc::Aborted,
        Code::OutcomeUnknown => Grpc::Unknown,
        Code::IdentityMismatch => Grpc::FailedPrecondition,
        _ => Grpc::Internal,
    }
}

impl From<PublicError> for Status {
    fn from(error: PublicError) -> Self {
        let mut metadata: std::collections::HashMap<String, String> = error.metadata.into_iter().collect();
        if !error.help.is_empty() {
            metadata.insert(HELP_KEY.to_owned(), error.help);
        }
        let mut details = ErrorDetails::with_error_info(error.code.name(), DOMAIN, metadata);
        if let Retry::After { ms } = error.code.retry() {
            details.set_retry_info(Some(Duration::from_millis(ms)));
        }
        Status::with_error_details(grpc(error.code), error.message, details)
    }
}

impl From<&Status> for PublicError {
    /// Reads our details back; a status of somebody else (a proxy, the transport) becomes the nearest code.
    fn from(status: &Status) -> Self {
        let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
        let known = info.as_ref().and_then(|info| Code::from_name(&info.reason));
        let mut metadata: BTreeMap<String, String> =
            info.map(|info| info.metadata.into_iter().collect()).unwrap_or_default();
        let help = metadata.remove(HELP_KEY).unwrap_or_default();
        let code = known.unwrap_or(match status.code() {
            Grpc::Unavailable => Code::ShardUnavailable,
            Grpc::DeadlineExceeded => Code::DeadlineExceeded,
            Grpc::Cancelled => Code::Cancelled,
            Grpc::ResourceExhausted => Code::Overloaded,
            Grpc::Unimplemented => Code::Unsupported,
            Grpc::InvalidArgument => Code::InvalidArgument,
            _ => Code::Internal,
        });
        Self { code, message: status.message().to_owned(), help, metadata }
    }
}

impl From<Status> for PublicError {
    fn from(status: Status) -> Self {
        Self::from(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire_with_its_fields() {
        for code in Code::ALL {
            let error = PublicError::new(*code, "what happened").help("type this").with("leader", "node2");
            let status = Status::from(error.clone());
            assert_eq!(PublicError::from(&status), error);
            assert_ne!(status.code(), Grpc::Ok);
            if let Retry::After { ms } = code.retry() {
                let info = status.get_details_retry_info().expect("advice travels");
                assert_eq!(info.retry_delay, Some(Duration::from_millis(ms)));
            }
        }
    }

    #[test]
    fn a_foreign_status_becomes_the_nearest_code() {
        assert_eq!(PublicError::from(Status::unavailable("gone")).code, Code::ShardUnavailable);
        assert_eq!(PublicError::from(Status::data_loss("?")).code, Code::Internal);
    }
}
