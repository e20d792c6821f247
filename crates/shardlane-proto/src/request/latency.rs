//! How long answers take: a histogram that the I/O thread adds to and anyone may read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets per doubling of the latency: a bucket is at most 19 % wide.
const PER_OCTAVE: usize = 8;
const PER_OCTAVE_LOG2: u32 = 3;
/// From 1 us to more than an hour.
const OCTAVES: usize = 32;
/// So many records after the last time, all counts are halved: what was long ago fades.
const FADE_EVERY: u64 = 1 << 14;

/// Latencies of the latest requests, in buckets that grow with the latency. Only the I/O thread writes.
#[derive(Debug)]
pub struct Latencies {
    counts: Vec<AtomicU64>,
    total: AtomicU64,
    records: AtomicU64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: (0..OCTAVES * PER_OCTAVE)
                .map(|_| AtomicU64::new(0))
                .collect(),
            total: AtomicU64::new(0),
            records: AtomicU64::new(0),
        }
    }
}

impl Latencies {
    // Load and store instead of fetch_add: there is a single writer.
    pub(crate) fn record(&self, latency: Duration) {
        let count = &self.counts[bucket(latency)];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let records = self.records.load(Ordering::Relaxed) + 1;
        self.records.store(records, Ordering::Relaxed);
        let total = self.total.load(Ordering::Relaxed) + 1;
        self.total.store(total, Ordering::Relaxed);
        if records.is_multiple_of(FADE_EVERY) {
            let mut total = 0;
            for count in &self.counts {
                let half = count.load(Ordering::Relaxed) / 2;
                count.store(half, Ordering::Relaxed);
                total += half;
            }
            self.total.store(total, Ordering::Relaxed);
        }
    }

    /// Answers recorded so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// The latency that `percent` of the latest requests have not exceeded, up to the width of a bucket;
    /// `None` before the first answer. Counts may be a moment old.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let total = self.total.load(Ordering::Relaxed);
        if total == 0 {
            return None;
        }
        let wanted = ((total as f64 * percent / 100.0).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        let mut last = 0;
        for (index, count) in self.counts.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                last = index;
            }
            seen += count;
            if seen >= wanted {
                break;
            }
        }
        Some(upper_bound(last))
    }
}

/// Octave and position within it; microseconds below 8 have a bucket each.
fn bucket(latency: Duration) -> usize {
    let micros = latency
        .as_secs()
        .saturating_mul(1_000_000)
        .saturating_add(latency.subsec_micros().into());
    if micros < PER_OCTAVE as u64 {
        return micros as usize;
    }
    let top = micros.ilog2();
    let within = (micros >> (top - PER_OCTAVE_LOG2)) as usize - PER_OCTAVE;
    let octave = (top - PER_OCTAVE_LOG2 + 1) as usize;
    (octave * PER_OCTAVE + within).min(OCTAVES * PER_OCTAVE - 1)
}

fn upper_bound(bucket: usize) -> Duration {
    let (octave, within) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
    let micros = if octave == 0 {
        within as u64 + 1
    } else {
        ((PER_OCTAVE + within + 1) as u64) << (octave - 1)
    };
    Duration::from_micros(micros)
}

/// A percentile of [`Latencies`], computed anew only now and then: it is wanted for every request.
#[derive(Debug, Default)]
pub(crate) struct Percentile {
    percent: f64,
    computed_at: u64,
    value: Option<Duration>,
}

/// Answers before a percentile means anything.
const RECORDS_MIN: u64 = 100;
/// New answers before it is computed anew.
const RECORDS_FRESH: u64 = 256;

impl Percentile {
    pub(crate) fn get(&mut self, latencies: &Latencies, percent: f64) -> Option<Duration> {
        let records = latencies.records();
        if records < RECORDS_MIN {
            return None;
        }
        let is_stale = self.computed_at == 0 || records - self.computed_at >= RECORDS_FRESH;
        if is_stale || self.percent != percent {
            *self = Self {
                percent,
                computed_at: records,
                value: latencies.percentile(percent),
            };
        }
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_latencies_and_is_narrow() {
        let mut previous = Duration::ZERO;
        for index in 0..OCTAVES * PER_OCTAVE {
            let upper = upper_bound(index);
            assert!(upper > previous);
            let inside = upper - Duration::from_nanos(1);
            assert_eq!(bucket(inside), index, "{inside:?}");
            assert_eq!(bucket(previous), index, "{previous:?}");
            if index >= PER_OCTAVE {
                assert!(upper.as_secs_f64() / previous.as_secs_f64() < 1.13);
            }
            previous = upper;
        }
        assert!(previous > Duration::from_secs(3600));
        assert_eq!(bucket(Duration::MAX), OCTAVES * PER_OCTAVE - 1);
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let latencies = Latencies::default();
        assert_eq!(latencies.percentile(50.0), None);
        for ms in 1..=1000 {
            latencies.record(Duration::from_millis(ms));
        }
        for percent in [1.0, 50.0, 90.0, 99.0, 100.0] {
            let found = latencies
                .percentile(percent)
                .expect("recorded")
                .as_secs_f64();
            let exact = percent / 100.0;
            assert!(found >= exact && found < exact * 1.14, "{percent}: {found}");
        }
    }

    #[test]
    fn the_past_fades() {
        let latencies = Latencies::default();
        for _ in 0..FADE_EVERY {
            latencies.record(Duration::from_secs(1));
        }
        for _ in 0..4 * FADE_EVERY {
            latencies.record(Duration::from_millis(1));
        }
        let p95 = latencies.percentile(95.0).expect("recorded");
        assert!(p95 < Duration::from_millis(2), "{p95:?}");
    }

    #[test]
    fn a_percentile_waits_for_enough_and_then_keeps_up() {
        let (latencies, mut p99) = (Latencies::default(), Percentile::default());
        for _ in 1..RECORDS_MIN {
            latencies.record(Duration::from_millis(1));
            assert_eq!(p99.get(&latencies, 99.0), None);
        }
        latencies.record(Duration::from_millis(1));
        let early = p99.get(&latencies, 99.0).expect("enough");
        for _ in 0..RECORDS_FRESH {
            latencies.record(Duration::from_millis(64));
        }
        let late = p99.get(&latencies, 99.0).expect("enough");
        assert!(late > early * 10);
        let median = p99.get(&latencies, 1.0).expect("another percentile");
        assert!(median < late);
    }
}
