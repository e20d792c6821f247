"""The schema as it is read, and made again from what was read."""

from __future__ import annotations

import pickle
import uuid

import pytest

from shardlane import exceptions

REPLICATION = "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}"

EVERYTHING = (
    "CREATE TYPE {ks}.zip (code int, places frozen<list<text>>)",
    # Needs the one before it, but comes first by name.
    'CREATE TYPE {ks}."Address" (street text, "Zip" frozen<zip>, more frozen<map<int, zip>>)',
    (
        'CREATE TABLE {ks}.t (a int, "B" text, c timestamp, d int, s int STATIC,'
        ' v frozen<"Address">, u zip, m map<text, frozen<zip>>, tup tuple<int, text>,'
        ' vec vector<float, 3>, PRIMARY KEY ((a, "B"), c, d))'
        " WITH CLUSTERING ORDER BY (c DESC, d ASC)"
        " AND comment = 'it''s' AND default_time_to_live = 7 AND gc_grace_seconds = 10"
        " AND compaction = {{'class': 'LeveledCompactionStrategy'}}"
    ),
    'CREATE TABLE {ks}."select" ("order" int PRIMARY KEY, "Qu""ote" counter)',
    "CREATE INDEX ON {ks}.t (d)",
    "CREATE INDEX named ON {ks}.t (keys(m))",
    (
        'CREATE MATERIALIZED VIEW {ks}.by_c AS SELECT a, "B", c, d FROM {ks}.t WHERE a IS NOT NULL'
        ' AND "B" IS NOT NULL AND c IS NOT NULL AND d > 3 PRIMARY KEY (c, a, "B", d)'
        " WITH CLUSTERING ORDER BY (a DESC, \"B\" ASC, d ASC) AND comment = 'view'"
    ),
    (
        "CREATE MATERIALIZED VIEW {ks}.whole AS SELECT * FROM {ks}.t WHERE a IS NOT NULL"
        ' AND "B" IS NOT NULL AND c IS NOT NULL AND d IS NOT NULL PRIMARY KEY ((d), a, "B", c)'
    ),
    (
        "CREATE FUNCTION {ks}.plus (a int, b int) RETURNS NULL ON NULL INPUT RETURNS int"
        " LANGUAGE lua AS 'return a + b -- it''s $$'"
    ),
    (
        'CREATE FUNCTION {ks}.plus (a text, "B" text) CALLED ON NULL INPUT RETURNS text'
        " LANGUAGE lua AS 'return a; return b'"
    ),
    "CREATE AGGREGATE {ks}.total (int) SFUNC plus STYPE int INITCOND 0",
)


@pytest.fixture
def name():
    return f"s_{uuid.uuid4().hex[:12]}"


async def make(session, name, statements=EVERYTHING):
    await session.execute(f"CREATE KEYSPACE {name} WITH replication = {REPLICATION}")
    for statement in statements:
        await session.execute(statement.format(ks=name))


async def test_what_was_made_is_told(session, name):
    await make(session, name)
    keyspace = (await session.cluster.schema(name))[name]
    assert keyspace.name == name
    assert not keyspace.is_system
    assert keyspace.replication["class"].endswith("NetworkTopologyStrategy")
    assert keyspace.durable_writes
    assert list(keyspace.tables) == ["select", "t"]
    table = keyspace.tables["t"]
    assert [c.name for c in table.partition_key] == ["a", "B"]
    assert [(c.name, c.descending) for c in table.clustering] == [("c", True), ("d", False)]
    assert [c.name for c in table.primary_key] == ["a", "B", "c", "d"]
    kinds = {c.name: c.kind for c in table.columns.values()}
    assert kinds["s"] == "static"
    assert kinds["v"] == "regular"
    assert list(table.columns)[:5] == ["a", "B", "c", "d", "s"]
    assert table.columns["m"].type == "map<text, frozen<zip>>"
    assert table.columns["v"].type == 'frozen<"Address">'
    assert table.columns["vec"].type == "vector<float, 3>"
    assert table.options["comment"] == "it's"
    assert table.options["default_time_to_live"] == 7
    assert table.options["compaction"] == {"class": "LeveledCompactionStrategy"}
    assert isinstance(table.id, uuid.UUID)
    assert {i.name: i.target for i in table.indexes.values()} == {
        "t_d_idx": "d",
        "named": "keys(m)",
    }
    assert keyspace.tables["select"].is_counter
    assert not table.is_counter
    assert list(table.views) == list(keyspace.views) == ["by_c", "whole"]
    view = keyspace.views["by_c"]
    assert view.base_table == "t"
    assert not view.include_all_columns
    assert keyspace.views["whole"].include_all_columns
    assert [c.name for c in view.primary_key] == ["c", "a", "B", "d"]
    assert dict(keyspace.types["zip"].fields) == {"code": "int", "places": "frozen<list<text>>"}
    assert list(keyspace.functions) == ["plus(int, int)", "plus(text, text)"]
    function = keyspace.functions["plus(int, int)"]
    assert function.body == "return a + b -- it's $$"
    assert not function.called_on_null_input
    aggregate = keyspace.aggregates["total(int)"]
    assert (aggregate.state_func, aggregate.state_type, aggregate.initcond) == ("plus", "int", "0")


async def test_what_is_written_makes_the_same_again(session, name):
    await make(session, name)
    before = (await session.cluster.schema(name)).as_cql()
    statements = (await session.cluster.schema(name)).statements()
    assert "\n\n".join(statements) == before
    await session.execute(f"DROP KEYSPACE {name}")
    assert name not in await session.cluster.schema()
    for statement in statements:
        await session.execute(statement)
    again = (await session.cluster.schema(name)).as_cql()
    assert again == before
    assert len(statements) == len(EVERYTHING) + 1


