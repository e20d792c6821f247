//! Timestamps of writes, given by the client: microseconds since the epoch, each greater than the last.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The clock of one cluster object's writes.
///
/// It follows the system's clock, and goes on by single microseconds where that stands still, jumps
/// back, or is asked more often than once in a microsecond. So two writes of one cluster object are
/// applied in the order in which they were begun, whichever coordinators they go through.
#[derive(Debug, Default)]
pub(crate) struct Timestamps {
    last: AtomicI64,
}

impl Timestamps {
    /// A timestamp that is later than every one before.
    pub(crate) fn next(&self) -> i64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
            });
        self.next_at(now)
    }

    fn next_at(&self, now: i64) -> i64 {
        let later = |last: i64| now.max(last.saturating_add(1));
        // Nothing else is published by it.
        match self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(later(last))
            }) {
            Ok(last) | Err(last) => later(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_follow_the_clock_and_never_go_back() {
        let timestamps = Timestamps::default();
        let given =
            [1000, 1000, 1000, 2000, 1500, 1500, 2002, 2002].map(|now| timestamps.next_at(now));
        assert_eq!(given, [1000, 1001, 1002, 2000, 2001, 2002, 2003, 2004]);
        assert_eq!(timestamps.next_at(9000), 9000);
        let now = timestamps.next();
        assert!(now > 1_600_000_000_000_000, "microseconds since 1970");
    }

    #[test]
    fn threads_never_get_the_same() {
        let timestamps = Timestamps::default();
        let mut all: Vec<i64> = std::thread::scope(|scope| {
            let take = || (0..1000).map(|_| timestamps.next()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            let taken = threads.into_iter().map(|t| t.join().expect("no panic"));
            taken
                .inspect(|of_one| assert!(of_one.is_sorted()))
                .flatten()
                .collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }
}
