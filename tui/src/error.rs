//! What can end the dashboard.

use phoenixmldb_client::ClientError;

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The cluster could not be asked; only where one answer was wanted, a dashboard tries again.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The terminal could not be read or drawn on.
    #[error("terminal: {0}")]
    Terminal(std::io::Error),
    /// Nothing could be printed.
    #[error("output: {0}")]
    Output(std::io::Error),
    /// A file could not be read or written; the message names it.
    #[error("{0}")]
    File(std::io::Error),
    /// A line of a recording is not one.
    #[error("{file}, line {line}: {why}")]
    Recording {
        /// The file.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// Why not.
        why: String,
    },
}
