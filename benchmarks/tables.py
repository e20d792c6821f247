"""The document of a run as tables of text; `markdown.py` and `page.py` show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import goals, trust
from .drivers import DRIVERS

Figures = dict[str, Any] | None


@dataclass(frozen=True)
class Table:
    """A table: the first column is text, the others are as their cells look."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""
    ours: frozenset[str] = frozenset()
    """First cells of the rows that are about shardlane."""


@dataclass(frozen=True)
class Section:
    """Tables that belong together."""

    title: str
    tables: list[Table]
    notes: list[str] = field(default_factory=list)


def sections(document: dict[str, Any]) -> list[Section]:
    """Return everything there is to show, in order."""
    found = [Section("How far to trust it", [_about(document)], trust.statements(document))]
    if document["servers"]:
        found.append(Section("Goals", [goal_table(document)], [goals.NOTE]))
    for server in document["servers"]:
        tables = [*_ratio_tables(server), *(_cell_table(cell) for cell in server["cells"])]
        title = f"Against {server['name']}"
        found.append(Section(title, tables, [_LEGEND] if server is document["servers"][0] else []))
    costs = [_connect_table(connects) for connects in document["connects"]]
    if document["imports"]:
        costs.append(_import_table(document["imports"]))
    costs += [_allocation_table(counts) for counts in document["allocations"]]
    if document["memory"]:
        costs.append(_memory_table(document["memory"]))
    if costs:
        found.append(Section("Connecting, importing, allocating", costs))
    if document["failures"] or document["missing"]:
        found.append(Section("Left out", [_left_out(document)]))
    return found


_LEGEND = (
    "CPU is user and system time of the whole client process; thread is what of it the thread with "
    "the event loop (or the one that calls, if it is one) pays. Medians of the rounds, in "
    "brackets least and most. Server is what the server pays. Switches are context switches, "
    "voluntary + involuntary."
)


def _about(document: dict[str, Any]) -> Table:
    machine, plan = document["machine"], document["plan"]
    pinned = (
        f"client on CPU {_list(plan['client_cpus'])}, server on CPU {_list(plan['server_cpus'])}"
        if plan["client_cpus"]
        else "client and server share all CPUs"
    )
    versions = ", ".join(f"{name} {text}" for name, text in document["versions"].items())
    rows = [
        ["machine", f"{machine['cpus']} x {machine['cpu']}, {machine['system']}"],
        ["Python", machine["python"]],
        ["versions", versions],
        ["commit", f"{machine['commit']}, {machine['time']}"],
        ["cluster", f"{plan['nodes']} nodes x {plan['shards']} shards, replication factor 1"],
        ["CPUs", pinned],
        ["rounds", f"{plan['rounds']} of {plan['seconds']} s, drivers in turns"],
        ["took", f"{document['took_s']:.0f} s"],
    ]
    return Table("The run", ["what", "value"], rows)


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def goal_table(document: dict[str, Any]) -> Table:
    """Return the goals, what was measured, and whether that is enough."""
    verdicts = {True: "yes", False: "NO", None: "-"}
    rows = [
        [goal.what, goal.goal, goal.measured, verdicts[goal.met]]
        for goal in goals.evaluate(document)
    ]
    return Table("Goals", ["what", "goal", "measured", "met"], rows)


def _ratio_tables(server: dict[str, Any]) -> list[Table]:
    """How many times as much CPU each peer takes; no table without a peer or without us."""
    names = dict.fromkeys(e["driver"] for cell in server["cells"] for e in cell["drivers"])
    peers = [n for n in names if not DRIVERS[n].is_ours and not DRIVERS[n].is_limit]
    rows = []
    for cell in server["cells"]:
        cpu = {entry["driver"]: entry["cpu_us"]["median"] for entry in cell["drivers"]}
        for ours in (each for each in cpu if DRIVERS[each].is_ours):
            beside = [cpu[peer] / cpu[ours] if peer in cpu else None for peer in peers]
            rows.append([cell["title"], ours, *(_number(ratio, 2) for ratio in beside)])
    if not rows or not peers:
        return []
    title = "CPU of each peer, as a multiple of shardlane's (medians; above 1 shardlane takes less)"
    return [Table(title, ["cell", "shardlane", *peers], rows)]


