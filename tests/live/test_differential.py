"""Side by side with scylla-driver on the same node: what either one writes, both read alike."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from uuid import UUID

import pytest

from live_cassandra import Node
from shardlane.types import Date, Duration, Time, Timestamp

from .support import KEYSPACE, LINE, Client, unique

with warnings.catch_warnings():
    # What that driver warns about on import is not ours to mend.
    warnings.simplefilter("ignore")
    from cassandra import ProtocolVersion, util
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, ExecutionProfile
    from cassandra.cluster import Cluster as TheirCluster
    from cassandra.policies import RoundRobinPolicy

UTC = dt.timezone.utc
ID = UUID("123e4567-e89b-12d3-a456-426614174000")

# A type, a value of ours, and the same value of theirs where it is another object.
SAMPLES: list[tuple[str, Any, Any]] = [
    *[("ascii", "hello", ...), ("bigint", -(2**63), ...), ("blob", b"\0\xff", ...)],
    *[("boolean", True, ...), ("date", dt.date(2024, 2, 29), ...), ("text", "snow ☃", ...)],
    *[("date", Date(2**31 - 1), util.Date(2**31 - 1)), ("text", "", ...), ("blob", b"", ...)],
    *[("decimal", Decimal("-1.50"), ...), ("double", 0.1, ...), ("float", 0.5, ...)],
    ("duration", Duration(14, 3, 1), util.Duration(14, 3, 1)),
    *[("inet", ip_address("127.0.0.1"), "127.0.0.1"), ("inet", ip_address("::1"), "::1")],
    *[("int", -1, ...), ("smallint", 300, ...), ("tinyint", -128, ...), ("varint", -(2**99), ...)],
    ("time", Time(1, 2, 3, 4, 5), util.Time(3_723_000_004_005)),
    ("timestamp", dt.datetime(2024, 2, 29, 12, 30, 1, 5000, UTC), ...),
    *[("timeuuid", ID, ...), ("uuid", ID, ...)],
    *[("list<int>", [3, 1, 3], ...), ("set<text>", {"b", "a"}, ...)],
    *[("map<text, int>", {"b": 1, "a": 2}, ...), ("frozen<list<int>>", [], ...)],
    ("map<int, frozen<tuple<text, uuid>>>", {1: ("x", ID), 2: (None, ID)}, ...),
    ("list<frozen<set<int>>>", [{1, 2}, set()], ...),
    *[("tuple<int, text, double>", (1, None, 0.5), ...), ("pair", ("Main", 7), ...)],
    ("list<frozen<pair>>", [("Main", None)], ...),
    *[("vector<float, 3>", [0.5, 1.5, -2.5], ...), ("vector<text, 2>", ["a", "b"], ...)],
]
if LINE != "5.0":
    SAMPLES = [sample for sample in SAMPLES if "vector" not in sample[0]]


@pytest.fixture(scope="module")
def theirs(node: Node) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = TheirCluster(
            [node.address],
            port=node.port,
            auth_provider=PlainTextAuthProvider(**node.login) if node.login else None,
            protocol_version=ProtocolVersion.V4,
            execution_profiles={
                EXEC_PROFILE_DEFAULT: ExecutionProfile(load_balancing_policy=RoundRobinPolicy())
            },
        )
        session = cluster.connect(KEYSPACE)
    yield session
    cluster.shutdown()


@pytest.fixture(scope="module")
def table(theirs: Any) -> str:
    name = unique("both")
    theirs.execute("CREATE TYPE IF NOT EXISTS pair (road text, zip int)")
    columns = ", ".join(f"c{number} {sample[0]}" for number, sample in enumerate(SAMPLES))
    theirs.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, {columns})")
    return name


def normal(value: Any) -> Any:
    """A value of either driver in a form that both share: the documented differences."""
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if isinstance(value, util.Date):
        return value.days_from_epoch if value.days_from_epoch > 2_932_896 else value.date()
    if isinstance(value, Date | Timestamp):
        return int(value)
    if isinstance(value, util.Time | Time):
        is_ours = isinstance(value, Time)
        return ("time", value.total_nanoseconds if is_ours else value.nanosecond_time)
    if isinstance(value, util.Duration | Duration):
        return ("duration", value.months, value.days, value.nanoseconds)
    if isinstance(value, dt.datetime):
        # Theirs are in UTC without saying so.
        return value.replace(tzinfo=None)
    if isinstance(value, util.SortedSet | set | frozenset):
        return {normal(element) for element in value}
    if isinstance(value, util.OrderedMapSerializedKey | dict):
        return {normal(key): normal(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(normal(element) for element in value)
    if isinstance(value, list):
        return [normal(element) for element in value]
    return value


@pytest.mark.parametrize("number", range(len(SAMPLES)), ids=[f"{s[0]} {s[1]}" for s in SAMPLES])
def test_a_value(client: Client, session: Any, theirs: Any, table: str, number: int) -> None:
    _, value, their_value = SAMPLES[number]
    column = f"c{number}"
    insert = f"INSERT INTO {table} (id, {column}) VALUES (?, ?)"
    client.run(session.execute(insert, [1, value]))
    theirs.execute(theirs.prepare(insert), [2, value if their_value is ... else their_value])
    read: list[Any] = []
    for key in (1, 2):
        cql = f"SELECT {column} FROM {table} WHERE id = {key}"
        read.append(client.run(session.execute(cql)).scalar())
        read.append(theirs.execute(cql).one()[0])
    ours = [normal(item) for item in read[::2]]
    assert ours == [normal(item) for item in read[1::2]]
    assert ours == [normal(value)] * 2


def test_names_and_types_of_columns(client: Client, session: Any, theirs: Any, table: str) -> None:
    ours = client.run(session.execute(f"SELECT * FROM {table} LIMIT 1"))
    rows = theirs.execute(f"SELECT * FROM {table} LIMIT 1")
    assert [column.name for column in ours.columns] == rows.column_names
    simple = {"ascii", "bigint", "blob", "boolean", "date", "decimal", "double", "float", "inet"}
    simple |= {"duration", "int", "smallint", "text", "time", "timestamp", "timeuuid", "uuid"}
    for column, their_type in zip(ours.columns, rows.column_types, strict=True):
        if column.cql_type in simple:
            known_as = {"text": "varchar"}.get(column.cql_type, column.cql_type)
            assert their_type.typename in {known_as, column.cql_type}


def test_rows_of_many_pages(client: Client, session: Any, theirs: Any) -> None:
    name = client.table(session, "part int, n int, v text, PRIMARY KEY (part, n)")
    insert = f"INSERT INTO {name} (part, n, v) VALUES (?, ?, ?)"
    sets = [(key % 7, key, f"v{key}") for key in range(200)]
    client.run(session.execute_many(insert, sets))
    cql = f"SELECT part, n, v FROM {name}"
    ours = client.rows(session, cql, page_size=11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [tuple(row) for row in theirs.execute(cql)] == [tuple(row) for row in ours]
    assert sorted(ours) == sorted(sets)


def test_tokens(client: Client, session: Any, theirs: Any) -> None:
    name = client.table(session, "a int, b text, PRIMARY KEY ((a, b))")
    cql = f"SELECT a FROM {name} WHERE a = ? AND b = ?"
    ours, their_statement = client.run(session.prepare(cql)), theirs.prepare(cql)
    murmur3 = theirs.cluster.metadata.token_map.token_class
    for key in range(50):
        routing_key, token = ours.routing([key, f"k{key}"])
        assert routing_key == their_statement.bind([key, f"k{key}"]).routing_key
        assert token == murmur3.from_key(routing_key).value
