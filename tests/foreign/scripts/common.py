"""What the programs share: talking with the test, and a table with a column of each type."""

import datetime as dt
import sys
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from uuid import UUID

KEYS = 300
PAGE_ROWS = 40
PAGES_MIN = KEYS // PAGE_ROWS
AGAIN = "again"

SAMPLES: dict[str, Any] = {
    "ascii": "plain",
    "bigint": -(2**63),
    "blob": b"\0\xff",
    "boolean": True,
    "date": dt.date(2024, 2, 29),
    "decimal": Decimal("-1.50"),
    "double": 0.1,
    "float": 0.5,
    "inet": ip_address("2001:db8::1"),
    "int": -(2**31),
    "smallint": 300,
    "text": "snow ☃",
    "time": dt.time(1, 2, 3, 4000),
    "timestamp": dt.datetime(2024, 2, 29, 12, 30, 1, 5000, dt.timezone.utc),
    "timeuuid": UUID("123e4567-e89b-12d3-a456-426614174000"),
    "tinyint": -128,
    "uuid": UUID("cfd66ccc-d857-4e90-b1e5-df98a3d40cd6"),
    "varint": -(2**99),
    "list<int>": [3, 1, 3],
    "set<text>": {"b", "a"},
    "map<text, bigint>": {"b": 1, "a": -(2**63)},
    "frozen<list<frozen<set<int>>>>": [{1, 2}, {3}],
    "map<int, frozen<tuple<text, double>>>": {1: ("x", 0.5), 2: ("y", -1.0)},
    "tuple<int, text>": (1, "one"),
    "frozen<place>": {"road": "Main", "zip": 7},
    "vector<float, 3>": [0.5, 1.5, -2.5],
}

# acsylla takes nothing but bytes for varint and vector, and writes decimals that only it can read.
NOT_FOR: dict[str, set[str]] = {"acsylla": {"decimal", "varint", "vector<float, 3>"}}


class Typed:
    """The table of all types that a driver knows. Row 1 is the driver's, row 2 is shardlane's."""

    def __init__(self, driver: str) -> None:
        self.samples = {
            cql_type: value
            for cql_type, value in SAMPLES.items()
            if cql_type not in NOT_FOR.get(driver, set())
        }
        names = [f"c{number}" for number in range(len(self.samples))]
        columns = ", ".join(map(" ".join, zip(names, self.samples, strict=True)))
        self.create = (
            "CREATE TYPE app.place (road text, zip int)",
            f"CREATE TABLE app.typed (k int PRIMARY KEY, {columns})",
        )
        listed, marks = ", ".join(names), ", ".join("?" * (len(names) + 1))
        self.insert = f"INSERT INTO app.typed (k, {listed}) VALUES ({marks})"
        self.select = f"SELECT {listed} FROM app.typed WHERE k = ?"

    def check(self, read: Any) -> None:
        """The values are the samples."""
        read = list(read)
        assert len(read) == len(self.samples)
        for (cql_type, sample), value in zip(self.samples.items(), read, strict=True):
            assert value == sample, f"{cql_type}: read {value!r}, not {sample!r}"


def say(*words: Any) -> None:
    """Tell the test how far the program has come."""
    print(*words, flush=True)


def wait() -> bool:
    """Wait until the test wants the program to go on; false: to do the last step again."""
    line = sys.stdin.readline()
    if not line:
        sys.exit("the test has ended")
    return line.strip() != AGAIN
