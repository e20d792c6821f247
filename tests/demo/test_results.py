from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shardlane.demo import verdict
from shardlane.demo.counters import Cell, Counters, NodeRow
from shardlane.demo.results import Connecting, DemoResult, floor_to
from shardlane.demo.ways import Way

Changed = Callable[[Callable[[Way, int], dict[str, Any]]], DemoResult]


def test_json_has_the_documented_keys_and_no_others(demo: DemoResult) -> None:
    told = json.loads(json.dumps(demo.to_json()))
    assert list(told) == ["nodes", "shards", "rows_verified", "ways"]
    assert (told["nodes"], told["shards"], told["rows_verified"]) == (3, 4, 3000)
    assert [way["way"] for way in told["ways"]] == ["not shard-aware", "legacy", "shard-aware port"]
    for way in told["ways"]:
        assert list(way) == [
            "way",
            "pool_connections",
            "connections_opened",
            "connections_closed",
            "seconds_to_full_coverage",
            "right_shard_percent",
            "right_node_percent",
            "requests_per_second",
            "p50_us",
            "p99_us",
        ]
    blind, legacy, port = told["ways"]
    assert blind["seconds_to_full_coverage"] is None
    assert (blind["right_shard_percent"], blind["right_node_percent"]) == (25.0, 100.0)
    # The round in the middle: 7, 8 and 9 connections were in vain.
    assert (legacy["connections_opened"], legacy["connections_closed"]) == (21, 8)
    assert port["pool_connections"] == 12
    assert (port["connections_opened"], port["connections_closed"]) == (13, 0)
    assert port["right_shard_percent"] == 100.0
    assert port["seconds_to_full_coverage"] == 0.0123
    assert port["requests_per_second"] == 12_600.0
    assert 0 < port["p50_us"] < port["p99_us"]


def test_all_but_one_is_not_a_hundred_per_cent() -> None:
    nearly = Cell(right_shard=999_999, wrong_shard=1).right_shard_percent
    assert nearly is not None
    assert floor_to(nearly, 1) == 99.9
    assert floor_to(100.0, 1) == 100.0


def test_nothing_arrived_is_no_per_cent() -> None:
    assert Cell().right_shard_percent is None
    assert Cell(wrong_node=1).right_node_percent == 0.0


def test_a_good_demo_has_no_failures(demo: DemoResult) -> None:
    assert verdict.failures(demo) == []


def one_wrong(nodes: tuple[NodeRow, ...], wrong: Cell) -> Counters:
    first = nodes[0]
    cells = (first.cells[0] + wrong, *first.cells[1:])
    return Counters((NodeRow(first.address, cells), *nodes[1:]), 0, 13, 13, 0)


def test_one_request_at_the_wrong_shard_is_a_failure(
    changed_demo: Changed, demo: DemoResult
) -> None:
    nodes = demo.ways[2].visits[0].counters.nodes
    wrong = one_wrong(nodes, Cell(wrong_shard=1))
    result = changed_demo(
        lambda way, turn: {"counters": wrong} if (way.shard_awareness, turn) == ("full", 1) else {}
    )
    (failure,) = verdict.failures(result)
    assert failure.startswith("shard-aware port: 1 requests arrived at a shard that does not own")
    assert "99.99" in failure


def test_one_request_at_the_wrong_node_is_a_failure_for_every_way(
    changed_demo: Changed, demo: DemoResult
) -> None:
    wrong = one_wrong(demo.ways[0].visits[0].counters.nodes, Cell(wrong_node=1))
    result = changed_demo(
        lambda way, _: {"counters": wrong} if way.shard_awareness == "off" else {}
    )
    (failure,) = verdict.failures(result)
    assert failure.startswith("not shard-aware: 3 requests arrived at a node that does not have")


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"mismatches": ("row 7: name is 'x'",)}, "reads did not bring what was written: row 7"),
        ({"rows_verified": 0}, "0 of 1000 rows were read back"),
        ({"requests": 10**9}, "of the 1000007560 requests sent"),
        ({"connecting": Connecting(11, 12, 0, None)}, "not all shards got a connection"),
        ({"connecting": Connecting(13, 14, 0, 0.1)}, "13 connections instead of 12"),
        ({"connecting": Connecting(12, 14, 1, 0.1)}, "14 connections opened, 12 for the pool"),
    ],
)
def test_failures_are_told(changed_demo: Changed, changes: dict[str, Any], failure: str) -> None:
    result = changed_demo(
        lambda way, turn: changes if (way.shard_awareness, turn) == ("full", 0) else {}
    )
    (told,) = verdict.failures(result)
    assert told.startswith("shard-aware port: ")
    assert failure in told


def test_the_legacy_way_may_waste_connections_but_must_cover_all(changed_demo: Changed) -> None:
    def uncovered(way: Way, _: int) -> dict[str, Any]:
        return {"connecting": Connecting(11, 40, 28, None)} if way.wastes_connections else {}

    told = verdict.failures(changed_demo(uncovered))
    assert told == [f"legacy: round {n}: not all shards got a connection" for n in (1, 2, 3)]
