"""shardlane: both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.data import CONSISTENCY, PAGE_ROWS, Row
from benchmarks.drivers.base import AsyncDriver, BlockingDriver, Driver
from benchmarks.load import Job, Parameters

if TYPE_CHECKING:
    from shardlane import aio, sync

_ROW_FACTORIES = {"tuples": "tuple", "dicts": "dict", "namedtuples": "named"}


class _Ours(Driver):
    package = "shardlane"
    module = "shardlane"
    is_ours = True

    def options(self) -> dict[str, Any]:
        options = {"port": self.endpoint.port, "consistency": CONSISTENCY, "timeout": 30.0}
        if self.cell.workload == "pages":
            options["row_factory"] = _ROW_FACTORIES[self.cell.shape]
        return options


class Aio(_Ours, AsyncDriver):
    name = "shardlane-aio"
    modules_besides = ("shardlane.aio",)
    modes = ("tasks", "uvloop", "bulk", "each")
    how = {"bulk": "await execute_many"}  # noqa: RUF012

    _session: aio.Session[Any]

    async def connect(self) -> None:
        from shardlane import aio

        self._session = await aio.connect(self.endpoint.addresses, **self.options())

    async def prepare(self, cql: str) -> Any:
        return await self._session.prepare(cql)

    async def disconnect(self) -> None:
        await self._session.close()

    async def read(self, key: int) -> Any:
        return (await self._session.execute(self._read, (key,))).one()

    async def insert(self, key: int, name: str, score: int) -> None:
        await self._session.execute(self._insert, (key, name, score))

    async def write_batch(self, part: int, rows: list[Row]) -> None:
        batch = self._session.batch("unlogged")
        insert = self._insert
        for row in rows:
            batch.add(insert, (part, *row))
        await batch.execute()

    async def read_page(self, part: int) -> list[Any]:
        result = await self._session.execute(self._page, (part,), page_size=PAGE_ROWS)
        return result.page_rows

    async def read_back(self, key: int) -> Any:
        return (await self._session.execute(self._read_back, (key,))).page_rows

    async def bulk(self, job: Job) -> None:
        reads = self.cell.workload == "select"
        job.begin()
        parameters = Parameters(job)
        outcome = await self._session.execute_many(
            self._read if reads else self._insert,
            iter(parameters),
            concurrency=job.in_flight,
            results=reads,
        )
        parameters.done([r.one() for r in outcome.results] if reads else None, outcome.count)


class Sync(_Ours, BlockingDriver):
    name = "shardlane-sync"
    how = {"bulk": "execute_many"}  # noqa: RUF012

    _session: sync.Session[Any]

    def open(self) -> None:
        from shardlane import sync

        self._session = sync.connect(self.endpoint.addresses, **self.options())

    def prepare(self, cql: str) -> Any:
        return self._session.prepare(cql)

    def close(self) -> None:
        self._session.close()

    def read(self, key: int) -> Any:
        return self._session.execute(self._read, (key,)).one()

    def insert(self, key: int, name: str, score: int) -> None:
        self._session.execute(self._insert, (key, name, score))

    def write_batch(self, part: int, rows: list[Row]) -> None:
        batch = self._session.batch("unlogged")
        insert = self._insert
        for row in rows:
            batch.add(insert, (part, *row))
        batch.execute()

    def read_page(self, part: int) -> list[Any]:
        return self._session.execute(self._page, (part,), page_size=PAGE_ROWS).page_rows

    def read_back(self, key: int) -> Any:
        return self._session.execute(self._read_back, (key,)).page_rows

    def bulk(self, job: Job) -> None:
        reads = self.cell.workload == "select"
        job.begin()
        parameters = Parameters(job)
        outcome = self._session.execute_many(
            self._read if reads else self._insert,
            iter(parameters),
            concurrency=job.in_flight,
            results=reads,
        )
        parameters.done([r.one() for r in outcome.results] if reads else None, outcome.count)


DRIVERS = (Aio, Sync)
