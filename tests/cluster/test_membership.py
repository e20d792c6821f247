"""Nodes come and go while requests are under way."""

from __future__ import annotations

import pytest

from cluster_help import (
    INSERT,
    SELECT,
    Traffic,
    check_all,
    create_table,
    eventually,
    wait_for_coverage,
)
from shardlane.testing import Cluster


def check_routing(server, session) -> None:
    """With the client's and the server's view of the ring settled, every request is right again."""

    def all_right() -> bool:
        server.reset_stats()
        session.execute_many(SELECT, ([key] for key in range(300)))
        return server.stats().right_shard_percent == 100.0

    eventually("the new ring is known", all_right)
    server.reset_stats()
    session.execute_many(INSERT, ([key, f"value {key}"] for key in range(300)))
    session.execute_many(SELECT, ([key] for key in range(300)))
    stats = server.stats()
    assert stats.total("right_shard") == stats.routable == 600


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_node_is_added_under_load(replicas):
    with Cluster(3, 2) as server, server.connect() as session:
        create_table(session, replicas)
        with Traffic(session) as traffic:
            traffic.await_progress(50)
            added = server.add_node(shards=3)
            wait_for_coverage(session, 9)
            traffic.await_progress(50)
        assert [str(failure) for failure in traffic.failures] == []
        check_all(session, traffic.acknowledged)
        check_routing(server, session)
        arrived = {node.address: node.total("right_shard") for node in server.stats()}
        assert arrived[added.address] > 0, "the new node has its part"
        eventually("no connection in excess", lambda: server.stats().connections == 10)


def test_a_node_is_removed_under_load():
    with Cluster(4, 2) as server, server.connect(idempotent=True) as session:
        create_table(session, 3)
        with Traffic(session) as traffic:
            traffic.await_progress(50)
            removed = server.nodes[1]
            address = f"{removed.address}:{server.port}"
            removed.remove()
            wait_for_coverage(session, 6)
            traffic.await_progress(50)
        # Statements are idempotent here, so even what was under way on that node is repeated.
        assert [str(failure) for failure in traffic.failures] == []
        check_all(session, traffic.acknowledged)
        check_routing(server, session)
        assert address not in [node.address for node in session.cluster.nodes()]
        assert address not in [node.address for node in session.shards()]


def test_the_node_with_the_control_connection_is_removed():
    with Cluster(4, 2) as server, server.connect(idempotent=True) as session:
        create_table(session, 3)
        excess = [node.connections - 2 for node in server.stats()]
        server.nodes[excess.index(1)].remove()
        wait_for_coverage(session, 6)
        # It went over to another node: from there it learns of the next one.
        added = server.add_node()
        wait_for_coverage(session, 8)
        assert f"{added.address}:{server.port}" in [n.address for n in session.cluster.nodes()]
        check_routing(server, session)


def test_an_added_node_can_be_asked_from_both_faces(face):
    with Cluster(2, 2) as server, face.connect(server) as session:
        create_table(session, 1)
        server.add_node()
        wait_for_coverage(session, 6)
        session.execute_many(INSERT, ([key, "x"] for key in range(200)))
        eventually("its shards get requests", lambda: read_all(session, server))


def read_all(session, server) -> bool:
    server.reset_stats()
    session.execute_many(SELECT, ([key] for key in range(200)))
    return all(shard.right_shard for node in server.stats() for shard in node.shards)


def test_a_node_is_stopped_and_started_again_and_again():
    with Cluster(3, 2) as server, server.connect() as session:
        create_table(session, 3)
        for _ in range(3):
            server.nodes[2].stop()
            eventually("its connections are gone", lambda: session.shards().covered == 4)
            server.nodes[2].start()
            wait_for_coverage(session, 6)
        check_routing(server, session)
        eventually("no connection in excess", lambda: server.stats().connections == 7)
