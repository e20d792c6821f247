//! `varint` and `decimal`: integers of any size, and those with a scale.
//!
//! `varint` takes what the fixed integers take. `decimal` takes `decimal.Decimal`, integers and
//! `str`; a `float` is refused, because its digits are rarely the ones the caller has in mind.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString};

use super::number::exact_int;
use crate::values::classes;
use crate::values::errors::{EncodeError, EncodeResult};

pub(super) fn encode_varint(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    write_varint(&exact_int(value, "varint")?, out)
}

/// Appends the shortest two's complement form, at least one byte, most significant first.
fn write_varint(number: &Bound<'_, PyInt>, out: &mut Vec<u8>) -> EncodeResult {
    match number.extract::<i128>() {
        Ok(small) => write_i128(small, out),
        // Only more than 128 bits make this fail.
        Err(_) => {
            let py = number.py();
            let bits: usize = number.call_method0(intern!(py, "bit_length"))?.extract()?;
            let keywords = PyDict::new(py);
            keywords.set_item(intern!(py, "signed"), true)?;
            // One bit more for the sign. -2**n needs one less, hence the trim.
            let arguments = (bits / 8 + 1, intern!(py, "big"));
            let bytes = number.call_method(intern!(py, "to_bytes"), arguments, Some(&keywords))?;
            let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?;
            out.extend_from_slice(shortest(bytes.as_bytes()));
        }
    }
    Ok(())
}

fn write_i128(number: i128, out: &mut Vec<u8>) {
    out.extend_from_slice(shortest(&number.to_be_bytes()));
}

/// Drops leading bytes that only repeat the sign.
fn shortest(mut bytes: &[u8]) -> &[u8] {
    while let [0, 0..=0x7F, ..] | [0xFF, 0x80..=0xFF, ..] = bytes {
        bytes = &bytes[1..];
    }
    bytes
}

pub(super) fn encode_decimal(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let py = value.py();
    let class = classes::decimal(py)?;
    if value.is_instance(class)? {
        return write_decimal(value, value, out);
    }
    if value.is_instance_of::<PyString>() {
        let parsed = class.call1((value,)).map_err(|cause| {
            // decimal.InvalidOperation is an ArithmeticError, so it is recognised by failing.
            let mut error =
                EncodeError::bad(value, "decimal", "the str is no decimal number", None);
            error.set_cause(cause);
            error
        })?;
        return write_decimal(&parsed, value, out);
    }
    if value.is_instance_of::<PyFloat>() {
        let hint = "pass Decimal(str(value)), or Decimal(value) for every binary digit";
        return Err(EncodeError::bad(
            value,
            "decimal",
            "expected a Decimal",
            Some(hint),
        ));
    }
    if value.is_instance_of::<PyBool>() {
        return Err(EncodeError::bad(
            value,
            "decimal",
            "expected a Decimal",
            None,
        ));
    }
    let number = exact_int(value, "decimal").map_err(|error| match error {
        EncodeError::Bad(_) => EncodeError::bad(
            value,
            "decimal",
            "expected a Decimal, an int or a str",
            None,
        ),
        python => python,
    })?;
    out.extend_from_slice(&[0; 4]);
    write_varint(&number, out)
}

/// Appends `[int]` scale and the unscaled varint; `given` is what errors speak of.
fn write_decimal(
    number: &Bound<'_, PyAny>,
    given: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
) -> EncodeResult {
    let py = number.py();
    // `str` of a Decimal gives every digit and the exponent, at a fraction of as_tuple()'s cost.
    let digits = number.str()?;
    let Some(parsed) = Digits::parse(digits.to_str()?) else {
        let reason = "a decimal column holds neither NaN nor Infinity";
        return Err(EncodeError::bad(given, "decimal", reason, None));
    };
    let scale = i32::try_from(-parsed.exponent).map_err(|_| {
        EncodeError::bad(given, "decimal", "the exponent does not fit 32 bits", None)
    })?;
    out.extend_from_slice(&scale.to_be_bytes());
    match parsed.unscaled {
        Some(unscaled) => write_i128(unscaled, out),
        None => {
            // More than 38 digits: shift the point away in a context that cannot round.
            let context = exact_context(py)?;
            let shifted = context.call_method1(intern!(py, "scaleb"), (number, scale))?;
            let unscaled = shifted.call_method0(intern!(py, "__int__"))?;
            write_varint(unscaled.cast::<PyInt>().map_err(PyErr::from)?, out)?;
        }
    }
    Ok(())
}

/// A `decimal.Context` as wide as decimals can be.
pub(crate) fn exact_context(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let decimal = py.import(intern!(py, "decimal"))?;
    let keywords = PyDict::new(py);
    keywords.set_item(
        intern!(py, "prec"),
        decimal.getattr(intern!(py, "MAX_PREC"))?,
    )?;
    keywords.set_item(
        intern!(py, "Emax"),
        decimal.getattr(intern!(py, "MAX_EMAX"))?,
    )?;
    keywords.set_item(
        intern!(py, "Emin"),
        decimal.getattr(intern!(py, "MIN_EMIN"))?,
    )?;
    classes::decimal_context(py)?.call((), Some(&keywords))
}

/// What the text of a Decimal says: `-12.34E+5` is -1234 and exponent 3.
struct Digits {
    /// `None` if there are too many digits for 128 bits.
    unscaled: Option<i128>,
    exponent: i64,
}

impl Digits {
    /// `None` for NaN and Infinity.
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['E', 'e']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(mantissa) => (true, mantissa),
            None => (false, mantissa),
        };
        let mut unscaled = Some(0_i128);
        let mut fraction = None;
        for byte in mantissa.bytes() {
            match byte {
                b'0'..=b'9' => {
                    let digit = i128::from(byte - b'0');
                    unscaled = unscaled
                        .and_then(|value| value.checked_mul(10))
                        .and_then(|value| value.checked_add(digit));
                    fraction = fraction.map(|digits: i64| digits + 1);
                }
                b'.' => fraction = Some(0),
                _ => return None,
            }
        }
        let unscaled = unscaled.map(|value| if negative { -value } else { value });
        Some(Self {
            unscaled,
            exponent: exponent - fraction.unwrap_or(0),
        })
    }
}
