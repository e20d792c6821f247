"""Memory over many requests: whether a connected process grows."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any

from .plan import Cell
from .process import ClientProcess, ProcessError
from .server import ServerProcess
from .worker import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from .plan import Plan

DRIVER = "shardlane-aio"
CELL = Cell("select", "tasks", 256)
# Short, so that what the harness notes of each request is small beside what could be lost.
_SECONDS = 0.25


def measure(
    plan: Plan, failures: list[dict[str, str]], progress: Callable[[str], None]
) -> dict[str, Any] | None:
    """Make as many requests as the plan wants; None if it wants none."""
    if not plan.memory_requests or DRIVER not in plan.drivers:
        return None
    progress(f"memory over {plan.memory_requests:,} requests")
    server = ServerProcess("embedded", plan.nodes, plan.shards, plan.server_cpus)
    task = Task(
        driver=DRIVER,
        cell=asdict(CELL),
        cpus=plan.client_cpus,
        addresses=server.endpoint.addresses,
        port=server.endpoint.port,
    )
    client = ClientProcess(task)
    samples: list[tuple[int, float]] = []
    try:
        client.wait_ready()
        while (done := samples[-1][0] if samples else 0) < plan.memory_requests:
            measured = client.run(_SECONDS)
            samples.append((done + measured["requests"], measured["rss_mb"]))
    except ProcessError as error:
        failures.append({"cell": "memory", "driver": DRIVER, "error": str(error)})
        return None
    finally:
        client.close()
        server.close()
    return summarise(samples)


def summarise(samples: list[tuple[int, float]]) -> dict[str, Any]:
    """Compare the end with the beginning; `samples`: requests so far, and megabytes then.

    The first tenth is left out, in which what is kept for good comes to be; the second tenth is
    the beginning, the last tenth the end.
    """
    total = samples[-1][0]
    first = [megabytes for done, megabytes in samples if 0.1 * total < done <= 0.2 * total]
    last = [megabytes for done, megabytes in samples if done >= 0.9 * total]
    every = max(1, len(samples) // 100)
    return {
        "driver": DRIVER,
        "requests": total,
        "first_mb": round(median(first or [samples[0][1]]), 2),
        "last_mb": round(median(last), 2),
        "samples": [(done, round(megabytes, 2)) for done, megabytes in samples[::every]],
    }
