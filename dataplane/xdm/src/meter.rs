//! What bounds a query: fuel, memory, stack, a cancel flag, and a deadline asked of the host, because this crate reads
//! no clock.
//!
//! Memory is what the values of the query hold now, not what it ever allocated: work [`Meter::hold`]s bytes for what it
//! makes, and whoever runs an expression [`Meter::settle`]s to what was held before plus what the result keeps, since
//! everything else the expression made is gone.

use crate::error::{Error, Result, fail};
use crate::limits;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Steps between two looks at the deadline: about a tenth of a millisecond of evaluation.
const STEPS_PER_PROBE_DEFAULT: u64 = 4_096;

/// A bound that a query ran into. Each has an error code of this engine's own, which no `try` catches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// Steps of evaluation.
    Fuel,
    /// The host's deadline.
    Deadline,
    /// Somebody asked for the end.
    Cancelled,
    /// Bytes held by values.
    Memory,
    /// Bytes of stack: functions that call each other too deeply.
    Stack,
    /// Items of the result.
    ResultItems,
    /// Bytes of the written result.
    ResultBytes,
}

impl Limit {
    /// All bounds.
    pub const ALL: [Self; 7] =
        [Self::Fuel, Self::Deadline, Self::Cancelled, Self::Memory, Self::Stack, Self::ResultItems, Self::ResultBytes];

    /// The error code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Fuel => "PXLM0001",
            Self::Deadline => "PXLM0002",
            Self::Cancelled => "PXLM0003",
            Self::Memory => "PXLM0004",
            Self::Stack => "PXLM0005",
            Self::ResultItems => "PXLM0006",
            Self::ResultBytes => "PXLM0007",
        }
    }

    /// The bound an error tells of, if it does.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        // Codes of the specifications do not begin so, which is what almost every error is asked.
        if !error.code.local.starts_with("PXLM") || error.code.uri != crate::error::ERROR_NAMESPACE {
            return None;
        }
        Self::ALL.into_iter().find(|limit| error.code.local == limit.code())
    }

    /// The error, with the bound in words.
    pub fn exceeded(self, message: impl Into<String>) -> Box<Error> {
        fail(self.code(), message)
    }
}

/// A number of bytes for people.
#[must_use]
pub fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => format!("{} MiB", bytes / 1_048_576),
    }
}

/// Charged by loops and by what builds values; shared between the query's thread and whoever may cancel it.
///
/// The counts are written by the query's thread alone, so they are plain loads and stores.
pub struct Meter {
    fuel_max: u64,
    memory_bytes_max: u64,
    stack_bytes_max: u64,
    spent: AtomicU64,
    held_bytes: AtomicU64,
    peak_bytes: AtomicU64,
    cancelled: AtomicBool,
    deadline_passed: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("spent", &self.spent)
            .field("held_bytes", &self.held_bytes)
            .finish_non_exhaustive()
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(u64::MAX, None)
    }
}

impl Meter {
    /// A meter with so many steps of fuel and a probe that says whether the deadline has passed. Memory and stack are
    /// bounded by [`limits::QUERY_MEMORY_BYTES_DEFAULT`] and [`limits::QUERY_STACK_BYTES_DEFAULT`].
    #[must_use]
    pub fn new(fuel_max: u64, deadline_passed: Option<Box<dyn Fn() -> bool + Send + Sync>>) -> Self {
        Self {
            fuel_max,
            memory_bytes_max: limits::QUERY_MEMORY_BYTES_DEFAULT,
            stack_bytes_max: limits::QUERY_STACK_BYTES_DEFAULT,
            spent: 0.into(),
            held_bytes: 0.into(),
            peak_bytes: 0.into(),
            cancelled: false.into(),
            deadline_passed,
        }
    }

    /// The same with another bound for the memory that values hold.
    #[must_use]
    pub fn with_memory(mut self, bytes_max: u64) -> Self {
        self.memory_bytes_max = bytes_max;
        self
    }

    /// The same with another bound for the stack of nested calls.
    #[must_use]
    pub fn with_stack(mut self, bytes_max: u64) -> Self {
        self.stack_bytes_max = bytes_max;
        self
    }

    /// Makes the query end with an error at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Steps charged so far.
    pub fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }

    /// The most bytes that were held at one time.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    /// The bound of the stack, in bytes.
    pub fn stack_bytes_max(&self) -> u64 {
        self.stack_bytes_max
    }

    /// Charges steps of work. Errors: [`Limit::Fuel`], [`Limit::Cancelled`], [`Limit::Deadline`].
    pub fn charge(&self, steps: u64) -> Result<()> {
        let before = self.spent.load(Ordering::Relaxed);
        let after = before.saturating_add(steps);
        self.spent.store(after, Ordering::Relaxed);
        if after > self.fuel_max {
            return Err(Limit::Fuel.exceeded(format!("the query took more than {} steps", self.fuel_max)));
        }
        if before / STEPS_PER_PROBE_DEFAULT != after / STEPS_PER_PROBE_DEFAULT { self.probe() } else { Ok(()) }
    }

    /// Looks at the cancel flag and the deadline now, for work whose steps are long.
    /// Errors: [`Limit::Cancelled`], [`Limit::Deadline`].
    pub fn probe(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Limit::Cancelled.exceeded("the query was cancelled"));
        }
        if self.deadline_passed.as_ref().is_some_and(|passed| passed()) {
            return Err(Limit::Deadline.exceeded("the query passed its deadline"));
        }
        Ok(())
    }

    /// Bytes held now.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Takes bytes for a value, before it is made where its size is known. Error: [`Limit::Memory`], with nothing taken.
    pub fn hold(&self, bytes: u64) -> Result<()> {
        let held = self.held_bytes().saturating_add(bytes);
        if held > self.memory_bytes_max {
            let max = bytes_text(self.memory_bytes_max);
            return Err(Limit::Memory.exceeded(format!("the values of the query need more than {max} of memory")));
        }
        self.held_bytes.store(held, Ordering::Relaxed);
        if held > self.peak_bytes() {
            self.peak_bytes.store(held, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Gives bytes back, so that so many are held; never more than now.
    pub fn settle(&self, bytes: u64) {
        if bytes < self.held_bytes() {
            self.held_bytes.store(bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(result: Result<()>) -> Option<Limit> {
        Limit::of(&result.unwrap_err())
    }

    #[test]
    fn every_bound_has_its_own_code() {
        let meter = Meter::new(10, None).with_memory(1_000);
        assert!(meter.charge(10).is_ok());
        assert_eq!(limit(meter.charge(1)), Some(Limit::Fuel));
        assert_eq!(limit(meter.hold(1_001)), Some(Limit::Memory));
        meter.cancel();
        assert_eq!(limit(meter.probe()), Some(Limit::Cancelled));
        let late = Meter::new(u64::MAX, Some(Box::new(|| true)));
        assert_eq!(limit(late.charge(STEPS_PER_PROBE_DEFAULT)), Some(Limit::Deadline));
        assert_eq!(Limit::of(&fail("FORG0001", "")), None);
    }

    #[test]
    fn memory_that_was_given_back_can_be_taken_again() {
        let meter = Meter::default().with_memory(100);
        for _ in 0..10 {
            let before = meter.held_bytes();
            meter.hold(90).unwrap();
            meter.settle(before + 5);
            meter.settle(before + 50);
            assert_eq!(meter.held_bytes(), before + 5);
            meter.settle(before);
        }
        assert_eq!((meter.held_bytes(), meter.peak_bytes()), (0, 90));
        meter.hold(u64::MAX).unwrap_err();
        assert_eq!(meter.held_bytes(), 0);
    }
}
