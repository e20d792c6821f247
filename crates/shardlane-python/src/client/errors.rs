//! From the engine's errors to Python exceptions: one dict, one call. Cold, so the wording lives in Python.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};
use shardlane_proto::{
    AdviceError, Attempt, AttemptFailure, ConnectionError, PoolView, RequestError, RequestErrorKind,
};
use shardlane_wire::error::{ErrorBody, ErrorDetail, Failures, RateLimitOp};

/// `shardlane._shared.errors.build(info)`.
fn build(py: Python<'_>, info: &Bound<'_, PyDict>) -> PyErr {
    static BUILD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let built = BUILD
        .get_or_try_init(py, || {
            Ok(py
                .import("shardlane._shared.errors")?
                .getattr("build")?
                .unbind())
        })
        .and_then(|build: &Py<PyAny>| build.bind(py).call1((info,)));
    match built {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// An error that has nothing but a kind and a message.
#[cold]
pub(super) fn plain(py: Python<'_>, kind: &str, message: &str) -> PyErr {
    let info = PyDict::new(py);
    match info
        .set_item("kind", kind)
        .and_then(|()| info.set_item("message", message))
    {
        Ok(()) => build(py, &info),
        Err(error) => error,
    }
}

/// The exception for a request that failed. `pools` are asked only if nothing else tells why.
#[cold]
pub(super) fn request_error(
    py: Python<'_>,
    error: &RequestError,
    statement: Option<&str>,
    pools: impl FnOnce() -> Option<Arc<Vec<PoolView>>>,
) -> PyErr {
    let described = describe(py, error, statement).and_then(|info| {
        if error.kind == RequestErrorKind::NoNodeAvailable
            && error.attempts.is_empty()
            && let Some(pools) = pools()
        {
            let reasons = PyDict::new(py);
            for pool in pools.iter() {
                if let Some(why) = &pool.last_error {
                    reasons.set_item(pool.address.to_string(), &**why)?;
                }
            }
            info.set_item("unconnected", reasons)?;
        }
        Ok(info)
    });
    match described {
        Ok(info) => build(py, &info),
        Err(error) => error,
    }
}

fn describe<'py>(
    py: Python<'py>,
    error: &RequestError,
    statement: Option<&str>,
) -> PyResult<Bound<'py, PyDict>> {
    let info = PyDict::new(py);
    let kind = match &error.kind {
        RequestErrorKind::Attempt => "attempt",
        RequestErrorKind::NoNodeAvailable => "no_node",
        RequestErrorKind::Timeout { timeout, in_flight } => {
            info.set_item("timeout", timeout.as_secs_f64())?;
            info.set_item("in_flight", in_flight)?;
            "timeout"
        }
        RequestErrorKind::NoLocalNode { datacenter, others } => {
            info.set_item("datacenter", datacenter)?;
            info.set_item("others", others)?;
            "no_local_node"
        }
        RequestErrorKind::ClientOverloaded { in_flight, queued } => {
            info.set_item("in_flight", in_flight)?;
            info.set_item("queued", queued)?;
            "client_overloaded"
        }
        RequestErrorKind::Cancelled => "cancelled",
        RequestErrorKind::Closed => "closed",
        RequestErrorKind::PreparedChanged(_) => "prepared_changed",
        RequestErrorKind::Unreachable(points) => {
            let described = PyList::empty(py);
            for (point, error) in points {
                described.append(describe_unreached(py, point, error)?)?;
            }
            info.set_item("unreachable", described)?;
            "unreachable"
        }
    };
    info.set_item("kind", kind)?;
    info.set_item("statement", statement)?;
    let attempts = PyList::empty(py);
    for attempt in &error.attempts {
        attempts.append(describe_attempt(py, attempt)?)?;
    }
    info.set_item("attempts", attempts)?;
    Ok(info)
}

/// A contact point that could not be used, and why.
fn describe_unreached<'py>(
    py: Python<'py>,
    point: &str,
    error: &ConnectionError,
) -> PyResult<Bound<'py, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("point", point)?;
    info.set_item("message", error.to_string())?;
    info.set_item("is_login", error.is_authentication())?;
    match error {
        ConnectionError::Advice(AdviceError { cause, .. }) => info.set_item("cause", cause)?,
        ConnectionError::Tls(error) => info.set_item("tls", error.fault.as_str())?,
        ConnectionError::HungUp(_) => info.set_item("hung_up", true)?,
        _ => {}
    }
    Ok(info)
}

