"""What only ScyllaDB has: resharding, host ids, versions of tablets, zero-token nodes."""

from __future__ import annotations

import collections

import pytest
from tablet_help import create_table as create_tablet_table
from tablet_help import misses, read_all, write_all

from cluster_help import INSERT, KEYSPACE, SELECT, create_table, eventually, wait_for_coverage
from shardlane import exceptions
from shardlane.testing import Cluster, faults


def all_right(server: Cluster, session) -> bool:
    server.reset_stats()
    read_all(session)
    return server.stats().right_shard_percent == 100.0


@pytest.mark.parametrize("shards", [7, 2, 1])
def test_a_node_that_comes_back_with_another_number_of_shards(face, shards):
    with Cluster(3, 4) as server, face.connect(server) as session:
        create_table(session, 1)
        write_all(session)
        wait_for_coverage(session, 12)
        node = server.nodes[1]
        node.kill()
        node.start(shards)
        wait_for_coverage(session, 8 + shards)
        address = server.contact_points[1]
        counts = {n.address: n.shard_count for n in session.shards()}
        assert counts[address] == shards
        assert all_right(server, session), f"\n{server.stats()}"


@pytest.mark.parametrize("warm_up", [True, False])
def test_tablets_known_in_advance_cost_no_request(face, warm_up):
    with Cluster(3, 4) as server, server.connect() as writer:
        create_tablet_table(writer, 2, 16)
        write_all(writer)
        with face.connect(server, keyspace=KEYSPACE, tablet_warm_up=warm_up) as session:
            wait_for_coverage(session, 12)
            astray = misses(server, lambda: read_all(session))
            assert (astray == 0) == warm_up


def test_another_node_than_the_one_that_was_meant_is_not_used(face):
    with Cluster(3, 2) as server:
        mislead = faults.opcode("OPTIONS") & faults.node(1)
        with (
            server.fault(mislead, faults.wrong_host()) as fault,
            face.connect(server, pool_wait=0.5, reconnect_delay_max=0.1) as session,
        ):
            create_table(session, 3)
            for key in range(50):
                session.execute(INSERT, [key, "x"])
            assert server.stats().nodes[1].routable == 0
            (node,) = [n for n in session.shards() if n.address == server.contact_points[1]]
            assert not node.connections
            assert "has answered at the address of node" in str(node.last_error)
            assert fault.hits > 0
            fault.remove()
            wait_for_coverage(session, 6)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_node_without_tokens_serves_only_if_that_is_wanted(face, wanted):
    with Cluster(2, 2) as server:
        server.add_node(vnodes=0)
        with face.connect(server, zero_token_nodes=wanted) as session:
            assert len(session.shards()) == (3 if wanted else 2)
            create_table(session, 1)
            wait_for_coverage(session, 6 if wanted else 4)
            write_all(session)
            assert all_right(server, session)
            server.reset_stats()
            for _ in range(20):
                session.execute("SELECT key FROM system.local")
            assert server.stats().nodes[2].total("operations") == 0, "there are others"
            for node in server.nodes[:2]:
                node.kill()
            if wanted:
                ask = "SELECT host_id FROM system.local"
                eventually("it answers", lambda: answers(session, ask))


def answers(session, text: str) -> bool:
    try:
        return session.execute(text, timeout=2.0).scalar() is not None
    except Exception:
        return False


def test_versions_correct_what_is_old_and_put_the_leader_first(face):
    with Cluster(3, 4, tablets_routing="v2") as server, face.connect(server) as session:
        create_tablet_table(session, 1, 8)
        write_all(session)
        read_all(session)
        assert misses(server, lambda: read_all(session)) == 0
        for tablet in server.tablets(KEYSPACE, "t"):
            ((node, shard),) = tablet.replicas
            server.migrate_tablet(KEYSPACE, "t", tablet.last, node, ((node + 1) % 3, shard))
        # One look in sixteen shows what is the same by chance.
        assert 0 < misses(server, lambda: read_all(session)) <= 8 * 5
        assert misses(server, lambda: read_all(session)) == 0


