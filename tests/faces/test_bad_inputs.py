"""A table of what users get wrong, and the error each of it gives."""

from __future__ import annotations

import socket

import pytest

from shardlane import UNSET, exceptions

TABLE = "CREATE TABLE users (id int PRIMARY KEY, name text, age int, tags set<text>)"
INSERT = "INSERT INTO users (id, name) VALUES (?, ?)"
SELECT = "SELECT name FROM users WHERE id = ?"

BAD_CQL = {
    "": exceptions.CqlSyntaxError,
    "nonsense": exceptions.CqlSyntaxError,
    "SELECT FROM users": exceptions.CqlSyntaxError,
    "SELECT * FROM users WHERE": exceptions.CqlSyntaxError,
    "SELECT * FROM nothing": exceptions.InvalidQuery,
    "SELECT nothing FROM users": exceptions.InvalidQuery,
    "SELECT * FROM nowhere.users": exceptions.InvalidQuery,
    "SELECT * FROM users WHERE age = 3": exceptions.InvalidQuery,
    "INSERT INTO users (name) VALUES ('x')": exceptions.InvalidQuery,
    "INSERT INTO users (id) VALUES ('x')": exceptions.InvalidQuery,
    "USE nowhere": exceptions.InvalidQuery,
    "CREATE TABLE t (a int)": exceptions.InvalidQuery,
    TABLE: exceptions.AlreadyExists,
    # Parameters are wanted, but there are none.
    SELECT: exceptions.InvalidQuery,
}


@pytest.mark.parametrize(("cql", "error"), BAD_CQL.items(), ids=repr)
async def test_bad_cql(session, cql, error):
    await session.execute(TABLE)
    with pytest.raises(error) as caught:
        await session.execute(cql)
    assert caught.value.statement == cql
    assert caught.value.node


BAD_PREPARED = {
    "SELECT FROM users WHERE id = ?": exceptions.CqlSyntaxError,
    "SELECT * FROM nothing WHERE id = ?": exceptions.InvalidQuery,
}


@pytest.mark.parametrize(("cql", "error"), BAD_PREPARED.items())
async def test_bad_cql_with_parameters(session, cql, error):
    await session.execute(TABLE)
    with pytest.raises(error):
        await session.execute(cql, [1])
    with pytest.raises(error):
        await session.prepare(cql)


BAD_VALUES = [
    (["x", "Ada"], "id"),
    ([2**31, "Ada"], "id"),
    ([1.5, "Ada"], "id"),
    ([1, 2], "name"),
    ([1, b"Ada"], "name"),
    ([1], "2"),
    ([1, "Ada", 3], "3"),
    ({"id": 1}, "name"),
    ({"id": 1, "name": "Ada", "nothing": 2}, "nothing"),
    ("xy", "parameters"),
    (5, "parameters"),
    ({1, 2}, "parameters"),
    (iter([1, "Ada"]), "parameters"),
]


@pytest.mark.parametrize(("parameters", "named"), BAD_VALUES, ids=repr)
async def test_bad_parameters(session, parameters, named):
    await session.execute(TABLE)
    with pytest.raises(exceptions.BadValue) as caught:
        await session.execute(INSERT, parameters)
    assert named in str(caught.value)
    assert isinstance(caught.value, (TypeError, ValueError))
    assert (await session.execute("SELECT count(*) FROM users")).scalar() == 0


async def test_a_value_in_a_collection(session):
    await session.execute(TABLE)
    with pytest.raises(exceptions.BadValue) as caught:
        await session.execute("UPDATE users SET tags = ? WHERE id = ?", [{"a", 5}, 1])
    assert caught.value.column is not None
    assert caught.value.column.startswith("tags")
    assert caught.value.cql_type == "text"
    assert caught.value.python_type == "int"


async def test_a_key_without_a_value(session):
    await session.execute(TABLE)
    with pytest.raises((exceptions.InvalidQuery, exceptions.BadValue)):
        await session.execute(INSERT, [None, "Ada"])
    with pytest.raises((exceptions.InvalidQuery, exceptions.BadValue)):
        await session.execute(INSERT, [UNSET, "Ada"])


BAD_OPTIONS = [
    {"timeout": -1},
    {"timeout": "soon"},
    {"consistency": "MOST"},
    {"consistency": None},
    {"serial_consistency": "QUORUM"},
    {"page_size": 0},
    {"page_size": -5},
    {"page_size": "many"},
    {"paging_state": "text"},
    {"timestamp": "now"},
    {"idempotent": "yes"},
    {"custom_payload": 5},
    {"row_factory": 5},
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=str)
async def test_bad_options(session, options):
    with pytest.raises((TypeError, ValueError)):
        await session.execute("SELECT key FROM system.local", **options)


@pytest.mark.parametrize("statement", [5, None, b"SELECT key FROM system.local", ["SELECT"]])
async def test_what_is_no_statement(session, statement):
    with pytest.raises(exceptions.BadValue, match="statement"):
        await session.execute(statement)


async def test_a_paging_state_of_nobody(session):
    await session.execute(TABLE)
    with pytest.raises((exceptions.ServerError, exceptions.BadValue)):
        await session.execute("SELECT id FROM users", paging_state=b"garbage", page_size=2)


async def test_an_unknown_keyspace(face):
    with pytest.raises(exceptions.UnknownKeyspace, match="'nowhere'") as caught:
        async with face.connect(keyspace="nowhere"):
            pass
    assert caught.value.keyspace == "nowhere"
    assert face.keyspace in caught.value.hint
    with pytest.raises(exceptions.UnknownKeyspace):
        async with face.connect(keyspace="o'clock"):
            pass


def refused_port():
    """A port of 127.0.0.1 at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


async def test_a_refused_port(face):
    port = refused_port()
    with pytest.raises(exceptions.NoHostAvailable, match="refused") as caught:
        async with face.connect(f"127.0.0.1:{port}", keyspace=None):
            pass
    assert list(caught.value.reasons) == [f"127.0.0.1:{port}"]
    assert caught.value.hint


async def test_an_unreachable_host(face):
    """A listener that accepts nothing more stands for a host that does not answer."""
    with socket.socket() as deaf, socket.socket() as filler:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        filler.connect(deaf.getsockname())
        with pytest.raises(exceptions.NoHostAvailable):
            async with face.connect(deaf.getsockname(), keyspace=None, connect_timeout=0.3):
                pass


async def test_an_unknown_name(face):
    with pytest.raises(exceptions.NoHostAvailable) as caught:
        async with face.connect("nowhere.invalid", keyspace=None, connect_timeout=5):
            pass
    (reason,) = caught.value.reasons
    assert reason.startswith("nowhere.invalid")


async def test_one_contact_point_that_answers_is_enough(face):
    points = [f"127.0.0.1:{refused_port()}", face.server.contact_points[1]]
    async with face.connect(points) as session:
        assert (await session.execute("SELECT key FROM system.local")).scalar() == "local"
        assert len(session.cluster.nodes()) == 3
