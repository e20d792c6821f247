"""What is in the database while drivers are measured, so that every answer can be checked."""

from __future__ import annotations

import random

KEYSPACE = "bench"
CONSISTENCY = "LOCAL_ONE"
"""The same for every driver. With one replica it means: exactly one node does the work."""

POINTS = 10_000
"""Rows of the table that point reads and writes go to, one per partition."""

SCAN_ROWS = 20_000
PAGE_ROWS = 5_000
SCAN_PARTITION = 7

KEYSPACE_CQL = (
    f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = "
    "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1} "
    # Every driver finds the owner of a token in the ring; tablets would have to be learned first.
    "AND tablets = {'enabled': false}"
)
COLUMNS = "name text, score int"
WIDE_COLUMNS = f"part int, id bigint, {COLUMNS}, PRIMARY KEY (part, id)"
SCHEMA_CQL = (
    f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.points (id bigint PRIMARY KEY, {COLUMNS})",
    f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.wide ({WIDE_COLUMNS})",
)
SELECT_CQL = f"SELECT id, name, score FROM {KEYSPACE}.points WHERE id = ?"
INSERT_POINT = f"INSERT INTO {KEYSPACE}.points (id, name, score) VALUES ({{}}, '{{}}', {{}})"
INSERT_WIDE = (
    f"INSERT INTO {KEYSPACE}.wide (part, id, name, score) VALUES ({{}}, {{}}, '{{}}', {{}})"
)
BATCH = 100
SCAN_CQL = f"SELECT id, name, score FROM {KEYSPACE}.wide WHERE part = ?"

Row = tuple[int, str, int]


def row(key: int) -> Row:
    """The row that belongs to a key; 16 characters of text."""
    return key, f"name-{key * 7919 % 100_000_000_000:011d}", key * 31 % 2**31


def shuffled_keys() -> list[int]:
    """The keys in the order in which they are asked for: shuffled, the same in every process."""
    order = list(range(POINTS))
    random.Random(20_240).shuffle(order)
    return order


def written_table(driver: str) -> str:
    """Each driver writes to a table of its own, so that what it wrote can be checked."""
    return f"{KEYSPACE}.written_by_{driver.replace('-', '_')}"


def written_schema_cql(driver: str) -> str:
    return f"CREATE TABLE IF NOT EXISTS {written_table(driver)} (id bigint PRIMARY KEY, {COLUMNS})"


def write_cql(driver: str) -> str:
    return f"INSERT INTO {written_table(driver)} (id, name, score) VALUES (?, ?, ?)"


def read_back_cql(driver: str) -> str:
    return f"SELECT id, name, score FROM {written_table(driver)} WHERE id = ?"


def load_cql() -> list[str]:
    """Statements that fill the tables, in batches; texts, since every driver can send those."""
    inserts = [INSERT_POINT.format(*row(key)) for key in range(POINTS)]
    inserts += [INSERT_WIDE.format(SCAN_PARTITION, *row(key)) for key in range(SCAN_ROWS)]
    return [
        f"BEGIN UNLOGGED BATCH {'; '.join(inserts[first : first + BATCH])}; APPLY BATCH"
        for first in range(0, len(inserts), BATCH)
    ]
