//! Timestamps, dates, times of day and durations.
//!
//! - `timestamp`: `datetime` (aware: converted to UTC; naive: taken as UTC; what is finer than a
//!   millisecond is cut off towards the past), `date` (its midnight in UTC), or an integer of
//!   exact milliseconds since the epoch. A float is refused: it is usually seconds.
//! - `date`: `date`, a `datetime` (the calendar day as written), `YYYY-MM-DD`, or an integer of
//!   days since 1970-01-01.
//! - `time`: `time` without a zone, `HH:MM[:SS[.fffffffff]]`, or an integer of nanoseconds since
//!   midnight.
//! - `duration`: `Duration` or `timedelta`.

use pyo3::exceptions::PyOverflowError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyDate, PyDateAccess, PyDateTime, PyDelta, PyDeltaAccess, PyFloat, PyString, PyTime,
    PyTimeAccess, PyTzInfo, PyTzInfoAccess,
};

use super::number::{exact_int, out_of_range};
use crate::values::calendar::{Civil, DAY_MS, DAY_NS, parse_time};
use crate::values::duration::Duration;
use crate::values::errors::{EncodeError, EncodeResult};
use crate::values::vint;

pub(super) fn encode_timestamp(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let millis = if let Ok(moment) = value.cast::<PyDateTime>() {
        millis_of(moment)?
    } else if let Ok(date) = value.cast::<PyDate>() {
        days_of(date) * DAY_MS
    } else {
        number_of(
            value,
            "timestamp",
            i64::MIN..=i64::MAX,
            "-2**63 to 2**63 - 1 milliseconds",
        )?
    };
    out.extend_from_slice(&millis.to_be_bytes());
    Ok(())
}

fn millis_of(moment: &Bound<'_, PyDateTime>) -> PyResult<i64> {
    let seconds_of_day = (i64::from(moment.get_hour()) * 60 + i64::from(moment.get_minute())) * 60
        + i64::from(moment.get_second());
    let seconds = days_of(moment.cast::<PyDate>()?) * 86_400 + seconds_of_day;
    let mut micros = seconds * 1_000_000 + i64::from(moment.get_microsecond());
    if let Some(zone) = moment.get_tzinfo()
        && !zone.is(&*PyTzInfo::utc(moment.py())?)
    {
        let offset = moment.call_method0(intern!(moment.py(), "utcoffset"))?;
        // A zone may answer None, which makes the datetime naive.
        if !offset.is_none() {
            let offset = offset.cast::<PyDelta>()?;
            let seconds = i64::from(offset.get_days()) * 86_400 + i64::from(offset.get_seconds());
            micros -= seconds * 1_000_000 + i64::from(offset.get_microseconds());
        }
    }
    Ok(micros.div_euclid(1_000))
}

fn days_of(date: &Bound<'_, PyDate>) -> i64 {
    let civil = Civil {
        year: i64::from(date.get_year()),
        month: date.get_month(),
        day: date.get_day(),
    };
    civil.to_days()
}

pub(super) fn encode_date(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    const RANGE: &str = "-2**31 to 2**31 - 1 days since 1970-01-01";
    let range = i64::from(i32::MIN)..=i64::from(i32::MAX);
    let days = if let Ok(date) = value.cast::<PyDate>() {
        days_of(date)
    } else if let Ok(text) = value.cast::<PyString>() {
        let Some(civil) = Civil::parse(text.to_str().unwrap_or_default()) else {
            return Err(EncodeError::bad(
                value,
                "date",
                "the str is no YYYY-MM-DD date",
                None,
            ));
        };
        let days = civil.to_days();
        if !range.contains(&days) {
            return Err(out_of_range(value, "date", RANGE));
        }
        days
    } else {
        number_of(value, "date", range, RANGE)?
    };
    // The wire counts from -2**31, so that unsigned order is date order.
    let shifted = (days + (1 << 31)) as u32;
    out.extend_from_slice(&shifted.to_be_bytes());
    Ok(())
}

pub(super) fn encode_time(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let nanos = if let Ok(time) = value.cast::<PyTime>() {
        nanos_of(time)?
    } else if let Ok(text) = value.cast::<PyString>() {
        parse_time(text.to_str().unwrap_or_default()).ok_or_else(|| {
            EncodeError::bad(
                value,
                "time",
                "the str is no HH:MM[:SS[.fffffffff]] time",
                None,
            )
        })?
    } else {
        number_of(
            value,
            "time",
            0..=DAY_NS - 1,
            "0 to 86399999999999 nanoseconds",
        )?
    };
    out.extend_from_slice(&nanos.to_be_bytes());
    Ok(())
}

fn nanos_of(time: &Bound<'_, PyTime>) -> EncodeResult<i64> {
    if time.get_tzinfo().is_some() {
        let hint = "convert it and drop the zone: value.replace(tzinfo=None)";
        return Err(EncodeError::bad(
            time,
            "time",
            "a CQL time has no time zone",
            Some(hint),
        ));
    }
    let seconds = (i64::from(time.get_hour()) * 60 + i64::from(time.get_minute())) * 60
        + i64::from(time.get_second());
    let nanos = (seconds * 1_000_000 + i64::from(time.get_microsecond())) * 1_000;
    if time.is_exact_instance_of::<PyTime>() {
        return Ok(nanos);
    }
    // Our own Time carries what is finer than a microsecond; other subclasses have no such thing.
    match time.getattr_opt(intern!(time.py(), "nanosecond"))? {
        Some(rest) => Ok(nanos + rest.extract::<i64>()?.clamp(0, 999)),
        None => Ok(nanos),
    }
}

fn number_of(
    value: &Bound<'_, PyAny>,
    cql_type: &str,
    range: std::ops::RangeInclusive<i64>,
    range_text: &str,
) -> EncodeResult<i64> {
    let (expected, float_hint) = match cql_type {
        "timestamp" => (
            "expected a datetime, a date or an int of milliseconds",
            "from seconds: datetime.fromtimestamp(value, timezone.utc)",
        ),
        "date" => (
            "expected a date, a str or an int of days",
            "pass int(value)",
        ),
        _ => (
            "expected a time, a str or an int of nanoseconds",
            "pass int(value)",
        ),
    };
    let number = exact_int(value, cql_type).map_err(|error| match error {
        EncodeError::Bad(_) => {
            let hint = if value.is_instance_of::<PyFloat>() {
                Some(float_hint)
            } else if value.is_instance_of::<PyBool>() {
                Some("a bool here is often a parameter in the wrong place")
            } else {
                None
            };
            EncodeError::bad(value, cql_type, expected, hint)
        }
        python => python,
    })?;
    match number.extract::<i64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) => Err(out_of_range(value, cql_type, range_text)),
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            Err(out_of_range(value, cql_type, range_text))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn encode_duration(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> EncodeResult {
    let duration = if let Ok(duration) = value.cast::<Duration>() {
        *duration.get()
    } else if let Ok(delta) = value.cast::<PyDelta>() {
        Duration::of_timedelta(delta)
    } else {
        let reason = "expected a Duration or a timedelta";
        return Err(EncodeError::bad(value, "duration", reason, None));
    };
    vint::write_signed(i64::from(duration.months), out);
    vint::write_signed(i64::from(duration.days), out);
    vint::write_signed(duration.nanoseconds, out);
    Ok(())
}
