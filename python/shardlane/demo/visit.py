"""One visit of one way to the cluster: connect, work, read the servers' counters, close."""

from __future__ import annotations

import asyncio
import functools
import gc
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shardlane import aio

from . import data
from .counters import Counters
from .results import Connecting, Visit
from .work import Checked, Statements, load, measure, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from shardlane.testing import Cluster

    from .options import Options
    from .progress import Progress
    from .ways import Way

# How long connections may take to come, and to go when the client has closed them.
_PATIENCE_S = 10.0
_LOOK_INTERVAL_S = 0.0005
_WARM_UP_READS = 500
# Memory for expected values has a bound; measured reads go to the first rows.
_MEASURED_ROWS_MAX = 50_000


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass
class Plan:
    """How many reads are measured in each visit: as many for every way."""

    options: Options
    rounds: int
    reads: int | None = None

    def settle(self, requests_per_second: float) -> int:
        """Decide by the first throughput that is seen, and stay with it."""
        if self.reads is None:
            wanted = requests_per_second * self.options.seconds / self.rounds
            self.reads = max(int(wanted), 2 * self.options.concurrency)
        return self.reads

    @property
    def steps(self) -> int:
        """All reads and writes of the demo, roughly as long as the reads are not settled."""
        per_visit = self.reads or int(10_000 * self.options.seconds / self.rounds)
        return 3 * (2 * self.options.rows + self.rounds * (per_visit + _WARM_UP_READS))


async def visit(
    cluster: Cluster, way: Way, round_number: int, plan: Plan, progress: Progress
) -> Visit:
    """Connect one way, do its share of the work, and close."""
    options = plan.options
    await _until(lambda: _counters(cluster).connections == 0, "the connections closed before")
    cluster.reset_stats()

    async with aio.Cluster(
        cluster.contact_points,
        shard_awareness=way.shard_awareness,
        pool_wait=_PATIENCE_S,
    ) as client:
        progress.phase(f"{way.name}: connecting")
        session, covered_after = await _connect(client, options.nodes, options.shards)
        statements = await Statements.prepare(session, way.table)
        rows = functools.partial(data.row, options.seed, way.table)

        checked = Checked()
        requests = 0
        if round_number == 0:
            count, concurrency = options.rows, options.concurrency
            progress.phase(f"{way.name}: loading {count} rows")
            await load(session, statements.insert, rows, count, concurrency, progress)
            progress.phase(f"{way.name}: reading them back, checking every value")
            checked = await verify(session, statements.select, rows, count, concurrency, progress)
            requests += 2 * count

        expected = [
            data.short(rows(number)) for number in range(min(options.rows, _MEASURED_ROWS_MAX))
        ]
        progress.phase(f"{way.name}: measuring, round {round_number + 1} of {plan.rounds}")
        choose = random.Random(f"{options.seed} {round_number}")

        async def reads(count: int) -> Any:
            order = choose.choices(range(len(expected)), k=count)
            return await measure(
                session, statements.select_short, expected, order, options.concurrency, progress
            )

        warm_up, warm_up_checked = await reads(_WARM_UP_READS)
        count = plan.settle(warm_up.requests_per_second)
        progress.expect(plan.steps)
        # A collection of what came before must not fall into what is measured.
        gc.collect()
        timing, measured_checked = await reads(count)
        requests += _WARM_UP_READS + count

        # Excess connections of the legacy way are on their way out by now, at the latest.
        await _until(
            lambda: _counters(cluster).connections == client.shards().connections + 1,
            f"client and servers to agree on the connections of the way {way.name!r}",
        )
        pool, counters = client.shards().connections, _counters(cluster)

    return Visit(
        connecting=Connecting(
            pool_connections=pool,
            opened=counters.connections_opened,
            closed=counters.connections_closed,
            seconds_to_full_coverage=covered_after,
        ),
        counters=counters,
        requests=requests,
        timing=timing,
        rows_verified=checked.right,
        reads_verified=measured_checked.right,
        mismatches=(
            *checked.mismatches,
            *warm_up_checked.mismatches,
            *measured_checked.mismatches,
        ),
    )


async def _connect(
    client: aio.Cluster, nodes: int, shards: int
) -> tuple[aio.Session[Any], float | None]:
    """Open a session; return also after how many seconds every shard had a connection, if ever."""
    covered_after: float | None = None
    began = time.perf_counter()

    async def look() -> None:
        nonlocal covered_after
        while client.shards().covered < nodes * shards:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_INTERVAL_S)
        covered_after = time.perf_counter() - began

    looking = asyncio.create_task(look())
    try:
        # Returns when the pools are complete, or have had the time to be.
        session = await client.connect(row_factory="tuple")
        # What the last look, a moment ago, may have missed.
        if client.shards().covered >= nodes * shards:
            await looking
    finally:
        looking.cancel()
    return session, covered_after


def _counters(cluster: Cluster) -> Counters:
    return Counters.of(cluster.stats())


async def _until(holds: Callable[[], bool], what: str) -> None:
    ends_at = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > ends_at:
            raise DemoError(f"waited {_PATIENCE_S:g} s in vain for {what}")
        await asyncio.sleep(_LOOK_INTERVAL_S)
