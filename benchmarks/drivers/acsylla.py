"""acsylla: asyncio over ScyllaDB's C++ driver."""

from __future__ import annotations

from typing import Any

from benchmarks.data import CONSISTENCY, PAGE_ROWS, SCAN_CQL
from benchmarks.drivers.base import AsyncDriver


class Acsylla(AsyncDriver):
    name = "acsylla"
    package = "acsylla"
    how = "tasks"

    options: dict[str, Any] = {}  # noqa: RUF012 - each class has its own

    @staticmethod
    def check_import() -> None:
        import acsylla  # noqa: F401

    async def connect(self) -> None:
        import acsylla

        self._cluster = acsylla.create_cluster(
            self.endpoint.addresses,
            port=self.endpoint.port,
            consistency=CONSISTENCY,
            request_timeout=30.0,
            # When its choice of a local port is taken it waits so long before it tries another one.
            constant_reconnect_delay_ms=50,
            **self.options,
        )
        self._session = await self._cluster.create_session()

    async def prepare(self, workload: str) -> None:
        session = self._session
        if workload == "select":
            self._read = await session.create_prepared(self.select_cql)
        elif workload == "insert":
            self._write = await session.create_prepared(self.write_cql)
            self._read_back = await session.create_prepared(self.read_back_cql)
        else:
            self._scan = await session.create_prepared(SCAN_CQL)

    async def disconnect(self) -> None:
        await self._session.close()

    async def execute_text(self, cql: str) -> None:
        import acsylla

        await self._session.execute(acsylla.create_statement(cql))

    async def read(self, key: int) -> Any:
        result = await self._session.execute(self._read.bind((key,)))
        return result.first().as_tuple()

    async def write(self, key: int, name: str, score: int) -> None:
        await self._session.execute(self._write.bind((key, name, score)))

    async def read_back(self, key: int) -> Any:
        result = await self._session.execute(self._read_back.bind((key,)))
        return result.first().as_tuple()

    async def scan(self, part: int) -> list[Any]:
        statement = self._scan.bind((part,), page_size=PAGE_ROWS)
        rows: list[Any] = []
        while True:
            result = await self._session.execute(statement)
            rows += [row.as_tuple() for row in result]
            if not result.has_more_pages():
                return rows
            statement.set_page_state(result.page_state())


class AcsyllaNoDelay(Acsylla):
    name = "acsylla-nodelay"
    how = "tasks, no coalescing"
    by_default = False
    options = {"coalesce_delay_us": 0}  # noqa: RUF012


class AcsyllaUvloop(Acsylla):
    name = "acsylla-uvloop"
    how = "tasks on uvloop"
    by_default = False
    uses_uvloop = True


DRIVERS = (Acsylla, AcsyllaNoDelay, AcsyllaUvloop)
