"""Statements in, rows out."""

from __future__ import annotations

import uuid

import pytest

import shardlane
from shardlane import UNSET, exceptions

TABLE = "CREATE TABLE users (id int PRIMARY KEY, name text, age int, tags set<text>)"
INSERT = "INSERT INTO users (id, name, age) VALUES (?, ?, ?)"
SELECT = "SELECT id, name, age FROM users WHERE id = ?"


async def test_write_read_update_delete(session):
    await session.execute(TABLE)
    await session.execute(INSERT, [1, "Ada", 36])
    row = (await session.execute(SELECT, [1])).one()
    assert row == (1, "Ada", 36)
    assert (row.id, row.name, row.age) == (1, "Ada", 36)
    await session.execute("UPDATE users SET name = ? WHERE id = ?", ["Lovelace", 1])
    assert (await session.execute("SELECT name FROM users WHERE id = 1")).scalar() == "Lovelace"
    await session.execute("DELETE FROM users WHERE id = ?", (1,))
    assert (await session.execute(SELECT, [1])).one() is None


async def test_parameters_by_position_and_by_name(session):
    await session.execute(TABLE)
    await session.execute(INSERT, (1, "a", 1))
    await session.execute(INSERT, {"id": 2, "name": "b", "age": 2})
    named = "INSERT INTO users (id, name, age) VALUES (:key, :name, :years)"
    await session.execute(named, {"key": 3, "years": 3, "name": "c"})
    rows = await (await session.execute("SELECT id, name, age FROM users")).all()
    assert sorted(rows) == [(1, "a", 1), (2, "b", 2), (3, "c", 3)]


async def test_none_writes_null_and_unset_leaves_alone(session):
    await session.execute(TABLE)
    await session.execute(INSERT, [1, "Ada", 36])
    await session.execute(INSERT, [1, UNSET, 37])
    assert (await session.execute(SELECT, [1])).one() == (1, "Ada", 37)
    await session.execute(INSERT, [1, None, UNSET])
    assert (await session.execute(SELECT, [1])).one() == (1, None, 37)


async def test_a_result_without_rows(session):
    created = await session.execute(TABLE)
    assert created.schema_change == ("CREATED", "TABLE", session.keyspace, "users")
    assert created.schema_change.target == "TABLE"
    written = await session.execute(INSERT, [1, "Ada", 36])
    for result in (created, written):
        assert await result.all() == []
        assert list(result) == []
        assert result.page_rows == []
        assert result.one() is None
        assert result.scalar() is None
        assert result.columns == ()
        assert not result.has_more
        assert result.was_applied is None
    assert written.schema_change is None
    assert "void" in repr(written)


async def test_what_a_result_tells(session, face):
    await session.execute(TABLE)
    await session.execute(INSERT, [1, "Ada", 36])
    result = await session.execute("SELECT id, name, tags FROM users WHERE id = ?", [1])
    assert result.columns == (("id", "int"), ("name", "text"), ("tags", "set<text>"))
    assert result.columns[0].cql_type == "int"
    assert result.coordinator in face.server.contact_points
    assert isinstance(result.host_id, uuid.UUID)
    assert result.shard in (0, 1)
    assert result.attempts == 1
    assert result.warnings == ()
    assert result.custom_payload == {}
    assert result.tracing_id is None
    assert result.paging_state is None
    assert "1 rows of (id, name, tags)" in repr(result)


async def test_one_and_scalar_of_several_rows_take_the_first(session):
    await session.execute(TABLE)
    for key in range(3):
        await session.execute(INSERT, [key, f"n{key}", key])
    result = await session.execute("SELECT id, name FROM users")
    assert result.one() == result.page_rows[0]
    assert result.scalar() == result.page_rows[0].id
    assert (await session.execute("SELECT count(*) FROM users")).scalar() == 3


async def test_iterating_twice_gives_the_rows_twice(session):
    await session.execute(TABLE)
    for key in range(3):
        await session.execute(INSERT, [key, "n", key])
    result = await session.execute("SELECT id FROM users")
    first = [row.id async for row in result]
    assert sorted(first) == [0, 1, 2]
    assert [row.id for row in result] == first
    assert [row.id async for row in result] == first


async def test_use_changes_the_keyspace(face, shardlane_keyspace):
    async with face.connect(keyspace=None) as session:
        assert session.keyspace is None
        with pytest.raises(exceptions.InvalidQuery):
            await session.execute(TABLE)
        await session.execute(f"USE {shardlane_keyspace}")
        assert session.keyspace == shardlane_keyspace
        await session.execute(TABLE)
        await session.execute(INSERT, [1, "Ada", 36])
        assert (await session.execute(SELECT, [1])).one().name == "Ada"


