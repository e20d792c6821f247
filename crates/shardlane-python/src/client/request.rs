//! One operation under way, as Python waits for it.
//!
//! To an asyncio task a [`Request`] is a future: it speaks the protocol between tasks and futures
//! (`_asyncio_future_blocking`, `add_done_callback`, `get_loop`, see [`super::future`]; `cancel`, `result`). To a blocking caller
//! it is something to `wait()` for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use pyo3::{ffi, intern};
use shardlane_io::{Client, Gate, Ticket};
use shardlane_proto::{PoolView, RequestError, RequestErrorKind, RequestSpec};

use super::batcher::Batcher;
use super::cluster::Core;
use super::errors;
use super::page::{Page, Shaping};
use super::prepared::{Prepared, Preparing};

/// How often a blocking wait looks for signals such as Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// What the outcome becomes.
pub(super) enum Finish {
    /// Nothing: that it has ended is all there is to know.
    Gate,
    Ready,
    Page(Shaping),
    Prepared(Preparing),
}

type Callback = (Py<PyAny>, Option<Py<PyAny>>);

/// What has become of the outcome.
enum Ended {
    Value(Py<PyAny>),
    /// Handed out and not kept: by its traceback an error knows the frames that wait for this request, and they
    /// would keep each other alive for ever, as Python's collector does not look in here.
    Raised,
}

#[derive(Default)]
struct State {
    /// The wake-up of the task that awaits: mostly the only one.
    callback: Option<Callback>,
    more_callbacks: Vec<Callback>,
    ended: Option<Ended>,
}

/// One operation under way.
#[pyclass(frozen, module = "shardlane._core", generic)]
pub(crate) struct Request {
    ticket: Arc<Ticket>,
    core: Arc<Core>,
    finish: Finish,
    batcher: Option<Py<Batcher>>,
    blocking: AtomicBool,
    cancelled: AtomicBool,
    state: Mutex<State>,
}

/// What to hand to the I/O thread.
pub(super) enum Operation {
    Submit(RequestSpec),
    WhenReady,
}

impl Request {
    /// Begins an operation, for the running event loop if there is one.
    pub(super) fn begin(
        py: Python<'_>,
        core: &Arc<Core>,
        operation: Operation,
        finish: Finish,
    ) -> PyResult<Py<Self>> {
        Self::park(py, core, finish, |client, batcher, tag| {
            Ok(match (operation, batcher) {
                (Operation::Submit(spec), Some(batcher)) => {
                    Batcher::submit(batcher, client, spec, tag)?
                }
                (Operation::Submit(spec), None) => client.submit_to_wait(spec),
                (Operation::WhenReady, batcher) => {
                    client.when_ready(batcher.map(|b| b.get().sink()), tag)
                }
            })
        })
    }

    /// Ends when the gate is dropped, which `hand_over` gives away.
    pub(super) fn gate(
        py: Python<'_>,
        core: &Arc<Core>,
        hand_over: impl FnOnce(Gate),
    ) -> PyResult<Py<Self>> {
        Self::park(py, core, Finish::Gate, |_, batcher, tag| {
            let (ticket, gate) = Ticket::gate(batcher.map(|b| b.get().sink()), tag);
            hand_over(gate);
            Ok(ticket)
        })
    }

