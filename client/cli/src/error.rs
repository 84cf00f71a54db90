//! What went wrong, in three lines: what was not done, why, and what to type next.

use crate::exit::Exit;
use phoenixmldb_client::{ClientError, Code};

/// A failed command. What was not done is known to whoever runs it: [`crate::args::Verb::aim`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{why}")]
pub struct CliError {
    /// How the program ends.
    pub exit: Exit,
    /// Why it was not done.
    pub why: String,
    /// What to type next; empty: [`Exit::next`].
    pub next: String,
}

impl CliError {
    /// A failure without advice of its own.
    pub fn new(exit: Exit, why: impl Into<String>) -> Self {
        Self { exit, why: why.into(), next: String::new() }
    }

    /// A wrong command line.
    pub fn usage(why: impl Into<String>) -> Self {
        Self::new(Exit::Usage, why)
    }

    /// Adds what to type next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// A file or folder that cannot be used.
    pub fn io(error: &std::io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string()).next("check the path, its owner and the space on its disk")
    }

    /// The three lines, for a command that was to `aim`.
    #[must_use]
    pub fn lines(&self, aim: &str) -> String {
        let next = if self.next.is_empty() { self.exit.next() } else { &self.next };
        format!("error: cannot {aim}\n  why:  {}\n  next: {next}\n", self.why)
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let why = error.to_string();
        match error {
            ClientError::Options(_) => Self::usage(why),
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, why),
            ClientError::Timeout { .. } => Self::new(Exit::Timeout, why),
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
                let named = error.get("xquery_code").map(|code| format!("{code}: {why}")).unwrap_or(why);
                Self::new(exit, named).next(error.help)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_three_lines() {
        let error = CliError::new(Exit::Failed, "container \"orders\" does not exist");
        let text = error.clone().next("phoenixmldb-cluster container create orders").lines("store orders/a.xml");
        assert_eq!(
            text,
            "error: cannot store orders/a.xml\n  why:  container \"orders\" does not exist\n  \
             next: phoenixmldb-cluster container create orders\n"
        );
        assert!(error.lines("x").ends_with("  next: phoenixmldb-cluster status\n"));
    }
}
