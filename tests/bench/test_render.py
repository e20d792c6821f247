from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from benchmarks import markdown, page, tables
from benchmarks.goals import AIO
from benchmarks.plan import Cell
from benchmarks.plots import Bar, Curve, bars, curves
from benchmarks.tables import Table

from .documents import cell, connects, document, entry

HOSTILE = '<script>alert(1)</script> | `code` & "quotes" \\'


@pytest.fixture
def run() -> dict[str, Any]:
    flights = [Cell("select", "tasks", number) for number in (1, 32)]
    pages = Cell("pages", "each", 1)
    return document(
        [
            *(cell(of, [entry(AIO), entry("acsylla", user_s=0.1)]) for of in flights),
            cell(pages, [entry(AIO, 5000)]),
        ],
        connects=[connects(8, {AIO: 10.0}, 25)],
        missing={"scyllapy": HOSTILE},
        failures=[{"driver": "acsylla", "cell": "a cell", "error": HOSTILE}],
    )


class Checker(HTMLParser):
    """Knows which elements are open, and refuses what is not well formed."""

    VOID = frozenset({"meta", "line", "rect", "path", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in {"src", "href"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def test_the_page_is_well_formed_and_needs_nothing_else(run: dict[str, Any]) -> None:
    checker = checked(page.render(run))
    assert {"svg", "table", "style"} <= checker.seen
    assert not {"script", "link", "img", "iframe"} & checker.seen
    assert HOSTILE in "".join(checker.text)


def test_every_driver_has_a_bar_in_each_cell(run: dict[str, Any]) -> None:
    html = page.render(run)
    of_requests = re.findall(r'<rect x="', html)
    # CPU and latency for requests, CPU only for rows.
    assert len(of_requests) == 2 * 2 * 2 + 1


def test_a_row_of_a_table_stays_one_row(run: dict[str, Any]) -> None:
    text = markdown.document(tables.sections(run))
    rows = [line for line in text.splitlines() if "alert(1)" in line]
    assert len(rows) == 2
    for row in rows:
        assert row.count(" | ") == 2
        assert r"\<script>" in row
        assert r"\`code\`" in row


def test_columns_of_numbers_are_aligned_right() -> None:
    table = Table("t", ["name", "figure", "why"], [["1st", "1.5 (1 to 2)", "x"], ["b", "-", "1"]])
    assert markdown.table(table).splitlines()[2:] == [
        "| name |       figure | why |",
        "| ---- | -----------: | --- |",
        "| 1st  | 1.5 (1 to 2) | x   |",
        "| b    |            - | 1   |",
    ]


def test_a_table_without_rows_is_a_table() -> None:
    assert "| name |" in markdown.table(Table("t", ["name"], []))


def test_goals_are_told_with_their_verdicts(run: dict[str, Any]) -> None:
    rows = {row[0]: row for row in tables.goal_table(run).rows}
    assert rows["asyncio, 32 in flight: CPU"][1:] == [
        "at most 0.5 x acsylla",
        "0.10 (10 beside 104)",
        "yes",
    ]
    assert rows["pages, dicts: CPU for each row"][3] == "-"


def test_peers_are_told_as_multiples_of_ours(run: dict[str, Any]) -> None:
    table = next(s for s in tables.sections(run) if s.title.startswith("Against")).tables[0]
    assert table.header[2:] == ["acsylla"]
    assert [row[1:] for row in table.rows] == [[AIO, "10.40"], [AIO, "10.40"], [AIO, "-"]]


def test_figures_show_their_ends() -> None:
    both = [entry(AIO)]
    both[0]["cpu_us"] = {"median": 2.0, "least": 1.0, "most": 3.0, "all": [1, 2, 3]}
    shown = tables.sections(document([cell(Cell("select", "tasks", 1), both)]))
    [table] = shown[2].tables
    assert table.rows[0][1] == "2.00 (1.00 to 3.00)"
    assert table.ours == {AIO}


def test_a_plot_escapes_its_labels() -> None:
    bar = Bar(HOSTILE, 1.0, 0.5, 2.0, "1", "peer")
    assert "script" not in checked(bars(HOSTILE, [bar])).seen
    curve = Curve(HOSTILE, [(1.0, 5.0), (32.0, 0.5)], "ours")
    assert "script" not in checked(curves(HOSTILE, [curve])).seen


def test_plots_bear_what_cannot_be_drawn() -> None:
    checked(bars("nothing", []))
    checked(bars("zero", [Bar("a", 0.0, 0.0, 0.0, "0", "peer")]))
    assert curves("nothing", [Curve("a", [], "peer")]) == ""
    assert curves("zero", [Curve("a", [(1.0, 0.0)], "peer")]) == ""
    checked(curves("one point", [Curve("a", [(1.0, 10.0)], "peer"), Curve("b", [], "ours")]))
