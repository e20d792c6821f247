"""Connecting from nothing, and importing: each time in a fresh process."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import environments
from .drivers import DRIVERS
from .plan import Cell
from .process import ClientProcess, ProcessError
from .server import ServerProcess
from .summary import spread
from .worker import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from .plan import Plan

SHARDS = (8, 64)
"""Of each node: as in the other measurements, and many."""

_IMPORT = """
import time
began, cpu = time.perf_counter(), time.process_time()
import {module}
print(time.perf_counter() - began, time.process_time() - cpu)
"""


def measure_connects(
    plan: Plan, failures: list[dict[str, str]], progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Time until each shard of each node has a connection, for each driver."""
    found = []
    names = [name for name in plan.drivers if DRIVERS[name].connects]
    for shards in SHARDS if plan.connects else ():
        progress(f"connecting from nothing, {plan.nodes} nodes x {shards} shards")
        server = ServerProcess("embedded", plan.nodes, shards, plan.server_cpus, load=False)
        try:
            times: dict[str, list[dict[str, Any]]] = {}
            for _ in range(plan.connects):
                for name in names:
                    try:
                        times.setdefault(name, []).append(_connect(plan, name, server))
                    except ProcessError as error:
                        where = f"connecting, {shards} shards"
                        failures.append({"cell": where, "driver": name, "error": str(error)})
        finally:
            server.close()
        entries = [_summary(name, rounds) for name, rounds in times.items() if rounds]
        found.append({"nodes": plan.nodes, "shards": shards, "drivers": entries})
    return found


def _connect(plan: Plan, name: str, server: ServerProcess) -> dict[str, Any]:
    driver = DRIVERS[name]
    mode = driver.modes[0]
    server.wait_nobody()
    server.begin()
    task = Task(
        driver=name,
        cell=asdict(Cell("select", mode, 1)),
        cpus=plan.client_cpus,
        addresses=server.endpoint.addresses,
        port=server.endpoint.port,
    )
    client = ClientProcess(task)
    try:
        opened = client.wait_open()
        covered = server.wait_covered()
        at = covered["covered_at_s"]
        # Both read the same clock. A driver may return from `open` long after the last connection.
        covered_s = None if at is None else at - opened["began_s"]
        return {**opened, **covered, **client.look(), "covered_s": covered_s}
    finally:
        client.close()


def _summary(name: str, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    def figures(key: str, scale: float = 1.0) -> dict[str, Any] | None:
        return spread([r[key] * scale if r[key] is not None else None for r in rounds], 2)

    return {
        "driver": name,
        "open_ms": figures("open_s", 1e3),
        "covered_ms": figures("covered_s", 1e3),
        "shards_covered": min(r["shards_covered"] for r in rounds),
        "shards": rounds[0]["shards"],
        "open_cpu_ms": figures("open_cpu_s", 1e3),
        "opened": figures("opened"),
        "closed": figures("closed"),
        "connected_rss_mb": figures("rss_mb"),
    }


def measure_imports(
    plan: Plan, failures: list[dict[str, str]], progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Time that importing each package takes in a fresh interpreter."""
    if not plan.imports:
        return []
    progress("importing")
    packages = {}
    for name in plan.drivers:
        driver = DRIVERS[name]
        if driver.module:
            packages[driver.package] = driver.module
    times: dict[str, list[tuple[float, float]]] = {}
    for turn in range(plan.imports + 1):
        for package, module in packages.items():
            command = [environments.python(package), "-c", _IMPORT.format(module=module)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                failures.append({"cell": "import", "driver": package, "error": done.stderr[-300:]})
            elif turn:  # the first one writes the byte code
                wall, cpu = map(float, done.stdout.split()[-2:])
                times.setdefault(package, []).append((wall, cpu))
    return [
        {
            "package": package,
            "module": packages[package],
            "ms": spread([wall * 1e3 for wall, _ in taken], 2),
            "cpu_ms": spread([cpu * 1e3 for _, cpu in taken], 2),
        }
        for package, taken in times.items()
    ]
