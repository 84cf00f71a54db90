//! The clock group: timestamps that are unique and only ever grow, over changes of leader and jumps of clocks.
//!
//! The group replicates one number, an upper bound. Its leader gives out timestamps below the bound from memory and
//! raises the bound through Raft before it gets there. A new leader starts at the bound it finds, above everything its
//! predecessors can have given out. A clock that jumps back only makes the counter run; one that jumps ahead makes
//! timestamps jump, which nobody minds.

use crate::limits::{CLOCK_WINDOW_MS, GRANT_MAX};
use phoenixmldb_store::KvError;
use phoenixmldb_store::codec::{Reader, Writer};
use phoenixmldb_types::Timestamp;

/// The replicated part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClockState {
    /// Nothing at or above was ever given out.
    pub bound: Timestamp,
}

const ENCODING: u8 = 1;

impl ClockState {
    /// The command that raises the bound.
    #[must_use]
    pub fn raise(bound: Timestamp) -> Vec<u8> {
        Writer::new().u8(ENCODING).u64(bound.0).finish()
    }

    /// Applies a command of [`ClockState::raise`]. Bounds never fall.
    pub fn apply(&mut self, command: &[u8]) -> Result<(), KvError> {
        let mut reader = Reader::new("clock command", command);
        reader.version(ENCODING)?;
        self.bound = self.bound.max(Timestamp(reader.u64()?));
        Ok(())
    }
}

/// What the leader says to a request for timestamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    /// The first of the timestamps asked for; the others follow it without gap.
    Given(Timestamp),
    /// The bound has to be raised to this first.
    RaiseTo(Timestamp),
}

/// The leader's part, in memory: made when leadership begins, dropped when it ends.
#[derive(Clone, Debug)]
pub struct Granter {
    next: Timestamp,
    bound: Timestamp,
}

impl Granter {
    /// Begins where every predecessor must have ended.
    #[must_use]
    pub fn new(state: ClockState) -> Self {
        Self { next: state.bound.max(Timestamp(1)), bound: state.bound }
    }

    /// The bound was raised.
    pub fn raised(&mut self, bound: Timestamp) {
        self.bound = self.bound.max(bound);
    }

    /// Gives out `count` timestamps (1 to [`GRANT_MAX`]), or says how far the bound has to be raised.
    pub fn grant(&mut self, count: u32, now_ms: u64) -> Grant {
        let count = u64::from(count.clamp(1, GRANT_MAX));
        let first = self.next.max(Timestamp::from_ms(now_ms));
        let after = Timestamp(first.0 + count);
        if after > self.bound {
            return Grant::RaiseTo(after.plus_ms(CLOCK_WINDOW_MS));
        }
        self.next = after;
        Grant::Given(first)
    }

    /// Whether the bound should be raised soon, so that no request has to wait for it.
    #[must_use]
    pub fn wants_raise(&self, now_ms: u64) -> Option<Timestamp> {
        let half = Timestamp::from_ms(now_ms).max(self.next).plus_ms(CLOCK_WINDOW_MS / 2);
        (half > self.bound).then(|| half.plus_ms(CLOCK_WINDOW_MS / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Leaders come and go, clocks jump: what is given out only grows.
        #[test]
        fn timestamps_grow_over_leaders_and_jumps(
            steps in prop::collection::vec((0u8..4, 0u64..100_000, 1u32..50), 1..200)
        ) {
            let mut state = ClockState::default();
            let mut granter = Granter::new(state);
            let mut last = Timestamp::ZERO;
            let mut now = 50_000u64;
            for (kind, number, count) in steps {
                match kind {
                    // A new leader, perhaps with another clock.
                    0 => {
                        granter = Granter::new(state);
                        now = number;
                    }
                    1 => now = number,
                    _ => {
                        now += number % 100;
                        let first = match granter.grant(count, now) {
                            Grant::Given(first) => first,
                            Grant::RaiseTo(bound) => {
                                state.apply(&ClockState::raise(bound)).unwrap();
                                granter.raised(state.bound);
                                let Grant::Given(first) = granter.grant(count, now) else {
                                    panic!("a raised bound is enough");
                                };
                                first
                            }
                        };
                        prop_assert!(first > last);
                        last = Timestamp(first.0 + u64::from(count) - 1);
                        prop_assert!(last < state.bound);
                    }
                }
            }
        }
    }

    #[test]
    fn a_bound_never_falls_and_damage_is_an_error() {
        let mut state = ClockState::default();
        state.apply(&ClockState::raise(Timestamp(9))).unwrap();
        state.apply(&ClockState::raise(Timestamp(4))).unwrap();
        assert_eq!(state.bound, Timestamp(9));
        assert!(state.apply(&[1, 2]).is_err());
        assert!(state.apply(&[9, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
