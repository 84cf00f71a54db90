//! What clients saw of transactions over append-only lists.

/// What a transaction did to one key, in its order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Appended a value; every value is appended to a key at most once in a history.
    Append {
        /// The list.
        key: u64,
        /// The value.
        value: u64,
    },
    /// Read the whole list.
    Read {
        /// The list.
        key: u64,
        /// What it gave.
        values: Vec<u64>,
    },
}

/// What the client was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It happened.
    Committed,
    /// It did not.
    Aborted,
    /// The answer was lost.
    Unknown,
}

/// One transaction as its client saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Txn {
    /// When it began, in any unit that grows.
    pub invoked: u64,
    /// When its answer arrived; `None` without one.
    pub completed: Option<u64>,
    /// The answer.
    pub outcome: Outcome,
    /// What it did.
    pub ops: Vec<Op>,
}

impl Txn {
    /// Whether it can have taken effect.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.outcome != Outcome::Aborted
    }

    /// Values it appended to a key, in order.
    pub fn appends(&self, wanted: u64) -> impl Iterator<Item = u64> {
        self.ops.iter().filter_map(move |op| match op {
            Op::Append { key, value } if *key == wanted => Some(*value),
            Op::Append { .. } | Op::Read { .. } => None,
        })
    }
}
