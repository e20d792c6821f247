"""What the harness asks of a driver."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.data import (
    COLUMNS,
    PAGE_CQL,
    SELECT_CQL,
    Row,
    batch_cql,
    insert_cql,
    read_back_cql,
    read_batch_cql,
)
from benchmarks.load import Job, run_tasks, run_threads

if TYPE_CHECKING:
    from benchmarks.plan import Cell


@dataclass(frozen=True)
class Endpoint:
    """Where the cluster listens."""

    addresses: list[str]
    port: int


class Driver:
    """One driver.

    `open` connects, `ready` prepares what a workload needs. After that `read`, `insert`,
    `write_batch` and `read_page` are the calls that are measured: they return once the rows are
    Python objects.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    """The distribution that it belongs to, and the name of its environment."""
    module: ClassVar[str]
    """What its users import."""
    modules_besides: ClassVar[tuple[str, ...]] = ()
    """What else they import before they connect."""
    modes: ClassVar[tuple[str, ...]]
    how: ClassVar[dict[str, str]] = {}
    """How requests are made, for the reader of the table, by mode."""
    is_ours: ClassVar[bool] = False
    is_limit: ClassVar[bool] = False
    """No driver, but what bounds one from below."""
    is_native: ClassVar[bool] = False
    """Lives in the Rust program of `native.py`, not in a Python process."""
    workloads: ClassVar[tuple[str, ...]] = ("select", "insert", "batch", "pages")
    shapes: ClassVar[tuple[str, ...]] = ("tuples", "dicts", "namedtuples")
    """What it makes of the rows of a page by itself."""
    rows_as_dicts: ClassVar[bool] = False
    """Whether a single row is a dict."""
    in_flight_max: ClassVar[int] = 1_000_000
    connects: ClassVar[bool] = True

    @classmethod
    def takes_part(cls, cell: Cell, server: str) -> bool:
        """Whether it has something to show in a cell."""
        del server
        return (
            cell.mode in cls.modes
            and cell.workload in cls.workloads
            and cell.in_flight <= cls.in_flight_max
            and (cell.workload != "pages" or cell.shape in cls.shapes)
        )

    def __init__(self, endpoint: Endpoint, cell: Cell) -> None:
        self.endpoint = endpoint
        self.cell = cell
        self._read: Any = None
        self._insert: Any = None
        self._read_back: Any = None
        self._page: Any = None

    def statements(self) -> dict[str, str]:
        """What the workload executes, by the attribute that holds it once it is prepared."""
        return {
            "select": {"_read": SELECT_CQL},
            "insert": {
                "_insert": insert_cql(self.name),
                "_read_back": read_back_cql(self.name),
            },
            "batch": {"_insert": batch_cql(self.name), "_read_back": read_batch_cql(self.name)},
            "pages": {"_page": PAGE_CQL},
        }[self.cell.workload]

    def answer(self, row: Row) -> Any:
        """How this driver returns a row of the database."""
        as_dict = self.cell.shape == "dicts" if self.cell.workload == "pages" else False
        return dict(zip(COLUMNS, row, strict=True)) if as_dict or self.rows_as_dicts else row

    # What the harness calls, from the main thread.

    def open(self) -> None:
        raise NotImplementedError

    def run(self, job: Job) -> None:
        raise NotImplementedError

    def call_once(self, *arguments: Any) -> Any:
        """Make a single call of the workload; not measured."""
        raise NotImplementedError

    def ready(self) -> None:
        """Prepare the statements of the workload."""
        raise NotImplementedError

    def fetch_written(self, key: int) -> Any:
        """Read what `insert` wrote, or the rows that `write_batch` did; not measured."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    @property
    def calls_from_one_thread(self) -> bool:
        """Whether the thread of `run` makes the calls, so that its CPU time means something."""
        return True

    @property
    def call(self) -> Any:
        """The call that is measured."""
        return {
            "select": self.read,
            "insert": self.insert,
            "batch": self.write_batch,
            "pages": self.read_page,
        }[self.cell.workload]

    # What is measured. All of them may be coroutine functions.

    def read(self, key: int) -> Any:
        raise NotImplementedError

    def insert(self, key: int, name: str, score: int) -> Any:
        raise NotImplementedError

    def write_batch(self, part: int, rows: list[Row]) -> Any:
        raise NotImplementedError

    def read_page(self, part: int) -> Any:
        raise NotImplementedError

    def bulk(self, job: Job) -> Any:
        """Make calls until the time is up, by what the driver has for many at once."""
        raise NotImplementedError


class AsyncDriver(Driver):
    """A driver for asyncio: one event loop, which lives as long as the process needs it."""

    modes = ("tasks", "uvloop", "each")

    def open(self) -> None:
        factory = None
        if self.cell.mode == "uvloop":
            import uvloop

            factory = uvloop.new_event_loop
        self._runner = asyncio.Runner(loop_factory=factory)
        self._runner.run(self.connect())

    def run(self, job: Job) -> None:
        if self.cell.mode == "bulk":
            self._runner.run(self.bulk(job))
        else:
            self._runner.run(run_tasks(job, self.call))

    def call_once(self, *arguments: Any) -> Any:
        return self._runner.run(self.call(*arguments))

    def ready(self) -> None:
        for name, cql in self.statements().items():
            setattr(self, name, self._runner.run(self.prepare(cql)))

    def fetch_written(self, key: int) -> Any:
        return self._runner.run(self.read_back(key))

    def close(self) -> None:
        self._runner.run(self.disconnect())
        self._runner.close()

    async def connect(self) -> None:
        raise NotImplementedError

    async def prepare(self, cql: str) -> Any:
        raise NotImplementedError

    async def disconnect(self) -> None:
        raise NotImplementedError

    async def read_back(self, key: int) -> Any:
        raise NotImplementedError


class BlockingDriver(Driver):
    """A driver whose calls block: a thread for each request in flight."""

    modes = ("threads", "bulk", "each")

    @property
    def calls_from_one_thread(self) -> bool:
        return self.cell.mode == "bulk" or self.cell.in_flight == 1

    def run(self, job: Job) -> None:
        if self.cell.mode == "bulk":
            self.bulk(job)
        else:
            run_threads(job, self.call)

    def call_once(self, *arguments: Any) -> Any:
        return self.call(*arguments)

    def ready(self) -> None:
        for name, cql in self.statements().items():
            setattr(self, name, self.prepare(cql))

    def prepare(self, cql: str) -> Any:
        raise NotImplementedError

    def fetch_written(self, key: int) -> Any:
        return self.read_back(key)

    def read_back(self, key: int) -> Any:
        raise NotImplementedError
