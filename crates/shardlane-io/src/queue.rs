//! The way from callers to the I/O thread: a vector under a lock that is never held long, swapped whole,
//! and a wake-up only if the thread sleeps.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

#[derive(Debug)]
pub(crate) struct Queue {
    commands: Mutex<Vec<Command>>,
    sleeping: AtomicBool,
    waker: Waker,
}

impl Queue {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self {
            commands: Mutex::new(Vec::new()),
            sleeping: AtomicBool::new(false),
            waker,
        }
    }

    /// Appends without waking: [`Self::kick`] must follow.
    pub(crate) fn push_quietly(&self, command: Command) {
        self.lock().push(command);
    }

    pub(crate) fn push(&self, command: Command) {
        self.push_quietly(command);
        self.kick();
    }

    /// Wakes the thread if it sleeps.
    pub(crate) fn kick(&self) {
        if self.sleeping.load(Ordering::SeqCst) && self.sleeping.swap(false, Ordering::SeqCst) {
            // Fails only if the eventfd is gone, and with it the thread: then tickets have ended already.
            let _: io::Result<()> = self.waker.wake();
        }
    }

    /// Exchanges the commands for the empty vector `batch`.
    pub(crate) fn swap(&self, batch: &mut Vec<Command>) {
        std::mem::swap(&mut *self.lock(), batch);
    }

    /// Announces sleep; false if there is work after all.
    pub(crate) fn may_sleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        if self.lock().is_empty() {
            return true;
        }
        self.awake();
        false
    }

    pub(crate) fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
