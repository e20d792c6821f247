"""Values captured from a real ScyllaDB: decoded as promised, encoded to the same bytes."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.types import Date, Duration, Time, Timestamp

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "types.json").read_text("utf-8"))
UTC = dt.timezone.utc
BIG = 123456789012345678901234567890
HOME = {"home": {1, 2}}

# In the order of the file.
EXPECTED: list[Any] = [
    *["x", "", "hello", "snow ☃ \U00010348", "", "a"],
    *[b"", b"\x00\xff\x10", b"\xde\xad\xbe\xef"],
    *[True, False],
    *[-128, 0, 127, -32768, 1, 32767, -(2**31), 0, 2**31 - 1, -(2**63), 0, 2**63 - 1],
    *[0, -1, 127, 128, -128, -129, BIG, -BIG],
    *map(Decimal, ["0", "1.23", "-0.00001", "12345678901234567890.0123456789", "1E+10", "-1E-20"]),
    *[0.0, -1.5, 3.4028234663852886e38, math.nan, math.inf],
    *[0.0, -1.5, 1.7976931348623157e308, math.nan, -math.inf],
    UUID("123e4567-e89b-12d3-a456-426614174000"),
    UUID(int=0),
    UUID("50554d6e-29bb-11e5-b345-feff819cdc9f"),
    IPv4Address("127.0.0.1"),
    IPv6Address("::1"),
    IPv6Address("2001:db8::ff00:42:8329"),
    dt.date(1970, 1, 1),
    dt.date(2026, 11, 22),
    dt.date(1, 1, 1),
    Date(-(2**31)),
    Time(),
    Time(23, 59, 59, 999999, 999),
    Time(8, 12, 54, 123000),
    dt.datetime(1970, 1, 1, tzinfo=UTC),
    dt.datetime(2026, 11, 22, 12, 34, 56, 789000, tzinfo=UTC),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
    Timestamp(253402300800000),
    Duration(14, 25, 18367008009010),
    Duration(months=-1),
    Duration(),
    Duration(nanoseconds=320949000000000),
    [1, 2, 3],
    None,
    {"a", "b"},
    {"j": -1, "k": 1},
    [{1, 2}, set()],
    [],
    {(1, "a"): [UUID("123e4567-e89b-12d3-a456-426614174000")]},
    (1, "a", 1.5),
    (None, "b", None),
    ("Main", 12345, HOME),
    (None, 1, None),
    [("x", 2, None)],
]


def test_every_golden_value_has_an_expectation() -> None:
    assert len(GOLDEN) == len(EXPECTED) == 80


@pytest.mark.parametrize(
    ("case", "expected"),
    list(zip(GOLDEN, EXPECTED, strict=True)),
    ids=[f"{case['cql_type']}-{case['literal']}"[:60] for case in GOLDEN],
)
def test_golden_value(case: dict[str, Any], expected: Any) -> None:
    option = bytes.fromhex(case["type_option"])
    cell = None if case["bytes"] is None else bytes.fromhex(case["bytes"])
    value = decode(option, cell)
    if isinstance(expected, float) and math.isnan(expected):
        assert isinstance(value, float)
        assert math.isnan(value)
    else:
        assert value == expected
        assert isinstance(value, type(expected))
    assert encode(option, value) == cell


def test_udt_fields_are_attributes() -> None:
    case = next(case for case in GOLDEN if "zip: 12345" in case["literal"])
    value = decode(bytes.fromhex(case["type_option"]), bytes.fromhex(case["bytes"]))
    assert (value.street, value.zip, value.phones) == ("Main", 12345, HOME)
