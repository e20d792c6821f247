"""What rows are made of."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from shardlane import exceptions


@dataclass
class UserData:
    id: int
    name: str


class UserTuple(NamedTuple):
    id: int
    name: str


async def fill(session):
    await session.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
    await session.execute("INSERT INTO users (id, name) VALUES (?, ?)", [1, "Ada"])


QUERY = "SELECT id, name FROM users"
FACTORIES = {
    "tuple": (1, "Ada"),
    "dict": {"id": 1, "name": "Ada"},
    "scalar": 1,
    tuple: (1, "Ada"),
    dict: {"id": 1, "name": "Ada"},
    UserData: UserData(1, "Ada"),
    UserTuple: UserTuple(1, "Ada"),
}


@pytest.mark.parametrize("factory", FACTORIES, ids=str)
async def test_for_one_execution_and_for_a_session(face, factory):
    async with face.connect() as session:
        await fill(session)
        row = (await session.execute(QUERY, row_factory=factory)).one()
        assert row == FACTORIES[factory]
        assert type(row) is type(FACTORIES[factory])
    async with face.connect(row_factory=factory) as session:
        result = await session.execute(QUERY)
        assert await result.all() == [FACTORIES[factory]]
        assert (await session.execute(QUERY, row_factory="named")).one().name == "Ada"


async def test_any_callable_with_the_columns_as_keywords(session):
    await fill(session)
    result = await session.execute(QUERY, row_factory=lambda **columns: sorted(columns))
    assert result.one() == ["id", "name"]
    assert result.scalar() == 1


async def test_what_a_callable_raises_reaches_the_caller(session):
    await fill(session)

    @dataclass
    class OtherColumns:
        wrong: int

    result = await session.execute(QUERY, row_factory=OtherColumns)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        result.one()


async def test_named_rows_are_named_tuples(session):
    await fill(session)
    row = (await session.execute(QUERY)).one()
    assert isinstance(row, tuple)
    assert row._fields == ("id", "name")
    assert row._asdict() == {"id": 1, "name": "Ada"}
    assert repr(row) == "Row(id=1, name='Ada')"
    for copied in (pickle.loads(pickle.dumps(row)), copy.deepcopy(row)):
        assert copied == row
        assert copied.name == "Ada"
    identifier, name = row
    assert (identifier, name) == (1, "Ada")


@pytest.mark.parametrize("factory", ["list", 7, object()], ids=["name", "number", "object"])
async def test_what_is_no_factory(session, factory):
    with pytest.raises(exceptions.BadValue, match="row_factory"):
        await session.execute("SELECT key FROM system.local", row_factory=factory)
