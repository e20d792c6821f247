//! `Duration`: months, days and nanoseconds, which do not convert into one another.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDeltaAccess, PyTuple, PyType};

use super::calendar::DAY_NS;

/// A CQL duration: a number of months, of days and of nanoseconds.
///
/// The three stay apart because a month has no fixed number of days, nor a day of hours. They
/// are all positive (or zero) or all negative (or zero). Durations have no order, only equality.
#[pyclass(frozen, eq, hash, module = "shardlane.types", get_all)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Duration {
    /// Months, -2**31 to 2**31 - 1.
    pub(crate) months: i32,
    /// Days, -2**31 to 2**31 - 1.
    pub(crate) days: i32,
    /// Nanoseconds, -2**63 to 2**63 - 1.
    pub(crate) nanoseconds: i64,
}

impl Duration {
    /// A timedelta as whole days of 24 hours and the rest, both of the timedelta's sign.
    pub(crate) fn of_timedelta(delta: &Bound<'_, PyDelta>) -> Self {
        // Python normalises to -1 day + 86399 s; the sum makes the signs agree again.
        let micros = (i128::from(delta.get_days()) * 86_400 + i128::from(delta.get_seconds()))
            * 1_000_000
            + i128::from(delta.get_microseconds());
        let day = i128::from(DAY_NS / 1_000);
        // A timedelta has at most 999 999 999 days (and one more when negative): both casts fit.
        Self {
            months: 0,
            days: (micros / day) as i32,
            nanoseconds: (micros % day) as i64 * 1_000,
        }
    }
}

#[pymethods]
impl Duration {
    #[new]
    #[pyo3(signature = (months=0, days=0, nanoseconds=0))]
    fn py_new(months: i32, days: i32, nanoseconds: i64) -> PyResult<Self> {
        let signs = [months.signum(), days.signum(), nanoseconds.signum() as i32];
        if signs.contains(&1) && signs.contains(&-1) {
            return Err(PyValueError::new_err(
                "months, days and nanoseconds of a Duration must have the same sign",
            ));
        }
        Ok(Self {
            months,
            days,
            nanoseconds,
        })
    }

    /// The duration of a `datetime.timedelta`: whole days of 24 hours, and the rest.
    #[classmethod]
    fn from_timedelta(_class: &Bound<'_, PyType>, delta: &Bound<'_, PyDelta>) -> Self {
        Self::of_timedelta(delta)
    }

    fn __repr__(&self) -> String {
        format!(
            "Duration(months={}, days={}, nanoseconds={})",
            self.months, self.days, self.nanoseconds
        )
    }

    /// The CQL literal, such as `1y2mo3d4h5m6s7ns`.
    fn __str__(&self) -> String {
        let mut text = String::new();
        if self.months < 0 || self.days < 0 || self.nanoseconds < 0 {
            text.push('-');
        }
        let months = self.months.unsigned_abs();
        let nanos = self.nanoseconds.unsigned_abs();
        let parts = [
            (u64::from(months / 12), "y"),
            (u64::from(months % 12), "mo"),
            (u64::from(self.days.unsigned_abs()), "d"),
            (nanos / 3_600_000_000_000, "h"),
            (nanos / 60_000_000_000 % 60, "m"),
            (nanos / 1_000_000_000 % 60, "s"),
            (nanos / 1_000_000 % 1_000, "ms"),
            (nanos / 1_000 % 1_000, "us"),
            (nanos % 1_000, "ns"),
        ];
        for (amount, unit) in parts.into_iter().filter(|&(amount, _)| amount != 0) {
            text.push_str(&format!("{amount}{unit}"));
        }
        if text.is_empty() {
            "0s".to_owned()
        } else {
            text
        }
    }

    fn __bool__(&self) -> bool {
        self.months != 0 || self.days != 0 || self.nanoseconds != 0
    }

    fn __neg__(&self) -> PyResult<Self> {
        let negated = (
            self.months.checked_neg(),
            self.days.checked_neg(),
            self.nanoseconds.checked_neg(),
        );
        match negated {
            (Some(months), Some(days), Some(nanoseconds)) => Ok(Self {
                months,
                days,
                nanoseconds,
            }),
            _ => Err(PyValueError::new_err(
                "the negated Duration is out of range",
            )),
        }
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let parts = (self.months, self.days, self.nanoseconds).into_pyobject(py)?;
        Ok((py.get_type::<Self>(), parts))
    }
}
