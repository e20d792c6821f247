"""Plots as inline SVG: bars with their spread, and curves over the number in flight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = 8
"""Classes `.series-0` and so on that the style sheet knows."""


@dataclass(frozen=True)
class Bar:
    """One bar, with the least and the most of the rounds as a line on it."""

    label: str
    value: float
    least: float
    most: float
    text: str
    kind: str
    """Class: `ours`, `peer` or `limit`."""


_WIDTH, _LABEL, _TEXT, _STEP = 640, 210, 70, 24


def bars(title: str, of: Sequence[Bar]) -> str:
    """Return a figure with a bar for each driver, from 0 on; the shorter the better."""
    full = max((bar.most for bar in of), default=0.0) or 1.0
    space = _WIDTH - _LABEL - _TEXT

    def x(value: float) -> float:
        return _LABEL + space * value / full

    shown = []
    for index, bar in enumerate(of):
        top = index * _STEP
        middle = top + _STEP / 2
        shown.append(
            f'<g class="{bar.kind}"><title>{escape(bar.label)}: {escape(bar.text)}</title>'
            f'<text class="label" x="{_LABEL - 8}" y="{middle + 4}">{escape(bar.label)}</text>'
            f'<rect x="{_LABEL}" y="{top + 5}" width="{x(bar.value) - _LABEL:.1f}" '
            f'height="{_STEP - 10}" rx="2"/>'
            f'<line class="spread" x1="{x(bar.least):.1f}" x2="{x(bar.most):.1f}" '
            f'y1="{middle}" y2="{middle}"/>'
            f'<text x="{x(bar.most) + 6:.1f}" y="{middle + 4}">{escape(bar.text)}</text></g>'
        )
    return _figure(title, _WIDTH, max(1, len(of)) * _STEP, "".join(shown), "bars")


@dataclass(frozen=True)
class Curve:
    """One driver's figures by the number in flight."""

    label: str
    points: list[tuple[float, float]]
    kind: str


_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 620, 10, 300


def curves(title: str, of: Sequence[Curve]) -> str:
    """Return a figure with a line for each driver, both axes logarithmic."""
    points = [point for curve in of for point in curve.points if min(point) > 0]
    if not points:
        return ""
    across = sorted({x for x, _ in points})
    left, right = math.log(across[0]), math.log(across[-1])
    low = 10.0 ** math.floor(math.log10(min(y for _, y in points)))
    high = 10.0 ** math.ceil(math.log10(max(y for _, y in points)))

    def x(value: float) -> float:
        share = (math.log(value) - left) / (right - left) if right > left else 0.5
        return _LEFT + (_RIGHT - _LEFT) * share

    def y(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if high > low else 0.5
        return _BOTTOM - (_BOTTOM - _TOP) * share

    shown = [
        f'<line class="rule" x1="{_LEFT}" x2="{_RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
        f'<text class="label" x="{_LEFT - 8}" y="{y(mark) + 4:.1f}">{mark:g}</text>'
        for mark in _marks(low, high)
    ]
    shown += [
        f'<text class="middle" x="{x(mark):.1f}" y="{_BOTTOM + 18}">{mark:g}</text>'
        for mark in across
    ]
    for index, curve in enumerate(of):
        known = [point for point in curve.points if min(point) > 0]
        path = " L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in known)
        dots = "".join(
            f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3">'
            f"<title>{escape(curve.label)}, {at:g} in flight: {value:g}</title></circle>"
            for at, value in known
        )
        shown.append(
            f'<g class="series-{index % _COLOURS} {curve.kind}"><path d="M{path}"/>{dots}</g>'
            if known
            else ""
        )
    legend = "".join(
        f'<li class="series-{index % _COLOURS} {curve.kind}"><i></i>{escape(curve.label)}</li>'
        for index, curve in enumerate(of)
    )
    svg = _figure(title, 640, _BOTTOM + 28, "".join(shown), "curves")
    return svg.replace("</figure>", f'<ul class="legend">{legend}</ul></figure>')


def _marks(low: float, high: float) -> list[float]:
    """Powers of ten from the lowest to the highest."""
    first, last = round(math.log10(low)), round(math.log10(high))
    return [10.0**exponent for exponent in range(first, last + 1)]


def _figure(title: str, width: int, height: int, inside: str, kind: str) -> str:
    return (
        f'<figure class="{kind}"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{inside}</svg></figure>'
    )
