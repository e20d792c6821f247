"""What has failed leaves nothing behind: no exception, no frame, no file descriptor."""

from __future__ import annotations

import gc
import os
import sys
import weakref

import pytest

from cluster_help import INSERT
from shardlane import Batch, exceptions

UNREACHABLE = "127.0.0.1:1"

FAILING = {
    "syntax": (exceptions.CqlSyntaxError, lambda s: s.execute("SELEC")),
    "prepare": (
        exceptions.InvalidQuery,
        lambda s: s.execute("SELECT * FROM no WHERE k = ?", [1]),
    ),
    "by hand": (exceptions.InvalidQuery, lambda s: s.prepare("SELECT k FROM nope")),
    "value": (
        exceptions.BadValue,
        lambda s: s.execute("SELECT key FROM system.local WHERE key = ?", [5]),
    ),
    "time": (
        exceptions.RequestTimeout,
        lambda s: s.execute("SELECT key FROM system.local", timeout=1e-9),
    ),
    "batch": (
        exceptions.InvalidQuery,
        lambda s: s.execute_batch(Batch().add("INSERT INTO nope (k) VALUES (1)")),
    ),
    "many": (
        exceptions.RequestTimeout,
        lambda s: s.execute_many(INSERT, [(1, "a"), (2, "b")], timeout=1e-9),
    ),
}


async def failed(kind, attempt):
    """A weak reference to what is raised; nothing here keeps it or the frames it has passed."""
    with pytest.raises(kind) as caught:
        await attempt()
    return weakref.ref(caught.value)


@pytest.mark.parametrize("what", FAILING)
async def test_an_error_is_forgotten_when_its_user_forgets_it(session, what):
    kind, attempt = FAILING[what]
    error = await failed(kind, lambda: attempt(session))
    gc.collect()
    assert error() is None


async def test_a_failed_connect_is_forgotten(face):
    async def connect():
        async with face.connect(UNREACHABLE, keyspace=None):
            pass

    error = await failed(exceptions.NoHostAvailable, connect)
    gc.collect()
    assert error() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts in /proc")
async def test_failed_connects_leave_no_descriptors(face):
    async def connect():
        async with face.connect(UNREACHABLE, keyspace=None):
            pass

    def descriptors():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    await failed(exceptions.NoHostAvailable, connect)
    before = descriptors()
    for _ in range(5):
        await failed(exceptions.NoHostAvailable, connect)
    assert descriptors() <= before
