//! Timestamps of the clock group: physical milliseconds and a logical counter in one 64-bit number.
//!
//! Unique and strictly increasing over the whole cluster; a later commit has a larger one. Nothing compares them with
//! a node's own clock: time limits of transactions and sessions are measured in timestamps too.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A position in the cluster's order of commits: `milliseconds since 1970 << 18 | counter`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Bits of the logical counter: 262,144 timestamps in each millisecond.
    pub const LOGICAL_BITS: u32 = 18;
    /// Before every commit.
    pub const ZERO: Self = Self(0);
    /// After every commit.
    pub const MAX: Self = Self(u64::MAX);

    /// The first timestamp of a millisecond.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms << Self::LOGICAL_BITS)
    }

    /// Physical part, in milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 >> Self::LOGICAL_BITS
    }

    /// The counter within the millisecond.
    #[must_use]
    pub const fn logical(self) -> u64 {
        self.0 & ((1 << Self::LOGICAL_BITS) - 1)
    }

    /// The next timestamp.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The timestamp before; `ZERO` stays.
    #[must_use]
    pub const fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// This many milliseconds later, saturating.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms << Self::LOGICAL_BITS))
    }

    /// Milliseconds from `earlier` to here; 0 when `earlier` is later.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.ms().saturating_sub(earlier.ms())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ms(), self.logical())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ts:{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_physical_then_logical() {
        let a = Timestamp::from_ms(5);
        assert!(a < a.next());
        assert!(a.next() < Timestamp::from_ms(6));
        assert_eq!(Timestamp::from_ms(6).prev().ms(), 5);
        assert_eq!(a.plus_ms(3).ms_since(a), 3);
        assert_eq!(a.ms_since(a.plus_ms(3)), 0);
        assert_eq!(a.next().to_string(), "5.1");
    }
}
