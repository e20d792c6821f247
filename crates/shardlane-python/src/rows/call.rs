//! Calling the classes that rows and user-defined types become.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Calls with keyword arguments only, without a dict to carry them.
pub(crate) fn call_with_keywords<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: &[Bound<'py, PyAny>],
    names: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    assert_eq!(arguments.len(), names.len());
    let pointers: Vec<_> = arguments.iter().map(Bound::as_ptr).collect();
    // SAFETY: `pointers` are as many live objects as `names`, a tuple of distinct str, and none
    // is positional; both outlive the call. The result is owned, or null with an exception set.
    unsafe {
        let result =
            ffi::PyObject_Vectorcall(callable.as_ptr(), pointers.as_ptr(), 0, names.as_ptr());
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}
