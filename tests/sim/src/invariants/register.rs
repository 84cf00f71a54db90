//! A document with one writer that counts up: every strong read gives a value between the last one acknowledged before
//! the read began and the last one begun before it ended; what one read has seen, no later one may miss. Versions grow
//! with the order in which writes were acknowledged, over all documents.

use parking_lot::Mutex;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Default)]
struct Register {
    begun: u64,
    acknowledged: u64,
    /// Largest value any finished read gave.
    seen: u64,
}

/// All documents with one writer.
#[derive(Default)]
pub struct Registers {
    known: Mutex<BTreeMap<String, Register>>,
    newest_version: Mutex<BTreeMap<String, u64>>,
}

impl Registers {
    /// The writer is about to write a value.
    pub fn begun(&self, name: &str, value: u64) {
        self.known.lock().entry(name.to_owned()).or_default().begun = value;
    }

    /// The writer has the answer. Error: its version is not above the versions of the same writer's earlier writes.
    pub fn acknowledged(&self, name: &str, value: u64, version: u64) -> Result<(), String> {
        self.known.lock().entry(name.to_owned()).or_default().acknowledged = value;
        let writer = name.split('-').next().unwrap_or(name).to_owned();
        let before = self.newest_version.lock().insert(writer, version).unwrap_or(0);
        if version > before { Ok(()) } else { Err(format!("{name} = {value} has version {version} after {before}")) }
    }

    /// The newest acknowledged value, or a larger one that a read has seen; 0 before the first.
    #[must_use]
    pub fn acknowledged_value(&self, name: &str) -> u64 {
        self.known.lock().get(name).map_or(0, |register| register.acknowledged.max(register.seen))
    }

    /// A strong read that began when `before` was acknowledged gave `value`. Error: it may not have.
    pub fn check_read(&self, name: &str, before: u64, value: u64) -> Result<(), String> {
        let mut known = self.known.lock();
        let register = known.entry(name.to_owned()).or_default();
        if value < before {
            return Err(format!("{name}: a strong read gave {value} though {before} was there before it began"));
        }
        if value > register.begun {
            return Err(format!("{name}: a read gave {value}, which nobody has written"));
        }
        register.seen = register.seen.max(value);
        Ok(())
    }

    /// Names and newest acknowledged values.
    #[must_use]
    pub fn all(&self) -> Vec<(String, u64)> {
        self.known.lock().iter().map(|(name, register)| (name.clone(), register.acknowledged)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_write_a_stale_read_and_a_value_from_nowhere_are_seen() {
        let registers = Registers::default();
        registers.begun("r/1-0", 1);
        registers.acknowledged("r/1-0", 1, 10).unwrap();
        registers.begun("r/1-0", 2);
        assert!(registers.check_read("r/1-0", 1, 2).is_ok(), "begun is enough");
        assert!(registers.check_read("r/1-0", 1, 0).is_err(), "an acknowledged write is missing");
        assert_eq!(registers.acknowledged_value("r/1-0"), 2, "a read has seen it");
        assert!(registers.check_read("r/1-0", 2, 3).is_err(), "nobody wrote 3");
        assert!(registers.acknowledged("r/1-1", 1, 10).is_err(), "versions of one writer grow");
    }
}