async def test_each_thing_tells_how_to_make_it(session, name):
    await make(session, name)
    keyspace = (await session.cluster.schema(name))[name]
    assert keyspace.types["zip"].as_cql() == (
        f"CREATE TYPE {name}.zip (\n    code int,\n    places frozen<list<text>>\n);"
    )
    table = keyspace.tables["t"]
    assert table.as_cql().startswith(f"CREATE TABLE {name}.t (\n    a int,\n    ")
    assert 'PRIMARY KEY ((a, "B"), c, d)\n' in table.as_cql()
    assert "CREATE INDEX" not in table.as_cql()
    together = table.as_cql(children=True)
    assert f"CREATE INDEX named ON {name}.t (keys(m));" in together
    assert f"CREATE MATERIALIZED VIEW {name}.by_c AS\n" in together
    assert keyspace.as_cql().count("CREATE") == 1
    assert keyspace.as_cql(children=True).count("CREATE") == len(EVERYTHING) + 1
    quoted = keyspace.tables["select"].as_cql()
    assert quoted.startswith(
        f'CREATE TABLE {name}."select" (\n    "order" int,\n    "Qu""ote" counter'
    )


async def test_only_what_has_changed_is_read_again(session, name, face):
    other = f"{name}_o"
    await make(session, name)
    await make(session, other, EVERYTHING[:3])
    cluster = session.cluster
    first = await cluster.schema()
    again = await cluster.schema()
    assert again[name] is first[name]
    await session.execute(f"CREATE TABLE {name}.later (id int PRIMARY KEY)")
    changed = await cluster.schema()
    assert "later" in changed[name].tables
    assert changed[other] is first[other]
    assert changed["system"] is first["system"]
    assert "later" not in first[name].tables
    await session.execute(f"ALTER TYPE {name}.zip ADD country text")
    altered = await cluster.schema(name)
    assert "country" in altered[name].types["zip"].fields


async def test_changes_by_others_are_heard_of(session, name, face):
    async with face.connect() as other:
        await other.execute(f"CREATE KEYSPACE {name} WITH replication = {REPLICATION}")
        await other.execute(f"CREATE TABLE {name}.t (id int PRIMARY KEY)")
    # Events take a moment; the test's own timeout is the limit.
    schema = await session.cluster.schema()
    while name not in schema or "t" not in schema[name].tables:
        schema = await session.cluster.schema()
    async with face.connect() as other:
        await other.execute(f"ALTER TABLE {name}.t ADD v int")
    while "v" not in schema[name].tables["t"].columns:
        schema = await session.cluster.schema()


async def test_without_events_everything_is_read_each_time(face, name):
    async with face.connect(schema_events=False) as session, face.connect() as other:
        await session.cluster.schema()
        await other.execute(f"CREATE KEYSPACE {name} WITH replication = {REPLICATION}")
        assert name in await session.cluster.schema()
        await other.execute(f"CREATE TABLE {name}.t (id int PRIMARY KEY)")
        assert "t" in (await session.cluster.schema(name))[name].tables
        # And its own keyspaces are known to the pools all the same.
        await session.execute(f"CREATE KEYSPACE {name}_2 WITH replication = {REPLICATION}")
        assert f"{name}_2" in session.cluster.keyspaces()
        await session.execute(f"DROP KEYSPACE {name}_2")
        assert f"{name}_2" not in session.cluster.keyspaces()


async def test_some_keyspaces_only(session, name):
    await make(session, name, EVERYTHING[:3])
    schema = await session.cluster.schema([name, "system", "nobody"])
    assert list(schema) == [name, "system"]
    assert repr(schema) == f"<Schema of {name}, system>"
    assert schema["system"].is_system
    assert list(await session.cluster.schema([])) == []
    for bad in (5, [b"x"], [None]):
        with pytest.raises((exceptions.ConfigurationError, TypeError)):
            await session.cluster.schema(bad)


async def test_what_is_not_there_is_named_with_what_is(session, name):
    await make(session, name, EVERYTHING[:3])
    schema = await session.cluster.schema(name)
    with pytest.raises(KeyError, match=f"there is no keyspace 'nobody'; there are: '{name}'"):
        schema["nobody"]
    with pytest.raises(KeyError, match="there is no table 'u'; there are: 't'"):
        schema[name].tables["u"]
    assert schema.get("nobody") is None


async def test_it_can_be_pickled_and_compared(session, name):
    await make(session, name)
    schema = await session.cluster.schema(name)
    copy = pickle.loads(pickle.dumps(schema))
    assert copy == schema
    assert copy is not schema
    assert copy.as_cql() == schema.as_cql()


async def test_a_large_schema_comes_in_pages(session, name, monkeypatch):
    from shardlane._shared.schema import read

    monkeypatch.setattr(read, "_PAGE_ROWS", 7)
    tables = [
        f"CREATE TABLE {{ks}}.t{n} (a int, b int, c int, PRIMARY KEY (a, b))" for n in range(30)
    ]
    await make(session, name, tables)
    keyspace = (await session.cluster.schema(name))[name]
    assert len(keyspace.tables) == 30
    assert all(len(table.columns) == 3 for table in keyspace.tables.values())


async def test_the_cluster_object_needs_no_session(face, name):
    async with face.cluster() as cluster:
        assert "system" in await cluster.schema()
        assert await cluster.wait_for_schema_agreement() is True
    with pytest.raises(exceptions.SessionClosed):
        await cluster.schema()
    with pytest.raises(exceptions.ConfigurationError, match="timeout"):
        await cluster.wait_for_schema_agreement(-1)
