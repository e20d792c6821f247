"""Our routing key and token are the server's own, for keys of every kind."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from .support import Client


def text(_: int) -> str:
    length = random.choice((0, 1, 5, 15, 16, 17, 40, 300))
    # A key must not be empty where it is the only column.
    return "".join(random.choice("abcé☃\U0001f40d \0") for _ in range(length)) or "x"


KEYS: dict[str, Any] = {
    "bigint": lambda _: random.randint(-(2**63), 2**63 - 1),
    "blob": lambda n: random.randbytes(n + 1),
    "boolean": lambda n: n % 2 == 0,
    "decimal": lambda _: Decimal(random.randint(-(10**20), 10**20)).scaleb(random.randint(-9, 9)),
    "double": lambda _: random.uniform(-1e9, 1e9),
    "frozen<list<int>>": lambda n: [random.randint(-9, 9) for _ in range(n % 5)],
    "frozen<set<text>>": lambda n: {text(n), text(n)},
    "inet": lambda n: f"10.0.{n}.1" if n % 2 else f"2001:db8::{n:x}",
    "int": lambda _: random.randint(-(2**31), 2**31 - 1),
    "text": text,
    "timestamp": lambda _: random.randint(-(2**40), 2**40),
    "uuid": lambda _: UUID(int=random.getrandbits(128)),
    "varint": lambda n: random.randint(-(2 ** (8 * n + 8)), 2 ** (8 * n + 8)),
}


@pytest.mark.parametrize("cql_type", KEYS)
def test_tokens_of_one_column(client: Client, session: Any, cql_type: str) -> None:
    compare(client, session, [cql_type], [[KEYS[cql_type](n)] for n in range(25)])


@pytest.mark.parametrize(
    "cql_types", [["int", "text"], ["text", "blob", "uuid"], ["inet", "frozen<list<int>>"]]
)
def test_tokens_of_several_columns(client: Client, session: Any, cql_types: list[str]) -> None:
    keys = [[KEYS[cql_type](n) for cql_type in cql_types] for n in range(25)]
    # In a key of several columns a text may be empty.
    keys.append([KEYS[name](0) if name != "text" else "" for name in cql_types])
    compare(client, session, cql_types, keys)


def compare(client: Client, session: Any, cql_types: list[str], keys: list[list[Any]]) -> None:
    names = [f"k{number}" for number in range(len(cql_types))]
    pairs = zip(names, cql_types, strict=True)
    columns = ", ".join(f"{name} {cql_type}" for name, cql_type in pairs)
    listed = ", ".join(names)
    table = client.table(session, f"{columns}, v int, PRIMARY KEY (({listed}))")
    marks = ", ".join(["?"] * len(names))
    insert = client.run(session.prepare(f"INSERT INTO {table} (v, {listed}) VALUES (?, {marks})"))
    where = " AND ".join(f"{name} = ?" for name in names)
    cql = f"SELECT token({listed}), v FROM {table} WHERE {where}"
    select = client.run(session.prepare(cql))
    for number, key in enumerate(keys):
        client.run(session.execute(insert, [number, *key]))
        row = client.run(session.execute(select, key)).one()
        assert row[1] == number
        ours = [select.routing(key), insert.routing([number, *key])]
        assert ours[0] == ours[1]
        assert ours[0][1] == row[0], key
    # What was written by token, a scan finds, too: nothing went astray.
    different = {repr(key) for key in keys}
    assert len(client.rows(session, f"SELECT v FROM {table}")) == len(different)


def test_without_a_whole_key_there_is_no_token(client: Client, session: Any) -> None:
    table = client.table(session, "a int, b int, PRIMARY KEY ((a, b))")
    select = client.run(session.prepare(f"SELECT * FROM {table} WHERE a = ? AND b = 1"))
    assert select.partition_key_indexes == ()
    assert select.routing([1]) is None
