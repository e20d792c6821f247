from __future__ import annotations

import abc
import collections
import copy
import dataclasses
import functools
import gc
import pickle
import weakref
from typing import Any, NamedTuple

import pytest

from shardlane._core import _RowDecoder as RowDecoder
from shardlane._core import _RowEncoder as RowEncoder
from shardlane._shared.row_classes import attribute_names
from shardlane.exceptions import BadValue, DecodeError

COLUMNS = [("id", "bigint"), ("name", "text"), ("score", "double")]
NAMES = ("id", "name", "score")
ROWS: list[tuple[Any, ...]] = [(1, "Ann", 0.5), (2, None, -1.5), (3, "", None)]


def encode_rows(columns: list[tuple[str, str]], rows: list[tuple[Any, ...]]) -> bytes:
    encoder = RowEncoder(columns)
    return b"".join(encoder.encode(row)[0] for row in rows)


PAGE = encode_rows(COLUMNS, ROWS)


@pytest.fixture(name="decoder")
def make_decoder() -> RowDecoder:
    return RowDecoder(COLUMNS)


@dataclasses.dataclass
class Player:
    id: int
    name: str | None
    score: float | None


class PlayerTuple(NamedTuple):
    name: str | None
    score: float | None
    id: int


def test_named_tuples_are_the_default(decoder: RowDecoder) -> None:
    rows = decoder.decode_rows(PAGE, 3)
    assert rows == ROWS
    row = rows[0]
    assert (row.id, row.name, row.score) == (1, "Ann", 0.5)
    assert isinstance(row, tuple)
    assert repr(row) == "Row(id=1, name='Ann', score=0.5)"
    assert row._fields == decoder.names == ("id", "name", "score")
    assert row._replace(id=9) == (9, "Ann", 0.5)
    assert row._asdict() == {"id": 1, "name": "Ann", "score": 0.5}
    assert type(row)._make(ROWS[1]) == rows[1]
    assert hash(row) == hash(ROWS[0])
    assert row in {ROWS[0]}
    assert {rows[0]: 1}[ROWS[0]] == 1
    identifier, *rest = row
    assert (identifier, rest) == (1, ["Ann", 0.5])
    match row:
        case (1, name, _):
            assert name == "Ann"
        case _:
            pytest.fail("no match")


def test_rows_are_picklable_and_copyable(decoder: RowDecoder) -> None:
    row = decoder.decode_rows(PAGE, 3)[0]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copied = pickle.loads(pickle.dumps(row, protocol))
        assert copied == row
        assert copied.name == "Ann"
        assert type(copied).__name__ == "Row"
    assert copy.copy(row) == copy.deepcopy(row) == row


def test_the_same_columns_give_the_same_class() -> None:
    first = RowDecoder(COLUMNS).decode_rows(PAGE, 3)[0]
    second = RowDecoder(COLUMNS).decode_rows(PAGE, 3)[0]
    assert type(first) is type(second)
    other = RowDecoder([("id2", "bigint"), *COLUMNS[1:]]).decode_rows(PAGE, 3)[0]
    assert type(other) is not type(first)


def test_classes_are_bounded() -> None:
    def row_class(number: int) -> type:
        page = encode_rows([("v", "int")], [(1,)])
        row: Any = RowDecoder([(f"bounded_{number}", "int")]).decode_rows(page, 1)[0]
        return type(row)

    first = weakref.ref(row_class(0))
    assert first() is not None
    for number in range(1, 1100):
        row_class(number)
    gc.collect()
    assert first() is None


def test_tuples(decoder: RowDecoder) -> None:
    for factory in ("tuple", tuple):
        rows = decoder.decode_rows(PAGE, 3, factory)
        assert rows == ROWS
        assert all(type(row) is tuple for row in rows)


def test_dicts(decoder: RowDecoder) -> None:
    for factory in ("dict", dict):
        rows = decoder.decode_rows(PAGE, 3, factory)
        assert rows == [dict(zip(decoder.names, row, strict=True)) for row in ROWS]
        assert all(type(row) is dict for row in rows)
        rows[0]["id"] = 5
        assert rows[1]["id"] == 2


def test_dicts_of_many_columns() -> None:
    columns = [(f"c{number}", "int") for number in range(100)]
    row = tuple(range(1000, 1100))
    decoder = RowDecoder(columns)
    page = encode_rows(columns, [row, row])
    first, second = decoder.decode_rows(page, 2, "dict")
    assert first == second == dict(zip(decoder.names, row, strict=True))
    assert list(first) == list(decoder.names)
    first["more"] = 1
    del first["c0"]
    assert len(second) == 100


