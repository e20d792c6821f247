"""How many connections there are, and where, by the server's own count."""

from __future__ import annotations

import pytest

import shardlane
from cluster_help import KEYSPACE, SELECT, create_table, eventually, wait_for_coverage
from shardlane.testing import Cluster


def check_one_each(server: Cluster, shards: list[int], per_shard: int = 1) -> None:
    """One pooled connection to each shard, and the control connection somewhere."""
    stats = server.stats()
    assert [len(node.shards) for node in stats] == shards
    excess = [shard.connections - per_shard for node in stats for shard in node.shards]
    assert sorted(excess) == [0] * (sum(shards) - 1) + [1], f"one too many is control's\n{stats}"


@pytest.mark.parametrize("shards", [4, 8])
def test_one_for_each_shard_and_none_in_vain(face, shards):
    with Cluster(3, shards) as server, face.connect(server) as session:
        wait_for_coverage(session, 3 * shards)
        create_table(session, 1)
        for key in range(100):
            session.execute(SELECT, [key])
        stats = server.stats()
        check_one_each(server, [shards] * 3)
        assert stats.total("connections_opened") == 3 * shards + 1
        assert stats.total("connections_closed") == 0
        # The first connection to a node is by the normal port: it tells how many shards there are.
        assert stats.total("shard_aware_connections_opened") == 3 * (shards - 1)
        for node in session.shards():
            ways = [way for shard in node.shards for way in shard.algorithms]
            assert sorted(ways) == ["first"] + ["shard-aware port"] * (shards - 1)
            assert (node.connections_opened, node.connections_closed) == (shards, 0)
            assert not node.shard_aware_port_blocked


def test_connecting_waits_for_all_shards(face):
    with Cluster(3, 8) as server, face.connect(server) as session:
        assert session.shards().is_fully_covered
        assert "24 of 24 shards" in repr(session.session)


def test_nodes_with_different_numbers_of_shards(face):
    with Cluster(3, [3, 5, 4]) as server, face.connect(server) as session:
        wait_for_coverage(session, 12)
        assert [node.shard_count for node in session.shards()] == [3, 5, 4]
        check_one_each(server, [3, 5, 4])
        assert server.stats().total("connections_opened") == 13


def test_several_connections_for_each_shard():
    with Cluster(2, 3) as server, server.connect(connections_per_shard=2) as session:
        wait_for_coverage(session, 6)
        eventually("two connections each", lambda: session.shards().connections == 12)
        check_one_each(server, [3, 3], per_shard=2)
        stats = server.stats()
        assert (stats.total("connections_opened"), stats.total("connections_closed")) == (13, 0)


def test_connections_for_each_host():
    with Cluster(2, 4) as server, server.connect(connections_per_host=2) as session:
        eventually("two connections per host", lambda: session.shards().connections == 4)
        assert server.stats().connections == 5
        create_table(session, 1)
        result = session.execute_many(SELECT, ([key] for key in range(100)))
        assert result.succeeded == 100


@pytest.mark.parametrize("random_shard", [False, True])
def test_the_legacy_algorithm_closes_its_excess(face, random_shard):
    with (
        Cluster(3, 4, random_shard=random_shard) as server,
        face.connect(server, shard_awareness="legacy") as session,
    ):
        wait_for_coverage(session, 12)
        eventually("excess connections are closed", lambda: server.stats().connections == 13)
        check_one_each(server, [4, 4, 4])
        assert server.stats().total("shard_aware_connections_opened") == 0
        opened = server.stats().total("connections_opened")
        # At most 10 times as many excess connections as there are shards.
        assert 13 <= opened <= 13 + 3 * 4 * 10
        ways = {way for node in session.shards() for s in node.shards for way in s.algorithms}
        assert ways == {"first", "legacy"}


def test_a_cluster_without_a_shard_aware_port(face):
    with Cluster(3, 4, shard_aware_port=None) as server, face.connect(server) as session:
        wait_for_coverage(session, 12)
        eventually("excess connections are closed", lambda: server.stats().connections == 13)


def test_without_shard_awareness_there_is_one_for_each_node(face):
    with Cluster(3, 4) as server, face.connect(server, shard_awareness="off") as session:
        eventually("three connections", lambda: session.shards().connections == 3)
        assert not session.shards().is_shard_aware
        assert server.stats().connections == 4
        assert server.stats().total("connections_opened") == 4


def test_random_shards_do_not_matter_with_the_shard_aware_port(face):
    with Cluster(3, 4, random_shard=True) as server, face.connect(server) as session:
        wait_for_coverage(session, 12)
        eventually("nothing in excess", lambda: server.stats().connections == 13)
        check_one_each(server, [4, 4, 4])
        assert server.stats().total("connections_closed") == 0


def test_sessions_share_the_pools_of_their_cluster_object():
    with Cluster(3, 4) as server, shardlane.Cluster(server.contact_points) as client:
        sessions = [client.connect() for _ in range(5)]
        create_table(sessions[0], 1)
        others = [client.connect(KEYSPACE) for _ in range(5)]
        for session in others:
            session.execute_many(SELECT, ([key] for key in range(20)))
        stats = server.stats()
        assert stats.connections == stats.total("connections_opened") == 13
        for session in sessions + others:
            session.close()
        assert server.stats().connections == 13
    # The other way round: each connect() has its own.
    with Cluster(1, 2) as server, server.connect(), server.connect():
        assert server.stats().connections == 6


def test_all_connections_are_closed_at_the_end(face):
    with Cluster(3, 4) as server:
        with face.connect(server):
            assert server.stats().connections == 13
        eventually("nothing is left open", lambda: server.stats().connections == 0)


def test_the_client_counts_as_the_server_does(face):
    with Cluster(2, 3) as server, face.connect(server) as session:
        create_table(session, 2)
        session.execute(SELECT, [0])
        server.reset_stats()
        before = {
            (node.address, shard.shard): shard.requests
            for node in session.shards()
            for shard in node.shards
        }
        session.execute_many(SELECT, ([key] for key in range(500)))
        for ours, theirs in zip(session.shards(), server.stats(), strict=True):
            assert ours.address == f"{theirs.address}:{server.port}"
            assert str(ours.host_id) == theirs.host_id
            assert ours.shard_count == len(theirs.shards)
            for mine, its in zip(ours.shards, theirs.shards, strict=True):
                assert mine.shard == its.shard
                sent = mine.requests - before[ours.address, mine.shard]
                assert sent == its.right_shard > 0
                assert (mine.in_flight, mine.errors) == (0, 0)
