"""Counters of a cluster object: what happened, and nothing else, is counted."""

from __future__ import annotations

import dataclasses

import pytest

from shardlane import Metrics, exceptions
from shardlane.policies import ConstantSpeculation
from shardlane.testing import Cluster, faults

PING = "SELECT key FROM system.local"


def grown(after: Metrics, before: Metrics) -> dict[str, int]:
    """What has grown, without gauges and bytes."""
    left_out = {*Metrics.GAUGES, "bytes_sent", "bytes_received"}
    pairs = dataclasses.asdict(before)
    return {
        name: value - pairs[name]
        for name, value in dataclasses.asdict(after).items()
        if name not in left_out and value != pairs[name]
    }


async def test_requests_and_answers(face):
    cluster = face.cluster()
    assert cluster.metrics() == Metrics()
    async with cluster:
        session = await face.open(cluster, face.keyspace)
        before = session.metrics()
        assert before.connections == session.shards().connections == before.connections_opened
        assert before.connections_closed == before.connections_failed == 0
        for _ in range(10):
            await session.execute(PING)
        after = cluster.metrics()
        assert grown(after, before) == {"requests": 10, "succeeded": 10, "latency_count": 10}
        assert (after.in_progress, after.queued, after.errors) == (0, 0, 0)
        # Headers have 9 bytes, and the text is sent each time.
        assert after.bytes_sent - before.bytes_sent >= 10 * (9 + len(PING))
        assert after.bytes_received - before.bytes_received >= 10 * (9 + len("local"))
        assert 0 < after.latency_p50 <= after.latency_p99 <= after.latency_max < 60
        assert after.latency_p50 == cluster.latency(50)
        other = await face.open(cluster)
        assert other.metrics().requests == after.requests, "of all sessions together"


async def test_errors_by_kind(face, server):
    async with face.connect() as session:
        await session.execute(PING)
        before = session.metrics()
        with pytest.raises(exceptions.StatementError):
            await session.execute("SELECT nothing FROM nowhere")
        after = session.metrics()
        assert grown(after, before) == {"requests": 1, "server_errors": 1}
        with (
            server.fault(faults.text("system.local"), faults.silence()),
            pytest.raises(exceptions.RequestTimeout),
        ):
            await session.execute(PING, timeout=0.05)
        last = session.metrics()
        assert grown(last, after) == {
            "requests": 1,
            "timeouts": 1,
            "orphans": 1,
            "latency_count": 1,
        }
        assert last.errors - before.errors == 2


async def test_retries_and_speculative_executions(face, server):
    async with face.connect(speculative=ConstantSpeculation(0.01)) as session:
        await session.execute(PING, idempotent=True)
        before = session.metrics()
        overloaded = faults.error(exceptions.Overloaded)
        with server.fault(faults.text("system.local") & faults.first(1), overloaded):
            await session.execute(PING, idempotent=True)
        after = session.metrics()
        assert after.retries - before.retries == 1
        assert after.succeeded - before.succeeded == 1
        with server.fault(faults.text("system.local") & faults.first(1), faults.silence()):
            await session.execute(PING, idempotent=True)
        last = session.metrics()
        assert last.speculative_executions - after.speculative_executions == 1
        assert last.orphans - after.orphans == 1
        assert last.succeeded - after.succeeded == 1, "one request, however often it is executed"


async def test_forgotten_statements(face, server):
    async with face.connect() as session:
        query = "SELECT key FROM system.local WHERE key = ?"
        await session.execute(query, ["local"])
        before = session.metrics()
        server.forget_prepared()
        await session.execute(query, ["local"])
        after = session.metrics()
        assert after.repreparations - before.repreparations == 1
        assert after.succeeded - before.succeeded == 1


async def test_connections(face):
    with Cluster(2, 2) as own:
        async with face.connect(own.contact_points, keyspace=None) as session:
            assert session.metrics().connections == 4
            own.nodes[1].kill()
            while (now := session.metrics()).connections_failed < 3 or now.connections != 2:
                await session.execute(PING, idempotent=True)
            assert now.connections_closed == 2
            own.nodes[1].start()
            while session.metrics().connections != 4:
                await session.execute(PING, idempotent=True)
            assert session.metrics().connections_opened >= 6


async def test_a_full_queue(face, server):
    async with face.connect(max_in_flight=1, max_queued=0) as session:
        statement = await session.prepare(PING)
        before = session.metrics()
        # The first one stays under way as long as it may.
        with server.fault(faults.text("system.local"), faults.silence()):
            result = await session.execute_many(
                statement, [()] * 2, raise_on_error=False, timeout=1.0
            )
        after = session.metrics()
        refused = sum(isinstance(e, exceptions.ClientOverloaded) for _, e in result.errors)
        assert after.overloads - before.overloads == refused == 1
        assert after.timeouts - before.timeouts == 1
        assert (after.in_progress, after.queued) == (0, 0)


def test_fields_are_named_for_exporters():
    names = {field.name for field in dataclasses.fields(Metrics)}
    assert names > Metrics.GAUGES
    assert Metrics.__module__ == "shardlane"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Metrics().requests = 5
