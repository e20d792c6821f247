//! Pieces of request bodies that several kinds of requests have.

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;
use shardlane_wire::{Dialect, EncodeError, RequestEnvelope};

use super::args::{Now, Payload, refused};
use crate::values::errors::bad_value;

thread_local! {
    /// Values on their way into a frame body: encoded here first, because their number precedes them.
    static VALUES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The buffer goes back to the allocator if one statement made it larger than this.
const VALUES_KEPT_BYTES: usize = 1 << 20;

/// Runs `work` with an empty buffer that is reused from call to call.
pub(super) fn with_values<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // Taken out, not borrowed: encoding runs Python code, which may come here again.
    let mut values = VALUES.take();
    values.clear();
    let result = work(&mut values);
    if values.capacity() <= VALUES_KEPT_BYTES {
        VALUES.set(values);
    }
    result
}

/// Whether there is anything to bind. An empty sequence is as good as none.
pub(super) fn has_values(parameters: Option<&Bound<'_, PyAny>>) -> bool {
    // Something without a length (an iterator) goes to the encoder, which says what it takes.
    parameters.is_some_and(|p| !p.is_none() && p.len().map_or(true, |length| length > 0))
}

pub(super) fn text<'a>(statement: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    match statement.cast::<PyString>() {
        Ok(text) => text.to_str(),
        Err(_) => Err(refused(
            statement,
            "a statement",
            "CQL text as str, or a prepared statement",
        )),
    }
}

/// Header flags, and the body's beginning.
pub(super) fn envelope(
    py: Python<'_>,
    dialect: Dialect,
    tracing: bool,
    custom_payload: Option<&Payload>,
) -> PyResult<(u8, Vec<u8>)> {
    let mut body = Vec::new();
    let Some(payload) = custom_payload else {
        return Ok((
            RequestEnvelope {
                tracing,
                ..RequestEnvelope::default()
            }
            .flags(),
            body,
        ));
    };
    let envelope = RequestEnvelope {
        tracing,
        custom_payload: payload
            .0
            .iter()
            .map(|(key, value)| (key.as_str(), Some(&value[..])))
            .collect(),
        body: &[],
    };
    encoded(py, envelope.encode_prefix(dialect, &mut body))?;
    Ok((envelope.flags(), body))
}

/// The "now" of a request, which only v5 has a place for.
pub(super) fn now(py: Python<'_>, dialect: Dialect, given: Option<Now>) -> PyResult<Option<i32>> {
    match given {
        Some(_) if !dialect.has_wide_flags() => {
            let message = format!(
                "now_in_seconds= is part of protocol v5, and this cluster object speaks {}: leave it \
                 out, or connect to servers that speak v5",
                dialect.version
            );
            Err(bad_value(py, &message, None, None, None, None))
        }
        given => Ok(given.map(|now| now.0)),
    }
}

/// The keyspace as a request names it, where requests do.
pub(super) fn named(dialect: Dialect, keyspace: Option<&Arc<str>>) -> Option<&str> {
    keyspace
        .map(|keyspace| &**keyspace)
        .filter(|_| dialect.has_wide_flags())
}

/// The keyspace that the connection has to be in, where requests cannot name it.
pub(super) fn in_use(dialect: Dialect, keyspace: Option<Arc<str>>) -> Option<Arc<str>> {
    keyspace.filter(|_| !dialect.has_wide_flags())
}

/// Fails if something is too long for the protocol, or not part of the version in use.
pub(super) fn encoded(py: Python<'_>, result: Result<(), EncodeError>) -> PyResult<()> {
    result.map_err(|e| bad_value(py, &e.to_string(), None, None, None, None))
}
