from __future__ import annotations

import collections
import dataclasses
import pickle
import types
from typing import Any, NamedTuple

import pytest

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import BadValue, DecodeError
from shardlane.types import UNSET

ADDRESS = "address{street: text, zip: int}"
NULL = b"\xff\xff\xff\xff"
MAIN = b"\0\0\0\4Main\0\0\0\4\0\0\0\7"


class Street(NamedTuple):
    zip: int
    street: str


class Full(NamedTuple):
    street: str
    zip: int


@dataclasses.dataclass
class Address:
    street: str
    zip: int
    unrelated: int = 0


@dataclasses.dataclass
class Older:
    street: str


@pytest.mark.parametrize(
    "value",
    [
        {"street": "Main", "zip": 7},
        {"zip": 7, "street": "Main"},
        collections.UserDict(street="Main", zip=7),
        types.MappingProxyType({"street": "Main", "zip": 7}),
        ("Main", 7),
        ["Main", 7],
        Street(7, "Main"),
        Full("Main", 7),
        Address("Main", 7),
        types.SimpleNamespace(street="Main", zip=7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_udt_takes(value: Any) -> None:
    assert encode(ADDRESS, value) == MAIN


@pytest.mark.parametrize("value", [{"street": "Main"}, Older("Main"), ("Main", None)])
def test_what_is_missing_from_a_udt_is_null(value: Any) -> None:
    assert encode(ADDRESS, value) == MAIN[:8] + NULL


def test_an_empty_dict_is_a_udt_of_nulls() -> None:
    assert encode(ADDRESS, {}) == NULL + NULL


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"street": "Main", "zipcode": 7}, "no field zipcode"),
        ({"street": "Main", "zip": 7, 3: 4}, "no field 3"),
        (("Main",), "exactly 2 fields"),
        (("Main", 7, 8), "exactly 2 fields"),
        (object(), "with the type's fields"),
        ("Main", "with the type's fields"),
        (7, "with the type's fields"),
    ],
)
def test_udt_refuses(value: Any, message: str) -> None:
    with pytest.raises(BadValue, match=message) as caught:
        encode(ADDRESS, value)
    assert "street, zip" in str(caught.value.hint)


def test_a_wrong_field_is_named() -> None:
    with pytest.raises(BadValue) as caught:
        encode("list<frozen<address{street: text, zips: map<text, int>}>>", [{"zips": {"a": "x"}}])
    assert str(caught.value).startswith("value[0].zips['a'] (int): expected an int, got str")


def test_fields_cannot_be_unset() -> None:
    for cql_type in (ADDRESS, "tuple<text, int>"):
        with pytest.raises(BadValue, match="UNSET"):
            encode(cql_type, ("Main", UNSET))


def test_a_failing_property_passes() -> None:
    class Broken:
        @property
        def street(self) -> str:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        encode(ADDRESS, Broken())


def test_decoded_udt() -> None:
    value = decode(ADDRESS, MAIN)
    assert value == ("Main", 7)
    assert (value.street, value.zip) == ("Main", 7)
    assert type(value).__name__ == "address"
    assert repr(value) == "address(street='Main', zip=7)"
    assert value._asdict() == {"street": "Main", "zip": 7}
    assert type(decode(ADDRESS, MAIN)) is type(value)
    assert encode(ADDRESS, value) == MAIN
    copied = pickle.loads(pickle.dumps(value))
    assert copied == value
    assert copied.zip == 7


def test_a_value_from_before_the_type_grew_and_after() -> None:
    assert decode(ADDRESS, MAIN[:8]) == ("Main", None)
    assert decode(ADDRESS, b"") == (None, None)
    assert decode("address{street: text}", MAIN) == ("Main",)
    grown = "address{street: text, zip: int, city: text}"
    assert encode(grown, decode(ADDRESS, MAIN)) == MAIN + NULL


@pytest.mark.parametrize("value", [(1, "a"), [1, "a"], iter([1, "a"])])
def test_tuple(value: Any) -> None:
    assert encode("tuple<int, text>", value) == b"\0\0\0\4\0\0\0\1\0\0\0\1a"


def test_tuple_with_nulls() -> None:
    assert encode("tuple<int, text>", (None, "a")) == NULL + b"\0\0\0\1a"
    assert decode("tuple<int, text>", NULL + b"\0\0\0\1a") == (None, "a")
    assert decode("tuple<int, text>", NULL) == (None, None)
    assert decode("tuple<int, text>", b"") == (None, None)


@pytest.mark.parametrize("value", [(), (1,), (1, "a", 2)])
def test_tuple_has_exactly_its_length(value: Any) -> None:
    with pytest.raises(BadValue, match="exactly 2 elements"):
        encode("tuple<int, text>", value)


@pytest.mark.parametrize("value", ["ab", b"ab", {"a": 1}, 1])
def test_tuple_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match="expected a list, tuple"):
        encode("tuple<text, text>", value)


def test_malformed_tuples_say_where() -> None:
    for cell in (b"\0", b"\0\0\0\4\0\0\0", b"\0\0\0\4\0\0\0\1\0\0\0\1a\0"):
        with pytest.raises(DecodeError):
            decode("tuple<int, text>", cell)
    with pytest.raises(DecodeError) as caught:
        decode("tuple<int, text>", NULL + b"\0\0\0\1\xff")
    assert caught.value.column == "value[1]"
    with pytest.raises(DecodeError) as caught:
        decode(ADDRESS, NULL + b"\0\0\0\1\xff")
    assert caught.value.column == "value.zip"
