"""The document of a run as one HTML page that needs nothing else: tables and plots."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from . import tables
from .drivers import DRIVERS
from .markdown import TITLE, is_text
from .plan import MODES
from .plots import Bar, Curve, bars, curves
from .summary import in_figures

_STYLE = Path(__file__).parent / "page.css"


def render(document: dict[str, Any]) -> str:
    """Return the page."""
    plots = _plots_of_cells(document)
    parts = []
    for section in tables.sections(document):
        parts.append(f"<h2>{escape(section.title)}</h2>")
        parts += [f"<p>{escape(note)}</p>" for note in section.notes]
        parts += _overview(document, section.title)
        parts += [
            _card(table, plots.get((section.title, table.title), "")) for table in section.tables
        ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(TITLE)}</title><style>{_STYLE.read_text()}</style>"
        f"<h1>{escape(TITLE)}</h1>{''.join(parts)}</html>\n"
    )


def _card(table: tables.Table, plots: str) -> str:
    texts = is_text(table.rows, len(table.header))
    classes = [' class="text"' if text else "" for text in texts]
    head = "".join(
        f'<th scope="col"{kind}>{escape(text)}</th>'
        for text, kind in zip(table.header, classes, strict=True)
    )
    body = "".join(_line(line, classes, ours=line[0] in table.ours) for line in table.rows)
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    return (
        f'<section class="cell"><h3>{escape(table.title)}</h3>{plots}<div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}</section>"
    )


def _line(line: list[str], classes: list[str], *, ours: bool) -> str:
    verdicts = {"yes": ' class="yes"', "NO": ' class="no"'}
    cells = "".join(
        f"<td{verdicts.get(text, kind)}>{escape(text)}</td>"
        for text, kind in zip(line, classes, strict=True)
    )
    return f'<tr class="ours">{cells}</tr>' if ours else f"<tr>{cells}</tr>"


def _plots_of_cells(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Plots by the titles of the section and the table that they belong to."""
    found = {}
    for server in document["servers"]:
        for cell in server["cells"]:
            unit, scale = ("ns", 1e3) if cell["per"] == "row" else ("us", 1.0)
            shown = [_bars(cell, "cpu_us", f"CPU {unit} for each {cell['per']}", scale)]
            if cell["per"] != "row":
                shown.append(_bars(cell, "p50_us", "median latency, us", 1.0))
            key = f"Against {server['name']}", cell["title"]
            found[key] = f'<div class="plots">{"".join(shown)}</div>'
    return found


def _bars(cell: dict[str, Any], figure: str, title: str, scale: float) -> str:
    shown = []
    for entry in cell["drivers"]:
        figures = entry[figure]
        if figures:
            value = figures["median"] * scale
            ends = figures["least"] * scale, figures["most"] * scale
            text, kind = in_figures(value), _kind(entry["driver"])
            shown.append(Bar(entry["driver"], value, *ends, text, kind))
    return bars(title, shown) if shown else ""


def _overview(document: dict[str, Any], title: str) -> list[str]:
    """Curves over the number in flight, of one server."""
    for server in document["servers"]:
        if title == f"Against {server['name']}":
            shown = "".join(_curves(server["cells"], mode) for mode in MODES)
            return [f'<div class="plots">{shown}</div>']
    return []


def _curves(cells: list[dict[str, Any]], mode: str) -> str:
    points: dict[str, list[tuple[float, float]]] = {}
    for cell in cells:
        if cell["workload"] == "select" and cell["mode"] == mode:
            for entry in cell["drivers"]:
                at = cell["in_flight"], entry["cpu_us"]["median"]
                points.setdefault(entry["driver"], []).append(at)
    if max(map(len, points.values()), default=0) < 2:
        return ""
    shown = [Curve(name, sorted(of), _kind(name)) for name, of in points.items()]
    return curves(f"SELECT of one row, {MODES[mode]}: CPU us by the number in flight", shown)


def _kind(driver: str) -> str:
    known = DRIVERS[driver]
    return "ours" if known.is_ours else "limit" if known.is_limit else "peer"
