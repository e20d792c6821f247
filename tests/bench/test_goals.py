from __future__ import annotations

from typing import Any

import pytest

from benchmarks.goals import AIO, BARE_SOCKET, CLASSIC, RUST_CLIENT, SYNC, Goal, evaluate
from benchmarks.memory import summarise
from benchmarks.plan import Cell
from benchmarks.summary import spread

from .documents import cell, connects, document, entry


def cpu(microseconds: float, **changes: Any) -> dict[str, Any]:
    """Changes to a round that make a request cost so much."""
    return {"user_s": microseconds / 1e3, "system_s": 0.0, **changes}


def goal(run: dict[str, Any], what: str) -> Goal:
    found = [each for each in evaluate(run) if each.what == what]
    assert len(found) == 1, f"{what!r} among {[each.what for each in evaluate(run)]}"
    return found[0]


def at_32(ours: float, **peers: float) -> dict[str, Any]:
    entries = [entry(AIO, **cpu(ours))]
    entries += [entry(name, **cpu(figure)) for name, figure in peers.items()]
    return document([cell(Cell("select", "tasks", 32), entries)])


def test_the_best_peer_sets_the_mark() -> None:
    run = at_32(6.0, acsylla=13.0, scyllapy=11.0)
    told = goal(run, "asyncio, 32 in flight: CPU")
    assert told.goal == "at most 0.5 x scyllapy"
    assert told.measured == "0.55 (6 beside 11)"
    assert told.met is False


def test_a_goal_is_met_at_its_bound() -> None:
    assert goal(at_32(5.0, acsylla=10.0), "asyncio, 32 in flight: CPU").met is True


def test_what_bounds_drivers_is_no_peer() -> None:
    run = at_32(5.0, acsylla=10.0, **{RUST_CLIENT: 1.0})
    assert goal(run, "asyncio, 32 in flight: CPU").goal == "at most 0.5 x acsylla"


def test_without_a_peer_there_is_no_verdict() -> None:
    told = goal(at_32(5.0), "asyncio, 32 in flight: CPU")
    assert (told.measured, told.met) == ("not measured", None)


@pytest.mark.parametrize(("thread_us", "met"), [(2.0, True), (2.1, False)])
def test_the_loop_has_a_bound_of_its_own(thread_us: float, met: bool) -> None:
    entries = [entry(AIO, thread_s=thread_us / 1e3)]
    run = document([cell(Cell("select", "tasks", 256), entries)])
    assert goal(run, "asyncio, 256 in flight: event-loop thread").met is met


def test_a_blocking_call_is_held_against_a_bare_socket() -> None:
    entries = [entry(SYNC, **cpu(40.0, p50_us=50.0)), entry(BARE_SOCKET, p50_us=40.0)]
    entries.append(entry(CLASSIC, **cpu(200.0, p50_us=30.0)))
    run = document([cell(Cell("select", "threads", 1), entries)])
    assert goal(run, "blocking, 1 thread: p50").measured == "1.25 (50 beside 40)"
    assert goal(run, "blocking, 1 thread: p50").met is True
    assert goal(run, "blocking, 1 thread: CPU").met is True


@pytest.mark.parametrize(("wall_s", "met"), [(0.25, True), (0.26, False)])
def test_throughput_has_to_be_a_multiple(wall_s: float, met: bool) -> None:
    entries = [entry(SYNC, wall_s=wall_s), entry(CLASSIC, wall_s=1.0)]
    run = document([cell(Cell("select", "threads", 8), entries)])
    assert goal(run, "blocking, 8 threads: throughput").met is met


def test_rows_of_pages_cost_nanoseconds() -> None:
    tuples, dicts = Cell("pages", "each", 1), Cell("pages", "each", 1, "dicts")
    run = document(
        [
            cell(tuples, [entry(AIO, 5000, user_s=0.4, system_s=0.0)]),
            cell(dicts, [entry(AIO, 5000, user_s=0.65, system_s=0.0)]),
        ]
    )
    assert goal(run, "pages, tuples: CPU for each row").measured == "80 ns"
    assert goal(run, "pages, tuples: CPU for each row").met is True
    assert goal(run, "pages, dicts: CPU for each row").met is False
    assert goal(run, "pages, namedtuples: CPU for each row").met is None


def test_connecting_is_held_against_bare_handshakes_at_both_sizes() -> None:
    times = {AIO: 15.0, SYNC: 16.0, BARE_SOCKET: 10.0}
    run = document([], connects=[connects(8, times, 25), connects(64, times, 400)])
    assert goal(run, f"connect, 24 shards: time, {AIO}").met is True
    assert goal(run, f"connect, 24 shards: time, {SYNC}").met is False
    assert goal(run, "connect, 24 shards: connections opened").met is True
    assert goal(run, "connect, 192 shards: connections opened").met is False


def test_importing_has_a_time() -> None:
    imports = [{"package": "shardlane", "module": "shardlane", "ms": spread([41.0], 2)}]
    assert goal(document([], imports=imports), "import shardlane").met is False


def test_allocations_may_be_one_and_what_the_harness_adds() -> None:
    def counted(native: float) -> dict[str, Any]:
        counts = [{"in_flight": 32, "drivers": [{"driver": AIO, "native": native, "all": 9.0}]}]
        return document([], allocations=counts)

    what = f"native allocations, {AIO}, 32 in flight"
    assert goal(counted(1.02), what).met is True
    assert goal(counted(1.2), what).met is False


@pytest.mark.parametrize(("growth_mb", "met"), [(0.2, True), (2.0, False)])
def test_memory_has_to_stay_flat_after_its_beginning(growth_mb: float, met: bool) -> None:
    early = [(1_000_000 * number, 30.0) for number in range(2)]
    rest = [(1_000_000 * number, 33.0 + growth_mb * number / 10) for number in range(2, 11)]
    memory = summarise([*early, *rest])
    assert memory["requests"] == 10_000_000
    assert goal(document([], memory=memory), "memory over time").met is met


def test_memory_over_few_requests_says_nothing() -> None:
    memory = summarise([(1000, 30.0)])
    assert goal(document([], memory=memory), "memory over time").met is None


def test_an_empty_run_has_no_verdicts() -> None:
    assert {each.met for each in evaluate(document([], servers=[]))} == {None}
