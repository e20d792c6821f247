//! `shardlane._core`: the extension module.

use pyo3::prelude::*;

/// The native core of shardlane.
#[pymodule]
mod _core {}
