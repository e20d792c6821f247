"""The outcome as one HTML page, complete in itself: it works without a network."""

from __future__ import annotations

import platform
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from shardlane import __version__

from . import verdict, words
from .html_charts import Bar, bars, heat_map, latency_curves
from .html_picture import picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from .results import DemoResult, WayResult


def render(demo: DemoResult) -> str:
    """Return the page."""
    where, worth = words.finding(demo)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>shardlane demo</title><style>{_asset('page.css')}</style></head><body><main>"
        "<h1>Which shard did it arrive at?</h1>"
        f'<p class="faint">shardlane demo: {escape(words.set_up(demo))}</p>'
        f'<p class="finding"><strong>{escape(where)}</strong> {escape(worth)}</p>'
        f"{_failures(demo)}"
        f'<section class="grid">{"".join(map(_card, range(len(demo.ways)), demo.ways))}</section>'
        f"{_explanation()}{_heat_maps(demo)}{_connections(demo)}{_speed(demo)}{_numbers(demo)}"
        f"{_footer(demo)}</main><script>{_asset('page.js')}</script></body></html>\n"
    )


def _asset(name: str) -> str:
    return (resources.files("shardlane.demo") / name).read_text(encoding="utf-8")


def _failures(demo: DemoResult) -> str:
    failed = verdict.failures(demo)
    if not failed:
        return ""
    items = "".join(f"<li>{escape(failure)}</li>" for failure in failed)
    return f'<div class="card failed"><h2>This run failed</h2><ul>{items}</ul></div>'


def _card(index: int, way: WayResult) -> str:
    connecting = way.connecting
    facts = (
        ("connections in the pool", str(connecting.pool_connections)),
        ("opened (pool + control)", words.opened(way)),
        ("closed as useless", str(connecting.closed)),
        ("all shards covered", _covered(way)),
        ("requests per second", words.count(way.requests_per_second)),
    )
    listed = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return (
        f'<div class="card way way-{index}"><h2>{escape(way.way.name)}</h2>'
        f'<p class="faint">{escape(way.way.in_short)}</p>'
        f'<div class="big">{words.percent(way.right_shard_percent)}</div>'
        f"<div>of the requests at the right shard</div><dl>{listed}</dl></div>"
    )


def _covered(way: WayResult) -> str:
    seconds = way.connecting.seconds_to_full_coverage
    return "never" if seconds is None else f"after {words.duration(seconds)}"


def _explanation() -> str:
    return (
        "<section><h2>What shard awareness is</h2>"
        "<p>A ScyllaDB node is not one server but many. Every CPU core, called a <em>shard</em>,"
        " owns a part of the rows and works alone: it shares neither memory nor locks with the"
        " others. A connection is served by one shard, for as long as it lives.</p>"
        "<p>A driver that knows only nodes sends a request to the right machine, yet leaves it to"
        " chance which core receives it. With S shards, S−1 of S requests meet a core that does"  # noqa: RUF001
        " not have the row. It has to pass the request on to the owner and wait for the answer: two"
        " more messages between cores, two more queues, and CPU time that serves nobody.</p>"
        "<p>A <em>shard-aware</em> driver keeps a connection to every shard, computes the owner"
        " from the key, and uses that shard's connection. The <em>shard-aware port</em> makes such"
        " connections cheap: the client's own port number, modulo the number of shards, says which"
        " shard is to serve it. Without that port (the <em>legacy</em> way) a driver connects,"
        " looks where it landed, and tries again until all shards are covered.</p>"
        f'<div class="grid wide">{picture("Not shard-aware", lands_on=0)}'
        f"{picture('Shard-aware', lands_on=3)}</div></section>"
    )


def _heat_maps(demo: DemoResult) -> str:
    maps = "".join(heat_map(index, way) for index, way in enumerate(demo.ways))
    return (
        "<section><h2>Where requests arrived</h2>"
        "<p>Counted by the servers, not by the driver, in the first round. Each cell tells how much"
        " of what arrived at that shard belonged there, and how many requests arrived. The stronger"
        " the colour, the more requests; blue cells got only what is theirs, orange ones had to"
        f' pass requests on.</p><div class="grid">{maps}</div></section>'
    )


