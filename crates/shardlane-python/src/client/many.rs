//! One statement for many parameter sets: requests that nobody awaits one by one.
//!
//! A request of a task costs an object, a callback and a step of the task. Here it costs a place in a table:
//! the caller fills the table, sleeps until a good part of it has ended, takes that out, and fills it again.

use std::sync::{Arc, Mutex};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyIterator, PyList, PyType};
use shardlane_io::{Gate, Sink, Ticket};
use shardlane_proto::{Answer, Outcome, RequestErrorKind};
use shardlane_wire::Opcode;
use slab::Slab;

use super::cluster::{Core, lock};
use super::execution::Execution;
use super::page::{Page, Shaping};
use super::prepared::Prepared;
use super::request::{self, Request};

/// Requests that are submitted before the I/O thread is woken, where they come from a list: the first must not
/// wait for the last of many.
const HELD_MAX: usize = 64;

/// RESULT of kind Void: all there is to know of a write that went through.
const VOID: &[u8] = &[0, 0, 0, 1];

/// Executions of one statement, and what becomes of them.
#[pyclass(frozen, module = "shardlane._core")]
pub(super) struct Many {
    core: Arc<Core>,
    execution: Execution,
    statement: Py<Prepared>,
    concurrency: usize,
    /// Whether nothing more is begun after an error.
    stops: bool,
    /// Makes a result of a page and its parameters; `None`: results are not kept.
    keep: Option<Py<PyAny>>,
    /// One for each parameter set, if they are kept; None where there is none.
    results: Py<PyList>,
    ended: Arc<Ended>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    under_way: Slab<UnderWay>,
    /// Parameter sets taken.
    count: usize,
    has_failed: bool,
    /// Not given out yet.
    errors: Vec<(usize, PyErr)>,
    /// Submitted since the I/O thread was last woken.
    held: usize,
}

struct UnderWay {
    position: usize,
    parameters: Py<PyAny>,
    shaping: Shaping,
    ticket: Arc<Ticket>,
    /// Whether it is executed once more, with values encoded for what the statement has become.
    again: bool,
}

/// The I/O thread's side: what has ended, and who waits for how much of it.
#[derive(Debug, Default)]
struct Ended(Mutex<Arrivals>);

#[derive(Debug, Default)]
struct Arrivals {
    tickets: Vec<Arc<Ticket>>,
    waiting: Option<(usize, Gate)>,
}

impl Ended {
    /// Opens `gate` when `wanted` have ended.
    fn open_at(&self, wanted: usize, gate: Gate) {
        lock(&self.0).waiting = Some((wanted, gate));
        self.wake();
    }
}

impl Sink for Ended {
    fn push(&self, ticket: Arc<Ticket>) {
        lock(&self.0).tickets.push(ticket);
    }

    fn wake(&self) {
        let mut arrivals = lock(&self.0);
        let ended = arrivals.tickets.len();
        let gate = arrivals.waiting.take_if(|(wanted, _)| ended >= *wanted);
        // Opening it wakes somebody: not under the lock.
        drop(arrivals);
        drop(gate);
    }
}

impl Many {
    pub(super) fn new(
        py: Python<'_>,
        core: Arc<Core>,
        execution: Execution,
        statement: Py<Prepared>,
        concurrency: usize,
        stops: bool,
        keep: Option<Py<PyAny>>,
    ) -> Self {
        Self {
            core,
            execution,
            statement,
            concurrency,
            stops,
            keep,
            results: PyList::empty(py).unbind(),
            ended: Arc::default(),
            state: Mutex::default(),
        }
    }

    fn submit(
        &self,
        py: Python<'_>,
        position: usize,
        parameters: &Bound<'_, PyAny>,
        again: bool,
        may_hold: bool,
    ) -> PyResult<()> {
        let statement = self.statement.clone_ref(py);
        let request = self
            .execution
            .of_prepared(py, &self.core, statement, parameters);
        let (spec, shaping) = match request {
            Ok(request) => request,
            Err(error) => return self.failed(py, position, error, "BadValue"),
        };
        let client = self.core.client(py)?;
        let mut state = lock(&self.state);
        let State {
            under_way, held, ..
        } = &mut *state;
        *held = if may_hold { (*held + 1) % HELD_MAX } else { 0 };
        let place = under_way.vacant_entry();
        let tag = place.key() as u64;
        let ticket = client.submit(spec, Some(self.ended.clone()), tag, *held != 0);
        place.insert(UnderWay {
            position,
            parameters: parameters.clone().unbind(),
            shaping,
            ticket,
            again,
        });
        Ok(())
    }

