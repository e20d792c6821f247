//! Timestamps, dates, times of day and durations.

use pyo3::prelude::*;
use pyo3::types::{PyDate, PyDateTime, PyTzInfo};

use super::{ends_inside, exactly, expect_end};
use crate::values::calendar::{Civil, DAY_MS, DAY_NS, FIRST_PYTHON_DAY, LAST_PYTHON_DAY};
use crate::values::classes;
use crate::values::duration::Duration;
use crate::values::errors::{DecodeError, DecodeResult};
use crate::values::vint;

pub(super) fn decode_timestamp<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    let millis = i64::from_be_bytes(exactly(bytes)?);
    let days = millis.div_euclid(DAY_MS);
    if !(FIRST_PYTHON_DAY..=LAST_PYTHON_DAY).contains(&days) {
        return Ok(classes::far_timestamp(py)?.call1((millis,))?);
    }
    let civil = Civil::from_days(days);
    let millis = millis.rem_euclid(DAY_MS);
    let seconds = millis / 1_000;
    let utc = PyTzInfo::utc(py)?;
    let moment = PyDateTime::new(
        py,
        civil.year as i32,
        civil.month,
        civil.day,
        (seconds / 3_600) as u8,
        (seconds / 60 % 60) as u8,
        (seconds % 60) as u8,
        (millis % 1_000 * 1_000) as u32,
        Some(&utc),
    )?;
    Ok(moment.into_any())
}

pub(super) fn decode_date<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    // The wire counts from -2**31, so that unsigned order is date order.
    let days = i64::from(u32::from_be_bytes(exactly(bytes)?)) - (1 << 31);
    if !(FIRST_PYTHON_DAY..=LAST_PYTHON_DAY).contains(&days) {
        return Ok(classes::far_date(py)?.call1((days,))?);
    }
    let civil = Civil::from_days(days);
    Ok(PyDate::new(py, civil.year as i32, civil.month, civil.day)?.into_any())
}

pub(super) fn decode_time<'py>(py: Python<'py>, bytes: &[u8]) -> DecodeResult<Bound<'py, PyAny>> {
    let nanos = i64::from_be_bytes(exactly(bytes)?);
    if !(0..DAY_NS).contains(&nanos) {
        return Err(DecodeError::malformed(format!(
            "{nanos} ns is not within a day"
        )));
    }
    let seconds = nanos / 1_000_000_000;
    let micros = nanos / 1_000 % 1_000_000;
    let arguments = (
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        micros,
        nanos % 1_000,
    );
    Ok(classes::nano_time(py)?.call1(arguments)?)
}

pub(super) fn decode_duration<'py>(
    py: Python<'py>,
    bytes: &[u8],
) -> DecodeResult<Bound<'py, PyAny>> {
    let mut rest = bytes;
    let mut part = || vint::read_signed(&mut rest).ok_or_else(|| ends_inside("a duration"));
    let (months, days, nanoseconds) = (part()?, part()?, part()?);
    expect_end(rest)?;
    let (Ok(months), Ok(days)) = (i32::try_from(months), i32::try_from(days)) else {
        return Err(DecodeError::malformed("months or days beyond 32 bits"));
    };
    Ok(Bound::new(
        py,
        Duration {
            months,
            days,
            nanoseconds,
        },
    )?
    .into_any())
}
