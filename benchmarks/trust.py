"""How far the figures of a run can be trusted."""

from __future__ import annotations

from statistics import median
from typing import Any

QUIET_CPUS = 0.1
"""Others may use so much of the machine before the run counts as disturbed."""
NOISY_SPREAD = 0.2
"""Likewise: how far CPU times of the same driver in the same cell may lie apart."""


def statements(document: dict[str, Any]) -> list[str]:
    """Return sentences for the reader, the most important one first."""
    entries = [
        entry
        for server in document["servers"]
        for cell in server["cells"]
        for entry in cell["drivers"]
    ]
    if not entries:
        return ["Nothing was measured that could be trusted or not."]
    noise, others = noise_share(entries), others_busy(entries)
    found = [
        (
            f"The rounds of one driver in one cell lie {noise:.0%} apart (median over all, most "
            "less least of CPU time, by the median). Differences smaller than that should not be "
            "believed."
        )
    ]
    if others is None:
        found.append("What else ran on the machine is not known.")
    else:
        typical, most = others
        found.append(
            f"Other processes kept {typical:.2f} CPUs busy meanwhile (median; at most {most:.2f})."
        )
        if typical > QUIET_CPUS or noise > NOISY_SPREAD:
            found.insert(
                0,
                "NOT QUIET: something else used the machine. Ratios within a cell are of use, "
                "since drivers had their turns in between one another; times and rates are not.",
            )
    rounds = document["plan"]["rounds"]
    found.append(
        f"Every figure is the median of {rounds} rounds, in which the drivers had their turns. CPU "
        "time can only be too high, so the least is the steadiest figure. Client and server talk "
        "through the loopback device, which charges the sender for the receiver's part of the work."
    )
    return found


def noise_share(entries: list[dict[str, Any]]) -> float:
    """How far the rounds of a driver lie apart, as a share of their median; over all drivers."""
    return median(
        (entry["cpu_us"]["most"] - entry["cpu_us"]["least"]) / (entry["cpu_us"]["median"] or 1.0)
        for entry in entries
    )


def others_busy(entries: list[dict[str, Any]]) -> tuple[float, float] | None:
    """CPUs that neither client nor server used: median and most; None if it is not known."""
    known = [entry["others_busy"] for entry in entries if entry["others_busy"]]
    if not known:
        return None
    return median(k["median"] for k in known), max(k["most"] for k in known)
