//! What encoding and decoding share: names of types, errors, the Python classes of values, and
//! the small codecs (calendar, variable-length integers) that are the same in both directions.

pub(crate) mod calendar;
pub(crate) mod classes;
pub(crate) mod duration;
pub(crate) mod errors;
mod hooks;
pub(crate) mod path;
mod type_parser;
pub(crate) mod unset;
pub(crate) mod vint;

use pyo3::prelude::*;

/// Adds the value classes and the test hooks to the extension module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<duration::Duration>()?;
    module.add_class::<unset::Unset>()?;
    module.add("UNSET", unset::unset(module.py())?)?;
    hooks::register(module)
}