def _cell_table(cell: dict[str, Any]) -> Table:
    per = cell["per"]
    digits = 3 if per == "row" else 2
    header = [
        "driver", f"CPU us/{per}", f"thread us/{per}", f"{per}s/s", "p50 us", "p99 us", "p99.9 us",
        "RSS MB (peak)", f"switches/{per}", "connections", "right shard %", f"server us/{per}",
    ]  # fmt: skip
    rows = [
        [
            name(entry),
            _spread(entry["cpu_us"], digits),
            _median(entry["thread_us"], digits),
            _median(entry["per_second"], 0),
            *(_median(entry[name], 0) for name in ("p50_us", "p99_us", "p999_us")),
            f"{_median(entry['rss_mb'], 0)} ({_median(entry['rss_peak_mb'], 0)})",
            f"{_median(entry['voluntary'], digits)} + {_median(entry['involuntary'], digits)}",
            _median(entry["connections"], 0),
            _number(entry["right_shard_percent"], 1),
            _median(entry["server_cpu_us"], digits),
        ]
        for entry in cell["drivers"]
    ]
    ours = frozenset(name(e) for e in cell["drivers"] if DRIVERS[e["driver"]].is_ours)
    return Table(cell["title"], header, rows, ours=ours)


def name(entry: dict[str, Any]) -> str:
    """Return what an entry of a cell is called: its driver, and how it was called."""
    return f"{entry['driver']}, {entry['how']}" if entry["how"] else entry["driver"]


def _connect_table(connects: dict[str, Any]) -> Table:
    header = [
        "driver", "connected ms", "CPU ms until then", "all shards ms", "shards reached", "opened",
        "closed", "RSS MB",
    ]  # fmt: skip
    rows = [
        [
            entry["driver"],
            _spread(entry["open_ms"], 1),
            _median(entry["open_cpu_ms"], 1),
            _spread(entry["covered_ms"], 1),
            f"{entry['shards_covered']} of {entry['shards']}",
            _spread(entry["opened"], 0),
            _spread(entry["closed"], 0),
            _median(entry["connected_rss_mb"], 0),
        ]
        for entry in connects["drivers"]
    ]
    title = f"From nothing to {connects['nodes']} nodes x {connects['shards']} shards"
    return Table(title, header, rows, ours=_our_names(connects["drivers"]))


def _import_table(imports: list[dict[str, Any]]) -> Table:
    rows = [
        [entry["package"], entry["module"], _spread(entry["ms"], 1), _spread(entry["cpu_ms"], 1)]
        for entry in imports
    ]
    title = "Importing, in a fresh process"
    return Table(title, ["package", "import", "ms", "CPU ms"], rows, ours=frozenset({"shardlane"}))


def _allocation_table(counts: dict[str, Any]) -> Table:
    rows = [
        [
            entry["driver"],
            _number(entry["native"], 2),
            _number(None if entry["all"] is None else entry["all"] - entry["native"], 2),
        ]
        for entry in counts["drivers"]
    ]
    return Table(
        f"Allocations for each SELECT, {counts['in_flight']} in flight",
        ["driver", "native (Rust, C++)", "small objects of Python"],
        rows,
        "Calls of malloc and its kin. What the harness does for each request is counted as well.",
        ours=_our_names(counts["drivers"]),
    )


def _memory_table(memory: dict[str, Any]) -> Table:
    rows = [[f"{done:,}", _number(megabytes, 1)] for done, megabytes in memory["samples"][::10]]
    title = f"Memory over {memory['requests']:,} requests, {memory['driver']}"
    return Table(title, ["requests so far", "RSS MB"], rows)


def _our_names(entries: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(e["driver"] for e in entries if DRIVERS[e["driver"]].is_ours)


def _left_out(document: dict[str, Any]) -> Table:
    rows = [[name, "everything", reason] for name, reason in document["missing"].items()]
    rows += [[f["driver"], f["cell"], f["error"]] for f in document["failures"]]
    return Table("Left out or failed", ["driver", "of", "why"], rows)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _median(figures: Figures, digits: int) -> str:
    return _number(figures["median"] if figures else None, digits)


def _spread(figures: Figures, digits: int) -> str:
    if figures is None:
        return "-"
    if figures["least"] == figures["most"]:
        return _median(figures, digits)
    ends = f"{figures['least']:,.{digits}f} to {figures['most']:,.{digits}f}"
    return f"{_median(figures, digits)} ({ends})"
