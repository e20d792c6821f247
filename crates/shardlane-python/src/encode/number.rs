//! Integers of fixed size, floats and booleans.
//!
//! Integers take `int` and anything with `__index__` (numpy integers, `IntEnum`), but no `bool`:
//! that is nearly always a parameter in the wrong place. Floats take anything with `__float__`
//! or `__index__`, again but `bool`. A boolean takes `bool`, `numpy.bool` and the integers 0 and 1.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};

use crate::values::errors::{EncodeError, EncodeResult};

pub(super) fn encode_tinyint(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let number: i8 = fixed_int(value, "tinyint", "-128 to 127")?;
    out.extend_from_slice(&number.to_be_bytes());
    Ok(())
}

pub(super) fn encode_smallint(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let number: i16 = fixed_int(value, "smallint", "-32768 to 32767")?;
    out.extend_from_slice(&number.to_be_bytes());
    Ok(())
}

pub(super) fn encode_int(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let number: i32 = fixed_int(value, "int", "-2147483648 to 2147483647")?;
    out.extend_from_slice(&number.to_be_bytes());
    Ok(())
}

pub(super) fn encode_bigint(
    value: &Bound<'_, PyAny>,
    cql_type: &str,
    out: &mut Vec<u8>,
) -> EncodeResult {
    let number: i64 = fixed_int(value, cql_type, "-2**63 to 2**63 - 1")?;
    out.extend_from_slice(&number.to_be_bytes());
    Ok(())
}

fn fixed_int<T: TryFrom<i64>>(
    value: &Bound<'_, PyAny>,
    cql_type: &str,
    range: &str,
) -> EncodeResult<T> {
    let index = exact_int(value, cql_type)?;
    let number = match index.extract::<i64>() {
        Ok(number) => T::try_from(number).ok(),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => None,
        Err(error) => return Err(error.into()),
    };
    number.ok_or_else(|| out_of_range(value, cql_type, range))
}

#[cold]
pub(super) fn out_of_range(value: &Bound<'_, PyAny>, cql_type: &str, range: &str) -> EncodeError {
    EncodeError::bad(
        value,
        cql_type,
        format!("out of range, which is {range}"),
        None,
    )
}

/// The `int` that `value` is or stands for.
#[inline]
pub(super) fn exact_int<'py>(
    value: &Bound<'py, PyAny>,
    cql_type: &str,
) -> EncodeResult<Bound<'py, PyInt>> {
    match value.cast_exact::<PyInt>() {
        Ok(int) => Ok(int.clone()),
        Err(_) => index_of(value, cql_type),
    }
}

fn index_of<'py>(value: &Bound<'py, PyAny>, cql_type: &str) -> EncodeResult<Bound<'py, PyInt>> {
    const REASON: &str = "expected an int";
    // Older numpy lets its bool through as an index, with a warning.
    let is_bool = value.is_instance_of::<PyBool>()
        || (!value.is_instance_of::<PyInt>() && is_numpy_bool(value)?);
    if is_bool {
        let hint = "a bool here is often a parameter in the wrong place; if not, pass int(value)";
        return Err(EncodeError::bad(value, cql_type, REASON, Some(hint)));
    }
    // SAFETY: `value` is a live object and the thread is attached; the result is a new
    // reference, or null with an exception set, which is what `from_owned_ptr_or_err` expects.
    let index = unsafe {
        Bound::from_owned_ptr_or_err(value.py(), pyo3::ffi::PyNumber_Index(value.as_ptr()))
    };
    match index {
        // PyNumber_Index returns an int or fails.
        Ok(index) => Ok(index.cast_into::<PyInt>().map_err(PyErr::from)?),
        Err(cause) => {
            let hint = if value.is_instance_of::<PyFloat>() {
                Some("round it first: int(value)")
            } else {
                None
            };
            Err(EncodeError::refused(cause, value, cql_type, REASON, hint))
        }
    }
}

pub(super) fn encode_double(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    out.extend_from_slice(&float_of(value, "double")?.to_be_bytes());
    Ok(())
}

pub(super) fn encode_float(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let wide = float_of(value, "float")?;
    let narrow = wide as f32;
    if narrow.is_infinite() && wide.is_finite() {
        let hint = "the column is a 32-bit float; a double would hold this value";
        return Err(EncodeError::bad(
            value,
            "float",
            "beyond the range of 32 bits",
            Some(hint),
        ));
    }
    out.extend_from_slice(&narrow.to_be_bytes());
    Ok(())
}

#[inline]
fn float_of(value: &Bound<'_, PyAny>, cql_type: &str) -> EncodeResult<f64> {
    match value.cast_exact::<PyFloat>() {
        Ok(float) => Ok(float.value()),
        Err(_) => converted_float(value, cql_type),
    }
}

fn converted_float(value: &Bound<'_, PyAny>, cql_type: &str) -> EncodeResult<f64> {
    const REASON: &str = "expected a float";
    if value.is_instance_of::<PyBool>() {
        let hint = "a bool here is often a parameter in the wrong place; if not, pass float(value)";
        return Err(EncodeError::bad(value, cql_type, REASON, Some(hint)));
    }
    value.extract::<f64>().map_err(|cause| {
        let too_large = cause.is_instance_of::<PyOverflowError>(value.py());
        let reason = if too_large {
            "too large for a float"
        } else {
            REASON
        };
        EncodeError::refused(cause, value, cql_type, reason, None)
    })
}

pub(super) fn encode_boolean(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let truth = match value.cast::<PyBool>() {
        Ok(truth) => truth.is_true(),
        Err(_) => converted_bool(value)?,
    };
    out.push(u8::from(truth));
    Ok(())
}

fn converted_bool(value: &Bound<'_, PyAny>) -> EncodeResult<bool> {
    if is_numpy_bool(value)? {
        return Ok(value.is_truthy()?);
    }
    if let Ok(index) = index_of(value, "boolean")
        && let Ok(number @ (0 | 1)) = index.extract::<i64>()
    {
        return Ok(number == 1);
    }
    Err(EncodeError::bad(
        value,
        "boolean",
        "expected a bool",
        Some("pass bool(value)"),
    ))
}

/// numpy's bool is no subclass of bool; its name is all there is to know it by without importing
/// numpy.
fn is_numpy_bool(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = value.get_type().fully_qualified_name()?;
    Ok(matches!(
        &*class.to_string_lossy(),
        "numpy.bool" | "numpy.bool_"
    ))
}
