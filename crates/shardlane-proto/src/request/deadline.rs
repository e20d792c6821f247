//! Deadlines without one timer each: a FIFO per distinct timeout.
//!
//! Nearly all requests of an application share one or two timeouts, and requests with equal timeouts
//! expire in the order of submission. So a queue per timeout value is enough: push at the back, look at
//! the front. Finished requests are skipped when their entry comes up. An application that computes each
//! timeout anew has more of them than there are queues; what is over goes into a heap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::ids::RequestKey;
use crate::time::Instant;

/// Timeouts with a queue of their own. All of them are looked at in each turn.
const QUEUES_MAX: usize = 8;

/// An empty queue keeps room for so many entries.
const ROOM_KEPT_MAX: usize = 4096;

/// Clearing out finished requests is not worth while for fewer than these, on top of two for each that runs.
const FINISHED_MAX: usize = 4096;

#[derive(Debug, Default)]
struct Queue {
    timeout: Duration,
    entries: VecDeque<(Instant, RequestKey)>,
}

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    /// Empty ones are kept, and taken over by another timeout.
    queues: Vec<Queue>,
    others: BinaryHeap<Reverse<(Instant, RequestKey)>>,
    count: usize,
}

impl Deadlines {
    pub(crate) fn push(&mut self, now: Instant, timeout: Duration, key: RequestKey) -> Instant {
        let at = now + timeout;
        self.count += 1;
        match self.queue(timeout) {
            Some(queue) => queue.push_back((at, key)),
            None => self.others.push(Reverse((at, key))),
        }
        at
    }

    /// The queue of that timeout, or one for it.
    fn queue(&mut self, timeout: Duration) -> Option<&mut VecDeque<(Instant, RequestKey)>> {
        let of_timeout = |queue: &Queue| queue.timeout == timeout;
        let index = match self.queues.iter().position(of_timeout) {
            Some(index) => index,
            None if self.queues.len() < QUEUES_MAX => {
                self.queues.push(Queue::default());
                self.queues.len() - 1
            }
            None => self.queues.iter().position(|q| q.entries.is_empty())?,
        };
        let queue = &mut self.queues[index];
        queue.timeout = timeout;
        Some(&mut queue.entries)
    }

    /// How many entries there are, finished ones included.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Behind one slow request the entries of all that were submitted after it pile up until its deadline,
    /// finished or not: clears them out where they are many more than the `running` ones.
    pub(crate) fn forget_finished(&mut self, running: usize, is_live: impl Fn(RequestKey) -> bool) {
        if self.count > 2 * running + FINISHED_MAX {
            for queue in &mut self.queues {
                queue.entries.retain(|&(_, key)| is_live(key));
            }
            self.others.retain(|&Reverse((_, key))| is_live(key));
            let queued: usize = self.queues.iter().map(|queue| queue.entries.len()).sum();
            self.count = queued + self.others.len();
        }
    }

    /// The next request whose deadline has passed. `is_live` tells whether a request still runs.
    pub(crate) fn pop_expired(
        &mut self,
        now: Instant,
        is_live: impl Fn(RequestKey) -> bool,
    ) -> Option<RequestKey> {
        self.drop_finished(is_live);
        for queue in &mut self.queues {
            if queue.entries.front().is_some_and(|&(at, _)| at <= now) {
                self.count -= 1;
                return queue.entries.pop_front().map(|(_, key)| key);
            }
        }
        if self
            .others
            .peek()
            .is_some_and(|&Reverse((at, _))| at <= now)
        {
            self.count -= 1;
            return self.others.pop().map(|Reverse((_, key))| key);
        }
        None
    }

    /// The earliest deadline of a running request. Drops finished entries on its way.
    pub(crate) fn next(&mut self, is_live: impl Fn(RequestKey) -> bool) -> Option<Instant> {
        self.drop_finished(is_live);
        let mut earliest = self.others.peek().map(|&Reverse((at, _))| at);
        for queue in &self.queues {
            if let Some(&(at, _)) = queue.entries.front()
                && earliest.is_none_or(|earliest| at < earliest)
            {
                earliest = Some(at);
            }
        }
        earliest
    }

    /// Afterwards each queue begins with a running request, if it has one.
    fn drop_finished(&mut self, is_live: impl Fn(RequestKey) -> bool) {
        for Queue { entries, .. } in &mut self.queues {
            while entries.front().is_some_and(|&(_, key)| !is_live(key)) {
                entries.pop_front();
                self.count -= 1;
            }
            if entries.is_empty() && entries.capacity() > ROOM_KEPT_MAX {
                *entries = VecDeque::new();
            }
        }
        while self
            .others
            .peek()
            .is_some_and(|&Reverse((_, key))| !is_live(key))
        {
            self.others.pop();
            self.count -= 1;
        }
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
        assert_eq!(deadlines.len(), 0);
    }

    #[test]
    fn more_timeouts_than_queues_expire_in_order_too() {
        let mut deadlines = Deadlines::default();
        for number in (1..=100).rev() {
            deadlines.push(Instant(0), MS * number, RequestKey::for_test(number.into()));
        }
        // Every third has finished.
        let is_live = |key: RequestKey| !key.to_bits().is_multiple_of(3);
        for number in (1..=100).filter(|number: &u32| !number.is_multiple_of(3)) {
            let at = Instant(0) + MS * number;
            assert_eq!(deadlines.next(is_live), Some(at));
            assert_eq!(deadlines.pop_expired(at - MS / 2, is_live), None);
            let expired = deadlines.pop_expired(at, is_live);
            assert_eq!(expired, Some(RequestKey::for_test(number.into())));
        }
        assert_eq!(deadlines.next(is_live), None);
        assert_eq!(deadlines.len(), 0);
    }

    #[test]
    fn room_is_kept_within_bounds_and_queues_are_few() {
        let mut deadlines = Deadlines::default();
        for number in 0..4 * ROOM_KEPT_MAX as u64 {
            deadlines.push(Instant(0), MS, RequestKey::for_test(number));
        }
        assert_eq!(deadlines.next(|_| false), None);
        let room = deadlines
            .queues
            .iter()
            .map(|queue| queue.entries.capacity());
        assert!(room.sum::<usize>() <= ROOM_KEPT_MAX);
        for number in 0..100 {
            deadlines.push(Instant(0), MS * number, RequestKey::for_test(0));
            assert_eq!(deadlines.next(|_| false), None);
        }
        assert!(deadlines.queues.len() <= QUEUES_MAX);
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
