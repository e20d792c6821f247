"""Outcomes of demos that never ran, to render and to judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shardlane.demo.counters import Cell, Counters, NodeRow
from shardlane.demo.measure import Timing
from shardlane.demo.results import Connecting, DemoResult, Visit, WayResult
from shardlane.demo.ways import WAYS, Way

NODES, SHARDS, ROWS, READS = 3, 4, 1000, 500


def grid(way: Way) -> tuple[NodeRow, ...]:
    """All requests of a node on one shard, a quarter of them right; or all right everywhere."""
    if way.aims_at_shards:
        cells = [tuple(Cell(right_shard=300 + 10 * shard) for shard in range(SHARDS))] * NODES
    else:
        first = [Cell(right_shard=315, wrong_shard=945), *[Cell()] * (SHARDS - 1)]
        cells = [tuple(first[-node:] + first[:-node]) for node in range(NODES)]
    return tuple(NodeRow(f"127.0.0.{node + 1}", cells[node]) for node in range(NODES))


def a_visit(way: Way, round_number: int, **changes: Any) -> Visit:
    pool = NODES * SHARDS if way.aims_at_shards else NODES
    wasted = 7 + round_number if way.wastes_connections else 0
    speed = {"off": 10_000, "legacy": 12_000, "full": 12_500}[way.shard_awareness]
    values: dict[str, Any] = {
        "connecting": Connecting(
            pool_connections=pool,
            opened=pool + wasted + 1,
            closed=wasted,
            seconds_to_full_coverage=0.0123 if way.aims_at_shards else None,
        ),
        "counters": Counters(
            nodes=grid(way),
            forwarded=0 if way.aims_at_shards else 2835,
            connections=pool + 1,
            connections_opened=pool + wasted + 1,
            connections_closed=wasted,
        ),
        "requests": 3780,
        "timing": Timing(
            requests=READS,
            seconds=READS / (speed + 100 * round_number),
            cpu_seconds=READS * 1.9 / speed,
            latencies_ns=[32_000_000_000 // speed + 4_000 * n for n in range(READS)],
        ),
        "rows_verified": ROWS if round_number == 0 else 0,
        "reads_verified": READS,
    }
    return Visit(**{**values, **changes})


def a_demo(change: Callable[[Way, int], dict[str, Any]] = lambda _way, _round: {}) -> DemoResult:
    return DemoResult(
        nodes=NODES,
        shards=SHARDS,
        rows=ROWS,
        replication_factor=1,
        concurrency=32,
        rounds=3,
        cpus=2,
        seconds=12.3,
        ways=tuple(
            WayResult.of(way, [a_visit(way, number, **change(way, number)) for number in range(3)])
            for way in WAYS
        ),
    )


@pytest.fixture
def demo() -> DemoResult:
    """A demo in which everything went well."""
    return a_demo()


@pytest.fixture
def changed_demo() -> Callable[[Callable[[Way, int], dict[str, Any]]], DemoResult]:
    """A demo whose visits differ from a good one as a function of way and round says."""
    return a_demo
