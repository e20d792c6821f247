//! `shardlane._core`: the extension module.

mod client;
mod decode;
mod encode;
mod rows;
mod server;
mod values;

use pyo3::prelude::*;

/// The native core of shardlane.
#[pymodule]
mod _core {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        values::register(module)?;
        client::register(module)?;
        server::register(module)
    }
}
