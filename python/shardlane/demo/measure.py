"""Numbers from many measurements: percentiles, medians, curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Parts of a thousand at which the curve of latencies is drawn: finer where the tail is.
_CURVE = (*range(0, 900, 20), *range(900, 990, 5), *range(990, 1001))


def percentile(ascending: Sequence[float], per_mille: int) -> float:
    """Return the nearest-rank percentile of sorted values: one that was measured, none between two.

    Raises:
        ValueError: there are no values, or ``per_mille`` is not from 0 to 1000.
    """
    if not ascending:
        raise ValueError("no values, no percentile")
    if not 0 <= per_mille <= 1000:
        raise ValueError(f"{per_mille} of 1000 is no part")
    # The smallest value that at least this part of all values does not exceed.
    rank = -(-per_mille * len(ascending) // 1000)
    return ascending[max(rank, 1) - 1]


def median(values: Sequence[float]) -> float:
    """Return the middle value, the lower one of two."""
    return percentile(sorted(values), 500)


@dataclass(frozen=True)
class Latencies:
    """A summary of latencies, in microseconds."""

    count: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    curve: tuple[tuple[float, float], ...]
    """Per cent of the requests, and how long these took at most."""

    @classmethod
    def of(cls, nanoseconds: Sequence[int]) -> Latencies:
        """Summarize.

        Raises:
            ValueError: there are none.
        """
        ascending = [value / 1000 for value in sorted(nanoseconds)]
        return cls(
            count=len(ascending),
            p50_us=percentile(ascending, 500),
            p90_us=percentile(ascending, 900),
            p99_us=percentile(ascending, 990),
            p999_us=percentile(ascending, 999),
            max_us=percentile(ascending, 1000),
            curve=tuple((part / 10, percentile(ascending, part)) for part in _CURVE),
        )


@dataclass(frozen=True)
class Timing:
    """One run of measured reads."""

    requests: int
    seconds: float
    cpu_seconds: float
    """Of the whole process: client and servers."""
    latencies_ns: Sequence[int]

    @property
    def requests_per_second(self) -> float:
        """The throughput."""
        return self.requests / self.seconds
