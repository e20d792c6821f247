from __future__ import annotations

import html.parser
import io
import re

import pytest

from shardlane.demo import render_html, render_text, words
from shardlane.demo.counters import Cell
from shardlane.demo.html_charts import _heat_cell
from shardlane.demo.results import Connecting, DemoResult

PLAIN = render_text.Style()
COLOUR = render_text.Style(colour=True)
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "never"),
        (0.0000874, "87 µs"),
        (0.00271, "2.71 ms"),
        (0.0614, "61 ms"),
        (1.5, "1.50 s"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [(100, 127, "+27 % x"), (100, 80, "−20 % x"), (100, 101, "the same x"), (0, 5, "the same x")],
)
def test_changes_within_the_noise_are_none(before: float, after: float, text: str) -> None:
    assert words.change(before, after, "x") == text


def test_the_text_says_it_in_one_table(demo: DemoResult) -> None:
    lines = render_text.render(demo, PLAIN, 100).splitlines()

    def values(label: str) -> list[str]:
        (line,) = [line for line in lines if line.startswith(label)]
        return re.split(r"\s{2,}", line[len(label) :].strip())

    assert values("arrived at right shard") == ["25.0 %", "100.0 %", "100.0 %"]
    assert values("arrived at right node") == ["100.0 %"] * 3
    assert values("connections in the pool") == ["3", "12", "12"]
    assert values("  opened (+ control)") == ["3 + 1", "20 + 1", "12 + 1"]
    assert values("  closed as useless") == ["0", "8", "0"]
    assert values("  all 12 shards covered") == ["never", "12 ms", "12 ms"]
    assert values("requests per second") == ["10,100", "12,100", "12,600"]
    assert max(map(len, lines)) <= 100


def test_heat_maps_stand_side_by_side_or_one_above_the_other(demo: DemoResult) -> None:
    wide = render_text.render(demo, PLAIN, 120).splitlines()
    narrow = render_text.render(demo, PLAIN, 80).splitlines()
    assert sum(line.startswith("127.0.0.1") for line in wide) == 1
    assert sum(line.startswith("127.0.0.1") for line in narrow) == 3
    assert any(re.fullmatch(r"127\.0\.0\.1\s+25%(\s+·){3}", line) for line in narrow)
    assert any(re.fullmatch(r"127\.0\.0\.1(\s+100%){4}", line) for line in narrow)
    assert max(map(len, narrow)) <= 80


def test_colours_change_nothing_but_colours(demo: DemoResult) -> None:
    painted = render_text.render(demo, COLOUR, 100)
    assert ESCAPE.search(painted)
    plain = [line.rstrip() for line in ESCAPE.sub("", painted).splitlines()]
    assert plain == render_text.render(demo, PLAIN, 100).splitlines()


def test_no_colours_where_nobody_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert render_text.Style.of(Terminal()).colour
    assert not render_text.Style.of(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not render_text.Style.of(Terminal()).colour


@pytest.mark.parametrize(("value", "step"), [(0, 0), (1, 0), (50, 2), (99, 4), (100, 4)])
def test_heat_grows_with_the_value(value: int, step: int) -> None:
    assert render_text.heat(value, 100, 5) == step
    assert render_text.heat(value, 0, 5) == 0


class Page(html.parser.HTMLParser):
    """Collects what a page is made of, and fails on tags that do not match."""

    VOID = ("meta", "line", "rect", "circle", "path", "animatemotion", "br", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_complete_in_itself(demo: DemoResult) -> None:
    text = render_html.render(demo)
    page = Page(text)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe")
        assert not {"src", "href", "srcset"} & attributes.keys()
    assert not re.search(r"https?:|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_the_page_has_every_plot_and_number(demo: DemoResult) -> None:
    page = Page(render_html.render(demo))
    for heading in (
        "What shard awareness is",
        "Where requests arrived",
        "Connections",
        "Time until every shard has a connection",
        "Requests at the right shard",
        "Requests per second",
        "Latency, all measured reads",
        "12,600",
        "25.0 %",
    ):
        assert heading in page.text
    curves = [a for tag, a in page.tags if tag == "path" and "curve" in (a.get("class") or "")]
    cells = [a for tag, a in page.tags if tag == "td" and "--heat" in (a.get("style") or "")]
    assert len(curves) == 3
    assert [cell["class"] for cell in cells] == ["wrong"] * 3 + ["right"] * 24
    assert "This run failed" not in page.text


def test_the_page_says_so_when_the_run_failed(changed_demo: object) -> None:
    assert callable(changed_demo)
    failed = changed_demo(
        lambda way, _: {"connecting": Connecting(3, 4, 0, None)} if way.aims_at_shards else {}
    )
    assert "not all shards got a connection" in render_html.render(failed)


def test_a_heat_cell_tells_its_counts() -> None:
    cell = _heat_cell(Cell(right_shard=1, wrong_shard=2, wrong_node=1), busiest=4)
    assert 'class="wrong"' in cell
    assert "4 arrived: 1 right, 2 for another shard, 1 for another node" in cell
    assert "<b>25%</b>" in cell
    assert "nothing arrived" in _heat_cell(Cell(), busiest=4)
