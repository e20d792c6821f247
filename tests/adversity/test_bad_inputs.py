"""A table of what users get wrong: the error, what its message names, and what it advises."""

from __future__ import annotations

import decimal
import re
import uuid
from typing import Any

import pytest

import shardlane
from cluster_help import Face, create_table
from shardlane import aio, exceptions
from shardlane.testing import Cluster

TABLE = (
    "CREATE TABLE bad (k int PRIMARY KEY, small tinyint, big bigint, name text, id uuid,"
    " host inet, born date, at timestamp, tags set<text>, scores map<text, int>,"
    " pair frozen<tuple<int, text>>, raw blob, price decimal)"
)


@pytest.fixture(scope="module")
def server():
    with Cluster(2, 2) as server:
        with server.connect() as session:
            create_table(session, 2)
            session.execute(TABLE)
        yield server


@pytest.fixture(scope="module", params=["sync", "aio"])
def session(request, server):
    face = Face(request.param)
    with face.connect(server, keyspace="app") as session:
        yield session
    face.close()


# CQL, error, what the message has to name.
BAD_CQL: list[tuple[str, type[exceptions.ShardlaneError], str]] = [
    ("", exceptions.CqlSyntaxError, "line"),
    ("   ", exceptions.CqlSyntaxError, "line"),
    ("SELEKT * FROM bad", exceptions.CqlSyntaxError, "SELEKT"),
    ("SELECT * FROM", exceptions.CqlSyntaxError, "line"),
    ("SELECT * FROM bad WHERE k = 'unclosed", exceptions.CqlSyntaxError, "line"),
    ("SELECT * FROM bad; SELECT * FROM bad", exceptions.CqlSyntaxError, "line"),
    ("INSERT INTO bad (k) VALUES", exceptions.CqlSyntaxError, "line"),
    ("SELECT * FROM nothing", exceptions.InvalidQuery, "nothing"),
    ("SELECT * FROM nowhere.bad", exceptions.InvalidQuery, "nowhere"),
    ("SELECT nothing FROM bad", exceptions.InvalidQuery, "nothing"),
    ("SELECT * FROM bad WHERE nothing = 1", exceptions.InvalidQuery, "nothing"),
    ("SELECT * FROM bad WHERE name = 'x'", exceptions.InvalidQuery, "ALLOW FILTERING"),
    ("SELECT * FROM bad WHERE k = 'x'", exceptions.InvalidQuery, "k"),
    ("INSERT INTO bad (name) VALUES ('x')", exceptions.InvalidQuery, "k"),
    ("INSERT INTO bad (k) VALUES (1, 2)", exceptions.InvalidQuery, ""),
    ("UPDATE bad SET k = 2 WHERE k = 1", exceptions.InvalidQuery, "k"),
    ("DELETE FROM bad", exceptions.StatementError, ""),
    ("SELECT * FROM bad WHERE k = ?", exceptions.InvalidQuery, ""),
    ("USE nowhere", exceptions.InvalidQuery, "nowhere"),
    ("DROP TABLE nothing", exceptions.InvalidQuery, "nothing"),
    ("CREATE TABLE app.x (a int)", exceptions.InvalidQuery, "(?i)primary key"),
    ("CREATE TABLE app.x (a nothing PRIMARY KEY)", exceptions.InvalidQuery, "nothing"),
    ("CREATE TABLE nowhere.x (a int PRIMARY KEY)", exceptions.StatementError, "nowhere"),
    (TABLE, exceptions.AlreadyExists, "bad"),
    ("CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
     exceptions.AlreadyExists, "app"),
    ("CREATE KEYSPACE x WITH replication = {'class': 'NoStrategy'}",
     exceptions.ConfigError, "NoStrategy"),
]  # fmt: skip


