"""scylladb-rs-driver: asyncio over ScyllaDB's Rust driver."""

from __future__ import annotations

from typing import Any

from benchmarks.data import PAGE_ROWS, Row
from benchmarks.drivers.base import AsyncDriver


class ScylladbRs(AsyncDriver):
    name = "scylladb-rs-driver"
    package = "scylladb-rs-driver"
    module = "scylla.session_builder"
    modules_besides = ("scylla.batch", "scylla.enums", "scylla.execution_profile")
    rows_as_dicts = True
    # Others would be made by Python code, column by column.
    shapes = ("dicts",)

    async def connect(self) -> None:
        from scylla.batch import Batch, BatchType
        from scylla.enums import Consistency
        from scylla.execution_profile import ExecutionProfile
        from scylla.session_builder import SessionBuilder

        self._new_batch = lambda: Batch(BatchType.Unlogged)
        addresses = [(address, self.endpoint.port) for address in self.endpoint.addresses]
        profile = ExecutionProfile(consistency=Consistency.LocalOne)
        builder = SessionBuilder().contact_points(addresses).execution_profile(profile)
        self._session = await builder.connect()

    async def prepare(self, cql: str) -> Any:
        statement = await self._session.prepare(cql)
        return statement.with_page_size(PAGE_ROWS) if self.cell.workload == "pages" else statement

    async def disconnect(self) -> None:
        del self._session  # there is nothing to close

    async def read(self, key: int) -> Any:
        # `await result.first_row()` would be a second future for each request.
        result = await self._session.execute(self._read, (key,))
        return next(iter(result.iter_current_page()))

    async def insert(self, key: int, name: str, score: int) -> None:
        await self._session.execute(self._insert, (key, name, score))

    async def write_batch(self, part: int, rows: list[Row]) -> None:
        batch = self._new_batch()
        insert = self._insert
        batch.add_all([(insert, (part, *row)) for row in rows])
        await self._session.batch(batch)

    async def read_page(self, part: int) -> list[Any]:
        result = await self._session.execute(self._page, (part,))
        return list(result.iter_current_page())

    async def read_back(self, key: int) -> Any:
        result = await self._session.execute(self._read_back, (key,))
        return list(result.iter_current_page())


DRIVERS = (ScylladbRs,)
