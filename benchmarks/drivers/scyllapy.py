"""scyllapy: asyncio over ScyllaDB's Rust driver, by another author."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.drivers.base import AsyncDriver

if TYPE_CHECKING:
    from benchmarks.data import Row


class Scyllapy(AsyncDriver):
    name = "scyllapy"
    package = "scyllapy"
    module = "scyllapy"
    modules_besides = ("scyllapy.extra_types",)
    rows_as_dicts = True
    shapes = ("dicts",)

    async def connect(self) -> None:
        import scyllapy
        from scyllapy.extra_types import BigInt

        # In a batch it takes an integer for an int unless it is told otherwise.
        self._bigint = BigInt
        self._new_batch = lambda: scyllapy.InlineBatch(scyllapy.BatchType.UNLOGGED)
        profile = scyllapy.ExecutionProfile(consistency=scyllapy.Consistency.LOCAL_ONE)
        self._session = scyllapy.Scylla(
            [f"{address}:{self.endpoint.port}" for address in self.endpoint.addresses],
            default_execution_profile=profile,
        )
        await self._session.startup()

    async def prepare(self, cql: str) -> Any:
        return await self._session.prepare(cql)

    async def disconnect(self) -> None:
        await self._session.shutdown()

    async def read(self, key: int) -> Any:
        return (await self._session.execute(self._read, [key])).first()

    async def insert(self, key: int, name: str, score: int) -> None:
        await self._session.execute(self._insert, [key, name, score])

    async def write_batch(self, part: int, rows: list[Row]) -> None:
        batch = self._new_batch()
        insert, bigint = self._insert, self._bigint
        for key, name, score in rows:
            batch.add_query(insert, [bigint(part), bigint(key), name, score])
        await self._session.batch(batch)

    async def read_page(self, part: int) -> list[Any]:
        # Its paged results await each row; the partition is a single page without paging.
        return (await self._session.execute(self._page, [part])).all()

    async def read_back(self, key: int) -> Any:
        return (await self._session.execute(self._read_back, [key])).all()


DRIVERS = (Scyllapy,)