def test_dicts_that_can_be_in_a_cycle_are_collected() -> None:
    columns = [("v", "int")]

    class Witness:
        pass

    row: Any = RowDecoder(columns).decode_rows(encode_rows(columns, [(1,)]), 1, "dict")[0]
    row["self"], row["witness"] = row, Witness()
    gone = weakref.ref(row["witness"])
    del row
    gc.collect()
    assert gone() is None


def test_scalars(decoder: RowDecoder) -> None:
    assert decoder.decode_rows(PAGE, 3, "scalar") == [1, 2, 3]


def test_classes_and_callables(decoder: RowDecoder) -> None:
    assert decoder.decode_rows(PAGE, 3, Player) == [Player(*row) for row in ROWS]
    players = decoder.decode_rows(PAGE, 3, PlayerTuple)
    assert players[0] == PlayerTuple(id=1, name="Ann", score=0.5)
    assert decoder.decode_rows(PAGE, 3, lambda **columns: columns["name"]) == ["Ann", None, ""]
    assert decoder.decode_rows(PAGE, 3, collections.OrderedDict)[0]["id"] == 1


def test_a_class_that_wants_other_columns_says_so(decoder: RowDecoder) -> None:
    with pytest.raises(TypeError, match="score"):
        decoder.decode_rows(PAGE, 3, lambda id, name: id)  # noqa: A006


class Base:
    """An ordinary class; what is derived from it is less and less so."""

    def __init__(self, id: int, name: str | None, score: float | None) -> None:  # noqa: A002
        self.values = (id, name, score)


class Slotted(Base):
    __slots__ = ("values",)


class WithNew(Base):
    def __new__(cls, **columns: Any) -> Any:
        made = super().__new__(cls)
        made.given = sorted(columns)
        return made


class Other(Base):
    def __new__(cls, **columns: Any) -> Any:
        return sorted(columns)


class Meta(type):
    def __call__(cls, **columns: Any) -> Any:
        return cls.__name__, super().__call__(**columns)


class WithMeta(Base, metaclass=Meta):
    pass


class Abstract(abc.ABC, Base):
    @abc.abstractmethod
    def missing(self) -> None: ...


class Falsy(Base):
    def __init__(self, **columns: Any) -> None:
        super().__init__(**columns)
        return 7  # type: ignore[return-value]


class Rebuilt(Base):
    """Whose `__init__` is no function."""

    __init__ = functools.partialmethod(Base.__init__)  # type: ignore[assignment]


class Failing(Base):
    def __init__(self, **columns: Any) -> None:
        super().__init__(**columns)
        raise KeyError(columns["id"])


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    id: int
    name: str | None
    score: float | None


def test_classes_are_called_as_python_calls_them(decoder: RowDecoder) -> None:
    assert decoder.decode_rows(PAGE, 3, Frozen) == [Frozen(*row) for row in ROWS]
    for cls in (Base, Slotted, Rebuilt):
        made = decoder.decode_rows(PAGE, 3, cls)
        assert all(type(row) is cls for row in made)
        assert [row.values for row in made] == ROWS
        assert [vars(cls(*row)) for row in ROWS] == [vars(row) for row in made]
    assert [row.given for row in decoder.decode_rows(PAGE, 3, WithNew)] == [sorted(NAMES)] * 3
    assert decoder.decode_rows(PAGE, 3, Other) == [sorted(NAMES)] * 3
    name, row = decoder.decode_rows(PAGE, 3, WithMeta)[0]
    assert (name, type(row), row.values) == ("WithMeta", WithMeta, ROWS[0])
    with pytest.raises(TypeError, match="abstract"):
        decoder.decode_rows(PAGE, 3, Abstract)
    with pytest.raises(TypeError, match=r"__init__\(\) should return None, not 'int'"):
        decoder.decode_rows(PAGE, 3, Falsy)
    with pytest.raises(KeyError, match="1"):
        decoder.decode_rows(PAGE, 3, Failing)
    with pytest.raises(TypeError, match="takes no arguments"):
        decoder.decode_rows(PAGE, 3, object)


def test_an_init_that_is_replaced_holds_for_the_next_page(decoder: RowDecoder) -> None:
    class Changing(Base):
        pass

    def init(self: Changing, **columns: Any) -> None:
        self.values = tuple(columns)

    assert [row.values for row in decoder.decode_rows(PAGE, 3, Changing)] == ROWS
    Changing.__init__ = init  # type: ignore[assignment, method-assign]
    assert [row.values for row in decoder.decode_rows(PAGE, 3, Changing)] == [NAMES] * 3


def test_what_is_no_row_factory(decoder: RowDecoder) -> None:
    for factory in ("list", 1, ("a",)):
        with pytest.raises(BadValue, match="row_factory"):
            decoder.decode_rows(PAGE, 3, factory)


