//! A document that many add to by compare-and-set: in the end it counts every addition that was acknowledged, none that
//! was refused, and of the others each at most once.

use parking_lot::Mutex;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Default)]
struct Counter {
    begun: u64,
    added: u64,
    refused: u64,
}

/// All shared counters.
#[derive(Default)]
pub struct Counters(Mutex<BTreeMap<u64, Counter>>);

impl Counters {
    /// An addition begins.
    pub fn begun(&self, number: u64) {
        self.0.lock().entry(number).or_default().begun += 1;
    }

    /// It was acknowledged.
    pub fn added(&self, number: u64) {
        self.0.lock().entry(number).or_default().added += 1;
    }

    /// It was refused: somebody else was first.
    pub fn refused(&self, number: u64) {
        self.0.lock().entry(number).or_default().refused += 1;
    }

    /// Compares a counter's final value. Error: it cannot be right.
    pub fn check(&self, number: u64, value: u64) -> Result<(), String> {
        let counter = self.0.lock().get(&number).copied().unwrap_or_default();
        let most = counter.begun - counter.refused;
        if value < counter.added {
            return Err(format!("counter {number} is {value}; {} additions were acknowledged", counter.added));
        }
        if value > most {
            return Err(format!("counter {number} is {value}; at most {most} additions can have happened"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_and_a_doubled_addition_are_seen() {
        let counters = Counters::default();
        for _ in 0..5 {
            counters.begun(0);
        }
        (0..3).for_each(|_| counters.added(0));
        counters.refused(0);
        assert!(counters.check(0, 3).is_ok() && counters.check(0, 4).is_ok(), "one outcome is unknown");
        assert!(counters.check(0, 2).is_err(), "one was lost");
        assert!(counters.check(0, 5).is_err(), "one was applied twice");
    }
}
