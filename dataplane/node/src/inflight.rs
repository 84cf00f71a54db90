//! Writes of one shard that have not been decided, and the order of writes to one document. In memory, on the leader.
//!
//! A writer registers before it asks for its timestamp. A reader that got its own timestamp afterwards waits until every
//! writer registered has a timestamp above it or is done: then nothing can appear at or below the reader's timestamp any
//! more. See "Reading" on the transactions page of the design.

use parking_lot::Mutex;
use phoenixmldb_types::{ContainerId, DocumentName, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Notify, OwnedMutexGuard};

/// Held by the write that has the document; waited for by the next ones.
type Queue = Arc<tokio::sync::Mutex<()>>;

/// The writes of one shard.
#[derive(Default)]
pub struct InFlight {
    writes: Mutex<Writes>,
    changed: Notify,
    latches: Mutex<HashMap<(ContainerId, DocumentName), Queue>>,
    waiting: AtomicU64,
}

#[derive(Default)]
struct Writes {
    next: u64,
    /// By number; the timestamp once it is known.
    open: BTreeMap<u64, Option<Timestamp>>,
}

/// A registered write; decided when dropped.
pub struct Ticket {
    shard: Arc<InFlight>,
    number: u64,
}

/// The right to write one document; the next writer has it when dropped.
pub struct Latch {
    shard: Arc<InFlight>,
    key: (ContainerId, DocumentName),
    guard: Option<OwnedMutexGuard<()>>,
}

impl InFlight {
    /// Writes that wait for a latch, and writes that are open.
    #[must_use]
    pub fn numbers(&self) -> (u64, u64) {
        (self.waiting.load(Ordering::Relaxed), self.writes.lock().open.len() as u64)
    }

    /// Registers a write. Call before asking for its timestamp.
    #[must_use]
    pub fn register(self: &Arc<Self>) -> Ticket {
        let mut writes = self.writes.lock();
        let number = writes.next;
        writes.next += 1;
        writes.open.insert(number, None);
        Ticket { shard: self.clone(), number }
    }

    /// Waits until no registered write can become visible at or below `at`. Cancel safe.
    pub async fn decided(&self, at: Timestamp) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let open = self.writes.lock().open.values().any(|ts| ts.is_none_or(|ts| ts <= at));
            if !open {
                return;
            }
            changed.await;
        }
    }

    /// Waits for the right to write a document. Cancel safe.
    pub async fn latch(self: &Arc<Self>, container: ContainerId, name: &DocumentName) -> Latch {
        let key = (container, name.clone());
        let mutex = self.latches.lock().entry(key.clone()).or_default().clone();
        let guard = match mutex.clone().try_lock_owned() {
            Ok(guard) => guard,
            Err(_) => {
                let _waits = Waits::begin(&self.waiting);
                mutex.lock_owned().await
            }
        };
        Latch { shard: self.clone(), key, guard: Some(guard) }
    }
}

/// One more waits while this lives.
struct Waits<'a>(&'a AtomicU64);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ticket {
    /// The write's timestamp is known.
    pub fn set(&self, ts: Timestamp) {
        self.shard.writes.lock().open.insert(self.number, Some(ts));
        self.shard.changed.notify_waiters();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shard.writes.lock().open.remove(&self.number);
        self.shard.changed.notify_waiters();
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        let mut latches = self.shard.latches.lock();
        self.guard.take();
        // Two owners: the table and this. Whoever waits holds a third.
        if latches.get(&self.key).is_some_and(|mutex| Arc::strong_count(mutex) == 1) {
            latches.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_reader_waits_for_writers_that_may_come_below_it_and_for_no_others() {
        let shard = Arc::new(InFlight::default());
        let at = Timestamp(10);
        assert!(shard.decided(at).now_or_never().is_some());
        let first = shard.register();
        assert!(shard.decided(at).now_or_never().is_none(), "its timestamp is not known");
        first.set(Timestamp(11));
        assert!(shard.decided(at).now_or_never().is_some(), "it is above");
        let second = shard.register();
        second.set(Timestamp(10));
        let waiting = tokio::spawn({
            let shard = shard.clone();
            async move { shard.decided(at).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn writers_of_one_document_take_turns_and_others_do_not_wait() {
        let shard = Arc::new(InFlight::default());
        let name = |text: &str| DocumentName::parse(text).unwrap();
        let held = shard.latch(ContainerId(1), &name("a")).await;
        assert!(shard.latch(ContainerId(1), &name("a")).now_or_never().is_none());
        assert_eq!(shard.numbers(), (0, 0), "who has given up waits no more");
        assert!(shard.latch(ContainerId(1), &name("b")).now_or_never().is_some());
        assert!(shard.latch(ContainerId(2), &name("a")).now_or_never().is_some());
        drop(held);
        drop(shard.latch(ContainerId(1), &name("a")).await);
        assert!(shard.latches.lock().is_empty(), "nothing is kept of documents nobody writes");
    }
}