def test_repeated_columns() -> None:
    columns = [("a", "int"), ("b", "int"), ("a", "int")]
    decoder = RowDecoder(columns)
    page = encode_rows(columns, [(1, 2, 3)])
    assert decoder.decode_rows(page, 1)[0]._asdict() == {"a": 1, "b": 2, "a_2": 3}
    assert decoder.decode_rows(page, 1, "dict") == [{"a": 3, "b": 2}]
    with pytest.raises(BadValue, match="several columns are called a"):
        decoder.decode_rows(page, 1, lambda **columns: columns)


@pytest.mark.parametrize(
    ("columns", "attributes"),
    [
        (["id", "Name", "_x_", "straße"], ["id", "Name", "x", "straße"]),
        (["system.token(id)", "count", "a b"], ["system_token_id", "count", "a_b"]),
        (["from", "class", "None"], ["from_", "class_", "None_"]),
        (["", "?", "*", "1st"], ["column_1", "column_2", "column_3", "column_1st"]),
        (["a", "a", "a", "a_2"], ["a", "a_2", "a_3", "a_2_2"]),
        (["²", "x²"], ["column_1", "x²"] if "x²".isidentifier() else ["column_1", "column_2"]),
    ],
)
def test_names_that_python_cannot_use(columns: list[str], attributes: list[str]) -> None:
    assert attribute_names(columns) == attributes
    # The names have to be good enough for Python itself.
    collections.namedtuple("Check", attributes)  # noqa: PYI024


def test_one_row_at_a_time(decoder: RowDecoder) -> None:
    for factory in (None, "tuple", "dict", "scalar", Player):
        offset, rows = 0, []
        while offset < len(PAGE):
            row, offset = decoder.decode_row(PAGE, offset, factory)
            rows.append(row)
        assert offset == len(PAGE)
        assert rows == decoder.decode_rows(PAGE, 3, factory)
    with pytest.raises(DecodeError):
        decoder.decode_row(PAGE, len(PAGE))
    with pytest.raises(ValueError, match="offset"):
        decoder.decode_row(PAGE, len(PAGE) + 1)


def test_no_rows(decoder: RowDecoder) -> None:
    assert decoder.decode_rows(b"", 0) == []
    assert RowDecoder([]).decode_rows(b"", 0) == []


@pytest.mark.parametrize("factory", ["named", "tuple", "dict", "scalar", Player])
def test_pages_cut_at_every_byte(decoder: RowDecoder, factory: Any) -> None:
    for length in range(len(PAGE)):
        with pytest.raises(DecodeError):
            decoder.decode_rows(PAGE[:length], 3, factory)


@pytest.mark.parametrize(
    ("page", "count"),
    [(PAGE + b"\0", 3), (PAGE, 2), (PAGE, 4), (b"", 1), (PAGE, 2**62), (bytes(12), 2**31)],
)
def test_counts_that_do_not_fit(decoder: RowDecoder, page: bytes, count: int) -> None:
    with pytest.raises(DecodeError):
        decoder.decode_rows(page, count)


def test_rows_without_columns_do_not_exist() -> None:
    with pytest.raises(DecodeError, match="rows of 0 columns"):
        RowDecoder([]).decode_rows(b"", 2**31 - 1)


def test_a_malformed_cell_names_its_column(decoder: RowDecoder) -> None:
    page = bytearray(PAGE)
    page[3] = 7
    with pytest.raises(DecodeError) as caught:
        decoder.decode_rows(bytes(page), 3)
    error = caught.value
    assert (error.column, error.cql_type) == ("id", "bigint")
    assert str(error) == "column id (bigint): expected 8 bytes, got 7"
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.column) == (str(error), "id")


def test_rows_of_atoms_are_hidden_from_the_collector(decoder: RowDecoder) -> None:
    for factory in ("named", "tuple"):
        assert not any(gc.is_tracked(row) for row in decoder.decode_rows(PAGE, 3, factory))


def test_rows_that_can_be_in_a_cycle_are_collected() -> None:
    columns = [("v", "list<int>")]
    page = encode_rows(columns, [([1],)])

    class Witness:
        pass

    for factory in ("named", "tuple"):
        row: Any = RowDecoder(columns).decode_rows(page, 1, factory)[0]
        witness = Witness()
        row[0].append(row)
        row[0].append(witness)
        gone = weakref.ref(witness)
        del row, witness
        gc.collect()
        assert gone() is None


def test_rows_free_what_they_hold() -> None:
    decoder = RowDecoder(COLUMNS)
    decoder.decode_rows(PAGE, 3)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        for factory in (None, "tuple", "dict", Player):
            decoder.decode_rows(PAGE, 3, factory)
            with pytest.raises(DecodeError):
                decoder.decode_rows(PAGE[:-1], 3, factory)
    gc.collect()
    assert len(gc.get_objects()) - before < 100
