"""Sessions and cluster objects from connecting to closing."""

# ruff: noqa: ASYNC110, PT031 - blocks show what happens while a fault is in force.

from __future__ import annotations

import gc
import warnings

import pytest

from shardlane import aio, exceptions, sync
from shardlane.testing import Cluster, faults

PING = "SELECT key FROM system.local"


async def test_use_after_close(face):
    async with face.connect() as session:
        statement = await session.prepare(PING)
        result = await session.execute(PING)
        assert not session.closed
    assert session.closed
    assert session.cluster.closed
    assert session.keyspace == face.keyspace
    assert result.scalar() == "local"
    for refused in (
        lambda: session.execute(PING),
        lambda: session.execute(statement),
        lambda: session.execute("SELECT key FROM system.local WHERE key = ?", ["local"]),
        lambda: session.prepare(PING),
        lambda: session.batch().add(PING).execute(),
        lambda: session.execute_many(PING, [()]),
    ):
        with pytest.raises(exceptions.SessionClosed, match="closed"):
            await refused()
    await session.close()
    assert "closed" in repr(session)


async def test_sessions_share_the_connections_of_their_cluster_object(face):
    async with face.cluster() as cluster:
        first = await face.open(cluster, face.keyspace)
        second = await face.open(cluster, row_factory="dict", consistency="one")
        assert (first.keyspace, second.keyspace) == (face.keyspace, None)
        assert (await first.execute(PING)).one() == ("local",)
        assert (await second.execute(PING)).one() == {"key": "local"}
        assert cluster.shards().connections == 6
        await first.close()
        assert first.closed
        assert not cluster.closed
        with pytest.raises(exceptions.SessionClosed):
            await first.execute(PING)
        assert (await second.execute(PING)).scalar() == "local"
    assert second.closed
    with pytest.raises(exceptions.SessionClosed):
        await second.execute(PING)
    with pytest.raises(exceptions.SessionClosed):
        await face.open(cluster)


async def test_statements_are_shared_by_the_sessions_of_a_cluster_object(face):
    async with face.cluster() as cluster:
        first = await face.open(cluster)
        second = await face.open(cluster)
        statement = await first.prepare("SELECT key FROM system.local WHERE key = ?")
        assert (await second.execute(statement, ["local"])).scalar() == "local"


async def test_what_a_cluster_object_knows(session, face):
    cluster = session.cluster
    nodes = cluster.nodes()
    assert [node.address for node in nodes] == face.server.contact_points
    assert {node.datacenter for node in nodes} == {"datacenter1"}
    assert cluster.keyspaces()[face.keyspace]["class"].endswith("NetworkTopologyStrategy")
    assert "Murmur3" in cluster.partitioner
    assert cluster.name


async def test_shards(session, face):
    shards = session.shards()
    assert shards.is_shard_aware
    assert shards.is_fully_covered
    assert (shards.connections, shards.covered, shards.total, len(shards)) == (6, 6, 6, 3)
    for node in shards:
        assert node.shard_count == 2
        assert not node.shard_aware_port_blocked
        assert node.connections == 2
        assert [shard.shard for shard in node.shards] == [0, 1]
        assert all(len(shard.algorithms) == shard.connections == 1 for shard in node.shards)
    assert {a for n in shards for s in n.shards for a in s.algorithms} == {
        "first",
        "shard-aware port",
    }
    before = sum(shard.requests for node in shards for shard in node.shards)
    for _ in range(10):
        await session.execute(PING)
    after = sum(shard.requests for node in session.shards() for shard in node.shards)
    assert after >= before + 10
    table = str(shards)
    assert "3 nodes, 6 of 6 shards, 6 connections, shard-aware" in table
    assert all(point in table for point in face.server.contact_points)


async def test_reprs_help_and_have_no_secrets(face):
    with Cluster(1, 2, username="ada", password="correct horse") as server:
        login = {"username": "ada", "password": "correct horse", "keyspace": None}
        async with face.connect(server.contact_points, **login) as session:
            shown = repr(session)
            assert face.name[:3] in shown
            assert server.contact_points[0] in shown
            assert "1 node, 2 of 2 shards" in shown
            assert "no keyspace" in shown
            for thing in (session, session.cluster, session.cluster._options):
                assert "correct horse" not in repr(thing)
        with pytest.raises(exceptions.NoHostAvailable) as caught:
            async with face.connect(server.contact_points, username="ada", password="wrong horse"):
                pass
        for shown in (str(caught.value), repr(caught.value), str(vars(caught.value))):
            assert "horse" not in shown
        assert "username=" in caught.value.hint


