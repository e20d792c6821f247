"""Tables with tablets: how many requests go astray until a client knows where each tablet lies."""

from __future__ import annotations

import random

import pytest
from tablet_help import KEYS, create_table, misses, read_all, write_all

from cluster_help import INSERT, KEYSPACE, SELECT, Traffic, check_all, eventually, wait_for_coverage
from shardlane import Batch
from shardlane.exceptions import ConfigurationError
from shardlane.testing import Cluster, faults


@pytest.mark.parametrize("routing", ["v1", "off"])
@pytest.mark.parametrize("replicas", [1, 3])
def test_each_tablet_is_learned_by_one_request_that_goes_astray(face, replicas, routing):
    with Cluster(3, 4, tablets_routing=routing) as server, face.connect(server) as session:
        create_table(session, replicas, 16)
        wait_for_coverage(session, 12)
        tablets = len(server.tablets(KEYSPACE, "t"))
        assert tablets == 16
        first = misses(server, lambda: write_all(session))
        if routing == "off":
            assert first > 4 * tablets, "the ring knows nothing of tablets"
            return
        assert 0 < first <= tablets
        for _ in range(3):
            assert misses(server, lambda: read_all(session)) == 0
        used = [shard.right_shard for node in server.stats() for shard in node.shards]
        assert min(used) > 0, "every shard has its part"


def test_a_tablet_that_has_moved_costs_one_request_and_no_data(face):
    with Cluster(3, 4) as server, face.connect(server) as session:
        create_table(session, 1, 8)
        write_all(session)
        read_all(session)
        for turn in range(3):
            for tablet in server.tablets(KEYSPACE, "t"):
                ((node, shard),) = tablet.replicas
                target = (node, (shard + 1) % 4) if turn == 1 else ((node + 1) % 3, shard)
                server.migrate_tablet(KEYSPACE, "t", tablet.last, node, target)
            assert 0 < misses(server, lambda: read_all(session)) <= 8
            assert misses(server, lambda: write_all(session)) == 0


def test_a_split_costs_nothing_until_the_halves_move(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 1, 4)
        write_all(session)
        read_all(session)
        assert server.split_tablets(KEYSPACE, "t") == 8
        assert misses(server, lambda: read_all(session)) == 0
        for tablet in server.tablets(KEYSPACE, "t")[::2]:
            ((node, shard),) = tablet.replicas
            server.migrate_tablet(KEYSPACE, "t", tablet.last, node, ((node + 1) % 3, shard))
        # A half that has moved is learned, and the other one, which was known with it, again.
        assert 4 <= misses(server, lambda: read_all(session)) <= 8
        assert misses(server, lambda: read_all(session)) == 0


def test_tablets_that_follow_nodes_are_learned_again(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 2, 16)
        write_all(session)
        read_all(session)
        server.add_node()
        wait_for_coverage(session, 8)
        assert 0 < misses(server, lambda: read_all(session)) <= 16
        server.nodes[0].remove()
        wait_for_coverage(session, 6)
        assert 0 < misses(server, lambda: read_all(session)) <= 16
        assert misses(server, lambda: write_all(session)) == 0


def test_no_acknowledged_write_is_lost_while_tablets_move(face):
    rng = random.Random(f"tablets {face.name}")
    with Cluster(3, 3) as server, server.connect(consistency="QUORUM") as session:
        create_table(session, 2, 4)
        with Traffic(session) as traffic:
            for step in range(30):
                traffic.await_progress(20)
                tablet = rng.choice(server.tablets(KEYSPACE, "t"))
                source, shard = rng.choice(tablet.replicas)
                free = {0, 1, 2} - {node for node, _ in tablet.replicas}
                target = rng.choice([(source, (shard + 1) % 3), (free.pop(), rng.randrange(3))])
                server.migrate_tablet(KEYSPACE, "t", tablet.last, source, target)
                if step % 10 == 9:
                    server.split_tablets(KEYSPACE, "t")
        assert traffic.failures == []
        check_all(session, traffic.acknowledged)
        # The other face, which has learned nothing so far, finds everything too.
        with face.connect(server, keyspace=KEYSPACE) as other:
            check_all(other, traffic.acknowledged)


