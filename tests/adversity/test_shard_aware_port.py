"""The shard-aware port of one node misbehaves: all its shards are covered all the same.

That it is used again when the block of five minutes ends is shown in virtual time, in the
simulation of shardlane-proto.
"""

from __future__ import annotations

import pytest

from cluster_help import (
    SELECT,
    Traffic,
    check_all,
    create_table,
    eventually,
    wait_for_coverage,
)
from shardlane.testing import Cluster

STATES = ["refused", "dropped", "silent", "nat"]


def is_blocked(server, session, index: int) -> bool:
    address = server.contact_points[index]
    blocked = {node.address: node.shard_aware_port_blocked for node in session.shards()}
    return blocked[address]


@pytest.mark.parametrize("state", STATES)
def test_from_the_start(face, state):
    with Cluster(3, 4) as server:
        server.nodes[1].set_shard_aware_port(state)
        with face.connect(server, connect_timeout=0.5) as session:
            create_table(session, 1)
            server.reset_stats()
            # Nothing is lost while it is still looking for another way.
            result = session.execute_many(SELECT, ([key] for key in range(500)))
            assert (result.count, result.errors) == (500, ())
            assert server.stats().right_node_percent == 100.0
            wait_for_coverage(session, 12)
            assert [is_blocked(server, session, index) for index in range(3)] == [
                False,
                True,
                False,
            ]
            assert "(port blocked)" in str(session.shards())
            ways = {
                node.address: {way for shard in node.shards for way in shard.algorithms}
                for node in session.shards()
            }
            for index, address in enumerate(server.contact_points):
                second = "legacy" if index == 1 else "shard-aware port"
                # A connection that was led astray may stay on a shard that had none.
                others = {"first", "shard-aware port"} if state == "nat" else {"first"}
                assert {second} <= ways[address] <= {second} | others, (address, ways)
            server.reset_stats()
            session.execute_many(SELECT, ([key] for key in range(500)))
            assert server.stats().right_shard_percent == 100.0
            eventually("nothing in excess", lambda: server.stats().connections == 13)


@pytest.mark.parametrize("state", STATES)
def test_for_a_node_that_was_down(face, state):
    with (
        Cluster(3, 4) as server,
        face.connect(server, connect_timeout=0.5, idempotent=True) as session,
    ):
        create_table(session, 3)
        assert not is_blocked(server, session, 2)
        server.nodes[2].kill()
        eventually("its connections are gone", lambda: session.shards().covered == 8)
        server.nodes[2].start()
        server.nodes[2].set_shard_aware_port(state)
        for key in range(200):
            session.execute(SELECT, [key])
        wait_for_coverage(session, 12)


@pytest.mark.parametrize("state", STATES)
def test_under_load_and_open_again(state):
    with Cluster(3, 2) as server, server.connect(connect_timeout=0.5, idempotent=True) as session:
        create_table(session, 3)
        with Traffic(session) as traffic:
            traffic.await_progress(20)
            server.nodes[0].set_shard_aware_port(state)
            server.nodes[0].kill()
            traffic.await_progress(100)
            server.nodes[0].start()
            wait_for_coverage(session, 6)
            traffic.await_progress(100)
            server.nodes[0].set_shard_aware_port("open")
            server.nodes[0].kill()
            server.nodes[0].start()
            traffic.await_progress(100)
            wait_for_coverage(session, 6)
        assert [str(failure) for failure in traffic.failures] == []
        check_all(session, traffic.acknowledged)


@pytest.mark.parametrize("state", STATES)
def test_of_all_nodes(state):
    with Cluster(3, 4) as server:
        for node in server.nodes:
            node.set_shard_aware_port(state)
        with server.connect(connect_timeout=0.3) as session:
            wait_for_coverage(session, 12)
            assert all(node.shard_aware_port_blocked for node in session.shards())
            create_table(session, 1)
            server.reset_stats()
            session.execute_many(SELECT, ([key] for key in range(300)))
            assert server.stats().right_shard_percent == 100.0


def test_no_source_port_is_free(face):
    """Two source ports cannot serve four shards of three nodes: the legacy algorithm does."""
    with (
        Cluster(3, 4) as server,
        face.connect(server, source_ports=(50_001, 50_002)) as session,
    ):
        create_table(session, 1)
        wait_for_coverage(session, 12)
        server.reset_stats()
        session.execute_many(SELECT, ([key] for key in range(300)))
        assert server.stats().right_shard_percent == 100.0
