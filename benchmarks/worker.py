"""A client process: one driver in one cell. `process.py` has its other end.

As a program it connects, says what that took, and then does what each line of JSON on its standard
input asks for, answering with one line each. It stays connected between rounds, and costs nothing
while another driver has its turn.

It runs in the environment of its driver, which may not have shardlane.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import random
import sys
import traceback
from dataclasses import dataclass
from time import perf_counter
from typing import IO, Any

from . import data
from .drivers import DRIVERS
from .drivers.base import Driver, Endpoint
from .load import Job, WrongAnswerError
from .machine import pin
from .plan import Cell
from .usage import Usage, connections, memory_mb

VERIFIED_WRITES = 200
"""Writes read back, drawn at random from those of the last round."""


@dataclass(frozen=True)
class Task:
    """What a client process is for."""

    driver: str
    cell: dict[str, Any]
    cpus: list[int]
    addresses: list[str]
    port: int
    canned: bool = False
    """Whether the server repeats its first answer to each statement, whatever the parameters."""


class Client:
    """The inside of a client process."""

    def __init__(self, task: Task) -> None:
        self._canned = task.canned
        self._cell = Cell(**task.cell)
        kind = DRIVERS[task.driver]
        # Before anything is measured: importing has a measurement of its own.
        for module in (kind.module, *kind.modules_besides):
            if module:
                importlib.import_module(module)
        self._driver: Driver = kind(Endpoint(task.addresses, task.port), self._cell)
        self._job = Job([], [], 1, 0.0)

    def open(self) -> dict[str, Any]:
        """Connect; return what a connected process has taken."""
        before = Usage.now()
        began = perf_counter()
        self._driver.open()
        opened = perf_counter()
        used = Usage.now() - before
        return {"began_s": began, "open_s": opened - began, "open_cpu_s": used.cpu_s}

    def ready(self) -> None:
        self._driver.ready()

    def look(self) -> dict[str, Any]:
        """Return what it has now."""
        memory, peak = memory_mb()
        return {"rss_mb": memory, "rss_peak_mb": peak, "connections": connections()}

    def close(self) -> None:
        self._driver.close()

    def _new_job(self, seconds: float) -> Job:
        answer = self._driver.answer
        workload = self._cell.workload
        arguments: list[tuple[Any, ...]]
        expected: list[Any]
        if workload == "pages":
            arguments = [(part,) for part in range(data.PAGE_PARTITIONS)]
            expected = [[answer(row) for row in data.page(part)] for (part,) in arguments]
        elif workload == "select":
            arguments = [(key,) for key in data.shuffled_keys()]
            expected = [answer(data.row(key)) for key in data.shuffled_keys()]
        elif workload == "insert":
            arguments = [data.row(key) for key in data.shuffled_keys()]
            expected = [None] * len(arguments)
        else:
            arguments = [(key, data.batch_rows(key)) for key in data.shuffled_keys()]
            expected = [None] * len(arguments)
        if self._canned and workload == "select":
            # The first answer may bring what changes the requests that follow, and their answer.
            self._driver.call_once(*arguments[0])
            repeated = self._driver.call_once(*arguments[0])
            key = repeated["id"] if isinstance(repeated, dict) else repeated[0]
            if repeated != answer(data.row(key)):
                raise WrongAnswerError(f"{repeated!r} is no row of the table")
            expected = [repeated] * len(arguments)
        return Job(arguments, expected, self._cell.in_flight, seconds)

    def run(self, seconds: float) -> dict[str, Any]:
        """Put load on the server; return what it cost."""
        whole = Usage.now()
        job = self._job = self._new_job(seconds)
        if self._cell.workload == "pages":
            job = self._looked_at(job)
        gc.collect()
        allocations = _native_allocations()
        before = Usage.now()
        began = perf_counter()
        self._driver.run(job)
        wall = perf_counter() - began
        used = Usage.now() - before
        allocated = None if allocations is None else (_native_allocations() or 0) - allocations
        job.check_rest()
        self._job.count, self._job.spans = job.count, job.spans
        latencies = sorted(job.latencies)
        return {
            "requests": job.count,
            "wall_s": wall,
            "user_s": used.user_s,
            "system_s": used.system_s,
            "thread_s": used.thread_s if self._driver.calls_from_one_thread else None,
            "voluntary": used.voluntary,
            "involuntary": used.involuntary,
            "allocations": allocated,
            **{f"{name}_us": percentile(latencies, share) for name, share in PERCENTILES.items()},
            **self.look(),
            "whole_turn_s": (Usage.now() - whole).cpu_s,
        }

    def _looked_at(self, job: Job) -> Job:
        """A job that looks at one row of each page; comparing all costs as much as making them.

        All rows of a page of each partition are compared here, before anything is measured.
        """
        for arguments, expected in zip(job.arguments, job.expected, strict=True):
            if (found := self._driver.call_once(*arguments)) != expected:
                raise WrongAnswerError(f"wrong rows, from {found[:1]!r} to {found[-1:]!r}")
        return Job(
            job.arguments, [_Page(rows) for rows in job.expected], job.in_flight, job.seconds
        )

    def verify(self) -> dict[str, Any]:
        """Read back what the last round wrote; reads have been checked as they came."""
        workload = self._cell.workload
        if workload in ("select", "pages") or self._canned:
            return {"verified": self._job.count}
        positions = sorted(self._job.positions())
        sample = random.Random(1).sample(positions, min(VERIFIED_WRITES, len(positions)))
        for position in sample:
            key, *_ = self._job.arguments[position]
            rows = [data.row(key)] if workload == "insert" else data.batch_rows(key)
            expected = [self._driver.answer(row) for row in rows]
            found = self._driver.fetch_written(key)
            if found != expected:
                raise WrongAnswerError(f"wrote {expected!r}, read {found!r}")
        return {"verified": len(sample)}


class _Page:
    """Compares unequal with a page of the wrong length or the wrong last row."""

    def __init__(self, rows: list[Any]) -> None:
        self._length = len(rows)
        self._last = rows[-1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and len(other) == self._length and other[-1] == self._last

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self._length} rows up to {self._last!r}"


PERCENTILES = {"p50": 0.50, "p99": 0.99, "p999": 0.999}


def percentile(ordered: list[float], share: float) -> float | None:
    """In microseconds; None if nothing was timed one by one."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6, 1)


