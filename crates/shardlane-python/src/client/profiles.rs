//! Profiles: what a session's requests use where the caller says nothing, made once and shared.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use shardlane_proto::{
    Balancing, Choice, Policy, Remote, Retry, RetryBackoff, Speculation, SpeculationDelay,
};
use shardlane_wire::{Consistency, SerialConsistency};

use super::args::{Level, SerialLevel, Timeout, seconds_to_duration};
use crate::rows::RowFactory;

/// What an execution uses where the caller says nothing.
#[pyclass(frozen, module = "shardlane._core")]
pub(super) struct Profile {
    pub(super) consistency: Consistency,
    pub(super) serial_consistency: Option<SerialConsistency>,
    pub(super) timeout: Option<Duration>,
    pub(super) page_size: Option<i32>,
    pub(super) idempotent: bool,
    /// Whether writes get their timestamps here, so that a repeated one is no later than the first.
    pub(super) client_timestamps: bool,
    pub(super) factory: Arc<RowFactory>,
    /// `None`: the default one, which costs nothing.
    pub(super) policy: Option<Arc<Policy>>,
    /// Makes query plans, instead of the policy's load balancing.
    pub(super) planner: Option<Py<PyAny>>,
}

/// For each query of a trace.
const TRACE_TIMEOUT: Duration = Duration::from_secs(5);

impl Profile {
    /// For reading `system_traces`: whichever node has them.
    pub(super) fn for_traces(py: Python<'_>) -> PyResult<Self> {
        let factory = RowFactory::from_python(PyString::new(py, "tuple").as_any())?;
        Ok(Self {
            consistency: Consistency::One,
            serial_consistency: None,
            timeout: Some(TRACE_TIMEOUT),
            page_size: None,
            idempotent: true,
            client_timestamps: false,
            factory: Arc::new(factory),
            policy: None,
            planner: None,
        })
    }

    /// The policy, with another retry policy.
    pub(super) fn policy_with(&self, retry: Retry) -> Option<Arc<Policy>> {
        let policy = self.policy.as_deref().cloned().unwrap_or_default();
        Some(Arc::new(Policy { retry, ..policy }))
    }
}

#[pymethods]
impl Profile {
    #[new]
    #[pyo3(signature = (
        *, consistency, serial_consistency, timeout, page_size, idempotent, client_timestamps,
        row_factory, retry,
        speculation=None, balancing=(None, None, "failover", "least-busy"), planner=None
    ))]
    #[allow(clippy::too_many_arguments)] // keyword arguments, in Python
    fn new(
        consistency: Level,
        serial_consistency: SerialLevel,
        timeout: Timeout,
        page_size: Option<i32>,
        idempotent: bool,
        client_timestamps: bool,
        row_factory: &Bound<'_, PyAny>,
        retry: &Bound<'_, PyTuple>,
        speculation: Option<(String, f64, u8)>,
        balancing: (Option<String>, Option<String>, &str, &str),
        planner: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let policy = Policy {
            retry: self::retry(retry)?,
            speculation: speculation
                .map(|(kind, value, executions_max)| {
                    self::speculation(&kind, value, executions_max)
                })
                .transpose()?,
            balancing: self::balancing(balancing)?,
        };
        Ok(Self {
            consistency: consistency.0,
            serial_consistency: serial_consistency.0,
            timeout: timeout.0,
            page_size,
            idempotent,
            client_timestamps,
            factory: Arc::new(RowFactory::from_python(row_factory)?),
            policy: (policy != Policy::default()).then(|| Arc::new(policy)),
            planner,
        })
    }
}

fn bad(message: String) -> PyErr {
    PyValueError::new_err(message)
}

fn seconds(value: f64) -> PyResult<Duration> {
    seconds_to_duration(value).ok_or_else(|| bad(format!("{value} is no number of seconds")))
}

/// A retry policy as `shardlane._shared.retry` describes it: its kind, and what that takes.
pub(super) fn retry(given: &Bound<'_, PyTuple>) -> PyResult<Retry> {
    let kind: String = given.get_item(0)?.extract()?;
    Ok(match &*kind {
        "default" => Retry::Default,
        "fallthrough" => Retry::Fallthrough,
        "downgrading" => Retry::DowngradingConsistency,
        "backoff" => {
            let (_, retries_max, delay_min, delay_max): (String, u32, f64, f64) =
                given.extract()?;
            Retry::Backoff(RetryBackoff {
                retries_max,
                delay_min: seconds(delay_min)?,
                delay_max: seconds(delay_max)?,
            })
        }
        "advisor" => Retry::Advisor(given.get_item(1)?.extract()?),
        _ => return Err(bad(format!("there is no retry policy {kind:?}"))),
    })
}

fn speculation(kind: &str, value: f64, executions_max: u8) -> PyResult<Speculation> {
    let delay = match kind {
        "constant" => SpeculationDelay::Constant(seconds(value)?),
        "percentile" => SpeculationDelay::Percentile(value),
        _ => return Err(bad(format!("there is no speculation {kind:?}"))),
    };
    Ok(Speculation {
        delay,
        executions_max,
    })
}

fn balancing(
    (datacenter, rack, remote, choice): (Option<String>, Option<String>, &str, &str),
) -> PyResult<Balancing> {
    Ok(Balancing {
        datacenter,
        rack,
        remote: match remote {
            "never" => Remote::Never,
            "failover" => Remote::Failover,
            "always" => Remote::Always,
            _ => return Err(bad(format!("remote={remote:?} is not understood"))),
        },
        choice: match choice {
            "least-busy" => Choice::LeastBusy,
            "random" => Choice::Random,
            _ => return Err(bad(format!("choice={choice:?} is not understood"))),
        },
    })
}
