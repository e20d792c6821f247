//! The way from callers to whoever drives: a vector under a lock that is never held long, swapped whole,
//! and a wake-up only if nobody would look otherwise.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use mio::Waker;
use shardlane_proto::{Advice, AdviceError, QuestionId, RequestSpec};

use crate::ticket::{Completion, Ticket};

#[derive(Debug)]
pub(crate) enum Command {
    Submit(RequestSpec, Completion),
    Cancel(Arc<Ticket>),
    WhenReady(Completion),
    Resolved {
        host: String,
        result: Result<Vec<SocketAddr>, String>,
    },
    Advised(QuestionId, Result<Advice, AdviceError>),
    Close {
        drain: Duration,
    },
}

/// The driver works, and looks at the queue before it stops.
const AWAKE: u8 = 0;
/// The driver waits in epoll: the eventfd wakes it.
const ASLEEP: u8 = 1;
/// Nobody drives at the moment: the I/O thread, which is parked, has to be called.
const ADRIFT: u8 = 2;

#[derive(Debug)]
pub(crate) struct Queue {
    commands: Mutex<Vec<Command>>,
    /// Changed to anything but [`AWAKE`] under the lock, and only while the queue is empty. So whoever has pushed
    /// sees it, or is seen; no order beyond the lock's is needed.
    posture: AtomicU8,
    /// Requests handed over so far, through the queue or around it.
    submitted: AtomicU64,
    waker: Waker,
    io_thread: OnceLock<Thread>,
}

impl Queue {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self {
            commands: Mutex::new(Vec::new()),
            posture: AtomicU8::new(AWAKE),
            submitted: AtomicU64::new(0),
            waker,
            io_thread: OnceLock::new(),
        }
    }

    /// Makes the current thread the one to be called when nobody drives.
    pub(crate) fn set_io_thread(&self) {
        let _ = self.io_thread.set(std::thread::current());
    }

    /// Appends without waking: [`Self::kick`] must follow.
    pub(crate) fn push_quietly(&self, command: Command) {
        self.lock().push(command);
    }

    pub(crate) fn push(&self, command: Command) {
        self.push_quietly(command);
        self.kick();
    }

    /// Sees to it that somebody looks at the queue.
    pub(crate) fn kick(&self) {
        if self.posture.load(Ordering::Relaxed) == AWAKE {
            return;
        }
        match self.posture.swap(AWAKE, Ordering::AcqRel) {
            // Fails only if the eventfd is gone, and with it the engine: then tickets have ended already.
            ASLEEP => drop::<io::Result<()>>(self.waker.wake()),
            ADRIFT => self.call_io_thread(),
            _ => {}
        }
    }

    /// Ends the I/O thread's pause, if it makes one.
    pub(crate) fn call_io_thread(&self) {
        if let Some(thread) = self.io_thread.get() {
            thread.unpark();
        }
    }

    /// Exchanges the commands for the empty vector `batch`.
    pub(crate) fn swap(&self, batch: &mut Vec<Command>) {
        std::mem::swap(&mut *self.lock(), batch);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Announces sleep in epoll; false if there is work after all.
    pub(crate) fn may_sleep(&self) -> bool {
        self.stop(ASLEEP)
    }

    /// Announces that nobody drives; false if there is work after all.
    pub(crate) fn may_drift(&self) -> bool {
        self.stop(ADRIFT)
    }

    fn stop(&self, posture: u8) -> bool {
        let commands = self.lock();
        let is_empty = commands.is_empty();
        if is_empty {
            self.posture.store(posture, Ordering::Relaxed);
        }
        is_empty
    }

    pub(crate) fn awake(&self) {
        self.posture.store(AWAKE, Ordering::Relaxed);
    }

    /// Counts a request.
    pub(crate) fn count_request(&self) {
        // By more than one thread at a time a count may be lost, which nobody minds.
        let count = self.submitted.load(Ordering::Relaxed) + 1;
        self.submitted.store(count, Ordering::Relaxed);
    }

    /// Requests handed over so far, about.
    pub(crate) fn requests_submitted(&self) -> u64 {
        self.submitted.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