def _native_allocations() -> int | None:
    """Calls of malloc and its kin so far, if the counter of `allocations.py` is loaded."""
    counter = getattr(ctypes.CDLL(None), "shardlane_bench_allocations", None)
    if counter is None:
        return None
    counter.restype = ctypes.c_uint64
    return int(counter())


def main() -> None:
    # Drivers may print; the answers go to a copy of standard output that only this program knows.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task = Task(**json.loads(sys.argv[1]))
    pin(task.cpus)
    try:
        _serve(Client(task), answers)
    except Exception as error:
        traceback.print_exc()
        told = _first(error)
        _say(answers, {"failed": f"{type(told).__name__}: {told}"[:500]})
    # Not all drivers can be closed, and some leave threads behind that would hold up the end.
    os._exit(0)


def _first(error: BaseException) -> BaseException:
    """The first error of a group: what failed in one task, and then ended the others."""
    while several := getattr(error, "exceptions", None):
        error = several[0]
    return error


def _serve(client: Client, answers: IO[str]) -> None:
    opened = client.open()
    _say(answers, opened)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "run":
            _say(answers, client.run(request["seconds"]))
        elif request["do"] == "ready":
            client.ready()
            _say(answers, {})
        elif request["do"] == "look":
            _say(answers, client.look())
        else:
            _say(answers, client.verify())
    client.close()


def _say(answers: IO[str], answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
