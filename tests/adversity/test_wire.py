"""What happens on the way: cuts, delays, trickles, garbage and silence."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from pathlib import Path

import pytest

from cluster_help import INSERT, SELECT, create_table, eventually, wait_for_coverage
from load import EXPECTED, check_values, running
from shardlane import exceptions
from shardlane.testing import Cluster
from wire_proxy import WireProxy

NODES, SHARDS = 3, 4
FAST = {"reconnect_delay_min": 0.002, "reconnect_delay_max": 0.05}
# A proxy's mistake would look like the client's: few workers, so that one can be understood.
WORKERS = 8
LOSSES = int(os.environ.get("SHARDLANE_LOSSES", "1000"))


@pytest.fixture(scope="module")
def server():
    with Cluster(NODES, SHARDS) as server:
        with server.connect() as admin:
            create_table(admin, NODES)
        yield server


@pytest.fixture
def proxy(server):
    with WireProxy(server) as proxy:
        yield proxy


def test_a_clear_day(face, server, proxy):
    """Through the proxy too every shard is reached, by its port, and sent what it owns."""
    with face.connect(proxy.contact_points, keyspace="app") as session:
        wait_for_coverage(session, NODES * SHARDS)
        assert proxy.accepted == len(proxy.links) == NODES * SHARDS + 1
        by_shard = server.stats().total("shard_aware_connections")
        assert by_shard == NODES * (SHARDS - 1), "all but the first to each node"
        session.execute(INSERT, [0, "prepares it"])
        server.reset_stats()
        for key in range(100):
            session.execute(INSERT, [key, str(key)])
        assert server.stats().right_shard_percent == 100


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_connections_are_cut_in_the_middle_of_anything(kind, server, proxy):
    options = {"consistency": "QUORUM", "timeout": 2.0, **FAST}
    with running(kind, proxy.contact_points, 3, WORKERS, **options) as (load, session):
        load.await_progress(50)
        proxy.weather.cut_one_in = 100
        load.await_progress(600)
        proxy.weather.cut_one_in = 0
        wait_for_coverage(session, NODES * SHARDS)
        load.await_progress(50)
        assert load.slowest < 3
        eventually("nothing in excess", lambda: len(proxy.links) == NODES * SHARDS + 1)
    assert load.failures, "cuts were noticed"
    assert [repr(e) for e in load.failures if not isinstance(e, EXPECTED)] == []
    with server.connect("app", consistency="QUORUM") as admin:
        check_values(admin, load)


@pytest.mark.parametrize("kind", ["sync", "aio"])
@pytest.mark.parametrize(("delay", "piece"), [(0.02, 0), (0.0, 3), (0.005, 100)])
def test_slow_and_trickling_connections(kind, server, proxy, delay, piece):
    proxy.weather.delay, proxy.weather.piece_bytes = delay, piece
    options = {"consistency": "QUORUM", "timeout": 10.0, "connect_timeout": 10.0}
    with running(kind, proxy.contact_points, 4, WORKERS, **options) as (load, session):
        wait_for_coverage(session, NODES * SHARDS)
        load.await_progress(100)
        assert len(proxy.links) == proxy.accepted == NODES * SHARDS + 1, "nothing was given up"
    assert load.failures == [], load.failures


@contextlib.contextmanager
def noting(errors: list[Exception]):
    try:
        yield
    except exceptions.ShardlaneError as error:
        errors.append(error)


def test_garbled_answers(face, server, proxy):
    """Protocol v4 has no checksums, so a value may change unseen; but nothing breaks or hangs."""
    # A garbled length leaves a connection waiting for what never comes.
    quick = {"timeout": 0.2, "keepalive_interval": 0.1, "keepalive_timeout": 0.1, **FAST}
    with face.connect(proxy.contact_points, keyspace="app", **quick) as session:
        wait_for_coverage(session, NODES * SHARDS)
        statement = session.prepare(SELECT)
        errors: list[Exception] = []
        proxy.weather.garble_one_in = 4
        for key in range(200):
            with noting(errors):
                session.execute(statement, [key], idempotent=True)
        proxy.weather.garble_one_in = 0
        assert errors, "some of it was noticed"
        internal = [e for e in errors if isinstance(e, exceptions.InternalError)]
        assert internal == []
        # A stream whose answer was lost may be an orphan for as long as its connection lives.
        wanted = proxy.accepted + NODES * SHARDS + 1
        proxy.cut_all()
        # Until it is noticed that they are gone all shards seem to be covered.
        eventually("all are made anew", lambda: proxy.accepted >= wanted)
        wait_for_coverage(session, NODES * SHARDS)
        session.execute(INSERT, [7, "seven"], timeout=5)
        assert session.execute(SELECT, [7], timeout=5).scalar() == "seven"


def test_nothing_passes_for_a_while(face, server, proxy):
    """What was under way ends by its deadline; afterwards all goes on over the same connections."""
    with face.connect(proxy.contact_points, keyspace="app", timeout=0.3) as session:
        wait_for_coverage(session, NODES * SHARDS)
        session.execute(INSERT, [1, "one"])
        proxy.weather.is_stopped = True
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(exceptions.RequestTimeout):
                session.execute(SELECT, [1])
        assert time.monotonic() - began < 3 * 0.3 + 1
        proxy.weather.is_stopped = False
        found = eventually("answers again", lambda: attempt(session))
        assert found == "one"
        assert proxy.accepted == NODES * SHARDS + 1, "no connection was given up"


def attempt(session):
    with contextlib.suppress(exceptions.RequestTimeout):
        return session.execute(SELECT, [1]).scalar()


def test_a_silent_network_is_given_up(face, server, proxy):
    with face.connect(
        proxy.contact_points,
        keyspace="app",
        timeout=0.3,
        keepalive_interval=0.2,
        keepalive_timeout=0.2,
        connect_timeout=0.3,
        **FAST,
    ) as session:
        wait_for_coverage(session, NODES * SHARDS)
        proxy.weather.is_stopped = True
        eventually("all connections are given up", lambda: session.shards().connections == 0)
        with pytest.raises((exceptions.NoHostAvailable, exceptions.RequestTimeout)):
            session.execute("SELECT key FROM system.local")
        proxy.weather.is_stopped = False
        wait_for_coverage(session, NODES * SHARDS)
        assert session.execute("SELECT key FROM system.local").scalar() == "local"


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(300)
def test_a_thousand_losses_in_a_row(face, server):
    """Each time the pools are whole again, and what is held does not grow."""
    with (
        WireProxy(server) as proxy,
        face.connect(
            proxy.contact_points,
            keyspace="app",
            reconnect_delay_min=0.001,
            reconnect_delay_max=0.002,
        ) as session,
    ):
        wait_for_coverage(session, NODES * SHARDS)
        size = 0
        for number in range(LOSSES):
            accepted = proxy.accepted
            proxy.cut_one()
            ends_at = time.monotonic() + 10
            while proxy.accepted == accepted or not (
                session.shards().is_fully_covered and len(proxy.links) == NODES * SHARDS + 1
            ):
                assert time.monotonic() < ends_at, f"not whole after loss {number}"
                time.sleep(0.0005)
            if number == LOSSES // 5:
                gc.collect()
                size = resident_bytes()
        gc.collect()
        growth = resident_bytes() - size
        assert growth < 8 << 20, f"{growth >> 10} KB more after {LOSSES} losses"
        # One attempt for each loss: no storm, and nothing in vain.
        assert proxy.accepted <= LOSSES * 1.1 + NODES * SHARDS + 1
        assert session.execute("SELECT key FROM system.local").scalar() == "local"


def test_nodes_with_many_shards(face):
    """The bound on simultaneous attempts to a node holds, and is made use of."""
    shards = 64
    with Cluster(2, shards) as server, WireProxy(server) as proxy:
        proxy.weather.delay = 0.005
        with face.connect(proxy.contact_points, pool_wait=20) as session:
            assert session.shards().is_fully_covered
            assert proxy.accepted == len(proxy.links) == 2 * shards + 1, "none in vain"
            # Eight for the pool, and one for the control connection.
            for node in (0, 1):
                assert 4 < proxy.attempts_max[node] <= 9, proxy.attempts_max
            # All at once they come back no more wildly.
            proxy.attempts_max.clear()
            proxy.cut_all()
            # Until it is noticed that they are gone all shards seem to be covered.
            eventually("all are made anew", lambda: proxy.accepted >= 2 * (2 * shards + 1), 30)
            wait_for_coverage(session, 2 * shards, 30)
            for node in (0, 1):
                assert 4 < proxy.attempts_max[node] <= 9, proxy.attempts_max
            eventually("none in excess", lambda: len(proxy.links) == 2 * shards + 1)
