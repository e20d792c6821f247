"""Options of single requests that depend on the protocol: keyspace, time, timestamps."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest

import shardlane
from shardlane import exceptions
from shardlane.testing import Cluster, faults

from .conftest import Face

VERSIONS = [3, 4, 5]

keys = itertools.count(1000)
"""Keys that no other test has."""


@pytest.fixture(scope="module")
def cassandra() -> Iterator[Cluster]:
    """Nodes without shards, with two keyspaces that have a table of the same name."""
    with Cluster(nodes=2, shards=0) as cluster:
        with shardlane.connect(cluster.contact_points) as session:
            for name in ("one", "two"):
                session.execute(
                    f"CREATE KEYSPACE {name} WITH replication ="
                    " {'class': 'SimpleStrategy', 'replication_factor': 2}"
                )
                session.execute(f"CREATE TABLE {name}.t (k int PRIMARY KEY, v text)")
        yield cluster


def connect(face: Face, cluster: Cluster, version: int | None = None, **options: Any) -> Any:
    options = {"keyspace": "one", "protocol_version": version, **options}
    return face.connect(cluster.contact_points, **options)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_request_names_its_keyspace(face: Face, cassandra: Cluster, version: int) -> None:
    insert, select = "INSERT INTO t (k, v) VALUES (?, ?)", "SELECT v FROM t WHERE k = ?"
    async with connect(face, cassandra, version) as session:
        for name in ("one", "two"):
            await session.execute(f"INSERT INTO t (k, v) VALUES (1, '{name}')", keyspace=name)
            await session.execute(insert, [2, name], keyspace=name)
            await session.execute_many(insert, [(3, name), (4, name)], keyspace=name)
            batch = shardlane.Batch()
            batch.add(f"INSERT INTO t (k, v) VALUES (5, '{name}')")
            batch.add(insert, [6, name])
            await session.execute_batch(batch, keyspace=name)
        assert session.keyspace == "one", "it is the session's as before"
        two = await session.prepare(select, keyspace="two")
        assert two.keyspace == "two"
        for k in range(1, 7):
            text = f"SELECT v FROM t WHERE k = {k}"
            assert (await session.execute(text)).scalar() == "one"
            assert (await session.execute(text, keyspace="two")).scalar() == "two"
            assert (await session.execute(select, [k])).scalar() == "one"
            assert (await session.execute(select, [k], keyspace="two")).scalar() == "two"
            assert (await session.execute(two, [k])).scalar() == "two"
        pages = await session.execute("SELECT v FROM t", page_size=2, keyspace="two")
        assert {row.v for row in await pages.all()} == {"two"}
        pages = await session.execute(
            "SELECT v FROM t WHERE k IN ?", [[1, 2, 3, 4, 5]], page_size=2, keyspace="two"
        )
        assert [row.v for row in await pages.all()] == ["two"] * 5


@pytest.mark.parametrize("keyspace", ["", 7, b"one"])
async def test_keyspaces_that_are_none(face: Face, cassandra: Cluster, keyspace: Any) -> None:
    async with connect(face, cassandra) as session:
        with pytest.raises(exceptions.BadValue, match="keyspace"):
            await session.execute("SELECT v FROM t", keyspace=keyspace)
        with pytest.raises(exceptions.BadValue, match="keyspace"):
            await session.prepare("SELECT v FROM t", keyspace=keyspace)


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_unknown_keyspace(face: Face, cassandra: Cluster, version: int) -> None:
    async with connect(face, cassandra, version) as session:
        with pytest.raises(exceptions.InvalidQuery, match="nowhere"):
            await session.execute("SELECT v FROM t", keyspace="nowhere")
        with pytest.raises(exceptions.InvalidQuery, match="nowhere"):
            await session.execute("SELECT v FROM t WHERE k = ?", [1], keyspace="nowhere")


async def test_the_time_of_a_request(face: Face, cassandra: Cluster) -> None:
    async with connect(face, cassandra) as session:
        text = "INSERT INTO t (k, v) VALUES (20, 'x') USING TTL 10"
        await session.execute(text, now_in_seconds=1000)
        insert = "INSERT INTO t (k, v) VALUES (?, ?) USING TTL 10"
        await session.execute(insert, [21, "x"], now_in_seconds=1000)
        batch = shardlane.Batch()
        batch.add(insert, [22, "x"])
        await session.execute_batch(batch, now_in_seconds=1000)
        for k in (20, 21, 22):
            select = "SELECT v FROM t WHERE k = ?"
            for now, found in ((1005, "x"), (1011, None)):
                result = await session.execute(select, [k], now_in_seconds=now)
                assert result.scalar() == found


@pytest.mark.parametrize("version", [3, 4])
async def test_the_time_of_a_request_needs_v5(face: Face, cassandra: Cluster, version: int) -> None:
    async with connect(face, cassandra, version) as session:
        for call in (
            lambda: session.execute("SELECT v FROM t", now_in_seconds=1),
            lambda: session.execute_batch(one_statement(), now_in_seconds=1),
        ):
            with pytest.raises(
                exceptions.BadValue, match=f"part of protocol v5.* speaks v{version}"
            ):
                await call()


def one_statement() -> shardlane.Batch:
    return shardlane.Batch().add("INSERT INTO t (k, v) VALUES (9, 'x')")


@pytest.mark.parametrize("now", [2**31, -(2**31) - 1, 1.5, "now", True])
async def test_times_that_are_none(face: Face, cassandra: Cluster, now: Any) -> None:
    async with connect(face, cassandra) as session:
        with pytest.raises(exceptions.BadValue, match="now_in_seconds"):
            await session.execute("SELECT v FROM t", now_in_seconds=now)


async def write_time(session: Any, k: int) -> int:
    result = await session.execute("SELECT WRITETIME(v) FROM t WHERE k = ?", [k])
    written: int = result.scalar()
    return written


@pytest.mark.parametrize("version", VERSIONS)
async def test_writes_get_timestamps_that_only_grow(
    face: Face, cassandra: Cluster, version: int
) -> None:
    async with connect(face, cassandra, version) as session:
        before = time.time_ns() // 1000
        insert = "INSERT INTO t (k, v) VALUES (?, ?)"
        await session.execute("INSERT INTO t (k, v) VALUES (30, 'x')")
        await session.execute(insert, [31, "x"])
        await session.execute_many(insert, [(k, "x") for k in range(32, 40)])
        await session.execute_batch(shardlane.Batch().add(insert, [40, "x"]))
        after = time.time_ns() // 1000
        times = [await write_time(session, k) for k in range(30, 41)]
        assert times == sorted(set(times)), "each is later than the one before"
        assert before <= times[0]
        assert times[-1] <= after + len(times)


async def test_a_repeated_write_is_no_later_than_what_follows(face: Face, server: Cluster) -> None:
    async with face.connect(idempotent=True) as session:
        await session.execute("CREATE TABLE IF NOT EXISTS again (k int PRIMARY KEY, v text)")
        insert = await session.prepare("INSERT INTO again (k, v) VALUES (?, ?)")
        # Carried out, but the answer is lost: the write goes to the next node.
        condition = faults.opcode("EXECUTE") & faults.text("INTO again") & faults.first(1)
        fault = server.fault(condition, faults.half_frame_then_close())
        before = time.time_ns() // 1000
        result = await session.execute(insert, [1, "old"])
        assert (fault.hits, result.attempts) == (1, 2)
        await session.execute(insert, [1, "new"])
        found = await session.execute("SELECT v, WRITETIME(v) AS at FROM again WHERE k = ?", [1])
        assert found.one().v == "new"
        assert found.one().at > before


async def test_timestamps_may_be_the_servers_or_the_callers(face: Face, cassandra: Cluster) -> None:
    old, new = next(keys), next(keys)
    async with connect(face, cassandra, client_timestamps=False) as session:
        insert = "INSERT INTO t (k, v) VALUES (?, ?)"
        await session.execute(insert, [old, "x"], timestamp=1234)
        assert await write_time(session, old) == 1234
        await session.execute(insert, [old, "y"])
        assert await write_time(session, old) > 1_600_000_000_000_000
    async with connect(face, cassandra) as session:
        await session.execute(insert, [new, "x"], timestamp=1234)
        assert await write_time(session, new) == 1234
        await session.execute(insert + " USING TIMESTAMP 5678", [new, "y"])
        assert await write_time(session, new) == 5678, "the statement's own comes first"


async def test_conditional_writes_and_counters_take_timestamps(
    face: Face, cassandra: Cluster
) -> None:
    async with connect(face, cassandra) as session:
        insert = "INSERT INTO t (k, v) VALUES (?, ?) IF NOT EXISTS"
        await session.execute("DELETE FROM t WHERE k = 60")
        assert (await session.execute(insert, [60, "x"])).was_applied is True
        await session.execute("CREATE TABLE IF NOT EXISTS c (k int PRIMARY KEY, n counter)")
        await session.execute("UPDATE c SET n = n + 1 WHERE k = ?", [1])


@pytest.mark.parametrize("version", [4, 5])
async def test_custom_payloads_go_with_every_request(
    face: Face, cassandra: Cluster, version: int
) -> None:
    payload = {"key": b"value", "empty": b""}
    async with connect(face, cassandra, version) as session:
        await session.execute("SELECT v FROM t", custom_payload=payload)
        await session.execute("SELECT v FROM t WHERE k = ?", [1], custom_payload=payload)
        await session.execute_batch(one_statement(), custom_payload=payload)


async def test_custom_payloads_need_v4(face: Face, cassandra: Cluster) -> None:
    async with connect(face, cassandra, 3) as session:
        with pytest.raises(exceptions.BadValue, match="custom payload"):
            await session.execute("SELECT v FROM t", custom_payload={"key": b"value"})
