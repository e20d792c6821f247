//! A ticket is the place where a request's outcome arrives.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use shardlane_proto::{Outcome, RequestError, RequestErrorKind, RequestKey};

/// Somebody who wants to hear of finished tickets, many at a time. Called by whoever drives: must not block.
pub trait Sink: fmt::Debug + Send + Sync {
    /// `ticket` has its outcome.
    fn push(&self, ticket: Arc<Ticket>);

    /// The batch is complete: wake whoever collects it.
    fn wake(&self);
}

enum State {
    /// `watched`: somebody sleeps on the condition variable. Notifying nobody would cost a system call.
    Pending {
        watched: bool,
    },
    Done(Outcome),
    Taken,
}

/// Where a request's outcome arrives, exactly once. Wait for it with [`Self::wait_until`], or give a [`Sink`].
pub struct Ticket {
    key: AtomicU64,
    state: Mutex<State>,
    arrived: Condvar,
    sink: Option<Arc<dyn Sink>>,
    tag: u64,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("tag", &self.tag)
            .field("done", &self.is_done())
            .finish_non_exhaustive()
    }
}

impl Ticket {
    pub(crate) fn new(sink: Option<Arc<dyn Sink>>, tag: u64) -> Self {
        Self {
            key: AtomicU64::new(RequestKey::NONE.to_bits()),
            state: Mutex::new(State::Pending { watched: false }),
            arrived: Condvar::new(),
            sink,
            tag,
        }
    }

    /// A ticket that no request stands behind: it ends, with an outcome that means nothing, when the gate is
    /// dropped, on whichever thread.
    #[must_use]
    pub fn gate(sink: Option<Arc<dyn Sink>>, tag: u64) -> (Arc<Self>, Gate) {
        let ticket = Arc::new(Self::new(sink, tag));
        (ticket.clone(), Gate(Completion::new(ticket)))
    }

    /// The number given with the sink.
    #[must_use]
    pub const fn tag(&self) -> u64 {
        self.tag
    }

    /// Whether the outcome has arrived (it may have been taken since).
    #[must_use]
    pub fn is_done(&self) -> bool {
        !matches!(*self.lock(), State::Pending { .. })
    }

    /// The outcome, if it has arrived; later calls give `None`.
    #[must_use]
    pub fn take(&self) -> Option<Outcome> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(outcome) => Some(outcome),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Blocks until the outcome has arrived or `deadline` has come; tells which.
    pub fn wait_until(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        while let State::Pending { watched } = &mut *state {
            *watched = true;
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return false;
            };
            if left.is_zero() {
                return false;
            }
            (state, _) = self
                .arrived
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    pub(crate) fn set_key(&self, key: RequestKey) {
        self.key.store(key.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn key(&self) -> RequestKey {
        RequestKey::from_bits(self.key.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a ticket back until it is dropped; see [`Ticket::gate`].
#[derive(Debug)]
pub struct Gate(#[expect(dead_code, reason = "dropped")] Completion);

/// The I/O thread's end of a ticket. If it is dropped without an outcome, whatever the reason, the ticket
/// ends with an error: no request is left without an end.
#[derive(Debug)]
pub(crate) struct Completion(Option<Arc<Ticket>>);

impl Completion {
    pub(crate) const fn new(ticket: Arc<Ticket>) -> Self {
        Self(Some(ticket))
    }

    pub(crate) fn clone_ticket(&self) -> Option<Arc<Ticket>> {
        self.0.clone()
    }

    /// Delivers the outcome, and notes its sink in `sinks`, which are to be woken when the batch is complete.
    pub(crate) fn complete(mut self, outcome: Outcome, sinks: &mut Vec<Arc<dyn Sink>>) {
        if let Some(ticket) = self.0.take() {
            deliver(ticket, outcome, sinks);
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            let error = RequestError {
                kind: RequestErrorKind::Closed,
                attempts: Vec::new(),
            };
            let mut sinks = Vec::new();
            deliver(ticket, Err(Box::new(error)), &mut sinks);
            for sink in sinks {
                sink.wake();
            }
        }
    }
}

fn deliver(ticket: Arc<Ticket>, outcome: Outcome, sinks: &mut Vec<Arc<dyn Sink>>) {
    let before = std::mem::replace(&mut *ticket.lock(), State::Done(outcome));
    if matches!(before, State::Pending { watched: true }) {
        ticket.arrived.notify_all();
    }
    let Some(sink) = &ticket.sink else { return };
    // There are few: one for each event loop.
    let at = sinks.iter().position(|known| Arc::ptr_eq(known, sink));
    let at = at.unwrap_or_else(|| {
        sinks.push(sink.clone());
        sinks.len() - 1
    });
    sinks[at].push(ticket);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_dropped_completion_ends_its_ticket() {
        let ticket = Arc::new(Ticket::new(None, 0));
        let completion = Completion::new(ticket.clone());
        assert!(!ticket.wait_until(Instant::now()));
        drop(completion);
        assert!(ticket.wait_until(Instant::now() + Duration::from_secs(5)));
        assert!(matches!(ticket.take(), Some(Err(e)) if e.kind == RequestErrorKind::Closed));
        assert!(ticket.take().is_none(), "an outcome is taken once");
        assert!(ticket.is_done());
    }
}
