"""Every CQL type: what is bound comes back, and is what the server reads in a literal."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from ipaddress import ip_address
from typing import Any, NamedTuple
from uuid import UUID

import pytest

import shardlane
from live_cassandra import Node
from shardlane.exceptions import BadValue
from shardlane.types import Date, Duration, Time, Timestamp

from .support import KEYSPACE, LINE, Client, unique

UTC = dt.timezone.utc
ID = UUID("123e4567-e89b-12d3-a456-426614174000")
TIME_ID = UUID("7af2e2a0-0c5e-11ef-9262-0242ac120002")


class Place(NamedTuple):
    road: str | None
    zip: int | None


class Sample(NamedTuple):
    cql_type: str
    value: Any
    literal: str


def of(cql_type: str, *pairs: tuple[Any, str]) -> list[Sample]:
    return [Sample(cql_type, value, literal) for value, literal in pairs]


SAMPLES = [
    *of("ascii", ("hello", "'hello'"), ("", "''"), ("it's", "'it''s'")),
    *of("bigint", (-(2**63), "-9223372036854775808"), (2**63 - 1, "9223372036854775807")),
    *of("blob", (b"\0\xff", "0x00ff"), (b"", "0x")),
    *of("boolean", (True, "true"), (False, "false")),
    *of("date", (dt.date(2024, 2, 29), "'2024-02-29'"), (dt.date(1, 1, 1), "'0001-01-01'")),
    *of("date", (Date(-(2**31)), "'-5877641-06-23'"), (Date(2**31 - 1), str(2**32 - 1))),
    *of("decimal", (Decimal("1.50"), "1.50"), (Decimal("-1E-30"), "-1e-30")),
    *of("decimal", (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789")),
    *of("double", (0.1, "0.1"), (-0.0, "-0.0"), (math.inf, "Infinity"), (math.nan, "NaN")),
    *of("duration", (Duration(14, 3, 7_200_000_000_001), "1y2mo3d2h1ns"), (Duration(), "0s")),
    *of("duration", (Duration(-1, -2, -3), "-1mo2d3ns")),
    *of("float", (0.5, "0.5"), (-math.inf, "-Infinity"), (math.nan, "NaN")),
    *of(
        "inet",
        (ip_address("127.0.0.1"), "'127.0.0.1'"),
        (ip_address("2001:db8::1"), "'2001:db8::1'"),
    ),
    *of("int", (-(2**31), "-2147483648"), (2**31 - 1, "2147483647"), (0, "0")),
    *of("smallint", (-(2**15), "-32768"), (2**15 - 1, "32767")),
    *of("text", ("snow ☃ \U0001f40d", "'snow ☃ \U0001f40d'"), ("", "''"), ("a\0b", "'a\0b'")),
    *of("time", (dt.time(1, 2, 3, 4), "'01:02:03.000004'"), (dt.time(), "'00:00:00'")),
    *of("time", (Time(23, 59, 59, 999_999, 999), "'23:59:59.999999999'")),
    *of(
        "timestamp", (dt.datetime(2024, 2, 29, 12, 30, 1, 5000, UTC), "'2024-02-29T12:30:01.005Z'")
    ),
    *of("timestamp", (dt.datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC), "-1")),
    *of("timestamp", (Timestamp(2**63 - 1), str(2**63 - 1)), (Timestamp(-(2**63)), str(-(2**63)))),
    *of("timeuuid", (TIME_ID, str(TIME_ID))),
    *of("tinyint", (-128, "-128"), (127, "127")),
    *of("uuid", (ID, str(ID)), (UUID(int=0), str(UUID(int=0)))),
    *of("varint", (0, "0"), (-(2**200), str(-(2**200))), (128, "128"), (-129, "-129")),
    *of("list<int>", ([3, 1, 3], "[3, 1, 3]")),
    *of("set<text>", ({"b", "a"}, "{'b', 'a'}")),
    *of("map<text, bigint>", ({"b": 1, "a": -1}, "{'b': 1, 'a': -1}")),
    *of("map<timeuuid, boolean>", ({TIME_ID: True}, f"{{{TIME_ID}: true}}")),
    *of("frozen<list<int>>", ([], "[]"), ([1], "[1]")),
    *of("frozen<set<inet>>", (set(), "{}"), ({ip_address("::1")}, "{'::1'}")),
    *of("frozen<map<int, text>>", ({}, "{}"), ({1: ""}, "{1: ''}")),
    *of("list<frozen<set<int>>>", ([{1, 2}, set()], "[{1, 2}, {}]")),
    *of("set<frozen<list<int>>>", ({(1, 2), ()}, "{[1, 2], []}")),
    *of(
        "map<frozen<tuple<int, text>>, frozen<map<text, frozen<list<duration>>>>>",
        (
            {(1, "x"): {"k": [Duration(0, 1, 0)]}, (2, None): {}},
            "{(1,'x'): {'k':[1d]}, (2,null): {}}",
        ),
    ),
    *of(
        "tuple<int, text, double>",
        ((1, "a", 0.5), "(1, 'a', 0.5)"),
        ((None, "", None), "(null, '', null)"),
    ),
    *of("frozen<tuple<int>>", ((None,), "(null)")),
    *of("place", (Place("Main", 7), "{road: 'Main', zip: 7}"), (Place(None, 0), "{zip: 0}")),
    *of("list<frozen<place>>", ([Place("", None)], "[{road: ''}]")),
    *of(
        "home",
        (
            ({"x": Place("A", 1)}, {7}, [1.0, 2.0]),
            "{places: {'x': {road: 'A', zip: 1}}, ids: {7}, at: [1, 2]}",
        ),
    ),
    *of("vector<float, 3>", ([0.5, 1.5, -2.5], "[0.5, 1.5, -2.5]")),
    *of("vector<bigint, 2>", ([1, -1], "[1, -1]")),
    *of("vector<text, 2>", (["a", "x" * 300], f"['a', '{'x' * 300}']")),
    *of("vector<smallint, 2>", ([1, 2], "[1, 2]")),
    *of("vector<duration, 2>", ([Duration(1), Duration(0, 0, 5)], "[1mo, 5ns]")),
    *of("vector<frozen<list<int>>, 2>", ([[1, 2], []], "[[1, 2], []]")),
    *of("vector<vector<int, 2>, 2>", ([[1, 2], [3, 4]], "[[1, 2], [3, 4]]")),
]
if LINE != "5.0":
    SAMPLES = [s for s in SAMPLES if "vector" not in s.cql_type and s.cql_type != "home"]
TYPES = list(dict.fromkeys(sample.cql_type for sample in SAMPLES))
# Functions of conversion; older names have no underscores, and case does not matter.
AS_BLOB, AS_VALUE = ("{}_as_blob", "blob_as_{}") if LINE == "5.0" else ("{}AsBlob", "blobAs{}")
SIMPLE = [name for name in TYPES if name.isalpha() and name not in {"place", "home"}]


@pytest.fixture(scope="module")
def columns(node: Node) -> dict[str, tuple[str, str]]:
    """By type: the table and column that hold it."""
    table = unique("types")
    named = {cql_type: f"c{number}" for number, cql_type in enumerate(TYPES)}
    options: dict[str, Any] = {"port": node.port, "keyspace": KEYSPACE, **node.login}
    with shardlane.connect(node.address, **options) as session:
        session.execute("CREATE TYPE place (road text, zip int)")
        if LINE == "5.0":
            session.execute(
                "CREATE TYPE home (places frozen<map<text, place>>, ids frozen<set<int>>,"
                " at vector<float, 2>)"
            )
        definitions = ", ".join(f"{column} {cql_type}" for cql_type, column in named.items())
        session.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, {definitions})")
    return {cql_type: (table, column) for cql_type, column in named.items()}


def same(left: Any, right: Any) -> bool:
    """Equal, but for NaN, which is like itself, and -0.0, which is not like 0.0."""
    if isinstance(left, float) and isinstance(right, float):
        return repr(left) == repr(right)
    return bool(left == right)


@pytest.mark.parametrize(
    "sample", SAMPLES, ids=lambda sample: f"{sample.cql_type} {sample.literal:.40}"
)
def test_a_value(
    client: Client, session: Any, columns: dict[str, tuple[str, str]], sample: Sample
) -> None:
    table, column = columns[sample.cql_type]
    insert = f"INSERT INTO {table} (id, {column})"
    client.run(session.execute(f"{insert} VALUES (?, ?)", [1, sample.value]))
    client.run(session.execute(f"{insert} VALUES (2, {sample.literal})"))
    for cql, parameters in (
        (f"SELECT {column} FROM {table} WHERE id = 1", None),
        (f"SELECT {column} FROM {table} WHERE id = ?", [1]),
        (f"SELECT {column} FROM {table} WHERE id = ?", [2]),
    ):
        value = client.run(session.execute(cql, parameters)).scalar()
        assert same(value, sample.value), cql
        if not isinstance(sample.value, tuple):
            assert isinstance(value, type(sample.value))
    if sample.cql_type in SIMPLE:
        # Not only read alike: the server holds the same bytes for both.
        convert = AS_BLOB.format(sample.cql_type)
        as_bytes = f"{convert}({column})" if sample.cql_type != "blob" else column
        rows = client.rows(session, f"SELECT {as_bytes} FROM {table} WHERE id IN (1, 2)")
        assert rows[0] == rows[1]


@pytest.mark.parametrize("cql_type", TYPES)
def test_null(
    client: Client, session: Any, columns: dict[str, tuple[str, str]], cql_type: str
) -> None:
    table, column = columns[cql_type]
    insert = f"INSERT INTO {table} (id, {column}) VALUES (?, ?)"
    client.run(session.execute(insert, [3, None]))
    result = client.run(session.execute(f"SELECT {column} FROM {table} WHERE id = 3"))
    assert result.scalar() is None
    assert len(result.page_rows) == 1


def test_types_are_named_as_in_cql(
    client: Client, session: Any, columns: dict[str, tuple[str, str]]
) -> None:
    table = columns["int"][0]
    result = client.run(session.execute(f"SELECT * FROM {table} LIMIT 1"))
    named = {column.name: column.cql_type for column in result.columns}
    # Frozen is not part of what the protocol says of a type.
    wanted = {column: plain(cql_type) for cql_type, (_, column) in columns.items()}
    assert {name: plain(named[name]) for name in wanted} == wanted


def plain(cql_type: str) -> str:
    while (start := cql_type.find("frozen<")) >= 0:
        depth, end = 1, start + len("frozen<")
        while depth:
            depth += {"<": 1, ">": -1}.get(cql_type[end], 0)
            end += 1
        cql_type = cql_type[:start] + cql_type[start + len("frozen<") : end - 1] + cql_type[end:]
    return cql_type


EMPTY_IS_NULL = ["bigint", "boolean", "decimal", "double", "float", "inet", "int"]
EMPTY_IS_NULL += ["timestamp", "timeuuid", "uuid", "varint"]


@pytest.mark.parametrize("cql_type", EMPTY_IS_NULL)
def test_values_of_no_bytes_read_as_none(
    client: Client, session: Any, columns: dict[str, tuple[str, str]], cql_type: str
) -> None:
    table, column = columns[cql_type]
    cql = f"INSERT INTO {table} (id, {column}) VALUES (4, {AS_VALUE.format(cql_type)}(0x))"
    client.run(session.execute(cql))
    assert (
        client.run(session.execute(f"SELECT {column} FROM {table} WHERE id = 4")).scalar() is None
    )


def test_empty_collections_are_null_unless_frozen(
    client: Client, session: Any, columns: dict[str, tuple[str, str]]
) -> None:
    for cql_type, empty in (("list<int>", []), ("set<text>", set()), ("map<text, bigint>", {})):
        table, column = columns[cql_type]
        client.run(session.execute(f"INSERT INTO {table} (id, {column}) VALUES (?, ?)", [5, empty]))
        cql = f"SELECT {column} FROM {table} WHERE id = 5"
        assert client.run(session.execute(cql)).scalar() is None


REFUSED = [
    *[("int", 2**31), ("int", -(2**31) - 1), ("bigint", 2**63), ("tinyint", 128)],
    *[("smallint", "1"), ("int", 1.0), ("text", b"x"), ("ascii", "é"), ("blob", "x")],
    *[("boolean", 2), ("uuid", "no uuid"), ("timeuuid", UUID(int=0)), ("inet", "300.1.1.1")],
    *[("date", "2024-13-01"), ("timestamp", 2**63), ("float", 1e300), ("decimal", "x")],
    *[("list<int>", [None]), ("tuple<int, text, double>", (1,))],
]
if LINE == "5.0":
    REFUSED.append(("vector<float, 3>", [1.0]))


@pytest.mark.parametrize(("cql_type", "value"), REFUSED, ids=str)
def test_what_does_not_fit_is_not_sent(
    client: Client, session: Any, columns: dict[str, tuple[str, str]], cql_type: str, value: Any
) -> None:
    table, column = columns[cql_type]
    insert = client.run(session.prepare(f"INSERT INTO {table} (id, {column}) VALUES (?, ?)"))
    sent = session.shards().nodes[0].shards[0].requests
    with pytest.raises(BadValue) as caught:
        client.run(session.execute(insert, [6, value]))
    assert caught.value.column is not None
    assert caught.value.column.startswith(column)
    assert session.shards().nodes[0].shards[0].requests == sent


def test_a_counter(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY, hits counter")
    for step in (5, -7, 2**40):
        cql = f"UPDATE {table} SET hits = hits + ? WHERE id = ?"
        client.run(session.execute(cql, [step, 1]))
    result = client.run(session.execute(f"SELECT hits FROM {table} WHERE id = 1"))
    assert result.scalar() == 2**40 - 2
    assert result.columns[0].cql_type == "counter"
