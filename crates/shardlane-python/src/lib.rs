//! `shardlane._core`: the extension module.

mod decode;
mod encode;
mod rows;
mod values;

use pyo3::prelude::*;

/// The native core of shardlane.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        values::register(module)
    }
}
