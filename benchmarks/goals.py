"""The goals of the project, computed from a run: every ratio is of figures from that run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .drivers import DRIVERS
from .summary import in_figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTE = (
    "Ratios are of medians, against the peer that is best in that figure, on the first server of "
    "this run. A goal without a verdict needs a cell or a driver that was not measured; memory "
    "over time needs --memory."
)

AIO, SYNC = "shardlane-aio", "shardlane-sync"
CLASSIC = "scylla-driver"
RUST_CLIENT, BARE_SOCKET = "limit-rust-client", "limit-bare-socket"
FLAT_REQUESTS = 10_000_000


@dataclass(frozen=True)
class Goal:
    """A goal, and what was measured."""

    what: str
    goal: str
    measured: str
    met: bool | None
    """None if it was not measured."""


Entry = dict[str, Any]


class _Run:
    """Figures of a document by their names."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._cells = document["servers"][0]["cells"] if document["servers"] else []

    def entries(self, workload: str, mode: str, in_flight: int, shape: str) -> dict[str, Entry]:
        """Drivers of a cell by name; empty if it was not measured."""
        wanted = {"workload": workload, "mode": mode, "in_flight": in_flight, "shape": shape}
        for cell in self._cells:
            if all(cell[key] == value for key, value in wanted.items()):
                return {entry["driver"]: entry for entry in cell["drivers"]}
        return {}

    def select(self, mode: str, in_flight: int) -> dict[str, Entry]:
        return self.entries("select", mode, in_flight, "tuples")


def evaluate(document: dict[str, Any]) -> list[Goal]:
    """Return all goals with their verdicts."""
    run = _Run(document)
    groups: list[Callable[[_Run], Iterator[Goal]]] = [
        _asyncio, _blocking, _pages, _memory, _allocations, _connecting, _importing, _limit,
    ]  # fmt: skip
    return [goal for group in groups for goal in group(run)]


def _asyncio(run: _Run) -> Iterator[Goal]:
    for in_flight, most in ((32, 0.5), (256, 0.4), (1, 0.6)):
        cell = run.select("tasks", in_flight)
        yield _at_most(f"asyncio, {in_flight} in flight: CPU", cell, "cpu_us", most)
        if in_flight == 256:
            yield _below(f"asyncio, {in_flight} in flight: event-loop thread",
                         _figure(cell, AIO, "thread_us"), 2.0, "us")  # fmt: skip
        if in_flight == 1:
            yield _at_most("asyncio, 1 in flight: p50", cell, "p50_us", 0.7)


def _blocking(run: _Run) -> Iterator[Goal]:
    cell = run.select("threads", 1)
    yield _ratio("blocking, 1 thread: p50", cell, "p50_us", (SYNC, BARE_SOCKET), most=1.3)
    yield _ratio("blocking, 1 thread: CPU", cell, "cpu_us", (SYNC, CLASSIC), most=0.25)
    for threads in (8, 64):
        cell = run.select("threads", threads)
        what = f"blocking, {threads} threads: throughput"
        yield _ratio(what, cell, "per_second", (SYNC, CLASSIC), least=4.0)


def _pages(run: _Run) -> Iterator[Goal]:
    for shape, most in (("tuples", 80), ("namedtuples", 120), ("dicts", 120)):
        figure = _figure(run.entries("pages", "each", 1, shape), AIO, "cpu_us")
        nanoseconds = None if figure is None else figure * 1e3
        yield _below(f"pages, {shape}: CPU for each row", nanoseconds, most, "ns")


def _memory(run: _Run) -> Iterator[Goal]:
    connects = run.document["connects"]
    cell = {entry["driver"]: entry for entry in connects[0]["drivers"]} if connects else {}
    for name in (AIO, SYNC):
        what = f"memory: RSS of a connected process, {name}"
        yield _at_most(what, cell, "connected_rss_mb", 1.0, name)
    memory = run.document["memory"]
    wanted = f"flat over {FLAT_REQUESTS:,} requests"
    if not memory or memory["requests"] < FLAT_REQUESTS:
        yield Goal("memory over time", wanted, "not measured", None)
    else:
        grown = memory["last_mb"] - memory["first_mb"]
        yield Goal("memory over time", wanted, f"grew by {grown:.1f} MB", grown < 1.0)


def _allocations(run: _Run) -> Iterator[Goal]:
    for counts in run.document["allocations"]:
        for entry in counts["drivers"]:
            if entry["driver"] in (AIO, SYNC):
                what = f"native allocations, {entry['driver']}, {counts['in_flight']} in flight"
                yield _below(what, entry["native"], 1.0, "for each request", slack=0.05)


def _connecting(run: _Run) -> Iterator[Goal]:
    for connects in run.document["connects"]:
        cell = {entry["driver"]: entry for entry in connects["drivers"]}
        shards = connects["nodes"] * connects["shards"]
        for name in (AIO, SYNC):
            what = f"connect, {shards} shards: time, {name}"
            yield _ratio(what, cell, "covered_ms", (name, BARE_SOCKET), most=1.5)
        most = shards + connects["nodes"]
        opened = _figure(cell, AIO, "opened")
        yield _below(f"connect, {shards} shards: connections opened", opened, most, "")


def _importing(run: _Run) -> Iterator[Goal]:
    times = {entry["package"]: entry["ms"]["median"] for entry in run.document["imports"]}
    yield _below("import shardlane", times.get("shardlane"), 40, "ms")


def _limit(run: _Run) -> Iterator[Goal]:
    cell = run.select("tasks", 256)
    yield _ratio("256 in flight: CPU", cell, "cpu_us", (AIO, RUST_CLIENT), most=3.0)


def _figure(cell: dict[str, Entry], name: str, figure: str) -> float | None:
    figures = cell[name][figure] if name in cell else None
    return None if figures is None else figures["median"]


def _best_peer(cell: dict[str, Entry], figure: str) -> tuple[float, str] | None:
    peers = [name for name in cell if not DRIVERS[name].is_ours and not DRIVERS[name].is_limit]
    figures = [(value, name) for name in peers if (value := _figure(cell, name, figure))]
    return min(figures, default=None)


def _at_most(what: str, cell: dict[str, Entry], figure: str, most: float, ours: str = AIO) -> Goal:
    """Ours beside the best peer's."""
    best = _best_peer(cell, figure)
    return _ratio(what, cell, figure, (ours, best[1] if best else "the best peer"), most=most)


def _ratio(
    what: str,
    cell: dict[str, Entry],
    figure: str,
    names: tuple[str, str],
    *,
    most: float | None = None,
    least: float | None = None,
) -> Goal:
    """The first one's figure as a multiple of the second one's."""
    bound = f"at most {most:g}" if most is not None else f"at least {least:g}"
    goal = f"{bound} x {names[1]}"
    ours, other = (_figure(cell, name, figure) for name in names)
    if ours is None or not other:
        return Goal(what, goal, "not measured", None)
    ratio = ours / other
    met = ratio <= most if most is not None else ratio >= (least or 0.0)
    return Goal(what, goal, f"{ratio:.2f} ({in_figures(ours)} beside {in_figures(other)})", met)


def _below(what: str, value: float | None, most: float, unit: str, slack: float = 0.0) -> Goal:
    """A figure that has to be small by itself; `slack` is for what is no part of it."""
    goal = f"at most {most:g} {unit}".rstrip()
    if value is None:
        return Goal(what, goal, "not measured", None)
    return Goal(what, goal, f"{in_figures(value)} {unit}".rstrip(), value <= most + slack)
