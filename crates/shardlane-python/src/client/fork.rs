//! Threads do not survive fork(2): a child that used the parent's cluster object would wait for ever, or
//! worse, for a lock that the I/O thread held. So each object remembers how many forks it has seen.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict};

static FORKS: AtomicU64 = AtomicU64::new(0);

/// Has Python count forks, in the child.
pub(super) fn watch(py: Python<'_>) -> PyResult<()> {
    let count = PyCFunction::new_closure(py, None, None, |_, _| {
        FORKS.fetch_add(1, Ordering::Relaxed);
    })?;
    let keywords = PyDict::new(py);
    keywords.set_item("after_in_child", count)?;
    py.import("os")?
        .call_method("register_at_fork", (), Some(&keywords))?;
    Ok(())
}

/// The process in which an object was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin(u64);

impl Origin {
    pub(super) fn here() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    pub(super) fn is_here(self) -> bool {
        self == Self::here()
    }
}
