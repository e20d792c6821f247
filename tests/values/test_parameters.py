from __future__ import annotations

import collections
import pickle
import types
from typing import Any, NamedTuple

import pytest

from shardlane._core import _RowEncoder as RowEncoder
from shardlane.exceptions import BadValue, ShardlaneError
from shardlane.types import UNSET, UnsetType

COLUMNS = [("id", "int"), ("name", "text"), ("tags", "list<text>")]
NULL, NOT_SET = b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe"
ID, ANN, NO_TAGS = b"\0\0\0\4\0\0\0\7", b"\0\0\0\3Ann", b"\0\0\0\4\0\0\0\0"


class Params(NamedTuple):
    id: int
    name: str
    tags: list[str]


@pytest.fixture(name="encoder")
def make_encoder() -> RowEncoder:
    return RowEncoder(COLUMNS, [0])


@pytest.mark.parametrize(
    "params",
    [
        (7, "Ann", []),
        [7, "Ann", []],
        collections.deque([7, "Ann", []]),
        {"id": 7, "name": "Ann", "tags": []},
        {"tags": [], "name": "Ann", "id": 7},
        collections.OrderedDict(id=7, name="Ann", tags=[]),
        collections.UserDict(id=7, name="Ann", tags=[]),
        types.MappingProxyType({"id": 7, "name": "Ann", "tags": []}),
        Params(7, "Ann", []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_sequences_and_mappings(encoder: RowEncoder, params: Any) -> None:
    assert encoder.encode(params) == (ID + ANN + NO_TAGS, 3, False, [b"\0\0\0\7"])


def test_null_and_unset(encoder: RowEncoder) -> None:
    assert encoder.encode((7, None, UNSET)) == (ID + NULL + NOT_SET, 3, True, [b"\0\0\0\7"])
    assert encoder.encode({"id": None, "name": "Ann", "tags": UNSET}) == (
        NULL + ANN + NOT_SET,
        3,
        True,
        None,
    )


def test_no_parameters() -> None:
    encoder = RowEncoder([])
    for params in (None, (), [], {}):
        assert encoder.encode(params) == (b"", 0, False, None)
    with pytest.raises(BadValue, match="no variables"):
        encoder.encode((1,))
    with pytest.raises(BadValue, match="no variable called x"):
        encoder.encode({"x": 1})


@pytest.mark.parametrize("params", [(), (7,), (7, "Ann", [], 1), None, []])
def test_wrong_number(encoder: RowEncoder, params: Any) -> None:
    with pytest.raises(BadValue, match=r"3 variables \(id, name, tags\), got \d value"):
        encoder.encode(params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "no value for id, name, tags;"),
        ({"id": 7, "name": "Ann"}, "no value for tags;"),
        ({"id": 7, "name": "Ann", "tags": [], "x": 1}, "no variable called x;"),
        ({"id": 7, "name": "Ann", "tag": []}, "no value for tags; no variable called tag;"),
        ({"id": 7, "name": "Ann", "tags": [], 3: 1}, "no variable called 3;"),
    ],
)
def test_wrong_names(encoder: RowEncoder, params: Any, message: str) -> None:
    with pytest.raises(BadValue, match=message) as caught:
        encoder.encode(params)
    assert "(id, name, tags)" in str(caught.value)


@pytest.mark.parametrize(
    "params", ["abc", b"abc", bytearray(b"abc"), 7, {7, 8, 9}, iter([1]), object()]
)
def test_what_is_no_parameters(encoder: RowEncoder, params: Any) -> None:
    with pytest.raises(BadValue, match="must be a sequence or a mapping") as caught:
        encoder.encode(params)
    assert caught.value.hint == "a single parameter is passed as (value,)"


def test_a_repeated_name_is_bound_wherever_it_stands() -> None:
    encoder = RowEncoder([("a", "int"), ("b", "int"), ("a", "int")])
    one, two = b"\0\0\0\4\0\0\0\1", b"\0\0\0\4\0\0\0\2"
    assert encoder.encode({"a": 1, "b": 2})[0] == one + two + one
    assert encoder.encode((1, 2, 2))[0] == one + two + two
    with pytest.raises(BadValue, match="no variable called c"):
        encoder.encode({"a": 1, "b": 2, "c": 3})


def test_errors_name_the_variable(encoder: RowEncoder) -> None:
    with pytest.raises(BadValue) as caught:
        encoder.encode((7, "Ann", ["a", 3]))
    error = caught.value
    assert (error.column, error.cql_type, error.python_type) == ("tags[1]", "text", "int")
    assert error.hint == "pass str(value)"
    assert str(error) == "tags[1] (text): expected a str, got int (hint: pass str(value))"
    assert isinstance(error, ShardlaneError)
    assert isinstance(error, TypeError)
    assert isinstance(error, ValueError)
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is BadValue
    assert (copied.args, vars(copied)) == (error.args, vars(error))


def test_key_components_come_in_key_order() -> None:
    columns = [(name, "text") for name in "abcdef"]
    values = tuple("ABCDEF")
    for indexes in ([], [0], [2, 0], [5, 4, 3, 2], [5, 4, 3, 2, 1, 0]):
        expected = [values[index].encode() for index in indexes] or None
        assert RowEncoder(columns, indexes).encode(values)[3] == expected
        if indexes:
            with_null = tuple(None if i == indexes[-1] else v for i, v in enumerate(values))
            assert RowEncoder(columns, indexes).encode(with_null)[3] is None


def test_a_key_that_the_variables_do_not_cover_is_no_key() -> None:
    assert RowEncoder([("a", "text")], [0, 1]).encode(("A",))[3] is None


def test_an_empty_key_component() -> None:
    assert RowEncoder([("a", "text")], [0]).encode(("",))[3] == [b""]


def test_a_list_that_changes_under_our_hands() -> None:
    params: list[Any] = []

    class Shrink:
        def __index__(self) -> int:
            params.clear()
            return 7

    params += [Shrink(), "Ann", []]
    encoder = RowEncoder(COLUMNS)
    assert encoder.encode(params)[0] == ID + ANN + NO_TAGS


def test_unset_is_one_object() -> None:
    assert UnsetType() is UNSET
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert repr(UNSET) == "UNSET"
    assert not UNSET
