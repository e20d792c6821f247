"""What bounds every driver from below: no driver can cost less than this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.data import row
from benchmarks.drivers.base import AsyncDriver, Driver

if TYPE_CHECKING:
    from benchmarks.plan import Cell


class CompletedAwaits(AsyncDriver):
    """Tasks that await what is there already: what the harness and asyncio cost by themselves."""

    name = "limit-completed-awaits"
    package = "shardlane"
    module = ""
    modes = ("tasks", "each")
    how: ClassVar[dict[str, str]] = {"tasks": "no request, no server"}
    workloads = ("select",)
    is_limit = True
    connects = False

    @classmethod
    def takes_part(cls, cell: Cell, server: str) -> bool:
        # It has no server, so one table is enough.
        return server == "embedded" and super().takes_part(cell, server)

    async def connect(self) -> None:
        self._answers = {key: row(key) for key in range(10_000)}

    async def prepare(self, cql: str) -> None:
        pass

    async def disconnect(self) -> None:
        pass

    async def read(self, key: int) -> Any:
        return self._answers[key]


class _Native(Driver):
    package = "shardlane"
    module = ""
    workloads = ("select",)
    is_limit = True
    is_native = True
    program: ClassVar[str]
    """What the Rust program is told to be."""


class NativeClient(_Native):
    name = "limit-rust-client"
    modes = ("tasks",)
    how: ClassVar[dict[str, str]] = {"tasks": "shardlane's core without Python"}
    program = "client"


class BareSocket(_Native):
    name = "limit-bare-socket"
    modes = ("threads",)
    how: ClassVar[dict[str, str]] = {"threads": "send and receive, from Rust"}
    in_flight_max = 1
    program = "socket"


DRIVERS = (CompletedAwaits, NativeClient, BareSocket)
