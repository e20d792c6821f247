"""The machine: what it is, what else it does, and which CPUs each process may use."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any


def busy_seconds() -> float | None:
    """CPU time of everything on the machine since boot; None where it cannot be known."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    # user, nice, system, then idle and iowait which are left out, irq, softirq, steal.
    ticks = [int(field) for field in fields[1:9]]
    return (sum(ticks[:3]) + sum(ticks[5:])) / os.sysconf("SC_CLK_TCK")


def split_cpus() -> tuple[list[int], list[int]]:
    """CPUs for the client and CPUs for the server; empty lists if there is nothing to split.

    The client gets a single one, so that a rate is a rate per CPU.
    """
    if not hasattr(os, "sched_getaffinity"):
        return [], []
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[:1], cpus[1:]) if len(cpus) > 1 else ([], [])


def pin(cpus: list[int]) -> None:
    """Let this process run on these CPUs only; on all if the list is empty."""
    if cpus:
        os.sched_setaffinity(0, cpus)


def describe() -> dict[str, Any]:
    """What the figures were measured on."""
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cpus": len(affinity) if affinity else os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    root = Path(__file__).parent
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    return None
