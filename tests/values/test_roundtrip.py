"""Properties: what is encoded decodes to itself, and garbage never does more than raise."""

from __future__ import annotations

import datetime as dt
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import DecodeError
from shardlane.types import Duration, Time

Typed = tuple[str, st.SearchStrategy[Any]]


def signed(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def whole_milliseconds(moment: dt.datetime) -> dt.datetime:
    rounded = moment.microsecond // 1000 * 1000
    return moment.replace(microsecond=rounded, tzinfo=dt.timezone.utc)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "ascii": st.text(st.characters(max_codepoint=127), max_size=20),
    "bigint": signed(64),
    "blob": st.binary(max_size=20),
    "boolean": st.booleans(),
    "date": st.dates(),
    # A zero loses its sign, so that equal elements of a set stay equal.
    "decimal": st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: d or abs(d)),
    "double": st.floats(allow_nan=False),
    "float": st.floats(allow_nan=False, width=32),
    "inet": st.ip_addresses(),
    "int": signed(32),
    "smallint": signed(16),
    "text": TEXT,
    "time": st.integers(0, 86_400 * 10**9 - 1).map(Time.from_nanoseconds),
    "timestamp": st.datetimes().map(whole_milliseconds),
    "timeuuid": st.uuids(version=1),
    "tinyint": signed(8),
    "uuid": st.uuids(),
    "varint": st.integers(),
}
DURATIONS = st.builds(
    Duration, st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1)
)


@st.composite
def hashable_types(draw: st.DrawFn, depth: int) -> Typed:
    """A type and its values in the form they have inside a set."""
    if depth == 0 or draw(st.booleans()):
        name = draw(st.sampled_from(sorted(SCALARS)))
        return name, SCALARS[name]
    element, values = draw(hashable_types(depth - 1))
    other, other_values = draw(hashable_types(depth - 1))
    shape = draw(st.sampled_from(["list", "set", "tuple", "vector"]))
    if shape == "list":
        return f"list<{element}>", st.lists(values, max_size=3).map(tuple)
    if shape == "set":
        return f"set<{element}>", st.frozensets(values, max_size=3)
    if shape == "tuple":
        return f"tuple<{element}, {other}>", st.tuples(values | st.none(), other_values | st.none())
    return f"vector<{element}, 2>", st.tuples(values, values)


@st.composite
def cql_types(draw: st.DrawFn, depth: int = 3) -> Typed:
    """A type and its values in the form they have anywhere else."""
    if depth == 0 or draw(st.booleans()):
        name = draw(st.sampled_from([*sorted(SCALARS), "duration"]))
        return name, DURATIONS if name == "duration" else SCALARS[name]
    element, values = draw(cql_types(depth - 1))
    other, other_values = draw(cql_types(depth - 1))
    key, keys = draw(hashable_types(depth - 1))
    shape = draw(st.sampled_from(["list", "set", "map", "tuple", "vector", "udt"]))
    if shape == "list":
        return f"list<{element}>", st.lists(values, max_size=4)
    if shape == "set":
        return f"set<{key}>", st.sets(keys, max_size=4)
    if shape == "map":
        return f"map<{key}, {element}>", st.dictionaries(keys, values, max_size=4)
    if shape == "tuple":
        return f"tuple<{element}, {other}>", st.tuples(values | st.none(), other_values | st.none())
    if shape == "vector":
        return f"vector<{element}, 2>", st.lists(values, min_size=2, max_size=2)
    udt = f"made{{first: {element}, second: {other}}}"
    return udt, st.tuples(values | st.none(), other_values | st.none())


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_values_of_any_type_come_back(data: st.DataObject) -> None:
    cql_type, values = data.draw(cql_types(), label="type")
    value = data.draw(values, label="value")
    encoded = encode(cql_type, value)
    decoded = decode(cql_type, encoded)
    assert decoded == value
    assert encode(cql_type, decoded) is not None
    assert decode(cql_type, encode(cql_type, decoded)) == value


def decode_error(cql_type: str, cell: bytes) -> DecodeError | None:
    """The one kind of error that bad bytes may give, if they give one."""
    try:
        decode(cql_type, cell)
    except DecodeError as error:
        return error
    return None


@settings(max_examples=500, deadline=None)
@given(cql_types(), st.binary(max_size=64))
def test_garbage_decodes_to_something_or_raises(typed: Typed, cell: bytes) -> None:
    error = decode_error(typed[0], cell)
    if error is not None:
        assert error.column is not None
        assert error.column.startswith("value")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_values_decode_to_something_or_raise(data: st.DataObject) -> None:
    cql_type, values = data.draw(cql_types(), label="type")
    encoded = bytearray(encode(cql_type, data.draw(values, label="value")) or b"")
    if not encoded:
        return
    position = data.draw(st.integers(0, len(encoded) - 1), label="position")
    encoded[position] = data.draw(st.integers(0, 255), label="byte")
    cut = data.draw(st.integers(0, len(encoded)), label="cut")
    decode_error(cql_type, bytes(encoded))
    decode_error(cql_type, bytes(encoded[:cut]))


@pytest.mark.parametrize(
    "text",
    ["", "list", "list<int", "map<int>", "int int", "vector<int, x>", "'x", "list<" * 100],
)
def test_type_names_of_the_tests_are_checked(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        decode(text, b"")


def test_nan_comes_back() -> None:
    for cql_type, code in (("float", ">f"), ("double", ">d")):
        encoded = struct.pack(code, float("nan"))
        value = decode(cql_type, encoded)
        assert value != value
        assert encode(cql_type, value) == encoded
