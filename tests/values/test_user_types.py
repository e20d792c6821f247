"""Classes for user-defined types, conversions of the user's own, enumerations and empty values."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import enum
import pickle
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardlane._core import UserTypes
from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane._shared import user_types
from shardlane.exceptions import BadValue, ConfigurationError
from shardlane.types import EMPTY, UNSET, EmptyType

ADDRESS = "address{street: text, zip: int}"
MAIN = b"\0\0\0\4Main\0\0\0\4\0\0\0\7"
GROWN = MAIN + b"\0\0\0\2DE"


@dataclasses.dataclass(frozen=True)
class Address:
    street: str
    zip: int = -1


@dataclasses.dataclass
class Mutable:
    street: str
    zip: int


class Tuple(NamedTuple):
    zip: int
    street: str


@dataclasses.dataclass
class OnlyZip:
    zip: int


def registered(cls: Any, **options: Any) -> UserTypes:
    types = UserTypes(**options)
    user_types.register_udt(types, "test", "address", cls)
    return types


def by_keywords(**fields: Any) -> Any:
    return sorted(fields.items())


@pytest.mark.parametrize(
    ("cls", "value"),
    [
        (Address, Address("Main", 7)),
        (Mutable, Mutable("Main", 7)),
        (Tuple, Tuple(7, "Main")),
        (OnlyZip, OnlyZip(7)),
        (dict, {"street": "Main", "zip": 7}),
        (collections.OrderedDict, collections.OrderedDict(street="Main", zip=7)),
        (by_keywords, [("street", "Main"), ("zip", 7)]),
        (lambda zip: zip, 7),  # noqa: A006
    ],
    ids=str,
)
def test_a_registered_class_is_made_of_the_fields(cls: Any, value: Any) -> None:
    types = registered(cls)
    decoded = decode(ADDRESS, MAIN, types)
    assert decoded == value
    assert type(decoded) is type(value)
    assert decode(f"list<{ADDRESS}>", b"\0\0\0\1\0\0\0\x10" + MAIN, types) == [value]


@pytest.mark.parametrize("value", [Address("Main", 7), Mutable("Main", 7), Tuple(7, "Main")])
def test_and_instances_are_bound_as_they_are(value: Any) -> None:
    assert encode(ADDRESS, value, registered(type(value))) == MAIN
    assert encode(ADDRESS, value) == MAIN


def test_other_types_are_not_concerned() -> None:
    types = UserTypes()
    user_types.register_udt(types, "elsewhere", "address", Address)
    user_types.register_udt(types, "test", "adres", Address)
    assert type(decode(ADDRESS, MAIN, types)).__name__ == "address"
    assert decode(ADDRESS, MAIN, types) == ("Main", 7)


def test_the_type_may_grow_and_the_value_be_older() -> None:
    # Known to the metadata: a class that does not know the field does without.
    grown = "address{street: text, zip: int, country: text}"
    assert decode(grown, GROWN, registered(Address)) == Address("Main", 7)
    assert decode(grown, GROWN, registered(dict)) == {
        "street": "Main",
        "zip": 7,
        "country": "DE",
    }
    # Not known to the metadata yet.
    assert decode(ADDRESS, GROWN, registered(Address)) == Address("Main", 7)
    # Written before the type grew.
    assert decode(grown, MAIN, registered(dict)) == {
        "street": "Main",
        "zip": 7,
        "country": None,
    }
    assert encode(grown, Address("Main", 7)) == MAIN + b"\xff\xff\xff\xff"


def test_in_sets_and_keys_only_what_can_be_hashed() -> None:
    element = b"\0\0\0\1\0\0\0\x10" + MAIN
    cql_type = f"set<{ADDRESS}>"
    assert decode(cql_type, element, registered(Address)) == {Address("Main", 7)}
    for cls in (Mutable, dict):
        assert decode(cql_type, element, registered(cls)) == {("Main", 7)}
    assert decode(cql_type, element, UserTypes(udts_as_dicts=True)) == {("Main", 7)}
    key = f"map<{ADDRESS}, {ADDRESS}>"
    both = b"\0\0\0\1\0\0\0\x10" + MAIN + b"\0\0\0\x10" + MAIN
    assert decode(key, both, registered(Mutable)) == {("Main", 7): Mutable("Main", 7)}


def test_all_types_as_dicts() -> None:
    types = UserTypes(udts_as_dicts=True)
    assert decode(ADDRESS, MAIN, types) == {"street": "Main", "zip": 7}
    user_types.register_udt(types, "test", "address", Address)
    assert decode(ADDRESS, MAIN, types) == Address("Main", 7)


def test_what_the_class_raises_comes_through() -> None:
    def refuse(street: str, zip: int) -> Any:  # noqa: A002
        raise LookupError(street)

    with pytest.raises(LookupError, match="Main"):
        decode(ADDRESS, MAIN, registered(refuse))
    with pytest.raises(TypeError, match=r"unexpected|missing"):
        decode(ADDRESS, MAIN, registered(lambda other: other))


class Color(enum.Enum):
    RED = 1
    GREEN = "green"
    BOTH = (1, "x")
    NEST = MappingProxyType({"street": "Main", "zip": 7})


class Level(enum.IntEnum):
    LOW = 5


class Flags(enum.IntFlag):
    A = 1
    B = 2


class Kind(str, enum.Enum):
    CAT = "cat"


@pytest.mark.parametrize(
    ("cql_type", "member", "plain"),
    [
        ("int", Color.RED, 1),
        ("bigint", Color.RED, 1),
        ("text", Color.GREEN, "green"),
        ("tuple<int, text>", Color.BOTH, (1, "x")),
        (ADDRESS, Color.NEST, {"street": "Main", "zip": 7}),
        ("tinyint", Level.LOW, 5),
        ("int", Flags.A | Flags.B, 3),
        ("text", Kind.CAT, "cat"),
        ("list<int>", [Color.RED, Level.LOW], [1, 5]),
        ("map<text, int>", {Color.GREEN: Color.RED, Kind.CAT: 2}, {"green": 1, "cat": 2}),
        ("set<text>", {Color.GREEN}, {"green"}),
        # A field called as every member's attribute.
        ("u{name: text, value: int}", Color.BOTH, ("x", 1)),
    ],
    ids=str,
)
def test_a_member_of_an_enumeration_stands_for_its_value(
    cql_type: str, member: Any, plain: Any
) -> None:
    if cql_type.startswith("u{"):
        with pytest.raises(BadValue, match="name"):
            encode(cql_type, member)
        return
    assert encode(cql_type, member) == encode(cql_type, plain)


def test_a_member_that_does_not_fit_is_refused_for_its_value() -> None:
    with pytest.raises(BadValue, match="got str"):
        encode("int", Color.GREEN)
    with pytest.raises(BadValue, match="got tuple"):
        encode("int", Color.BOTH)


EMPTY_TYPES = ["ascii", "bigint", "blob", "boolean", "decimal", "double", "float", "inet", "int"]
EMPTY_TYPES += ["text", "timestamp", "timeuuid", "uuid", "varint", "'a.Custom'"]
NOT_EMPTY = ["counter", "date", "duration", "smallint", "time", "tinyint", "list<int>", "set<int>"]
NOT_EMPTY += ["map<int, int>", "tuple<int>", "vector<int, 1>", ADDRESS]


@pytest.mark.parametrize("cql_type", EMPTY_TYPES)
def test_empty_values(cql_type: str) -> None:
    assert encode(cql_type, EMPTY) == b""
    assert encode(f"list<{cql_type}>", [EMPTY]) == b"\0\0\0\1\0\0\0\0"
    keeping = UserTypes(keeps_empty=True)
    own = {"ascii": "", "text": "", "blob": b"", "'a.Custom'": b""}
    assert decode(cql_type, b"", keeping) == own.get(cql_type, EMPTY)
    assert decode(cql_type, b"") == own.get(cql_type)
    assert decode(f"list<{cql_type}>", b"\0\0\0\1\0\0\0\0", keeping) == [own.get(cql_type, EMPTY)]
    assert decode(cql_type, None, keeping) is None


@pytest.mark.parametrize("cql_type", NOT_EMPTY)
def test_types_without_an_empty_value(cql_type: str) -> None:
    with pytest.raises(BadValue, match="has no empty value"):
        encode(cql_type, EMPTY)


def test_empty_is_one_and_false() -> None:
    assert EmptyType() is EMPTY
    assert not EMPTY
    assert repr(EMPTY) == "EMPTY"
    assert pickle.loads(pickle.dumps(EMPTY)) is EMPTY
    assert EMPTY is not UNSET


def codecs(*given_codecs: tuple[str, Any, Any]) -> UserTypes:
    types = UserTypes()
    for cql_type, to_cql, from_cql in given_codecs:
        user_types.register_codec(types, cql_type, to_cql, from_cql, None)
    return types


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Celsius) and other.degrees == self.degrees

    def __hash__(self) -> int:
        return hash(self.degrees)


def test_a_codec_converts_wherever_its_type_occurs() -> None:
    types = codecs(("double", lambda c: c.degrees, Celsius))
    plain = encode("double", 3.5)
    assert encode("double", Celsius(3.5), types) == plain
    assert decode("double", plain, types) == Celsius(3.5)
    for cql_type, value, same in [
        ("list<double>", [Celsius(1), Celsius(2)], [1.0, 2.0]),
        ("set<double>", {Celsius(1)}, {1.0}),
        ("map<double, double>", {Celsius(1): Celsius(2)}, {1.0: 2.0}),
        ("tuple<double, int>", (Celsius(1), 2), (1.0, 2)),
        ("vector<double, 2>", [Celsius(1), Celsius(2)], [1.0, 2.0]),
        ("t{a: double, b: int}", (Celsius(1), None), (1.0, None)),
    ]:
        assert encode(cql_type, value, types) == encode(cql_type, same)
        assert decode(cql_type, encode(cql_type, same), types) == value
    assert encode("float", 1.5, types) == encode("float", 1.5), "another type"
    assert decode("double", None, types) is None
    assert decode("double", b"", types) is None


def test_a_codec_of_a_whole_collection_and_of_a_custom_class() -> None:
    types = codecs(
        ("frozen<list<text>>", lambda text: text.split(), " ".join),
        ("'a.Point'", lambda point: bytes(point), tuple),
    )
    assert decode("list<text>", encode("list<text>", "a b", types), types) == "a b"
    assert encode("'a.Point'", (1, 2), types) == b"\1\2"
    assert decode("'a.Point'", b"\1\2", types) == (1, 2)
    assert decode("'a.Line'", b"\1\2", types) == b"\1\2"


def test_one_direction_alone() -> None:
    types = codecs(("int", None, str), ("text", str.upper, None))
    assert encode("int", 7, types) == encode("int", 7)
    assert decode("int", encode("int", 7), types) == "7"
    assert encode("text", "a", types) == b"A"
    assert decode("text", b"a", types) == "a"


def test_what_a_codec_raises_comes_through() -> None:
    def refuse(value: Any) -> Any:
        raise LookupError(value)

    types = codecs(("int", refuse, refuse), ("text", lambda _: None, None))
    with pytest.raises(LookupError, match="7"):
        encode("list<int>", [7], types)
    with pytest.raises(LookupError, match="7"):
        decode("int", encode("int", 7), types)
    with pytest.raises(BadValue, match="returned None"):
        encode("text", "a", types)
    wrong = codecs(("int", str, None))
    with pytest.raises(BadValue, match=r"\(int\).*got str"):
        encode("int", 7, wrong)


BAD_CODECS: list[tuple[Any, ...]] = [
    (None, str, None, None),
    ("int", str, None, "a.b.c"),
    ("int", None, None, None),
    ("int", 5, None, None),
    ("lint", str, None, None),
    ("address", str, None, None),
    (5, str, None, None),
    (None, str, None, "a.b"),
    (None, str, None, ("a", "b", 5)),
    (None, str, None, "a.b."),
]


@pytest.mark.parametrize("arguments", BAD_CODECS, ids=str)
def test_codecs_that_make_no_sense(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        user_types.register_codec(UserTypes(), *arguments)
    assert caught.value.hint


@pytest.mark.parametrize("arguments", [("", "t", dict), ("k", 5, dict), ("k", "t", 5)], ids=str)
def test_classes_that_make_no_sense(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        user_types.register_udt(UserTypes(), *arguments)
    assert caught.value.hint


WORDS = ["int", "text", "list", "set", "map", "tuple", "vector", "frozen", "<", ">", ",", " ", "'"]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "3", "{", "}", ":", "é", "a.B"])).map("".join) | st.text())
def test_any_text_is_a_type_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        UserTypes().register_codec(text, str, None)