def _connections(demo: DemoResult) -> str:
    def connections(way: WayResult) -> Bar:
        pool, closed = way.connecting.pool_connections, way.connecting.closed
        text = f"{pool} kept, {closed} opened in vain" if closed else f"{pool} kept"
        return Bar(way.way.name, pool, text, waste=closed)

    def coverage(way: WayResult) -> Bar:
        seconds = way.connecting.seconds_to_full_coverage
        return Bar(way.way.name, seconds or 0, words.duration(seconds))

    shards = demo.nodes * demo.shards
    return (
        "<section><h2>What it takes to connect</h2>"
        "<p>On the normal port these servers pick a shard at random: so it is for one client among"
        ' many, as connections come and go. Numbers of the middle round.</p><div class="grid wide">'
        + _bars(
            demo,
            "Connections",
            f"For {shards} shards; hatched: opened and closed again. The control connection comes"
            " on top.",
            connections,
        )
        + _bars(
            demo,
            "Time until every shard has a connection",
            "From the first attempt to connect; shorter is better.",
            coverage,
        )
        + "</div></section>"
    )


def _speed(demo: DemoResult) -> str:
    def right(way: WayResult) -> Bar:
        return Bar(way.way.name, way.right_shard_percent, words.percent(way.right_shard_percent))

    def throughput(way: WayResult) -> Bar:
        return Bar(
            way.way.name,
            way.requests_per_second,
            words.count(way.requests_per_second),
            low=min(way.throughputs),
            high=max(way.throughputs),
        )

    def cpu(way: WayResult) -> Bar:
        used = way.cpu_us_per_request
        return Bar(way.way.name, used, words.duration(used / 1e6))

    def p50(way: WayResult) -> Bar:
        return Bar(way.way.name, way.latencies.p50_us, words.duration(way.latencies.p50_us / 1e6))

    def p99(way: WayResult) -> Bar:
        return Bar(way.way.name, way.latencies.p99_us, words.duration(way.latencies.p99_us / 1e6))

    return (
        "<section><h2>What it is worth</h2>"
        f"<p>{escape(words.machine(demo))} Every way did the same reads, in"
        f" {words.few(demo.rounds, 'round')}, taking turns.</p>"
        '<div class="grid wide">'
        + _bars(demo, "Requests at the right shard", "As counted by the servers.", right, 100.0)
        + _bars(
            demo,
            "Requests per second",
            "The middle round; the thin line spans all rounds. Longer is better.",
            throughput,
        )
        + '<div class="stack">'
        + _bars(
            demo,
            "CPU time per request",
            "Of client and servers together. Shorter is better.",
            cpu,
        )
        + _bars(demo, "Latency p50", "Half of the reads took at most so long.", p50)
        + _bars(demo, "Latency p99", "99 of 100 reads took at most so long.", p99)
        + "</div>"
        + latency_curves(demo.ways)
        + "</div></section>"
    )


def _bars(
    demo: DemoResult,
    title: str,
    caption: str,
    bar: Callable[[WayResult], Bar],
    most: float | None = None,
) -> str:
    return bars(title, caption, [bar(way) for way in demo.ways], most)


def _numbers(demo: DemoResult) -> str:
    def latency(of: Callable[[WayResult], float]) -> Callable[[WayResult], str]:
        return lambda way: words.duration(of(way) / 1e6)

    rows: list[tuple[str, Callable[[WayResult], str]]] = [
        ("connections in the pool", lambda way: str(way.connecting.pool_connections)),
        ("opened (pool + control)", words.opened),
        ("closed as useless", lambda way: str(way.connecting.closed)),
        ("all shards covered", _covered),
        ("arrived at right node", lambda way: words.percent(way.right_node_percent)),
        ("arrived at right shard", lambda way: words.percent(way.right_shard_percent)),
        ("passed on inside the cluster", lambda way: words.count(way.forwarded)),
        ("requests in all", lambda way: words.count(way.requests)),
        ("requests per second", lambda way: words.count(way.requests_per_second)),
        ("latency p50", latency(lambda way: way.latencies.p50_us)),
        ("latency p90", latency(lambda way: way.latencies.p90_us)),
        ("latency p99", latency(lambda way: way.latencies.p99_us)),
        ("latency p99.9", latency(lambda way: way.latencies.p999_us)),
        ("latency max", latency(lambda way: way.latencies.max_us)),
        ("CPU per request", latency(lambda way: way.cpu_us_per_request)),
    ]
    head = "".join(f'<th scope="col">{escape(way.way.name)}</th>' for way in demo.ways)
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{escape(value(way))}</td>" for way in demo.ways)
        + "</tr>"
        for name, value in rows
    )
    return (
        '<section><h2>All numbers</h2><div class="card scroll"><table class="numbers">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _footer(demo: DemoResult) -> str:
    versions = f"shardlane {__version__}, Python {platform.python_version()}, {platform.system()}"
    return (
        f'<section class="faint"><p>Checked: {escape(words.verified(demo))}.</p>'
        f"<p>{escape(versions)}, {demo.seconds:.0f} s in all. Speeds are those of this machine and"
        " of an embedded, ScyllaDB-like cluster in memory; they tell the ways apart, not"
        " databases.</p></section>"
    )
