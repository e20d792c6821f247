//! The shapes that result rows take.

pub(crate) mod build;
pub(crate) mod call;
pub(crate) mod named;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::values::errors::{bad_value, python_type_name};

/// What a row becomes in Python.
#[derive(Debug)]
pub(crate) enum RowFactory {
    /// A named tuple; its class is shared by all results with the same column names.
    Named,
    /// A plain tuple.
    Tuple,
    /// A dict by column name; the last of several columns of one name wins.
    Dict,
    /// The first column alone.
    Scalar,
    /// What a callable (a dataclass, a NamedTuple, a function) makes of the columns as keywords.
    Class(Py<PyAny>),
}

impl RowFactory {
    /// Reads what a user gives as `row_factory`: `None` or `"named"`, `"tuple"` or `tuple`,
    /// `"dict"` or `dict`, `"scalar"`, or any other callable.
    pub(crate) fn from_python(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = given.py();
        if given.is_none() {
            return Ok(Self::Named);
        }
        if let Ok(name) = given.cast::<PyString>() {
            match name.to_str()? {
                "named" => return Ok(Self::Named),
                "tuple" => return Ok(Self::Tuple),
                "dict" => return Ok(Self::Dict),
                "scalar" => return Ok(Self::Scalar),
                _ => {}
            }
        } else if given.is(py.get_type::<PyTuple>()) {
            return Ok(Self::Tuple);
        } else if given.is(py.get_type::<PyDict>()) {
            return Ok(Self::Dict);
        } else if given.is_callable() {
            return Ok(Self::Class(given.clone().unbind()));
        }
        let class = python_type_name(given);
        let message = "row_factory must be 'named', 'tuple', 'dict', 'scalar' or a callable that takes the columns as keywords";
        Err(bad_value(py, message, None, None, Some(&class), None))
    }
}
