from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import BadValue, DecodeError


@given(st.integers(), st.integers(0, 2000))
@example(1, 127)
@example(-1, 127)
@example(-1, 128)
@example(-1, 1023)
def test_varint_of_any_size_is_exact_and_shortest(number: int, shift: int) -> None:
    for value in (number, number << shift, -(number << shift)):
        encoded = encode("varint", value)
        assert encoded is not None
        assert int.from_bytes(encoded, "big", signed=True) == value
        # One bit for the sign; what has n bits below it needs no more than n // 8 + 1 bytes.
        magnitude = value if value >= 0 else ~value
        assert len(encoded) == magnitude.bit_length() // 8 + 1
        assert decode("varint", encoded) == value


def test_varint_that_is_not_the_shortest_decodes() -> None:
    assert decode("varint", b"\0" * 30 + b"\1") == 1
    assert decode("varint", b"\xff" * 5) == -1


@given(st.decimals(allow_nan=False, allow_infinity=False))
@example(Decimal("1E+2147483648"))
@example(Decimal("1E-2147483647"))
@example(Decimal("9" * 38))
@example(Decimal("9" * 39))
@example(Decimal("-" + "9" * 5000 + "E-77"))
@example(Decimal("12.3400"))
def test_decimal_is_exact(value: Decimal) -> None:
    back = decode("decimal", encode("decimal", value))
    assert back == value
    # The exponent is kept, trailing zeros included; only the sign of a zero is lost.
    assert back.as_tuple()[1:] == value.as_tuple()[1:]


def test_decimal_does_not_depend_on_the_context() -> None:
    value = Decimal("1." + "3" * 60)
    with decimal.localcontext() as context:
        context.prec = 3
        context.capitals = 0
        context.Emax = 5
        encoded = encode("decimal", value)
        large = encode("decimal", Decimal((0, (1, 2), 40)))
        assert decode("decimal", encoded) == value
    assert decode("decimal", encoded) == value
    assert decode("decimal", large) == Decimal("12E40")


@pytest.mark.parametrize(
    ("value", "same"), [(5, "5"), (-(10**50), "-1" + "0" * 50), ("1.50", "1.50")]
)
def test_decimal_takes_ints_and_str(value: Any, same: str) -> None:
    assert encode("decimal", value) == encode("decimal", Decimal(same))


@pytest.mark.parametrize("value", [1.5, True, b"1", [1], 1j])
def test_decimal_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match="expected a Decimal"):
        encode("decimal", value)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "sNaN", "1E+2147483649", "1E-2147483649"])
def test_decimal_refuses_what_the_wire_cannot_hold(text: str) -> None:
    with pytest.raises(BadValue):
        encode("decimal", Decimal(text))


def test_a_str_that_is_no_number() -> None:
    with pytest.raises(BadValue, match="no decimal number"):
        encode("decimal", "one")


@pytest.mark.parametrize("cell", [b"\0", bytes(3), bytes(4)])
def test_truncated_decimals(cell: bytes) -> None:
    with pytest.raises(DecodeError, match="decimal"):
        decode("decimal", cell)


def test_empty_is_none() -> None:
    assert decode("varint", b"") is None
    assert decode("decimal", b"") is None
