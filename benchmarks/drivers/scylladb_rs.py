"""scylladb-rs-driver: asyncio over ScyllaDB's Rust driver."""

from __future__ import annotations

from typing import Any

from benchmarks.data import PAGE_ROWS, SCAN_CQL
from benchmarks.drivers.base import AsyncDriver


class ScylladbRs(AsyncDriver):
    name = "scylladb-rs-driver"
    package = "scylladb-rs-driver"
    how = "tasks"
    rows_as_dicts = True

    @staticmethod
    def check_import() -> None:
        import scylla.session_builder  # noqa: F401

    async def connect(self) -> None:
        from scylla.enums import Consistency
        from scylla.execution_profile import ExecutionProfile
        from scylla.session_builder import SessionBuilder

        addresses = [(address, self.endpoint.port) for address in self.endpoint.addresses]
        profile = ExecutionProfile(consistency=Consistency.LocalOne)
        builder = SessionBuilder().contact_points(addresses).execution_profile(profile)
        self._session = await builder.connect()

    async def prepare(self, workload: str) -> None:
        session = self._session
        if workload == "select":
            self._read = await session.prepare(self.select_cql)
        elif workload == "insert":
            self._write = await session.prepare(self.write_cql)
            self._read_back = await session.prepare(self.read_back_cql)
        else:
            self._scan = (await session.prepare(SCAN_CQL)).with_page_size(PAGE_ROWS)

    async def disconnect(self) -> None:
        del self._session  # there is nothing to close

    async def execute_text(self, cql: str) -> None:
        await self._session.execute(cql)

    async def read(self, key: int) -> Any:
        # `await result.first_row()` would be a second future for each request.
        result = await self._session.execute(self._read, (key,))
        return next(iter(result.iter_current_page()))

    async def write(self, key: int, name: str, score: int) -> None:
        await self._session.execute(self._write, (key, name, score))

    async def read_back(self, key: int) -> Any:
        result = await self._session.execute(self._read_back, (key,))
        return next(iter(result.iter_current_page()))

    async def scan(self, part: int) -> list[Any]:
        result = await self._session.execute(self._scan, (part,))
        rows: list[Any] = []
        while result is not None:
            rows += result.iter_current_page()
            result = await result.fetch_next_page()
        return rows


class ScylladbRsUvloop(ScylladbRs):
    name = "scylladb-rs-driver-uvloop"
    how = "tasks on uvloop"
    by_default = False
    uses_uvloop = True


DRIVERS = (ScylladbRs, ScylladbRsUvloop)
