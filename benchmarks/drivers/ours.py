"""shardlane: both faces, with a task or thread per request and with `execute_many`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.data import CONSISTENCY, PAGE_ROWS, SCAN_CQL
from benchmarks.drivers.base import AsyncDriver, BlockingDriver, Driver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.load import Job


class _Ours(Driver):
    package = "shardlane"
    is_ours = True

    @staticmethod
    def check_import() -> None:
        import shardlane.aio
        import shardlane.sync  # noqa: F401

    def options(self) -> dict[str, Any]:
        return {"port": self.endpoint.port, "consistency": CONSISTENCY, "timeout": 30.0}


class Aio(_Ours, AsyncDriver):
    name = "shardlane-aio"
    how = "tasks"

    async def connect(self) -> None:
        from shardlane import aio

        self._session = await aio.connect(self.endpoint.addresses, **self.options())

    async def prepare(self, workload: str) -> None:
        session = self._session
        if workload == "select":
            self._read = await session.prepare(self.select_cql)
        elif workload == "insert":
            self._write = await session.prepare(self.write_cql)
            self._read_back = await session.prepare(self.read_back_cql)
        else:
            self._scan = await session.prepare(SCAN_CQL)

    async def disconnect(self) -> None:
        await self._session.close()

    async def execute_text(self, cql: str) -> None:
        await self._session.execute(cql)

    async def read(self, key: int) -> Any:
        return (await self._session.execute(self._read, (key,))).one()

    async def write(self, key: int, name: str, score: int) -> None:
        await self._session.execute(self._write, (key, name, score))

    async def read_back(self, key: int) -> Any:
        return (await self._session.execute(self._read_back, (key,))).one()

    async def scan(self, part: int) -> list[Any]:
        result = await self._session.execute(self._scan, (part,), page_size=PAGE_ROWS)
        return await result.all()


class AioUvloop(Aio):
    name = "shardlane-aio-uvloop"
    how = "tasks on uvloop"
    by_default = False
    uses_uvloop = True


class Sync(_Ours, BlockingDriver):
    name = "shardlane-sync"
    how = "threads"
    how_one = "blocking"

    def open(self) -> None:
        from shardlane import sync

        self._session = sync.connect(self.endpoint.addresses, **self.options())

    def prepare(self, workload: str) -> None:
        session = self._session
        if workload == "select":
            self._read = session.prepare(self.select_cql)
        elif workload == "insert":
            self._write = session.prepare(self.write_cql)
            self._read_back = session.prepare(self.read_back_cql)
        else:
            self._scan = session.prepare(SCAN_CQL)

    def close(self) -> None:
        self._session.close()

    def statement(self, cql: str) -> None:
        self._session.execute(cql)

    def read(self, key: int) -> Any:
        return self._session.execute(self._read, (key,)).one()

    def write(self, key: int, name: str, score: int) -> None:
        self._session.execute(self._write, (key, name, score))

    def read_back(self, key: int) -> Any:
        return self._session.execute(self._read_back, (key,)).one()

    def scan(self, part: int) -> list[Any]:
        return self._session.execute(self._scan, (part,), page_size=PAGE_ROWS).all()


class _Parameters:
    """Parameter sets until the time is up; `execute_many` takes one when it has room for it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.taken = 0

    def __iter__(self) -> Iterator[Any]:
        arguments, until = self._job.arguments, self._job.until
        size = len(arguments)
        while perf_counter() < until:
            position = self.taken % size
            self.taken += 1
            yield arguments[position]

    def check(self, outcome: Any, *, reads: bool) -> None:
        if outcome.count != self.taken or outcome.errors:
            raise AssertionError(f"{outcome!r} for {self.taken} parameter sets")
        if reads:
            expected = self._job.expected
            for position, result in enumerate(outcome.results):
                if result.one() != expected[position % len(expected)]:
                    raise self._job.wrong(position % len(expected), result.one())
        self._job.done(0, self.taken)


class AioMany(Aio):
    name = "shardlane-aio-many"
    how = "execute_many"
    in_flight_min = 2
    workloads = ("select", "insert")

    def run(self, workload: str, job: Job) -> None:
        self._runner.run(self._many(workload, job))

    async def _many(self, workload: str, job: Job) -> None:
        reads = workload == "select"
        job.begin()
        parameters = _Parameters(job)
        outcome = await self._session.execute_many(
            self._read if reads else self._write,
            iter(parameters),
            concurrency=job.in_flight,
            results=reads,
        )
        parameters.check(outcome, reads=reads)


class SyncMany(Sync):
    name = "shardlane-sync-many"
    how = "execute_many"
    in_flight_min = 2
    workloads = ("select", "insert")

    def run(self, workload: str, job: Job) -> None:
        reads = workload == "select"
        job.begin()
        parameters = _Parameters(job)
        outcome = self._session.execute_many(
            self._read if reads else self._write,
            iter(parameters),
            concurrency=job.in_flight,
            results=reads,
        )
        parameters.check(outcome, reads=reads)


DRIVERS = (Aio, AioMany, Sync, SyncMany, AioUvloop)
