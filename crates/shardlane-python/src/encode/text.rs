//! Strings and bytes.
//!
//! `text` and `ascii` take `str` only: bytes have an encoding that only the caller knows.
//! `blob` takes `bytes`, `bytearray`, `memoryview` and any other buffer, but no `str`.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};

use crate::values::errors::{EncodeError, EncodeResult};

pub(super) fn encode_text(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let text = string(value, "text")?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

pub(super) fn encode_ascii(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let text = string(value, "ascii")?;
    if !text.is_ascii() {
        let hint = "a text column holds any Unicode";
        return Err(EncodeError::bad(
            value,
            "ascii",
            "expected only ASCII characters",
            Some(hint),
        ));
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn string<'a>(value: &'a Bound<'_, PyAny>, cql_type: &str) -> EncodeResult<&'a str> {
    let Ok(text) = value.cast::<PyString>() else {
        let is_bytes = value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>();
        let hint = if is_bytes {
            "decode it first: value.decode()"
        } else {
            "pass str(value)"
        };
        return Err(EncodeError::bad(
            value,
            cql_type,
            "expected a str",
            Some(hint),
        ));
    };
    text.to_str().map_err(|cause| {
        let reason = "the str holds a lone surrogate, which UTF-8 cannot";
        EncodeError::refused(cause, value, cql_type, reason, None)
    })
}

pub(super) fn encode_blob(
    value: &Bound<'_, PyAny>,
    cql_type: &str,
    out: &mut Vec<u8>,
) -> EncodeResult {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        out.extend_from_slice(bytes.as_bytes());
        return Ok(());
    }
    let refuse = |cause| {
        let hint = if value.is_instance_of::<PyString>() {
            "encode it first: value.encode()"
        } else {
            "pass bytes(value)"
        };
        EncodeError::refused(cause, value, cql_type, "expected bytes", Some(hint))
    };
    let buffer = PyUntypedBuffer::get(value).map_err(refuse)?;
    if !buffer.is_c_contiguous() {
        // A strided view: Python's own flattening knows every layout.
        let flat = value.call_method0("tobytes").map_err(refuse)?;
        out.extend_from_slice(flat.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
        return Ok(());
    }
    let length = buffer.len_bytes();
    if length > 0 {
        // SAFETY: the buffer is held, so its memory stays in place; it is contiguous and
        // `length` bytes long; the bytes are copied at once, with no Python code in between.
        // On free-threaded builds a writer in another thread can tear the copy, as it can for
        // `bytes(value)`, but not move it.
        out.extend_from_slice(unsafe {
            std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), length)
        });
    }
    Ok(())
}
