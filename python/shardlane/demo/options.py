"""The command line of the demo."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Each way connects, measures and closes this many times; the ways take turns, so that whatever
# else the machine does meanwhile hits all of them alike.
ROUNDS = 3


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    nodes: int = 3
    shards: int = 4
    rows: int = 20_000
    replication_factor: int = 1
    concurrency: int = 32
    seconds: float = 4.0
    """Of measured reads, for each way."""
    seed: int = 1
    json: bool = False
    html: Path | None = None
    quiet: bool = False


def parse(argv: Sequence[str]) -> Options:
    """Read the command line; ends the process with a message if it makes no sense."""
    parser = _parser()
    given = parser.parse_args(argv)
    if given.rf > given.nodes:
        parser.error(f"--rf {given.rf} needs as many nodes, there are {given.nodes}")
    if given.html is not None and not given.html.absolute().parent.is_dir():
        parser.error(f"--html: there is no directory {given.html.absolute().parent}")
    return Options(
        nodes=given.nodes,
        shards=given.shards,
        rows=given.rows,
        replication_factor=given.rf,
        concurrency=given.concurrency,
        seconds=given.seconds,
        seed=given.seed,
        json=given.json,
        html=given.html,
        quiet=given.quiet,
    )


def _parser() -> argparse.ArgumentParser:
    default = Options()
    parser = argparse.ArgumentParser(
        prog="shardlane demo",
        description="Start a small cluster, load rows and read them back three ways, and show at"
        " which node and shard each request arrived.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def number(flag: str, value: int, low: int, high: int, text: str) -> None:
        parser.add_argument(flag, type=_whole(low, high), default=value, metavar="N", help=text)

    number("--nodes", default.nodes, 1, 50, "nodes of the cluster")
    number("--shards", default.shards, 1, 64, "shards of each node")
    number("--rows", default.rows, 1, 10_000_000, "rows loaded and read back, for each way")
    number("--rf", default.replication_factor, 1, 50, "replication factor")
    number("--concurrency", default.concurrency, 1, 10_000, "requests in flight")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=default.seconds,
        metavar="S",
        help="how long to measure each way, about",
    )
    number("--seed", default.seed, 0, 2**63 - 1, "of rows, tokens and choices")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output, nothing else"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with plots, complete in itself"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not from {low} to {high}")
        return value

    return whole_number


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 600")
    return value
