"""The schema changes under prepared statements: values are encoded for what is there now."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

import shardlane
from shardlane import exceptions
from shardlane.testing import Cluster

from .conftest import Face

_numbers = itertools.count()

FLAVOURS = ["scylla", "cassandra v3", "cassandra v5"]


@pytest.fixture(scope="module")
def cassandra() -> Iterator[Cluster]:
    with Cluster(nodes=2, shards=0) as cluster:
        yield cluster


class Change:
    """A table that another client makes anew, with columns of other types."""

    def __init__(self, face: Face, server: Cluster, cassandra: Cluster, flavour: str) -> None:
        self.points = (server if flavour == "scylla" else cassandra).contact_points
        self.version = {"cassandra v3": 3, "cassandra v5": 5}.get(flavour)
        self.face = face
        self.keyspace = f"changes{next(_numbers)}"

    def connect(self) -> Any:
        return self.face.connect(self.points, protocol_version=self.version, keyspace=None)

    async def make(self, session: Any) -> None:
        await session.execute(
            f"CREATE KEYSPACE {self.keyspace} WITH replication ="
            " {'class': 'SimpleStrategy', 'replication_factor': 2}"
        )
        await session.execute(f"USE {self.keyspace}")
        await session.execute("CREATE TABLE t (k int PRIMARY KEY, v int)")

    async def alter(self) -> None:
        async with self.connect() as other:
            await other.execute(f"DROP TABLE {self.keyspace}.t")
            await other.execute(f"CREATE TABLE {self.keyspace}.t (k int PRIMARY KEY, v text)")


INSERT, SELECT = "INSERT INTO t (k, v) VALUES (?, ?)", "SELECT v FROM t WHERE k = ?"


@pytest.fixture(params=FLAVOURS)
def change(
    face: Face, server: Cluster, cassandra: Cluster, request: pytest.FixtureRequest
) -> Change:
    return Change(face, server, cassandra, request.param)


@pytest.mark.parametrize("is_text", [True, False])
async def test_values_are_encoded_anew(face: Face, change: Change, is_text: bool) -> None:
    async with change.connect() as session:
        await change.make(session)
        statement = INSERT if is_text else await session.prepare(INSERT)
        await session.execute(statement, [1, 42])
        await change.alter()
        # Bytes of the old type must not get into the new column: this value fits neither.
        with pytest.raises(exceptions.BadValue, match="text"):
            await session.execute(statement, [2, 43])
        assert (await session.execute(SELECT, [2])).one() is None
        await session.execute(statement, [3, "three"])
        assert (await session.execute(SELECT, [3])).scalar() == "three"
        if not is_text:
            assert dict(statement.variables)["v"] in {"text", "varchar"}


async def test_a_value_of_both_types_is_written_at_once(face: Face, change: Change) -> None:
    async with change.connect() as session:
        await change.make(session)
        insert = await session.prepare(INSERT)
        await session.execute(insert, [1, None])
        await change.alter()
        await session.execute(insert, [2, None])
        result = await session.execute("SELECT k FROM t")
        assert [row.k for row in await result.all()] == [2]


async def test_many_at_once(face: Face, change: Change) -> None:
    async with change.connect() as session:
        await change.make(session)
        insert = await session.prepare(INSERT)
        await session.execute_many(insert, [(k, None) for k in range(50)])
        await change.alter()
        done = await session.execute_many(insert, [(k, None) for k in range(50)])
        assert (done.count, done.errors) == (50, ())
        done = await session.execute_many(
            insert, [(k, "x") if k % 2 else (k, 7) for k in range(20)], raise_on_error=False
        )
        assert [position for position, _ in done.errors] == list(range(0, 20, 2))


async def test_a_batch(face: Face, change: Change) -> None:
    async with change.connect() as session:
        await change.make(session)
        insert = await session.prepare(INSERT)
        await session.execute(insert, [1, 1])
        await change.alter()
        batch = shardlane.Batch("unlogged").add(insert, [1, None]).add(insert, [2, None])
        await session.execute_batch(batch)
        result = await session.execute("SELECT k FROM t")
        assert {row.k for row in await result.all()} == {1, 2}


async def test_what_has_not_changed_goes_on(face: Face, change: Change) -> None:
    async with change.connect() as session:
        await change.make(session)
        insert = await session.prepare(INSERT)
        async with change.connect() as other:
            await other.execute(f"ALTER TABLE {change.keyspace}.t ADD w int")
        result = await session.execute(insert, [1, 1])
        assert result.attempts == 1
        assert (await session.execute(SELECT, [1])).scalar() == 1
