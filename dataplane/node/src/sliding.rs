//! Rates over a sliding window, from counters that only grow. Pure: time is a parameter.
//!
//! A request costs one atomic addition; what it means per second is found out only when somebody asks, from the
//! difference of two readings.

use std::collections::VecDeque;
use std::time::Duration;

/// Readings of the last window.
#[derive(Clone, Debug)]
pub struct Sliding<R> {
    window: Duration,
    readings: VecDeque<(Duration, R)>,
}

/// The first and the last reading of a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Span<'a, R> {
    /// Time between them.
    pub elapsed: Duration,
    /// The first one.
    pub first: &'a R,
    /// The last one.
    pub last: &'a R,
}

impl<R> Sliding<R> {
    /// A window of this length without readings.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self { window, readings: VecDeque::new() }
    }

    /// Adds a reading taken at `now` on a clock that never goes back; forgets what the window has left behind, but for one
    /// reading at its edge.
    pub fn push(&mut self, now: Duration, reading: R) {
        self.readings.push_back((now, reading));
        let edge = now.saturating_sub(self.window);
        while self.readings.get(1).is_some_and(|(at, _)| *at <= edge) {
            self.readings.pop_front();
        }
    }

    /// What the window spans; `None` before the second reading.
    #[must_use]
    pub fn span(&self) -> Option<Span<'_, R>> {
        let ((start, first), (end, last)) = (self.readings.front()?, self.readings.back()?);
        let elapsed = end.saturating_sub(*start);
        (!elapsed.is_zero()).then_some(Span { elapsed, first, last })
    }
}

impl<R> Span<'_, R> {
    /// Growth of a counter per second; 0 for a counter that began anew.
    #[must_use]
    pub fn per_second(&self, counter: impl Fn(&R) -> u64) -> f64 {
        counter(self.last).saturating_sub(counter(self.first)) as f64 / self.elapsed.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[test]
    fn a_rate_needs_two_readings_and_forgets_what_is_behind_the_window() {
        let mut sliding = Sliding::new(WINDOW);
        assert!(sliding.span().is_none());
        sliding.push(Duration::from_secs(1), 100u64);
        assert!(sliding.span().is_none());
        sliding.push(Duration::from_secs(3), 150);
        assert_eq!(sliding.span().unwrap().per_second(|n| *n), 25.0);
        // A burst of long ago, then nothing.
        sliding.push(Duration::from_secs(14), 150);
        assert_eq!(sliding.span().unwrap().per_second(|n| *n), 0.0);
        sliding.push(Duration::from_secs(15), 0);
        assert_eq!(sliding.span().unwrap().per_second(|n| *n), 0.0, "a counter that began anew");
    }

    proptest! {
        #[test]
        fn the_rate_of_steady_growth_is_its_rate_however_it_is_read(
            pauses_ms in prop::collection::vec(1u64..4_000, 2..60),
            per_second in 0u64..10_000,
        ) {
            let mut sliding = Sliding::new(WINDOW);
            let mut now_ms = 0;
            for pause_ms in pauses_ms {
                now_ms += pause_ms;
                sliding.push(Duration::from_millis(now_ms), now_ms * per_second);
            }
            let span = sliding.span().unwrap();
            let rate = span.per_second(|grown| *grown) / 1_000.0;
            prop_assert!((rate - per_second as f64).abs() < 1e-6 * (per_second as f64 + 1.0), "{rate}");
        }

        #[test]
        fn the_window_is_covered_and_not_much_more(pauses_ms in prop::collection::vec(1u64..4_000, 2..60)) {
            let mut sliding = Sliding::new(WINDOW);
            let (mut now_ms, longest) = (0, *pauses_ms.iter().max().unwrap());
            for pause_ms in &pauses_ms {
                now_ms += pause_ms;
                sliding.push(Duration::from_millis(now_ms), ());
            }
            let elapsed = sliding.span().unwrap().elapsed;
            prop_assert!(elapsed <= WINDOW + Duration::from_millis(longest));
            let all = Duration::from_millis(now_ms - pauses_ms[0]);
            prop_assert!(elapsed >= WINDOW.min(all));
        }
    }
}
