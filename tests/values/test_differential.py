"""Side by side with scylla-driver's own conversion, which shares no code with ours."""

from __future__ import annotations

import datetime as dt
import math
import warnings
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from uuid import UUID, uuid1

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.types import Duration, Time

with warnings.catch_warnings():
    # What that driver warns about on import is not ours to mend.
    warnings.simplefilter("ignore")
    from cassandra import cqltypes, util

V4 = 4
# Names whose hexadecimal form has a letter in it: that driver takes the others for numbers.
PLACE = "place{road: text, zip: int}"
JAVA = {
    "ascii": "AsciiType",
    "bigint": "LongType",
    "blob": "BytesType",
    "boolean": "BooleanType",
    "counter": "CounterColumnType",
    "date": "SimpleDateType",
    "decimal": "DecimalType",
    "double": "DoubleType",
    "duration": "DurationType",
    "float": "FloatType",
    "inet": "InetAddressType",
    "int": "Int32Type",
    "smallint": "ShortType",
    "text": "UTF8Type",
    "time": "TimeType",
    "timestamp": "TimestampType",
    "timeuuid": "TimeUUIDType",
    "tinyint": "ByteType",
    "uuid": "UUIDType",
    "varint": "IntegerType",
    "list<int>": "ListType(Int32Type)",
    "set<text>": "SetType(UTF8Type)",
    "map<text, bigint>": "MapType(UTF8Type,LongType)",
    "list<frozen<set<int>>>": "ListType(FrozenType(SetType(Int32Type)))",
    "tuple<int, text, double>": "TupleType(Int32Type,UTF8Type,DoubleType)",
    "map<int, frozen<tuple<text, uuid>>>": "MapType(Int32Type,TupleType(UTF8Type,UUIDType))",
    "vector<float, 3>": "VectorType(FloatType, 3)",
    "vector<bigint, 2>": "VectorType(LongType, 2)",
    "vector<text, 2>": "VectorType(UTF8Type, 2)",
    "vector<smallint, 2>": "VectorType(ShortType, 2)",
    "vector<tinyint, 2>": "VectorType(ByteType, 2)",
    "vector<date, 2>": "VectorType(SimpleDateType, 2)",
    "vector<time, 2>": "VectorType(TimeType, 2)",
    "vector<boolean, 2>": "VectorType(BooleanType, 2)",
    "vector<uuid, 2>": "VectorType(UUIDType, 2)",
    "vector<timestamp, 2>": "VectorType(TimestampType, 2)",
    "vector<decimal, 2>": "VectorType(DecimalType, 2)",
    PLACE: f"UserType(ks,{b'place'.hex()},{b'road'.hex()}:UTF8Type,{b'zip'.hex()}:Int32Type)",
}
ID = UUID("123e4567-e89b-12d3-a456-426614174000")
SAMPLES: list[tuple[str, Any]] = [
    *[("ascii", "hello"), ("ascii", ""), ("text", "snow ☃"), ("blob", b"\0\xff"), ("blob", b"")],
    *[("boolean", True), ("boolean", False), ("counter", 5), ("tinyint", -128), ("smallint", 300)],
    *[("date", dt.date(2024, 2, 29)), ("date", "1969-07-20")],
    ("date", dt.datetime(2024, 2, 29, 5)),
    *[("duration", util.Duration(1, 2, 3)), ("inet", "127.0.0.1"), ("inet", "2001:db8::1")],
    *[("time", dt.time(1, 2, 3, 4)), ("time", "08:12:54.123"), ("time", 12345)],
    *[("timestamp", dt.datetime(2026, 11, 22, 12, 34, 56, 789000)), ("timestamp", -1)],
    *[("timestamp", dt.date(2024, 2, 29)), ("timeuuid", uuid1()), ("uuid", ID)],
    *[("list<int>", [1, 2, 3]), ("list<int>", (1,)), ("list<int>", []), ("set<text>", {"a"})],
    *[("map<text, bigint>", {"a": 1, "b": -1}), ("list<frozen<set<int>>>", [{1, 2}, set()])],
    *[("tuple<int, text, double>", (1, None, 0.5)), (PLACE, ("Main", 7)), (PLACE, (None, 7))],
    *[("map<int, frozen<tuple<text, uuid>>>", {1: ("x", ID)})],
    *[("vector<float, 3>", [0.5, 1.5, 2.5]), ("vector<bigint, 2>", [1, 2])],
    *[("vector<text, 2>", ["a", "x" * 300]), ("vector<smallint, 2>", [1, 2])],
    *[("vector<tinyint, 2>", [1, 2]), ("vector<boolean, 2>", [True, False])],
    *[("vector<date, 2>", [dt.date(2024, 1, 1), dt.date(2024, 1, 2)])],
    ("vector<uuid, 2>", [ID, ID]),
    *[("vector<time, 2>", [1, 2]), ("vector<decimal, 2>", [Decimal("1.5"), Decimal(2)])],
    *[("vector<timestamp, 2>", [0, 1])],
]


