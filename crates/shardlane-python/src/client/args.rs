//! What callers pass: options that may be left to the session's default, durations, consistency levels.

use std::time::Duration;

use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::PyString;
use shardlane_wire::{Consistency, SerialConsistency};

use crate::values::errors::bad_value;
use crate::values::unset::is_unset;

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
        let seconds: f64 = given
            .extract()
            .map_err(|_| refused(&given, "a timeout", "seconds as a number, or None"))?;
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
        named(&given, Consistency::ALL, |level| level.as_str()).map(Self)
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
        named(&given, SerialConsistency::ALL, |level| level.as_str()).map(|level| Self(Some(level)))
    }
}

fn named<T: Copy>(
    given: &Bound<'_, PyAny>,
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
        "a consistency level",
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
