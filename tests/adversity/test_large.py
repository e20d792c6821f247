"""Values of several MiB and large results, beside small requests on the same connections."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from cluster_help import INSERT, SELECT, create_table, wait_for_coverage
from shardlane import exceptions
from shardlane.testing import Cluster

MIB = 1 << 20


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("compression", [None, "lz4", "snappy"])
def test_large_values(face, compression):
    with (
        Cluster(2, 2) as server,
        face.connect(server, compression=compression, timeout=30) as session,
    ):
        create_table(session, 2, v="blob")
        sizes = [0, 1, 65_535, 65_536, MIB, 5 * MIB]
        for key, size in enumerate(sizes):
            session.execute(INSERT, [key, noise(size, key)])
        for key, size in enumerate(sizes):
            assert session.execute(SELECT, [key]).scalar() == noise(size, key)
        # Something that compression makes small.
        session.execute(INSERT, [100, bytes(8 * MIB)])
        assert session.execute(SELECT, [100]).scalar() == bytes(8 * MIB)


@pytest.mark.asyncio
async def test_large_beside_small():
    with Cluster(2, 2) as server, server.connect() as admin:
        create_table(admin, 2, v="blob")
        async with server.aio_connect("app", timeout=30) as session:
            big = {key: noise(3 * MIB, key) for key in range(8)}

            async def small(key: int) -> float:
                began = time.monotonic()
                await session.execute(INSERT, [1000 + key, b"small"])
                assert (await session.execute(SELECT, [1000 + key])).scalar() == b"small"
                return time.monotonic() - began

            async def large(key: int) -> None:
                await session.execute(INSERT, [key, big[key]])
                for _ in range(3):
                    assert (await session.execute(SELECT, [key])).scalar() == big[key]

            await asyncio.gather(*map(large, big), *map(small, range(500)))
            assert sum(node.connections_closed for node in session.shards()) == 0


def test_a_large_result(face):
    with Cluster(2, 2) as server, face.connect(server, timeout=30) as session:
        create_table(session, 2)
        session.execute("CREATE TABLE w (p int, c int, v text, PRIMARY KEY (p, c))")
        rows = 20_000
        session.execute_many(
            "INSERT INTO w (p, c, v) VALUES (1, ?, ?)", ([n, f"value {n}"] for n in range(rows))
        )
        select = "SELECT c, v FROM w WHERE p = ?"
        for page_size in (None, 1_000):
            found = session.execute(select, [1], page_size=page_size)
            got = list(all_rows(session, found))
            assert got == [(n, f"value {n}") for n in range(rows)]


def all_rows(session, result):
    if session.face.name == "sync":
        return result
    return session.face.call(result.all)


def test_more_than_the_server_takes(face):
    """A request that is too long for the server fails; the session goes on."""
    with Cluster(1, 1) as server, face.connect(server, timeout=30) as session:
        create_table(session, 1, v="blob")
        session.prepare(INSERT)
        with pytest.raises(exceptions.ShardlaneError) as caught:
            session.execute(INSERT, [1, bytes(257 * MIB)])
        assert not isinstance(caught.value, (exceptions.InternalError, exceptions.RequestTimeout))
        wait_for_coverage(session, 1)
        session.execute(INSERT, [1, b"fits"])
        assert session.execute(SELECT, [1]).scalar() == b"fits"
