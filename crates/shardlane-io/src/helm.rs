//! Who drives the poll loop: the I/O thread, a caller that waits anyway, or an event loop.
//!
//! The shell is behind a lock, the helm; whoever has it calls [`Shell::turn`]. The I/O thread is responsible: it
//! drives unless somebody else is meant to ([`Driver`]), and then it looks every [`LOOK_INTERVAL`] whether that
//! somebody still does. So heartbeats, deadlines and other people's requests never depend on a caller that is busy.
//!
//! A thread that makes one request after the other, with nobody else about, drives by itself: the request is
//! written before [`Helm::submit`] returns, and the thread that waits for the answer is the one that epoll wakes. An
//! event loop with few requests under way does the same from its reader callback. That saves changes of thread for
//! each request. As soon as requests of several threads overlap, or there are many, the I/O thread takes over again,
//! because it combines what they send and receive.
//!
//! Order of locks: the helm is taken with `try_lock`, except by the I/O thread, which holds nothing else then; so it
//! does not matter what callers hold (the GIL, for one). While the helm is held only the queue's, tickets' and sinks'
//! locks are taken.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Clock};

use mio::Registry;
use shardlane_proto::RequestSpec;

use crate::habit::Habit;
use crate::queue::{Command, Queue};
use crate::shared::Shared;
use crate::shell::Shell;
use crate::ticket::{Completion, Ticket};

/// How often the I/O thread looks after those who drive in its place. What is due while nobody turns is late by that
/// much at most.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// An event loop comes to drive with so many requests under way at most. With more, answers come in one by one while
/// it steps tasks, and each would cost a pass of the loop; the I/O thread collects them for less.
const LOOP_REQUESTS_MAX: usize = 4;
/// With more than these the I/O thread takes over again.
const LOOP_REQUESTS_LIMIT: usize = 2 * LOOP_REQUESTS_MAX;

/// Who is meant to drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    IoThread,
    /// Any thread that waits for a request, one at a time.
    Caller,
    Loop(LoopId),
}

/// The name of an event loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopId(NonZeroUsize);

impl LoopId {
    /// Another one for each call.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(2);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(NonZeroUsize::new(id).unwrap_or(NonZeroUsize::MAX))
    }
}

impl Default for LoopId {
    fn default() -> Self {
        Self::new()
    }
}

/// Who may drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Steering {
    /// Whoever does it best.
    #[default]
    Adaptive,
    /// The I/O thread alone.
    IoThread,
    /// Others than the I/O thread, whenever it is possible: for tests.
    Others,
}

/// Turns of the poll loop, by who made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turns {
    /// By the I/O thread.
    pub io_thread: u64,
    /// By threads that waited for a request.
    pub callers: u64,
    /// By event loops.
    pub event_loops: u64,
}

/// The shell, and who drives it.
#[derive(Debug)]
pub(crate) struct Helm {
    /// `None` when all is over.
    shell: Mutex<Option<Shell>>,
    epoll: Registry,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    steering: Steering,
    driver: AtomicUsize,
    habit: Habit,
    turns_io_thread: AtomicU64,
    turns_callers: AtomicU64,
    turns_loops: AtomicU64,
}

impl Helm {
    pub(crate) fn new(
        shell: Shell,
        queue: Arc<Queue>,
        shared: Arc<Shared>,
        steering: Steering,
    ) -> io::Result<Self> {
        Ok(Self {
            epoll: shell.epoll()?,
            shell: Mutex::new(Some(shell)),
            queue,
            shared,
            steering,
            driver: AtomicUsize::new(Driver::IoThread.to_bits()),
            habit: Habit::new(),
            turns_io_thread: AtomicU64::new(0),
            turns_callers: AtomicU64::new(0),
            turns_loops: AtomicU64::new(0),
        })
    }

