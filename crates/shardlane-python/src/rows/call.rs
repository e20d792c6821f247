//! Calling the classes that rows and user-defined types become.

use std::ptr::{fn_addr_eq, null_mut};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyTuple, PyType};

/// Calls with keyword arguments only, without a dict to carry them.
pub(crate) fn call_with_keywords<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: &[Bound<'py, PyAny>],
    names: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    KeywordCall::new(callable, names)?.call(arguments)
}

/// A callable to be called with the same keywords many times.
pub(crate) struct KeywordCall<'a, 'py> {
    callable: &'a Bound<'py, PyAny>,
    names: &'a Bound<'py, PyTuple>,
    /// Of a class that is built in the usual way its `__init__`.
    init: Option<Bound<'py, PyFunction>>,
    /// Room for the positional argument, if there is one, and the others.
    pointers: Vec<*mut ffi::PyObject>,
}

impl<'a, 'py> KeywordCall<'a, 'py> {
    pub(crate) fn new(
        callable: &'a Bound<'py, PyAny>,
        names: &'a Bound<'py, PyTuple>,
    ) -> PyResult<Self> {
        Ok(Self {
            callable,
            names,
            init: usual_init(callable)?,
            pointers: Vec::with_capacity(1 + names.len()),
        })
    }

    /// Calls with one argument for each name.
    pub(crate) fn call(&mut self, arguments: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        assert_eq!(arguments.len(), self.names.len());
        let Some(init) = &self.init else {
            return vectorcall(
                &mut self.pointers,
                self.callable,
                None,
                arguments,
                self.names,
            );
        };
        let instance = new_instance(self.callable)?;
        let returned = vectorcall(
            &mut self.pointers,
            init,
            Some(&instance),
            arguments,
            self.names,
        )?;
        if !returned.is_none() {
            let class = returned.get_type();
            let message = format!("__init__() should return None, not '{}'", class.name()?);
            return Err(PyTypeError::new_err(message));
        }
        Ok(instance)
    }
}

/// The `__init__` of a class whose instances are made by `object.__new__` and then initialised by a
/// function written in Python, such as a dataclass. To call the two here is what `type.__call__`
/// does, only that it packs the arguments into a tuple and a dict on the way and takes them apart
/// again, which costs as much as the `__init__` of a small dataclass.
fn usual_init<'py>(callable: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyFunction>>> {
    let py = callable.py();
    let Ok(class) = callable.cast_exact::<PyType>() else {
        return Ok(None);
    };
    // SAFETY: a live and ready type; the slots of a type do not change without the GIL.
    let new = unsafe { (*class.as_type_ptr()).tp_new };
    match (new, object_new()) {
        (Some(new), Some(object_new)) if fn_addr_eq(new, object_new) => {}
        _ => return Ok(None),
    }
    // A function found through its class is not bound, and is what an instance would find.
    let init = class.getattr(intern!(py, "__init__"))?;
    Ok(init.cast_into_exact::<PyFunction>().ok())
}

/// The slot of `object.__new__`.
fn object_new() -> Option<ffi::newfunc> {
    // SAFETY: read while the thread is attached; the types that Python brings along do not change.
    unsafe { ffi::PyBaseObject_Type.tp_new }
}

/// `object.__new__(class)`, of a class that `usual_init` has looked at.
fn new_instance<'py>(class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let Some(new) = object_new() else {
        return Err(PyTypeError::new_err("object cannot be instantiated"));
    };
    let arguments = PyTuple::empty(py);
    // SAFETY: `usual_init` has found that it is a live and ready type that leaves making instances to
    // `object`; without arguments there is none that `object` could object to. The result is owned,
    // or null with an exception set.
    unsafe {
        let instance = new(class.as_ptr().cast(), arguments.as_ptr(), null_mut());
        Bound::from_owned_ptr_or_err(py, instance)
    }
}

/// `callable(positional, name=argument, ...)`; `pointers` is room that is used again.
fn vectorcall<'py>(
    pointers: &mut Vec<*mut ffi::PyObject>,
    callable: &Bound<'py, PyAny>,
    positional: Option<&Bound<'py, PyAny>>,
    arguments: &[Bound<'py, PyAny>],
    names: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    pointers.clear();
    pointers.extend(positional.into_iter().chain(arguments).map(Bound::as_ptr));
    let positional = usize::from(positional.is_some());
    // SAFETY: `pointers` are as many live objects as are positional and in `names`, a tuple of
    // distinct str; all outlive the call. The result is owned, or null with an exception set.
    unsafe {
        let result = ffi::PyObject_Vectorcall(
            callable.as_ptr(),
            pointers.as_ptr(),
            positional,
            names.as_ptr(),
        );
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}
