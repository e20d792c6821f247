"""From rounds to figures."""

from __future__ import annotations

from statistics import median
from typing import Any


def summarise(rounds: list[dict[str, Any]], units: int) -> dict[str, Any]:
    """Figures of one driver in one cell.

    CPU time can only be too high, never too low: neighbours, migrations and cold caches add to it.
    So the least is the steadiest figure, and stands beside the median.
    """
    cpu = [_per_unit(entry, entry["user_s"] + entry["system_s"], units) for entry in rounds]
    rate = [entry["requests"] * units / entry["wall_s"] for entry in rounds]
    return {
        "cpu_us": _figures(cpu, 3),
        "cpu_us_best": round(min(cpu), 3),
        "user_us": _figures([_per_unit(entry, entry["user_s"], units) for entry in rounds], 3),
        "system_us": _figures([_per_unit(entry, entry["system_s"], units) for entry in rounds], 3),
        "per_second": _figures(rate, 0),
        "per_second_best": round(max(rate)),
        "p50_us": _latency(rounds, "p50_us"),
        "p99_us": _latency(rounds, "p99_us"),
        "server_cpu_us": _figures(
            [_per_unit(entry, entry["server_s"], units) for entry in rounds], 3
        ),
        "right_shard_percent": _right_shard(rounds),
        "others_busy": _others(rounds),
        "cpu_us_rounds": [round(value, 3) for value in cpu],
        "requests": sum(entry["requests"] for entry in rounds),
    }


def _per_unit(entry: dict[str, Any], seconds: float, units: int) -> float:
    return float(seconds / (entry["requests"] * units) * 1e6)


def _figures(values: list[float], digits: int) -> float:
    return round(median(values), digits)


def _latency(rounds: list[dict[str, Any]], name: str) -> float | None:
    values = [entry[name] for entry in rounds if entry[name] is not None]
    return round(median(values), 1) if values else None


def _right_shard(rounds: list[dict[str, Any]]) -> float | None:
    """Where the server says that requests arrived."""
    totals = {
        name: sum(entry["arrived"][name] for entry in rounds) for name in rounds[0]["arrived"]
    }
    everything = sum(totals.values())
    return round(100 * totals["right_shard"] / everything, 2) if everything else None


def _others(rounds: list[dict[str, Any]]) -> float | None:
    """CPUs kept busy by neither client nor server: how much the figures can be trusted."""
    shares = [entry["others_busy"] for entry in rounds if "others_busy" in entry]
    return round(median(shares), 2) if shares else None
