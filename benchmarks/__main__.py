"""``python -m benchmarks``: see ``--help``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import machine, report
from .drivers import DEFAULT, DRIVERS
from .plan import Cell, Plan
from .run import run

RESULTS = Path(__file__).parent / "results"
WORKLOADS = ("select", "insert", "scan")


def main() -> int:
    arguments = _parse()
    drivers, missing = _importable(arguments.drivers)
    for name, reason in missing.items():
        print(f"left out: {name} ({reason})", file=sys.stderr)
    if not drivers:
        print("there is no driver to measure", file=sys.stderr)
        return 2
    client, server = ([], []) if arguments.no_pin else machine.split_cpus()
    plan = Plan(
        drivers=drivers,
        cells=_cells(arguments.workloads, arguments.in_flight),
        rounds=arguments.rounds or (3 if arguments.quick else 5),
        seconds=arguments.seconds or (0.15 if arguments.quick else 0.5),
        warm_up_seconds=0.15 if arguments.quick else 0.4,
        nodes=arguments.nodes,
        shards=arguments.shards,
        client_cpus=client,
        server_cpus=server,
    )
    document = run(plan, progress=lambda text: print(text, file=sys.stderr, flush=True))
    document["missing"] = missing
    if arguments.json:
        print(json.dumps(document, indent=1))
    else:
        report.show(document)
    if arguments.save:
        RESULTS.mkdir(exist_ok=True)
        file = RESULTS / f"{arguments.save}.json"
        file.write_text(json.dumps(document, indent=1) + "\n")
        print(f"saved as {file.relative_to(RESULTS.parent.parent)}", file=sys.stderr)
    return 1 if document["failures"] else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure shardlane beside other drivers, on the embedded cluster.",
    )
    parser.add_argument("--quick", action="store_true", help="less than a minute; rough figures")
    parser.add_argument(
        "--drivers", nargs="+", choices=DRIVERS, default=DEFAULT, metavar="NAME",
        help=f"of: {', '.join(DRIVERS)} (default: {', '.join(DEFAULT)})",
    )  # fmt: skip
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    parser.add_argument("--in-flight", nargs="+", type=int, default=[1, 32, 256], metavar="N")
    parser.add_argument("--rounds", type=int, help="times that each driver has its turn (5)")
    parser.add_argument("--seconds", type=float, help="of each turn (0.5)")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument(
        "--no-pin", action="store_true",
        help="let client and server share all CPUs instead of giving half of them to each",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--save", metavar="NAME", help="keep the JSON in benchmarks/results/")
    return parser.parse_args()


def _importable(names: list[str]) -> tuple[list[str], dict[str, str]]:
    missing = {name: reason for name in names if (reason := _why_missing(name))}
    return [name for name in names if name not in missing], missing


def _why_missing(name: str) -> str | None:
    try:
        DRIVERS[name].check_import()
    except ImportError as error:
        return str(error)
    return None


def _cells(workloads: list[str], in_flight: list[int]) -> list[Cell]:
    points = [workload for workload in workloads if workload != "scan"]
    cells = [Cell(workload, number) for workload in points for number in in_flight]
    return cells + ([Cell("scan", 1)] if "scan" in workloads else [])


if __name__ == "__main__":
    sys.exit(main())
