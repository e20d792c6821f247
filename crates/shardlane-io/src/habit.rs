//! Whether one thread or event loop has been alone with the cluster object for a while.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// So many requests in a row make somebody alone.
const ALONE_MIN: u32 = 16;
/// The same after somebody who was alone has left much to do for the I/O thread, again and again. On a machine that is
/// short of CPUs anybody may be late at times, and should not lose more by that than the delay itself.
const ALONE_MAX: u32 = 256;

/// Counts how many requests in a row were one thread's or loop's. Changed by several threads without order: a wrong
/// guess costs time, and nothing else.
#[derive(Debug)]
pub(crate) struct Habit {
    who: AtomicUsize,
    /// Requests of all, at the last look.
    requests: AtomicU64,
    alone: AtomicU32,
    alone_min: AtomicU32,
}

impl Habit {
    pub(crate) const fn new() -> Self {
        Self {
            who: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            alone: AtomicU32::new(0),
            alone_min: AtomicU32::new(ALONE_MIN),
        }
    }

    /// `who` has made a request, and with it there have been `requests` of all. Returns whether it has been the only
    /// one for a while.
    pub(crate) fn note(&self, who: usize, requests: u64) -> bool {
        let before = self.requests.load(Ordering::Relaxed);
        self.requests.store(requests, Ordering::Relaxed);
        if self.who.load(Ordering::Relaxed) == who && before + 1 == requests {
            let alone = self.alone.load(Ordering::Relaxed).saturating_add(1);
            self.alone.store(alone, Ordering::Relaxed);
            return alone >= self.alone_min.load(Ordering::Relaxed);
        }
        self.who.store(who, Ordering::Relaxed);
        self.alone.store(0, Ordering::Relaxed);
        false
    }

    /// Begins to count again.
    pub(crate) fn forget(&self) {
        self.alone.store(0, Ordering::Relaxed);
    }

    /// Whoever drove has stopped, and if it `was_busy` has left requests behind: should that happen again and again
    /// it takes longer and longer until it is tried once more.
    pub(crate) fn learn(&self, was_busy: bool) {
        let min = self.alone_min.load(Ordering::Relaxed);
        let min = if was_busy {
            (min * 4).min(ALONE_MAX)
        } else {
            (min / 2).max(ALONE_MIN)
        };
        self.alone_min.store(min, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests of `who` it takes from `requests` on.
    fn until_alone(habit: &Habit, who: usize, requests: &mut u64) -> u32 {
        (1..)
            .find(|_| {
                *requests += 1;
                habit.note(who, *requests)
            })
            .unwrap()
    }

    #[test]
    fn who_is_alone_for_a_while_is_alone() {
        let (habit, mut requests) = (Habit::new(), 0);
        assert_eq!(until_alone(&habit, 7, &mut requests), ALONE_MIN + 1);
        requests += 1; // somebody else's
        assert_eq!(until_alone(&habit, 7, &mut requests), ALONE_MIN + 1);
    }

    #[test]
    fn two_in_turn_are_not_alone() {
        let habit = Habit::new();
        assert!((1..1000).all(|n| !habit.note(7 + n as usize % 2, n)));
    }

    #[test]
    fn who_leaves_work_behind_is_tried_less_and_less() {
        let (habit, mut requests) = (Habit::new(), 0);
        let mut took = Vec::new();
        for _ in 0..6 {
            took.push(until_alone(&habit, 7, &mut requests));
            habit.forget();
            habit.learn(true);
        }
        assert!(took.is_sorted() && took[5] >= ALONE_MAX, "{took:?}");
        for _ in 0..10 {
            habit.learn(false);
        }
        habit.forget();
        assert!(until_alone(&habit, 7, &mut requests) <= ALONE_MIN + 1);
    }
}
