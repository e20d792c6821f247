"""Twenty thousand statements while random faults come and go: values are right, and every one ends.

`SHARDLANE_SOAK_SEED` repeats a run; `SHARDLANE_SOAK_STATEMENTS` makes it longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time

import pytest

from cluster_help import create_table, eventually_async
from shardlane import Batch, exceptions
from shardlane.testing import Cluster, faults

SEED = int(os.environ.get("SHARDLANE_SOAK_SEED", "20261124"))
STATEMENTS = int(os.environ.get("SHARDLANE_SOAK_STATEMENTS", "20000"))
TASKS = 64
TIMEOUT = 0.5

# What may become of a request while servers misbehave; anything else is a bug.
EXPECTED = (
    exceptions.ConnectionLost,
    exceptions.NoHostAvailable,
    exceptions.RequestTimeout,
    exceptions.ReplicaError,
    exceptions.Overloaded,
    exceptions.Bootstrapping,
    exceptions.ServerError,
)

REACTIONS = [
    faults.half_frame_then_close,
    faults.half_frame_then_silence,
    faults.silence,
    lambda: faults.delay(0.02),
    faults.close,
    faults.garbage,
    faults.oversized_length,
    lambda: faults.error(exceptions.Overloaded),
    lambda: faults.error(exceptions.Bootstrapping),
    lambda: faults.error(exceptions.UnpreparedStatement),
    lambda: faults.error(exceptions.ReadTimeout),
    lambda: faults.error(exceptions.WriteTimeout),
    lambda: faults.error(exceptions.Unavailable),
]


class Writer:
    """Writes and reads keys of its own, and knows which values each may have."""

    def __init__(self, session, number: int, statements: int) -> None:
        self.session = session
        self.random = random.Random(SEED * 1000 + number)
        self.first = number * 1_000_000
        self.statements = statements
        # Values that a key may have: the last one acknowledged, and those of which nobody knows.
        self.possible: dict[int, set[str | None]] = {}
        self.ended = 0
        self.failures: list[exceptions.RequestError] = []

    async def run(self) -> None:
        for number in range(self.statements):
            key = self.first + self.random.randrange(20)
            began = time.monotonic()
            try:
                await self.one(key, f"{key} {number}")
            except EXPECTED as error:
                self.failures.append(error)
            took = time.monotonic() - began
            assert took < TIMEOUT + 2, f"a request took {took:.1f} s"
            self.ended += 1

    async def one(self, key: int, value: str) -> None:
        kind = self.random.random()
        if kind < 0.5:
            found = (await self.session.execute("SELECT v FROM t WHERE k = ?", [key])).scalar()
            allowed = self.possible.get(key, {None})
            assert found in allowed, f"key {key}: {found!r} is none of {allowed}"
            return
        # Until it is acknowledged, either value is possible.
        self.possible.setdefault(key, {None}).add(value)
        if kind < 0.8:
            await self.session.execute("INSERT INTO t (k, v) VALUES (?, ?)", [key, value])
        elif kind < 0.9:
            await self.session.execute(f"UPDATE t SET v = '{value}' WHERE k = {key}")
        else:
            batch = Batch("unlogged").add("UPDATE t SET v = ? WHERE k = ?", [value, key])
            await self.session.execute_batch(batch)
        if len(self.possible[key]) == 2:
            self.possible[key] = {value}
        # With an unknown write among them, a repetition of it may still come after this one: the
        # key's values stay possible until it is read below.


async def change_faults(server: Cluster, ends: asyncio.Event) -> None:
    """Faults, forgotten statements, crashes and pauses, in an order that the seed decides."""
    chance = random.Random(SEED)
    while not ends.is_set():
        node = chance.choice(server.nodes)
        kind = chance.random()
        with contextlib.ExitStack() as stack:
            if kind < 0.7:
                opcode = chance.choice(["EXECUTE", "EXECUTE", "QUERY", "BATCH", "PREPARE"])
                condition = (
                    faults.opcode(opcode)
                    & faults.text("t")
                    & faults.probability(chance.choice([0.01, 0.1]), seed=chance.randrange(2**31))
                )
                if chance.random() < 0.5:
                    condition = faults.node(node.index) & condition
                stack.enter_context(server.fault(condition, chance.choice(REACTIONS)()))
            elif kind < 0.8:
                server.forget_prepared()
            elif kind < 0.9:
                node.kill()
                stack.callback(node.start)
            else:
                stack.enter_context(node.paused())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ends.wait(), chance.uniform(0.01, 0.15))


@pytest.mark.slow
@pytest.mark.timeout(180 + STATEMENTS // 1000)
@pytest.mark.asyncio
async def test_soak():
    with Cluster(3, 2, seed=SEED) as server:
        with server.connect() as admin:
            create_table(admin, 3)
        async with server.aio_connect(
            "app",
            consistency="QUORUM",
            timeout=TIMEOUT,
            connect_timeout=0.5,
            reconnect_delay_min=0.01,
            reconnect_delay_max=0.2,
            keepalive_interval=0.5,
            keepalive_timeout=0.5,
        ) as session:
            writers = [Writer(session, number, STATEMENTS // TASKS) for number in range(TASKS)]
            ends = asyncio.Event()
            troubles = asyncio.create_task(change_faults(server, ends))
            try:
                await asyncio.gather(*(writer.run() for writer in writers))
            finally:
                ends.set()
                await troubles
            assert sum(writer.ended for writer in writers) == STATEMENTS // TASKS * TASKS
            failures = [error for writer in writers for error in writer.failures]
            assert 0 < len(failures) < STATEMENTS // 2, "there was trouble, but not only trouble"
            for error in failures:
                assert error.statement
                assert str(error)

            # In peace again: full coverage, and each key has one of its possible values.
            await eventually_async("full coverage", lambda: session.shards().is_fully_covered, 20)
            for writer in writers:
                for key, possible in writer.possible.items():
                    result = await session.execute("SELECT v FROM t WHERE k = ?", [key])
                    assert result.scalar() in possible
            in_flight = [s.in_flight for node in session.shards() for s in node.shards]
            assert in_flight == [0] * 6, "nothing is left behind"
