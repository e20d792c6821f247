//! How results get into an event loop: one wake-up per batch, tasks stepped inline.
//!
//! The I/O thread appends finished tickets to a list and writes to an eventfd once per batch. The loop's
//! reader callback, [`Batcher::on_ready`], takes the list and wakes each waiting task. A task's own
//! wake-up is called directly, in its context, instead of going through `call_soon`: that costs a third
//! of what an `asyncio.Future` does, and everything happens in one iteration of the loop.
//!
//! A loop with few requests under way drives the connections by itself: it listens to their epoll, and
//! [`Batcher::on_drive`] reads what has come, wakes the tasks that waited for it, and writes what these ask next.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use shardlane_io::{Client, LoopId, Sink, Ticket};
use shardlane_proto::RequestSpec;
use slab::Slab;

use super::cluster::lock;
use super::fork::Origin;
use super::future;
use super::request::Request;

/// Requests submitted by tasks that one batch wakes leave together, which makes fewer and larger writes; but the first
/// must not wait for the last of a large batch, so after this many the I/O thread is woken, if it drives.
const HELD_MAX: usize = 256;
/// The same where tasks compute: nobody waits for longer than this. On a loop that is as busy as that it is little.
const HELD_TIME_MAX: Duration = Duration::from_millis(1);

thread_local! {
    /// The batcher whose tasks are being stepped on this thread.
    static STEPPING: RefCell<Option<Py<Batcher>>> = const { RefCell::new(None) };
}

/// The batcher whose tasks are being stepped on this thread: its loop is the running one. Asking asyncio for
/// that costs a system call (it compares process ids).
pub(super) fn stepping(py: Python<'_>) -> Option<Py<Batcher>> {
    STEPPING.with_borrow(|batcher| batcher.as_ref().map(|b| b.clone_ref(py)))
}

/// The I/O thread's side.
#[derive(Debug)]
pub(super) struct ReadyList {
    tickets: Mutex<Vec<Arc<Ticket>>>,
    signalled: AtomicBool,
    event: File,
}

impl Sink for ReadyList {
    fn push(&self, ticket: Arc<Ticket>) {
        lock(&self.tickets).push(ticket);
    }

    fn wake(&self) {
        if !self.signalled.swap(true, Ordering::SeqCst) {
            // An eventfd's counter cannot overflow with one write per read.
            let _ = (&self.event).write(&1u64.to_ne_bytes());
        }
    }
}

/// While it lives the eventfd is not written to: the loop looks at the list next, by itself.
struct Quiet<'a>(&'a ReadyList);

impl<'a> Quiet<'a> {
    fn new(ready: &'a ReadyList) -> Self {
        ready.signalled.store(true, Ordering::SeqCst);
        Self(ready)
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        self.0.signalled.store(false, Ordering::SeqCst);
        if std::thread::panicking() {
            // A turn that failed has ended all tickets, and the loop will not look by itself.
            self.0.wake();
        }
    }
}

/// The event loop's side: one per cluster object and loop.
#[pyclass(frozen)]
pub(super) struct Batcher {
    event_loop: Py<PyAny>,
    /// See [`future::loop_getter`].
    get_loop: Py<PyAny>,
    /// A future that is done, see [`Self::done`].
    done: Py<PyAny>,
    ready: Arc<ReadyList>,
    waiting: Mutex<Slab<Option<Py<Request>>>>,
    client: std::sync::Weak<Client>,
    origin: Origin,
    id: LoopId,
    /// A handle on the connections' epoll. Kept open while the loop may listen to it: the number of a closed one
    /// would soon be another file's.
    epoll: OwnedFd,
    drives: AtomicBool,
    /// Requests wait for [`Self::flush`], and it has been arranged for.
    flushes: AtomicBool,
    stepping: AtomicBool,
    held: AtomicUsize,
    /// When the first of those that are held came; the loop's thread alone looks at it.
    held_since: Mutex<Instant>,
}

