"""What a cluster object has done so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Metrics:
    """What a cluster object has done so far, all its sessions together.

    Numbers grow from the first session on and are never reset, but for those named in `GAUGES`,
    which go up and down. They are read one after another while requests go on, so they may differ
    by what happened in between. The driver's own queries of system tables are left out.
    """

    GAUGES: ClassVar[frozenset[str]] = frozenset(
        {
            "in_progress",
            "queued",
            "connections",
            "latency_p50",
            "latency_p95",
            "latency_p99",
            "latency_p999",
            "latency_max",
        }
    )
    """Fields that go up and down; all others only grow."""

    requests: int = 0
    """Requests begun. The PREPARE that a statement's first use takes is one, too."""
    in_progress: int = 0
    """Requests that have not ended, those that wait for their turn included."""
    queued: int = 0
    """Requests that wait for their turn (``max_in_flight=``)."""
    succeeded: int = 0
    """Requests that ended with a result."""
    server_errors: int = 0
    """Requests that ended by an error of a server, after all attempts: timeouts of the server,
    syntax errors, and all the others."""
    connection_errors: int = 0
    """Requests that ended with their connection, and could not be repeated."""
    unavailable_errors: int = 0
    """Requests for which no node was left to try, or connected at all."""
    timeouts: int = 0
    """Requests that ended by their ``timeout=``."""
    overloads: int = 0
    """Requests refused because too many were in progress (``max_queued=``)."""
    cancellations: int = 0
    """Requests given up by who had asked: an ``await`` was cancelled."""
    closed_errors: int = 0
    """Requests that ended with the cluster object."""
    restarts: int = 0
    """Requests that ended because their statement's table is another one by now; each was begun
    anew, and counts once more."""
    retries: int = 0
    """Attempts that followed a failed one, on whatever node."""
    speculative_executions: int = 0
    """Further executions of requests that were slow (``speculative=``)."""
    repreparations: int = 0
    """Statements prepared again because a node had forgotten them."""
    orphans: int = 0
    """Attempts given up before their answer had come: by timeouts, cancellation, or because another
    execution was faster."""
    connections: int = 0
    """Connections that take requests."""
    connections_opened: int = 0
    """Connections that came to take requests; the control connection is no such."""
    connections_closed: int = 0
    """Those of them that have ended, by either side."""
    connections_failed: int = 0
    """Attempts at a connection that failed."""
    bytes_sent: int = 0
    """Bytes written to servers, headers and metadata included, before encryption."""
    bytes_received: int = 0
    """Bytes read from servers, after decryption."""
    latency_count: int = 0
    """What latencies were measured of so far: answers, and attempts given up as too slow, with the
    time until then."""
    latency_p50: float | None = None
    """Seconds that half of the latest have not exceeded, up to 13 % too high; from writing
    a request to reading its answer. None before the first."""
    latency_p95: float | None = None
    """Likewise, for 95 per cent."""
    latency_p99: float | None = None
    """Likewise, for 99 per cent."""
    latency_p999: float | None = None
    """Likewise, for 99.9 per cent."""
    latency_max: float | None = None
    """The longest of the latest."""

    @property
    def errors(self) -> int:
        """Requests that ended without a result, but for those given up and those begun anew."""
        return (
            self.server_errors
            + self.connection_errors
            + self.unavailable_errors
            + self.timeouts
            + self.overloads
            + self.closed_errors
        )
