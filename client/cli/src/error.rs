//! What went wrong, in three parts: what, why, and what to type next.

use crate::exit::Exit;
use phoenixmldb_client::{ClientError, Code};

/// A failed command.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}")]
pub struct CliError {
    /// How the program ends.
    pub exit: Exit,
    /// What was not done, and why.
    pub what: String,
    /// What to type next; empty when the message says it all.
    pub next: String,
}

impl CliError {
    /// A failure without advice.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), next: String::new() }
    }

    /// A wrong command line.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Adds what to type next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// A file or folder that cannot be used.
    pub fn io(error: &std::io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        match error {
            ClientError::Options(_) => Self::usage(what),
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, what)
                .next("give a running node: --endpoint host:5432, or PHOENIXMLDB_ENDPOINTS"),
            ClientError::Timeout { .. } => Self::new(Exit::Timeout, what).next("phoenixmldb-cluster status"),
            ClientError::Refused { error, .. } => {
                let exit = match error.code {
                    Code::InvalidArgument => Exit::Usage,
                    Code::QueryStatic | Code::QueryDynamic | Code::QueryLimit | Code::TooManyResults => Exit::Query,
                    Code::Forming | Code::NoQuorum | Code::ShardUnavailable | Code::ControlUnavailable => {
                        Exit::Unhealthy
                    }
                    Code::Refused => Exit::Refused,
                    Code::DeadlineExceeded => Exit::Timeout,
                    _ => Exit::Failed,
                };
                let named = error.get("xquery_code").map(|code| format!("{code}: {what}")).unwrap_or(what);
                Self::new(exit, named).next(error.help)
            }
        }
    }
}
