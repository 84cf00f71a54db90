//! What bounds a query: fuel, a cancel flag, and a deadline asked of the host, because this crate reads no clock.

use crate::error::{Result, fail};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Steps between two looks at the deadline: about a tenth of a millisecond of evaluation.
const STEPS_PER_PROBE_DEFAULT: u64 = 4_096;

/// Charged by loops; shared between the query's thread and whoever may cancel it.
pub struct Meter {
    fuel: AtomicU64,
    spent: AtomicU64,
    cancelled: AtomicBool,
    deadline_passed: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("fuel", &self.fuel).field("spent", &self.spent).finish_non_exhaustive()
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(u64::MAX, None)
    }
}

impl Meter {
    /// A meter with so many steps of fuel and a probe that says whether the deadline has passed.
    #[must_use]
    pub fn new(fuel: u64, deadline_passed: Option<Box<dyn Fn() -> bool + Send + Sync>>) -> Self {
        Self { fuel: fuel.into(), spent: 0.into(), cancelled: false.into(), deadline_passed }
    }

    /// Makes the query end with an error at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Steps charged so far.
    pub fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }

    /// Charges steps of work. Errors: `XQDY0900` (an error of this engine): cancelled, out of fuel or out of time.
    pub fn charge(&self, steps: u64) -> Result<()> {
        let before = self.spent.fetch_add(steps, Ordering::Relaxed);
        let after = before.wrapping_add(steps);
        if after > self.fuel.load(Ordering::Relaxed) {
            return Err(fail("XQDY0900", "the query used up its fuel"));
        }
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(fail("XQDY0900", "the query was cancelled"));
        }
        if before / STEPS_PER_PROBE_DEFAULT != after / STEPS_PER_PROBE_DEFAULT
            && self.deadline_passed.as_ref().is_some_and(|passed| passed())
        {
            return Err(fail("XQDY0900", "the query passed its deadline"));
        }
        Ok(())
    }
}
