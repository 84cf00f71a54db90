//! Read barriers of one group, shared: one round of heartbeats proves leadership to every read that waits for it.
//!
//! ```text
//!  read a ─► barrier 1 ────────────► a goes on
//!  read b, c (barrier 1 is under way) ─► barrier 2 ────────────► b and c go on
//! ```
//!
//! A read that arrives while a barrier is under way waits for the *next* one: the one under way may have taken its
//! position in the log before a write that was acknowledged in between.

use crate::error::GroupError;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::oneshot;

type Waiter = oneshot::Sender<Result<(), GroupError>>;

/// Who waits for the next barrier; `None` when none is under way.
#[derive(Default)]
pub(crate) struct Barriers(Mutex<Option<Vec<Waiter>>>);

impl Barriers {
    /// Waits for a barrier that begins after this call; `barrier` makes one. Cancel safe.
    pub(crate) async fn wait<F>(
        self: &Arc<Self>,
        barrier: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<(), GroupError>
    where
        F: Future<Output = Result<(), GroupError>> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let first = match &mut *self.0.lock() {
            Some(waiting) => {
                waiting.push(sender);
                None
            }
            none => {
                *none = Some(Vec::new());
                Some(sender)
            }
        };
        if let Some(first) = first {
            // A task of its own: a reader that gives up must not leave the others without an answer.
            let running = Running { barriers: self.clone(), finished: false };
            tokio::spawn(running.run(vec![first], barrier));
        }
        answer.await.unwrap_or_else(|_| Err(GroupError::Stopped { reason: "the process is stopping".to_owned() }))
    }
}

/// The task that makes barriers. Dropped before it has finished, it leaves nobody waiting.
struct Running {
    barriers: Arc<Barriers>,
    finished: bool,
}

impl Running {
    /// Makes barriers until nobody waits.
    async fn run<F>(mut self, mut readers: Vec<Waiter>, barrier: impl Fn() -> F)
    where
        F: Future<Output = Result<(), GroupError>>,
    {
        while !readers.is_empty() {
            let result = barrier().await;
            for reader in readers {
                // A reader that gave up needs no answer.
                drop(reader.send(result.clone()));
            }
            let mut waiting = self.barriers.0.lock();
            readers = waiting.as_mut().map(std::mem::take).unwrap_or_default();
            if readers.is_empty() {
                *waiting = None;
                self.finished = true;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.finished {
            *self.barriers.0.lock() = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn who_arrives_while_a_barrier_is_under_way_shares_the_next_one() {
        let barriers = Arc::new(Barriers::default());
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let read = || {
            let (barriers, begun, gate) = (barriers.clone(), begun.clone(), gate.clone());
            tokio::spawn(async move {
                let barrier = move || {
                    let (begun, gate) = (begun.clone(), gate.clone());
                    async move {
                        begun.fetch_add(1, Ordering::Relaxed);
                        gate.acquire().await.expect("never closed").forget();
                        Ok(())
                    }
                };
                barriers.wait(barrier).await
            })
        };
        let first = read();
        while begun.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let second = read();
        let third = read();
        while barriers.0.lock().as_ref().map_or(0, Vec::len) < 2 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        first.await.unwrap().unwrap();
        assert!(!second.is_finished() && !third.is_finished(), "the barrier under way may have begun too early");
        gate.add_permits(1);
        second.await.unwrap().unwrap();
        third.await.unwrap().unwrap();
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        // Nobody waits any more: the next reader begins anew.
        gate.add_permits(1);
        read().await.unwrap().unwrap();
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_reader_that_gives_up_leaves_the_others_their_answer() {
        let barriers = Arc::new(Barriers::default());
        let gate = Arc::new(Semaphore::new(0));
        let read = || {
            let (barriers, gate) = (barriers.clone(), gate.clone());
            async move {
                let barrier = move || {
                    let gate = gate.clone();
                    async move {
                        gate.acquire().await.expect("never closed").forget();
                        Err(GroupError::NoQuorum)
                    }
                };
                barriers.wait(barrier).await
            }
        };
        let first = tokio::spawn(read());
        tokio::task::yield_now().await;
        let second = tokio::spawn(read());
        tokio::task::yield_now().await;
        first.abort();
        gate.add_permits(2);
        assert!(matches!(second.await.unwrap(), Err(GroupError::NoQuorum)));
    }

    #[tokio::test]
    async fn a_barrier_that_never_ends_with_its_task_leaves_nobody_waiting() {
        let barriers = Arc::new(Barriers::default());
        *barriers.0.lock() = Some(Vec::new());
        let running = Running { barriers: barriers.clone(), finished: false };
        let (sender, answer) = oneshot::channel();
        let task = tokio::spawn(running.run(vec![sender], std::future::pending::<Result<(), GroupError>>));
        tokio::task::yield_now().await;
        task.abort();
        assert!(answer.await.is_err());
        while barriers.0.lock().is_some() {
            tokio::task::yield_now().await;
        }
    }
}
