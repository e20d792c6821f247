"""What to measure."""

from __future__ import annotations

from dataclasses import dataclass

from .data import SCAN_ROWS
from .drivers import DRIVERS


@dataclass(frozen=True)
class Cell:
    """A workload, and how many requests are in flight."""

    workload: str
    in_flight: int

    @property
    def units(self) -> int:
        """What one call counts for: a scan as its rows, anything else as one request."""
        return SCAN_ROWS if self.workload == "scan" else 1

    @property
    def title(self) -> str:
        titles = {
            "select": "SELECT by primary key, prepared",
            "insert": "INSERT by primary key, prepared",
            "scan": f"scan of {SCAN_ROWS:,} rows in pages",
        }
        return f"{titles[self.workload]}, {self.in_flight} in flight"


@dataclass(frozen=True)
class Plan:
    """Everything about a run that can be chosen."""

    drivers: list[str]
    cells: list[Cell]
    rounds: int
    seconds: float
    warm_up_seconds: float
    nodes: int
    shards: int
    client_cpus: list[int]
    server_cpus: list[int]

    def drivers_of(self, cell: Cell) -> list[str]:
        """Those that have something to show in a cell."""
        return [
            name
            for name in self.drivers
            if cell.workload in DRIVERS[name].workloads
            and cell.in_flight >= DRIVERS[name].in_flight_min
        ]
