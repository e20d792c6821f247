//! What asyncio asks a [`Request`] in each `await`, as bare slots of the type.
//!
//! A task that awaits something else than an `asyncio.Future` goes through attributes: it reads and writes
//! `_asyncio_future_blocking`, calls `get_loop()` and `add_done_callback(wake_up, context=context)`, and sends
//! None once before and once after. PyO3's wrappers of these five would cost more than what they do.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::request::Request;

/// A definition that Python keeps a pointer to, for ever, and does not write to.
struct Definition<T>(UnsafeCell<T>);

// SAFETY: nobody writes to it.
unsafe impl<T> Sync for Definition<T> {}

static BLOCKING: Definition<ffi::PyGetSetDef> = Definition(UnsafeCell::new(ffi::PyGetSetDef {
    name: c"_asyncio_future_blocking".as_ptr(),
    get: Some(get_blocking),
    set: Some(set_blocking),
    doc: ptr::null(),
    closure: ptr::null_mut(),
}));

/// Not a method: that would be bound to the request, an object to make and to drop, in each `await`.
static GET_LOOP: Definition<ffi::PyGetSetDef> = Definition(UnsafeCell::new(ffi::PyGetSetDef {
    name: c"get_loop".as_ptr(),
    get: Some(get_get_loop),
    set: None,
    doc: c"Returns the event loop on which it can be awaited.".as_ptr(),
    closure: ptr::null_mut(),
}));

static ADD_DONE_CALLBACK: Definition<ffi::PyMethodDef> =
    Definition(UnsafeCell::new(ffi::PyMethodDef {
        ml_name: c"add_done_callback".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: add_done_callback,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: c"Calls fn with this request, through the loop, when it has ended.".as_ptr(),
    }));

/// Of [`loop_getter`], whose `self` is the loop.
static SELF: Definition<ffi::PyMethodDef> = Definition(UnsafeCell::new(ffi::PyMethodDef {
    ml_name: c"get_loop".as_ptr(),
    ml_meth: ffi::PyMethodDefPointer {
        PyCFunction: get_self,
    },
    ml_flags: ffi::METH_NOARGS,
    ml_doc: ptr::null(),
}));

/// Puts the slots into the type.
pub(super) fn install(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    let raw = class.as_type_ptr();
    // SAFETY: the thread is attached, `raw` is a ready type, and the definitions live for ever. A null result
    // comes with an exception.
    let descriptors = unsafe {
        [
            Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewGetSet(raw, BLOCKING.0.get()))?,
            Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewGetSet(raw, GET_LOOP.0.get()))?,
            Bound::from_owned_ptr_or_err(
                py,
                ffi::PyDescr_NewMethod(raw, ADD_DONE_CALLBACK.0.get()),
            )?,
        ]
    };
    for descriptor in descriptors {
        let name: String = descriptor.getattr("__name__")?.extract()?;
        class.setattr(name, descriptor)?;
    }
    // SAFETY: the type is not used yet by anybody. It has `__await__`, so it has these slots.
    match unsafe { (*raw).tp_as_async.as_mut() } {
        Some(slots) => slots.am_send = Some(send),
        None => return Err(PyRuntimeError::new_err("Request has no __await__")),
    }
    Ok(())
}

/// What `get_loop` of a loop's requests is: a function without arguments that returns the loop.
pub(super) fn loop_getter(event_loop: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = event_loop.py();
    // SAFETY: the thread is attached, and the definition lives for ever; the function keeps the loop alive.
    unsafe {
        let function = ffi::PyCFunction_NewEx(SELF.0.get(), event_loop.as_ptr(), ptr::null_mut());
        Ok(Bound::from_owned_ptr_or_err(py, function)?.unbind())
    }
}

unsafe extern "C" fn get_self(slf: *mut PyObject, _none: *mut PyObject) -> *mut PyObject {
    // SAFETY: the thread is attached, and `slf` is alive.
    unsafe { ffi::Py_NewRef(slf) }
}

