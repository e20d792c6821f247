//! `UNSET`: the bound value that leaves a column as it is.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The type of `UNSET`. There is one instance.
#[pyclass(frozen, module = "shardlane.types", name = "UnsetType")]
pub(crate) struct Unset;

#[pymethods]
impl Unset {
    #[new]
    fn py_new(py: Python<'_>) -> PyResult<Py<Self>> {
        Ok(unset(py)?.clone_ref(py))
    }

    fn __repr__(&self) -> &'static str {
        "UNSET"
    }

    /// Pickles by name, so that identity survives.
    fn __reduce__(&self) -> &'static str {
        "UNSET"
    }

    fn __bool__(&self) -> bool {
        false
    }
}

/// The instance.
pub(crate) fn unset(py: Python<'_>) -> PyResult<&'static Py<Unset>> {
    static INSTANCE: PyOnceLock<Py<Unset>> = PyOnceLock::new();
    INSTANCE.get_or_try_init(py, || Py::new(py, Unset))
}

/// Whether `value` is `UNSET`.
pub(crate) fn is_unset(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<Unset>()
}
