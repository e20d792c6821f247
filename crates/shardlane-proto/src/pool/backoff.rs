//! Delays between failed attempts: exponential with jitter.

use std::time::Duration;

use crate::rng::Rng;

/// Doubles from `min` to `max` while attempts fail; a success starts it over.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            failures: 0,
        }
    }

    /// Counts a failure and returns how long to wait before the next attempt.
    pub(crate) fn fail(&mut self, rng: &mut Rng) -> Duration {
        let factor = 1u32 << self.failures.min(20);
        self.failures = self.failures.saturating_add(1);
        rng.jitter(self.min.saturating_mul(factor).min(self.max))
    }

    /// The longest delay, jitter aside.
    pub(crate) const fn max(&self) -> Duration {
        self.max
    }

    pub(crate) const fn succeed(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_bound_and_starts_over() {
        let mut rng = Rng::new(1);
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
        let mut previous = Duration::ZERO;
        for _ in 0..8 {
            let delay = backoff.fail(&mut rng);
            assert!(delay > previous, "{delay:?} after {previous:?}");
            previous = delay;
        }
        for _ in 0..100 {
            assert!(backoff.fail(&mut rng) <= Duration::from_millis(11_500));
        }
        backoff.succeed();
        assert!(backoff.fail(&mut rng) < Duration::from_millis(60));
    }

    #[test]
    fn equal_bounds_make_it_constant() {
        let mut rng = Rng::new(1);
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second);
        for _ in 0..50 {
            let delay = backoff.fail(&mut rng);
            assert!(delay >= second.mul_f64(0.85) && delay <= second.mul_f64(1.15));
        }
    }
}
