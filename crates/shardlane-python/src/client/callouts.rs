//! Callouts to the application's Python code: questions leave the I/O thread through a queue, a Python thread of
//! its own takes them out and answers.
//!
//! The I/O thread appends to a queue and notifies; it never takes the GIL. The other end, [`Callouts::next`], waits
//! with the GIL released. Each kind of question has a *lane*, a queue with a thread, so that an authenticator that
//! takes its time does not keep retries waiting. Lanes close when the I/O thread ends, or with [`Callouts::close`].
//! What a thread does with a question is written in Python (`shardlane._shared.callouts`).

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use shardlane_io::{Advisor, Reply};
use shardlane_proto::{
    Advice, AdviceError, Again, ClusterEventKind, Decision, LoginStep, Question, Secret, Severity,
};

use super::args::{Level, seconds_to_duration};
use super::errors;

/// Questions that may wait in a lane. One more is answered with an error at once: whoever should take them out hangs,
/// and whoever asked has a deadline.
const LANE_MAX: usize = 4096;

/// The lanes, by name.
const LANES: [&str; 5] = ["login", "retry", "nodes", "events", "log"];

const fn lane_of(question: &Question) -> usize {
    match question {
        Question::Login { .. } => 0,
        Question::Retry(_) => 1,
        Question::Nodes(_) => 2,
        Question::Event(_) => 3,
        Question::Notice(_) => 4,
        // Not known here: whoever asks is told that nobody answers.
        _ => usize::MAX,
    }
}

#[derive(Debug)]
struct Waiting {
    lanes: [VecDeque<(Question, Reply)>; LANES.len()],
    closed: bool,
}

#[derive(Debug)]
struct Lanes {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Lanes {
    fn close(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.closed = true;
        let lost = std::mem::take(&mut waiting.lanes);
        drop(waiting);
        self.arrived.notify_all();
        // Here, without the lock: each tells whoever asked.
        drop(lost);
    }
}

/// The I/O thread's end.
struct Asking(Arc<Lanes>);

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}

impl Advisor for Asking {
    fn ask(&self, question: Question, reply: Reply) {
        let mut waiting = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return;
        }
        if let Some(lane) = waiting.lanes.get_mut(lane_of(&question))
            && lane.len() < LANE_MAX
        {
            lane.push_back((question, reply));
            drop(waiting);
            self.0.arrived.notify_all();
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where Python threads get questions from.
#[pyclass(frozen, module = "shardlane._core")]
#[derive(Debug)]
pub(super) struct Callouts {
    lanes: Arc<Lanes>,
}

impl Callouts {
    /// The end for the I/O thread. It closes all lanes when it is dropped.
    pub(super) fn advisor(&self) -> Box<dyn Advisor> {
        Box::new(Asking(self.lanes.clone()))
    }
}

#[pymethods]
impl Callouts {
    #[new]
    fn new() -> Self {
        let waiting = Waiting {
            lanes: Default::default(),
            closed: false,
        };
        Self {
            lanes: Arc::new(Lanes {
                waiting: Mutex::new(waiting),
                arrived: Condvar::new(),
            }),
        }
    }

    /// Waits for the next question of a lane; None once the lanes are closed.
    fn next(&self, py: Python<'_>, lane: &str) -> PyResult<Option<Callout>> {
        let index = LANES
            .iter()
            .position(|&name| name == lane)
            .ok_or_else(|| PyValueError::new_err(format!("there is no lane {lane:?}")))?;
        Ok(py.detach(|| {
            let lanes = &*self.lanes;
            let mut waiting = lanes.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                if waiting.closed {
                    return None;
                }
                if let Some((question, reply)) = waiting.lanes[index].pop_front() {
                    return Some(Callout {
                        question,
                        reply: Mutex::new(Some(reply)),
                    });
                }
                waiting = lanes
                    .arrived
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }))
    }

    /// Ends all waiting; questions from now on are answered with an error.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.lanes.close());
    }
}

/// One question. Dropped without an answer it counts as failed.
#[pyclass(frozen, module = "shardlane._core")]
#[derive(Debug)]
pub(super) struct Callout {
    question: Question,
    reply: Mutex<Option<Reply>>,
}

impl Callout {
    fn send(&self, py: Python<'_>, answer: Result<Advice, AdviceError>) -> PyResult<()> {
        let reply = self
            .reply
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or_else(|| PyRuntimeError::new_err("the question has been answered"))?;
        py.detach(|| reply.answer(answer));
        Ok(())
    }
}

#[pymethods]
impl Callout {
    /// What is asked, as a dict.
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = PyDict::new(py);
        match &self.question {
            Question::Login {
                login,
                address,
                class,
                step,
            } => {
                info.set_item("login", login)?;
                info.set_item("address", address.ip().to_string())?;
                info.set_item("port", address.port())?;
                info.set_item("class_name", class)?;
                let (step, token) = match step {
                    LoginStep::Start => ("start", None),
                    LoginStep::Challenge(token) => ("challenge", Some(token)),
                    LoginStep::Success(token) => ("success", Some(token)),
                };
                info.set_item("step", step)?;
                info.set_item("token", token.map(|t| PyBytes::new(py, &t.0)))?;
            }
            Question::Retry(question) => {
                info.set_item("advisor", question.advisor)?;
                info.set_item("attempt", errors::describe_attempt(py, &question.attempt)?)?;
                info.set_item("failed_before", question.failed_before)?;
                info.set_item("idempotent", question.idempotent)?;
                info.set_item("maybe_executed", question.maybe_executed)?;
                info.set_item("consistency", question.consistency.as_str())?;
            }
            Question::Nodes(nodes) => {
                let described = PyList::empty(py);
                for node in nodes {
                    let entry = PyDict::new(py);
                    entry.set_item("host_id", node.host_id.to_string())?;
                    entry.set_item("address", node.address.ip().to_string())?;
                    entry.set_item("port", node.address.port())?;
                    entry.set_item("datacenter", &node.datacenter)?;
                    entry.set_item("rack", &node.rack)?;
                    entry.set_item("release_version", &node.release_version)?;
                    entry.set_item("is_reached", node.is_reached)?;
                    described.append(entry)?;
                }
                info.set_item("nodes", described)?;
            }
            Question::Event(event) => {
                let kind = match event.kind {
                    ClusterEventKind::Added => "added",
                    ClusterEventKind::Removed => "removed",
                    ClusterEventKind::Up => "up",
                    ClusterEventKind::Down => "down",
                };
                info.set_item("kind", kind)?;
                info.set_item("node", super::cluster::describe_node(py, &event.node)?)?;
            }
            Question::Notice(notice) => {
                info.set_item("topic", notice.topic())?;
                info.set_item("is_warning", notice.severity() == Severity::Warning)?;
                info.set_item("message", notice.to_string())?;
            }
            other => return Err(PyTypeError::new_err(format!("unknown question {other:?}"))),
        }
        Ok(info)
    }

