"""What must hold for the demo to have succeeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .results import DemoResult, WayResult, floor_to

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN_MAX = 3


def failures(result: DemoResult) -> list[str]:
    """Return what went wrong, in sentences; nothing if all is well."""
    return [
        f"{way.way.name}: {complaint}"
        for way in result.ways
        for complaint in _failures_of_way(way, result)
    ]


def _failures_of_way(way: WayResult, demo: DemoResult) -> Iterator[str]:
    yield from _wrong_values(way, demo)
    yield from _wrong_arrivals(way)
    yield from _wrong_connections(way, way.way.pool_size(demo.nodes, demo.shards))


def _wrong_values(way: WayResult, demo: DemoResult) -> Iterator[str]:
    if way.mismatches:
        shown = "; ".join(way.mismatches[:_SHOWN_MAX])
        more = len(way.mismatches) - _SHOWN_MAX
        yield (
            f"{len(way.mismatches)} reads did not bring what was written: {shown}"
            f"{f'; and {more} more' if more > 0 else ''}"
        )
    elif way.rows_verified != demo.rows:
        yield f"{way.rows_verified} of {demo.rows} rows were read back"


def _wrong_arrivals(way: WayResult) -> Iterator[str]:
    total = way.total
    if total.total < way.requests:
        yield f"the servers counted {total.total} of the {way.requests} requests sent"
    if total.wrong_node:
        yield (
            f"{total.wrong_node} requests arrived at a node that does not have the key"
            f" (right node: {floor_to(way.right_node_percent, 3)} %, must be 100.0 %)"
        )
    if way.way.aims_at_shards and total.right_shard != total.total:
        yield (
            f"{total.total - total.right_shard} requests arrived at a shard that does not own the"
            f" key (right shard: {floor_to(way.right_shard_percent, 3)} %, must be 100.0 %)"
        )


def _wrong_connections(way: WayResult, pool: int) -> Iterator[str]:
    for number, visit in enumerate(way.visits, 1):
        connecting = visit.connecting
        if way.way.aims_at_shards and connecting.seconds_to_full_coverage is None:
            yield f"round {number}: not all shards got a connection"
        elif connecting.pool_connections != pool:
            yield f"round {number}: {connecting.pool_connections} connections instead of {pool}"
        elif not way.way.wastes_connections and connecting.opened != pool + 1:
            yield (
                f"round {number}: {connecting.opened} connections opened, {pool} for the pool and"
                " the control connection would have been enough"
            )