impl Batcher {
    pub(super) fn new<'py>(
        event_loop: &Bound<'py, PyAny>,
        client: &Arc<Client>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        // SAFETY: eventfd takes no pointers; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(PyOSError::new_err(
                std::io::Error::last_os_error().to_string(),
            ));
        }
        // SAFETY: the descriptor is fresh, valid and owned by nobody else.
        let event = unsafe { File::from_raw_fd(fd) };
        let ready = Arc::new(ReadyList {
            tickets: Mutex::new(Vec::new()),
            signalled: AtomicBool::new(false),
            event,
        });
        // SAFETY: the client is alive, and its descriptor with it.
        let epoll = unsafe { BorrowedFd::borrow_raw(client.epoll()) }.try_clone_to_owned();
        let epoll = epoll.map_err(|e| PyOSError::new_err(e.to_string()))?;
        let done = event_loop.call_method0("create_future")?;
        done.call_method1("set_result", (py.None(),))?;
        let batcher = Bound::new(
            py,
            Self {
                event_loop: event_loop.clone().unbind(),
                get_loop: future::loop_getter(event_loop)?,
                done: done.unbind(),
                ready,
                waiting: Mutex::new(Slab::new()),
                client: Arc::downgrade(client),
                origin: Origin::here(),
                id: LoopId::new(),
                epoll,
                drives: AtomicBool::new(false),
                flushes: AtomicBool::new(false),
                stepping: AtomicBool::new(false),
                held: AtomicUsize::new(0),
                held_since: Mutex::new(Instant::now()),
            },
        )?;
        event_loop.call_method1("add_reader", (fd, batcher.getattr("on_ready")?))?;
        Ok(batcher)
    }

    pub(super) fn event_loop<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.event_loop.bind(py)
    }

    /// What `get_loop` of the loop's requests is.
    pub(super) fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.get_loop.clone_ref(py)
    }

    /// What a task is woken with. It takes the outcome from the request that it awaits. Of what wakes it,
    /// it only wants to know that there was no error; a real future tells that without a method call.
    pub(super) fn done<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.done.bind(py)
    }

    pub(super) fn sink(&self) -> Arc<dyn Sink> {
        self.ready.clone()
    }

    /// A place for a request; the number is the tag for its ticket.
    pub(super) fn reserve(&self) -> u64 {
        lock(&self.waiting).insert(None) as u64
    }

    /// Keeps `request` until its ticket is back.
    pub(super) fn keep(&self, tag: u64, request: Py<Request>) {
        if let Some(place) = lock(&self.waiting).get_mut(tag as usize) {
            *place = Some(request);
        }
    }

    /// Hands over a request, whose ticket comes back with `tag`.
    pub(super) fn submit(
        slf: &Bound<'_, Self>,
        client: &Client,
        spec: RequestSpec,
        tag: u64,
    ) -> PyResult<Arc<Ticket>> {
        let (py, this) = (slf.py(), slf.get());
        if client.wants_loop(this.id, lock(&this.waiting).len()) {
            Self::drive(slf, client)?;
        }
        let (ticket, is_unwritten) =
            client.submit_from_loop(this.id, spec, this.ready.clone(), tag, this.hold());
        // At the end of a batch it is flushed anyway.
        if is_unwritten
            && !this.stepping.load(Ordering::Relaxed)
            && !this.flushes.swap(true, Ordering::Relaxed)
        {
            let flush = slf.getattr(intern!(py, "flush"))?;
            let event_loop = this.event_loop.bind(py);
            event_loop.call_method1(intern!(py, "call_soon"), (flush,))?;
        }
        Ok(ticket)
    }

    /// Begins to drive the connections.
    fn drive(slf: &Bound<'_, Self>, client: &Client) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if !this.drives.swap(true, Ordering::Relaxed) {
            let listener = (this.epoll.as_raw_fd(), slf.getattr("on_drive")?);
            this.event_loop
                .bind(py)
                .call_method1("add_reader", listener)?;
        }
        client.let_loop_drive(this.id);
        Ok(())
    }

    fn stop_driving(&self, py: Python<'_>) -> PyResult<()> {
        if self.drives.swap(false, Ordering::Relaxed) {
            let event_loop = self.event_loop.bind(py);
            event_loop.call_method1("remove_reader", (self.epoll.as_raw_fd(),))?;
        }
        Ok(())
    }

    /// Whether a submission may be left to the wake-up at the end of the batch.
    fn hold(&self) -> bool {
        if !self.stepping.load(Ordering::Relaxed) {
            return false;
        }
        let (held, now) = (self.held.load(Ordering::Relaxed) + 1, Instant::now());
        let mut since = lock(&self.held_since);
        if held == 1 {
            *since = now;
        }
        let may_wait = held < HELD_MAX && now.duration_since(*since) < HELD_TIME_MAX;
        self.held
            .store(if may_wait { held } else { 0 }, Ordering::Relaxed);
        may_wait
    }

    /// Stops listening, on the loop's own thread.
    pub(super) fn detach(&self, py: Python<'_>) -> PyResult<()> {
        let event_loop = self.event_loop.bind(py);
        if !event_loop.call_method0("is_closed")?.is_truthy()? {
            event_loop.call_method1("remove_reader", (self.ready.event.as_raw_fd(),))?;
            self.stop_driving(py)?;
        }
        Ok(())
    }

    /// Wakes the tasks of all tickets that are ready, and sends what they ask next.
    fn step(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        this.ready.signalled.store(false, Ordering::SeqCst);
        this.stepping.store(true, Ordering::Relaxed);
        let outer = STEPPING.replace(Some(slf.clone().unbind()));
        let result = this.step_all(py);
        drop(STEPPING.replace(outer));
        this.stepping.store(false, Ordering::Relaxed);
        this.held.store(0, Ordering::Relaxed);
        this.flush();
        result
    }

    fn step_all(&self, py: Python<'_>) -> PyResult<()> {
        let tickets = std::mem::take(&mut *lock(&self.ready.tickets));
        // In debug mode the loop reports slow callbacks one by one: do not hide them in ours.
        let inline = !self
            .event_loop
            .bind(py)
            .call_method0("get_debug")?
            .is_truthy()?;
        let mut tickets = tickets.into_iter();
        while let Some(ticket) = tickets.next() {
            let place = lock(&self.waiting).try_remove(ticket.tag() as usize);
            let Some(Some(request)) = place else { continue };
            if let Err(error) = request.get().wake(&request, py, inline) {
                if error.is_instance_of::<PyKeyboardInterrupt>(py)
                    || error.is_instance_of::<PySystemExit>(py)
                {
                    // The loop is about to stop: what is left comes first when it runs again.
                    lock(&self.ready.tickets).splice(0..0, tickets);
                    self.ready.wake();
                    return Err(error);
                }
                error.write_unraisable(py, Some(request.bind(py)));
            }
        }
        Ok(())
    }
}

#[pymethods]
impl Batcher {
    /// The reader callback of the event loop: others have finished tickets.
    fn on_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let mut count = [0; 8];
        // Nothing to read means that somebody else did: the list tells.
        let _ = (&slf.get().ready.event).read(&mut count);
        Self::step(slf)
    }

    /// The reader callback of the event loop for connections: there is something to do.
    fn on_drive(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if !this.origin.is_here() {
            // The parent's: a look would take away what it waits for.
            return Ok(());
        }
        let quiet = Quiet::new(&this.ready);
        let drives = this
            .client
            .upgrade()
            .is_some_and(|client| client.turn_from_loop(this.id));
        drop(quiet);
        let stopped = if drives {
            Ok(())
        } else {
            this.stop_driving(py)
        };
        Self::step(slf).and(stopped)
    }

    /// Sends what was submitted.
    fn flush(&self) {
        self.flushes.store(false, Ordering::Relaxed);
        if let Some(client) = self.client.upgrade().filter(|_| self.origin.is_here()) {
            client.flush(self.id);
        }
    }
}