    /// The life of the I/O thread.
    pub(crate) fn run(&self) {
        /// Marks the end even if the thread unwinds, and ends commands that nobody will look at.
        struct End<'a>(&'a Helm);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let _end = End(self);
        self.queue.set_io_thread();
        let mut seen = 0;
        loop {
            if self.driver() == Driver::IoThread {
                if !self.drive() {
                    return;
                }
            } else {
                std::thread::park_timeout(LOOK_INTERVAL);
                self.look(&mut seen);
            }
        }
    }

    /// Drives until somebody else is to; false if all is over.
    fn drive(&self) -> bool {
        // A holder that panicked has taken the shell out.
        let mut helm = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(shell) = helm.as_mut() {
            if shell.is_finished() {
                *helm = None;
                break;
            }
            shell.turn(None);
            count(&self.turns_io_thread);
            let may_leave = match self.driver() {
                Driver::IoThread => false,
                // Nobody waits in epoll for what is under way already.
                Driver::Caller => shell.requests_under_way() == 0,
                Driver::Loop(_) => true,
            };
            if may_leave && !shell.has_leftovers() && self.queue.may_drift() {
                return true;
            }
        }
        false
    }

    /// Takes the helm back if commands wait, or if nobody has turned since the last look.
    fn look(&self, seen: &mut u64) {
        let turns =
            self.turns_callers.load(Ordering::Relaxed) + self.turns_loops.load(Ordering::Relaxed);
        let is_still = turns == std::mem::replace(seen, turns);
        if is_still && let Ok(shell) = self.shell.try_lock() {
            // Nobody waits in epoll, which would be as good as a turn.
            let was_busy = shell.as_ref().is_some_and(|s| s.requests_under_way() > 0);
            self.habit.learn(was_busy);
            self.relieve();
        } else if !self.queue.is_empty() || self.shell.is_poisoned() {
            self.relieve();
        }
    }

    /// From now on the I/O thread drives.
    fn relieve(&self) {
        self.habit.forget();
        self.set_driver(Driver::IoThread);
    }

    /// Has the I/O thread drive, at once.
    fn call_io_thread(&self) {
        self.relieve();
        self.queue.call_io_thread();
    }

    /// Hands over a request through the queue.
    pub(crate) fn enqueue(&self, spec: RequestSpec, completion: Completion, quietly: bool) {
        self.queue.count_request();
        self.queue.push_quietly(Command::Submit(spec, completion));
        if !quietly {
            self.queue.kick();
        }
    }

    /// Hands over the request of a thread that will wait for it: to the engine itself if callers drive and nothing
    /// else is under way.
    pub(crate) fn submit(&self, spec: RequestSpec, completion: Completion) {
        self.queue.count_request();
        if self.driver() == Driver::Caller
            && let Some(mut held) = self.try_take()
        {
            match held.shell() {
                Some(shell) if shell.requests_under_way() == 0 => {
                    shell.submit(spec, completion, false);
                    held.leave(1);
                }
                _ => {
                    self.queue.push_quietly(Command::Submit(spec, completion));
                    held.leave(0);
                }
            }
        } else {
            self.queue.push(Command::Submit(spec, completion));
        }
    }

    /// Hands over a request of the event loop `id`, with `more` to follow at once. Returns whether
    /// [`Self::flush_from_loop`] must follow soon.
    pub(crate) fn submit_from_loop(
        &self,
        id: LoopId,
        spec: RequestSpec,
        completion: Completion,
        more: bool,
    ) -> bool {
        if self.driver() == Driver::Loop(id)
            && let Some(mut held) = self.try_take()
            && let Some(shell) = held.shell()
        {
            self.queue.count_request();
            let more = more || shell.requests_under_way() > 0;
            shell.submit(spec, completion, more);
            let is_unwritten = shell.has_unwritten();
            held.leave_to_loop();
            return is_unwritten;
        }
        self.enqueue(spec, completion, more);
        more
    }

    /// Whether the event loop `id` should offer to drive, with `waiting` requests of its own under way: it then listens
    /// to [`Self::epoll`], and calls [`Self::let_loop_drive`].
    pub(crate) fn wants_loop(&self, id: LoopId, waiting: usize) -> bool {
        match self.driver() {
            Driver::IoThread if self.steering == Steering::Adaptive => {
                if waiting > LOOP_REQUESTS_MAX {
                    self.habit.forget();
                    return false;
                }
                let requests = self.queue.requests_submitted() + 1;
                self.habit.note(id.0.get(), requests)
            }
            Driver::IoThread => self.steering == Steering::Others,
            Driver::Loop(driving) if driving == id && self.steering == Steering::Adaptive => {
                if waiting > LOOP_REQUESTS_LIMIT {
                    self.call_io_thread();
                }
                false
            }
            _ => false,
        }
    }

    /// From now on the event loop `id` drives: whenever [`Self::epoll`] becomes readable it calls
    /// [`Self::turn_from_loop`]. The I/O thread leaves at its next turn.
    pub(crate) fn let_loop_drive(&self, id: LoopId) {
        self.set_driver(Driver::Loop(id));
    }

    /// One turn of the event loop `id`, without waiting. False if it does not drive any more: then it should not
    /// listen to [`Self::epoll`] either.
    pub(crate) fn turn_from_loop(&self, id: LoopId) -> bool {
        if self.driver() != Driver::Loop(id) {
            return false;
        }
        // If the helm is held its holder sees what there is, and so will the next callback.
        if let Some(mut held) = self.try_take()
            && let Some(shell) = held.shell()
        {
            shell.turn(Some(Duration::ZERO));
            count(&self.turns_loops);
            held.leave_to_loop();
        }
        true
    }

    /// Writes what [`Self::submit_from_loop`] has left.
    pub(crate) fn flush_from_loop(&self, id: LoopId) {
        if self.driver() == Driver::Loop(id)
            && let Some(mut held) = self.try_take()
            && let Some(shell) = held.shell()
        {
            shell.flush();
            return held.leave_to_loop();
        }
        // What went through the queue may be waiting for this; another holder finds the rest by itself.
        self.queue.kick();
    }

    /// Becomes readable when a turn has something to do.
    pub(crate) fn epoll(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// Gives a request up.
    pub(crate) fn cancel(&self, ticket: &Arc<Ticket>) {
        if let Driver::Loop(_) = self.driver()
            && let Some(mut held) = self.try_take()
            && let Some(shell) = held.shell()
        {
            shell.cancel(ticket);
            held.leave_to_loop();
        } else {
            self.queue.push(Command::Cancel(ticket.clone()));
        }
    }

    /// Waits for `ticket`, and drives meanwhile if that is for callers to do. Returns whether the outcome has
    /// arrived; if not, `until` has come or a signal has.
    pub(crate) fn wait(&self, ticket: &Ticket, until: Clock) -> bool {
        match self.driver() {
            Driver::Caller => {
                if let Some(mut held) = self.try_take() {
                    let is_done = held.turn_until(ticket, until);
                    held.leave(0);
                    return is_done;
                }
                // Somebody drives, and will not leave while this request is under way.
            }
            Driver::IoThread => {
                let is_alone = match self.steering {
                    Steering::Adaptive => {
                        let requests = self.queue.requests_submitted();
                        self.habit.note(thread_number(), requests)
                    }
                    steering => steering == Steering::Others,
                };
                if is_alone {
                    // The I/O thread leaves when it has delivered what is under way.
                    self.set_driver(Driver::Caller);
                }
            }
            // It may be this very thread's loop, which will make no turn now.
            Driver::Loop(_) => self.call_io_thread(),
        }
        ticket.wait_until(until)
    }

    /// Who has made how many turns so far.
    pub(crate) fn turns(&self) -> Turns {
        Turns {
            io_thread: self.turns_io_thread.load(Ordering::Relaxed),
            callers: self.turns_callers.load(Ordering::Relaxed),
            event_loops: self.turns_loops.load(Ordering::Relaxed),
        }
    }

    fn driver(&self) -> Driver {
        Driver::from_bits(self.driver.load(Ordering::Acquire))
    }

    fn set_driver(&self, driver: Driver) {
        self.driver.store(driver.to_bits(), Ordering::Release);
    }

    /// The helm, if it is free.
    fn try_take(&self) -> Option<Held<'_>> {
        let shell = self.shell.try_lock().ok()?;
        self.queue.awake();
        Some(Held { helm: self, shell })
    }

    /// There will be no turns any more.
    fn end(&self) {
        let shell = self
            .shell
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.shared.finish();
        // Both end the tickets that they hold.
        drop(shell);
        self.queue.swap(&mut Vec::new());
    }
}

