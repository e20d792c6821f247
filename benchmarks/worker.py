"""A client process: one driver, one workload, one number of requests in flight.

As a program it connects, says that it is ready, and then does what each line of JSON on its
standard input asks for, answering with one line each. It stays connected between rounds, and costs
nothing while another driver has its turn.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import traceback
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import IO, Any

from . import data
from .drivers import DRIVERS
from .drivers.base import Driver, Endpoint
from .load import Job, WrongAnswerError
from .machine import cpu_seconds, pin

VERIFIED_WRITES = 200
"""Rows read back after writing, drawn at random from those written in the last round."""


@dataclass(frozen=True)
class Task:
    """What a client process is for."""

    driver: str
    workload: str
    in_flight: int
    cpus: list[int]
    addresses: list[str]
    port: int


class Client:
    """The inside of a client process."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._driver: Driver = DRIVERS[task.driver](
            Endpoint(task.addresses, task.port), task.in_flight
        )
        self._job = self._new_job(0.0)

    def open(self) -> None:
        self._driver.open()
        if self._task.workload == "insert":
            self._driver.statement(data.written_schema_cql(self._task.driver))
        self._driver.ready(self._task.workload)

    def close(self) -> None:
        self._driver.close()

    def _new_job(self, seconds: float) -> Job:
        answer = self._driver.answer
        arguments: list[tuple[Any, ...]]
        expected: list[Any]
        if self._task.workload == "scan":
            arguments = [(data.SCAN_PARTITION,)]
            expected = [[answer(data.row(key)) for key in range(data.SCAN_ROWS)]]
        elif self._task.workload == "select":
            arguments = [(key,) for key in data.shuffled_keys()]
            expected = [answer(data.row(key)) for key in data.shuffled_keys()]
        else:
            arguments = [data.row(key) for key in data.shuffled_keys()]
            expected = [None] * len(arguments)
        return Job(arguments, expected, self._task.in_flight, seconds)

    def run(self, seconds: float) -> dict[str, Any]:
        """Put load on the server; return what it cost."""
        all_before = sum(cpu_seconds())
        job = self._job = self._new_job(seconds)
        gc.collect()
        user, system = cpu_seconds()
        began = perf_counter()
        self._driver.run(self._task.workload, job)
        wall = perf_counter() - began
        user_after, system_after = cpu_seconds()
        latencies = sorted(job.latencies)
        return {
            "requests": job.count,
            "wall_s": wall,
            "user_s": user_after - user,
            "system_s": system_after - system,
            "p50_us": _percentile(latencies, 0.50),
            "p99_us": _percentile(latencies, 0.99),
            "whole_turn_s": sum(cpu_seconds()) - all_before,
        }

    def verify(self) -> dict[str, Any]:
        """Read back what the last round wrote; reads have been checked as they came."""
        if self._task.workload != "insert":
            return {"verified": self._job.count}
        positions = sorted(self._job.positions())
        sample = random.Random(1).sample(positions, min(VERIFIED_WRITES, len(positions)))
        for position in sample:
            expected = self._driver.answer(data.row(self._job.arguments[position][0]))
            found = self._driver.fetch_written(self._job.arguments[position][0])
            if found != expected:
                raise WrongAnswerError(f"wrote {expected!r}, read {found!r}")
        return {"verified": len(sample)}

    def load(self) -> dict[str, Any]:
        """Create the schema and fill the tables that are read."""
        for cql in (data.KEYSPACE_CQL, *data.SCHEMA_CQL, *data.load_cql()):
            self._driver.statement(cql)
        return {}


def _percentile(ordered: list[float], share: float) -> float | None:
    """In microseconds; None if nothing was timed one by one."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6, 1)


def main() -> None:
    # Drivers may print; the answers go to a copy of standard output that only this program knows.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task = Task(**json.loads(sys.argv[1]))
    pin(task.cpus)
    try:
        _serve(task, answers)
    except Exception as error:
        traceback.print_exc()
        _say(answers, {"failed": f"{type(error).__name__}: {error}"[:500]})
    # Not all drivers can be closed, and some leave threads behind that would hold up the end.
    os._exit(0)


def _serve(task: Task, answers: IO[str]) -> None:
    client = Client(task)
    if task.workload == "load":
        client._driver.open()
        _say(answers, client.load())
    else:
        client.open()
        _say(answers, {})
        for line in sys.stdin:
            request = json.loads(line)
            if request["do"] == "run":
                _say(answers, client.run(request["seconds"]))
            else:
                _say(answers, client.verify())
    client.close()


def _say(answers: IO[str], answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=answers, flush=True)


class DriverError(Exception):
    """A driver could not do what it was asked for."""


class ClientProcess:
    """A client process, from outside."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(asdict(task))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> None:
        """Block until it is connected."""
        self._answer()

    def run(self, seconds: float) -> dict[str, Any]:
        return self._ask({"do": "run", "seconds": seconds})

    def verify(self) -> int:
        verified: int = self._ask({"do": "verify"})["verified"]
        return verified

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise DriverError(f"the client process has ended, status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise DriverError(answer["failed"])
        return answer


if __name__ == "__main__":
    main()
