//! How many requests a client may have under way at a time; what is more waits for its turn.

use std::collections::VecDeque;

use super::{Engine, RequestKey};
use crate::error::RequestErrorKind;
use crate::request::Phase;
use crate::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Admission {
    in_flight: usize,
    /// In the order of submission. Some may have ended by now.
    queue: VecDeque<RequestKey>,
    /// How many of them have not.
    queued: usize,
}

impl<C> Engine<C> {
    /// Lets a new request in; false: it has been put into the queue, or refused.
    pub(super) fn admit(&mut self, now: Instant, key: RequestKey) -> bool {
        let Some(max) = self.config.requests_in_flight_max else {
            return true;
        };
        if self.admission.in_flight < max {
            self.admission.in_flight += 1;
            self.requests[key.index()].admitted = true;
            return true;
        }
        if self.admission.queued < self.config.requests_queued_max {
            self.requests[key.index()].phase = Phase::Queued;
            self.count_queued(self.admission.queued + 1);
            self.admission.queue.push_back(key);
            return false;
        }
        let kind = RequestErrorKind::ClientOverloaded {
            in_flight: self.admission.in_flight,
            queued: self.admission.queued,
        };
        self.finish(now, key, Err(kind));
        false
    }

    fn count_queued(&mut self, queued: usize) {
        self.admission.queued = queued;
        self.counters.queued.set(queued as u64);
    }

    /// A request has ended: notes that there is room, or one less in the queue.
    pub(super) fn release(&mut self, admitted: bool, phase: &Phase) {
        if admitted {
            self.admission.in_flight -= 1;
        } else if matches!(phase, Phase::Queued) {
            self.count_queued(self.admission.queued - 1);
            // Those that have ended leave holes; do not let them grow beyond what is waiting.
            if self.admission.queue.len() > 2 * self.admission.queued + 64 {
                let requests = &self.requests;
                self.admission.queue.retain(|key| {
                    requests
                        .get(key.index())
                        .is_some_and(|r| r.generation == key.generation())
                });
            }
        }
    }

    /// Starts what has waited, as far as there is room. Not part of [`Self::release`], because a request
    /// that ends at once would make room for the next one, and so on, deeper and deeper.
    pub(super) fn start_queued(&mut self, now: Instant) {
        let Some(max) = self.config.requests_in_flight_max else {
            return;
        };
        while self.admission.in_flight < max {
            let Some(key) = self.admission.queue.pop_front() else {
                return;
            };
            if let Some(request) = self.request(key)
                && matches!(request.phase, Phase::Queued)
            {
                request.phase = Phase::Idle;
                request.admitted = true;
                self.count_queued(self.admission.queued - 1);
                self.admission.in_flight += 1;
                self.start(now, key);
            }
        }
    }
}