def test_contending_transactions_start_at_one_replica(face):
    with Cluster(3, 4) as server, face.connect(server) as session:
        create_table(session, 3, 8)
        session.execute("INSERT INTO t (k, v) VALUES (1, '0')")
        update = "UPDATE t SET v = ? WHERE k = ? IF v = ?"
        # The one that goes astray.
        session.execute(update, ["1", 1, "0"])
        server.reset_stats()
        found = session.execute_many(
            update, ([str(n), 1, "1"] for n in range(300)), results=True, concurrency=50
        )
        applied = [result.one()[0] for result in found.results]
        stats = server.stats()
        arrived = [node.total("right_shard") for node in stats]
        assert sorted(arrived) == [0, 0, 300], f"\n{stats}"
        assert stats.routable == 300
        (tablet,) = [t for t in server.tablets(KEYSPACE, "t") if t.first < token_of_one <= t.last]
        assert arrived[tablet.replicas[0][0]] == 300, "the first of the tablet's own order"
        assert 1 <= sum(applied) <= 2, "'1' may be set once more before it is no longer that"
        # Reads that join in the transaction go there as well.
        server.reset_stats()
        for _ in range(30):
            session.execute(SELECT, [1], consistency="LOCAL_SERIAL")
        assert sorted(node.total("right_shard") for node in server.stats()) == [0, 0, 30]


token_of_one = -4069959284402364209
"""The server's own ``token(k)`` of ``k = 1``, an int."""


def test_the_token_above_is_right():
    with Cluster(1, 1) as server, server.connect() as session:
        create_table(session, 1, 1)
        session.execute("INSERT INTO t (k, v) VALUES (1, '0')")
        assert session.execute("SELECT token(k) FROM t").scalar() == token_of_one


@pytest.mark.parametrize("lie", ["next_shard", "unknown_nodes", "no_replicas", "garbage"])
def test_lies_cost_detours_but_no_answers(face, lie):
    with Cluster(3, 4) as server, face.connect(server) as session:
        create_table(session, 2, 8)
        write_all(session)
        read_all(session)
        with server.fault(faults.opcode("EXECUTE"), faults.wrong_tablet(lie)) as fault:
            read_all(session)
            assert fault.hits == len(KEYS)
        misses(server, lambda: read_all(session))
        assert misses(server, lambda: read_all(session)) == 0, "the truth is learned again"


def test_a_table_that_is_made_anew_has_other_tablets(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 1, 4)
        write_all(session)
        read_all(session)
        session.execute("DROP TABLE t")
        # Takes the places that would have been free.
        session.execute("CREATE TABLE other (k int PRIMARY KEY)")
        session.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
        write_all(session)
        assert misses(server, lambda: read_all(session)) == 0


def test_the_application_sees_nothing_of_it(face):
    with Cluster(3, 4) as server, face.connect(server) as session:
        create_table(session, 1, 8)
        for key in KEYS[:50]:
            assert session.execute(INSERT, [key, "x"]).custom_payload == {}
        stats = server.stats()
        assert stats.total("wrong_node") + stats.total("wrong_shard") > 0


def test_a_batch_goes_where_the_tablet_of_its_first_statement_is_known_to_be(face):
    with Cluster(3, 4) as server, face.connect(server) as session:
        create_table(session, 1, 8)
        write_all(session)
        server.reset_stats()
        for key in KEYS[:100]:
            session.execute_batch(Batch("unlogged").add(INSERT, [key, "a"]).add(INSERT, [key, "b"]))
        stats = server.stats()
        assert stats.total("right_shard") == 100, f"\n{stats}"


def test_a_second_client_learns_for_itself(face):
    with Cluster(3, 4) as server, server.connect() as first:
        create_table(first, 1, 8)
        write_all(first)
        with face.connect(server, keyspace=KEYSPACE) as second:
            eventually(
                "the keyspace is known", lambda: KEYSPACE in second.session.cluster.keyspaces()
            )
            assert 0 < misses(server, lambda: read_all(second)) <= 8
            assert misses(server, lambda: read_all(second)) == 0


def test_what_cannot_be_moved_or_split_is_refused_with_a_reason():
    with Cluster(2, 2) as server, server.connect() as session:
        create_table(session, 1, 1)
        ((first, last, ((node, shard),)),) = server.tablets(KEYSPACE, "t")
        assert (first, last) == (-(2**63), 2**63 - 1)
        other = 1 - node
        for source, target, why in [
            (other, (node, shard), "no replica"),
            (node, (node, shard), "already"),
            (node, (other, 2), "no shard 2"),
            (node, (5, 0), "no node 5"),
        ]:
            with pytest.raises(RuntimeError, match=why):
                server.migrate_tablet(KEYSPACE, "t", last, source, target)
        with pytest.raises(RuntimeError, match="has no tablets"):
            server.tablets("system", "local")
        with pytest.raises(RuntimeError, match="has no tablets"):
            server.split_tablets(KEYSPACE, "absent")
    with pytest.raises(ConfigurationError, match="tablets_routing"):
        Cluster(1, 1, tablets_routing="v3")  # type: ignore[arg-type]
