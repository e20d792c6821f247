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
}

impl Deadlines {
    pub(crate) fn push(&mut self, now: Instant, timeout: Duration, key: RequestKey) -> Instant {
        let at = now + timeout;
        self.queues.entry(timeout).or_default().push_back((at, key));
        at
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
                } else if at <= now {
                    queue.pop_front();
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
        self.queues.retain(|_, queue| {
            while queue.front().is_some_and(|&(_, key)| !is_live(key)) {
                queue.pop_front();
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
}
