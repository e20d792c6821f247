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
# One connection of each client reads topology and schema, and serves no requests.
_CONTROL = 1
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
    def warm_up_reads(self) -> int:
        """Reads that are clocked only to see how many can be measured in the time given."""
        return max(200, min(int(2000 * self.options.seconds), 5000))

    @property
    def steps(self) -> int:
        """All reads and writes of the demo, roughly as long as the reads are not settled."""
        per_visit = self.reads or int(10_000 * self.options.seconds / self.rounds)
        return 3 * (2 * self.options.rows + self.rounds * (per_visit + self.warm_up_reads))


async def visit(
    cluster: Cluster, way: Way, round_number: int, plan: Plan, progress: Progress
) -> Visit:
    """Connect one way, do its share of the work, and close."""
    options = plan.options
    if not await _holds_soon(lambda: _counters(cluster).connections == 0):
        raise DemoError("the servers still have connections that the client has closed")
    cluster.reset_stats()

    async with aio.Cluster(
        cluster.contact_points,
        shard_awareness=way.shard_awareness,
        pool_wait=_PATIENCE_S,
    ) as client:
        progress.phase(f"{way.name}: connecting")
        pool = way.pool_size(options.nodes, options.shards)
        session, covered_after = await _connect(
            client,
            options.nodes,
            options.shards,
            will_cover=pool == options.nodes * options.shards,
        )
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

        warm_up, warm_up_checked = await reads(plan.warm_up_reads)
        count = plan.settle(warm_up.requests_per_second)
        progress.expect(plan.steps)
        # A collection of what came before must not fall into what is measured.
        gc.collect()
        timing, measured_checked = await reads(count)
        requests += plan.warm_up_reads + count

        # Excess connections of the legacy way are on their way out by now, at the latest. If they
        # do not go, that is a finding to report.
        await _holds_soon(lambda: _counters(cluster).connections == pool + _CONTROL)
        counters = _counters(cluster)

    return Visit(
        connecting=Connecting(
            pool_connections=counters.connections - _CONTROL,
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
    client: aio.Cluster, nodes: int, shards: int, *, will_cover: bool
) -> tuple[aio.Session[Any], float | None]:
    """Open a session; return also after how many seconds every shard had a connection, if ever."""

    async def look() -> float:
        began = time.perf_counter()
        while client.shards().covered < nodes * shards:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_INTERVAL_S)
        return time.perf_counter() - began

    looking = asyncio.create_task(look())
    try:
        session = await client.connect(row_factory="tuple")
        if not will_cover:
            return session, None
        await asyncio.wait([looking], timeout=_PATIENCE_S)
        return session, looking.result() if looking.done() else None
    finally:
        looking.cancel()


def _counters(cluster: Cluster) -> Counters:
    return Counters.of(cluster.stats())


async def _holds_soon(condition: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > ends_at:
            return False
        await asyncio.sleep(_LOOK_INTERVAL_S)
    return True
