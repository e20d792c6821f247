"""The schema of a real Cassandra: read, written as CQL, made again from that, and read again."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import pytest

from shardlane import EMPTY

from .support import Client, needs_5_0, unique

REPLICATION = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
STATEMENTS = [
    "CREATE TYPE {ks}.zip (code int, places frozen<list<text>>)",
    'CREATE TYPE {ks}."Address" (street text, "Zip" frozen<zip>, more frozen<map<int, zip>>)',
    (
        'CREATE TABLE {ks}.t (a int, "B" text, c timestamp, d int, s int STATIC,'
        ' v frozen<"Address">, u zip, m map<text, frozen<zip>>, tup tuple<int, text>,'
        ' l list<text>, du duration, PRIMARY KEY ((a, "B"), c, d))'
        " WITH CLUSTERING ORDER BY (c DESC, d ASC) AND comment = 'it''s'"
        " AND default_time_to_live = 7 AND gc_grace_seconds = 10 AND speculative_retry = 'NONE'"
        " AND compaction = {{'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': '7'}}"
        " AND compression = {{'enabled': 'false'}}"
        " AND caching = {{'keys': 'NONE', 'rows_per_partition': '3'}}"
    ),
    'CREATE TABLE {ks}."select" ("order" int PRIMARY KEY, "Qu""ote" counter)',
    "CREATE INDEX ON {ks}.t (d)",
    "CREATE INDEX by_key ON {ks}.t (keys(m))",
    "CREATE INDEX by_list ON {ks}.t (values(l))",
    (
        "CREATE FUNCTION {ks}.plus (a int, b int) RETURNS NULL ON NULL INPUT RETURNS int"
        " LANGUAGE java AS 'return a + b; // it''s'"
    ),
    (
        'CREATE FUNCTION {ks}.plus (a text, "B" frozen<list<frozen<tuple<int, text>>>>)'
        " CALLED ON NULL INPUT RETURNS text LANGUAGE java AS $$return a;$$"
    ).replace("frozen<list<frozen<tuple<int, text>>>>", "list<frozen<tuple<int, text>>>"),
    "CREATE AGGREGATE {ks}.total (int) SFUNC plus STYPE int INITCOND 0",
    (
        'CREATE MATERIALIZED VIEW {ks}.by_d AS SELECT a, "B", c, d, l FROM {ks}.t'
        ' WHERE a IS NOT NULL AND "B" IS NOT NULL AND c IS NOT NULL AND d > 3'
        ' PRIMARY KEY (d, a, "B", c)'
        " WITH CLUSTERING ORDER BY (a DESC, \"B\" ASC, c ASC) AND comment = 'view'"
    ),
]


def test_what_is_written_makes_the_same_again(client: Client, session: Any) -> None:
    ks = unique("live_meta")
    client.run(session.execute(f"CREATE KEYSPACE {ks} WITH replication = {REPLICATION}"))
    for statement in STATEMENTS:
        client.run(session.execute(statement.format(ks=ks)))
    cluster = session.cluster
    keyspace = client.run(cluster.schema(ks))[ks]
    table = keyspace.tables["t"]
    assert [c.name for c in table.primary_key] == ["a", "B", "c", "d"]
    assert table.columns["c"].descending
    assert table.columns["v"].type == 'frozen<"Address">'
    assert set(table.indexes) == {"t_d_idx", "by_key", "by_list"}
    assert keyspace.views["by_d"].base_table == "t"
    assert "plus(int, int)" in keyspace.functions
    assert keyspace.aggregates["total(int)"].initcond == "0"
    statements = keyspace.statements()
    assert len(statements) == len(STATEMENTS) + 1
    client.run(session.execute(f"DROP KEYSPACE {ks}"))
    assert ks not in client.run(cluster.schema())
    for statement in statements:
        client.run(session.execute(statement))
    assert client.run(cluster.schema(ks))[ks].statements() == statements
    assert client.run(cluster.wait_for_schema_agreement()) is True
    client.run(session.execute(f"DROP KEYSPACE {ks}"))


def test_the_servers_own_keyspaces(client: Client, session: Any) -> None:
    schema = client.run(session.cluster.schema())
    assert "peers_v2" in schema["system"].tables
    assert schema["system"].is_system
    assert schema["system_views"].is_virtual
    virtual = schema["system_views"].tables["clients"]
    assert virtual.as_cql().startswith("/* Virtual")
    assert virtual.columns["address"].type == "inet"
    assert "CREATE" not in schema["system_views"].as_cql()
    # Whatever options its tables have, they can be written.
    for keyspace in schema.values():
        assert keyspace.as_cql(children=True)
    assert not [k for k in schema.values() if k.is_virtual and k.name in schema.as_cql()]


@dataclasses.dataclass(frozen=True)
class Address:
    street: str
    zip: int


class Point(NamedTuple):
    x: int
    y: int


def test_a_type_that_grows(client: Client, session: Any) -> None:
    kind, ks = unique("grows"), session.keyspace
    client.run(session.execute(f"CREATE TYPE {kind} (street text, zip int)"))
    table = client.table(session, f"id int PRIMARY KEY, home frozen<{kind}>, work {kind}")
    session.cluster.register_udt(ks, kind, Address)
    insert = client.run(session.prepare(f"INSERT INTO {table} (id, home, work) VALUES (?, ?, ?)"))
    select = client.run(session.prepare(f"SELECT home, work FROM {table} WHERE id = ?"))
    main = Address("Main", 7)
    client.run(session.execute(insert, [1, main, main]))
    assert client.rows(session, select, [1]) == [(main, main)]
    client.run(session.execute(f"ALTER TYPE {kind} ADD country text"))
    client.run(session.execute(insert, [2, main, main]))
    full = {"street": "Main", "zip": 7, "country": "DE"}
    anew = f"INSERT INTO {table} (id, home, work) VALUES (?, ?, ?) USING TTL 1000"
    client.run(session.execute(anew, [3, full, full]))
    for key in (1, 2, 3):
        assert client.rows(session, select, [key]) == [(main, main)]
    session.cluster.register_udt(ks, kind, dict)
    text = f"SELECT home, work FROM {table} WHERE id = ?"
    old = {"street": "Main", "zip": 7, "country": None}
    for key, expected in ((1, old), (2, old), (3, full)):
        assert client.rows(session, text, [key]) == [(expected, expected)]


def test_empty_values_and_codecs(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY, n int, u uuid, t text, p blob")
    keeping = client.connect(empty_values="keep")
    column = (session.keyspace, table, "p")
    keeping.cluster.register_codec(column=column, encode=bytes, decode=lambda b: Point(*b))
    insert = f"INSERT INTO {table} (id, n, u, t, p) VALUES (?, ?, ?, ?, ?)"
    client.run(keeping.execute(insert, [1, EMPTY, EMPTY, EMPTY, Point(1, 2)]))
    select = f"SELECT n, u, t, p FROM {table} WHERE id = ?"
    assert client.rows(keeping, select, [1]) == [(EMPTY, EMPTY, "", Point(1, 2))]
    assert client.rows(session, select, [1]) == [(None, None, "", b"\1\2")]


@needs_5_0
@pytest.mark.parametrize("masked", ["mask_default()", "mask_inner(1, null)"])
def test_masked_columns(client: Client, session: Any, masked: str) -> None:
    table = client.table(session, "id int PRIMARY KEY, name text")
    client.run(session.execute(f"ALTER TABLE {table} ALTER name MASKED WITH {masked}"))
    keyspace = client.run(session.cluster.schema(session.keyspace))[session.keyspace]
    statement = keyspace.tables[table].as_cql()
    assert f"name text MASKED WITH system.{masked}" in statement
    client.run(session.execute(f"DROP TABLE {table}"))
    client.run(session.execute(statement))
    again = client.run(session.cluster.schema(session.keyspace))[session.keyspace]
    assert again.tables[table].as_cql() == statement
