"""Speculative execution: a slow answer is not waited for, another node is asked as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shardlane.exceptions import ConfigurationError

from .checks import positive, seconds

EXECUTIONS_MAX = 15
"""The most further executions of one request."""


@dataclass(frozen=True)
class ConstantSpeculation:
    """Ask the next node when there was no answer for so long, and so on.

    The first answer counts. Only idempotent statements are executed twice.

    Args:
        delay: seconds without an answer, from 0.
        executions: executions besides the first one, at most.

    Raises:
        ConfigurationError: an argument makes no sense.
    """

    delay: float
    executions: int = 1

    def __post_init__(self) -> None:
        seconds("delay", self.delay, zero=True)
        positive("executions", self.executions, EXECUTIONS_MAX)


@dataclass(frozen=True)
class PercentileSpeculation:
    """Ask the next node when an answer takes longer than most.

    The cluster object counts how long answers take; until it has seen a hundred nothing is
    executed twice. The first answer counts. Only idempotent statements are executed twice.

    Args:
        percentile: how many of a hundred answers come sooner, above 0 and below 100.
        executions: executions besides the first one, at most.

    Raises:
        ConfigurationError: an argument makes no sense.
    """

    percentile: float = 99.0
    executions: int = 1

    def __post_init__(self) -> None:
        is_number = isinstance(self.percentile, (int, float))
        if isinstance(self.percentile, bool) or not is_number or not 0 < self.percentile < 100:
            raise ConfigurationError(
                f"percentile={self.percentile!r} is not understood",
                hint="give a number above 0 and below 100",
            )
        positive("executions", self.executions, EXECUTIONS_MAX)


AnySpeculation = ConstantSpeculation | PercentileSpeculation


def describe_speculation(speculation: Any) -> tuple[str, float, int] | None:
    """Return what the core makes of it.

    Raises:
        ConfigurationError: it is neither of the two, nor None.
    """
    if speculation is None:
        return None
    if isinstance(speculation, ConstantSpeculation):
        return ("constant", float(speculation.delay), speculation.executions)
    if isinstance(speculation, PercentileSpeculation):
        return ("percentile", float(speculation.percentile), speculation.executions)
    raise ConfigurationError(
        f"speculative={speculation!r} is not understood",
        hint="give a ConstantSpeculation, a PercentileSpeculation, or None",
    )