async def test_options_of_one_request(session):
    await session.execute(TABLE)
    await session.execute(
        INSERT, [1, "old", 1], timestamp=1_000_000, consistency="all", idempotent=True, timeout=5
    )
    await session.execute(INSERT, [1, "older", 1], timestamp=999_999)
    query = "SELECT name, WRITETIME(name) FROM users WHERE id = ?"
    result = await session.execute(query, [1], consistency=shardlane.Consistency.ONE, timeout=None)
    assert result.one() == ("old", 1_000_000)


async def test_text_with_an_empty_sequence_of_parameters(session):
    await session.execute(TABLE)
    assert (await session.execute("SELECT count(*) FROM users", [])).scalar() == 0
    assert (await session.execute("SELECT count(*) FROM users", {})).scalar() == 0


async def test_the_same_text_is_prepared_once(session, server):
    await session.execute(TABLE)
    count = server.fault(
        shardlane.testing.faults.opcode("PREPARE") & shardlane.testing.faults.text("users"),
        shardlane.testing.faults.delay(0.0),
    )
    with count:
        for key in range(20):
            await session.execute(INSERT, [key, "n", key])
        # On one node when it was needed, on the two others in the background; there a request may
        # have been faster, and then had it prepared itself.
        assert 1 <= count.hits <= 5


async def test_prepared_statements(session):
    await session.execute(TABLE)
    insert = await session.prepare(INSERT)
    assert insert.cql == INSERT
    assert insert.variables == (("id", "int"), ("name", "text"), ("age", "int"))
    assert insert.columns == ()
    assert insert.partition_key_indexes == (0,)
    assert (insert.keyspace, insert.table) == (session.keyspace, "users")
    assert not insert.is_lwt
    await session.execute(insert, [1, "Ada", 36])
    select = await session.prepare(SELECT)
    assert select.columns == (("id", "int"), ("name", "text"), ("age", "int"))
    assert (await session.execute(select, {"id": 1})).one().name == "Ada"
    key, token = select.routing([1])
    assert key == b"\x00\x00\x00\x01"
    assert token == -4069959284402364209


async def test_statements_pushed_out_of_the_cache_are_prepared_again(face):
    async with face.connect(statement_cache_size=1) as session:
        await session.execute(TABLE)
        for key in range(3):
            await session.execute(INSERT, [key, "n", key])
            row = (await session.execute(SELECT, [key])).one()
            assert row.id == key


async def test_nodes_that_forgot_a_statement_get_it_again(session, server):
    await session.execute(TABLE)
    await session.execute(INSERT, [1, "Ada", 36])
    server.forget_prepared()
    for _ in range(10):
        assert (await session.execute(SELECT, [1])).one().name == "Ada"
        server.forget_prepared()


async def test_conditional_writes(session):
    await session.execute(TABLE)
    insert = f"{INSERT} IF NOT EXISTS"
    first = await session.execute(insert, [1, "Ada", 36])
    assert first.was_applied is True
    second = await session.execute(insert, [1, "Bob", 1], serial_consistency="LOCAL_SERIAL")
    assert second.was_applied is False
    assert second.one().name == "Ada"
    update = "UPDATE users SET age = ? WHERE id = ? IF age = ?"
    assert (await session.execute(update, [37, 1, 36])).was_applied is True
    assert (await session.execute(update, [38, 1, 36])).was_applied is False
    assert (await session.execute(SELECT, [1], consistency="SERIAL")).one().age == 37


async def test_counters(session):
    await session.execute("CREATE TABLE hits (page text PRIMARY KEY, n counter)")
    for by in (1, 2, -4):
        await session.execute("UPDATE hits SET n = n + ? WHERE page = ?", [by, "home"])
    assert (await session.execute("SELECT n FROM hits WHERE page = 'home'")).scalar() == -1


async def test_named_columns_that_python_cannot_name(session):
    await session.execute('CREATE TABLE odd (id int PRIMARY KEY, "from" int, "a b" int)')
    await session.execute('INSERT INTO odd (id, "from", "a b") VALUES (?, ?, ?)', [1, 2, 3])
    row = (await session.execute('SELECT "from", "a b", id FROM odd')).one()
    assert (row.from_, row.a_b, row.id) == (2, 3, 1)


async def test_an_unknown_option(session):
    await session.execute(TABLE)
    for statement, parameters in [(SELECT, [1]), ("SELECT id FROM users", None)]:
        with pytest.raises(TypeError, match="pagesize"):
            await session.execute(statement, parameters, pagesize=1)
