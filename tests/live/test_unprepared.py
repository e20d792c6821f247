"""Prepared statements outlive changes of the schema under them."""

from __future__ import annotations

from typing import Any

import pytest

from shardlane.exceptions import InvalidQuery

from .support import Client


def test_a_column_more_under_a_prepared_select(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY, a text")
    select = client.run(session.prepare(f"SELECT * FROM {table} WHERE id = ?"))
    client.run(session.execute(f"INSERT INTO {table} (id, a) VALUES (1, 'a')"))
    assert client.rows(session, select, [1]) == [(1, "a")]
    # Sorts before the one that is there, so that rows read by the old columns would be wrong.
    client.run(session.execute(f'ALTER TABLE {table} ADD "A" int'))
    client.run(session.execute(f'UPDATE {table} SET "A" = 7 WHERE id = 1'))
    for _ in range(3):
        (row,) = client.rows(session, select, [1], row_factory="dict")
        assert row == {"id": 1, "a": "a", "A": 7}


def test_a_column_less_under_a_prepared_select(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY, a int, b text")
    select = client.run(session.prepare(f"SELECT * FROM {table} WHERE id = ?"))
    client.run(session.execute(f"INSERT INTO {table} (id, a, b) VALUES (1, 2, 'b')"))
    assert client.rows(session, select, [1]) == [(1, 2, "b")]
    client.run(session.execute(f"ALTER TABLE {table} DROP a"))
    (row,) = client.rows(session, select, [1], row_factory="dict")
    assert row == {"id": 1, "b": "b"}


def test_a_table_made_again(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY, a text")
    insert = client.run(session.prepare(f"INSERT INTO {table} (id, a) VALUES (?, ?)"))
    select = client.run(session.prepare(f"SELECT a FROM {table} WHERE id = ?"))
    client.run(session.execute(insert, [1, "before"]))
    client.run(session.execute(f"DROP TABLE {table}"))
    with pytest.raises(InvalidQuery):
        client.run(session.execute(select, [1]))
    client.run(session.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, a text)"))
    client.run(session.execute(insert, [1, "after"]))
    assert client.rows(session, select, [1]) == [("after",)]
