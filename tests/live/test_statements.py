"""Statements of every kind: parameters, pages, batches, counters, conditions, many at once."""

from __future__ import annotations

import asyncio
import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from shardlane import UNSET, Batch
from shardlane.exceptions import BadValue, Unavailable

from .support import Client, needs_5_0

PARTS = "part int, n int, v text, PRIMARY KEY (part, n)"


def fill(client: Client, session: Any, table: str, rows: int, part: int = 1) -> None:
    insert = f"INSERT INTO {table} (part, n, v) VALUES (?, ?, ?)"
    sets = ((part, n, f"v{n}") for n in range(rows))
    done = client.run(session.execute_many(insert, sets, concurrency=50))
    assert (done.succeeded, len(done.errors)) == (rows, 0)


def test_parameters_by_position_and_by_name(client: Client, session: Any) -> None:
    table = client.table(session, PARTS)
    insert = client.run(session.prepare(f"INSERT INTO {table} (part, n, v) VALUES (:p, :n, :v)"))
    assert [name for name, _ in insert.variables] == ["p", "n", "v"]
    client.run(session.execute(insert, {"v": "named", "n": 1, "p": 1}))
    client.run(session.execute(insert, (1, 2, "by position")))
    cql = f"SELECT v FROM {table} WHERE part = ? AND n IN ?"
    assert client.rows(session, cql, [1, [1, 2]]) == [("named",), ("by position",)]
    cql = f"SELECT n FROM {table} WHERE part = :same AND n = :same"
    assert client.rows(session, cql, {"same": 1}) == [(1,)]
    with pytest.raises(BadValue):
        client.run(session.execute(insert, {"p": 1, "n": 1}))
    with pytest.raises(BadValue):
        client.run(session.execute(insert, (1, 2)))


