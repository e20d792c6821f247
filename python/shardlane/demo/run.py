"""The whole demo, from the first server to the last measurement."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from shardlane import aio
from shardlane.testing import Cluster

from . import data
from .options import ROUNDS, Options
from .results import DemoResult, Visit, WayResult
from .visit import Plan, visit
from .ways import WAYS, Way

if TYPE_CHECKING:
    from .progress import Progress


async def run(options: Options, progress: Progress) -> DemoResult:
    """Start a cluster, go all ways, and return what was found.

    Raises:
        DemoError: connections did not come or go as they must.
        ShardlaneError: a request failed.
    """
    began = time.perf_counter()
    plan = Plan(options, ROUNDS)
    progress.expect(plan.steps)
    progress.phase("starting the cluster")
    # On a server that other clients use, too, it is chance which shard has the fewest connections
    # and serves the next one on the normal port. With this client alone it would not be.
    with Cluster(options.nodes, options.shards, random_shard=True, seed=options.seed) as cluster:
        await _create_tables(cluster, options.replication_factor)
        visits: dict[Way, list[Visit]] = {way: [] for way in WAYS}
        for round_number in range(ROUNDS):
            # Each way is once the first, once in the middle, and once the last.
            turn = round_number % len(WAYS)
            for way in (*WAYS[turn:], *WAYS[:turn]):
                visits[way].append(await visit(cluster, way, round_number, plan, progress))
    return DemoResult(
        nodes=options.nodes,
        shards=options.shards,
        rows=options.rows,
        replication_factor=options.replication_factor,
        concurrency=options.concurrency,
        rounds=ROUNDS,
        cpus=os.cpu_count() or 1,
        seconds=time.perf_counter() - began,
        ways=tuple(WayResult.of(way, visits[way]) for way in WAYS),
    )


async def _create_tables(cluster: Cluster, replication_factor: int) -> None:
    async with aio.connect(cluster.contact_points) as session:
        await session.execute(data.create_keyspace(replication_factor))
        for way in WAYS:
            await session.execute(data.create_table(way.table))