def test_transactions_go_to_the_leader_where_versions_tell_it(face):
    with Cluster(3, 2, tablets_routing="v2") as server, face.connect(server) as session:
        create_tablet_table(session, 3, 8)
        update = "UPDATE t SET v = ? WHERE k = ? IF v = ?"
        for key in range(64):
            session.execute(update, ["1", key, "0"])
        # By now each tablet has been corrected.
        for key in range(64):
            session.execute(update, ["1", key, "0"])
        server.reset_stats()
        for key in range(64):
            session.execute(update, ["1", key, "0"])
        stats = server.stats()
        assert [node.total("right_shard") for node in stats] == [64, 0, 0], "up for longest"
        assert stats.total("forwarded") < 64 * 4, "nobody passes it on to a leader"


def test_queries_of_system_tables_tell_how_long_they_may_take(face):
    with Cluster(1, 1) as server:
        told = faults.opcode("QUERY") & faults.text("USING TIMEOUT 1500ms")
        with (
            server.fault(told, faults.delay(0.0)) as fault,
            face.connect(server, metadata_request_timeout=1.5),
        ):
            assert fault.hits >= 3


def test_too_many_requests_for_one_partition_are_refused(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 3)
        session.execute(
            "CREATE TABLE limited (k int PRIMARY KEY, v int) WITH per_partition_rate_limit ="
            " {'max_writes_per_second': 2, 'max_reads_per_second': 1}"
        )
        insert = "INSERT INTO limited (k, v) VALUES (?, ?)"
        select = "SELECT v FROM limited WHERE k = ?"

        def refused(text: str, values: list[int]) -> exceptions.RateLimitReached:
            # A second may pass between any two of them.
            many = ((text, values) for _ in range(100))
            with pytest.raises(exceptions.RateLimitReached) as caught:
                collections.deque((session.execute(*one) for one in many), maxlen=0)
            return caught.value

        error = refused(insert, [1, 1])
        assert (error.operation, error.rejected_by_coordinator) == ("write", True)
        assert "Per-partition rate limit reached for write in table app.limited" in str(error)
        assert len(error.attempts) == 1, "nobody repeats it of his own accord"
        assert refused(select, [1]).operation == "read"
        for key in range(2, 20):
            session.execute(insert, [key, 1])


def test_log_tables_of_cdc_are_routed_by_their_stream_ids(face):
    with Cluster(3, 4) as server, face.connect(server) as session:
        create_table(session, 1)
        session.execute(
            'CREATE TABLE t_scylla_cdc_log ("cdc$stream_id" blob, n int,'
            ' PRIMARY KEY ("cdc$stream_id", n))'
        )
        insert = 'INSERT INTO t_scylla_cdc_log ("cdc$stream_id", n) VALUES (?, ?)'
        select = 'SELECT n FROM t_scylla_cdc_log WHERE "cdc$stream_id" = :stream'
        streams = [n.to_bytes(8, "big") + bytes(8) for n in range(0, 2**64, 2**58)]
        server.reset_stats()
        for stream in streams:
            session.execute(insert, [stream, 1])
            assert session.execute(select, {"stream": stream}).scalar() == 1
        stats = server.stats()
        assert stats.total("right_shard") == 2 * len(streams), f"\n{stats}"


def test_requests_of_strongly_consistent_tables_go_to_the_leader(face):
    with Cluster(3, 2, tablets_routing="v2") as server, face.connect(server) as session:
        session.execute(
            "CREATE KEYSPACE strong WITH replication = {'class': 'NetworkTopologyStrategy',"
            " 'replication_factor': 3} AND tablets = {'enabled': true} AND consistency = 'global'"
        )
        session.execute("USE strong")
        session.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
        write_all(session)
        read_all(session)
        for consistency, to_leader in [("QUORUM", True), ("LOCAL_QUORUM", True), ("ONE", False)]:
            server.reset_stats()
            for key in range(100):
                session.execute(SELECT, [key], consistency=consistency)
            arrived = [node.total("right_shard") for node in server.stats()]
            assert sum(arrived) == 100
            # The node that has been up for longest leads.
            assert (arrived[0] == 100) == to_leader, arrived
