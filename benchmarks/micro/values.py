"""Conversion between bytes and Python values, to be counted under callgrind.

    PYTHONHASHSEED=0 python -S -s values.py CASE RUNS DIRECTORY

DIRECTORY is that of the package ``shardlane``, of which only the extension is imported. Only what
runs inside ``exec`` of a text counts: callgrind is told the C function that does it
(src/python.rs). Each run does ``UNITS`` units.
"""

from __future__ import annotations

import gc
import struct
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

UNITS = 1000
WARM_UP_RUNS = 3

COLUMNS = [("a", "bigint"), ("b", "text"), ("c", "double")]
MANY = [("a", "uuid"), ("b", "timestamp"), ("c", "int"), ("d", "boolean"), ("e", "list<int>")]


def cell(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def page() -> bytes:
    """Rows of ``COLUMNS``."""
    rows = (
        cell(struct.pack(">q", row)) + cell(b"a short text of a row") + cell(struct.pack(">d", row))
        for row in range(UNITS)
    )
    return b"".join(rows)


def page_of_many() -> bytes:
    """Rows of ``MANY``."""
    rows = (
        cell(struct.pack(">QQ", row, row))
        + cell(struct.pack(">q", 1_700_000_000_000 + row))
        + cell(struct.pack(">i", row))
        + cell(b"\1")
        + cell(struct.pack(">i", 3) + 3 * cell(struct.pack(">i", row)))
        for row in range(UNITS)
    )
    return b"".join(rows)


def decoding(
    core: Any, columns: list[tuple[str, str]], rows: bytes, factory: object
) -> Callable[[], None]:
    decoder = core._RowDecoder(columns)

    def run() -> None:
        assert len(decoder.decode_rows(rows, UNITS, factory)) == UNITS

    return run


def encoding(core: Any, row: object) -> Callable[[], None]:
    encoder = core._RowEncoder(COLUMNS, [0])

    def run() -> None:
        encode = encoder.encode
        for _ in range(UNITS):
            encode(row)

    return run


CASES: dict[str, Callable[[Any], Callable[[], None]]] = {
    "decode_tuples": lambda core: decoding(core, COLUMNS, page(), tuple),
    "decode_named": lambda core: decoding(core, COLUMNS, page(), None),
    "decode_dicts": lambda core: decoding(core, COLUMNS, page(), dict),
    "decode_many_types": lambda core: decoding(core, MANY, page_of_many(), tuple),
    "encode_list": lambda core: encoding(core, [7, "a short text", 1.5]),
    "encode_dict": lambda core: encoding(core, {"a": 7, "b": "a short text", "c": 1.5}),
}


def main() -> None:
    name, runs, directory = sys.argv[1:]
    # The package without what its root imports, which takes longer than all that is measured.
    package = types.ModuleType("shardlane")
    package.__path__ = [directory]
    sys.modules["shardlane"] = package
    from shardlane import _core

    run = CASES[name](_core)
    for _ in range(WARM_UP_RUNS):
        run()
    # From here on collections come at the same moments each time.
    gc.collect()
    for _ in range(int(runs)):
        exec("run()", {"run": run})


if __name__ == "__main__":
    main()
