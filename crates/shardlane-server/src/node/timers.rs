//! Deadlines of a shard's tasks: one queue for each waiting time, so that adding one costs nothing.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// Deadlines that all lie equally far ahead when they are added, and so are in order.
#[derive(Debug)]
pub(crate) struct DeadlineQueue<T> {
    after: Duration,
    queue: VecDeque<(Instant, T)>,
}

impl<T> DeadlineQueue<T> {
    pub(crate) const fn new(after: Duration) -> Self {
        Self {
            after,
            queue: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, now: Instant, item: T) {
        self.queue.push_back((now + self.after, item));
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.queue.front().map(|(at, _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.queue.front()?.0 > now {
            return None;
        }
        self.queue.pop_front().map(|(_, item)| item)
    }

    /// Forgets items from the front while they are no longer `wanted`: most tasks end in time.
    pub(crate) fn drop_done(&mut self, wanted: impl Fn(&T) -> bool) {
        while self.queue.front().is_some_and(|(_, item)| !wanted(item)) {
            self.queue.pop_front();
        }
    }
}

/// Things to do at times of their own.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    next: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    /// Keeps the order of what is due at the same time.
    number: u64,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next: 0,
        }
    }
}

impl<T> Agenda<T> {
    pub(crate) fn push(&mut self, at: Instant, item: T) {
        self.heap.push(Reverse(Entry {
            at,
            number: self.next,
            item,
        }));
        self.next += 1;
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.0.at)
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.heap.peek()?.0.at > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_due_in_order() {
        let start = Instant::now();
        let mut queue = DeadlineQueue::new(Duration::from_millis(10));
        queue.push(start, 'a');
        queue.push(start + Duration::from_millis(5), 'b');
        assert_eq!(queue.pop_due(start), None);
        let later = start + Duration::from_millis(12);
        assert_eq!(queue.pop_due(later), Some('a'));
        assert_eq!(queue.pop_due(later), None);
        queue.drop_done(|_| false);
        assert_eq!(queue.next_deadline(), None);
    }

    #[test]
    fn the_agenda_sorts_by_time_then_by_order_of_arrival() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut agenda = Agenda::default();
        for (ms, item) in [(3, 'c'), (1, 'a'), (3, 'd'), (2, 'b')] {
            agenda.push(at(ms), item);
        }
        assert_eq!(agenda.next_deadline(), Some(at(1)));
        let due: String = std::iter::from_fn(|| agenda.pop_due(at(3))).collect();
        assert_eq!(due, "abcd");
    }
}
