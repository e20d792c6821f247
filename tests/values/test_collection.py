from __future__ import annotations

import collections
import types
from typing import Any
from uuid import UUID

import pytest

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import BadValue, DecodeError
from shardlane.types import UNSET


def collection(*elements: bytes | None, count: int | None = None) -> bytes:
    number = len(elements) if count is None else count
    cells = [
        b"\xff\xff\xff\xff" if element is None else len(element).to_bytes(4, "big") + element
        for element in elements
    ]
    return number.to_bytes(4, "big", signed=True) + b"".join(cells)


ONE, TWO = (1).to_bytes(4, "big"), (2).to_bytes(4, "big")


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        (1, 2),
        {1: 0, 2: 0}.keys(),
        range(1, 3),
        collections.deque([1, 2]),
        iter([1, 2]),
        (number for number in (1, 2)),
        collections.UserList([1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_list_takes_any_iterable(value: Any) -> None:
    assert encode("list<int>", value) == collection(ONE, TWO)


@pytest.mark.parametrize(
    "value", [{1, 2}, frozenset({1, 2}), [2, 1], (1, 2, 1, 2), {2: 0, 1: 0}.keys()]
)
def test_set_takes_any_iterable_and_sorts(value: Any) -> None:
    assert encode("set<int>", value) == collection(ONE, TWO)


@pytest.mark.parametrize("cql_type", ["list<int>", "set<text>", "list<text>", "vector<int, 1>"])
@pytest.mark.parametrize(
    "value", ["ab", b"ab", bytearray(b"ab"), {"a": 1}, 1, types.MappingProxyType({})]
)
def test_what_iterates_over_something_else_is_refused(cql_type: str, value: Any) -> None:
    with pytest.raises(BadValue, match="expected a list, tuple, set") as caught:
        encode(cql_type, value)
    assert caught.value.cql_type == cql_type


@pytest.mark.parametrize(
    ("cql_type", "values"),
    [
        ("int", [-(2**31), -2, -1, 0, 1, 2**31 - 1]),
        ("tinyint", [-128, -1, 0, 1, 127]),
        ("timestamp", [-(10**15), -1, 0, 10**15]),
        ("text", ["", "A", "B", "a", "aa", "b", "é", "\U0001f600"]),
        ("blob", [b"", b"\0", b"\0\0", b"\x7f", b"\x80", b"\xff"]),
        ("date", [-5, -1, 0, 5]),
        ("boolean", [False, True]),
    ],
)
def test_order_of_sets_and_maps_is_the_servers(cql_type: str, values: list[Any]) -> None:
    forwards = encode(f"list<{cql_type}>", values)
    assert encode(f"set<{cql_type}>", values[::-1]) == forwards
    assert encode(f"set<{cql_type}>", values[1:] + values[:1]) == forwards
    assert encode(f"set<{cql_type}>", values) == forwards
    pairs = dict.fromkeys(values, 7)
    backwards = dict(reversed(pairs.items()))
    encoded = encode(f"map<{cql_type}, int>", pairs)
    assert encode(f"map<{cql_type}, int>", backwards) == encoded
    assert encoded is not None
    assert encoded[:4] == len(values).to_bytes(4, "big")


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": 2},
        collections.OrderedDict(a=1, b=2),
        types.MappingProxyType({"a": 1, "b": 2}),
        collections.UserDict(a=1, b=2),
        [("a", 1), ("b", 2)],
        [("b", 2), ("a", 1)],
        (["a", 1], ["b", 2]),
        {"a": 1, "b": 2}.items(),
        zip("ab", (1, 2), strict=True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_map_takes_mappings_and_pairs(value: Any) -> None:
    assert encode("map<text, int>", value) == collection(b"a", ONE, b"b", TWO, count=2)


@pytest.mark.parametrize("value", ["ab", b"ab", 1, [1], [("a",)], [("a", 1, 2)], ["abc"]])
def test_map_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match=r"map<text, int>\): expected"):
        encode("map<text, int>", value)


@pytest.mark.parametrize(
    ("cql_type", "value", "path"),
    [
        ("list<int>", [1, None], "[1]"),
        ("set<int>", [None], "[0]"),
        ("list<int>", [UNSET], "[0]"),
        ("map<text, int>", {"k": None}, "['k']"),
        ("map<text, int>", {None: 1}, ".keys()[0]"),
        ("list<frozen<list<int>>>", [[], [None]], "[1][0]"),
        ("map<text, frozen<list<int>>>", {"a": [], "b": [1, None]}, "['b'][1]"),
    ],
)
def test_null_inside_is_refused_where_it_is(cql_type: str, value: Any, path: str) -> None:
    with pytest.raises(BadValue, match="cannot hold null") as caught:
        encode(cql_type, value)
    assert str(caught.value).startswith(f"value{path} (")


def test_long_keys_are_cut_in_messages() -> None:
    with pytest.raises(BadValue) as caught:
        encode("map<text, int>", {"k" * 1000: "x"})
    assert len(str(caught.value)) < 200


def test_empty_collections() -> None:
    for cql_type, value in [("list<int>", []), ("set<int>", set()), ("map<int, int>", {})]:
        assert encode(cql_type, value) == bytes(4)
        assert decode(cql_type, bytes(4)) == value
        assert decode(cql_type, b"") is None


def test_nulls_inside_decode() -> None:
    assert decode("list<int>", collection(ONE, None)) == [1, None]
    assert decode("set<int>", collection(None)) == {None}
    assert decode("map<int, int>", collection(ONE, None, count=1)) == {1: None}


@pytest.mark.parametrize(
    ("cql_type", "value"),
    [
        ("set<frozen<list<int>>>", {(1, 2), ()}),
        ("set<frozen<set<int>>>", {frozenset({1}), frozenset()}),
        ("set<frozen<map<int, text>>>", {((1, "a"), (2, "b"))}),
        ("set<frozen<tuple<int, frozen<list<text>>>>>", {(1, ("a",))}),
        ("set<frozen<vector<int, 2>>>", {(1, 2)}),
        ("map<frozen<list<int>>, int>", {(1,): 1}),
        ("map<frozen<map<int, frozen<set<int>>>>, text>", {((1, frozenset({2})),): "x"}),
        ("set<frozen<point{x: int, tags: set<text>}>>", {(1, frozenset({"a"}))}),
    ],
)
def test_what_is_hashed_becomes_hashable_all_the_way_down(cql_type: str, value: Any) -> None:
    encoded = encode(cql_type, value)
    assert decode(cql_type, encoded) == value
    assert encode(cql_type, decode(cql_type, encoded)) == encoded


def test_values_of_a_map_are_not_hashed() -> None:
    value = {1: [{2}], 3: []}
    cql_type = "map<int, list<frozen<set<int>>>>"
    assert decode(cql_type, encode(cql_type, value)) == value


@pytest.mark.parametrize("cql_type", ["list<int>", "set<int>", "map<int, int>"])
@pytest.mark.parametrize(
    "cell",
    [
        bytes(3),
        collection(count=1),
        collection(count=-1),
        collection(count=2**31 - 1),
        collection(ONE, ONE, b"", count=1),
        collection(ONE, ONE) + b"\0",
        collection(ONE, ONE)[:-1],
        collection(ONE[:3], ONE[:3], count=1),
        b"\0\0\0\1" + (2**31 - 1).to_bytes(4, "big") + bytes(20),
    ],
)
def test_malformed_collections(cql_type: str, cell: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(cql_type, cell)


def test_malformed_elements_say_where() -> None:
    with pytest.raises(DecodeError) as caught:
        decode("list<frozen<list<int>>>", collection(collection(ONE), collection(ONE, ONE[:2])))
    assert caught.value.column == "value[1][1]"
    with pytest.raises(DecodeError) as caught:
        decode("map<int, int>", collection(ONE, ONE, ONE[:1], ONE, count=2))
    assert caught.value.column == "value.keys()[1]"


def test_a_list_that_changes_under_our_hands() -> None:
    items: list[Any] = []

    class Shrink:
        def __index__(self) -> int:
            items.clear()
            return 1

    items += [Shrink(), 2, 3]
    assert encode("list<int>", items) == collection(ONE)


def test_a_dict_that_changes_under_our_hands() -> None:
    table: dict[Any, Any] = {}

    class Grow:
        def __index__(self) -> int:
            table.update(dict.fromkeys(range(1000, 1100), 0))
            return 1

    class Replace:
        def __index__(self) -> int:
            table.clear()
            table[1] = 1
            table[2] = self
            return 1

    table.update({1: Grow(), 2: 2})
    with pytest.raises(RuntimeError, match="changed during iteration"):
        encode("map<int, int>", table)
    # The same number of entries as before cannot be told apart; what matters is that it ends.
    table.clear()
    table.update({1: Replace(), 2: 2})
    encoded = encode("map<int, int>", table)
    assert encoded is not None
    assert encoded[4:12] == b"\0\0\0\4" + ONE


def test_iterators_that_raise() -> None:
    def fail() -> Any:
        yield 1
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        encode("list<int>", fail())


def test_many_uuids() -> None:
    ids = {UUID(int=number) for number in range(1000)}
    assert decode("set<uuid>", encode("set<uuid>", ids)) == ids
