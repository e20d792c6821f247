"""Contact points that are dead, deaf or unknown; and many clients that connect at once."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import shardlane
from cluster_help import SELECT, create_table, eventually, wait_for_coverage
from shardlane import exceptions
from shardlane.testing import Cluster, faults

PROCESS_ATTEMPTS_MAX = 64
"""Simultaneous connection attempts of a process (crates/shardlane-io/src/client.rs)."""


@contextlib.contextmanager
def deaf_port():
    """A port where connecting neither succeeds nor fails: a host that drops what is sent to it."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def refused_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


def test_dead_contact_points_among_good_ones(face):
    with Cluster(3, 2) as server, deaf_port() as deaf:
        points = [refused_port(), deaf, "nowhere.invalid:9042", server.contact_points[2]]
        began = time.monotonic()
        with face.connect(points, connect_timeout=1) as session:
            assert time.monotonic() - began < 10
            wait_for_coverage(session, 6)
            assert len(session.session.cluster.nodes()) == 3
            create_table(session, 3)
            assert session.execute(SELECT, [1]).one() is None


def test_the_reasons_name_each_contact_point(face):
    with deaf_port() as deaf:
        refused = refused_port()
        began = time.monotonic()
        with (
            pytest.raises(exceptions.NoHostAvailable) as caught,
            face.connect([refused, deaf, "nowhere.invalid:9042"], connect_timeout=0.5),
        ):
            pytest.fail("there is nobody to connect to")
        assert time.monotonic() - began < 10
    reasons = caught.value.reasons
    # What is wrong with a name concerns all its ports.
    assert set(reasons) == {refused, deaf, "nowhere.invalid"}
    assert "refused" in reasons[refused].lower()
    assert "0.5" in reasons[deaf] or "500ms" in reasons[deaf], reasons[deaf]
    for point in reasons:
        assert point in str(caught.value)
    assert "check the addresses" in caught.value.hint


@pytest.mark.parametrize("timeout", [0.2, 0.6])
def test_connecting_ends_in_time(face, timeout):
    with deaf_port() as deaf:
        began = time.monotonic()
        with (
            pytest.raises(exceptions.NoHostAvailable),
            face.connect([deaf], connect_timeout=timeout),
        ):
            pytest.fail("there is nobody to connect to")
        assert timeout <= time.monotonic() - began < timeout + 1


def test_a_cluster_object_can_be_used_after_it_failed_to_connect():
    with Cluster(2, 2) as server, shardlane.Cluster(server.contact_points) as client:
        for node in server.nodes:
            node.kill()
        with pytest.raises(exceptions.NoHostAvailable):
            client.connect()
        for node in server.nodes:
            node.start()

        def connected():
            with contextlib.suppress(exceptions.NoHostAvailable):
                return client.connect()

        session = eventually("it connects", connected)
        wait_for_coverage(session, 4)


def test_a_frozen_contact_point(face):
    with Cluster(3, 2) as server, server.nodes[0].paused():
        began = time.monotonic()
        with face.connect(server, connect_timeout=0.5, pool_wait=0.5) as session:
            assert time.monotonic() - began < 4
            assert session.execute("SELECT key FROM system.local").scalar() == "local"
            assert session.shards().covered == 4


def test_slow_servers_are_waited_for(face):
    with (
        Cluster(2, 2) as server,
        server.fault(faults.opcode("OPTIONS") | faults.opcode("STARTUP"), faults.delay(0.2)),
        face.connect(server) as session,
    ):
        wait_for_coverage(session, 4)


def sockets_to(port: int) -> set[str]:
    """The sockets of this machine that are connecting or connected to this port, by inode."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, _, _, _, _, _, inode, *_ = line.split()
        # 01: established, 02: SYN sent.
        if state in ("01", "02") and int(remote.partition(":")[2], 16) == port:
            found.add(inode)
    return found


def attempts_under_way(port: int) -> int:
    """How many there are at one moment.

    The list is not taken at one moment, but what is in two lists was there between them.
    """
    return len(sockets_to(port) & sockets_to(port))


@pytest.mark.skipif(sys.platform != "linux", reason="counts sockets in /proc/net/tcp")
def test_many_clients_at_once_are_no_storm():
    """40 clients want 6 shard-aware connections to each of 2 nodes, and nobody answers there."""
    with Cluster(2, 7) as server, contextlib.ExitStack() as clients:
        assert server.shard_aware_port is not None
        port = server.shard_aware_port
        for node in server.nodes:
            node.set_shard_aware_port("silent")
        sessions: list[shardlane.Session] = []
        failures: list[BaseException] = []

        def connect() -> None:
            try:
                sessions.append(server.connect(connect_timeout=1.0, pool_wait=0.1))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=connect) for _ in range(40)]
        for thread in threads:
            thread.start()
        most = 0

        def all_covered() -> bool:
            nonlocal most
            most = max(most, attempts_under_way(port))
            return len(sessions) == 40 and all(s.shards().is_fully_covered for s in sessions)

        eventually("all shards of all clients are covered", all_covered, 45, every=0.002)
        for session in sessions:
            clients.callback(session.close)
        for thread in threads:
            thread.join()
        assert failures == []
        assert 30 < most <= PROCESS_ATTEMPTS_MAX, "the bound is reached, and is one"
        eventually("nothing in excess", lambda: server.stats().connections == 40 * 15)


def test_many_clients_at_once():
    with Cluster(3, 4) as server, contextlib.ExitStack() as clients:
        with ThreadPoolExecutor(30) as pool:
            sessions = list(pool.map(lambda _: server.connect(), range(30)))
        for session in sessions:
            clients.enter_context(session)
        for session in sessions:
            wait_for_coverage(session, 12)
        stats = server.stats()
        assert stats.connections == stats.total("connections_opened") == 30 * 13
