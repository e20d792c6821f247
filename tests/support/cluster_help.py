"""What tests over an embedded cluster share: patience, both faces, a table, traffic."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from typing_extensions import Self

import shardlane
from shardlane import aio, exceptions, sync
from shardlane.testing import Cluster

FACES: dict[str, ModuleType] = {"sync": sync, "aio": aio}

KEYSPACE = "app"
INSERT = "INSERT INTO t (k, v) VALUES (?, ?)"
SELECT = "SELECT v FROM t WHERE k = ?"


def eventually(
    what: str, holds: Callable[[], Any], seconds: float = 15.0, every: float = 0.005
) -> Any:
    """What `holds` returns as soon as that is true; fails when it has not become so in time."""
    ends_at = time.monotonic() + seconds
    while True:
        if found := holds():
            return found
        if time.monotonic() > ends_at:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


async def eventually_async(what: str, holds: Callable[[], Any], seconds: float = 15.0) -> Any:
    """As `eventually`, in an event loop."""
    ends_at = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > ends_at:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.005)
    return found


class Face:
    """A face of shardlane, called the same way whether it waits itself or in an event loop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = FACES[name]
        self._loop = asyncio.new_event_loop() if name == "aio" else None

    def run(self, outcome: Any) -> Any:
        """What the face gives, waited for."""
        if not inspect.isawaitable(outcome):
            return outcome
        assert self._loop is not None

        async def wait() -> Any:
            return await outcome

        return self._loop.run_until_complete(wait())

    def call(self, function: Callable[[], Any]) -> Any:
        """Call something of the face and wait for it; the asyncio face needs its loop running."""
        if self._loop is None:
            return function()

        async def wait() -> Any:
            outcome = function()
            return await outcome if inspect.isawaitable(outcome) else outcome

        return self._loop.run_until_complete(wait())

    @contextlib.contextmanager
    def connect(self, server: Cluster | list[str], **options: Any) -> Iterator[Calls]:
        """A session, closed at the end."""
        points = server.contact_points if isinstance(server, Cluster) else server
        session = self.call(lambda: self.module.connect(points, **options))
        try:
            yield Calls(self, session)
        finally:
            self.call(session.close)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


class Calls:
    """A session whose calls are waited for."""

    def __init__(self, face: Face, session: Any) -> None:
        self.face = face
        self.session = session

    def execute(self, *args: Any, **options: Any) -> Any:
        return self.face.call(lambda: self.session.execute(*args, **options))

    def execute_many(self, *args: Any, **options: Any) -> Any:
        return self.face.call(lambda: self.session.execute_many(*args, **options))

    def execute_batch(self, batch: shardlane.Batch, **options: Any) -> Any:
        return self.face.call(lambda: self.session.execute_batch(batch, **options))

    def prepare(self, cql: str) -> Any:
        return self.face.call(lambda: self.session.prepare(cql))

    def close(self, *args: Any) -> None:
        self.face.call(lambda: self.session.close(*args))

    def shards(self) -> shardlane.ClusterConnections:
        return self.session.shards()  # type: ignore[no-any-return]


def create_table(session: Any, replicas: int | dict[str, int] = 3, **columns: str) -> None:
    """Create `app.t (k int PRIMARY KEY, v text)`, and use its keyspace."""
    per_datacenter = {"replication_factor": replicas} if isinstance(replicas, int) else replicas
    options = "".join(f", '{name}': {count}" for name, count in per_datacenter.items())
    session.execute(
        f"CREATE KEYSPACE {KEYSPACE} WITH replication ="
        f" {{'class': 'NetworkTopologyStrategy'{options}}}"
    )
    session.execute(f"USE {KEYSPACE}")
    session.execute(f"CREATE TABLE t (k int PRIMARY KEY, v {columns.get('v', 'text')})")


def wait_for_coverage(session: Any, total: int, seconds: float = 15.0) -> None:
    """Wait until the client has a connection to each of `total` shards, and to no other."""

    def covered() -> bool:
        pools = session.shards()
        return bool(pools.is_fully_covered and pools.total == total)

    try:
        eventually(f"{total} shards covered", covered, seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{session.shards()}") from None


class Traffic:
    """Threads that write and read back over one session until they are told to end.

    It keeps what was acknowledged, and every failure. A failure without a class of shardlane's own
    ends the thread, and the test with it.
    """

    def __init__(self, session: Any, threads: int = 4, **options: Any) -> None:
        self._session = session
        self._options = options
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: dict[int, str] = {}
        self.failures: list[exceptions.ShardlaneError] = []
        self.unclassified: list[BaseException] = []
        self.progress = 0
        self._threads = [
            threading.Thread(target=self._run, args=(number, threads), daemon=True)
            for number in range(threads)
        ]

    def _run(self, number: int, step: int) -> None:
        key = number
        while not self._ends.is_set():
            value = f"value {key}"
            try:
                self._session.execute(INSERT, [key, value], **self._options)
                with self._lock:
                    self.acknowledged[key] = value
                found = self._session.execute(SELECT, [key], **self._options).scalar()
                assert found == value, f"read {found!r} of key {key}"
            except exceptions.RequestError as error:
                with self._lock:
                    self.failures.append(error)
            except BaseException as error:
                self.unclassified.append(error)
                return
            with self._lock:
                self.progress += 1
            key += step

    def await_progress(self, more: int, seconds: float = 20.0) -> None:
        """Wait until so many more writes and reads have been done."""
        target = self.progress + more
        eventually(
            f"{more} more writes and reads",
            lambda: self.progress >= target or self.unclassified,
            seconds,
        )
        assert self.unclassified == []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.set()
        ends_at = time.monotonic() + 20
        for thread in self._threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        hung = [thread.name for thread in self._threads if thread.is_alive()]
        if error[0] is None:
            assert hung == [], "requests that never end"
            assert self.unclassified == []


def check_all(session: Any, expected: dict[int, str], **options: Any) -> None:
    """Read every key back and compare."""
    keys = sorted(expected)
    found = session.execute_many(SELECT, ([key] for key in keys), results=True, **options)
    values = {key: result.scalar() for key, result in zip(keys, found.results, strict=True)}
    lost = {key: values[key] for key in keys if values[key] != expected[key]}
    assert lost == {}, f"{len(lost)} of {len(keys)} acknowledged writes are lost"
