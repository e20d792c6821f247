"""From rounds to figures."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Round = dict[str, Any]


def summarise(rounds: list[Round], units: int) -> dict[str, Any]:
    """Figures of one driver in one cell: medians over the rounds, with least and most.

    CPU time can only be too high, never too low: neighbours, migrations and cold caches add to it.
    So the least is the steadiest figure, and stands beside the median.

    Args:
        rounds: what the client process measured, one for each round.
        units: what a call counts for: rows of a page, or 1.
    """

    def per_unit(amount: Callable[[Round], float | None], scale: float = 1e6) -> list[float | None]:
        found = [(amount(entry), entry["requests"] * units) for entry in rounds]
        return [None if used is None else used / count * scale for used, count in found]

    return {
        "cpu_us": spread(per_unit(lambda r: r["user_s"] + r["system_s"]), 3),
        "user_us": spread(per_unit(lambda r: r["user_s"]), 3),
        "system_us": spread(per_unit(lambda r: r["system_s"]), 3),
        "thread_us": spread(per_unit(lambda r: r["thread_s"]), 3),
        "per_second": spread([r["requests"] * units / r["wall_s"] for r in rounds], 0),
        **{name: spread([r[name] for r in rounds], 1) for name in ("p50_us", "p99_us", "p999_us")},
        "voluntary": spread(per_unit(lambda r: r["voluntary"], 1), 4),
        "involuntary": spread(per_unit(lambda r: r["involuntary"], 1), 4),
        "rss_mb": spread([r["rss_mb"] for r in rounds], 1),
        "rss_peak_mb": spread([r["rss_peak_mb"] for r in rounds], 1),
        "connections": spread([r["connections"] for r in rounds], 0),
        "server_cpu_us": spread(per_unit(lambda r: r["server_s"]), 3),
        "right_shard_percent": _right_shard(rounds),
        "others_busy": spread([r.get("others_busy") for r in rounds], 2),
        "requests": sum(r["requests"] for r in rounds),
    }


def spread(values: list[Any], digits: int) -> dict[str, Any] | None:
    """Median, least and most, and the values themselves; None if there are none."""
    known = [round(value, digits) for value in values if value is not None]
    if not known:
        return None
    return {
        "median": round(median(known), digits),
        "least": min(known),
        "most": max(known),
        "all": known,
    }


def in_figures(value: float) -> str:
    """A number with some four figures, none of them as a power of ten."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _right_shard(rounds: list[Round]) -> float | None:
    """Where the server says that requests arrived."""
    told = [entry["arrived"] for entry in rounds if entry["arrived"] is not None]
    everything = sum(sum(arrived.values()) for arrived in told)
    right = sum(arrived["right_shard"] for arrived in told)
    return round(100 * right / everything, 2) if everything else None
