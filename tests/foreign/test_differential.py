"""Side by side with scylla-driver: what either one writes, both read alike."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from .theirs import Theirs, ours, shared

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

ID = UUID("123e4567-e89b-12d3-a456-426614174000")
FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
FIRST_TIMEUUID = UUID("00000000-0000-1000-8080-808080808080")
LAST_TIMEUUID = UUID("ffffffff-ffff-1fff-bf7f-7f7f7f7f7f7f")
YEAR_1, YEAR_9999 = -62_135_596_800_000, 253_402_300_799_999
FLOAT_MAX, FLOAT_MIN = 3.4028234663852886e38, 1.401298464324817e-45
DOUBLES = [0.0, -0.0, 0.1, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308]

# Values of each type; a tuple with a tag stands for what each driver has a class of its own for.
SAMPLES: dict[str, list[Any]] = {
    "ascii": ["", "hello", "\0\x7f", "x" * 70_000],
    "bigint": [0, -1, 2**63 - 1, -(2**63)],
    "blob": [b"", b"\0\xff", bytes(range(256)) * 2000],
    "boolean": [True, False],
    "date": [("$date", days) for days in (0, -1, 19_782, 2**31 - 1, -(2**31))],
    "decimal": [Decimal(text) for text in ("0", "-1.50", "1E+1000", "-1E-1000", "9" * 99)],
    "double": DOUBLES,
    "duration": [
        ("$duration", *parts)
        for parts in ((0, 0, 0), (14, 3, 1), (2**31 - 1, 2**31 - 1, 2**63 - 1), (-1, -2, -3))
    ],
    "float": [0.0, -0.0, 0.5, math.inf, -math.inf, math.nan, FLOAT_MAX, FLOAT_MIN],
    "inet": ["0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::ff00:42:8329"],
    "int": [0, -1, 2**31 - 1, -(2**31)],
    "smallint": [0, -1, 2**15 - 1, -(2**15)],
    "text": ["", "snow ☃ \U0001f40d", "\0", "é" * 40_000],
    "time": [("$time", nanoseconds) for nanoseconds in (0, 1, 86_399_999_999_999)],
    "timestamp": [("$timestamp", ms) for ms in (0, -1, 1_709_209_801_005, YEAR_1, YEAR_9999)],
    "timeuuid": [ID, FIRST_TIMEUUID, LAST_TIMEUUID],
    "tinyint": [0, -1, 127, -128],
    "uuid": [ID, FIRST_ID, LAST_ID],
    "varint": [0, -1, 127, 128, -128, -129, 2**63, 2**2000, -(2**2000)],
    "list<int>": [[3, 1, 3], list(range(5000))],
    "set<text>": [{"b", "a"}, {""}, {str(number) for number in range(500)}],
    "map<text, int>": [{"b": 1, "a": 2}, {str(number): number for number in range(500)}],
    "map<timeuuid, duration>": [{ID: ("$duration", 1, 2, 3)}],
    "frozen<list<int>>": [[], [1]],
    "frozen<set<int>>": [set(), {1}],
    "frozen<map<int, blob>>": [{}, {1: b""}],
    "list<frozen<set<int>>>": [[{1, 2}, set()]],
    "set<frozen<list<date>>>": [{(("$date", 1), ("$date", -1)), ()}],
    "map<int, frozen<map<text, frozen<list<time>>>>>": [{1: {"": [], "x": [("$time", 5)]}, 2: {}}],
    "map<int, frozen<tuple<text, uuid>>>": [{1: ("x", ID), 2: (None, ID)}],
    "tuple<int, text, double>": [(1, "", 0.5), (1, None, None), (None, None, None)],
    "tuple<int, frozen<tuple<int, frozen<list<text>>>>>": [(1, (2, ["a"])), (1, (None, []))],
    "place": [("Main", 7, {"a"}), ("", -1, set())],
    "frozen<place>": [("Main", 7, None), (None, None, None)],
    "list<frozen<place>>": [[("Main", None, None), ("", 0, {"b", "a"})]],
    "vector<float, 3>": [[0.5, 1.5, -2.5], [math.inf, math.nan, -0.0]],
    "vector<text, 2>": [["", "x" * 300]],
}


@pytest.fixture(scope="module")
def tables(session: Any) -> dict[str, str]:
    """The name of a table with a column `v` of the type."""
    session.execute("CREATE TYPE place (road text, zip int, tags frozen<set<text>>)")
    names = {cql_type: f"d{number}" for number, cql_type in enumerate(SAMPLES)}
    for cql_type, name in names.items():
        session.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v {cql_type})")
    return names


def read_by_both(session: Any, theirs: Theirs, table: str, keys: range) -> list[list[Any]]:
    """What we read, prepared and not, and what they read."""
    prepared = f"SELECT v FROM {table} WHERE k = ?"
    unprepared = [f"SELECT v FROM {table} WHERE k = {key}" for key in keys]
    return [
        [shared(session.execute(prepared, [key]).scalar()) for key in keys],
        [shared(session.execute(cql).scalar()) for cql in unprepared],
        [theirs.execute(prepared, [key])[0][0] for key in keys],
        [theirs.execute(cql)[0][0] for cql in unprepared],
    ]


@pytest.mark.parametrize("cql_type", SAMPLES)
def test_values(session: Any, theirs: Theirs, tables: dict[str, str], cql_type: str) -> None:
    table, samples = tables[cql_type], [*SAMPLES[cql_type], None]
    insert = f"INSERT INTO {table} (k, v) VALUES (?, ?)"
    for key, sample in enumerate(samples):
        session.execute(insert, [2 * key, ours(sample)])
        theirs.execute(insert, [2 * key + 1, sample])
    expected = [shared(ours(sample)) for sample in samples for _ in range(2)]
    for read in read_by_both(session, theirs, table, range(2 * len(samples))):
        assert read == expected


@pytest.mark.parametrize(
    ("cql_type", "empty"),
    [
        ("list<int>", []),
        ("set<text>", set()),
        ("map<text, int>", {}),
        ("place", (None, None, None)),
    ],
)
def test_empty_collections_are_null(
    session: Any, theirs: Theirs, tables: dict[str, str], cql_type: str, empty: Any
) -> None:
    """Outside of `frozen` the server cannot tell them apart, as it keeps each element by itself."""
    table = tables[cql_type]
    insert = f"INSERT INTO {table} (k, v) VALUES (?, ?)"
    session.execute(insert, [1, empty])
    theirs.execute(insert, [2, empty])
    for read in read_by_both(session, theirs, table, range(1, 3)):
        assert read == [None, None]


@pytest.mark.parametrize("cql_type", ["int", "boolean", "timestamp", "uuid", "inet"])
def test_empty_values(session: Any, theirs: Theirs, tables: dict[str, str], cql_type: str) -> None:
    """A value of no bytes, which only old clients write, is None to both."""
    function = f"blobAs{cql_type.capitalize()}"
    table = tables[cql_type]
    session.execute(f"INSERT INTO {table} (k, v) VALUES (1, {function}(0x))")
    theirs.execute(f"INSERT INTO {table} (k, v) VALUES (2, {function}(0x))")
    for read in read_by_both(session, theirs, table, range(1, 3)):
        assert read == [None, None]


def test_timestamps_beyond_datetime(session: Any, theirs: Theirs, tables: dict[str, str]) -> None:
    """Both write them; they cannot read them, we read a `Timestamp`."""
    insert = f"INSERT INTO {tables['timestamp']} (k, v) VALUES (?, ?)"
    for key, milliseconds in enumerate((2**63 - 1, -(2**63), YEAR_9999 + 1, YEAR_1 - 1)):
        session.execute(insert, [2 * key, ours(("$timestamp", milliseconds))])
        theirs.execute(insert, [2 * key + 1, ("$timestamp", milliseconds)])
        for row in (2 * key, 2 * key + 1):
            cql = f"SELECT v FROM {tables['timestamp']} WHERE k = {row}"
            assert shared(session.execute(cql).scalar()) == ("$timestamp", milliseconds)


def test_names_and_types_of_columns(session: Any, theirs: Theirs, tables: dict[str, str]) -> None:
    for table in tables.values():
        # No rows: they cannot read every timestamp that the other tests leave behind.
        cql = f"SELECT k, v FROM {table} WHERE k = -1"
        read = session.execute(cql).columns
        mine = [(column.name, without_frozen(column.cql_type)) for column in read]
        assert mine == [(name, without_frozen(known_as)) for name, known_as in theirs.columns(cql)]


def without_frozen(cql_type: str) -> str:
    """Each driver has its own idea of where to say that something is frozen."""
    spelled = cql_type.replace("org.apache.cassandra.db.marshal.VectorType", "vector")
    return re.sub("frozen|varchar|[<> ]", lambda m: "text" if m[0] == "varchar" else "", spelled)


def test_rows_of_many_pages(session: Any, theirs: Theirs) -> None:
    session.execute("CREATE TABLE wide (k int, c int, v text, PRIMARY KEY (k, c))")
    insert = "INSERT INTO wide (k, c, v) VALUES (?, ?, ?)"
    expected = [[key, place, f"{key}/{place}"] for key in range(12) for place in range(30)]
    session.execute_many(insert, expected[::2])
    for row in expected[1::2]:
        theirs.execute(insert, row)
    ours_read = session.execute("SELECT k, c, v FROM wide", page_size=7).all()
    assert sorted(map(list, ours_read)) == sorted(theirs.execute("SELECT k, c, v FROM wide"))
    assert sorted(map(list, ours_read)) == expected
