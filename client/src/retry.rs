//! When an attempt is repeated, and after how long. Pure but for the jitter.
//!
//! The default policy waits 100, 200 and 400 ms (±20 %); together with the time a coordinator itself waits for a leader
//! that covers an election at the default timeouts.

use crate::options::RetryPolicy;
use phoenixmldb_proto::PublicError;
use phoenixmldb_types::Retry;
use rand::RngExt;
use std::time::Duration;

/// Jitter on each side of a wait, in percent: enough to spread clients that failed together.
const JITTER_PERCENT: u32 = 20;

/// The waits of one call.
pub(crate) struct Backoff {
    left: u32,
    next: Duration,
    factor: u32,
}

impl Backoff {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        let factor = if policy.exponential_backoff { 2 } else { 1 };
        Self { left: policy.max_retries, next: policy.retry_delay, factor }
    }

    /// The next wait, with jitter; `None` when the policy is used up.
    pub(crate) fn next_wait(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let wait = self.next;
        self.next = self.next.saturating_mul(self.factor);
        let percent = rand::rng().random_range(100 - JITTER_PERCENT..=100 + JITTER_PERCENT);
        Some(wait * percent / 100)
    }
}

/// Whether the same request may succeed when sent again.
#[must_use]
pub fn is_retryable(error: &PublicError) -> bool {
    match error.code.retry() {
        Retry::After { .. } | Retry::Elsewhere => true,
        Retry::Never | Retry::WholeTransaction | Retry::AskOutcome => false,
    }
}

/// How long the server asks to wait, at least.
pub(crate) fn server_wait(error: &PublicError) -> Duration {
    match error.code.retry() {
        Retry::After { ms } => Duration::from_millis(ms),
        Retry::Never | Retry::Elsewhere | Retry::WholeTransaction | Retry::AskOutcome => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenixmldb_types::Code;

    fn waits(policy: &RetryPolicy) -> Vec<u128> {
        let mut backoff = Backoff::new(policy);
        std::iter::from_fn(|| backoff.next_wait()).map(|wait| wait.as_millis()).collect()
    }

    #[test]
    fn the_default_waits_double_within_the_jitter() {
        for _ in 0..100 {
            let waits = waits(&RetryPolicy::default());
            assert_eq!(waits.len(), 3);
            for (wait, nominal) in waits.iter().zip([100, 200, 400]) {
                assert!((nominal * 8 / 10..=nominal * 12 / 10).contains(wait), "{waits:?}");
            }
        }
    }

    #[test]
    fn without_backoff_every_wait_is_the_same_and_zero_retries_wait_never() {
        let constant = RetryPolicy { exponential_backoff: false, ..RetryPolicy::default() };
        assert!(waits(&constant).iter().all(|wait| (80..=120).contains(wait)));
        assert!(waits(&RetryPolicy { max_retries: 0, ..RetryPolicy::default() }).is_empty());
        let at_once = RetryPolicy { retry_delay: Duration::ZERO, ..RetryPolicy::default() };
        assert_eq!(waits(&at_once), [0, 0, 0]);
    }

    #[test]
    fn what_cannot_change_is_not_repeated() {
        for code in [Code::MalformedDocument, Code::OutcomeUnknown, Code::QueryDynamic, Code::DocumentNotFound] {
            assert!(!is_retryable(&PublicError::new(code, "")), "{code:?}");
        }
        for code in [Code::NotLeader, Code::WrongEpoch, Code::ShardUnavailable, Code::ShuttingDown] {
            assert!(is_retryable(&PublicError::new(code, "")), "{code:?}");
        }
    }
}
