//! Strings, integers of fixed size, floats and booleans.

use pyo3::ffi::{self, Py_ssize_t};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat};

use super::fixed;
use crate::values::errors::{DecodeError, DecodeResult};

#[inline]
pub(super) fn decode_text<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    if is_long_ascii(bytes) {
        ascii(py, bytes)
    } else {
        utf8(py, bytes)
    }
}

/// Whether these are eight bytes or more, all of them ASCII. Python's own test goes byte by byte
/// unless they begin at a multiple of eight, which within a frame they mostly do not.
#[inline]
fn is_long_ascii(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    // The rest is looked at together with some bytes before it.
    let Some(last) = bytes.last_chunk::<8>() else {
        return false;
    };
    let all = words.iter().chain([last]);
    all.fold(0, |seen, &word| seen | u64::from_ne_bytes(word)) & 0x8080_8080_8080_8080 == 0
}

/// A str of ASCII.
#[inline]
fn ascii<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    // SAFETY: the thread is attached. A slice is never longer than isize::MAX. With a largest
    // character of 127 the new str has a byte for each character, which nobody has seen yet, and
    // a zero behind them, which is there already. Failure is null with an exception set.
    unsafe {
        let text = ffi::PyUnicode_New(bytes.len() as Py_ssize_t, 127);
        let text = Bound::from_owned_ptr_or_err(py, text)?;
        let characters = ffi::PyUnicode_1BYTE_DATA(text.as_ptr());
        characters.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        Ok(text)
    }
}

/// A str of any bytes; Python has those of a single character and the empty one already.
fn utf8<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    // A slice is never longer than isize::MAX.
    let length = bytes.len() as Py_ssize_t;
    // SAFETY: the pointer and length are those of a slice, and the thread is attached. Python
    // validates the UTF-8 itself.
    let text = unsafe {
        let text = ffi::PyUnicode_DecodeUTF8(bytes.as_ptr().cast(), length, std::ptr::null());
        Bound::from_owned_ptr_or_err(py, text)
    };
    text.map_err(|cause| DecodeError::because("not UTF-8", cause))
}

#[inline]
pub(super) fn decode_int<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    fixed(py, bytes, |bytes| {
        integer(py, i64::from(i32::from_be_bytes(bytes)))
    })
}

#[inline]
pub(super) fn decode_bigint<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    fixed(py, bytes, |bytes| integer(py, i64::from_be_bytes(bytes)))
}

pub(super) fn decode_smallint<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    fixed(py, bytes, |bytes| {
        integer(py, i64::from(i16::from_be_bytes(bytes)))
    })
}

pub(super) fn decode_tinyint<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    fixed(py, bytes, |bytes| {
        integer(py, i64::from(i8::from_be_bytes(bytes)))
    })
}

#[inline]
pub(super) fn integer(py: Python<'_>, number: i64) -> Bound<'_, PyAny> {
    // Infallible: the error type is empty.
    match number.into_pyobject(py) {
        Ok(number) => number.into_any(),
    }
}

#[inline]
pub(super) fn decode_double<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    fixed(py, bytes, |bytes| {
        PyFloat::new(py, f64::from_be_bytes(bytes)).into_any()
    })
}

pub(super) fn decode_float<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    fixed(py, bytes, |bytes| {
        PyFloat::new(py, f64::from(f32::from_be_bytes(bytes))).into_any()
    })
}

pub(super) fn decode_boolean<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    fixed(py, bytes, |[byte]| {
        PyBool::new(py, byte != 0).to_owned().into_any()
    })
}
