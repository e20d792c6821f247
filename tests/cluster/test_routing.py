"""Requests arrive at the node and the shard that own their partition, by the server's own count."""

from __future__ import annotations

import pytest

from cluster_help import INSERT, SELECT, create_table, eventually, wait_for_coverage
from shardlane import Batch
from shardlane.testing import Cluster

REQUESTS = 300


def send_each_kind(session, offset: int = 0) -> int:
    """Writes and reads of single partitions, in each way there is; returns how many requests."""
    keys = range(offset, offset + REQUESTS)
    for key in keys[:100]:
        session.execute(INSERT, [key, f"v{key}"])
    session.execute_many(INSERT, ([key, f"v{key}"] for key in keys[100:]))
    for key in keys[:100]:
        assert session.execute(SELECT, {"k": key}).scalar() == f"v{key}"
    found = session.execute_many(SELECT, ([key] for key in keys[100:]), results=True)
    assert [result.scalar() for result in found.results] == [f"v{key}" for key in keys[100:]]
    update, delete = "UPDATE t SET v = ? WHERE k = ?", "DELETE FROM t WHERE k = ?"
    for key in keys[:100]:
        batch = Batch("unlogged").add(update, ["new", key]).add(update, ["newer", key])
        session.execute_batch(batch)
        session.execute_batch(Batch("logged").add(INSERT, [key, "newest"]))
    for key in keys[:50]:
        session.execute(delete, [key])
    return 2 * REQUESTS + 200 + 50


def check_all_right(server: Cluster, expected: int) -> None:
    stats = server.stats()
    assert stats.total("wrong_node") == 0, f"\n{stats}"
    assert stats.total("wrong_shard") == 0, f"\n{stats}"
    assert stats.total("right_shard") == expected, f"\n{stats}"
    assert stats.right_shard_percent == stats.right_node_percent == 100.0


@pytest.mark.parametrize("algorithm", ["full", "legacy"])
@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("shards", [4, 8])
def test_every_request_arrives_at_an_owner(face, shards, replicas, algorithm):
    with (
        Cluster(3, shards) as server,
        face.connect(server, shard_awareness=algorithm) as session,
    ):
        create_table(session, replicas)
        wait_for_coverage(session, 3 * shards)
        server.reset_stats()
        check_all_right(server, send_each_kind(session))
        busy = [shard.right_shard for node in server.stats() for shard in node.shards]
        assert min(busy) > 0, "every shard has its part"


def test_nodes_with_different_numbers_of_shards(face):
    with Cluster(3, [3, 5, 4]) as server, face.connect(server) as session:
        create_table(session, 1)
        server.reset_stats()
        check_all_right(server, send_each_kind(session))


@pytest.mark.parametrize("replicas", [1, 3])
def test_nodes_without_shards(face, replicas):
    with Cluster(3, 0) as server, face.connect(server) as session:
        assert not session.shards().is_shard_aware
        assert [node.shard_count for node in session.shards()] == [None] * 3
        create_table(session, replicas)
        assert server.stats().connections == 4
        server.reset_stats()
        expected = send_each_kind(session)
        stats = server.stats()
        assert stats.right_node_percent == 100.0
        assert stats.routable == expected


def test_without_shard_awareness_the_node_is_right_and_the_shard_by_chance(face):
    with Cluster(3, 4) as server, face.connect(server, shard_awareness="off") as session:
        create_table(session, 1)
        server.reset_stats()
        expected = send_each_kind(session)
        stats = server.stats()
        assert stats.right_node_percent == 100.0
        assert stats.routable == expected
        # A quarter by chance: this is what tells that the counters count.
        assert 5 < stats.right_shard_percent < 60


def test_composite_partition_keys(face):
    with Cluster(3, 4) as server, face.connect(server) as session:
        create_table(session, 1)
        session.execute(
            "CREATE TABLE c (a text, b int, c timeuuid, d int, PRIMARY KEY ((a, b), c))"
        )
        insert = "INSERT INTO c (c, b, a, d) VALUES (now(), ?, ?, ?)"
        select = "SELECT d FROM c WHERE b = :b AND a = :a"
        server.reset_stats()
        session.execute_many(insert, ([key, f"key {key % 7}", key] for key in range(200)))
        for key in range(200):
            found = session.execute(select, {"a": f"key {key % 7}", "b": key})
            assert found.scalar() == key
        check_all_right(server, 400)


def test_the_local_datacenter_comes_first(face):
    with (
        Cluster(4, 2, datacenters=[2, 2]) as server,
        face.connect(server, local_datacenter="datacenter2", consistency="LOCAL_ONE") as session,
    ):
        create_table(session, {"datacenter1": 2, "datacenter2": 2})
        wait_for_coverage(session, 8)
        server.reset_stats()
        expected = send_each_kind(session)
        check_all_right(server, expected)
        local = {node.address for node in session.shards() if node.datacenter == "datacenter2"}
        assert len(local) == 2
        for node in server.stats():
            arrived = node.total("right_shard")
            is_local = f"{node.address}:{server.port}" in local
            assert (arrived > 0) == is_local, f"\n{server.stats()}"


def test_a_remote_datacenter_serves_when_the_local_one_is_down():
    with (
        Cluster(4, 2, datacenters=[2, 2]) as server,
        server.connect(local_datacenter="datacenter1", consistency="ONE") as session,
    ):
        create_table(session, {"datacenter1": 2, "datacenter2": 2})
        session.execute(INSERT, [1, "x"], consistency="ALL")
        for node in session.cluster.nodes():
            if node.datacenter == "datacenter1":
                index = server.contact_points.index(node.address)
                server.nodes[index].kill()
        for _ in range(20):
            assert session.execute(SELECT, [1], idempotent=True).scalar() == "x"
        for index in range(4):
            if not server.nodes[index].alive:
                server.nodes[index].start()
        wait_for_coverage(session, 8)


def test_replicas_take_turns(face):
    with Cluster(3, 2) as server, face.connect(server, consistency="ONE") as session:
        create_table(session, 3)
        session.execute(INSERT, [1, "x"])
        session.execute(SELECT, [1])
        server.reset_stats()
        for _ in range(150):
            session.execute(SELECT, [1])
        check_all_right(server, 150)
        shares = [node.total("right_shard") for node in server.stats()]
        assert min(shares) > 15, f"one partition, three replicas: {shares}"


def test_schema_made_by_another_client_is_learnt(face):
    with Cluster(3, 4) as server, face.connect(server) as session:
        with server.connect() as other:
            create_table(other, 1)
        eventually("the keyspace is known", lambda: "app" in session.session.cluster.keyspaces())
        session.execute("USE app")
        server.reset_stats()
        check_all_right(server, send_each_kind(session))