def theirs(cql_type: str) -> Any:
    return cqltypes.lookup_casstype(JAVA[cql_type])


def ours(value: Any) -> Any:
    """What we call the same value."""
    if isinstance(value, util.Duration):
        return Duration(value.months, value.days, value.nanoseconds)
    return value


def normal(value: Any) -> Any:
    """A value of either driver in a form that both share."""
    if isinstance(value, (util.Date, util.Time)):
        return value.date() if isinstance(value, util.Date) else value.nanosecond_time
    if isinstance(value, Time):
        return value.total_nanoseconds
    if isinstance(value, (util.Duration, Duration)):
        return (value.months, value.days, value.nanoseconds)
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, (util.SortedSet, set, frozenset)):
        return {normal(element) for element in value}
    if isinstance(value, (util.OrderedMapSerializedKey, dict)):
        return {normal(key): normal(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(normal(element) for element in value)
    if isinstance(value, list):
        return [normal(element) for element in value]
    return value


@pytest.mark.parametrize(("cql_type", "value"), SAMPLES, ids=lambda value: str(value)[:40])
def test_samples(cql_type: str, value: Any) -> None:
    encoded = theirs(cql_type).to_binary(value, V4)
    assert encode(cql_type, ours(value)) == encoded
    their_value = theirs(cql_type).from_binary(encoded, V4)
    our_value = decode(cql_type, encoded)
    if cql_type == "inet":
        their_value = ip_address(their_value)
    assert normal(our_value) == normal(their_value)


def test_every_simple_type_is_among_the_samples() -> None:
    drawn = {"bigint", "int", "varint", "float", "double", "decimal"}
    assert set(JAVA) == drawn | {cql_type for cql_type, _ in SAMPLES}


@settings(deadline=None)
@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1), st.integers())
def test_integers(small: int, large: int, any_size: int) -> None:
    for cql_type, value in (("int", small), ("bigint", large), ("varint", any_size)):
        encoded = theirs(cql_type).to_binary(value, V4)
        assert encode(cql_type, value) == encoded
        assert decode(cql_type, encoded) == theirs(cql_type).from_binary(encoded, V4) == value


@settings(deadline=None)
@given(st.floats(), st.floats(width=32), st.decimals(allow_nan=False, allow_infinity=False))
def test_fractions(double: float, single: float, number: Decimal) -> None:
    for cql_type, value in (("double", double), ("float", single)):
        encoded = theirs(cql_type).to_binary(value, V4)
        decoded = decode(cql_type, encoded)
        if math.isnan(value):
            assert math.isnan(decoded)
        else:
            assert encode(cql_type, value) == encoded
            assert decoded == theirs(cql_type).from_binary(encoded, V4)
    encoded = theirs("decimal").to_binary(number, V4)
    assert encode("decimal", number) == encoded
    assert decode("decimal", encoded) == theirs("decimal").from_binary(encoded, V4) == number


@settings(deadline=None)
@given(st.datetimes(min_value=dt.datetime(1970, 1, 1)), st.dates(), st.times())
def test_moments(moment: dt.datetime, date: dt.date, time: dt.time) -> None:
    # Before 1970 the other driver cuts microseconds off towards 1970, not towards the past.
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    for cql_type, value in (("timestamp", moment), ("date", date), ("time", time)):
        encoded = theirs(cql_type).to_binary(value, V4)
        assert encode(cql_type, value) == encoded
        their_value = theirs(cql_type).from_binary(encoded, V4)
        assert normal(decode(cql_type, encoded)) == normal(their_value)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1)
    )
)
def test_maps(value: dict[str, int]) -> None:
    # We sort by the bytes of the keys, as the server does.
    ordered = dict(sorted(value.items(), key=lambda item: item[0].encode()))
    encoded = theirs("map<text, bigint>").to_binary(ordered, V4)
    assert encode("map<text, bigint>", value) == encoded
    assert decode("map<text, bigint>", encoded) == value
