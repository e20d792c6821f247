"""acsylla: asyncio over ScyllaDB's C++ driver."""

from __future__ import annotations

from typing import Any

from benchmarks.data import CONSISTENCY, PAGE_ROWS, Row
from benchmarks.drivers.base import AsyncDriver


class Acsylla(AsyncDriver):
    name = "acsylla"
    package = "acsylla"
    module = "acsylla"
    # Its named tuples are tuples of pairs.
    shapes = ("tuples", "dicts")

    async def connect(self) -> None:
        import acsylla

        self._new_batch = acsylla.create_batch_unlogged
        self._cluster = acsylla.create_cluster(
            self.endpoint.addresses,
            port=self.endpoint.port,
            consistency=CONSISTENCY,
            request_timeout=30.0,
            # When its choice of a local port is taken it waits so long before it tries another one.
            constant_reconnect_delay_ms=50,
        )
        self._session = await self._cluster.create_session()

    async def prepare(self, cql: str) -> Any:
        return await self._session.create_prepared(cql)

    async def disconnect(self) -> None:
        await self._session.close()

    async def read(self, key: int) -> Any:
        result = await self._session.execute(self._read.bind((key,)))
        return result.first().as_tuple()

    async def insert(self, key: int, name: str, score: int) -> None:
        await self._session.execute(self._insert.bind((key, name, score)))

    async def write_batch(self, part: int, rows: list[Row]) -> None:
        batch = self._new_batch()
        insert = self._insert
        for row in rows:
            batch.add_statement(insert.bind((part, *row)))
        await self._session.execute_batch(batch)

    async def read_page(self, part: int) -> list[Any]:
        statement = self._page.bind((part,), page_size=PAGE_ROWS)
        result = await self._session.execute(statement)
        if self.cell.shape == "tuples":
            return [row.as_tuple() for row in result]
        return [row.as_dict() for row in result]

    async def read_back(self, key: int) -> Any:
        result = await self._session.execute(self._read_back.bind((key,)))
        return [row.as_tuple() for row in result]


DRIVERS = (Acsylla,)
