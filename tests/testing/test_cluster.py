"""The embedded cluster as users' tests see it."""

# ruff: noqa: SIM117, PT012 - blocks show what happens while a fault is in force.

from __future__ import annotations

import socket

import pytest

import shardlane
from shardlane import exceptions, sync
from shardlane.testing import Cluster, faults

PING = "SELECT key FROM system.local"
KEYSPACE = (
    "CREATE KEYSPACE ks WITH replication ="
    " {'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"
)
INSERT = "INSERT INTO ks.t (id, v) VALUES (?, ?)"
SELECT = "SELECT v FROM ks.t WHERE id = ?"


@pytest.fixture
def server():
    with Cluster(nodes=3, shards=2) as cluster:
        yield cluster


def fill(session):
    session.execute(KEYSPACE)
    session.execute("CREATE TABLE ks.t (id int PRIMARY KEY, v int)")
    session.execute_many(INSERT, ((n, n) for n in range(20)))


def test_shape(server):
    assert len(server.contact_points) == 3
    assert server.contact_points[0] == f"127.0.0.1:{server.port}"
    assert server.shard_aware_port not in (None, server.port)
    assert [(node.index, node.address, node.alive) for node in server.nodes] == [
        (0, "127.0.0.1", True),
        (1, "127.0.0.2", True),
        (2, "127.0.0.3", True),
    ]
    assert "3 nodes" in repr(server)


def test_stopping_twice_and_use_after_that():
    server = Cluster(1, 1)
    point = server.contact_points[0]
    server.stop()
    server.stop()
    assert "stopped" in repr(server)
    with pytest.raises(RuntimeError, match="stopped"):
        server.stats()
    with pytest.raises(exceptions.NoHostAvailable):
        shardlane.connect(point, connect_timeout=1)


BAD = [
    {"nodes": 0},
    {"nodes": -1},
    {"nodes": 10_000},
    {"shards": [1, 2]},
    {"shards": "four"},
    {"shards": 100_000},
    {"port": 70_000},
    {"vnodes": 0},
    {"racks": 0},
    {"datacenters": [1, 1]},
    {"first_address": "10.0.0.1"},
    {"first_address": "here"},
    {"username": "ada"},
]


@pytest.mark.parametrize("options", BAD, ids=str)
def test_options_that_make_no_sense(options):
    with pytest.raises(exceptions.ConfigurationError):
        Cluster(**options)


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match=str(other.getsockname()[1])):
            Cluster(1, 1, port=other.getsockname()[1])


def test_shards_for_each_node():
    with Cluster(2, [1, 3]) as server, server.connect() as session:
        assert [node.shard_count for node in session.shards()] == [1, 3]


def test_datacenters_and_racks():
    with Cluster(3, 1, datacenters=[2, 1], racks=2) as server, server.connect() as session:
        places = [(node.datacenter, node.rack) for node in session.cluster.nodes()]
        assert places == [
            ("datacenter1", "rack1"),
            ("datacenter1", "rack2"),
            ("datacenter2", "rack1"),
        ]


def test_logins():
    with Cluster(1, 1, username="ada", password="secret") as server:
        with server.connect() as session:
            assert session.execute(PING).scalar() == "local"
        with pytest.raises(exceptions.NoHostAvailable):
            sync.connect(server.contact_points, connect_timeout=1)


def test_requests_are_counted_by_where_they_arrive(server):
    with server.connect() as session:
        fill(session)
        server.reset_stats()
        session.execute_many(SELECT, ([n] for n in range(100)))
        stats = server.stats()
    assert stats.routable == 100
    assert stats.right_shard_percent == 100.0
    assert stats.right_node_percent == 100.0
    assert stats.total("wrong_shard") == stats.total("wrong_node") == 0
    assert sum(node.routable for node in stats) == 100
    assert [len(node.shards) for node in stats.nodes] == [2, 2, 2]
    assert "100.0 % of 100 requests arrived at the owning shard" in str(stats)
    server.reset_stats()
    assert server.stats().right_shard_percent is None


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_nodes_go_and_come_back(server, how):
    with server.connect(reconnect_delay_min=0.01, reconnect_delay_max=0.05) as session:
        fill(session)
        getattr(server.nodes[1], how)()
        assert [node.alive for node in server.nodes] == [True, False, True]
        for n in range(20):
            result = session.execute(SELECT, [n], consistency="QUORUM", idempotent=True)
            assert result.scalar() == n
        with pytest.raises(exceptions.Unavailable):
            session.execute(SELECT, [1], consistency="ALL")
        server.nodes[1].start()
        assert [node.alive for node in server.nodes] == [True, True, True]
        assert session.execute(SELECT, [1], consistency="QUORUM", idempotent=True).scalar() == 1