pub(super) fn describe_attempt<'py>(
    py: Python<'py>,
    attempt: &Attempt,
) -> PyResult<Bound<'py, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("address", attempt.address.ip().to_string())?;
    info.set_item("port", attempt.address.port())?;
    info.set_item("host_id", attempt.host_id.to_string())?;
    info.set_item("shard", attempt.shard)?;
    info.set_item("written", true)?;
    let failure = match &attempt.failure {
        AttemptFailure::Server(body) => {
            info.set_item("code", body.code())?;
            info.set_item("message", &*body.message)?;
            info.set_item("detail", describe_detail(py, body)?)?;
            "server"
        }
        AttemptFailure::Connection { error, written } => {
            info.set_item("message", error.to_string())?;
            info.set_item("written", written)?;
            "connection"
        }
        AttemptFailure::Busy => "busy",
        AttemptFailure::NotConnected => "not_connected",
        AttemptFailure::Unanswered => "unanswered",
    };
    info.set_item("failure", failure)?;
    if !info.contains("message")? {
        info.set_item("message", attempt.failure.to_string())?;
    }
    Ok(info)
}

fn describe_detail<'py>(py: Python<'py>, body: &ErrorBody) -> PyResult<Bound<'py, PyDict>> {
    let detail = PyDict::new(py);
    let failures = |failures: &Failures| detail.set_item("num_failures", failures.count);
    match &body.detail {
        ErrorDetail::Unavailable {
            consistency,
            required,
            alive,
        } => {
            detail.set_item("consistency", consistency.as_str())?;
            detail.set_item("required", required)?;
            detail.set_item("alive", alive)?;
        }
        ErrorDetail::WriteTimeout {
            consistency,
            received,
            block_for,
            write_type,
            ..
        } => {
            acks(&detail, consistency.as_str(), *received, *block_for)?;
            detail.set_item("write_type", write_type.as_str())?;
        }
        ErrorDetail::ReadTimeout {
            consistency,
            received,
            block_for,
            data_present,
        } => {
            acks(&detail, consistency.as_str(), *received, *block_for)?;
            detail.set_item("data_present", data_present)?;
        }
        ErrorDetail::ReadFailure {
            consistency,
            received,
            block_for,
            failures: f,
            data_present,
        } => {
            acks(&detail, consistency.as_str(), *received, *block_for)?;
            failures(f)?;
            detail.set_item("data_present", data_present)?;
        }
        ErrorDetail::WriteFailure {
            consistency,
            received,
            block_for,
            failures: f,
            write_type,
        } => {
            acks(&detail, consistency.as_str(), *received, *block_for)?;
            failures(f)?;
            detail.set_item("write_type", write_type.as_str())?;
        }
        ErrorDetail::CasWriteUnknown {
            consistency,
            received,
            block_for,
        } => {
            acks(&detail, consistency.as_str(), *received, *block_for)?;
        }
        ErrorDetail::FunctionFailure {
            keyspace,
            function,
            argument_types,
        } => {
            detail.set_item("keyspace", &**keyspace)?;
            detail.set_item("function", &**function)?;
            let types: Vec<&str> = argument_types.iter().map(|t| &**t).collect();
            detail.set_item("argument_types", types)?;
        }
        ErrorDetail::AlreadyExists { keyspace, table } => {
            detail.set_item("keyspace", &**keyspace)?;
            detail.set_item("table", &**table)?;
        }
        ErrorDetail::Unprepared { id } => detail.set_item("id", &id[..])?,
        ErrorDetail::RateLimitReached {
            operation,
            rejected_by_coordinator,
            ..
        } => {
            let operation = match operation {
                RateLimitOp::Read => "read",
                RateLimitOp::Write => "write",
                _ => "other",
            };
            detail.set_item("operation", operation)?;
            detail.set_item("rejected_by_coordinator", rejected_by_coordinator)?;
        }
        _ => {}
    }
    Ok(detail)
}

fn acks(
    detail: &Bound<'_, PyDict>,
    consistency: &str,
    received: i32,
    block_for: i32,
) -> PyResult<()> {
    detail.set_item("consistency", consistency)?;
    detail.set_item("received", received)?;
    detail.set_item("block_for", block_for)
}
