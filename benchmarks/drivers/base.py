"""What the harness asks of a driver."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.data import SELECT_CQL, Row, read_back_cql, write_cql
from benchmarks.load import Job, run_tasks, run_threads


@dataclass(frozen=True)
class Endpoint:
    """Where the cluster listens."""

    addresses: list[str]
    port: int


class Driver:
    """One driver, called in one way.

    `open` connects, `prepare` prepares what a workload needs. After that `read`, `write` and `scan`
    are the calls that are measured: they return once the rows are Python objects.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    """The distribution whose version is reported."""
    how: ClassVar[str]
    """How requests are made, for the reader of the table."""
    how_one: ClassVar[str | None] = None
    """Likewise with one in flight, if that is another way."""
    is_ours: ClassVar[bool] = False
    by_default: ClassVar[bool] = True
    rows_as_dicts: ClassVar[bool] = False
    in_flight_min: ClassVar[int] = 1
    workloads: ClassVar[tuple[str, ...]] = ("select", "insert", "scan")
    uses_uvloop: ClassVar[bool] = False

    @staticmethod
    def check_import() -> None:
        """Raise ImportError if the driver is not installed."""
        raise NotImplementedError

    def __init__(self, endpoint: Endpoint, in_flight: int) -> None:
        self.endpoint = endpoint
        self.in_flight = in_flight
        self.select_cql = SELECT_CQL
        self.write_cql = write_cql(self.name)
        self.read_back_cql = read_back_cql(self.name)

    def answer(self, row: Row) -> Any:
        """How this driver returns a row of the database."""
        return dict(zip(("id", "name", "score"), row, strict=True)) if self.rows_as_dicts else row

    # What the harness calls, from the main thread.

    def open(self) -> None:
        raise NotImplementedError

    def run(self, workload: str, job: Job) -> None:
        raise NotImplementedError

    def ready(self, workload: str) -> None:
        """Prepare the statements of a workload."""
        raise NotImplementedError

    def statement(self, cql: str) -> None:
        """Execute a text without parameters; for the schema."""
        raise NotImplementedError

    def fetch_written(self, key: int) -> Any:
        """Read a row that `write` wrote; to check it, not measured."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class AsyncDriver(Driver):
    """A driver for asyncio: one event loop, which lives as long as the process needs it."""

    def open(self) -> None:
        factory = None
        if self.uses_uvloop:
            import uvloop

            factory = uvloop.new_event_loop
        self._runner = asyncio.Runner(loop_factory=factory)
        self._runner.run(self.connect())

    def run(self, workload: str, job: Job) -> None:
        self._runner.run(run_tasks(job, self.call(workload)))

    def call(self, workload: str) -> Any:
        calls = {
            "select": self.read,
            "insert": self.write,
            "scan": self.scan,
        }
        return calls[workload]

    def ready(self, workload: str) -> None:
        self._runner.run(self.prepare(workload))

    def statement(self, cql: str) -> None:
        self._runner.run(self.execute_text(cql))

    def fetch_written(self, key: int) -> Any:
        return self._runner.run(self.read_back(key))

    def close(self) -> None:
        self._runner.run(self.disconnect())
        self._runner.close()

    async def connect(self) -> None:
        raise NotImplementedError

    async def prepare(self, workload: str) -> None:
        raise NotImplementedError

    async def disconnect(self) -> None:
        raise NotImplementedError

    async def execute_text(self, cql: str) -> None:
        raise NotImplementedError

    async def read(self, key: int) -> Any:
        raise NotImplementedError

    async def write(self, key: int, name: str, score: int) -> Any:
        raise NotImplementedError

    async def read_back(self, key: int) -> Any:
        raise NotImplementedError


class BlockingDriver(Driver):
    """A driver whose calls block: a thread for each request in flight."""

    def run(self, workload: str, job: Job) -> None:
        run_threads(job, self.call(workload))

    call = AsyncDriver.call

    def ready(self, workload: str) -> None:
        self.prepare(workload)

    def prepare(self, workload: str) -> None:
        raise NotImplementedError

    def fetch_written(self, key: int) -> Any:
        return self.read_back(key)

    def read_back(self, key: int) -> Any:
        raise NotImplementedError
