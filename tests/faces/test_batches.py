"""Several writes in one request."""

# ruff: noqa: PT012 - blocks show what happens while a fault is in force.

from __future__ import annotations

import pytest

import shardlane
from shardlane import Batch, BatchKind, exceptions

TABLE = "CREATE TABLE users (id int PRIMARY KEY, name text)"
INSERT = "INSERT INTO users (id, name) VALUES (?, ?)"


async def names(session):
    rows = await (await session.execute("SELECT id, name FROM users")).all()
    return dict(sorted(rows))


@pytest.mark.parametrize("kind", ["logged", "unlogged", BatchKind.LOGGED])
async def test_texts_prepared_and_plain_statements_together(session, kind):
    await session.execute(TABLE)
    prepared = await session.prepare(INSERT)
    batch = session.batch(kind)
    batch.add(INSERT, [1, "text"])
    batch.add(prepared, {"id": 2, "name": "prepared"})
    batch.add("INSERT INTO users (id, name) VALUES (3, 'plain')")
    batch.add("UPDATE users SET name = ? WHERE id = ?", ["update", 4])
    assert len(batch) == 4
    result = await batch.execute()
    assert result.was_applied is None
    assert await names(session) == {1: "text", 2: "prepared", 3: "plain", 4: "update"}


async def test_as_a_context_manager(session):
    await session.execute(TABLE)
    async with session.batch() as batch:
        batch.add(INSERT, [1, "a"])
        batch.add(INSERT, [2, "b"])
    assert await names(session) == {1: "a", 2: "b"}
    with pytest.raises(LookupError):
        async with session.batch() as batch:
            batch.add(INSERT, [3, "c"])
            raise LookupError
    async with session.batch():
        pass
    assert await names(session) == {1: "a", 2: "b"}


async def test_a_batch_is_a_list_that_can_be_executed_again(session):
    await session.execute(TABLE)
    batch = Batch("unlogged").add(INSERT, [1, "a"]).add(INSERT, [2, "b"])
    await session.execute_batch(batch)
    await session.execute("TRUNCATE users")
    await session.execute_batch(batch, consistency="ALL", timestamp=None)
    assert await names(session) == {1: "a", 2: "b"}
    batch.clear()
    assert list(batch) == []
    with pytest.raises(exceptions.BadValue, match="empty"):
        await session.execute_batch(batch)


async def test_counter_batches(session):
    await session.execute("CREATE TABLE hits (page text PRIMARY KEY, n counter)")
    async with session.batch("counter") as batch:
        for page in ("a", "b", "a"):
            batch.add("UPDATE hits SET n = n + 1 WHERE page = ?", [page])
    rows = await (await session.execute("SELECT page, n FROM hits")).all()
    assert sorted(rows) == [("a", 2), ("b", 1)]


async def test_conditional_batches(session):
    await session.execute("CREATE TABLE t (k int, c int, v int, PRIMARY KEY (k, c))")
    insert = "INSERT INTO t (k, c, v) VALUES (?, ?, ?) IF NOT EXISTS"
    batch = Batch("unlogged").add(insert, [1, 1, 1]).add(insert, [1, 2, 2])
    assert (await session.execute_batch(batch)).was_applied is True
    assert (await session.execute_batch(batch)).was_applied is False


async def test_more_statements_than_the_cache_holds(face):
    async with face.connect(statement_cache_size=1) as session:
        await session.execute(TABLE)
        async with session.batch("unlogged", idempotent=True) as batch:
            for key in range(5):
                batch.add(f"INSERT INTO users (id, name) VALUES ({key}, ?)", [str(key)])
        assert await names(session) == {key: str(key) for key in range(5)}


async def test_a_value_that_does_not_fit(session):
    await session.execute(TABLE)
    batch = session.batch().add(INSERT, [1, "a"]).add(INSERT, ["x", "b"])
    with pytest.raises(exceptions.BadValue, match="id"):
        await batch.execute()
    assert await names(session) == {}


async def test_a_statement_that_does_not_parse(session):
    await session.execute(TABLE)
    batch = session.batch().add(INSERT, [1, "a"]).add("INSERT INTO nothing (id) VALUES (?)", [1])
    with pytest.raises(exceptions.InvalidQuery):
        await batch.execute()
    assert await names(session) == {}


def test_what_is_no_batch():
    with pytest.raises(exceptions.BadValue, match="logged"):
        Batch("big")
    with pytest.raises(exceptions.BadValue, match="statement"):
        Batch().add(b"INSERT")  # type: ignore[arg-type]
    assert repr(shardlane.Batch("counter")) == "<counter batch of 0 statements>"
