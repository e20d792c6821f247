//! What callers pass: options that may be left to the session's default, durations, consistency levels.

use std::time::Duration;

use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyMapping, PyString};
use shardlane_wire::{Consistency, SerialConsistency};

use crate::values::errors::bad_value;
use crate::values::sentinel::is_unset;

/// An option: given, or left to the default.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<T> {
    Unset,
    Given(T),
}

impl<T> Arg<T> {
    pub(super) fn or(self, default: T) -> T {
        match self {
            Self::Unset => default,
            Self::Given(value) => value,
        }
    }
}

impl<'a, 'py, T: FromPyObject<'a, 'py>> FromPyObject<'a, 'py> for Arg<T> {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if is_unset(&given) {
            Ok(Self::Unset)
        } else {
            given.extract().map(Self::Given).map_err(Into::into)
        }
    }
}

/// Seconds, or None for no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeout(pub(super) Option<Duration>);

impl<'a, 'py> FromPyObject<'a, 'py> for Timeout {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_none() {
            return Ok(Self(None));
        }
        let number = "seconds as a number, or None";
        if given.is_instance_of::<PyBool>() {
            return Err(refused(&given, "a timeout", number));
        }
        let seconds: f64 = given
            .extract()
            .map_err(|_| refused(&given, "a timeout", number))?;
        seconds_to_duration(seconds)
            .filter(|d| !d.is_zero())
            .map(|d| Self(Some(d)))
            .ok_or_else(|| {
                refused(
                    &given,
                    "a timeout",
                    "a positive number of seconds, or None for no limit",
                )
            })
    }
}

pub(super) fn seconds_to_duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// A consistency level by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level(pub(super) Consistency);

impl<'a, 'py> FromPyObject<'a, 'py> for Level {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let what = "a consistency level";
        named(&given, what, Consistency::ALL, |level| level.as_str()).map(Self)
    }
}

/// A serial consistency level by name, or None for the server's default.
#[derive(Debug, Clone, Copy)]
pub(super) struct SerialLevel(pub(super) Option<SerialConsistency>);

impl<'a, 'py> FromPyObject<'a, 'py> for SerialLevel {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_none() {
            return Ok(Self(None));
        }
        let what = "a serial_consistency";
        let level = named(&given, what, SerialConsistency::ALL, |level| level.as_str())?;
        Ok(Self(Some(level)))
    }
}

/// Rows in each page, or None for all at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageSize(pub(super) Option<i32>);

impl<'a, 'py> FromPyObject<'a, 'py> for PageSize {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_none() {
            return Ok(Self(None));
        }
        match given.extract::<i32>() {
            Ok(rows) if rows > 0 => Ok(Self(Some(rows))),
            _ => Err(refused(
                &given,
                "a page_size",
                "a positive number of rows (at most 2147483647), or None for all rows at once",
            )),
        }
    }
}

/// The time of a write, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp(pub(super) i64);

impl<'a, 'py> FromPyObject<'a, 'py> for Timestamp {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        given.extract().map(Self).map_err(|_| {
            let wanted = "microseconds since 1970 as an int of 64 bits, or None";
            refused(&given, "a timestamp", wanted)
        })
    }
}

/// The "now" of a request, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now(pub(super) i32);

impl<'a, 'py> FromPyObject<'a, 'py> for Now {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match given.extract() {
            Ok(seconds) if !given.is_instance_of::<PyBool>() => Ok(Self(seconds)),
            _ => {
                let wanted = "seconds since 1970 as an int of 32 bits, or None";
                Err(refused(&given, "a now_in_seconds", wanted))
            }
        }
    }
}

/// The name of a keyspace.
#[derive(Debug)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Name {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match given.extract::<String>() {
            Ok(name) if !name.is_empty() => Ok(Self(name)),
            _ => Err(refused(
                &given,
                "a keyspace",
                "its name as str, or None for the session's",
            )),
        }
    }
}

/// Yes or no.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag(pub(super) bool);

impl<'a, 'py> FromPyObject<'a, 'py> for Flag {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        given.extract().map(Self).map_err(|_| {
            refused(
                &given,
                "a bool",
                "True or False for idempotent= and tracing=",
            )
        })
    }
}

/// Where a result goes on, in the server's own words.
#[derive(Debug)]
pub(super) struct PagingState<'py>(pub(super) Bound<'py, PyBytes>);

impl<'a, 'py> FromPyObject<'a, 'py> for PagingState<'py> {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyBytes>() {
            Ok(state) => Ok(Self(state.to_owned())),
            Err(_) => Err(refused(
                &given,
                "a paging_state",
                "the bytes of an earlier result, or None",
            )),
        }
    }
}

/// Named bytes for the server.
#[derive(Debug)]
pub(super) struct Payload(pub(super) Vec<(String, Vec<u8>)>);

impl<'a, 'py> FromPyObject<'a, 'py> for Payload {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        given
            .cast::<PyMapping>()
            .ok()
            .and_then(|mapping| mapping.items().ok()?.extract().ok())
            .map(Self)
            .ok_or_else(|| {
                refused(
                    &given,
                    "a custom_payload",
                    "a dict of str to bytes, or None",
                )
            })
    }
}

fn named<T: Copy>(
    given: &Bound<'_, PyAny>,
    what: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> PyResult<T> {
    if let Ok(text) = given.cast::<PyString>()
        && let Ok(text) = text.to_str()
        && let Some(&level) = all
            .iter()
            .find(|&&level| name(level).eq_ignore_ascii_case(text))
    {
        return Ok(level);
    }
    let names: Vec<&str> = all.iter().map(|&level| name(level)).collect();
    Err(refused(
        given,
        what,
        &format!("one of {}", names.join(", ")),
    ))
}

/// The error for an option of the wrong type or value.
#[cold]
pub(super) fn refused(given: &Bound<'_, PyAny>, what: &str, wanted: &str) -> PyErr {
    let shown = given
        .repr()
        .map_or_else(|_| "an object".to_owned(), |r| r.to_string());
    let message = format!("{shown} is not {what}: give {wanted}");
    bad_value(given.py(), &message, None, None, None, None)
}
