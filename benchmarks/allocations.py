"""Allocations for each request, counted in runs of their own: counting costs time."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import native
from .plan import Cell
from .process import ClientProcess, ProcessError
from .server import ServerProcess
from .worker import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from .plan import Plan

CELLS = (Cell("select", "each", 1), Cell("select", "each", 32))
_WARM_UP_SECONDS, _SECONDS = 0.2, 0.3

_PRELOAD = {"LD_PRELOAD": str(native.COUNTER)}
# Small objects of Python come from its own allocator, which asks malloc for large pieces only. With
# the first setting what is counted is native code, with the second one Python's objects are too.
_SETTINGS = {
    "native": _PRELOAD,
    "all": {**_PRELOAD, "PYTHONMALLOC": "malloc"},
}


def measure(
    plan: Plan, failures: list[dict[str, str]], progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Count them for each driver; an empty list if the plan does not want it."""
    if not plan.allocations:
        return []
    progress("counting allocations")
    server = ServerProcess("embedded", plan.nodes, plan.shards, plan.server_cpus)
    found = []
    try:
        for cell in CELLS:
            entries = []
            for name in plan.drivers_of(cell, "embedded"):
                try:
                    entries.append({"driver": name, **_count(plan, server, name, cell)})
                except ProcessError as error:
                    where = f"allocations, {cell.in_flight} in flight"
                    failures.append({"cell": where, "driver": name, "error": str(error)})
            found.append({"in_flight": cell.in_flight, "drivers": entries})
    finally:
        server.close()
    return found


def _count(plan: Plan, server: ServerProcess, name: str, cell: Cell) -> dict[str, float | None]:
    task = Task(
        driver=name,
        cell=asdict(cell),
        cpus=plan.client_cpus,
        addresses=server.endpoint.addresses,
        port=server.endpoint.port,
    )
    counts: dict[str, float | None] = {}
    for setting, variables in _SETTINGS.items():
        client = ClientProcess(task, variables)
        try:
            client.wait_ready()
            client.run(_WARM_UP_SECONDS)
            measured = client.run(_SECONDS)
        finally:
            client.close()
        allocated = measured["allocations"]
        counts[setting] = None if allocated is None else round(allocated / measured["requests"], 2)
    return counts