@pytest.mark.parametrize(("cql", "error", "named"), BAD_CQL, ids=lambda value: str(value)[:40])
def test_bad_cql(session, cql, error, named):
    with pytest.raises(error) as caught:
        session.execute(cql)
    assert re.search(named, caught.value.message), caught.value.message
    assert caught.value.statement == cql
    assert caught.value.node in str(caught.value)
    assert len(caught.value.attempts) == 1, "the same again fails again: it is not repeated"


# What is wrong with the others shows only when they are executed.
BAD_TO_PREPARE = [
    bad
    for bad in BAD_CQL
    if not bad[0].startswith(("SELECT * FROM bad WHERE k = ?", "DROP", "CREATE", "USE"))
]


@pytest.mark.parametrize(
    ("cql", "error", "named"), BAD_TO_PREPARE, ids=lambda value: str(value)[:40]
)
def test_bad_cql_to_be_prepared(session, cql, error, named):
    with pytest.raises(error) as caught:
        session.prepare(cql)
    assert re.search(named, caught.value.message), caught.value.message
    assert caught.value.statement == cql


def insert(column: str) -> str:
    return f"INSERT INTO bad (k, {column}) VALUES (?, ?)"


# Column, value, which column and CQL type are named, what else the message has to say.
BAD_VALUES: list[tuple[str, Any, str, str, str]] = [
    ("k", "x", "k", "int", "str"),
    ("k", 1.5, "k", "int", "float"),
    ("k", 2**31, "k", "int", "2147483647"),
    ("small", 128, "small", "tinyint", "127"),
    ("small", -129, "small", "tinyint", "-128"),
    ("big", 2**63, "big", "bigint", ""),
    ("big", [1], "big", "bigint", "list"),
    ("name", 5, "name", "text", "int"),
    ("name", b"x", "name", "text", "bytes"),
    ("name", "\ud800", "name", "text", ""),
    ("id", "no uuid", "id", "uuid", "uuid.UUID"),
    ("id", 5, "id", "uuid", "int"),
    ("host", "300.1.1.1", "host", "inet", "address"),
    ("born", "tomorrow", "born", "date", ""),
    ("at", "soon", "at", "timestamp", ""),
    ("tags", "abc", "tags", "set<text>", "str"),
    ("tags", {"a", 1}, "tags", "text", "int"),
    ("tags", 5, "tags", "set<text>", "int"),
    ("scores", {"a": "b"}, "scores", "int", "str"),
    ("scores", [1], "scores", "map<text, int>", "pair"),
    ("pair", (1, 2), "pair", "text", "int"),
    ("pair", (1, "a", 3), "pair", "tuple<int, text>", "2 elements"),
    ("raw", "text", "raw", "blob", "str"),
    ("price", decimal.Decimal("NaN"), "price", "decimal", "NaN"),
    ("name", object(), "name", "text", "object"),
]


@pytest.mark.parametrize(
    ("column", "value", "named", "cql_type", "said"), BAD_VALUES, ids=lambda value: str(value)[:30]
)
def test_bad_values(session, column, value, named, cql_type, said):
    cql = "INSERT INTO bad (k) VALUES (?)" if column == "k" else insert(column)
    parameters = [value] if column == "k" else [1, value]
    requests = sum(shard.requests for node in session.shards() for shard in node.shards)
    session.prepare(cql)
    with pytest.raises(exceptions.BadValue) as caught:
        session.execute(cql, parameters)
    error = caught.value
    assert isinstance(error, TypeError)
    assert isinstance(error, ValueError)
    assert (error.column or "").startswith(named)
    assert cql_type in error.cql_type
    assert named in str(error)
    assert cql_type in str(error)
    assert said in str(error)
    if error.column == named:
        assert error.python_type.endswith(type(value).__name__)
    after = sum(shard.requests for node in session.shards() for shard in node.shards)
    assert after - requests <= 2, "nothing but the PREPARE was sent"