/// The helm in the hands of somebody who is not the I/O thread.
struct Held<'a> {
    helm: &'a Helm,
    shell: MutexGuard<'a, Option<Shell>>,
}

impl Held<'_> {
    fn shell(&mut self) -> Option<&mut Shell> {
        self.shell.as_mut()
    }

    fn turn_until(&mut self, ticket: &Ticket, until: Clock) -> bool {
        while !ticket.is_done() {
            let left = until.saturating_duration_since(Clock::now());
            let Some(shell) = self.shell().filter(|shell| !shell.is_finished()) else {
                break;
            };
            if left.is_zero() {
                break;
            }
            let interrupted = shell.turn(Some(left));
            count(&self.helm.turns_callers);
            if interrupted {
                break;
            }
        }
        ticket.is_done()
    }

    /// Gives the helm back, to nobody if nothing is left to do but what this thread will come back for: `own`
    /// requests.
    fn leave(mut self, own: usize) {
        let is_quiet = self
            .shell()
            .is_some_and(|s| !s.has_leftovers() && s.requests_under_way() <= own);
        self.leave_if(is_quiet);
    }

    /// Gives the helm back, to nobody if the event loop that drives will be told of all that comes.
    fn leave_to_loop(mut self) {
        let is_quiet = self.shell().is_some_and(|shell| {
            // What is not written is about to be.
            !shell.needs_turn() && (shell.has_unwritten() || !shell.is_due_within(LOOK_INTERVAL))
        });
        self.leave_if(is_quiet);
    }

    fn leave_if(self, is_quiet: bool) {
        if !(is_quiet && self.helm.queue.may_drift()) {
            let helm = self.helm;
            drop(self);
            helm.call_io_thread();
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A bug; the engine may be half-way through something. All tickets end, as they do if the I/O thread
            // panics, and that thread ends when it finds nothing to drive.
            *self.shell = None;
            self.helm.call_io_thread();
        }
    }
}

impl Driver {
    const fn to_bits(self) -> usize {
        match self {
            Self::IoThread => 0,
            Self::Caller => 1,
            Self::Loop(id) => id.0.get(),
        }
    }

    const fn from_bits(bits: usize) -> Self {
        match NonZeroUsize::new(bits) {
            None => Self::IoThread,
            Some(NonZeroUsize::MIN) => Self::Caller,
            Some(id) => Self::Loop(LoopId(id)),
        }
    }
}

/// For counters that the holder of the helm alone changes.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Tells threads that live at the same time apart.
fn thread_number() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here) as usize)
}
