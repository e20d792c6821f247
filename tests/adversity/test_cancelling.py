"""Thousands of requests are given up; the connections go on as if nothing had happened."""

from __future__ import annotations

import asyncio
import time

import pytest

from cluster_help import INSERT, SELECT, create_table
from shardlane import exceptions
from shardlane.testing import Cluster, faults

EXECUTE = faults.opcode("EXECUTE")


@pytest.fixture
def server():
    with Cluster(2, 2) as server:
        with server.connect() as session:
            create_table(session, 2)
            session.execute_many(INSERT, ([key, f"v{key}"] for key in range(500)))
        yield server


async def check_normal(session, closed: int = 0) -> None:
    found = await asyncio.gather(*(session.execute(SELECT, [key]) for key in range(500)))
    assert [row.scalar() for row in found] == [f"v{key}" for key in range(500)]
    assert sum(node.connections_closed for node in session.shards()) == closed


@pytest.mark.asyncio
@pytest.mark.parametrize("answers", ["at once", "late"])
async def test_two_thousand_cancelled_tasks(server, answers):
    async with server.aio_connect("app") as session:
        await session.prepare(SELECT)
        late = faults.delay(0.3 if answers == "late" else 0.0)
        with server.fault(EXECUTE & faults.first(2000), late):
            for batch in range(4):
                tasks = [
                    asyncio.create_task(session.execute(SELECT, [key % 500])) for key in range(500)
                ]
                # So that some are not sent yet, some are under way, and some have their answer.
                for _ in range(batch):
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
                for key, outcome in enumerate(outcomes):
                    if not isinstance(outcome, asyncio.CancelledError):
                        assert outcome.scalar() == f"v{key % 500}"
        # The answers to what was given up arrive in the midst of this.
        for _ in range(4):
            await check_normal(session)


@pytest.mark.asyncio
async def test_two_thousand_timeouts(server):
    async with server.aio_connect("app") as session:
        await session.prepare(SELECT)
        with server.fault(EXECUTE & faults.first(2000), faults.delay(0.5)) as fault:
            began = time.monotonic()
            outcomes = await asyncio.gather(
                *(session.execute(SELECT, [key % 500], timeout=0.1) for key in range(2000)),
                return_exceptions=True,
            )
            assert time.monotonic() - began < 3
            kinds = {type(outcome) for outcome in outcomes}
            assert kinds <= {exceptions.RequestTimeout}, kinds
            # Those whose deadline passed before they were sent are not sent at all.
            assert fault.hits <= 2000
        for _ in range(3):
            await check_normal(session)


@pytest.mark.asyncio
async def test_more_requests_given_up_than_a_connection_has_streams(server):
    """Stream ids of requests without an answer are not used again, so there is an end to them."""
    async with server.aio_connect("app", in_flight_per_connection_max=64, timeout=2) as session:
        await session.prepare(SELECT)
        with server.fault(EXECUTE, faults.silence()):
            for _ in range(10):
                outcomes = await asyncio.gather(
                    *(session.execute(SELECT, [key], timeout=0.05) for key in range(100)),
                    return_exceptions=True,
                )
                kinds = {type(outcome) for outcome in outcomes}
                assert kinds <= {exceptions.RequestTimeout, exceptions.NoHostAvailable}, kinds
        # Connections full of them are replaced.
        ends_at = time.monotonic() + 15
        while True:
            assert time.monotonic() < ends_at, "the session does not recover"
            try:
                outcomes = [(await session.execute(SELECT, [key])).scalar() for key in range(100)]
            except exceptions.NoHostAvailable:
                await asyncio.sleep(0.05)
                continue
            assert outcomes == [f"v{key}" for key in range(100)]
            break
