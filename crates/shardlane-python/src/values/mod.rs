//! What encoding and decoding share: names of types, errors, the Python classes of values, and
//! the small codecs (calendar, variable-length integers) that are the same in both directions.

pub(crate) mod calendar;
pub(crate) mod classes;
pub(crate) mod duration;
pub(crate) mod errors;
mod hooks;
pub(crate) mod path;
pub(crate) mod registry;
pub(crate) mod sentinel;
pub(crate) mod type_parser;
pub(crate) mod user_types;
pub(crate) mod vint;

use pyo3::prelude::*;

/// Adds the value classes and the test hooks to the extension module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<duration::Duration>()?;
    module.add_class::<sentinel::Unset>()?;
    module.add("UNSET", sentinel::unset(module.py())?)?;
    module.add_class::<registry::Registry>()?;
    module.add_class::<sentinel::Empty>()?;
    module.add("EMPTY", sentinel::empty(module.py())?)?;
    hooks::register(module)
}
