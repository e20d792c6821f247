//! Counters of a cluster object, for `shardlane.Metrics`.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use shardlane_io::Client;

/// By field; latencies in seconds, `None` before the first answer.
pub(super) fn describe<'py>(py: Python<'py>, client: &Client) -> PyResult<Bound<'py, PyDict>> {
    let counters = client.counters();
    let info = PyDict::new(py);
    // First, because it looks at ends before beginnings.
    info.set_item("in_progress", counters.in_progress())?;
    let closed = counters.connections_closed.get();
    let opened = counters.connections_opened.get();
    info.set_item("connections", opened.saturating_sub(closed))?;
    for (name, counter) in [
        ("requests", &counters.requests),
        ("succeeded", &counters.succeeded),
        ("server_errors", &counters.server_errors),
        ("connection_errors", &counters.connection_errors),
        ("unavailable_errors", &counters.unavailable_errors),
        ("timeouts", &counters.timeouts),
        ("overloads", &counters.overloads),
        ("cancellations", &counters.cancellations),
        ("closed_errors", &counters.closed_errors),
        ("restarts", &counters.restarts),
        ("retries", &counters.retries),
        ("speculative_executions", &counters.speculative_executions),
        ("repreparations", &counters.repreparations),
        ("orphans", &counters.orphans),
        ("queued", &counters.queued),
        ("connections_opened", &counters.connections_opened),
        ("connections_closed", &counters.connections_closed),
        ("connections_failed", &counters.connections_failed),
        ("bytes_sent", &counters.bytes_sent),
        ("bytes_received", &counters.bytes_received),
    ] {
        info.set_item(name, counter.get())?;
    }
    let latencies = client.latencies();
    info.set_item("latency_count", latencies.records())?;
    for (name, percent) in [
        ("latency_p50", 50.0),
        ("latency_p95", 95.0),
        ("latency_p99", 99.0),
        ("latency_p999", 99.9),
        ("latency_max", 100.0),
    ] {
        let latency = latencies.percentile(percent);
        info.set_item(name, latency.map(|latency| latency.as_secs_f64()))?;
    }
    Ok(info)
}