def test_unset_leaves_a_column_and_none_clears_it(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY, a text, b text")
    insert = client.run(session.prepare(f"INSERT INTO {table} (id, a, b) VALUES (?, ?, ?)"))
    for parameters in ((1, "a", "b"), (1, UNSET, None)):
        client.run(session.execute(insert, parameters))
    assert client.rows(session, f"SELECT * FROM {table}") == [(1, "a", None)]


def test_row_factories(client: Client, session: Any) -> None:
    @dataclass
    class Item:
        part: int
        n: int
        v: str

    table = client.table(session, PARTS)
    fill(client, session, table, 2)
    cql = f"SELECT part, n, v FROM {table} WHERE part = ?"

    def rows(factory: Any) -> list[Any]:
        return client.rows(session, cql, [1], row_factory=factory)

    assert [(row.n, row.v) for row in rows("named")] == [(0, "v0"), (1, "v1")]
    assert rows("tuple") == [(1, 0, "v0"), (1, 1, "v1")]
    assert rows("dict")[1] == {"part": 1, "n": 1, "v": "v1"}
    assert rows("scalar") == [1, 1]
    assert rows(Item)[1] == Item(1, 1, "v1")


@pytest.mark.parametrize("page_size", [1, 7, 100, 101, None])
def test_pages(client: Client, session: Any, page_size: int | None) -> None:
    table = client.table(session, PARTS)
    fill(client, session, table, 100)
    cql = f"SELECT n FROM {table} WHERE part = ?"
    rows = client.rows(session, cql, [1], page_size=page_size)
    assert [row.n for row in rows] == list(range(100))
    result = client.run(session.execute(cql, [1], page_size=page_size))
    first = page_size or 100
    assert len(result.page_rows) == min(first, 100)
    assert result.has_more == (page_size in {1, 7, 100} and result.paging_state is not None)
    if page_size == 7:
        rest = client.rows(session, cql, [1], page_size=50, paging_state=result.paging_state)
        assert [row.n for row in rest] == list(range(7, 100))


def test_pages_of_a_whole_table_without_parameters(client: Client, session: Any) -> None:
    table = client.table(session, PARTS)
    for part in range(5):
        fill(client, session, table, 20, part)
    rows = client.rows(session, f"SELECT part, n FROM {table}", page_size=9)
    assert sorted(rows) == [(part, n) for part in range(5) for n in range(20)]


@pytest.mark.parametrize("kind", ["logged", "unlogged"])
def test_batches(client: Client, session: Any, kind: str) -> None:
    table = client.table(session, PARTS)
    insert = client.run(session.prepare(f"INSERT INTO {table} (part, n, v) VALUES (?, ?, ?)"))
    batch = Batch(kind)
    batch.add(insert, [1, 1, "prepared"])
    batch.add(insert, {"part": 1, "n": 2, "v": UNSET})
    batch.add(f"INSERT INTO {table} (part, n, v) VALUES (2, 1, 'text')")
    batch.add(f"UPDATE {table} SET v = ? WHERE part = ? AND n = ?", ["with parameters", 2, 2])
    client.run(session.execute_batch(batch, timestamp=1234567))
    rows = client.rows(session, f"SELECT part, n, v, writetime(v) FROM {table}")
    assert sorted(rows) == [
        (1, 1, "prepared", 1234567),
        (1, 2, None, None),
        (2, 1, "text", 1234567),
        (2, 2, "with parameters", 1234567),
    ]


def test_counter_batches(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY, hits counter")
    batch = Batch("counter")
    for key, step in ((1, 2), (1, 3), (2, -1)):
        batch.add(f"UPDATE {table} SET hits = hits + ? WHERE id = ?", [step, key])
    client.run(session.execute_batch(batch))
    assert sorted(client.rows(session, f"SELECT id, hits FROM {table}")) == [(1, 5), (2, -1)]


def test_conditions(client: Client, session: Any) -> None:
    table = client.table(session, PARTS)
    insert = f"INSERT INTO {table} (part, n, v) VALUES (?, ?, ?) IF NOT EXISTS"
    prepared = client.run(session.prepare(insert))
    first = client.run(session.execute(prepared, [1, 1, "first"]))
    assert first.was_applied is True
    again = client.run(session.execute(insert, [1, 1, "again"], serial_consistency="LOCAL_SERIAL"))
    assert again.was_applied is False
    row = again.one()
    assert (row.part, row.n, row.v) == (1, 1, "first")
    update = f"UPDATE {table} SET v = ? WHERE part = 1 AND n = 1 IF v = ?"
    assert client.run(session.execute(update, ["x", "wrong"])).was_applied is False
    assert client.run(session.execute(update, ["x", "first"])).was_applied is True
    batch = Batch()
    batch.add(f"UPDATE {table} SET v = 'y' WHERE part = 1 AND n = 1 IF v = 'x'")
    batch.add(f"INSERT INTO {table} (part, n, v) VALUES (1, 2, 'z')")
    assert client.run(session.execute_batch(batch)).was_applied is True
    cql = f"SELECT v FROM {table} WHERE part = ?"
    assert client.rows(session, cql, [1], consistency="SERIAL") == [("y",), ("z",)]
    assert client.run(session.execute(cql, [1])).was_applied is None


def test_timestamps_and_time_to_live(client: Client, session: Any) -> None:
    table = client.table(session, PARTS)
    insert = f"INSERT INTO {table} (part, n, v) VALUES (?, ?, ?) USING TTL ?"
    client.run(session.execute(insert, [1, 1, "x", 1000], timestamp=77))
    row = client.run(session.execute(f"SELECT ttl(v), writetime(v) FROM {table}")).one()
    assert 900 < row[0] <= 1000
    assert row[1] == 77


@pytest.mark.parametrize(
    "consistency", ["ONE", "QUORUM", "ALL", "LOCAL_QUORUM", "LOCAL_ONE", "EACH_QUORUM", "TWO"]
)
def test_consistencies(client: Client, session: Any, consistency: str) -> None:
    cql = "SELECT key FROM system.local"
    if consistency == "EACH_QUORUM":
        # Fine for SimpleStrategy since Cassandra 4.
        assert client.rows(session, cql, consistency=consistency) == [("local",)]
    elif consistency == "TWO":
        table = client.table(session, "id int PRIMARY KEY")
        with pytest.raises(Unavailable) as caught:
            client.rows(session, f"SELECT * FROM {table} WHERE id = 1", consistency=consistency)
        assert (caught.value.consistency, caught.value.required) == ("TWO", 2)
    else:
        assert client.rows(session, cql, consistency=consistency) == [("local",)]


def test_warnings_and_tracing(client: Client, session: Any) -> None:
    table = client.table(session, PARTS)
    batch = Batch("unlogged")
    batch.add(f"INSERT INTO {table} (part, n, v) VALUES (1, 1, ?)", ["x" * 6000])
    batch.add(f"INSERT INTO {table} (part, n, v) VALUES (2, 1, '')")
    result = client.run(session.execute_batch(batch, tracing=True))
    (warning,) = result.warnings
    assert "exceeding specified threshold" in warning
    assert result.tracing_id is not None
    plain = client.run(session.execute(f"SELECT * FROM {table} WHERE part = 1"))
    assert (plain.warnings, plain.tracing_id) == ((), None)


@needs_5_0
def test_server_side_functions_and_their_types(client: Client, session: Any) -> None:
    three = "cast(blob_as_int(0x00000003) AS text)"
    cql = f"SELECT now(), to_date(now()), {three}, count(*) FROM system.local"
    result = client.run(session.execute(cql))
    row = result.one()
    types = [column.cql_type for column in result.columns]
    assert types == ["timeuuid", "date", "text", "bigint"]
    assert isinstance(row[1], dt.date)
    assert tuple(row[2:]) == ("3", 1)


def test_two_hundred_at_once(client: Client, session: Any) -> None:
    table = client.table(session, PARTS)
    insert = client.run(session.prepare(f"INSERT INTO {table} (part, n, v) VALUES (?, ?, ?)"))
    select = client.run(session.prepare(f"SELECT part, v FROM {table} WHERE part = ? AND n = ?"))
    keys = range(200)

    if client.name == "aio":

        async def all_at_once() -> list[Any]:
            writes = (session.execute(insert, [key, 1, str(key)]) for key in keys)
            await asyncio.gather(*writes)
            return await asyncio.gather(*(session.execute(select, [key, 1]) for key in keys))

        results = client.run(all_at_once())
    else:
        with ThreadPoolExecutor(50) as pool:
            list(pool.map(lambda key: session.execute(insert, [key, 1, str(key)]), keys))
            results = list(pool.map(lambda key: session.execute(select, [key, 1]), keys))
    assert [result.one() for result in results] == [(key, str(key)) for key in keys]
    assert session.shards().connections == 1
