//! Randomness that is passed in: one seeded generator per machine, so that a simulation repeats.

use std::time::Duration;

/// SplitMix64: small, fast, good enough for jitter and for choosing among replicas. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator that yields the same numbers for the same `seed`.
    #[must_use]
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub(crate) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        ((self.next_u64() as u128 * bound as u128) >> 64) as usize
    }

    /// `base` times a factor drawn evenly from 0.85 to 1.15.
    pub(crate) fn jitter(&mut self, base: Duration) -> Duration {
        let unit = (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        base.mul_f64(0.85 + 0.3 * unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_repeat_for_a_seed_and_stay_in_range() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        for bound in 1..200 {
            let n = a.below(bound);
            assert_eq!(n, b.below(bound));
            assert!(n < bound);
        }
        assert_eq!(a.below(0), 0);
        let base = Duration::from_millis(100);
        for _ in 0..100 {
            let j = a.jitter(base);
            assert!(
                j >= Duration::from_millis(85) && j <= Duration::from_millis(115),
                "{j:?}"
            );
        }
    }
}
