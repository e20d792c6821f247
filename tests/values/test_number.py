from __future__ import annotations

import enum
import math
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import BadValue, DecodeError

INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64, "counter": 64}


class Colour(enum.IntEnum):
    RED = 3


class Index:
    def __init__(self, number: Any) -> None:
        self.number = number

    def __index__(self) -> Any:
        return self.number


@pytest.mark.parametrize(("cql_type", "bits"), INTEGERS.items())
def test_integers_to_their_ends_and_no_further(cql_type: str, bits: int) -> None:
    top = 2 ** (bits - 1)
    for value in (-top, -1, 0, 1, top - 1):
        encoded = encode(cql_type, value)
        assert encoded == value.to_bytes(bits // 8, "big", signed=True)
        assert decode(cql_type, encoded) == value
    for value in (-top - 1, top, 2**200, -(2**200)):
        with pytest.raises(BadValue, match="out of range") as caught:
            encode(cql_type, value)
        assert caught.value.cql_type == cql_type
        assert caught.value.python_type == "int"


@pytest.mark.parametrize("cql_type", [*INTEGERS, "varint"])
def test_integers_take_what_stands_for_one(cql_type: str) -> None:
    assert decode(cql_type, encode(cql_type, Colour.RED)) == 3
    assert decode(cql_type, encode(cql_type, Index(-5))) == -5


@pytest.mark.parametrize("cql_type", [*INTEGERS, "varint"])
@pytest.mark.parametrize("value", [True, 1.0, "1", b"1", Decimal(1), None.__class__, [1]])
def test_integers_refuse_the_rest(cql_type: str, value: Any) -> None:
    with pytest.raises(BadValue, match="expected an int"):
        encode(cql_type, value)


def test_a_bool_as_an_integer_gets_a_hint() -> None:
    with pytest.raises(BadValue) as caught:
        encode("int", True)
    assert "int(value)" in str(caught.value.hint)


def test_a_failing_index_is_the_cause_and_other_exceptions_pass() -> None:
    with pytest.raises(BadValue) as caught:
        encode("int", Index("no int"))
    assert isinstance(caught.value.__cause__, TypeError)

    class Interrupted:
        def __index__(self) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode("int", Interrupted())


def test_double_is_bit_exact() -> None:
    for value in (0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308, math.inf, -math.inf):
        encoded = encode("double", value)
        assert encoded == struct.pack(">d", value)
        assert struct.pack(">d", decode("double", encoded)) == encoded
    assert math.isnan(decode("double", encode("double", math.nan)))


def test_float_rounds_to_32_bits_but_does_not_overflow() -> None:
    assert encode("float", 0.1) == struct.pack(">f", 0.1)
    assert decode("float", encode("float", 0.1)) == struct.unpack(">f", struct.pack(">f", 0.1))[0]
    assert encode("float", math.inf) == struct.pack(">f", math.inf)
    for value in (1e39, -1e39, 10**40):
        with pytest.raises(BadValue, match="32 bits"):
            encode("float", value)


@pytest.mark.parametrize("cql_type", ["float", "double"])
@pytest.mark.parametrize("value", [2, Decimal("2"), Fraction(2), Index(2), Colour.RED])
def test_floats_take_numbers(cql_type: str, value: Any) -> None:
    expected = 3.0 if value is Colour.RED else 2.0
    assert decode(cql_type, encode(cql_type, value)) == expected


@pytest.mark.parametrize("cql_type", ["float", "double"])
@pytest.mark.parametrize("value", [True, "2.0", b"2", 1j, [2.0]])
def test_floats_refuse_the_rest(cql_type: str, value: Any) -> None:
    with pytest.raises(BadValue, match="expected a float"):
        encode(cql_type, value)


def test_an_int_too_large_for_a_float() -> None:
    with pytest.raises(BadValue, match="too large"):
        encode("double", 10**400)


@pytest.mark.parametrize(
    ("value", "encoded"), [(True, b"\1"), (False, b"\0"), (1, b"\1"), (0, b"\0")]
)
def test_boolean(value: Any, encoded: bytes) -> None:
    assert encode("boolean", value) == encoded
    assert decode("boolean", encoded) is bool(value)


@pytest.mark.parametrize("value", [2, -1, "true", "", [], 1.0])
def test_boolean_refuses_what_is_merely_true_or_false(value: Any) -> None:
    with pytest.raises(BadValue, match="expected a bool"):
        encode("boolean", value)


def test_any_byte_but_zero_is_true() -> None:
    assert decode("boolean", b"\x02") is True


def test_numpy_scalars() -> None:
    numpy = pytest.importorskip("numpy")
    assert encode("int", numpy.int16(-2)) == encode("int", -2)
    assert encode("bigint", numpy.uint64(7)) == encode("bigint", 7)
    assert encode("float", numpy.float32(0.5)) == encode("float", 0.5)
    assert encode("double", numpy.float32(0.5)) == encode("double", 0.5)
    assert encode("boolean", numpy.bool_(True)) == b"\1"
    with pytest.raises(BadValue):
        encode("int", numpy.float64(1.0))
    with pytest.raises(BadValue):
        encode("int", numpy.bool_(True))


@pytest.mark.parametrize(
    ("cql_type", "size"),
    [
        *((name, bits // 8) for name, bits in INTEGERS.items()),
        *[("float", 4), ("double", 8), ("boolean", 1)],
    ],
)
def test_only_the_right_length_decodes(cql_type: str, size: int) -> None:
    assert decode(cql_type, b"") is None
    for length in {size - 1, size + 1, 2 * size, 100} - {0, size}:
        with pytest.raises(DecodeError, match=f"expected {size} bytes, got {length}"):
            decode(cql_type, bytes(length))
