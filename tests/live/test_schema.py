"""Changes of the schema: what they answer, and that what comes next can build on them."""

from __future__ import annotations

from typing import Any

from .support import KEYSPACE, Client, unique


def change(client: Client, session: Any, cql: str) -> tuple[str, str, str, str | None] | None:
    result = client.run(session.execute(cql))
    return None if result.schema_change is None else tuple(result.schema_change)


def test_every_kind_of_change(client: Client, session: Any) -> None:
    ks, name = unique("live_ddl"), unique("thing")
    replication = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"

    def did(cql: str) -> Any:
        return change(client, session, cql)

    create = f"CREATE KEYSPACE {ks} WITH replication = {replication}"
    assert did(create) == ("CREATED", "KEYSPACE", ks, None)
    assert did(f"CREATE KEYSPACE IF NOT EXISTS {ks} WITH replication = {replication}") is None
    alter = f"ALTER KEYSPACE {ks} WITH durable_writes = false"
    assert did(alter) == ("UPDATED", "KEYSPACE", ks, None)
    assert did(f"CREATE TYPE {ks}.{name}_type (a int)") == ("CREATED", "TYPE", ks, f"{name}_type")
    alter = f"ALTER TYPE {ks}.{name}_type ADD b text"
    assert did(alter) == ("UPDATED", "TYPE", ks, f"{name}_type")
    table = f"CREATE TABLE {ks}.{name} (id int PRIMARY KEY, v frozen<{name}_type>)"
    assert did(table) == ("CREATED", "TABLE", ks, name)
    assert did(f"ALTER TABLE {ks}.{name} ADD w int") == ("UPDATED", "TABLE", ks, name)
    assert did(f"CREATE INDEX ON {ks}.{name} (w)") == ("UPDATED", "TABLE", ks, name)
    function = (
        f"CREATE FUNCTION {ks}.plus (a int, b int) RETURNS NULL ON NULL INPUT RETURNS int"
        " LANGUAGE java AS 'return a + b;'"
    )
    # To a v3 client Cassandra says of these only that the keyspace has changed.
    in_v3 = (
        ("UPDATED", "KEYSPACE", ks, None) if client.options.get("protocol_version") == 3 else None
    )
    assert did(function) == (in_v3 or ("CREATED", "FUNCTION", ks, "plus"))
    aggregate = f"CREATE AGGREGATE {ks}.total (int) SFUNC plus STYPE int INITCOND 0"
    assert did(aggregate) == (in_v3 or ("CREATED", "AGGREGATE", ks, "total"))
    client.run(session.execute(f"INSERT INTO {ks}.{name} (id, w) VALUES (1, 40)"))
    client.run(session.execute(f"INSERT INTO {ks}.{name} (id, w) VALUES (2, 2)"))
    assert client.rows(session, f"SELECT {ks}.total(w) FROM {ks}.{name}") == [(42,)]
    dropped = did(f"DROP AGGREGATE {ks}.total")
    assert dropped == (in_v3 or ("DROPPED", "AGGREGATE", ks, "total"))
    assert did(f"DROP FUNCTION {ks}.plus") == (in_v3 or ("DROPPED", "FUNCTION", ks, "plus"))
    assert did(f"DROP TABLE {ks}.{name}") == ("DROPPED", "TABLE", ks, name)
    assert did(f"DROP TYPE {ks}.{name}_type") == ("DROPPED", "TYPE", ks, f"{name}_type")
    assert did(f"DROP KEYSPACE {ks}") == ("DROPPED", "KEYSPACE", ks, None)


def test_a_new_table_is_routed_to_at_once(client: Client, session: Any) -> None:
    table = client.table(session, "a int, b text, c int, PRIMARY KEY ((b, a), c)")
    insert = client.run(session.prepare(f"INSERT INTO {table} (c, a, b) VALUES (?, ?, ?)"))
    assert (insert.keyspace, insert.table) == (KEYSPACE, table)
    assert insert.variables == (("c", "int"), ("a", "int"), ("b", "text"))
    # In the order of the key, not of the statement.
    assert insert.partition_key_indexes == (2, 1)
    assert insert.columns == ()


def test_another_session_sees_it_as_soon_as_we_do(client: Client, session: Any) -> None:
    other = client.connect()
    for _ in range(3):
        table = client.table(session, "id int PRIMARY KEY")
        assert client.rows(other, f"SELECT * FROM {table} WHERE id = ?", [1]) == []
