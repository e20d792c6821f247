//! Errors of encoding and decoding. Inside they are small Rust values that gather their path on
//! the way out; the Python exception is built once, at the row, where the column is known.

use pyo3::exceptions::{PyOverflowError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use super::path::{Path, Step};

/// Why a Python value cannot become CQL bytes.
pub(crate) enum EncodeError {
    /// The value does not fit the type: the caller's mistake.
    Bad(Box<BadValue>),
    /// The value's own code raised something that is not about its type.
    Python(Box<PyErr>),
}

/// The result of encoding.
pub(crate) type EncodeResult<T = ()> = Result<T, EncodeError>;

/// A value that does not fit its CQL type.
pub(crate) struct BadValue {
    reason: String,
    hint: Option<String>,
    cql_type: String,
    python_type: String,
    path: Path,
    cause: Option<PyErr>,
}

impl EncodeError {
    /// `value` cannot be a `cql_type`; `reason` says what would.
    #[cold]
    pub(crate) fn bad(
        value: &Bound<'_, PyAny>,
        cql_type: impl ToString,
        reason: impl Into<String>,
        hint: Option<&str>,
    ) -> Self {
        Self::Bad(Box::new(BadValue {
            reason: reason.into(),
            hint: hint.map(str::to_owned),
            cql_type: cql_type.to_string(),
            python_type: python_type_name(value),
            path: Path::default(),
            cause: None,
        }))
    }

    /// As [`Self::bad`], after a conversion hook of the value (`__index__`, `__float__`, an
    /// iterator, a constructor) failed. Only what Python uses to refuse a value is turned into our
    /// error, with the original as its cause; a KeyboardInterrupt stays what it is.
    #[cold]
    pub(crate) fn refused(
        cause: PyErr,
        value: &Bound<'_, PyAny>,
        cql_type: impl ToString,
        reason: impl Into<String>,
        hint: Option<&str>,
    ) -> Self {
        let py = value.py();
        let about_the_value = cause.is_instance_of::<PyTypeError>(py)
            || cause.is_instance_of::<PyValueError>(py)
            || cause.is_instance_of::<PyOverflowError>(py);
        if !about_the_value {
            return cause.into();
        }
        let mut error = Self::bad(value, cql_type, reason, hint);
        error.set_cause(cause);
        error
    }

    /// Names the exception that led to this error.
    pub(crate) fn set_cause(&mut self, cause: PyErr) {
        if let Self::Bad(bad) = self {
            bad.cause = Some(cause);
        }
    }

    /// The error as seen one level further out.
    #[cold]
    pub(crate) fn within(mut self, step: Step) -> Self {
        if let Self::Bad(bad) = &mut self {
            bad.path.enter(step);
        }
        self
    }

    /// The Python exception, for the column or variable called `column`.
    #[cold]
    pub(crate) fn into_pyerr(self, py: Python<'_>, column: Option<&str>) -> PyErr {
        let bad = match self {
            Self::Bad(bad) => bad,
            Self::Python(error) => return *error,
        };
        let path = bad.path.to_string();
        let place = match column {
            Some(column) => format!("{column}{path}"),
            None if path.is_empty() => "value".to_owned(),
            None => format!("value{path}"),
        };
        let message = format!(
            "{place} ({}): {}, got {}",
            bad.cql_type, bad.reason, bad.python_type
        );
        let error = bad_value(
            py,
            &message,
            column.map(|_| place.as_str()),
            Some(&bad.cql_type),
            Some(&bad.python_type),
            bad.hint.as_deref(),
        );
        error.set_cause(py, bad.cause);
        error
    }
}

impl From<PyErr> for EncodeError {
    fn from(error: PyErr) -> Self {
        Self::Python(Box::new(error))
    }
}

/// Bytes from the server that are not a value of the column's type.
pub(crate) struct DecodeError {
    reason: String,
    path: Path,
    cause: Option<PyErr>,
}

/// The result of decoding; the error is boxed to keep the good case in two words.
pub(crate) type DecodeResult<T> = Result<T, Box<DecodeError>>;

impl DecodeError {
    /// The bytes are wrong in the way `reason` says.
    #[cold]
    pub(crate) fn malformed(reason: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            reason: reason.into(),
            path: Path::default(),
            cause: None,
        })
    }

    /// A cell of the wrong length for a type of fixed size.
    #[cold]
    pub(crate) fn length(expected: impl std::fmt::Display, actual: usize) -> Box<Self> {
        Self::malformed(format!("expected {expected} bytes, got {actual}"))
    }

    /// Python refused to build the value.
    #[cold]
    pub(crate) fn because(reason: &str, cause: PyErr) -> Box<Self> {
        Box::new(Self {
            reason: reason.to_owned(),
            path: Path::default(),
            cause: Some(cause),
        })
    }

    /// The error as seen one level further out.
    #[cold]
    pub(crate) fn within(mut self: Box<Self>, step: Step) -> Box<Self> {
        self.path.enter(step);
        self
    }

    /// The Python exception, for the column called `column` of type `cql_type`.
    #[cold]
    pub(crate) fn into_pyerr(self, py: Python<'_>, column: &str, cql_type: &str) -> PyErr {
        // Out of memory, an interrupt or a failing row class must not be dressed up as bad bytes.
        if let Some(cause) = &self.cause
            && !cause.is_instance_of::<PyValueError>(py)
        {
            return cause.clone_ref(py);
        }
        let place = format!("{column}{}", self.path);
        let message = format!("column {place} ({cql_type}): {}", self.reason);
        let error = decode_error(py, &message, Some(&place), Some(cql_type));
        error.set_cause(py, self.cause);
        error
    }
}

impl From<PyErr> for Box<DecodeError> {
    fn from(error: PyErr) -> Self {
        DecodeError::because("the value cannot be built", error)
    }
}

/// Builds `shardlane.exceptions.BadValue`.
#[cold]
pub(crate) fn bad_value(
    py: Python<'_>,
    message: &str,
    column: Option<&str>,
    cql_type: Option<&str>,
    python_type: Option<&str>,
    hint: Option<&str>,
) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let fields = [
        ("column", column),
        ("cql_type", cql_type),
        ("python_type", python_type),
        ("hint", hint),
    ];
    build(py, &CLASS, "BadValue", message, &fields)
}

/// Builds `shardlane.exceptions.DecodeError`.
#[cold]
pub(crate) fn decode_error(
    py: Python<'_>,
    message: &str,
    column: Option<&str>,
    cql_type: Option<&str>,
) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    build(
        py,
        &CLASS,
        "DecodeError",
        message,
        &[("column", column), ("cql_type", cql_type)],
    )
}

fn build(
    py: Python<'_>,
    class: &PyOnceLock<Py<PyType>>,
    name: &str,
    message: &str,
    fields: &[(&str, Option<&str>)],
) -> PyErr {
    let built = class
        .import(py, "shardlane.exceptions", name)
        .and_then(|class| {
            let keywords = PyDict::new(py);
            for (key, value) in fields {
                keywords.set_item(key, value)?;
            }
            class.call((message,), Some(&keywords))
        });
    match built {
        Ok(exception) => PyErr::from_value(exception),
        // The package is broken or half torn down; the message still has to reach somebody.
        Err(cause) => {
            let error = PyRuntimeError::new_err(message.to_owned());
            error.set_cause(py, Some(cause));
            error
        }
    }
}

/// The name of a value's class, with its module unless it is a builtin.
pub(crate) fn python_type_name(value: &Bound<'_, PyAny>) -> String {
    match value.get_type().fully_qualified_name() {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(_) => "object of an unnameable class".to_owned(),
    }
}
