"""What is in the database while drivers are measured, so that every answer can be checked."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYSPACE = "bench"
CONSISTENCY = "LOCAL_ONE"
"""The same for every driver. With one replica it means: exactly one node does the work."""

POINTS = 10_000
"""Rows of the table that point reads and writes go to, one per partition."""

PAGE_ROWS = 5_000
"""Rows of a page, and of each partition that is read as one page."""
PAGE_PARTITIONS = 4

BATCH_ROWS = 10
"""Statements of a batch, all of one partition."""

COLUMNS = ("id", "name", "score")
_COLUMNS_CQL = "name text, score int"
_PAGES = f"part int, id bigint, {_COLUMNS_CQL}, PRIMARY KEY (part, id)"
_SCHEMA_CQL = (
    f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.points (id bigint PRIMARY KEY, {_COLUMNS_CQL})",
    f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.pages ({_PAGES})",
)
SELECT_CQL = f"SELECT id, name, score FROM {KEYSPACE}.points WHERE id = ?"
PAGE_CQL = f"SELECT id, name, score FROM {KEYSPACE}.pages WHERE part = ?"
_INSERT_POINT = f"INSERT INTO {KEYSPACE}.points (id, name, score) VALUES ({{}}, '{{}}', {{}})"
_INSERT_PAGE_ROW = (
    f"INSERT INTO {KEYSPACE}.pages (part, id, name, score) VALUES ({{}}, {{}}, '{{}}', {{}})"
)
_LOADED_AT_ONCE = 100

Row = tuple[int, str, int]


def row(key: int) -> Row:
    """The row that belongs to a key; 16 characters of text."""
    return key, f"name-{key * 7919 % 100_000_000_000:011d}", key * 31 % 2**31


def page(part: int) -> list[Row]:
    """The rows of a partition that is read as one page."""
    return [row(key) for key in range(part * PAGE_ROWS, (part + 1) * PAGE_ROWS)]


def batch_rows(part: int) -> list[Row]:
    """The rows that a batch writes to a partition."""
    return [row(part * BATCH_ROWS + number) for number in range(BATCH_ROWS)]


def shuffled_keys() -> list[int]:
    """The keys in the order in which they are asked for: shuffled, the same in every process."""
    order = list(range(POINTS))
    random.Random(20_240).shuffle(order)
    return order


def _table(kind: str, driver: str) -> str:
    """Each driver writes to tables of its own, so that what it wrote can be checked."""
    return f"{KEYSPACE}.{kind}_by_{driver.replace('-', '_')}"


def insert_cql(driver: str) -> str:
    return f"INSERT INTO {_table('written', driver)} (id, name, score) VALUES (?, ?, ?)"


def read_back_cql(driver: str) -> str:
    return f"SELECT id, name, score FROM {_table('written', driver)} WHERE id = ?"


def batch_cql(driver: str) -> str:
    return f"INSERT INTO {_table('batched', driver)} (part, id, name, score) VALUES (?, ?, ?, ?)"


def read_batch_cql(driver: str) -> str:
    return f"SELECT id, name, score FROM {_table('batched', driver)} WHERE part = ?"


def schema_cql(drivers: Iterable[str], *, scylla: bool) -> list[str]:
    """Keyspace and tables; `scylla`: whether the server knows what only ScyllaDB has."""
    # Every driver finds the owner of a token in the ring; tablets would have to be learned first.
    tablets = " AND tablets = {'enabled': false}" if scylla else ""
    strategy = "'class': 'NetworkTopologyStrategy', 'datacenter1': 1"
    keyspace = f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {{{strategy}}}"
    own = [
        f"CREATE TABLE IF NOT EXISTS {_table(kind, driver)} ({columns})"
        for driver in drivers
        for kind, columns in (
            ("written", f"id bigint PRIMARY KEY, {_COLUMNS_CQL}"),
            ("batched", f"part bigint, id bigint, {_COLUMNS_CQL}, PRIMARY KEY (part, id)"),
        )
    ]
    return [keyspace + tablets, *_SCHEMA_CQL, *own]


def load_cql() -> list[str]:
    """Statements that fill the tables that are read, in batches."""
    points = [_INSERT_POINT.format(*row(key)) for key in range(POINTS)]
    pages = [
        _INSERT_PAGE_ROW.format(part, *row) for part in range(PAGE_PARTITIONS) for row in page(part)
    ]
    return [
        f"BEGIN UNLOGGED BATCH {'; '.join(rows[first : first + _LOADED_AT_ONCE])}; APPLY BATCH"
        for rows in (points, pages)
        for first in range(0, len(rows), _LOADED_AT_ONCE)
    ]
