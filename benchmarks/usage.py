"""What a process has used: CPU time, context switches, memory, connections."""

from __future__ import annotations

import os
import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path

_ESTABLISHED = "01"


@dataclass(frozen=True)
class Usage:
    """Counters of this process, which only grow; the difference of two is what lay between."""

    user_s: float
    system_s: float
    """CPU time of all threads."""
    thread_s: float
    """CPU time of the thread that asks."""
    voluntary: int
    """Context switches because there was nothing to do."""
    involuntary: int
    """Context switches because somebody else had his turn."""

    @classmethod
    def now(cls) -> Usage:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return cls(used.ru_utime, used.ru_stime, time.thread_time(), used.ru_nvcsw, used.ru_nivcsw)

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s

    def __sub__(self, earlier: Usage) -> Usage:
        return Usage(
            self.user_s - earlier.user_s,
            self.system_s - earlier.system_s,
            self.thread_s - earlier.thread_s,
            self.voluntary - earlier.voluntary,
            self.involuntary - earlier.involuntary,
        )


def memory_mb() -> tuple[float | None, float | None]:
    """Resident memory of this process, and the most that it ever was; None off Linux."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None, None
    now, peak = (re.search(rf"^{name}:\s+(\d+) kB", status, re.M) for name in ("VmRSS", "VmHWM"))
    return (int(now[1]) / 1024 if now else None), (int(peak[1]) / 1024 if peak else None)


def connections() -> int | None:
    """TCP connections that this process has open; None off Linux."""
    try:
        names = os.listdir("/proc/self/fd")
        tables = [Path(f"/proc/self/net/{name}").read_text() for name in ("tcp", "tcp6")]
    except OSError:
        return None
    own = set()
    for name in names:
        try:
            own.add(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:  # closed meanwhile
            continue
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    return sum(f"socket:[{line[9]}]" in own for line in lines if line[3] == _ESTABLISHED)
