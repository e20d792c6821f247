"""Measuring: for each cell a client process per driver, which have their turns in rounds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import machine
from .drivers import DRIVERS
from .server import ServerProcess
from .summary import summarise
from .worker import ClientProcess, DriverError, Task

if TYPE_CHECKING:
    from .plan import Cell, Plan

Progress = Callable[[str], None]


def run(plan: Plan, progress: Progress) -> dict[str, Any]:
    """Measure everything in the plan; return the document that is shown and saved."""
    began = time.perf_counter()
    failures: list[dict[str, str]] = []
    cells = []
    server = ServerProcess(plan.nodes, plan.shards, plan.server_cpus)
    try:
        _load(plan, server, progress)
        for cell in plan.cells:
            progress(f"measuring: {cell.title}")
            cells.append(_measure(plan, cell, server, failures, progress))
    finally:
        server.close()
    packages = {DRIVERS[name].package for name in plan.drivers}
    return {
        "machine": machine.describe(),
        "versions": {package: machine.version(package) for package in sorted(packages)},
        "plan": asdict(plan),
        "took_s": round(time.perf_counter() - began, 1),
        "cells": cells,
        "failures": failures,
    }


def _task(plan: Plan, server: ServerProcess, driver: str, workload: str, in_flight: int) -> Task:
    endpoint = server.endpoint
    return Task(
        driver, workload, in_flight, plan.client_cpus, list(endpoint.addresses), endpoint.port
    )


def _load(plan: Plan, server: ServerProcess, progress: Progress) -> None:
    """Fill the tables, with the first driver that can."""
    for name in plan.drivers:
        with _client(_task(plan, server, name, "load", 1)) as client:
            try:
                client.wait_ready()
            except DriverError as error:
                progress(f"{name} could not load the data: {error}")
            else:
                return
    raise RuntimeError("no driver could load the data")


@contextlib.contextmanager
def _client(task: Task) -> Iterator[ClientProcess]:
    client = ClientProcess(task)
    try:
        yield client
    finally:
        client.close()


def _measure(
    plan: Plan,
    cell: Cell,
    server: ServerProcess,
    failures: list[dict[str, str]],
    progress: Progress,
) -> dict[str, Any]:
    rounds: dict[str, list[dict[str, Any]]] = {}
    verified: dict[str, int] = {}

    def attempt(name: str, action: Callable[[], Any]) -> Any:
        """Do something with a driver; one that fails is out of this cell."""
        try:
            return action()
        except DriverError as error:
            failures.append({"cell": cell.title, "driver": name, "error": str(error)})
            progress(f"  {name} failed: {error}")
            rounds.pop(name, None)
            clients.pop(name)
            return None

    with contextlib.ExitStack() as stack:
        clients = {}
        for name in plan.drivers_of(cell):
            task = _task(plan, server, name, cell.workload, cell.in_flight)
            clients[name] = stack.enter_context(_client(task))
        # All connect at once; what they still do in the background ends before the first round.
        for name, client in list(clients.items()):
            attempt(name, client.wait_ready)
        for name, client in list(clients.items()):
            attempt(name, lambda client=client: client.run(plan.warm_up_seconds))
        for _ in range(plan.rounds):
            for name, client in list(clients.items()):
                measured = attempt(name, lambda client=client: _turn(client, server, plan.seconds))
                if measured:
                    rounds.setdefault(name, []).append(measured)
        for name, client in list(clients.items()):
            verified[name] = attempt(name, client.verify)
    return {
        "workload": cell.workload,
        "in_flight": cell.in_flight,
        "title": cell.title,
        "per": "row" if cell.workload == "scan" else "request",
        "drivers": [
            {
                "driver": name,
                "how": _how(name, cell.in_flight),
                "answers_checked": verified[name],
                **summarise(measured, cell.units),
            }
            for name, measured in rounds.items()
        ],
    }


def _how(name: str, in_flight: int) -> str:
    driver = DRIVERS[name]
    return (driver.how_one if in_flight == 1 else None) or driver.how


def _turn(client: ClientProcess, server: ServerProcess, seconds: float) -> dict[str, Any]:
    began, busy = time.perf_counter(), machine.busy_seconds()
    server.begin()
    measured = client.run(seconds)
    served = server.end()
    busy_after = machine.busy_seconds()
    took = time.perf_counter() - began
    measured["server_s"] = served["cpu_s"]
    measured["arrived"] = served["requests"]
    if busy is not None and busy_after is not None:
        others = busy_after - busy - measured["whole_turn_s"] - served["cpu_s"]
        measured["others_busy"] = max(0.0, others / took)
    return measured
