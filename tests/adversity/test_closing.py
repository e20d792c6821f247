"""Closing while requests are under way."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from cluster_help import INSERT, SELECT, create_table, eventually, eventually_async
from shardlane import exceptions
from shardlane.testing import Cluster, faults

EXECUTE = faults.opcode("EXECUTE")
REQUESTS = 100


@pytest.fixture
def server():
    with Cluster(3, 2) as server:
        with server.connect() as session:
            create_table(session, 3)
            session.execute_many(INSERT, ([key, f"v{key}"] for key in range(REQUESTS)))
        yield server


class Readers:
    """Threads that wait for one answer each."""

    def __init__(self, session) -> None:
        self.outcomes: list[object] = []
        self._session = session
        self._threads = [
            threading.Thread(target=self._read, args=(key,), daemon=True) for key in range(REQUESTS)
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, key: int) -> None:
        try:
            self.outcomes.append(self._session.execute(SELECT, [key]).scalar() == f"v{key}")
        except BaseException as error:
            self.outcomes.append(error)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(5)
        assert len(self.outcomes) == REQUESTS, "every request has ended"


def test_requests_under_way_get_time_to_end(server):
    session = server.connect("app")
    session.prepare(SELECT)
    with server.fault(EXECUTE, faults.delay(0.4)) as fault:
        readers = Readers(session)
        eventually("all are under way", lambda: fault.hits == REQUESTS)
        began = time.monotonic()
        session.close(timeout=10)
        assert time.monotonic() - began < 5, "it waits no longer than it has to"
        readers.join()
    assert readers.outcomes == [True] * REQUESTS
    eventually("nothing is left open", lambda: server.stats().connections == 0)


@pytest.mark.parametrize("timeout", [0, 0.3])
def test_requests_without_an_answer_end_with_the_session(server, timeout):
    session = server.connect("app", timeout=None)
    session.prepare(SELECT)
    with server.fault(EXECUTE, faults.silence()) as fault:
        readers = Readers(session)
        eventually("all are under way", lambda: fault.hits == REQUESTS)
        began = time.monotonic()
        session.close(timeout=timeout)
        assert timeout <= time.monotonic() - began < timeout + 1
        readers.join()
    assert {type(outcome) for outcome in readers.outcomes} == {exceptions.SessionClosed}
    eventually("nothing is left open", lambda: server.stats().connections == 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("answered", [False, True])
async def test_in_an_event_loop(server, answered):
    session = await server.aio_connect("app", timeout=None)
    await session.prepare(SELECT)
    reaction = faults.delay(0.3) if answered else faults.silence()
    with server.fault(EXECUTE, reaction) as fault:
        tasks = [asyncio.create_task(session.execute(SELECT, [key])) for key in range(REQUESTS)]
        await eventually_async("all are under way", lambda: fault.hits == REQUESTS)
        began = time.monotonic()
        await session.close(5 if answered else 0.2)
        assert time.monotonic() - began < 2
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    if answered:
        assert [outcome.scalar() for outcome in outcomes] == [f"v{n}" for n in range(REQUESTS)]
    else:
        assert {type(outcome) for outcome in outcomes} == {exceptions.SessionClosed}


def test_frozen_nodes_do_not_hold_up_closing(face, server):
    with face.connect(server, keyspace="app", timeout=None) as session:
        for node in server.nodes:
            node.pause()
        began = time.monotonic()
        session.close(0.5)
        assert time.monotonic() - began < 2
        for node in server.nodes:
            node.resume()


@pytest.mark.asyncio
async def test_frozen_nodes_and_requests_under_way(server):
    session = await server.aio_connect("app", timeout=None)
    # So that each connection has switched to the keyspace already.
    await session.execute_many(SELECT, ([key] for key in range(200)))
    for node in server.nodes:
        node.pause()
    tasks = [asyncio.create_task(session.execute(SELECT, [key])) for key in range(50)]
    await eventually_async(
        "all are under way",
        lambda: sum(shard.in_flight for node in session.shards() for shard in node.shards) == 50,
    )
    began = time.monotonic()
    await session.close(0.5)
    assert 0.5 <= time.monotonic() - began < 2
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {exceptions.SessionClosed}
    for node in server.nodes:
        node.resume()


def test_closing_while_it_is_still_connecting():
    """Pools that fill in the background do not outlive the session."""
    with Cluster(3, 8) as server:
        for node in server.nodes:
            node.set_shard_aware_port("silent")
        session = server.connect(pool_wait=0, connect_timeout=30)
        began = time.monotonic()
        session.close()
        assert time.monotonic() - began < 2
        eventually("nothing is left open", lambda: server.stats().connections == 0)


def test_the_servers_end_first(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 3)
        server.stop()
        with pytest.raises(exceptions.RequestError):
            session.execute(SELECT, [1], timeout=2)
        began = time.monotonic()
        session.close()
        assert time.monotonic() - began < 2
