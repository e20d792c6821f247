"""Traces: what the servers did for one request."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

import shardlane
from shardlane import exceptions
from shardlane.testing import Cluster, faults

from .conftest import Face

KINDS = ["query", "prepared", "batch"]


@pytest.fixture(scope="module")
def cassandra() -> Iterator[Cluster]:
    with Cluster(nodes=2, shards=0) as cluster:
        with shardlane.connect(cluster.contact_points) as session:
            session.execute(
                "CREATE KEYSPACE traced WITH replication ="
                " {'class': 'SimpleStrategy', 'replication_factor': 2}"
            )
            session.execute("CREATE TABLE traced.t (k int PRIMARY KEY, v text)")
        yield cluster


async def traced(session: Any, kind: str) -> Any:
    if kind == "query":
        return await session.execute("INSERT INTO t (k, v) VALUES (1, 'it''s')", tracing=True)
    insert = "INSERT INTO t (k, v) VALUES (?, ?)"
    if kind == "prepared":
        return await session.execute(insert, [1, "x"], tracing=True)
    batch = shardlane.Batch().add(insert, [1, "x"]).add(insert, [2, "y"])
    return await session.execute_batch(batch, tracing=True)


def check(trace: shardlane.Trace, kind: str) -> None:
    assert trace.command == "QUERY"
    assert trace.request
    assert trace.parameters["consistency_level"] == "LOCAL_QUORUM"
    assert "INSERT INTO t" in trace.parameters.get("query", ""), f"{trace!r}"
    assert str(trace.client).startswith("127.")
    assert trace.duration is not None
    assert datetime.timedelta(0) <= trace.duration < datetime.timedelta(seconds=10)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert trace.started_at is not None
    assert abs(now - trace.started_at) < datetime.timedelta(minutes=1)
    assert trace.events
    elapsed = [event.elapsed for event in trace.events if event.elapsed is not None]
    assert elapsed == sorted(elapsed)
    for event in trace.events:
        assert event.source == trace.coordinator
        assert abs(event.at - trace.started_at) < datetime.timedelta(minutes=1)
    assert trace.events[-1].activity.startswith("Done processing")
    assert trace.events[0].activity in str(trace)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [3, 4, 5])
async def test_a_trace_tells_what_was_done(
    face: Face, cassandra: Cluster, kind: str, version: int
) -> None:
    options = {"keyspace": "traced", "protocol_version": version}
    async with face.connect(cassandra.contact_points, **options) as session:
        result = await traced(session, kind)
        trace = await result.trace()
        assert trace.id == result.tracing_id
        check(trace, kind)
        again = await result.trace()
        assert again == trace


@pytest.mark.parametrize("kind", KINDS)
async def test_a_trace_names_the_shards(face: Face, server: Cluster, kind: str) -> None:
    async with face.connect() as session:
        await session.execute("CREATE TABLE IF NOT EXISTS t (k int PRIMARY KEY, v text)")
        result = await traced(session, kind)
        trace = await result.trace()
        check(trace, kind)
        assert f"{trace.coordinator}" in result.coordinator
        assert trace.shards == {(trace.coordinator, result.shard)}
        activities = [event.activity for event in trace.events]
        assert any("sending a message to /127." in activity for activity in activities)


async def test_a_read_is_traced_page_by_page(face: Face, server: Cluster) -> None:
    async with face.connect() as session:
        await session.execute("CREATE TABLE IF NOT EXISTS pages (k int PRIMARY KEY)")
        await session.execute_many("INSERT INTO pages (k) VALUES (?)", [(k,) for k in range(9)])
        result = await session.execute("SELECT k FROM pages", page_size=4, tracing=True)
        assert len(await result.all()) == 9
        trace = await result.trace()
        assert any("read" in event.activity for event in trace.events)


async def test_what_was_not_traced_has_no_trace(face: Face, server: Cluster) -> None:
    async with face.connect() as session:
        result = await session.execute("SELECT key FROM system.local")
        assert result.tracing_id is None
        with pytest.raises(exceptions.TraceUnavailable, match="was not traced"):
            await result.trace()


async def test_a_trace_that_never_comes(face: Face, server: Cluster) -> None:
    async with face.connect() as session:
        result = await session.execute("SELECT key FROM system.local", tracing=True)
        await result.trace()
        await session.execute(
            f"DELETE FROM system_traces.sessions WHERE session_id = {result.tracing_id}"
        )
        with pytest.raises(exceptions.TraceUnavailable, match="no trace"):
            await result.trace(wait=0.05)


@pytest.mark.parametrize("wait", [-1, "long", None])
async def test_waits_that_are_none(face: Face, server: Cluster, wait: Any) -> None:
    async with face.connect() as session:
        result = await session.execute("SELECT key FROM system.local", tracing=True)
        with pytest.raises(exceptions.ConfigurationError, match="wait"):
            await result.trace(wait)


async def test_a_trace_may_need_a_second_look(face: Face, server: Cluster) -> None:
    async with face.connect() as session:
        result = await session.execute("SELECT key FROM system.local", tracing=True)
        # The first answers hide what has been written down: errors are not the end of it.
        condition = faults.text("system_traces") & faults.first(1)
        fault = server.fault(condition, faults.error(exceptions.Overloaded))
        trace = await result.trace()
        assert trace.events
        assert fault.hits == 1
