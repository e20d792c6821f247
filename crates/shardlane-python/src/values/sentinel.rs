//! Values that stand for something no ordinary value can say.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

macro_rules! sentinel {
    ($(#[$doc:meta])* $class:ident, $type_name:literal, $shown:literal, $get:ident, $is:ident) => {
        $(#[$doc])*
        #[pyclass(frozen, module = "shardlane.types", name = $type_name)]
        pub(crate) struct $class;

        #[pymethods]
        impl $class {
            #[new]
            fn py_new(py: Python<'_>) -> PyResult<Py<Self>> {
                Ok($get(py)?.clone_ref(py))
            }

            fn __repr__(&self) -> &'static str {
                $shown
            }

            /// Pickles by name, so that identity survives.
            fn __reduce__(&self) -> &'static str {
                $shown
            }

            fn __bool__(&self) -> bool {
                false
            }
        }

        /// The instance.
        pub(crate) fn $get(py: Python<'_>) -> PyResult<&'static Py<$class>> {
            static INSTANCE: PyOnceLock<Py<$class>> = PyOnceLock::new();
            INSTANCE.get_or_try_init(py, || Py::new(py, $class))
        }

        /// Whether `value` is the instance.
        pub(crate) fn $is(value: &Bound<'_, PyAny>) -> bool {
            value.is_exact_instance_of::<$class>()
        }
    };
}

sentinel! {
    /// The type of `UNSET`, the bound value that leaves a column as it is. There is one instance.
    Unset, "UnsetType", "UNSET", unset, is_unset
}

sentinel! {
    /// The type of `EMPTY`, the value of no bytes that some types have besides null. There is one instance.
    Empty, "EmptyType", "EMPTY", empty, is_empty
}
