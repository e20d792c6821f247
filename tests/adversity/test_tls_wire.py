"""What happens on the way to encrypted connections: cuts, trickles, garbage."""

from __future__ import annotations

import pytest

from cluster_help import create_table, eventually, wait_for_coverage
from load import EXPECTED, check_values, running
from shardlane import TLS
from shardlane.testing import Cluster
from wire_proxy import WireProxy

NODES, SHARDS = 2, 3
WORKERS = 8


@pytest.fixture(scope="module")
def server():
    with Cluster(NODES, SHARDS, tls=True) as server:
        with server.connect() as admin:
            create_table(admin, NODES)
        yield server


@pytest.fixture
def proxy(server):
    with WireProxy(server, encrypted=True) as proxy:
        yield proxy


@pytest.fixture
def options(server, proxy):
    return {
        # Nobody's certificate is for the proxy's addresses.
        "tls": TLS(ca_data=server.ca_pem, server_name="cluster.shardlane.test"),
        "address_translation": proxy.translation,
        "consistency": "QUORUM",
        "reconnect_delay_min": 0.002,
        "reconnect_delay_max": 0.05,
    }


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_connections_are_cut_in_the_middle_of_anything(kind, server, proxy, options):
    with running(kind, proxy.contact_points, 3, WORKERS, timeout=2.0, **options) as (load, session):
        load.await_progress(50)
        proxy.weather.cut_one_in = 50
        load.await_progress(300)
        proxy.weather.cut_one_in = 0
        wait_for_coverage(session, NODES * SHARDS)
        load.await_progress(50)
        eventually("nothing in excess", lambda: len(proxy.links) == NODES * SHARDS + 1)
    assert load.failures, "cuts were noticed"
    assert [repr(e) for e in load.failures if not isinstance(e, EXPECTED)] == []
    with server.connect("app", consistency="QUORUM") as admin:
        check_values(admin, load)


@pytest.mark.parametrize("kind", ["sync", "aio"])
@pytest.mark.parametrize(("delay", "piece"), [(0.0, 7), (0.005, 100)])
def test_slow_and_trickling_connections(kind, server, proxy, options, delay, piece):
    proxy.weather.delay, proxy.weather.piece_bytes = delay, piece
    slow = {**options, "timeout": 20.0, "connect_timeout": 20.0, "pool_wait": 20.0}
    with running(kind, proxy.contact_points, 4, WORKERS, **slow) as (load, session):
        wait_for_coverage(session, NODES * SHARDS)
        load.await_progress(50)
        assert len(proxy.links) == proxy.accepted == NODES * SHARDS + 1, "nothing was given up"
    assert load.failures == [], load.failures


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_garbage_is_never_taken_for_an_answer(kind, server, proxy, options):
    """Whatever was changed on the way ends the connection, and all values are right."""
    with running(kind, proxy.contact_points, 5, WORKERS, timeout=2.0, **options) as (load, session):
        load.await_progress(50)
        proxy.weather.garble_one_in = 20
        load.await_progress(300)
        proxy.weather.garble_one_in = 0
        wait_for_coverage(session, NODES * SHARDS)
        load.await_progress(50)
    assert load.failures, "it was noticed"
    assert [repr(e) for e in load.failures if not isinstance(e, EXPECTED)] == []
    assert any("TLS failed" in str(e) for e in load.failures)
    with server.connect("app", consistency="QUORUM") as admin:
        check_values(admin, load)
