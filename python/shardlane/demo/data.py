"""The rows of the demo: every value follows from seed, table and id, so all can be checked."""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
import uuid
from decimal import Decimal
from typing import Any

KEYSPACE = "shardlane_demo"

COLUMNS = (
    ("region", "text"),
    ("id", "bigint"),
    ("name", "text"),
    ("active", "boolean"),
    ("score", "double"),
    ("balance", "decimal"),
    ("code", "uuid"),
    ("seen", "timestamp"),
    ("payload", "blob"),
    ("tags", "set<text>"),
    ("readings", "list<int>"),
    ("limits", "map<text, bigint>"),
)
NAMES = tuple(name for name, _ in COLUMNS)

# What the measured reads ask for: a point read of a few columns, as applications do most.
SHORT_COLUMNS = ("name", "score", "seen")

Row = tuple[Any, ...]
Key = tuple[str, int]

_REGIONS = ("africa", "americas", "asia", "europe", "oceania")
_TAGS = ("amber", "cobalt", "coral", "jade", "ochre", "pearl", "ruby", "slate")
_NAMES = ("Ada", "Chandra", "Émilie", "Grace", "Hedy", "Katherine", "Lovísa", "Mária", "Ōe", "Zoë")
_EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
_FIELDS = struct.Struct(">qqIIHBB16s20s")


def create_keyspace(replication_factor: int) -> str:
    """Return the statement that makes the keyspace."""
    return (
        f"CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'NetworkTopologyStrategy',"
        f" 'replication_factor': {replication_factor}}}"
    )


def create_table(table: str) -> str:
    """Return the statement that makes the table."""
    columns = ", ".join(f"{name} {cql_type}" for name, cql_type in COLUMNS)
    return f"CREATE TABLE {KEYSPACE}.{table} ({columns}, PRIMARY KEY ((region, id)))"


def insert(table: str) -> str:
    """Return the statement that writes a row."""
    marks = ", ".join("?" * len(NAMES))
    return f"INSERT INTO {KEYSPACE}.{table} ({', '.join(NAMES)}) VALUES ({marks})"


def select(table: str, columns: tuple[str, ...] = NAMES) -> str:
    """Return the statement that reads a row by its key."""
    return f"SELECT {', '.join(columns)} FROM {KEYSPACE}.{table} WHERE region = ? AND id = ?"


def key(number: int) -> Key:
    """Return the partition key of a row: the same, and with the same owner, in all tables."""
    return _REGIONS[number % len(_REGIONS)], number


def row(seed: int, table: str, number: int) -> Row:
    """Return what the columns of a row must hold, in the order of ``COLUMNS``."""
    source = f"{seed} {table} {number}".encode()
    limit, score, balance, seen, reading, name, flags, code, payload = _FIELDS.unpack(
        hashlib.blake2b(source, digest_size=_FIELDS.size).digest()
    )
    return (
        *key(number),
        f"{_NAMES[name % len(_NAMES)]} {number}",
        bool(flags & 1),
        score / 1024.0,
        Decimal(balance - 2**31).scaleb(-2),
        uuid.UUID(bytes=code, version=4),
        # Timestamps have milliseconds.
        _EPOCH + dt.timedelta(milliseconds=seen),
        payload,
        {_TAGS[flags >> 1 & 7], _TAGS[flags >> 4 & 7]},
        [reading, -reading, number],
        {"hard": limit, "soft": limit >> 1},
    )


def short(full: Row) -> Row:
    """Return those values of a row that ``SHORT_COLUMNS`` asks for."""
    return tuple(full[NAMES.index(name)] for name in SHORT_COLUMNS)


def difference(expected: Row, found: object, names: tuple[str, ...] = NAMES) -> str | None:
    """Return in words how what was found differs from what was written; None if it does not."""
    if found == expected:
        return None
    if not isinstance(found, tuple):
        return "the row is missing"
    if len(found) != len(expected):
        return f"{len(found)} columns instead of {len(expected)}"
    for name, value, wanted in zip(names, found, expected, strict=True):
        if value != wanted:
            return f"{name} is {value!r}, written was {wanted!r}"
    return "the row is equal only column by column"
