//! Numbers the writes of one client, so that a repeated write is applied once.
//!
//! `acknowledged_below` lets the shards forget outcomes whose answers have arrived: it is the smallest number still in
//! flight. A write whose caller gave up stays in flight for ever as far as the shards know; its number is released when
//! its ticket is dropped, because nobody will ask for its outcome any more.

use parking_lot::Mutex;
use phoenixmldb_proto::v1::WriteId;
use std::collections::BTreeSet;

/// The numbering shared by all clones of a client.
pub(crate) struct Session {
    id: [u8; 16],
    numbers: Mutex<Numbers>,
}

struct Numbers {
    next: u64,
    in_flight: BTreeSet<u64>,
}

/// One write's number, in flight until dropped.
pub(crate) struct Ticket<'a> {
    session: &'a Session,
    sequence: u64,
}

impl Session {
    pub(crate) fn random() -> Self {
        Self { id: rand::random(), numbers: Mutex::new(Numbers { next: 1, in_flight: BTreeSet::new() }) }
    }

    pub(crate) fn begin(&self) -> Ticket<'_> {
        let mut numbers = self.numbers.lock();
        let sequence = numbers.next;
        numbers.next += 1;
        numbers.in_flight.insert(sequence);
        Ticket { session: self, sequence }
    }
}

impl Ticket<'_> {
    /// What travels with the write, on every attempt.
    pub(crate) fn write_id(&self) -> WriteId {
        let numbers = self.session.numbers.lock();
        let acknowledged_below = numbers.in_flight.first().copied().unwrap_or(self.sequence);
        WriteId { session: self.session.id.to_vec().into(), sequence: self.sequence, acknowledged_below }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.session.numbers.lock().in_flight.remove(&self.sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_below_never_passes_a_write_in_flight() {
        let session = Session::random();
        let first = session.begin();
        let second = session.begin();
        assert_eq!(second.write_id().sequence, 2);
        assert_eq!(second.write_id().acknowledged_below, 1);
        drop(first);
        assert_eq!(second.write_id().acknowledged_below, 2);
        drop(second);
        assert_eq!(session.begin().write_id().acknowledged_below, 3);
    }
}
