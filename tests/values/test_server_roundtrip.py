"""Properties: values of any type, written to a server and read from it, come back as they were."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardlane import sync

from .test_roundtrip import cql_types

MADE = re.compile(r"made\{first: ([^{}]*), second: ([^{}]*)\}")
KEYSPACE = "roundtrip"


class Tables:
    """Makes a table for each type that comes along."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.numbers = itertools.count()
        self.types: dict[str, str] = {}
        self.tables: dict[str, tuple[Any, Any]] = {}

    def name_of(self, cql_type: str) -> str:
        """The type with user-defined types by name, which are created."""
        while (made := MADE.search(cql_type)) is not None:
            if (name := self.types.get(made[0])) is None:
                name = self.types[made[0]] = f"made_{next(self.numbers)}"
                fields = f"first {frozen(made[1])}, second {frozen(made[2])}"
                self.session.execute(f"CREATE TYPE {name} ({fields})")
            cql_type = cql_type[: made.start()] + name + cql_type[made.end() :]
        return cql_type

    def statements(self, cql_type: str) -> tuple[Any, Any]:
        """How to write and read a value of the type."""
        if cql_type not in self.tables:
            table = f"t{next(self.numbers)}"
            column = frozen(self.name_of(cql_type))
            self.session.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, v {column})")
            self.tables[cql_type] = (
                self.session.prepare(f"INSERT INTO {table} (id, v) VALUES (1, ?)"),
                self.session.prepare(f"SELECT v FROM {table} WHERE id = 1"),
            )
        return self.tables[cql_type]


def frozen(cql_type: str) -> str:
    """The type as it may stand inside another one."""
    is_whole = "<" in cql_type or cql_type.startswith("made_")
    return f"frozen<{cql_type}>" if is_whole else cql_type


@pytest.fixture(scope="module")
def tables(shardlane_cluster: Any) -> Iterator[Tables]:
    with sync.connect(shardlane_cluster.contact_points) as session:
        replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
        session.execute(f"CREATE KEYSPACE {KEYSPACE} WITH replication = {replication}")
        session.execute(f"USE {KEYSPACE}")
        yield Tables(session)
        session.execute(f"DROP KEYSPACE {KEYSPACE}")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_values_of_any_type_come_back_from_the_server(tables: Tables, data: st.DataObject) -> None:
    cql_type, values = data.draw(cql_types(), label="type")
    insert, select = tables.statements(cql_type)
    for value in data.draw(st.lists(values | st.none(), min_size=1, max_size=3), label="values"):
        tables.session.execute(insert, [value])
        assert tables.session.execute(select).scalar() == value
