from __future__ import annotations

import array
import ctypes
import struct
from typing import Any

import pytest

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import BadValue, DecodeError
from shardlane.types import UNSET

HALVES = struct.pack(">3f", 0.5, 1.5, -2.5)


@pytest.mark.parametrize(
    "value",
    [
        [0.5, 1.5, -2.5],
        (0.5, 1.5, -2.5),
        array.array("f", [0.5, 1.5, -2.5]),
        array.array("d", [0.5, 1.5, -2.5]),
        memoryview(array.array("f", [0.5, 9, 1.5, 9, -2.5]))[::2],
        iter([0.5, 1.5, -2.5]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_float_vector_takes(value: Any) -> None:
    assert encode("vector<float, 3>", value) == HALVES


def test_float_vector_decodes_to_a_list() -> None:
    assert decode("vector<float, 3>", HALVES) == [0.5, 1.5, -2.5]


@pytest.mark.parametrize("code", ["f", "d"])
def test_double_vector_takes_buffers(code: str) -> None:
    value = array.array(code, [0.5, -2.5])
    assert encode("vector<double, 2>", value) == struct.pack(">2d", 0.5, -2.5)


def test_integers_in_buffers_are_numbers() -> None:
    assert encode("vector<float, 2>", array.array("i", [1, -2])) == struct.pack(">2f", 1, -2)
    assert encode("vector<int, 2>", array.array("i", [1, -2])) == struct.pack(">2i", 1, -2)


@pytest.mark.parametrize("order", ["__ctype_be__", "__ctype_le__"])
def test_buffers_of_any_byte_order(order: str) -> None:
    for cql_type, ctype, code in (("float", ctypes.c_float, "f"), ("double", ctypes.c_double, "d")):
        value = (getattr(ctype, order) * 3)(0.5, 1.5, -2.5)
        expected = struct.pack(f">3{code}", 0.5, 1.5, -2.5)
        assert encode(f"vector<{cql_type}, 3>", value) == expected


def test_numpy_arrays_of_any_byte_order() -> None:
    numpy = pytest.importorskip("numpy")
    for dtype in ("<f4", ">f4", "<f8", ">f8"):
        value = numpy.array([0.5, 1.5, -2.5], dtype=dtype)
        assert encode("vector<float, 3>", value) == HALVES
    strided = numpy.array([0.5, 9, 1.5, 9, -2.5], dtype="f4")[::2]
    assert encode("vector<float, 3>", strided) == HALVES


def test_narrowing_that_overflows_is_refused_where_it_is() -> None:
    with pytest.raises(BadValue, match=r"value\[1\] \(float\)"):
        encode("vector<float, 2>", array.array("d", [1.0, 1e300]))


@pytest.mark.parametrize(
    "value", [[], [1.0], [1.0] * 4, array.array("f", [1.0]), array.array("d", [1.0] * 4)]
)
def test_vector_has_exactly_its_length(value: Any) -> None:
    with pytest.raises(BadValue, match="exactly 3 elements"):
        encode("vector<float, 3>", value)


@pytest.mark.parametrize("value", [[None], [UNSET]])
def test_null_inside_is_refused(value: Any) -> None:
    with pytest.raises(BadValue, match="cannot hold null"):
        encode("vector<float, 1>", value)


def test_elements_of_variable_size_have_lengths() -> None:
    value = ["", "abc", "x" * 200]
    encoded = encode("vector<text, 3>", value)
    assert encoded == b"\0" + b"\3abc" + b"\x80\xc8" + b"x" * 200
    assert decode("vector<text, 3>", encoded) == value


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_lengths_of_every_size(length: int) -> None:
    value = [b"x" * length]
    assert decode("vector<blob, 1>", encode("vector<blob, 1>", value)) == value


def test_nested_vectors() -> None:
    value = [[1.0, 2.0], [3.0, 4.0]]
    encoded = encode("vector<vector<float, 2>, 2>", value)
    assert encoded == struct.pack(">4f", 1, 2, 3, 4)
    assert decode("vector<vector<float, 2>, 2>", encoded) == value


@pytest.mark.parametrize(
    ("cql_type", "cell"),
    [
        ("vector<float, 3>", HALVES[:-1]),
        ("vector<float, 3>", HALVES + b"\0"),
        ("vector<text, 2>", b"\1a"),
        ("vector<text, 1>", b"\1a\0"),
        ("vector<text, 1>", b"\2a"),
        ("vector<text, 1>", b"\xff" * 9),
        ("vector<text, 1>", b"\xff"),
    ],
)
def test_malformed_vectors(cql_type: str, cell: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(cql_type, cell)
    assert decode(cql_type, b"") is None
