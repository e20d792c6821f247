//! Strings, integers of fixed size, floats and booleans.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat};

use super::exactly;
use crate::values::errors::{DecodeError, DecodeResult};

#[inline]
pub(super) fn decode_text<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    // A slice is never longer than isize::MAX.
    let length = bytes.len() as ffi::Py_ssize_t;
    // SAFETY: the pointer and length are those of a slice, and the thread is attached. Python
    // validates the UTF-8 itself, with a fast path for ASCII; checking here would do it twice.
    let text = unsafe {
        let text = ffi::PyUnicode_DecodeUTF8(bytes.as_ptr().cast(), length, std::ptr::null());
        Bound::from_owned_ptr_or_err(py, text)
    };
    text.map_err(|cause| DecodeError::because("not UTF-8", cause))
}

#[inline]
pub(super) fn decode_int<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    integer(py, i64::from(i32::from_be_bytes(exactly(bytes)?)))
}

#[inline]
pub(super) fn decode_bigint<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    integer(py, i64::from_be_bytes(exactly(bytes)?))
}

pub(super) fn decode_smallint<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    integer(py, i64::from(i16::from_be_bytes(exactly(bytes)?)))
}

pub(super) fn decode_tinyint<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    integer(py, i64::from(i8::from_be_bytes(exactly(bytes)?)))
}

#[inline]
pub(super) fn integer(py: Python<'_>, number: i64) -> DecodeResult<Bound<'_, PyAny>> {
    // Infallible: the error type is empty.
    match number.into_pyobject(py) {
        Ok(number) => Ok(number.into_any()),
    }
}

#[inline]
pub(super) fn decode_double<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    Ok(PyFloat::new(py, f64::from_be_bytes(exactly(bytes)?)).into_any())
}

pub(super) fn decode_float<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    Ok(PyFloat::new(py, f64::from(f32::from_be_bytes(exactly(bytes)?))).into_any())
}

pub(super) fn decode_boolean<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    let [byte] = exactly(bytes)?;
    Ok(PyBool::new(py, byte != 0).to_owned().into_any())
}
