"""One test body for both faces.

A test is a coroutine function that takes ``face`` or ``session``. For the asyncio face it runs in
an event loop. For the blocking face its calls are wrapped in coroutines that never wait, and the
body is run through without a loop: what blocks there blocks the test, as it would a program.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from shardlane import aio, sync
from shardlane.testing import Cluster

# What the asyncio face has as coroutine functions.
AWAITED = {
    "execute",
    "prepare",
    "execute_batch",
    "execute_many",
    "trace",
    "close",
    "all",
    "schema",
    "wait_for_schema_agreement",
}


class Blocking:
    """An object of the blocking face, spelled like its twin of the asyncio face."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if name not in AWAITED:
            return wrap(value) if not callable(value) else lambda *a, **k: wrap(value(*a, **k))

        async def call(*args: Any, **keywords: Any) -> Any:
            return wrap(value(*args, **keywords))

        return call

    async def __aenter__(self) -> Any:
        return wrap(self._target.__enter__())

    async def __aexit__(self, *error: object) -> None:
        self._target.__exit__(*error)

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self._target:
            yield item

    def __iter__(self) -> Any:
        return iter(self._target)

    def __len__(self) -> int:
        return len(self._target)

    def __repr__(self) -> str:
        return repr(self._target)


def wrap(value: Any) -> Any:
    if isinstance(value, (sync.Session, sync.Result, sync.SessionBatch, sync.Cluster)):
        return Blocking(value)
    if inspect.isgenerator(value):
        return Blocking(value)
    return value


def unwrap(value: Any) -> Any:
    return value._target if isinstance(value, Blocking) else value


class Face:
    """One of the faces, on one kind of loop."""

    def __init__(self, name: str, server: Cluster, keyspace: str) -> None:
        self.name = name
        self.server = server
        self.keyspace = keyspace
        self.is_blocking = name == "sync"

    @contextlib.asynccontextmanager
    async def connect(self, contact_points: Any = None, **options: Any) -> AsyncIterator[Any]:
        """A session, in the test's keyspace unless told otherwise."""
        points = self.server.contact_points if contact_points is None else contact_points
        options.setdefault("keyspace", self.keyspace)
        if self.is_blocking:
            with sync.connect(points, **options) as session:
                yield wrap(session)
        else:
            async with aio.connect(points, **options) as session:
                yield session

    def cluster(self, contact_points: Any = None, **options: Any) -> Any:
        """A cluster object, to be used in ``async with``."""
        points = self.server.contact_points if contact_points is None else contact_points
        if self.is_blocking:
            return wrap(sync.Cluster(points, **options))
        return aio.Cluster(points, **options)

    async def open(self, cluster: Any, *args: Any, **options: Any) -> Any:
        """A session of a cluster object."""
        if self.is_blocking:
            return cluster.connect(*args, **options)
        return await cluster.connect(*args, **options)

    async def until(self, fault: Any, hits: int) -> None:
        """Wait until a fault was applied so often; the test's own timeout is the limit."""
        while fault.hits < hits:
            if not self.is_blocking:
                await asyncio.sleep(0)

    def run(self, test: Coroutine[Any, Any, None]) -> None:
        if not self.is_blocking:
            with asyncio.Runner(loop_factory=loop_factory(self.name)) as runner:
                runner.run(test)
            return
        try:
            test.send(None)
        except StopIteration:
            return
        test.close()
        raise AssertionError("a test of the blocking face has awaited something")


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name != "aio-uvloop":
        return None
    import uvloop

    return uvloop.new_event_loop


class Opening:
    """Stands for a session until the test runs."""

    def __init__(self, face: Face) -> None:
        self.face = face


@pytest.fixture(params=["sync", "aio", "aio-uvloop"])
def face(
    request: pytest.FixtureRequest, shardlane_cluster: Cluster, shardlane_keyspace: str
) -> Face:
    return Face(request.param, shardlane_cluster, shardlane_keyspace)


@pytest.fixture
def session(face: Face) -> Opening:
    return Opening(face)


@pytest.fixture
def server(shardlane_cluster: Cluster) -> Any:
    """The embedded cluster; faults that a test leaves behind are removed."""
    yield shardlane_cluster
    shardlane_cluster.clear_faults()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test) or "face" not in pyfuncitem.funcargs:
        return None
    chosen: Face = pyfuncitem.funcargs["face"]
    names = inspect.signature(test).parameters

    async def body() -> None:
        async with contextlib.AsyncExitStack() as stack:
            arguments = {name: pyfuncitem.funcargs[name] for name in names}
            for name, value in arguments.items():
                if isinstance(value, Opening):
                    arguments[name] = await stack.enter_async_context(value.face.connect())
            await test(**arguments)

    chosen.run(body())
    return True
