"""Nodes crash, freeze and come back: no acknowledged write is lost, nothing hangs."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster_help import (
    INSERT,
    SELECT,
    Traffic,
    check_all,
    create_table,
    eventually,
    eventually_async,
    wait_for_coverage,
)
from shardlane import exceptions, policies
from shardlane.testing import Cluster, faults

# What a request may end with when the node it was sent to crashes under it.
EXPECTED = (
    exceptions.ConnectionLost,
    exceptions.NoHostAvailable,
    exceptions.RequestTimeout,
    exceptions.ReplicaError,
)


def test_killed_and_restarted_under_load_from_threads():
    with Cluster(3, 4) as server, server.connect(consistency="QUORUM", timeout=2) as session:
        create_table(session, 3)
        with Traffic(session, threads=8) as traffic:
            for index in (0, 1, 2, 1):
                traffic.await_progress(100)
                server.nodes[index].kill()
                traffic.await_progress(100)
                server.nodes[index].start()
                wait_for_coverage(session, 12)
        strange = [repr(error) for error in traffic.failures if not isinstance(error, EXPECTED)]
        assert strange == []
        # Only what was under way to the node that crashed may fail.
        assert len(traffic.failures) <= 8 * 4, [str(error) for error in traffic.failures]
        check_all(session, traffic.acknowledged, consistency="QUORUM")


@pytest.mark.asyncio
async def test_killed_and_restarted_under_load_from_tasks():
    with Cluster(3, 4) as server:
        async with server.aio_connect(consistency="QUORUM", timeout=2) as session:
            with server.connect() as other:
                create_table(other, 3)
            await session.execute("USE app")
            acknowledged: dict[int, str] = {}
            failures: list[BaseException] = []
            done = [0]
            ends = asyncio.Event()

            async def write(first: int) -> None:
                key = first
                while not ends.is_set():
                    try:
                        await session.execute(INSERT, [key, f"value {key}"])
                        acknowledged[key] = f"value {key}"
                    except exceptions.RequestError as error:
                        failures.append(error)
                    done[0] += 1
                    key += 64

            async with asyncio.TaskGroup() as group:
                for first in range(64):
                    group.create_task(write(first))
                for index in (2, 0, 1):
                    for action in (server.nodes[index].kill, server.nodes[index].start):
                        action()
                        target = done[0] + 300
                        await eventually_async("progress", lambda t=target: done[0] >= t)
                    await eventually_async(
                        "full coverage", lambda: session.shards().is_fully_covered
                    )
                ends.set()
            assert [repr(e) for e in failures if not isinstance(e, EXPECTED)] == []
            assert len(failures) <= 64 * 3
            keys = sorted(acknowledged)
            found = await session.execute_many(SELECT, ([key] for key in keys), results=True)
            for key, result in zip(keys, found.results, strict=True):
                assert result.scalar() == acknowledged[key]


def test_idempotent_requests_survive_a_crash(face):
    """At QUORUM with two of three nodes, a request that may be repeated does not fail at all."""
    with Cluster(3, 2) as server, face.connect(server, idempotent=True) as session:
        create_table(session, 3)
        for index in range(3):
            server.nodes[index].kill()
            result = session.execute_many(INSERT, ([key, "x"] for key in range(300)))
            assert (result.count, result.errors) == (300, ())
            server.nodes[index].start()
            wait_for_coverage(session, 6)


def test_requests_under_way_when_a_node_crashes(face):
    """Those that may be repeated are; of the others it is said that they may have been applied."""
    # The less busy of two would soon leave the silent node alone.
    anywhere = policies.LoadBalancing(choice="random")
    with (
        Cluster(3, 2) as server,
        face.connect(server, consistency="ONE", load_balancing=anywhere) as session,
    ):
        create_table(session, 3)
        session.prepare(INSERT)
        with ThreadPoolExecutor(1) as pool:
            for idempotent in (False, True):
                slow = faults.opcode("EXECUTE") & faults.node(0)
                with server.fault(slow, faults.silence()) as fault:
                    crash = pool.submit(crash_when, server.nodes[0], fault, 40)
                    result = session.execute_many(
                        INSERT,
                        ([key, "x"] for key in range(300)),
                        concurrency=300,
                        raise_on_error=False,
                        results=True,
                        idempotent=idempotent,
                    )
                    crash.result()
                    hits = fault.hits
                errors = [error for _, error in result.errors]
                assert {type(error) for error in errors} <= {exceptions.ConnectionLost}
                # More may have been sent than the node had looked at when it crashed.
                assert len(errors) == 0 if idempotent else len(errors) >= hits
                for error in errors:
                    assert error.written
                    assert error.node == server.contact_points[0]
                    assert error.statement == INSERT
                    assert "may have been applied" in str(error)
                    assert "idempotent=True" in error.hint
                repeated = [done for done in result.results if done and done.attempts > 1]
                assert len(repeated) >= (hits if idempotent else 0)
                server.nodes[0].start()
                wait_for_coverage(session, 6)


def crash_when(node, fault, hits: int) -> None:
    eventually(f"{hits} requests are under way", lambda: fault.hits >= hits)
    node.kill()


def test_all_nodes_down(face):
    with Cluster(3, 2) as server, face.connect(server, timeout=5) as session:
        create_table(session, 3)
        session.execute(INSERT, [1, "x"])
        session.prepare(SELECT)
        for node in server.nodes:
            node.kill()
        eventually("no connection is left", lambda: session.shards().connections == 0)
        began = time.monotonic()
        with pytest.raises(exceptions.NoHostAvailable) as caught:
            session.execute(SELECT, [1])
        assert time.monotonic() - began < 1, "it fails fast"
        assert caught.value.hint
        result = session.execute_many(SELECT, ([1] for _ in range(500)), raise_on_error=False)
        assert {type(error) for _, error in result.errors} == {exceptions.NoHostAvailable}
        assert len(result.errors) == 500
        for node in server.nodes:
            node.start()
        wait_for_coverage(session, 6, seconds=20)
        assert session.execute(SELECT, [1]).scalar() == "x"


def test_too_few_replicas(face):
    with Cluster(3, 2) as server, face.connect(server, consistency="QUORUM") as session:
        create_table(session, 3)
        server.nodes[0].kill()
        server.nodes[1].kill()
        eventually("one node is left", lambda: session.shards().covered == 2)
        with pytest.raises(exceptions.Unavailable) as caught:
            session.execute(INSERT, [1, "x"])
        error = caught.value
        assert (error.code, error.required, error.alive) == (0x1000, 2, 1)
        assert error.node == server.contact_points[2]
        assert error.consistency == "QUORUM"
        assert error.hint
        session.execute(INSERT, [1, "y"], consistency="ONE")
        server.nodes[0].start()
        server.nodes[1].start()
        wait_for_coverage(session, 6)
        session.execute(INSERT, [1, "z"])
        assert session.execute(SELECT, [1]).scalar() == "z"


def test_a_node_freezes(face):
    """What was sent there ends at its deadline; late answers reach nobody."""
    with Cluster(3, 2) as server, face.connect(server, consistency="ONE") as session:
        create_table(session, 3)
        session.execute_many(INSERT, ([key, f"v{key}"] for key in range(60)), consistency="ALL")
        session.prepare(SELECT)
        with server.nodes[1].paused():
            began = time.monotonic()
            result = session.execute_many(
                SELECT,
                ([key] for key in range(60)),
                timeout=0.4,
                raise_on_error=False,
                results=True,
            )
            took = time.monotonic() - began
        assert 0.4 <= took < 1.4, "each ends at its deadline, none of them waits for another"
        errors = [error for _, error in result.errors]
        assert 5 < len(errors) < 55, "about a third went to the frozen node"
        for error in errors:
            assert type(error) is exceptions.RequestTimeout
            assert error.in_flight
            assert error.timeout == pytest.approx(0.4)
        # The late answers arrive now, on stream ids that nobody waits for any more.
        for _ in range(5):
            again = session.execute_many(SELECT, ([key] for key in range(60)), results=True)
            assert [row.scalar() for row in again.results] == [f"v{key}" for key in range(60)]
        closed = [node.connections_closed for node in session.shards()]
        assert closed == [0, 0, 0], "and the connections are the same"


def test_a_frozen_node_is_given_up_by_keepalive():
    with (
        Cluster(3, 2) as server,
        server.connect(keepalive_interval=0.2, keepalive_timeout=0.2, timeout=10) as session,
    ):
        create_table(session, 3)
        with server.nodes[1].paused():
            address = server.contact_points[1]

            def given_up() -> bool:
                return any(n.address == address and n.covered == 0 for n in session.shards())

            # After 0.4 s, whatever the timeout of connecting is.
            eventually("its connections are given up", given_up, seconds=3)
            # From then on the others do the work.
            result = session.execute_many(INSERT, ([key, "x"] for key in range(100)))
            assert result.succeeded == 100
        wait_for_coverage(session, 6)
