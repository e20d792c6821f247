"""``python -m benchmarks``: see ``--help``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import drivers, environments, machine, markdown, native, page, tables
from .drivers import DRIVERS
from .goals import FLAT_REQUESTS
from .plan import MODES, SERVERS, SHAPES, WORKLOADS, Cell, Plan, cells
from .run import run

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    arguments = _parse()
    names, missing = _available(arguments)
    for name, reason in missing.items():
        _say(f"left out: {name} ({reason})")
    document = run(_plan(arguments, names), _say)
    document["missing"] = missing
    sections = tables.sections(document)
    if arguments.json:
        print(json.dumps(document, indent=1))
    elif arguments.goals:
        print(markdown.table(tables.goal_table(document)))
    else:
        print(markdown.document(sections))
    if arguments.html:
        arguments.html.write_text(page.render(document))
    if arguments.save:
        _save(arguments.save, document)
    # A peer that fails is a finding, told with the others.
    return (
        1 if any(not drivers.is_peer(failure["driver"]) for failure in document["failures"]) else 0
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _save(name: str, document: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    written = {
        "json": json.dumps(document, separators=(",", ":")) + "\n",
        "md": markdown.document(tables.sections(document)),
        "html": page.render(document),
    }
    for suffix, text in written.items():
        file = RESULTS / f"{name}.{suffix}"
        file.write_text(text)
        _say(f"saved as {file.relative_to(RESULTS.parent.parent)}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench BENCH=...",
        description="Measure shardlane beside other drivers, on servers that this starts.",
    )
    parser.add_argument("--quick", action="store_true", help="about a minute; rough figures")
    parser.add_argument(
        "--drivers", nargs="+", choices=DRIVERS, default=list(DRIVERS), metavar="NAME",
        help=f"of: {', '.join(DRIVERS)}",
    )  # fmt: skip
    parser.add_argument(
        "--servers", nargs="+", choices=SERVERS, metavar="NAME",
        help=f"of: {', '.join(SERVERS)} (default: embedded, and responder unless --quick)",
    )  # fmt: skip
    parser.add_argument(
        "--cassandra", action="store_true", help="also on Apache Cassandra (Java 17 and Maven)"
    )
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, help="only cells with these")
    parser.add_argument("--modes", nargs="+", choices=MODES, help="only cells with these")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, help="of pages: only these")
    parser.add_argument("--in-flight", nargs="+", type=int, metavar="N", help="only these")
    parser.add_argument("--rounds", type=int, help="times that each driver has its turn (5)")
    parser.add_argument("--seconds", type=float, help="of each turn (0.4)")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument(
        "--only-requests", action="store_true",
        help="do not measure connecting, importing and allocations",
    )  # fmt: skip
    parser.add_argument(
        "--no-pin", action="store_true",
        help="let client and server share all CPUs instead of one for the client alone",
    )  # fmt: skip
    parser.add_argument(
        "--memory", nargs="?", type=int, const=FLAT_REQUESTS, default=0, metavar="REQUESTS",
        help=f"watch memory over many requests ({FLAT_REQUESTS:,}), which takes minutes",
    )  # fmt: skip
    parser.add_argument("--upgrade", action="store_true", help="look for newer peers on PyPI")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--goals", action="store_true", help="print the table of goals only")
    shown.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with plots")
    parser.add_argument(
        "--save", metavar="NAME", help="keep JSON, Markdown and HTML in benchmarks/results/"
    )
    return parser.parse_args()


def _available(arguments: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """Drivers that can be measured, and why others cannot."""
    packages = {DRIVERS[name].package for name in arguments.drivers}
    peers = [peer for peer in environments.PEERS if peer in packages]
    unavailable = environments.prepare(peers, _say, upgrade=arguments.upgrade)
    missing = {
        name: unavailable[DRIVERS[name].package]
        for name in arguments.drivers
        if DRIVERS[name].package in unavailable
    }
    if any(DRIVERS[name].is_native for name in arguments.drivers):
        _say("building the programs in Rust")
        if reason := native.build():
            missing |= {name: reason for name in arguments.drivers if DRIVERS[name].is_native}
    return [name for name in arguments.drivers if name not in missing], missing


def _plan(arguments: argparse.Namespace, names: list[str]) -> Plan:
    quick = arguments.quick
    client, server = ([], []) if arguments.no_pin else machine.split_cpus()
    kinds = arguments.servers or (["embedded"] if quick else ["embedded", "responder"])
    if arguments.cassandra and "cassandra" not in kinds:
        kinds.append("cassandra")
    besides = not arguments.only_requests
    return Plan(
        drivers=names,
        servers={kind: _chosen(cells(kind, quick=quick), arguments) for kind in kinds},
        rounds=arguments.rounds or (2 if quick else 5),
        seconds=arguments.seconds or (0.15 if quick else 0.4),
        warm_up_seconds=0.1 if quick else 0.3,
        nodes=arguments.nodes,
        shards=arguments.shards,
        client_cpus=client,
        server_cpus=server,
        connects=besides * (1 if quick else 5),
        imports=besides * (3 if quick else 10),
        allocations=besides and not quick and native.COUNTER.exists(),
        memory_requests=arguments.memory,
    )


def _chosen(known: list[Cell], arguments: argparse.Namespace) -> list[Cell]:
    """The cells that the options leave; a number in flight that no cell has makes new ones."""
    wanted: list[tuple[str, Callable[[Cell], Any]]] = [
        ("workloads", lambda cell: cell.workload),
        ("modes", lambda cell: cell.mode),
        ("shapes", lambda cell: cell.shape),
    ]
    for option, of in wanted:
        if chosen := getattr(arguments, option):
            known = [cell for cell in known if of(cell) in chosen]
    if arguments.in_flight:
        numbered = [replace(cell, in_flight=n) for cell in known for n in arguments.in_flight]
        known = list(dict.fromkeys(numbered))
    return known


if __name__ == "__main__":
    sys.exit(main())