async def test_close_gives_requests_under_way_time_to_end(face, server):
    """Closing waits for others; here for those of an execute_many in another thread or task."""
    if face.is_blocking:
        pytest.skip("see test_threads.py")
    import asyncio

    async with face.connect() as session:
        slow = faults.text("system.local")
        with server.fault(slow, faults.delay(0.3)) as fault:
            request = asyncio.ensure_future(session.execute(PING))
            while not fault.hits:
                await asyncio.sleep(0)
            await session.close(timeout=5)
        assert (await request).scalar() == "local"


async def test_close_without_time_ends_requests_under_way(face, server):
    if face.is_blocking:
        pytest.skip("see test_threads.py")
    import asyncio

    async with face.connect() as session:
        with server.fault(faults.text("system.local"), faults.silence()) as fault:
            request = asyncio.ensure_future(session.execute(PING))
            while not fault.hits:
                await asyncio.sleep(0)
            await session.close(timeout=0)
        with pytest.raises(exceptions.SessionClosed):
            await request


@pytest.mark.parametrize("timeout", [-1, "1", None])
async def test_close_takes_seconds(session, timeout):
    with pytest.raises(exceptions.ConfigurationError, match="timeout"):
        await session.close(timeout=timeout)


async def test_forgotten_sessions_are_closed_with_a_warning(face):
    if face.is_blocking:
        session = sync.connect(face.server.contact_points)
    else:
        session = await aio.connect(face.server.contact_points)
    core = session.cluster._client
    with pytest.warns(ResourceWarning, match="unclosed"):
        del session
        gc.collect()
    core.join()
    assert core.is_closed


async def test_results_keep_their_session_alive(face):
    query = "SELECT keyspace_name, table_name FROM system_schema.tables"

    async def result():
        if face.is_blocking:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return sync.connect(face.server.contact_points).execute(query, page_size=3)
        session = await aio.connect(face.server.contact_points)
        return await session.execute(query, page_size=3)

    rows = await result()
    gc.collect()
    if face.is_blocking:
        assert len(rows.all()) > 3
    else:
        assert len(await rows.all()) > 3
    with pytest.warns(ResourceWarning, match="unclosed"):
        del rows
        gc.collect()


async def test_failing_to_connect_leaves_nothing_behind(face):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(exceptions.UnknownKeyspace):
            async with face.connect(keyspace="nowhere"):
                pass
        gc.collect()


async def test_a_cluster_without_shards(face):
    with Cluster(2, 0) as server:
        async with face.connect(server.contact_points, keyspace=None) as session:
            shards = session.shards()
            assert not shards.is_shard_aware
            assert (shards.connections, shards.total) == (2, 2)
            assert "not shard-aware" in str(shards)
            assert (await session.execute(PING)).shard is None


@pytest.mark.parametrize(
    ("awareness", "algorithms"),
    [("full", {"first", "shard-aware port"}), ("legacy", {"first", "legacy"}), ("off", {"first"})],
)
async def test_ways_of_reaching_shards(face, awareness, algorithms):
    async with face.connect(shard_awareness=awareness) as session:
        shards = session.shards()
        found = {a for node in shards for shard in node.shards for a in shard.algorithms}
        assert found == algorithms
        assert shards.connections == (3 if awareness == "off" else 6)


@pytest.mark.parametrize("compression", ["lz4", "snappy"])
async def test_compression(face, compression):
    async with face.connect(compression=compression) as session:
        await session.execute("CREATE TABLE blobs (id int PRIMARY KEY, data blob)")
        data = b"0123456789" * 10_000
        await session.execute("INSERT INTO blobs (id, data) VALUES (?, ?)", [1, data])
        assert (await session.execute("SELECT data FROM blobs WHERE id = 1")).scalar() == data