/// Runs the body of a slot; `otherwise` is returned with an exception set.
///
/// # Safety
/// The thread is attached, and `slf` is a [`Request`].
unsafe fn slot<T>(
    slf: *mut PyObject,
    otherwise: T,
    body: impl FnOnce(&Bound<'_, Request>) -> PyResult<T>,
) -> T {
    Python::attach(|py| {
        let result = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the caller's promise.
            let request = unsafe { Borrowed::from_ptr(py, slf).cast_unchecked::<Request>() };
            body(&request)
        }));
        let error = match result {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => error,
            Err(_) => PyRuntimeError::new_err("a panic in a request"),
        };
        error.restore(py);
        otherwise
    })
}

unsafe extern "C" fn send(
    slf: *mut PyObject,
    _value: *mut PyObject,
    result: *mut *mut PyObject,
) -> ffi::PySendResult {
    // SAFETY: Python calls this with a request, attached, and with a place for the result.
    unsafe {
        *result = ptr::null_mut();
        slot(slf, ffi::PySendResult::PYGEN_ERROR, |request| {
            let (how, object) = match Request::step(request)? {
                Some(value) => (ffi::PySendResult::PYGEN_RETURN, value),
                None => {
                    let me = request.clone().into_any().unbind();
                    (ffi::PySendResult::PYGEN_NEXT, me)
                }
            };
            *result = object.into_ptr();
            Ok(how)
        })
    }
}

unsafe extern "C" fn get_blocking(
    slf: *mut PyObject,
    _closure: *mut std::ffi::c_void,
) -> *mut PyObject {
    // SAFETY: a descriptor of the type calls this, attached.
    unsafe {
        let request = Borrowed::from_ptr(Python::assume_attached(), slf);
        let is_blocking = request.cast_unchecked::<Request>().get().is_blocking();
        ffi::PyBool_FromLong(is_blocking.into())
    }
}

unsafe extern "C" fn set_blocking(
    slf: *mut PyObject,
    value: *mut PyObject,
    _closure: *mut std::ffi::c_void,
) -> std::ffi::c_int {
    // SAFETY: a descriptor of the type calls this, attached; null stands for deletion.
    unsafe {
        slot(slf, -1, |request| {
            if value.is_null() {
                return Err(PyTypeError::new_err("cannot delete this attribute"));
            }
            let value = Borrowed::from_ptr(request.py(), value);
            request.get().set_blocking(value.is_truthy()?);
            Ok(0)
        })
    }
}

unsafe extern "C" fn get_get_loop(
    slf: *mut PyObject,
    _closure: *mut std::ffi::c_void,
) -> *mut PyObject {
    // SAFETY: a descriptor of the type calls this, attached.
    unsafe {
        slot(slf, ptr::null_mut(), |request| {
            Ok(request.get().get_loop(request.py())?.into_ptr())
        })
    }
}

unsafe extern "C" fn add_done_callback(
    slf: *mut PyObject,
    args: *const *mut PyObject,
    count: ffi::Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: a descriptor of the type calls this, attached, with `count` positional arguments and one more for
    // each name in the tuple `names`, which may be null.
    unsafe {
        slot(slf, ptr::null_mut(), |request| {
            let py = request.py();
            let has_context = !names.is_null() && is_context(&Borrowed::from_ptr(py, names))?;
            if count != 1 || !(names.is_null() || has_context) {
                let message = "add_done_callback() takes a callback, and context= by name";
                return Err(PyTypeError::new_err(message));
            }
            let callback = Borrowed::from_ptr(py, *args).to_owned().unbind();
            let context = has_context
                .then(|| Borrowed::from_ptr(py, *args.add(1)))
                .filter(|context| !context.is_none())
                .map(|context| context.to_owned().unbind());
            Request::add_done_callback(request, callback, context)?;
            Ok(py.None().into_ptr())
        })
    }
}

/// Whether these are the names of keyword arguments that are just `context`.
fn is_context(names: &Bound<'_, PyAny>) -> PyResult<bool> {
    // asyncio passes the same tuple always; the string in it is not an interned one.
    static SEEN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = names.py();
    if SEEN.get(py).is_some_and(|seen| names.is(seen)) {
        return Ok(true);
    }
    let found = names.eq(("context",))?;
    if found {
        let _ = SEEN.set(py, names.clone().unbind());
    }
    Ok(found)
}