def test_paused_nodes_answer_nothing(server):
    with server.connect() as session:
        fill(session)
        statement = session.prepare(SELECT)
        with server.nodes[0].paused():
            assert not server.nodes[0].alive
            with pytest.raises(exceptions.RequestTimeout):
                for n in range(20):
                    session.execute(statement, [n], timeout=0.3, consistency="ALL")
        assert session.execute(SELECT, [1], consistency="ALL").scalar() == 1


def test_nodes_join_and_leave(server):
    node = server.add_node(shards=1)
    assert (node.index, node.address) == (3, "127.0.0.4")
    assert len(server.contact_points) == 4
    with server.connect() as session:
        assert [pool.shard_count for pool in session.shards()] == [2, 2, 2, 1]
    node.remove()
    assert len(server.nodes) == 3


def test_forgotten_statements(server):
    with server.connect() as session:
        fill(session)
        prepares = server.fault(faults.opcode("PREPARE") & faults.text("ks.t"), faults.delay(0.0))
        with prepares:
            session.execute(SELECT, [1])
            known = prepares.hits
            server.forget_prepared()
            session.execute(SELECT, [1])
            assert prepares.hits > known


@pytest.mark.parametrize("state", ["refused", "silent", "nat", "dropped"])
def test_shard_aware_ports_that_do_not_work(server, state):
    for node in server.nodes:
        node.set_shard_aware_port(state)
    with server.connect(connect_timeout=0.5, pool_wait=5) as session:
        fill(session)
        shards = session.shards()
        found = {a for node in shards for shard in node.shards for a in shard.algorithms}
        assert shards.is_fully_covered
        assert "legacy" in found
        if state == "nat":
            assert all(node.shard_aware_port_blocked for node in shards)
            assert "port blocked" in str(shards)
    with pytest.raises(ValueError, match="open"):
        server.nodes[0].set_shard_aware_port("ajar")  # type: ignore[arg-type]


def test_faults_count_and_go(server):
    with server.connect() as session:
        fault = server.fault(faults.text("system.local"), faults.error(exceptions.Overloaded))
        assert (fault.hits, session.closed) == (0, False)
        with pytest.raises(exceptions.Overloaded):
            session.execute(PING)
        assert fault.hits == 1
        fault.remove()
        fault.remove()
        assert fault.hits == 1
        assert session.execute(PING).scalar() == "local"
        with server.fault(faults.always(), faults.silence()):
            server.clear_faults()
            assert session.execute(PING).scalar() == "local"


def test_conditions_combine(server):
    with server.connect() as session:
        fill(session)
        statement = session.prepare(SELECT)
        execute = faults.opcode("execute") & faults.text("ks.t")
        cases = [
            (execute & faults.first(2), 2),
            (execute & ~faults.first(2), 18),
            (execute & (faults.node(0) | faults.node(1) | faults.node(2)), 20),
            (execute & faults.node(0) & faults.node(1), 0),
            (execute & (faults.shard(0) | faults.shard(1)), 20),
            (execute & faults.probability(0.0), 0),
            (execute & faults.probability(1.0), 20),
            (~execute, 0),
        ]
        for condition, hits in cases:
            with server.fault(condition, faults.delay(0.0)) as fault:
                for n in range(20):
                    session.execute(statement, [n])
                # Keepalives and the control connection are no EXECUTE.
                assert fault.hits == hits or (condition is cases[-1][0] and fault.hits < 20)


def test_every_condition_and_reaction_is_understood(server):
    conditions = [
        faults.always(),
        *map(faults.opcode, faults.OPCODES),
        faults.node(0),
        faults.shard(0),
        faults.connection(1),
        faults.on_shard_aware_port(),
        faults.text("x"),
        faults.first(1),
        faults.probability(0.5, seed=3),
    ]
    reactions = [
        faults.half_frame_then_close(),
        faults.half_frame_then_silence(),
        faults.silence(),
        faults.delay(1.5),
        faults.close(),
        *map(faults.error, faults.ERRORS),
        faults.error(0x4321, "rate limit"),
        faults.error(0x7777),
        faults.wrong_shard(1),
        faults.garbage(),
        faults.oversized_length(),
        faults.wrong_stream(),
    ]
    never = faults.text("no statement has this in it")
    for condition in conditions:
        server.fault(never & condition, faults.silence()).remove()
    for reaction in reactions:
        fault = server.fault(never, reaction)
        assert fault.hits == 0
        assert "fault" in repr(fault)
    with pytest.raises(ValueError, match="opcode"):
        faults.opcode("SING")
    with pytest.raises(ValueError, match="no error code"):
        faults.error(exceptions.ServerError)


def test_rate_limits(server):
    with server.connect() as session:
        fill(session)
        statement = session.prepare(SELECT)
        with server.fault(faults.opcode("EXECUTE"), faults.error(0x4321, "too often")):
            with pytest.raises(exceptions.ServerError, match="too often") as caught:
                session.execute(statement, [1])
    assert caught.value.code == 0x4321
