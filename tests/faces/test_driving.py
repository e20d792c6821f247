"""Who drives the connections: the I/O thread, a caller that waits, or an event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shardlane import aio, exceptions, sync
from shardlane.testing import Cluster, faults

PING = "SELECT key FROM system.local"
OFTEN = 20_000
"""Requests after which somebody else should have come to drive: by far more than it takes."""


@pytest.fixture(params=["adaptive", "others", "io-thread"])
def driver(request, monkeypatch):
    monkeypatch.setenv("SHARDLANE_DRIVER", request.param)
    return request.param


@pytest.fixture
def eager(monkeypatch):
    """Callers and loops drive from the first request on."""
    monkeypatch.setenv("SHARDLANE_DRIVER", "others")


def turns(session):
    return session.cluster._client.turns()


def test_a_thread_alone_drives_by_itself(shardlane_cluster, driver):
    with sync.connect(shardlane_cluster.contact_points) as session:
        for _ in range(OFTEN if driver != "io-thread" else 100):
            assert session.execute(PING).scalar() == "local"
            if turns(session)["callers"]:
                break
        assert bool(turns(session)["callers"]) == (driver != "io-thread")
        assert not turns(session)["event_loops"]


def test_a_loop_alone_drives_by_itself(shardlane_cluster, driver):
    async def main():
        async with aio.connect(shardlane_cluster.contact_points) as session:
            for _ in range(OFTEN if driver != "io-thread" else 100):
                assert (await session.execute(PING)).scalar() == "local"
                if turns(session)["event_loops"]:
                    break
            return turns(session)

    counted = asyncio.run(main())
    assert bool(counted["event_loops"]) == (driver != "io-thread")
    assert not counted["callers"]


def test_a_loop_with_many_requests_leaves_them_to_the_io_thread(shardlane_cluster):
    async def main():
        async with aio.connect(shardlane_cluster.contact_points) as session:
            while not turns(session)["event_loops"]:
                await session.execute(PING)
            for _ in range(OFTEN):
                before = turns(session)["event_loops"]
                await asyncio.gather(*(session.execute(PING) for _ in range(300)))
                if turns(session)["event_loops"] == before:
                    return True
            return False

    assert asyncio.run(main())


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_whose_requests_overlap(shardlane_cluster, driver, threads):
    with (
        sync.connect(shardlane_cluster.contact_points) as session,
        ThreadPoolExecutor(threads) as pool,
    ):

        def read(_):
            return [session.execute(PING).scalar() for _ in range(200)]

        assert list(pool.map(read, range(threads))) == [["local"] * 200] * threads


def test_one_who_waits_long_drives_for_others(shardlane_cluster, eager):
    """The server answers the first never, and the others meanwhile; closing ends the first."""
    session = sync.connect(shardlane_cluster.contact_points)
    session.execute(PING)
    outcome = []

    def ask():
        try:
            session.execute("SELECT cluster_name FROM system.local", timeout=None)
        except exceptions.SessionClosed as error:
            outcome.append(error)

    with shardlane_cluster.fault(faults.text("cluster_name"), faults.silence()) as fault:
        thread = threading.Thread(target=ask)
        thread.start()
        while not fault.hits:
            pass
        for _ in range(50):
            assert session.execute(PING).scalar() == "local"
        session.close(timeout=0)
        thread.join(10)
    assert not thread.is_alive()
    assert len(outcome) == 1


def test_deadlines_hold_for_who_drives(shardlane_cluster, driver):
    with sync.connect(shardlane_cluster.contact_points) as session:
        for _ in range(50):
            session.execute(PING)
        with (
            shardlane_cluster.fault(faults.text("system.local"), faults.silence()),
            pytest.raises(exceptions.RequestTimeout),
        ):
            session.execute(PING, timeout=0.05)
        assert session.execute(PING).scalar() == "local"


def test_a_node_ends_while_a_caller_drives(driver):
    with Cluster(2, 2) as server, server.connect() as session:
        for _ in range(50):
            session.execute(PING)
        outcome = []

        def ask():
            try:
                outcome.append(session.execute(PING, idempotent=True).scalar())
            except exceptions.ShardlaneError as error:
                outcome.append(error)

        with server.fault(faults.text("system.local"), faults.silence()) as fault:
            thread = threading.Thread(target=ask)
            thread.start()
            while not fault.hits:
                pass
            for node in server.nodes:
                node.kill()
            thread.join(10)
        assert not thread.is_alive()
        assert len(outcome) == 1


def test_a_loop_that_is_busy_holds_up_nobody_else(shardlane_cluster, eager):
    """Two loops share a cluster object. The first drives, and is stuck with a request under way
    until the second has been served."""
    cluster = aio.Cluster(shardlane_cluster.contact_points)
    stuck, served = threading.Event(), threading.Event()

    async def first():
        session = await cluster.connect()
        while not turns(session)["event_loops"]:
            await session.execute(PING)
        request = asyncio.ensure_future(session.execute(PING))
        await asyncio.sleep(0)
        stuck.set()
        assert served.wait(20)
        return (await request).scalar()

    async def second():
        session = await cluster.connect()
        answers = [(await session.execute(PING)).scalar() for _ in range(20)]
        with (
            shardlane_cluster.fault(faults.text("system.local"), faults.silence()),
            pytest.raises(exceptions.RequestTimeout),
        ):
            await session.execute(PING, timeout=0.05)
        return answers

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(asyncio.run, first())
        assert stuck.wait(20)
        try:
            assert asyncio.run(second()) == ["local"] * 20
        finally:
            served.set()
        assert future.result(20) == "local"
    asyncio.run(cluster.close())


def test_the_io_thread_serves_while_the_only_loop_is_stuck(shardlane_cluster, eager):
    """What was under way when the loop got stuck is answered without a turn of the loop."""

    async def main():
        async with aio.connect(shardlane_cluster.contact_points) as session:
            while not turns(session)["event_loops"]:
                await session.execute(PING)
            core = session.cluster._client
            before = core.turns()["io_thread"]
            request = asyncio.ensure_future(session.execute(PING))
            await asyncio.sleep(0)
            while core.turns()["io_thread"] == before:
                pass
            answer = (await request).scalar()
            # And it can drive again.
            before = core.turns()["event_loops"]
            for _ in range(OFTEN):
                await session.execute(PING)
                if core.turns()["event_loops"] > before:
                    return answer
            return None

    assert asyncio.run(main()) == "local"


def test_a_loop_ends_with_requests_under_way(shardlane_cluster, driver):
    """And another one goes on with the same cluster object."""
    cluster = aio.Cluster(shardlane_cluster.contact_points)

    async def leave():
        session = await cluster.connect()
        for _ in range(50):
            await session.execute(PING)
        left = [asyncio.ensure_future(session.execute(PING)) for _ in range(5)]
        await asyncio.sleep(0)
        return len(left)

    async def go_on():
        session = await cluster.connect()
        return [(await session.execute(PING)).scalar() for _ in range(50)]

    for _ in range(3):
        assert asyncio.run(leave()) == 5
        assert asyncio.run(go_on()) == ["local"] * 50
    asyncio.run(cluster.close())


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_exit_from_a_task_that_is_stepped_by_the_driver(shardlane_cluster, driver, interrupt):
    """The loop stops; the tasks of the same batch go on when it runs again."""
    loop = asyncio.new_event_loop()
    try:
        session = loop.run_until_complete(_connected(shardlane_cluster))
        done = []

        async def ask(n):
            for _ in range(20):
                await session.execute(PING)
            done.append(n)
            if n == 0:
                raise interrupt

        async def all_of_them():
            await asyncio.gather(*(ask(n) for n in range(8)), return_exceptions=True)

        main = loop.create_task(all_of_them())
        with pytest.raises(interrupt):
            loop.run_until_complete(main)
        loop.run_until_complete(main)
        assert sorted(done) == list(range(8))
        loop.run_until_complete(session.close())
    finally:
        loop.close()


async def _connected(server):
    return await aio.connect(server.contact_points)


def test_cancelling_from_the_loop_that_drives(shardlane_cluster, eager):
    async def main():
        async with aio.connect(shardlane_cluster.contact_points) as session:
            await session.execute(PING)
            with shardlane_cluster.fault(faults.text("cluster_name"), faults.silence()):
                for _ in range(20):
                    with pytest.raises(asyncio.TimeoutError):
                        await asyncio.wait_for(
                            session.execute("SELECT cluster_name FROM system.local"), 0.001
                        )
                    assert (await session.execute(PING)).scalar() == "local"

    asyncio.run(main())
