"""Protocol versions and compression: what is negotiated, and that everything works over it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from shardlane import exceptions
from shardlane.testing import Cluster

from .conftest import Face, wrap

WAYS = [
    (3, None),
    (3, "lz4"),
    (3, "snappy"),
    (4, None),
    (4, "lz4"),
    (4, "snappy"),
    (5, None),
    (5, "lz4"),
]

_numbers = itertools.count()


@pytest.fixture(scope="module")
def cassandra() -> Iterator[Cluster]:
    """Nodes without shards, which speak v3 to v5 as Apache Cassandra does."""
    with Cluster(nodes=2, shards=0) as cluster:
        yield cluster


async def fresh_keyspace(session: Any) -> str:
    name = f"v{next(_numbers)}"
    await session.execute(
        f"CREATE KEYSPACE {name} WITH replication ="
        " {'class': 'SimpleStrategy', 'replication_factor': 2}"
    )
    await session.execute(f"USE {name}")
    await session.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
    return name


@pytest.mark.parametrize(("version", "compression"), WAYS)
async def test_everything_goes_over_every_version(
    face: Face, cassandra: Cluster, version: int, compression: str | None
) -> None:
    options = {"protocol_version": version, "compression": compression, "keyspace": None}
    async with face.connect(cassandra.contact_points, **options) as session:
        cluster = session.cluster
        assert cluster.protocol_version == version
        await fresh_keyspace(session)
        values = {k: "v" * (k * 37 % 3000) for k in range(300)}
        # Longer than a segment of v5, and than the buffers underneath.
        values[1000] = "".join(chr(33 + n * n % 90) for n in range(400_000))
        insert = "INSERT INTO t (k, v) VALUES (?, ?)"
        await session.execute_many(insert, values.items())
        result = await session.execute("SELECT k, v FROM t", page_size=70)
        assert dict(await result.all()) == values
        found = await session.execute("SELECT v FROM t WHERE k = ?", [1000])
        assert found.scalar() == values[1000]
        batch = session.batch()
        batch.add("INSERT INTO t (k, v) VALUES (2000, 'plain')")
        batch.add(insert, [2001, "bound"])
        await session.execute_batch(unwrapped(batch))
        result = await session.execute("SELECT v FROM t WHERE k IN (2000, 2001)")
        assert {row.v for row in await result.all()} == {"plain", "bound"}
        with pytest.raises(exceptions.CqlSyntaxError):
            await session.execute("SELEKT")
        with pytest.raises(exceptions.InvalidQuery):
            await session.execute("SELECT * FROM nowhere")
        applied = await session.execute(
            "INSERT INTO t (k, v) VALUES (?, ?) IF NOT EXISTS", [1, "again"]
        )
        assert applied.was_applied is False


def unwrapped(value: Any) -> Any:
    return getattr(value, "_target", value)


@pytest.mark.parametrize("compression", [None, "lz4", "snappy"])
async def test_the_best_version_is_chosen(
    face: Face, cassandra: Cluster, server: Cluster, compression: str | None
) -> None:
    options = {"compression": compression, "keyspace": None}
    async with face.connect(cassandra.contact_points, **options) as session:
        assert session.cluster.protocol_version == (4 if compression == "snappy" else 5)
    async with face.connect(server.contact_points, **options) as session:
        assert session.cluster.protocol_version == 4


async def test_no_connection_is_wasted_to_find_out(face: Face) -> None:
    for shards, total in ((0, 1), (2, 2)):
        with Cluster(nodes=1, shards=shards) as cluster:
            async with face.connect(cluster.contact_points, keyspace=None):
                opened = sum(
                    shard.connections_opened
                    for node in cluster.stats().nodes
                    for shard in node.shards
                )
        assert opened == total + 1, "the pool's, and the control connection"


async def test_a_version_that_was_asked_for_is_not_exchanged(face: Face, server: Cluster) -> None:
    with pytest.raises(exceptions.NoHostAvailable) as caught:
        async with face.connect(protocol_version=5):
            pass
    for reason in caught.value.reasons.values():
        assert reason == "protocol v5 is not spoken by this server, which offers v3, v4"
    async with face.connect(protocol_version=3) as session:
        assert session.cluster.protocol_version == 3


@pytest.mark.parametrize("version", [2, 6, True, "4", 4.5])
async def test_versions_that_are_none(face: Face, version: Any) -> None:
    with pytest.raises(exceptions.ConfigurationError, match="protocol_version"):
        async with face.connect(protocol_version=version):
            pass


async def test_snappy_ends_with_v4(face: Face) -> None:
    with pytest.raises(exceptions.ConfigurationError, match="Snappy"):
        async with face.connect(protocol_version=5, compression="snappy"):
            pass


@pytest.mark.parametrize("version", [3, 4, 5])
async def test_sessions_with_different_keyspaces_share_connections(
    face: Face, cassandra: Cluster, version: int
) -> None:
    async with face.cluster(cassandra.contact_points, protocol_version=version) as cluster:
        assert cluster.protocol_version is None
        sessions = {}
        for _ in range(3):
            session = wrap(await face.open(cluster))
            sessions[await fresh_keyspace(session)] = session
        for name, session in sessions.items():
            await session.execute(f"INSERT INTO t (k, v) VALUES (1, '{name}')")
            await session.execute("INSERT INTO t (k, v) VALUES (?, ?)", [2, name])
        for name, session in sessions.items():
            for k in (1, 2):
                assert (await session.execute(f"SELECT v FROM t WHERE k = {k}")).scalar() == name
            found = await session.execute("SELECT v FROM t WHERE k = ?", [2])
            assert found.scalar() == name
            await session.close()


@pytest.mark.parametrize("version", [3, 4, 5])
async def test_forgotten_statements_are_prepared_again_in_their_keyspace(
    face: Face, cassandra: Cluster, version: int
) -> None:
    async with face.connect(
        cassandra.contact_points, protocol_version=version, keyspace=None
    ) as session:
        await fresh_keyspace(session)
        insert = await session.prepare("INSERT INTO t (k, v) VALUES (?, ?)")
        cassandra.forget_prepared()
        for k in range(20):
            await session.execute(insert, [k, "x"])
        result = await session.execute("SELECT k FROM t")
        assert len(await result.all()) == 20


@pytest.mark.parametrize("flavour", ["cassandra v4", "cassandra v5", "scylla"])
async def test_columns_that_change_under_a_prepared_statement(
    face: Face, cassandra: Cluster, server: Cluster, flavour: str
) -> None:
    points = (server if flavour == "scylla" else cassandra).contact_points
    version = 5 if flavour == "cassandra v5" else 4
    async with (
        face.connect(points, protocol_version=version, keyspace=None) as session,
        face.connect(points, protocol_version=version, keyspace=None) as other,
    ):
        name = await fresh_keyspace(session)
        select = await session.prepare("SELECT * FROM t WHERE k = ?")
        await session.execute("INSERT INTO t (k, v) VALUES (1, 'one')")
        for _ in range(5):
            assert (await session.execute(select, [1])).one() == (1, "one")
        # Another client changes the table; this one has cached everything.
        await other.execute(f"ALTER TABLE {name}.t ADD w int")
        await other.execute(f"UPDATE {name}.t SET w = 7 WHERE k = 1")
        for _ in range(10):
            row = (await session.execute(select, [1])).one()
            assert row._asdict() == {"k": 1, "v": "one", "w": 7}
        await other.execute(f"ALTER TABLE {name}.t DROP v")
        for _ in range(10):
            row = (await session.execute(select, [1])).one()
            assert row._asdict() == {"k": 1, "w": 7}


@pytest.mark.parametrize("version", [4, 5])
async def test_conditional_writes_have_columns_of_their_own(
    face: Face, cassandra: Cluster, version: int
) -> None:
    async with face.connect(
        cassandra.contact_points, protocol_version=version, keyspace=None
    ) as session:
        await fresh_keyspace(session)
        insert = await session.prepare("INSERT INTO t (k, v) VALUES (?, ?) IF NOT EXISTS")
        for k in range(6):
            assert (await session.execute(insert, [k, "first"])).was_applied is True
            result = await session.execute(insert, [k, "second"])
            assert result.was_applied is False
            assert result.one().v == "first"
