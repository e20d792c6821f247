//! Named tuple classes of rows and user-defined types.
//!
//! Making a class takes some 100 microseconds of Python, so classes are kept by their names, for
//! all statements and sessions of the process: the same columns always give the same class.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

/// Classes beyond this number push out the oldest. Rows keep their classes alive; a statement
/// that comes back later gets a new, equal one.
const CLASSES_MAX: usize = 1024;

/// The names a class is made from: of itself and of its fields.
type Key = (Box<str>, Box<[Box<str>]>);

#[derive(Default)]
struct Cache {
    classes: HashMap<Key, Py<PyType>>,
    /// Oldest first.
    order: VecDeque<Key>,
}

static CACHE: Mutex<Option<Cache>> = Mutex::new(None);

/// The named tuple class called `name` with a field per item of `fields`. Names that Python
/// cannot use are changed in the way that `shardlane._shared.row_classes` describes.
pub(crate) fn class(py: Python<'_>, name: &str, fields: &[&str]) -> PyResult<Py<PyType>> {
    let key: Key = (
        name.into(),
        fields.iter().map(|&field| field.into()).collect(),
    );
    if let Some(class) = lock().get_or_insert_default().classes.get(&key) {
        return Ok(class.clone_ref(py));
    }
    // Not under the lock: this runs Python code, which may let another thread run.
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.import(py, "shardlane._shared.row_classes", "row_class")?;
    let made = make
        .call1((name, PyTuple::new(py, fields)?))?
        .cast_into::<PyType>()?
        .unbind();
    let (class, evicted) = lock().get_or_insert_default().insert(py, key, made);
    // Dropping a class can run Python code, so not under the lock either.
    drop(evicted);
    Ok(class)
}

fn lock() -> MutexGuard<'static, Option<Cache>> {
    // No code that can panic half-way through a change runs under the lock.
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    /// Keeps `made` unless another thread was faster; returns the one kept and the one dropped.
    fn insert(
        &mut self,
        py: Python<'_>,
        key: Key,
        made: Py<PyType>,
    ) -> (Py<PyType>, Option<Py<PyType>>) {
        if let Some(first) = self.classes.get(&key) {
            return (first.clone_ref(py), Some(made));
        }
        let evicted = if self.order.len() == CLASSES_MAX {
            self.order
                .pop_front()
                .and_then(|oldest| self.classes.remove(&oldest))
        } else {
            None
        };
        self.order.push_back(key.clone());
        self.classes.insert(key, made.clone_ref(py));
        (made, evicted)
    }
}
