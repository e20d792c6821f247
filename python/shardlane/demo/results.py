"""What the demo found out, and how ``--json`` says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .counters import Cell, Counters, NodeRow
from .measure import Latencies, Timing, median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .ways import Way


@dataclass(frozen=True)
class Connecting:
    """How one way came by its connections."""

    pool_connections: int
    """Those that serve requests. There is one more, the control connection."""
    opened: int
    """By the servers' count, the control connection among them."""
    closed: int
    """Likewise, before the client closed everything."""
    seconds_to_full_coverage: float | None
    """From the first attempt until all shards had a connection; None if some never had."""


@dataclass(frozen=True)
class Visit:
    """One round of one way: from connecting to closing."""

    connecting: Connecting
    counters: Counters
    """Taken at the end, just before closing."""
    requests: int
    """Prepared requests that the client sent, measured or not."""
    timing: Timing
    rows_verified: int = 0
    """Rows read back, every value of which was right."""
    reads_verified: int = 0
    """Measured reads whose values were right."""
    mismatches: tuple[str, ...] = ()


@dataclass(frozen=True)
class WayResult:
    """All rounds of one way."""

    way: Way
    visits: tuple[Visit, ...]
    latencies: Latencies

    @classmethod
    def of(cls, way: Way, visits: Sequence[Visit]) -> WayResult:
        """Put the rounds together."""
        pooled = [value for visit in visits for value in visit.timing.latencies_ns]
        return cls(way, tuple(visits), Latencies.of(pooled))

    @property
    def connecting(self) -> Connecting:
        """The round in the middle, by connections opened: chance plays a part in the legacy way."""
        ordered = sorted(
            (visit.connecting for visit in self.visits),
            key=lambda each: (each.opened, each.seconds_to_full_coverage or math.inf),
        )
        return ordered[(len(ordered) - 1) // 2]

    @property
    def arrivals(self) -> tuple[NodeRow, ...]:
        """The heat map of the first round. In others connections may land on other shards."""
        return self.visits[0].counters.nodes

    @property
    def total(self) -> Cell:
        """Where requests arrived, all shards together."""
        return sum((visit.counters.all for visit in self.visits), Cell())

    @property
    def right_shard_percent(self) -> float:
        """Of the prepared requests, as counted by the servers."""
        return self.total.right_shard_percent or 0.0

    @property
    def right_node_percent(self) -> float:
        """Of the prepared requests, as counted by the servers."""
        return self.total.right_node_percent or 0.0

    @property
    def forwarded(self) -> int:
        """Operations handed on inside the cluster."""
        return sum(visit.counters.forwarded for visit in self.visits)

    @property
    def requests(self) -> int:
        """Prepared requests that the client sent."""
        return sum(visit.requests for visit in self.visits)

    @property
    def throughputs(self) -> tuple[float, ...]:
        """Requests per second of each round."""
        return tuple(visit.timing.requests_per_second for visit in self.visits)

    @property
    def requests_per_second(self) -> float:
        """The round in the middle."""
        return median(self.throughputs)

    @property
    def cpu_us_per_request(self) -> float:
        """CPU time of client and servers for each measured read: the round in the middle."""
        return median(
            [1e6 * each.timing.cpu_seconds / each.timing.requests for each in self.visits]
        )

    @property
    def rows_verified(self) -> int:
        """Rows read back and found right in every value."""
        return sum(visit.rows_verified for visit in self.visits)

    @property
    def mismatches(self) -> tuple[str, ...]:
        """Values that were not what had been written."""
        return tuple(mismatch for visit in self.visits for mismatch in visit.mismatches)


@dataclass(frozen=True)
class DemoResult:
    """Everything that is printed."""

    nodes: int
    shards: int
    rows: int
    replication_factor: int
    concurrency: int
    rounds: int
    cpus: int
    seconds: float
    ways: tuple[WayResult, ...]

    @property
    def rows_verified(self) -> int:
        """Rows of all ways, each way having rows of its own."""
        return sum(way.rows_verified for way in self.ways)

    @property
    def reads_verified(self) -> int:
        """Measured reads of all ways that brought the right values."""
        return sum(visit.reads_verified for way in self.ways for visit in way.visits)

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "nodes": self.nodes,
            "shards": self.shards,
            "rows_verified": self.rows_verified,
            "ways": [_way_to_json(way) for way in self.ways],
        }


def _way_to_json(result: WayResult) -> dict[str, Any]:
    covered_after = result.connecting.seconds_to_full_coverage
    return {
        "way": result.way.name,
        "pool_connections": result.connecting.pool_connections,
        "connections_opened": result.connecting.opened,
        "connections_closed": result.connecting.closed,
        "seconds_to_full_coverage": None if covered_after is None else round(covered_after, 6),
        "right_shard_percent": floor_to(result.right_shard_percent, 3),
        "right_node_percent": floor_to(result.right_node_percent, 3),
        "requests_per_second": round(result.requests_per_second, 1),
        "p50_us": round(result.latencies.p50_us, 1),
        "p99_us": round(result.latencies.p99_us, 1),
    }


def floor_to(value: float, digits: int) -> float:
    """Round down: 100 per cent is shown only where not a single request went astray."""
    scale: int = 10**digits
    return math.floor(value * scale) / scale
