//! Exit codes: one table, printed by `help exit-codes`.

use crate::output::table;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The query is wrong, or failed.
    Query = 3,
    /// Not allowed.
    Auth = 4,
    /// The cluster is not healthy.
    Unhealthy = 5,
    /// No node can be reached.
    Unreachable = 6,
    /// It did not happen in time.
    Timeout = 7,
    /// Refused before anything was changed.
    Refused = 8,
    /// Partly done; safe to run again.
    Partial = 9,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// All codes with what they mean.
    pub const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Ok, "done"),
        (Self::Failed, "failed"),
        (Self::Usage, "the command line is wrong"),
        (Self::Query, "the query is wrong, or failed; its W3C code is on stderr"),
        (Self::Auth, "not allowed"),
        (Self::Unhealthy, "the cluster is not healthy"),
        (Self::Unreachable, "no node can be reached"),
        (Self::Timeout, "it did not happen in time"),
        (Self::Refused, "refused before anything was changed"),
        (Self::Partial, "partly done; safe to run again"),
        (Self::Interrupted, "ended by Ctrl-C"),
    ];

    /// What to type next when nothing better is known.
    #[must_use]
    pub const fn next(self) -> &'static str {
        match self {
            Self::Usage => "phoenixmldb-cluster --help",
            Self::Query => "phoenixmldb-cluster query --help",
            Self::Unreachable => "give a running node: --endpoint host:5432, or PHOENIXMLDB_ENDPOINTS",
            Self::Ok
            | Self::Failed
            | Self::Auth
            | Self::Unhealthy
            | Self::Timeout
            | Self::Refused
            | Self::Partial
            | Self::Interrupted => "phoenixmldb-cluster status",
        }
    }
}

/// The table as text.
#[must_use]
pub fn text() -> String {
    let rows: Vec<Vec<String>> =
        Exit::TABLE.iter().map(|(exit, text)| vec![(*exit as u8).to_string(), (*text).to_owned()]).collect();
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_in_their_order() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]);
        assert!(text().contains("\n8    refused before anything was changed\n"), "{}", text());
    }
}
