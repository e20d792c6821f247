"""Measuring: for each cell a client process per driver, which have their turns in rounds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from . import allocations, connecting, environments, machine, memory
from .drivers import DRIVERS
from .plan import SERVERS, Cell, Plan
from .process import ClientProcess, ProcessError
from .server import ServerProcess
from .summary import summarise
from .worker import Task

Progress = Callable[[str], None]
Failures = list[dict[str, str]]


def run(plan: Plan, progress: Progress) -> dict[str, Any]:
    """Measure everything in the plan; return the document that is shown and saved."""
    began = time.perf_counter()
    failures: Failures = []
    servers = []
    for kind, cells in plan.servers.items():
        progress(f"starting {SERVERS[kind]}")
        try:
            servers.append(_measure_server(plan, kind, cells, failures, progress))
        except ProcessError as error:
            failures.append({"cell": SERVERS[kind], "driver": "-", "error": str(error)})
            progress(f"  failed: {error}")
    document: dict[str, Any] = {
        "machine": machine.describe(),
        "versions": {
            package: environments.version(package)
            for package in sorted({DRIVERS[name].package for name in plan.drivers})
        },
        "plan": asdict(plan),
        "servers": servers,
        "connects": connecting.measure_connects(plan, failures, progress),
        "imports": connecting.measure_imports(plan, failures, progress),
        "allocations": allocations.measure(plan, failures, progress),
        "memory": memory.measure(plan, failures, progress),
        "failures": failures,
    }
    document["took_s"] = round(time.perf_counter() - began, 1)
    return document


def _measure_server(
    plan: Plan, kind: str, cells: list[Cell], failures: Failures, progress: Progress
) -> dict[str, Any]:
    server = ServerProcess(kind, plan.nodes, plan.shards, plan.server_cpus)
    try:
        measured = []
        for cell in cells:
            progress(f"measuring: {cell.title}")
            measured.append(_Comparison(plan, cell, server, failures, progress).measure())
        return {"kind": kind, "name": SERVERS[kind], "cells": measured}
    finally:
        server.close()


class _Comparison:
    """One cell: all drivers that take part."""

    def __init__(
        self,
        plan: Plan,
        cell: Cell,
        server: ServerProcess,
        failures: Failures,
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._cell = cell
        self._server = server
        self._failures = failures
        self._progress = progress
        self._clients: dict[str, ClientProcess] = {}

    def measure(self) -> dict[str, Any]:
        plan, cell = self._plan, self._cell
        rounds: dict[str, list[dict[str, Any]]] = {}
        verified: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            for name in plan.drivers_of(cell, self._server.kind):
                client = ClientProcess(self._task(name))
                stack.callback(client.close)
                self._clients[name] = client
            # All connect at once; what they do in the background ends before the first round.
            self._with_each(lambda client: client.wait_ready())
            self._server.wait_settled()
            self._with_each(lambda client: client.run(plan.warm_up_seconds))
            for _ in range(plan.rounds):
                for name, measured in self._with_each(self._turn).items():
                    rounds.setdefault(name, []).append(measured)
            verified = self._with_each(lambda client: client.verify())
            entries = [
                {
                    "driver": name,
                    "how": DRIVERS[name].how.get(cell.mode, ""),
                    "answers_checked": verified[name],
                    **summarise(rounds[name], cell.units),
                }
                for name in self._clients
            ]
        return {**asdict(cell), "title": cell.title, "per": cell.per, "drivers": entries}

    def _task(self, name: str) -> Task:
        endpoint = self._server.endpoint
        return Task(
            driver=name,
            cell=asdict(self._cell),
            cpus=self._plan.client_cpus,
            addresses=endpoint.addresses,
            port=endpoint.port,
            canned=self._server.kind == "responder",
        )

    def _with_each(self, action: Callable[[ClientProcess], Any]) -> dict[str, Any]:
        """Do something with each driver in turn; one that fails is out of this cell."""
        done = {}
        for name, client in list(self._clients.items()):
            try:
                done[name] = action(client)
            except ProcessError as error:
                where = f"{self._cell.title} ({self._server.kind})"
                self._failures.append({"cell": where, "driver": name, "error": str(error)})
                self._progress(f"  {name} failed: {error}")
                del self._clients[name]
        return done

    def _turn(self, client: ClientProcess) -> dict[str, Any]:
        began, busy = time.perf_counter(), machine.busy_seconds()
        self._server.begin()
        measured = client.run(self._plan.seconds)
        served = self._server.end()
        busy_after = machine.busy_seconds()
        took = time.perf_counter() - began
        measured["server_s"] = served["cpu_s"]
        measured["arrived"] = served["arrived"]
        if busy is not None and busy_after is not None:
            others = busy_after - busy - measured["whole_turn_s"] - served["cpu_s"]
            measured["others_busy"] = max(0.0, others / took)
        return measured
