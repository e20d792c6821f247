"""What to measure: cells, and how long and how often."""

from __future__ import annotations

from dataclasses import dataclass

from .data import BATCH_ROWS, PAGE_ROWS
from .drivers import DRIVERS

MODES = {
    "tasks": "asyncio tasks",
    "uvloop": "tasks on uvloop",
    "threads": "threads",
    "bulk": "by a call for many",
    # Tasks with a driver for asyncio, threads with one that blocks.
    "each": "",
}

WORKLOADS = {
    "select": "SELECT of one row",
    "insert": "INSERT",
    "batch": f"unlogged batch of {BATCH_ROWS} INSERTs",
    "pages": f"page of {PAGE_ROWS:,} rows",
}

SHAPES = ("tuples", "dicts", "namedtuples")


@dataclass(frozen=True)
class Cell:
    """What is compared: a workload, the way of calling, and how many requests are in flight."""

    workload: str
    mode: str
    in_flight: int
    shape: str = "tuples"
    """Of the rows; for pages only, where it matters. Otherwise each driver's own."""

    @property
    def units(self) -> int:
        """What one call counts for: a page as its rows, anything else as one request."""
        return PAGE_ROWS if self.workload == "pages" else 1

    @property
    def per(self) -> str:
        return "row" if self.workload == "pages" else "request"

    @property
    def title(self) -> str:
        what = WORKLOADS[self.workload]
        if self.workload == "pages":
            what = f"{what} as {self.shape}"
        how = f", {MODES[self.mode]}" if MODES[self.mode] else ""
        return f"{what}, {self.in_flight} in flight{how}"


# The goals of the project are told by these (goals.py).
_QUICK = (
    *(Cell("select", "tasks", number) for number in (1, 32, 256)),
    *(Cell("select", "threads", number) for number in (1, 8)),
    Cell("select", "bulk", 256),
    Cell("pages", "each", 1),
)
_EMBEDDED = (
    *(Cell("select", "tasks", number) for number in (1, 32, 256, 1024)),
    *(Cell("select", "uvloop", number) for number in (32, 256)),
    *(Cell("select", "threads", number) for number in (1, 8, 64)),
    Cell("select", "bulk", 256),
    Cell("insert", "each", 32),
    Cell("insert", "tasks", 256),
    Cell("insert", "bulk", 256),
    Cell("batch", "each", 32),
    *(Cell("pages", "each", 1, shape) for shape in SHAPES),
)
_RESPONDER = (
    *(Cell("select", "tasks", number) for number in (1, 32, 256)),
    *(Cell("select", "threads", number) for number in (1, 8)),
)
_CASSANDRA = (
    *(Cell("select", "tasks", number) for number in (1, 32, 256)),
    *(Cell("select", "threads", number) for number in (1, 8)),
    Cell("select", "bulk", 256),
    Cell("insert", "each", 32),
    Cell("batch", "each", 32),
    Cell("pages", "each", 1),
)
SERVERS = {
    "embedded": "the embedded cluster",
    "responder": "a responder that repeats the first answer to each statement",
    "cassandra": "Apache Cassandra, one node",
}


def cells(server: str, *, quick: bool) -> list[Cell]:
    """The cells that are measured on a server if nobody chooses others."""
    if quick:
        return list(_QUICK)
    known = {"embedded": _EMBEDDED, "responder": _RESPONDER, "cassandra": _CASSANDRA}
    return list(known[server])


@dataclass(frozen=True)
class Plan:
    """Everything about a run that can be chosen."""

    drivers: list[str]
    servers: dict[str, list[Cell]]
    """The cells of each server."""
    rounds: int
    seconds: float
    warm_up_seconds: float
    nodes: int
    shards: int
    client_cpus: list[int]
    server_cpus: list[int]
    connects: int
    """Times that each driver connects from nothing; 0 for not at all."""
    imports: int
    """Likewise, for importing its package."""
    allocations: bool
    """Whether allocations are counted, in runs of their own."""
    memory_requests: int
    """Requests over which memory is watched; 0 for not at all."""

    def drivers_of(self, cell: Cell, server: str) -> list[str]:
        """Those that have something to show in a cell."""
        return [name for name in self.drivers if DRIVERS[name].takes_part(cell, server)]
