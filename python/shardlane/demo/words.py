"""Numbers and findings in words, for terminal and page alike."""

from __future__ import annotations

from .results import DemoResult, WayResult, floor_to

# Below this a difference is not told from the noise of a busy machine.
_NOTICEABLE_PERCENT = 2.0


def count(value: float) -> str:
    """``12,345``."""
    return f"{value:,.0f}"


def few(value: int, noun: str) -> str:
    """``1 node``, ``3 nodes``."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def percent(value: float) -> str:
    """``25.1 %``, rounded down, so that only all is 100.0."""
    return f"{floor_to(value, 1):.1f} %"


def duration(seconds: float | None) -> str:
    """``870 µs``, ``2.71 ms``, ``61 ms``, ``1.50 s``; "never" for None."""
    if seconds is None:
        return "never"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        milliseconds = seconds * 1e3
        return f"{milliseconds:.{2 if milliseconds < 10 else 0}f} ms"
    return f"{seconds:.2f} s"


def opened(way: WayResult) -> str:
    """``12 + 1``: for the pool and for control."""
    return f"{way.connecting.opened - 1} + 1"


def set_up(demo: DemoResult) -> str:
    """What the demo ran on, in a line."""
    return (
        f"{few(demo.nodes, 'node')} × {few(demo.shards, 'shard')},"  # noqa: RUF001
        f" replication factor {demo.replication_factor},"
        f" {few(demo.rows, 'row')}, {few(demo.concurrency, 'request')} in flight"
    )


def machine(demo: DemoResult) -> str:
    """What to keep in mind when reading the speeds."""
    return (
        f"Client and servers share this machine's {few(demo.cpus, 'CPU')}: work that the servers"
        " are spared shows as throughput, and no network lies between them."
    )


def verified(demo: DemoResult) -> str:
    """What was checked."""
    return (
        f"{few(demo.rows_verified, 'row')} read back with every value right,"
        f" and {few(demo.reads_verified, 'measured read')} as well"
    )


def finding(demo: DemoResult) -> tuple[str, str]:
    """What the demo shows: where requests went, and what that was worth here."""
    blind, best = demo.ways[0], demo.ways[-1]
    astray = 100 - blind.right_shard_percent
    if astray < 0.05:
        return (
            "With one shard on each node there is no wrong shard to arrive at.",
            "Try more: --shards 4.",
        )
    where = (
        f"Without shard awareness {astray:.0f} of 100 requests arrived at a shard that does not"
        " own the row, and the server had to pass them on inside. Over the shard-aware port"
        f" {'none did' if best.total.right_shard == best.total.total else 'some did as well'}."
    )
    gains = [
        change(blind.requests_per_second, best.requests_per_second, "requests per second"),
        change(blind.cpu_us_per_request, best.cpu_us_per_request, "CPU per request"),
        change(blind.latencies.p50_us, best.latencies.p50_us, "p50 latency"),
    ]
    return where, f"What it was worth here: {', '.join(gains)}."


def change(before: float, after: float, what: str) -> str:
    """``+27 % requests per second``; "the same ..." for what is lost in the noise."""
    difference = 100 * (after / before - 1) if before else 0.0
    if abs(difference) < _NOTICEABLE_PERCENT:
        return f"the same {what}"
    return f"{'+' if difference > 0 else '−'}{abs(difference):.0f} % {what}"  # noqa: RUF001
