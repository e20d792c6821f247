"""The tables."""

from __future__ import annotations

import os
import sys
from typing import Any

from .drivers import DRIVERS

Line = list[str]

HEADER = [
    "driver", "how", "CPU us", "best", "user+sys", "per second", "p50 us", "p99 us",
    "server us", "right shard %",
]  # fmt: skip


def show(document: dict[str, Any]) -> None:
    """Print everything for a reader."""
    machine, plan = document["machine"], document["plan"]
    print(f"{machine['cpus']} x {machine['cpu']}, {machine['system']}, {machine['python']}")
    print(", ".join(f"{name} {version}" for name, version in document["versions"].items()))
    pinned = (
        f"client on CPU {plan['client_cpus']}, server on CPU {plan['server_cpus']}"
        if plan["client_cpus"]
        else "client and server share all CPUs"
    )
    print(
        f"{plan['nodes']} nodes x {plan['shards']} shards, {pinned}; {plan['rounds']} rounds of "
        f"{plan['seconds']} s in turns; CPU: user+sys of the whole client process, median and least"
    )
    for cell in document["cells"]:
        title = f"{cell['title']} (figures per {cell['per']})"
        _table(title, HEADER, [_line(entry, cell["per"]) for entry in cell["drivers"]])
    ratios = ratio_lines(document)
    if ratios:
        _table("CPU of a peer, as a multiple of ours (medians; above 1 we are ahead)", *ratios)
    noise = [entry["others_busy"] or 0 for cell in document["cells"] for entry in cell["drivers"]]
    if noise and max(noise) > 0.1:
        print(
            f"\nNOT QUIET: other processes used up to {max(noise):.1f} CPUs meanwhile; "
            "trust the least figures more than the medians, and neither too far."
        )
    for failure in document["failures"]:
        print(f"FAILED: {failure['driver']}, {failure['cell']}: {failure['error']}")
    print(f"\ntook {document['took_s']:.0f} s")


def _line(entry: dict[str, Any], per: str) -> Line:
    digits = 3 if per == "row" else 1
    return [
        entry["driver"],
        entry["how"],
        f"{entry['cpu_us']:.{digits}f}",
        f"{entry['cpu_us_best']:.{digits}f}",
        f"{entry['user_us']:.{digits}f}+{entry['system_us']:.{digits}f}",
        f"{entry['per_second']:,.0f}",
        _number(entry["p50_us"], ",.0f"),
        _number(entry["p99_us"], ",.0f"),
        f"{entry['server_cpu_us']:.{digits}f}",
        _number(entry["right_shard_percent"], ".1f"),
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def ratio_lines(document: dict[str, Any]) -> tuple[Line, list[Line]] | None:
    """For each cell and each of our ways to call, how many times as much CPU each peer takes."""
    names = list(dict.fromkeys(e["driver"] for cell in document["cells"] for e in cell["drivers"]))
    peers = [name for name in names if not DRIVERS[name].is_ours]
    lines = []
    for cell in document["cells"]:
        cpu = {entry["driver"]: entry["cpu_us"] for entry in cell["drivers"]}
        for name in cpu:
            if DRIVERS[name].is_ours:
                ratios = [f"{cpu[peer] / cpu[name]:.2f}" if peer in cpu else "-" for peer in peers]
                lines.append([cell["workload"], str(cell["in_flight"]), name, *ratios])
    return (["workload", "in flight", "ours", *peers], lines) if peers and lines else None


def _table(title: str, header: Line, lines: list[Line]) -> None:
    print(f"\n{title}")
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        _plain(header, lines)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    texts = [all(not line[at][:1].isdigit() for line in lines) for at in range(len(header))]
    for name, is_text in zip(header, texts, strict=True):
        table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    for line in lines:
        table.add_row(*line, style="bold" if line[0].startswith("shardlane") else None)
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "160"))
    Console(width=width).print(table)


def _plain(header: Line, lines: list[Line]) -> None:
    widths = [max(len(line[at]) for line in [header, *lines]) for at in range(len(header))]
    for line in [header, *lines]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)))