    /// Answers: a login's token as bytes, None for "go on"; what follows a failed attempt as a tuple; for each
    /// node address and port, or None if it is not to be used.
    fn answer(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let advice = if matches!(self.question, Question::Retry(_)) {
            Advice::Retry(decision(value)?)
        } else if matches!(self.question, Question::Nodes(_)) {
            Advice::Nodes(addresses(value)?)
        } else if value.is_none() {
            Advice::Accept
        } else {
            Advice::Token(Secret(value.cast::<PyBytes>()?.as_bytes().to_vec()))
        };
        self.send(py, Ok(advice))
    }

    /// Tells that the application's code failed. `cause` comes back with the error that follows; 0 for none.
    fn fail(&self, py: Python<'_>, message: String, cause: u64) -> PyResult<()> {
        self.send(py, Err(AdviceError { message, cause }))
    }
}

/// `(kind, delay, consistency)`, where the kind is "give_up", "ignore", "same_node" or "next_node".
fn decision(value: &Bound<'_, PyAny>) -> PyResult<Decision> {
    let (kind, delay, consistency): (String, f64, Option<Level>) = value.extract()?;
    let delay = seconds_to_duration(delay)
        .ok_or_else(|| PyValueError::new_err(format!("delay={delay}: give seconds from 0")))?;
    let again = |same_node| {
        Decision::Retry(Again {
            same_node,
            delay,
            consistency: consistency.map(|level| level.0),
            // A policy that asks for another attempt after a while means it, whoever is left.
            wraps: !delay.is_zero(),
        })
    };
    match &*kind {
        "give_up" => Ok(Decision::GiveUp),
        "ignore" => Ok(Decision::Ignore),
        "same_node" => Ok(again(true)),
        "next_node" => Ok(again(false)),
        _ => Err(PyValueError::new_err(format!(
            "there is no decision {kind:?}"
        ))),
    }
}

fn addresses(value: &Bound<'_, PyAny>) -> PyResult<Vec<Option<SocketAddr>>> {
    let said: Vec<Option<(String, u16)>> = value.extract()?;
    let address = |(host, port): (String, u16)| {
        let ip = host.parse::<IpAddr>();
        ip.map(|ip| SocketAddr::new(ip, port))
            .map_err(|_| PyValueError::new_err(format!("{host:?} is not an IP address")))
    };
    said.into_iter()
        .map(|said| said.map(address).transpose())
        .collect()
}
