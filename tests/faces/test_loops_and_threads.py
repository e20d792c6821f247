"""Several event loops, several threads, and both at once."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shardlane import aio, exceptions, sync
from shardlane.testing import faults

TABLE = "CREATE TABLE users (id int PRIMARY KEY, name text)"
INSERT = "INSERT INTO users (id, name) VALUES (?, ?)"
SELECT = "SELECT name FROM users WHERE id = ?"
PING = "SELECT key FROM system.local"


@pytest.fixture(autouse=True, params=["adaptive", "others"])
def driver(request, monkeypatch):
    """The I/O thread drives at first, or callers and loops do from the beginning."""
    monkeypatch.setenv("SHARDLANE_DRIVER", request.param)


@pytest.fixture
def filled(shardlane_session):
    shardlane_session.execute(TABLE)
    shardlane_session.execute_many(INSERT, [(n, f"n{n}") for n in range(50)])
    return shardlane_session


async def read_all(session):
    results = await asyncio.gather(*(session.execute(SELECT, [n]) for n in range(50)))
    return [result.scalar() for result in results]


EXPECTED = [f"n{n}" for n in range(50)]


def test_asyncio_run_again_and_again_with_one_cluster_object(
    filled, shardlane_cluster, shardlane_keyspace
):
    cluster = aio.Cluster(shardlane_cluster.contact_points)

    async def main():
        session = await cluster.connect(shardlane_keyspace)
        try:
            return await read_all(session)
        finally:
            await session.close()

    for _ in range(3):
        assert asyncio.run(main()) == EXPECTED
    asyncio.run(cluster.close())


def test_a_session_outlives_its_loop(filled, shardlane_cluster, shardlane_keyspace):
    async def connect():
        return await aio.connect(shardlane_cluster.contact_points, keyspace=shardlane_keyspace)

    session = asyncio.run(connect())
    assert asyncio.run(read_all(session)) == EXPECTED
    asyncio.run(session.close())


def test_loops_in_several_threads_at_once(filled, shardlane_cluster, shardlane_keyspace):
    cluster = aio.Cluster(shardlane_cluster.contact_points)

    async def main():
        async with cluster.connect(shardlane_keyspace) as session:
            return [await read_all(session) for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        for rounds in pool.map(lambda _: asyncio.run(main()), range(4)):
            assert rounds == [EXPECTED] * 3
    asyncio.run(cluster.close())


def test_threads_at_once(filled):
    def read(_):
        return [filled.execute(SELECT, [n]).scalar() for n in range(50)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [EXPECTED] * 8


def test_threads_that_prepare_the_same_statement_at_once(filled):
    barrier = threading.Barrier(8)

    def read(n):
        barrier.wait(10)
        return filled.execute("SELECT id, name FROM users WHERE id = ?", [n]).one().name

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == EXPECTED[:8]


def test_the_blocking_face_within_an_event_loop(filled):
    """Not what it is for, but notebooks run a loop, and it must not hang."""

    async def main():
        return [filled.execute(SELECT, [n]).scalar() for n in range(50)]

    assert asyncio.run(main()) == EXPECTED


def test_both_faces_in_one_task(filled, shardlane_cluster, shardlane_keyspace):
    async def main():
        async with aio.connect(
            shardlane_cluster.contact_points, keyspace=shardlane_keyspace
        ) as session:

            async def one(n):
                first = (await session.execute(SELECT, [n])).scalar()
                return first, filled.execute(SELECT, [n]).scalar()

            return await asyncio.gather(*(one(n) for n in range(50)))

    assert asyncio.run(main()) == [(name, name) for name in EXPECTED]


def test_closing_while_other_threads_wait(shardlane_cluster):
    outcomes = []

    def ask(session):
        try:
            outcomes.append(session.execute(PING).scalar())
        except exceptions.ShardlaneError as error:
            outcomes.append(type(error))

    for reaction, timeout, outcome in [
        (faults.delay(0.3), 10.0, "local"),
        (faults.silence(), 0.0, exceptions.SessionClosed),
    ]:
        session = sync.connect(shardlane_cluster.contact_points)
        with shardlane_cluster.fault(faults.text("system.local"), reaction) as fault:
            thread = threading.Thread(target=ask, args=[session])
            thread.start()
            while not fault.hits:
                pass
            session.close(timeout=timeout)
            thread.join(10)
            assert not thread.is_alive()
        assert outcomes.pop() == outcome