# Parameters, what the message has to name.
SELECT_TWO = "SELECT k FROM bad WHERE k = :key AND name = :name ALLOW FILTERING"
BAD_PARAMETERS: list[tuple[str, Any, str]] = [
    (insert("name"), [1], "2"),
    (insert("name"), [1, "a", 3], "3"),
    (insert("name"), [], "2|parameter"),
    (insert("name"), {"k": 1}, "name"),
    (insert("name"), {"k": 1, "name": "a", "nmae": "b"}, "nmae"),
    (SELECT_TWO, {"key": 1, "nam": "x"}, "nam"),
    (insert("name"), "ab", "str"),
    (insert("name"), 5, "int"),
    (insert("name"), {1, 2}, "set"),
    (insert("name"), iter([1, "a"]), "iterator"),
]


@pytest.mark.parametrize(
    ("cql", "parameters", "named"), BAD_PARAMETERS, ids=lambda value: str(value)[:40]
)
def test_bad_parameters(session, cql, parameters, named):
    session.prepare(cql)
    with pytest.raises(exceptions.ShardlaneError) as caught:
        session.execute(cql, parameters)
    assert isinstance(caught.value, (exceptions.BadValue, exceptions.InvalidQuery))
    assert re.search(named, str(caught.value)), str(caught.value)


def test_a_bad_parameter_set_among_many(session):
    sets = [[key, f"n{key}"] for key in range(10)]
    sets[6] = [6, 6]
    with pytest.raises(exceptions.BadValue, match="parameter set 6") as caught:
        session.execute_many(insert("name"), sets)
    assert caught.value.parameter_set == 6
    assert caught.value.column == "name"


# Option of a request, value.
BAD_REQUEST_OPTIONS = [
    ("timeout", -1),
    ("timeout", 0),
    ("timeout", float("nan")),
    ("timeout", "1"),
    ("timeout", True),
    ("consistency", "FOO"),
    ("consistency", 4),
    ("consistency", None),
    ("serial_consistency", "QUORUM"),
    ("page_size", 0),
    ("page_size", -1),
    ("page_size", 2**31),
    ("page_size", 1.5),
    ("paging_state", "text"),
    ("timestamp", "now"),
    ("timestamp", 2**63),
    ("idempotent", "yes"),
    ("custom_payload", {"a": "text"}),
    ("row_factory", "list"),
    ("row_factory", 5),
]


@pytest.mark.parametrize(("option", "value"), BAD_REQUEST_OPTIONS)
def test_bad_options_of_requests(session, option, value):
    with pytest.raises(exceptions.UsageError) as caught:
        session.execute("SELECT key FROM system.local", **{option: value})
    words = option.replace("_", "[_ ]")
    assert re.search(words, str(caught.value)), str(caught.value)


