"""The outcome as text, with colours where there is a terminal."""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from . import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from .counters import Cell, NodeRow
    from .results import DemoResult, WayResult

_LABEL = 26
_VALUE = 18
_CELL = 5
_TEXT_MAX = 100

# Colours of the 256-colour palette, from few to many requests. Blue and orange are told apart by
# everybody; the numbers say the same.
_RIGHT = (17, 18, 19, 25, 26)
_WRONG = (52, 94, 130, 166, 172)


@dataclass(frozen=True)
class Style:
    """How to write for an output."""

    colour: bool = False

    @classmethod
    def of(cls, out: TextIO) -> Style:
        """Find out what an output takes; ``NO_COLOR`` is honoured."""
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(colour=out.isatty() and not plain)

    def paint(self, text: str, codes: str) -> str:
        """Apply codes of ``SGR``."""
        return f"\x1b[{codes}m{text}\x1b[0m" if self.colour and text.strip() else text

    def bold(self, text: str) -> str:
        """What matters most."""
        return self.paint(text, "1")

    def dim(self, text: str) -> str:
        """What matters least."""
        return self.paint(text, "2")

    def good(self, text: str) -> str:
        """As it should be."""
        return self.paint(text, "1;38;5;39")

    def bad(self, text: str) -> str:
        """What costs."""
        return self.paint(text, "1;38;5;208")


def render(demo: DemoResult, style: Style, columns: int) -> str:
    """Return the report, for a terminal that is so many columns wide."""
    width = min(columns, _TEXT_MAX)
    where, worth = words.finding(demo)
    return "\n".join(
        [
            "",
            style.bold("shardlane demo"),
            *_wrapped(words.set_up(demo), width),
            "",
            *_table(demo, style),
            "",
            *_heat_maps(demo, style, columns),
            "",
            *_wrapped(where, width, style.bold),
            *_wrapped(worth, width, style.bold),
            "",
            *_wrapped(f"Checked: {words.verified(demo)}; {demo.seconds:.0f} s.", width),
            *_wrapped(words.machine(demo), width, style.dim),
        ]
    )


def _wrapped(text: str, width: int, paint: Callable[[str], str] = str) -> list[str]:
    return [paint(line) for line in textwrap.wrap(text, max(width, 20))]


def _table(demo: DemoResult, style: Style) -> list[str]:
    def line(
        label: str, value: Callable[[WayResult], str], paint: Callable[[WayResult, str], str]
    ) -> str:
        cells = [paint(way, value(way).rjust(_VALUE)) for way in demo.ways]
        return f"{label:<{_LABEL}}{''.join(cells)}"

    def plain(_: WayResult, text: str) -> str:
        return text

    def by_shard(way: WayResult, text: str) -> str:
        right = way.total.right_shard == way.total.total
        return style.good(text) if right else style.bad(text)

    def by_coverage(way: WayResult, text: str) -> str:
        covered = way.connecting.seconds_to_full_coverage is not None
        return text if covered else style.bad(text)

    shards = demo.nodes * demo.shards
    rows: list[tuple[str, Callable[[WayResult], str], Callable[[WayResult, str], str]] | None] = [
        ("", lambda way: way.way.name, lambda _, text: style.bold(text)),
        ("connections in the pool", lambda way: str(way.connecting.pool_connections), plain),
        ("  opened (+ control)", words.opened, plain),
        ("  closed as useless", lambda way: str(way.connecting.closed), plain),
        (
            f"  all {shards} shards covered",
            lambda way: words.duration(way.connecting.seconds_to_full_coverage),
            by_coverage,
        ),
        None,
        ("arrived at right node", lambda way: words.percent(way.right_node_percent), plain),
        ("arrived at right shard", lambda way: words.percent(way.right_shard_percent), by_shard),
        None,
        ("requests per second", lambda way: words.count(way.requests_per_second), plain),
        ("latency p50", lambda way: words.duration(way.latencies.p50_us / 1e6), plain),
        ("latency p99", lambda way: words.duration(way.latencies.p99_us / 1e6), plain),
        (
            "CPU per request, all sides",
            lambda way: words.duration(way.cpu_us_per_request / 1e6),
            plain,
        ),
    ]
    return ["" if row is None else line(*row).rstrip() for row in rows]


def _heat_maps(demo: DemoResult, style: Style, columns: int) -> list[str]:
    maps = [_heat_map(way, style) for way in demo.ways]
    width = maps[0].width
    gap = 3
    title = style.bold("Where requests arrived in the first round, as the servers counted them")
    legend = style.dim("per cent of what arrived at a shard that belonged there; · nothing arrived")
    lines = [title, legend, ""]
    if len(maps) * (width + gap) - gap <= columns:
        rows = zip(*(heat_map.lines for heat_map in maps), strict=True)
        return lines + [(" " * gap).join(parts).rstrip() for parts in rows]
    for heat_map in maps:
        lines += [*(line.rstrip() for line in heat_map.lines), ""]
    return lines[:-1]


@dataclass(frozen=True)
class _HeatMap:
    width: int
    lines: tuple[str, ...]
    """All equally wide when printed."""


def _heat_map(way: WayResult, style: Style) -> _HeatMap:
    nodes = way.arrivals
    label = max(len(node.address) for node in nodes)
    width = max(label + _CELL * max(len(node.cells) for node in nodes), len(way.way.name))
    busiest = max((cell.total for node in nodes for cell in node.cells), default=0)
    numbers = "".join(f"{shard:>{_CELL}}" for shard in range(max(len(n.cells) for n in nodes)))
    lines = [
        style.bold(way.way.name.ljust(width)),
        style.dim(f"{'shard':<{label}}{numbers}".ljust(width)),
        *(_heat_row(node, label, width, busiest, style) for node in nodes),
    ]
    return _HeatMap(width, tuple(lines))


def _heat_row(node: NodeRow, label: int, width: int, busiest: int, style: Style) -> str:
    cells = "".join(_heat_cell(cell, busiest, style) for cell in node.cells)
    padding = " " * (width - label - _CELL * len(node.cells))
    return f"{node.address:<{label}}{cells}{padding}"


def _heat_cell(cell: Cell, busiest: int, style: Style) -> str:
    share = cell.right_shard_percent
    if share is None:
        return style.dim("·".rjust(_CELL))
    text = f"{int(share)}%".rjust(_CELL - 1)
    colours = _RIGHT if cell.right_shard == cell.total else _WRONG
    # One space stays unpainted, so that the cells stand apart.
    return " " + style.paint(text, f"97;48;5;{colours[heat(cell.total, busiest, len(colours))]}")


def heat(value: int, most: int, steps: int) -> int:
    """Return the step, from 0, for a value between none and most."""
    return min(steps * value // most, steps - 1) if most > 0 else 0
