"""One way to write a test for both faces: `run()` waits where the face does not."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import os
from types import ModuleType
from typing import Any

import pytest

import shardlane
from live_cassandra import Node

KEYSPACE = "live"
LINE = os.environ.get("SHARDLANE_LIVE_LINE", "5.0")
needs_5_0 = pytest.mark.skipif(LINE != "5.0", reason="Cassandra 5.0 is the first to have it")

# What a variant of the tests is made of: options of `connect()`, by a word for them.
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "lz4": {"compression": "lz4"},
    "snappy": {"compression": "snappy"},
    "v3": {"protocol_version": 3},
    "v4": {"protocol_version": 4},
    "v5": {"protocol_version": 5},
    # These two need a node that is started accordingly.
    "tls": {},
    "auth": {},
}
# The whole of them is for `SHARDLANE_LIVE_MATRIX=all`; otherwise it lists some: "plain,v3+snappy".
MATRIX = ["plain", "v3", "v3+snappy", "v4+lz4", "v4+tls", "v5+lz4+tls+auth"]
# The best version both times.
DEFAULT_MATRIX = "plain,lz4+tls"


def variants() -> list[str]:
    """The variants that the tests are to run in."""
    wanted = os.environ.get("SHARDLANE_LIVE_MATRIX") or DEFAULT_MATRIX
    names = MATRIX if wanted == "all" else [name.strip() for name in wanted.split(",")]
    for name in names:
        if unknown := set(name.split("+")) - set(OPTIONS):
            known = ", ".join(OPTIONS)
            raise ValueError(f"SHARDLANE_LIVE_MATRIX: {unknown} is none of {known}")
    return names


def is_wanted(part: str) -> bool:
    """Whether a variant has this part."""
    return any(part in name.split("+") for name in variants())


def variant_options(name: str, node: Node) -> dict[str, Any]:
    """Options of `connect()` for a variant."""
    parts = name.split("+")
    options = {key: value for part in parts for key, value in OPTIONS[part].items()}
    if "tls" in parts:
        options["tls"] = shardlane.TLS(ca_file=node.certificate)
    return {**node.login, **options}


_numbers = itertools.count()


class Client:
    """A face of shardlane, and what was opened with it."""

    def __init__(self, face: str, node: Node, options: dict[str, Any] | None = None) -> None:
        self.name = face
        self.options = options or {}
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
        options = {"port": self.node.port, "keyspace": keyspace, **self.options, **options}
        session = self.run(self._face.connect(self.node.address, **options))
        self._opened.append(session)
        return session

    def cluster(self, **options: Any) -> Any:
        options = {"port": self.node.port, **self.options, **options}
        cluster = self._face.Cluster(self.node.address, **options)
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