# Options of connect(), what the message has to name.
BAD_CONNECT_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"timeout": -1}, "timeout"),
    ({"page_size": 0}, "page_size"),
    ({"consistency": "FOO"}, "FOO"),
    ({"serial_consistency": "ONE"}, "serial_consistency"),
    ({"contact_points": []}, "contact_points"),
    ({"contact_points": ""}, "contact_points"),
    ({"contact_points": None}, "contact_points"),
    ({"contact_points": 5}, "contact_points"),
    ({"contact_points": "host:port"}, "port"),
    ({"contact_points": "host:0"}, "port"),
    ({"contact_points": "host:70000"}, "70000"),
    ({"contact_points": "http://host"}, "URL"),
    ({"contact_points": "[::1"}, "::1"),
    ({"contact_points": ["a b"]}, "a b"),
    ({"port": 0}, "port"),
    ({"port": "9042"}, "port"),
    ({"keyspace": ""}, "keyspace"),
    ({"keyspace": 5}, "keyspace"),
    ({"username": "ada"}, "password"),
    ({"username": "ada", "password": b"x"}, "password"),
    ({"compression": "zip"}, "compression"),
    ({"shard_awareness": "some"}, "shard_awareness"),
    ({"connections_per_shard": 0}, "connections_per_shard"),
    ({"connections_per_shard": 1, "connections_per_host": 1}, "connections_per_host"),
    ({"source_ports": (60000, 50000)}, "source_ports"),
    ({"source_ports": (0, 70000)}, "source_ports"),
    ({"source_ports": 50000}, "source_ports"),
    ({"connect_timeout": 0}, "connect_timeout"),
    ({"keepalive_interval": -1}, "keepalive_interval"),
    ({"reconnect_delay_min": float("inf")}, "reconnect_delay_min"),
    ({"reconnect_delay_min": 5, "reconnect_delay_max": 1}, "reconnect_delay"),
    ({"pool_wait": -0.1}, "pool_wait"),
    ({"metadata_request_timeout": 0}, "metadata_request_timeout"),
    ({"refresh_interval": 0}, "refresh_interval=0"),
    ({"refresh_interval": "1m"}, "refresh_interval='1m'"),
    ({"socket_options": {"tcp_nodelay": False}}, "socket_options="),
    ({"tablet_warm_up": "yes"}, "tablet_warm_up"),
    ({"zero_token_nodes": 2}, "zero_token_nodes"),
    ({"in_flight_per_connection_max": 40_000}, "in_flight_per_connection_max"),
    ({"statement_cache_size": 0}, "statement_cache_size"),
    ({"row_factory": "list"}, "row_factory"),
    ({"idempotent": 1}, "idempotent"),
]


@pytest.mark.parametrize("connect", [shardlane.connect, aio.connect], ids=["sync", "aio"])
@pytest.mark.parametrize(("options", "named"), BAD_CONNECT_OPTIONS, ids=str)
def test_bad_options_of_connecting(connect, options, named):
    """They are refused at once, before anything is sent, and without awaiting."""
    with pytest.raises(exceptions.ConfigurationError) as caught:
        connect(**options)
    assert isinstance(caught.value, ValueError)
    assert named in str(caught.value)
    assert caught.value.hint or "give" in caught.value.message


def test_an_unknown_keyspace(face, server):
    with (
        pytest.raises(exceptions.UnknownKeyspace) as caught,
        face.connect(server, keyspace="apq"),
    ):
        pytest.fail("there is no such keyspace")
    assert caught.value.keyspace == "apq"
    assert "app" in caught.value.hint


@pytest.mark.parametrize(
    "login",
    [{}, {"username": "ada", "password": "wrong"}, {"username": "eve", "password": "secret"}],
    ids=["none", "wrong password", "unknown user"],
)
def test_bad_credentials(face, login):
    with Cluster(1, 1, username="ada", password="secret") as server:
        with (
            pytest.raises(exceptions.NoHostAvailable) as caught,
            face.connect(server, **login),
        ):
            pytest.fail("it must not log in")
        assert re.search("authentication|password", caught.value.message.lower())
        assert "username=" in caught.value.hint
        assert "secret" not in str(caught.value)
        assert "wrong" not in str(caught.value)
        with face.connect(server, username="ada", password="secret") as session:
            assert session.execute("SELECT key FROM system.local").scalar() == "local"


def test_statements_of_another_cluster(face, server):
    """A statement that another cluster object prepared is prepared again where it is executed."""
    with Cluster(1, 1) as other, face.connect(other) as stranger:
        prepared = stranger.prepare("SELECT key FROM system.local WHERE key = ?")
    with face.connect(server) as session:
        # Their nodes have never seen it: it is prepared there, from its text.
        assert session.execute(prepared, ["local"], timeout=5).scalar() == "local"


def test_what_is_no_uuid_after_all(session):
    """Values that do fit, beside the table of those that do not."""
    key = uuid.uuid4()
    session.execute(insert("id"), [1, str(key)])
    assert session.execute("SELECT id FROM bad WHERE k = ?", [1]).scalar() == key
