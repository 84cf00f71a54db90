//! Exit codes: one table, printed by `help exit-codes`.

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
    ];
}
