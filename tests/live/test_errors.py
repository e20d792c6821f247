"""Each error of the server is the exception that the documentation names, with its details."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from shardlane import Batch
from shardlane import exceptions as exc

from .support import KEYSPACE, Client, unique


def fails(client: Client, session: Any, kind: type[Exception], cql: str, *args: Any) -> Any:
    with pytest.raises(kind) as caught:
        client.run(session.execute(cql, *args))
    error = caught.value
    assert type(error) is kind
    if isinstance(error, exc.ServerError):
        assert error.node == f"{client.node.address}:{client.node.port}"
        assert error.attempts[-1].code == error.code
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    return error


@pytest.mark.parametrize("parameters", [None, [1]], ids=["as it is", "prepared"])
def test_syntax_and_sense(client: Client, session: Any, parameters: Any) -> None:
    error = fails(client, session, exc.CqlSyntaxError, "SELEC key FROM system.local", parameters)
    assert error.code == 0x2000
    assert "no viable alternative" in str(error)
    assert error.statement == "SELEC key FROM system.local"
    for cql in ("SELECT * FROM nothing_here", "SELECT nothing FROM system.local"):
        assert fails(client, session, exc.InvalidQuery, cql, parameters).code == 0x2200


def test_no_keyspace(client: Client) -> None:
    session = client.connect(None)
    error = fails(client, session, exc.InvalidQuery, "SELECT * FROM some_table")
    assert "keyspace" in str(error).lower()


def test_what_exists_already(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY")
    cql = f"CREATE TABLE {table} (id int PRIMARY KEY)"
    error = fails(client, session, exc.AlreadyExists, cql)
    assert (error.code, error.keyspace, error.table) == (0x2400, KEYSPACE, table)
    cql = f"CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy'}}"
    error = fails(client, session, exc.AlreadyExists, cql)
    assert (error.keyspace, error.table) == (KEYSPACE, "")


def test_configuration(client: Client, session: Any) -> None:
    cql = f"CREATE KEYSPACE {unique('live_bad')} WITH replication = {{'class': 'NoSuchStrategy'}}"
    assert fails(client, session, exc.ConfigError, cql).code == 0x2300


def test_unavailable(client: Client, session: Any) -> None:
    keyspace = unique("live_rf")
    client.run(
        session.execute(
            f"CREATE KEYSPACE {keyspace} WITH replication ="
            " {'class': 'SimpleStrategy', 'replication_factor': 3}"
        )
    )
    client.run(session.execute(f"CREATE TABLE {keyspace}.t (id int PRIMARY KEY)"))
    for cql in (
        f"INSERT INTO {keyspace}.t (id) VALUES (?)",
        f"SELECT * FROM {keyspace}.t WHERE id = ?",
    ):
        with pytest.raises(exc.Unavailable) as caught:
            client.run(session.execute(cql, [1], consistency="QUORUM"))
        error = caught.value
        assert (error.consistency, error.required, error.alive) == ("QUORUM", 2, 1)
        client.run(session.execute(cql, [1], consistency="ONE"))
    client.run(session.execute(f"DROP KEYSPACE {keyspace}"))


def test_a_failing_function(client: Client, session: Any) -> None:
    name = unique("boom")
    client.run(
        session.execute(
            f"CREATE FUNCTION {name} (a text) CALLED ON NULL INPUT RETURNS int LANGUAGE java"
            " AS 'throw new RuntimeException(\"boom\");'"
        )
    )
    error = fails(
        client, session, exc.FunctionFailure, f"SELECT {KEYSPACE}.{name}(key) FROM system.local"
    )
    assert (error.code, error.keyspace, error.function) == (0x1400, KEYSPACE, name)
    assert error.argument_types == ("text",)


def test_too_many_tombstones(client: Client, session: Any) -> None:
    table = client.table(session, "part int, n int, PRIMARY KEY (part, n)")
    delete = f"DELETE FROM {table} WHERE part = ? AND n = ?"
    client.run(session.execute_many(delete, ((1, n) for n in range(600))))
    error = fails(client, session, exc.ReadFailure, f"SELECT * FROM {table} WHERE part = ?", [1])
    assert error.code == 0x1300
    assert (error.num_failures, error.received, error.block_for) == (1, 0, 1)
    assert error.data_present is False
    assert error.consistency == "LOCAL_QUORUM"


def test_a_failing_write(client: Client, session: Any) -> None:
    # The node was started so that every write to this keyspace fails.
    client.run(
        session.execute(
            "CREATE KEYSPACE IF NOT EXISTS live_failing WITH replication ="
            " {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
    )
    client.run(session.execute("CREATE TABLE IF NOT EXISTS live_failing.t (id int PRIMARY KEY)"))
    cql = "INSERT INTO live_failing.t (id) VALUES (?)"
    error = fails(client, session, exc.WriteFailure, cql, [1])
    assert (error.code, error.write_type, error.num_failures) == (0x1500, "SIMPLE", 1)


def test_a_write_that_takes_too_long(client: Client, session: Any) -> None:
    # The node was started so that no write to a table with a view gets its lock.
    table = client.table(session, "id int PRIMARY KEY, v int")
    client.run(
        session.execute(
            f"CREATE MATERIALIZED VIEW {table}_view AS SELECT * FROM {table}"
            " WHERE id IS NOT NULL AND v IS NOT NULL PRIMARY KEY (v, id)"
        )
    )
    cql = f"INSERT INTO {table} (id, v) VALUES (?, ?)"
    error = fails(client, session, exc.WriteTimeout, cql, [1, 1])
    assert error.code == 0x1100
    assert error.write_type in {"SIMPLE", "VIEW"}
    assert (error.received, error.block_for) == (0, 1)


def test_our_own_timeout_leaves_the_connection_usable(client: Client, session: Any) -> None:
    def attempts() -> None:
        # On a busy machine the answer may be there before anybody looks at the time.
        for _ in range(100):
            client.run(session.execute("SELECT * FROM system_schema.columns", timeout=0.00005))

    with pytest.raises(exc.RequestTimeout) as caught:
        attempts()
    assert isinstance(caught.value, TimeoutError)
    assert client.rows(session, "SELECT key FROM system.local") == [("local",)]
    assert session.shards().connections == 1


def test_a_batch_that_is_too_large(client: Client, session: Any) -> None:
    table = client.table(session, "id int PRIMARY KEY, v text")
    batch = Batch("unlogged")
    for key in range(3):
        batch.add(f"INSERT INTO {table} (id, v) VALUES (?, ?)", [key, "x" * 20_000])
    with pytest.raises(exc.InvalidQuery, match="Batch too large"):
        client.run(session.execute_batch(batch))
