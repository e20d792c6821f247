//! Deadlines without one timer each: a FIFO per distinct timeout.
//!
//! Nearly all requests of an application share one or two timeouts, and requests with equal timeouts
//! expire in the order of submission. So a queue per timeout value is enough: push at the back, look at
//! the front. Finished requests are skipped when their entry comes up.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::ids::RequestKey;
use crate::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    queues: BTreeMap<Duration, VecDeque<(Instant, RequestKey)>>,
    count: usize,
}

/// Clearing out finished requests is not worth while for fewer than these, on top of two for each that runs.
const FINISHED_MAX: usize = 4096;

impl Deadlines {
    pub(crate) fn push(&mut self, now: Instant, timeout: Duration, key: RequestKey) -> Instant {
        let at = now + timeout;
        self.queues.entry(timeout).or_default().push_back((at, key));
        self.count += 1;
        at
    }

    /// How many entries there are, finished ones included.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Behind one slow request the entries of all that were submitted after it pile up until its deadline,
    /// finished or not: clears them out where they are many more than the `running` ones.
    pub(crate) fn forget_finished(&mut self, running: usize, is_live: impl Fn(RequestKey) -> bool) {
        if self.count > 2 * running + FINISHED_MAX {
            for queue in self.queues.values_mut() {
                queue.retain(|&(_, key)| is_live(key));
            }
            self.count = self.queues.values().map(VecDeque::len).sum();
        }
    }

    /// The next request whose deadline has passed. `is_live` tells whether a request still runs.
    pub(crate) fn pop_expired(
        &mut self,
        now: Instant,
        is_live: impl Fn(RequestKey) -> bool,
    ) -> Option<RequestKey> {
        for queue in self.queues.values_mut() {
            while let Some(&(at, key)) = queue.front() {
                if !is_live(key) {
                    queue.pop_front();
                    self.count -= 1;
                } else if at <= now {
                    queue.pop_front();
                    self.count -= 1;
                    return Some(key);
                } else {
                    break;
                }
            }
        }
        None
    }

    /// The earliest deadline of a running request. Drops finished entries on its way.
    pub(crate) fn next(&mut self, is_live: impl Fn(RequestKey) -> bool) -> Option<Instant> {
        let mut earliest: Option<Instant> = None;
        let count = &mut self.count;
        self.queues.retain(|_, queue| {
            while queue.front().is_some_and(|&(_, key)| !is_live(key)) {
                queue.pop_front();
                *count -= 1;
            }
            if let Some(&(at, _)) = queue.front() {
                earliest = Some(earliest.map_or(at, |e| e.min(at)));
            }
            !queue.is_empty()
        });
        earliest
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn expires_in_order_and_skips_the_finished() {
        let mut deadlines = Deadlines::default();
        let key = RequestKey::for_test;
        deadlines.push(Instant(0), MS * 10, key(1));
        deadlines.push(Instant(0), MS * 5, key(2));
        deadlines.push(Instant(0), MS * 10, key(3));
        let mut live: HashSet<RequestKey> = [key(1), key(2), key(3)].into();
        assert_eq!(
            deadlines.next(|k| live.contains(&k)),
            Some(Instant(0) + MS * 5)
        );
        assert_eq!(
            deadlines.pop_expired(Instant(0) + MS * 4, |k| live.contains(&k)),
            None
        );
        live.remove(&key(2));
        assert_eq!(
            deadlines.next(|k| live.contains(&k)),
            Some(Instant(0) + MS * 10)
        );
        assert_eq!(
            deadlines.pop_expired(Instant(0) + MS * 10, |k| live.contains(&k)),
            Some(key(1))
        );
        live.remove(&key(1));
        assert_eq!(
            deadlines.pop_expired(Instant(0) + MS * 10, |k| live.contains(&k)),
            Some(key(3))
        );
        live.remove(&key(3));
        assert_eq!(deadlines.next(|k| live.contains(&k)), None);
        assert!(
            deadlines.queues.is_empty(),
            "an unused timeout leaves nothing behind"
        );
    }
    #[test]
    fn one_slow_request_does_not_hoard_the_finished_ones() {
        let mut deadlines = Deadlines::default();
        let slow = RequestKey::for_test(0);
        let is_live = |key| key == slow;
        deadlines.push(Instant(0), MS * 10, slow);
        for number in 1..100_000 {
            deadlines.push(Instant(0), MS * 10, RequestKey::for_test(number));
            deadlines.forget_finished(1, is_live);
            assert!(deadlines.len() <= FINISHED_MAX + 2);
        }
        assert_eq!(deadlines.next(is_live), Some(Instant(0) + MS * 10));
        assert_eq!(
            deadlines.pop_expired(Instant(0) + MS * 10, is_live),
            Some(slow)
        );
        assert_eq!(deadlines.next(|_| false), None);
        assert_eq!(deadlines.len(), 0);
    }
}
