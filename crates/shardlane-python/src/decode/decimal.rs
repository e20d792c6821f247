//! `varint` and `decimal`, exact at any size.

use std::fmt::Write;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt};

use super::read_int;
use super::scalar::integer;
use crate::encode::exact_context;
use crate::values::classes;
use crate::values::errors::{DecodeError, DecodeResult};

pub(super) fn decode_varint<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    match small(bytes) {
        Some(number) => match i64::try_from(number) {
            Ok(number) => Ok(integer(py, number)),
            Err(_) => match number.into_pyobject(py) {
                Ok(number) => Ok(number.into_any()),
            },
        },
        None => {
            let keywords = PyDict::new(py);
            keywords.set_item(intern!(py, "signed"), true)?;
            let arguments = (PyBytes::new(py, bytes), intern!(py, "big"));
            let from_bytes = intern!(py, "from_bytes");
            Ok(py
                .get_type::<PyInt>()
                .call_method(from_bytes, arguments, Some(&keywords))?)
        }
    }
}

/// A two's complement number of at most 16 bytes.
fn small(bytes: &[u8]) -> Option<i128> {
    if bytes.len() > 16 {
        return None;
    }
    let negative = bytes.first().is_some_and(|&byte| byte >= 0x80);
    let mut extended = [if negative { 0xFF } else { 0 }; 16];
    extended[16 - bytes.len()..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(extended))
}

pub(super) fn decode_decimal<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    let mut unscaled = bytes;
    let scale = read_int(&mut unscaled, "the scale of a decimal")?;
    if unscaled.is_empty() {
        return Err(DecodeError::malformed("a decimal without digits"));
    }
    // The negated i32::MIN does not fit 32 bits.
    let exponent = -i64::from(scale);
    let class = classes::decimal(py)?;
    if let Some(number) = small(unscaled) {
        let mut text = String::with_capacity(52);
        // Writing to a String cannot fail.
        let _ = write!(text, "{number}E{exponent}");
        return Ok(class.call1((text,))?);
    }
    // Through an int: printing so many digits here would take quadratic time, and Python limits
    // the length of the strings it converts.
    let number = class.call1((decode_varint(py, unscaled)?,))?;
    Ok(exact_context(py)?.call_method1(intern!(py, "scaleb"), (number, exponent))?)
}
