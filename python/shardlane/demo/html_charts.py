"""Plots for the page: bars, curves and heat maps as HTML and SVG."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from . import words
from .counters import Cell
from .results import WayResult, floor_to

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of the colour in the busiest cell: text stays readable on it, in light and dark.
_HEAT_PERCENT_MAX = 62


@dataclass(frozen=True)
class Bar:
    """One bar of a bar chart."""

    label: str
    value: float
    text: str
    waste: float = 0.0
    """A hatched part after the value."""
    low: float | None = None
    """Where the line that shows the spread begins; None for no such line."""
    high: float = 0.0


def bars(title: str, caption: str, of: Sequence[Bar], most: float | None = None) -> str:
    """Return a figure with one bar for each way, in the order of the ways."""
    full = most or max((bar.value + bar.waste for bar in of), default=0) or 1.0
    if most is None:
        full = max([full, *(bar.high for bar in of)])
    return (
        f'<figure class="card"><h3>{escape(title)}</h3><figcaption>{escape(caption)}</figcaption>'
        f'<div class="bars">{"".join(_bar(index, bar, full) for index, bar in enumerate(of))}</div>'
        "</figure>"
    )


def _bar(index: int, bar: Bar, full: float) -> str:
    def part(value: float) -> str:
        return f"{100 * value / full:.2f}%"

    waste = f'<div class="fill waste" style="width:{part(bar.waste)}"></div>' if bar.waste else ""
    spread = ""
    if bar.low is not None:
        width = part(max(bar.high - bar.low, 0))
        spread = f'<div class="span" style="left:{part(bar.low)};width:{width}"></div>'
    return (
        f'<div class="way-{index}"><div class="bar-label"><span>{escape(bar.label)}</span>'
        f"<b>{escape(bar.text)}</b></div>"
        f'<div class="track"><div class="fill" style="width:{part(bar.value)}"></div>{waste}'
        f"{spread}</div></div>"
    )


_WIDTH, _HEIGHT = 460, 290
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 448, 10, 252


def latency_curves(ways: Sequence[WayResult]) -> str:
    """Return the figure of the distributions: what part of the requests took at most how long."""
    # The fastest and the slowest few would stretch the axis for everybody else.
    curves = [
        [(part, most) for part, most in way.latencies.curve if 1 <= part <= 99.9 and most > 0]
        for way in ways
    ]
    times = [most for curve in curves for _, most in curve]
    low, high = _decade(min(times), down=True), _decade(max(times), down=False)

    def x(us: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * math.log(us / low) / math.log(high / low)

    def y(percent: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * percent / 100

    rules = "".join(
        f'<line class="rule" x1="{_LEFT}" x2="{_RIGHT}" y1="{y(part):.1f}" y2="{y(part):.1f}"/>'
        f'<text x="{_LEFT - 7}" y="{y(part) + 4:.1f}" text-anchor="end">{part}</text>'
        for part in (0, 25, 50, 75, 100)
    )
    marks = "".join(
        f'<line class="rule" x1="{x(us):.1f}" x2="{x(us):.1f}" y1="{_TOP}" y2="{_BOTTOM}"/>'
        f'<text x="{x(us):.1f}" y="{_BOTTOM + 17}" text-anchor="middle">{_time(us)}</text>'
        for us in _marks(low, high)
    )
    lines = "".join(
        f'<path class="curve way-{index}" d="M'
        + " L".join(f"{x(most):.1f} {y(percent):.1f}" for percent, most in curve)
        + '"/>'
        for index, curve in enumerate(curves)
    )
    script = {
        "left": _LEFT,
        "right": _RIGHT,
        "top": _TOP,
        "bottom": _BOTTOM,
        "low": low,
        "high": high,
        "curves": [[(part, round(most, 1)) for part, most in curve] for curve in curves],
    }
    legend = "".join(
        f'<li class="way-{index}"><svg viewBox="0 0 28 8" aria-hidden="true">'
        f'<line x1="0" x2="28" y1="4" y2="4"/></svg>{escape(way.way.name)} <output></output></li>'
        for index, way in enumerate(ways)
    )
    medians = ", ".join(
        f"{way.way.name} {words.duration(way.latencies.p50_us / 1e6)}" for way in ways
    )
    return (
        '<figure class="card"><h3>Latency, all measured reads</h3>'
        "<figcaption>Per cent of the reads that took at most so long; further left is better."
        f'</figcaption><ul class="legend">{legend}</ul>'
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="Distribution of latencies. Medians: {escape(medians, quote=True)}"'
        f' data-curves="{escape(json.dumps(script), quote=True)}">{rules}{marks}{lines}'
        f'<line class="cursor" x1="0" x2="0" y1="{_TOP}" y2="{_BOTTOM}"/>'
        f'<text x="{_RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">latency</text>'
        f'<text x="{_LEFT - 38}" y="{_HEIGHT - 4}">% of reads</text></svg></figure>'
    )


def _decade(us: float, *, down: bool) -> float:
    """The nearest 1, 2 or 5 times a power of ten that bounds a time."""
    power: float = 10.0 ** math.floor(math.log10(us))
    steps = [power * step for step in (1, 2, 5, 10)]
    if down:
        return max(step for step in steps if step <= us)
    return min(step for step in steps if step > us)


def _marks(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    # Further marks would run into each other.
    decades = math.log10(high / low)
    steps = (1, 2, 5) if decades <= 2 else (1, 3) if decades <= 4 else (1,)
    marks = [step * 10.0**exponent for exponent in exponents for step in steps]
    return [mark for mark in marks if low <= mark * 1.000001 and mark <= high * 1.000001]


def _time(us: float) -> str:
    if us < 1000:
        return f"{us:g} µs"
    return f"{us / 1e3:g} ms" if us < 1e6 else f"{us / 1e6:g} s"


def heat_map(index: int, way: WayResult) -> str:
    """Return the figure of where the requests of one way arrived."""
    nodes = way.arrivals
    busiest = max((cell.total for node in nodes for cell in node.cells), default=0)
    shards = range(max(len(node.cells) for node in nodes))
    head = "".join(f'<th scope="col">{shard}</th>' for shard in shards)
    total = sum((cell for node in nodes for cell in node.cells), Cell())
    body = "".join(
        f'<tr><th scope="row">{escape(node.address)}</th>'
        + "".join(_heat_cell(cell, busiest) for cell in node.cells)
        + "</tr>"
        for node in nodes
    )
    return (
        f'<figure class="card way way-{index}"><h3>{escape(way.way.name)}</h3>'
        f"<figcaption>{words.percent(total.right_shard_percent or 0.0)} of"
        f" {words.count(total.total)} requests at the right shard</figcaption>"
        f'<div class="scroll"><table class="heat"><thead><tr><th scope="col">shard</th>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div></figure>"
    )


def _heat_cell(cell: Cell, busiest: int) -> str:
    share = cell.right_shard_percent
    if share is None:
        return '<td title="nothing arrived here">·</td>'
    kind = "right" if cell.right_shard == cell.total else "wrong"
    heat = 12 + (_HEAT_PERCENT_MAX - 12) * cell.total / busiest
    title = (
        f"{words.count(cell.total)} arrived: {words.count(cell.right_shard)} right,"
        f" {words.count(cell.wrong_shard)} for another shard,"
        f" {words.count(cell.wrong_node)} for another node"
    )
    return (
        f'<td class="{kind}" style="--heat:{heat:.0f}%" title="{title}">'
        f"<b>{floor_to(share, 0):.0f}%</b><small>{_thousands(cell.total)}</small></td>"
    )


def _thousands(value: int) -> str:
    if value < 1000:
        return str(value)
    return f"{value / 1000:.1f}k" if value < 1_000_000 else f"{value / 1e6:.1f}M"
