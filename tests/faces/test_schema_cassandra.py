"""The schema of nodes that play Apache Cassandra: triggers, no tablets, `system.peers_v2`."""

from __future__ import annotations

import pytest

from shardlane.testing import Cluster

from .conftest import Face


@pytest.fixture(scope="module")
def cassandra():
    with Cluster(nodes=2, shards=0) as cluster:
        yield cluster


@pytest.fixture
def face(request, cassandra):
    """A face connected to the Cassandra-like cluster, in place of the usual one."""
    return Face(request.param, cassandra, "plain")


pytestmark = pytest.mark.parametrize("face", ["sync", "aio"], indirect=True)

STATEMENTS = (
    "CREATE TABLE plain.t (id int PRIMARY KEY, v text) WITH comment = 'c'",
    "CREATE INDEX named ON plain.t (v)",
    "CREATE TRIGGER audit ON plain.t USING 'org.example.Audit'",
    (
        "CREATE FUNCTION plain.plus (a int, b int) RETURNS NULL ON NULL INPUT RETURNS int"
        " LANGUAGE java AS 'return a + b;'"
    ),
    "CREATE AGGREGATE plain.total (int) SFUNC plus STYPE int INITCOND 0",
)


async def test_it_is_told_and_made_again(face):
    async with face.connect(keyspace=None) as session:
        await session.execute(
            "CREATE KEYSPACE plain WITH replication ="
            " {'class': 'NetworkTopologyStrategy', 'datacenter1': 1} AND durable_writes = false"
        )
        for statement in STATEMENTS:
            await session.execute(statement)
        keyspace = (await session.cluster.schema("plain"))["plain"]
        assert keyspace.tablets is None
        assert not keyspace.durable_writes
        assert "tablets" not in keyspace.as_cql()
        trigger = keyspace.tables["t"].triggers["audit"]
        assert trigger.as_cql() == "CREATE TRIGGER audit ON plain.t USING 'org.example.Audit';"
        assert keyspace.functions["plus(int, int)"].language == "java"
        statements = keyspace.statements()
        assert len(statements) == len(STATEMENTS) + 1
        await session.execute("DROP KEYSPACE plain")
        for statement in statements:
            await session.execute(statement)
        assert (await session.cluster.schema("plain"))["plain"].statements() == statements
        await session.execute("DROP KEYSPACE plain")


async def test_all_nodes_are_known_by_peers_v2(face, cassandra):
    async with face.connect(keyspace=None) as session:
        assert "peers_v2" in (await session.cluster.schema("system"))["system"].tables
        addresses = {node.address for node in session.cluster.nodes()}
        assert addresses == set(cassandra.contact_points)