    fn take(&self, py: Python<'_>, entry: &UnderWay, outcome: Outcome) -> PyResult<()> {
        let position = entry.position;
        let page = match outcome {
            Ok(answer) if self.keep.is_none() && is_void(&answer) => return Ok(()),
            Ok(answer) => Page::new(py, &self.core, answer, &entry.shaping),
            Err(error) => {
                let changed = matches!(error.kind, RequestErrorKind::PreparedChanged(_));
                let error = request::failure(py, &self.core, &error, &entry.shaping)?;
                if changed && !entry.again {
                    return self.submit(py, position, entry.parameters.bind(py), true, true);
                }
                Err(error)
            }
        };
        match (page, &self.keep) {
            (Ok(page), Some(keep)) => {
                let result = keep.bind(py).call1((page, &entry.parameters))?;
                self.results.bind(py).set_item(position, result)
            }
            (Ok(_), None) => Ok(()),
            (Err(error), _) => self.failed(py, position, error, "ShardlaneError"),
        }
    }

    /// Notes that a parameter set failed, if `error` is of that class; anything else is raised.
    fn failed(&self, py: Python<'_>, position: usize, error: PyErr, class: &str) -> PyResult<()> {
        static EXCEPTIONS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
        let exceptions = EXCEPTIONS.get_or_try_init(py, || {
            PyResult::Ok(py.import("shardlane.exceptions")?.unbind())
        })?;
        let class = exceptions.bind(py).getattr(class)?.cast_into::<PyType>()?;
        if !error.is_instance(py, &class) {
            return Err(error);
        }
        error.value(py).setattr("parameter_set", position)?;
        let mut state = lock(&self.state);
        state.has_failed = true;
        state.errors.push((position, error));
        Ok(())
    }

    fn wait_for(&self, py: Python<'_>, wanted: usize) -> PyResult<Py<Request>> {
        self.core.client(py)?.kick();
        Request::gate(py, &self.core, |gate| self.ended.open_at(wanted, gate))
    }

    fn begin(&self, py: Python<'_>, parameters: &Bound<'_, PyAny>, may_hold: bool) -> PyResult<()> {
        let position = {
            let mut state = lock(&self.state);
            state.count += 1;
            state.count - 1
        };
        if self.keep.is_some() {
            self.results.bind(py).append(py.None())?;
        }
        self.submit(py, position, parameters, false, may_hold)
    }
}

/// Whether the next parameter set is there at once: a generator may wait, for whatever it likes, and what was
/// submitted before must not wait with it.
fn never_waits(source: &Bound<'_, PyIterator>) -> bool {
    let class = source.get_type_ptr();
    class == &raw mut ffi::PyListIter_Type || class == &raw mut ffi::PyTupleIter_Type
}

fn is_void(answer: &Answer) -> bool {
    answer.opcode == Opcode::Result && answer.flags == 0 && *answer.body == *VOID
}

#[pymethods]
impl Many {
    /// How many are under way, or have ended and were not taken out.
    fn __len__(&self) -> usize {
        lock(&self.state).under_way.len()
    }

    /// Parameter sets taken so far.
    #[getter]
    fn count(&self) -> usize {
        lock(&self.state).count
    }

    #[getter]
    fn results(&self, py: Python<'_>) -> Py<PyList> {
        self.results.clone_ref(py)
    }

    /// Begins the execution for one parameter set.
    fn add(&self, py: Python<'_>, parameters: &Bound<'_, PyAny>) -> PyResult<()> {
        self.begin(py, parameters, false)
    }

    /// Takes parameter sets and begins their executions until enough are under way; true at the end of the source.
    fn fill(&self, py: Python<'_>, source: &Bound<'_, PyIterator>) -> PyResult<bool> {
        let may_hold = never_waits(source);
        // Meanwhile nothing is taken out.
        for _ in self.__len__()..self.concurrency {
            if self.stops && lock(&self.state).has_failed {
                break;
            }
            match source.clone().next() {
                None => return Ok(true),
                Some(parameters) => self.begin(py, &parameters?, may_hold)?,
            }
        }
        Ok(false)
    }

    /// A request that ends when a quarter of what is under way has ended: all the others may be slow before
    /// the table runs empty.
    fn some(&self, py: Python<'_>) -> PyResult<Py<Request>> {
        self.wait_for(py, (self.__len__() / 4).max(1))
    }

    /// A request that ends when all of what is under way has ended.
    fn rest(&self, py: Python<'_>) -> PyResult<Py<Request>> {
        self.wait_for(py, self.__len__())
    }

    /// Takes out what has ended; gives the errors since the last time, with their positions.
    fn sweep(&self, py: Python<'_>) -> PyResult<Vec<(usize, PyErr)>> {
        let tickets = std::mem::take(&mut lock(&self.ended.0).tickets);
        for ticket in tickets {
            let entry = lock(&self.state)
                .under_way
                .try_remove(ticket.tag() as usize);
            if let (Some(entry), Some(outcome)) = (entry, ticket.take()) {
                self.take(py, &entry, outcome)?;
            }
        }
        Ok(std::mem::take(&mut lock(&self.state).errors))
    }

    /// Gives up whatever is under way.
    fn cancel(&self, py: Python<'_>) {
        // In a forked child nothing is under way.
        let Ok(client) = self.core.client(py) else {
            return;
        };
        for (_, entry) in &lock(&self.state).under_way {
            client.cancel(&entry.ticket);
        }
    }
}