    /// Waits for a ticket, with a place in the running event loop if there is one.
    fn park(
        py: Python<'_>,
        core: &Arc<Core>,
        finish: Finish,
        begin: impl FnOnce(&Client, Option<&Bound<'_, Batcher>>, u64) -> PyResult<Arc<Ticket>>,
    ) -> PyResult<Py<Self>> {
        let client = core.client(py)?;
        let batcher = core.running_batcher(py, client)?;
        let tag = batcher.as_ref().map_or(0, |b| b.get().reserve());
        let ticket = begin(client, batcher.as_ref(), tag)?;
        let request = Py::new(
            py,
            Self {
                ticket,
                core: core.clone(),
                finish,
                batcher: batcher.clone().map(Bound::unbind),
                blocking: AtomicBool::new(false),
                cancelled: AtomicBool::new(false),
                state: Mutex::default(),
            },
        )?;
        if let Some(batcher) = batcher {
            batcher.get().keep(tag, request.clone_ref(py));
        }
        Ok(request)
    }

    /// The result, made from the outcome at the first call; an error is given once.
    fn finished(&self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>> {
        let Some(outcome) = self.ticket.take() else {
            return match &self.lock().ended {
                Some(Ended::Value(value)) => Some(Ok(value.clone_ref(py))),
                Some(Ended::Raised) => {
                    let message = "the request has failed, and its error has been raised";
                    Some(Err(PyRuntimeError::new_err(message)))
                }
                None => None,
            };
        };
        let result = self.convert(py, outcome);
        self.lock().ended = Some(match &result {
            Ok(value) => Ended::Value(value.clone_ref(py)),
            Err(_) => Ended::Raised,
        });
        Some(result)
    }

    fn convert(&self, py: Python<'_>, outcome: shardlane_proto::Outcome) -> PyResult<Py<PyAny>> {
        match (outcome, &self.finish) {
            (_, Finish::Gate) | (Ok(_), Finish::Ready) => Ok(py.None()),
            (Ok(answer), Finish::Page(shaping)) => {
                Ok(Page::new(py, &self.core, answer, shaping)?.into_any())
            }
            (Ok(answer), Finish::Prepared(preparing)) => {
                Ok(Prepared::from_answer(py, &self.core, &answer, preparing)?.into_any())
            }
            (Err(error), Finish::Page(shaping)) => Err(failure(py, &self.core, &error, shaping)?),
            (Err(error), finish) => {
                let pools = || pools(py, &self.core);
                Err(errors::request_error(py, &error, finish.statement(), pools))
            }
        }
    }

    /// A step of a task that awaits this: the value, or `None` if the task has to wait.
    pub(super) fn step(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let (py, this) = (slf.py(), slf.get());
        if this.cancelled() {
            return Err(cancelled_error(py));
        }
        match this.finished(py) {
            Some(result) => result.map(Some),
            None if this.batcher.is_none() => Err(PyRuntimeError::new_err(
                "this request began outside of an event loop: call wait()",
            )),
            None => {
                this.set_blocking(true);
                Ok(None)
            }
        }
    }

    /// Calls `callback` with this request, through the loop, when it has ended.
    pub(super) fn add_done_callback(
        slf: &Bound<'_, Self>,
        callback: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if this.done() {
            // Woken by the batch already, or about to be: either way it must not be forgotten.
            return this.call_soon(&slf.clone().unbind(), py, &callback, context.as_ref());
        }
        let mut state = this.lock();
        if state.callback.is_none() {
            state.callback = Some((callback, context));
        } else {
            state.more_callbacks.push((callback, context));
        }
        Ok(())
    }

    /// Whether a task has been told to wait, and has not noticed yet.
    pub(super) fn is_blocking(&self) -> bool {
        self.blocking.load(Ordering::Relaxed)
    }

    pub(super) fn set_blocking(&self, value: bool) {
        self.blocking.store(value, Ordering::Relaxed);
    }

    /// A function that returns the loop on which it can be awaited.
    pub(super) fn get_loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.batcher {
            Some(batcher) => Ok(batcher.get().get_loop(py)),
            None => Err(PyRuntimeError::new_err(
                "this request began outside of an event loop",
            )),
        }
    }

    /// Wakes whoever awaits: a task's own wake-up inline if that is allowed, anything else through the loop.
    pub(super) fn wake(&self, me: &Py<Self>, py: Python<'_>, inline: bool) -> PyResult<()> {
        let (first, more) = {
            let mut state = self.lock();
            (
                state.callback.take(),
                std::mem::take(&mut state.more_callbacks),
            )
        };
        for (callback, context) in first.into_iter().chain(more) {
            match (context, &self.batcher) {
                (Some(context), Some(batcher)) if inline && is_task_wakeup(py, &callback) => {
                    if !run_in_context(py, &context, &callback, batcher.get().done(py))? {
                        self.call_soon(me, py, &callback, Some(&context))?;
                    }
                }
                (context, _) => self.call_soon(me, py, &callback, context.as_ref())?,
            }
        }
        Ok(())
    }

    fn call_soon(
        &self,
        me: &Py<Self>,
        py: Python<'_>,
        callback: &Py<PyAny>,
        context: Option<&Py<PyAny>>,
    ) -> PyResult<()> {
        let Some(batcher) = &self.batcher else {
            return Ok(());
        };
        let keywords = PyDict::new(py);
        if let Some(context) = context {
            keywords.set_item(intern!(py, "context"), context)?;
        }
        let event_loop = batcher.get().event_loop(py);
        event_loop.call_method(intern!(py, "call_soon"), (callback, me), Some(&keywords))?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Finish {
    fn statement(&self) -> Option<&str> {
        match self {
            Self::Gate | Self::Ready => None,
            Self::Page(shaping) => shaping.statement(),
            Self::Prepared(preparing) => Some(&preparing.cql),
        }
    }
}

#[pymethods]
impl Request {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Option<Py<Self>>> {
        let Some(value) = Self::step(slf)? else {
            return Ok(Some(slf.clone().unbind()));
        };
        // What PyO3 raises is made into an instance first; a bare value need not be. None makes
        // it return null, with the exception that is set here.
        // SAFETY: the thread is attached, and both objects are alive. The value is a page, a
        // statement or None: a tuple or an exception would be taken apart.
        unsafe { ffi::PyErr_SetObject(ffi::PyExc_StopIteration, value.as_ptr()) };
        Ok(None)
    }

    /// Whether it has ended.
    fn done(&self) -> bool {
        self.cancelled() || self.ticket.is_done()
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Gives the operation up. False if it has ended already.
    #[pyo3(signature = (msg=None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let _ = msg; // the awaiting task carries its own message
        let (py, this) = (slf.py(), slf.get());
        if this.done() {
            return Ok(false);
        }
        this.cancelled.store(true, Ordering::Relaxed);
        if let Ok(client) = this.core.client(py) {
            client.cancel(&this.ticket);
        }
        // Never inline: the canceller is in the middle of a step of its own.
        this.wake(&slf.clone().unbind(), py, false)?;
        Ok(true)
    }

    /// The result, or the error raised.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if self.cancelled() {
            return Err(cancelled_error(py));
        }
        self.finished(py)
            .unwrap_or_else(|| Err(PyRuntimeError::new_err("the request has not ended yet")))
    }

    /// Blocks until the operation ends; signals interrupt and cancel it.
    fn wait(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        while !this.ticket.is_done() {
            // In a forked child nobody would answer.
            let (client, ticket) = (this.core.client(py)?, &this.ticket);
            let done = py.detach(|| client.wait(ticket, Instant::now() + SIGNAL_INTERVAL));
            if !done && let Err(interrupt) = py.check_signals() {
                Self::cancel(slf, None)?;
                return Err(interrupt);
            }
        }
        this.result(py)
    }
}

/// The exception for an execution that failed. If its statement has changed, it is replaced first.
pub(super) fn failure(
    py: Python<'_>,
    core: &Core,
    error: &RequestError,
    shaping: &Shaping,
) -> PyResult<PyErr> {
    if let RequestErrorKind::PreparedChanged(reprepared) = &error.kind {
        shaping.replace(py, core, reprepared)?;
    }
    let pools = || pools(py, core);
    let statement = shaping.statement();
    Ok(errors::request_error(py, error, statement, pools))
}

fn pools(py: Python<'_>, core: &Core) -> Option<Arc<Vec<PoolView>>> {
    core.client(py).ok().map(|client| client.pool_views())
}

fn cancelled_error(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match CLASS.import(py, "asyncio", "CancelledError") {
        Ok(class) => PyErr::from_type(class.clone(), ()),
        Err(error) => error,
    }
}

/// Whether `callback` is the wake-up of asyncio's own C task: only that is known to be safe to call from a
/// reader callback.
fn is_task_wakeup(py: Python<'_>, callback: &Py<PyAny>) -> bool {
    static TASK: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let Ok(task) = TASK.import(py, "_asyncio", "Task") else {
        return false;
    };
    let raw = callback.as_ptr();
    // SAFETY: `raw` is a live object; PyCFunction_GetSelf is called on builtin functions only and gives a
    // borrowed pointer, possibly null, that lives as long as the function.
    unsafe {
        if ffi::PyCFunction_CheckExact(raw) == 0 {
            return false;
        }
        let owner = ffi::PyCFunction_GetSelf(raw);
        !owner.is_null() && ffi::Py_TYPE(owner).cast::<ffi::PyObject>() == task.as_ptr()
    }
}

/// Calls `callback(argument)` in `context`; false if the context is in use, as it is when the task is the current one.
fn run_in_context(
    py: Python<'_>,
    context: &Py<PyAny>,
    callback: &Py<PyAny>,
    argument: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    // SAFETY: `context` is an object that asyncio gave as a task's context; if it is no context, or is entered
    // already, the call fails with an exception set, which is cleared.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        drop(PyErr::take(py));
        return Ok(false);
    }
    let result = callback.bind(py).call1((argument,));
    // SAFETY: entered above, by this thread.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    result.map(|_| true)
}
