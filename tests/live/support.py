"""One way to write a test for both faces: `run()` waits where the face does not."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from types import ModuleType
from typing import Any

import shardlane
from live_cassandra import Node

KEYSPACE = "live"

_numbers = itertools.count()


class Client:
    """A face of shardlane, and what was opened with it."""

    def __init__(self, face: str, node: Node) -> None:
        self.name = face
        self.node = node
        self._face: ModuleType = getattr(shardlane, face)
        self._loop = asyncio.new_event_loop() if face == "aio" else None
        self._opened: list[Any] = []

    def run(self, outcome: Any) -> Any:
        """What the face gives, waited for."""
        if inspect.isawaitable(outcome):
            assert self._loop is not None, "the blocking face gave something to await"
            return self._loop.run_until_complete(_plain(outcome))
        return outcome

    def connect(self, keyspace: str | None = KEYSPACE, **options: Any) -> Any:
        options = {"port": self.node.port, "keyspace": keyspace, **options}
        session = self.run(self._face.connect(self.node.address, **options))
        self._opened.append(session)
        return session

    def cluster(self, **options: Any) -> Any:
        cluster = self._face.Cluster(self.node.address, port=self.node.port, **options)
        self._opened.append(cluster)
        return cluster

    def rows(self, session: Any, cql: str, parameters: Any = None, **options: Any) -> list[Any]:
        """All rows, of all pages."""
        result = self.run(session.execute(cql, parameters, **options))
        rows: list[Any] = self.run(result.all())
        return rows

    def table(self, session: Any, definition: str) -> str:
        """Create a table that nobody else has, and return its name."""
        name = f"t{next(_numbers)}"
        self.run(session.execute(f"CREATE TABLE {name} ({definition})"))
        return name

    def close(self) -> None:
        for opened in reversed(self._opened):
            self.run(opened.close())
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


def unique(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}{next(_numbers)}"


async def _plain(awaitable: Any) -> Any:
    return await awaitable
