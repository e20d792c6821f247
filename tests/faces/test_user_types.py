"""Classes and codecs of a cluster object, user-defined types that grow, empty values."""

from __future__ import annotations

import dataclasses
import enum
import uuid
from typing import NamedTuple

import pytest

from shardlane import EMPTY, exceptions


@dataclasses.dataclass(frozen=True)
class Address:
    street: str
    zip: int


class Place(NamedTuple):
    at: Address
    name: str


class Color(enum.Enum):
    RED = "red"


SCHEMA = (
    "CREATE TYPE address (street text, zip int)",
    "CREATE TYPE place (name text, at frozen<address>)",
    (
        "CREATE TABLE people (id int PRIMARY KEY, home frozen<address>, work address,"
        " places frozen<list<frozen<place>>>, known frozen<map<frozen<address>, text>>)"
    ),
)
INSERT = "INSERT INTO people (id, home, work, places, known) VALUES (?, ?, ?, ?, ?)"
SELECT = "SELECT home, work, places, known FROM people WHERE id = ?"
MAIN = Address("Main", 7)


async def make(session, *statements):
    for statement in statements or SCHEMA:
        await session.execute(statement)


async def test_registered_classes_go_in_and_come_out(session):
    await make(session)
    session.cluster.register_udt(session.keyspace, "address", Address)
    session.cluster.register_udt(session.keyspace, "place", Place)
    place = Place(MAIN, "here")
    await session.execute(INSERT, [1, MAIN, MAIN, [place], {MAIN: "x"}])
    row = (await session.execute(SELECT, [1])).one()
    assert row == (MAIN, MAIN, [place], {MAIN: "x"})
    assert type(row.places[0]) is Place
    # Not prepared, so from the metadata of the rows.
    plain = (await session.execute("SELECT home FROM people")).one()
    assert plain.home == MAIN


async def test_registering_takes_effect_at_once(session):
    await make(session)
    await session.execute(INSERT, [1, ("Main", 7), None, None, None])
    before = await session.prepare(SELECT)
    for text, parameters in ((SELECT, [1]), ("SELECT * FROM people", None)):
        row = (await session.execute(text, parameters)).one()
        assert type(row.home).__name__ == "address"
    session.cluster.register_udt(session.keyspace, "address", dict)
    for text, parameters in ((SELECT, [1]), ("SELECT * FROM people", None)):
        row = (await session.execute(text, parameters)).one()
        assert row.home == {"street": "Main", "zip": 7}
    # What the caller holds stays as it was.
    assert type((await session.execute(before, [1])).one().home).__name__ == "address"
    session.cluster.register_udt(session.keyspace, "address", Address)
    assert (await session.execute(SELECT, [1])).one().home == MAIN


async def test_before_the_first_session_and_for_all_of_them(face):
    async with face.cluster(udt_factory="dict") as cluster:
        cluster.register_udt(face.keyspace, "address", Address)
        session = await face.open(cluster, face.keyspace)
        await make(session)
        await session.execute(INSERT, [1, MAIN, None, [("here", MAIN)], None])
        other = await face.open(cluster, face.keyspace)
        row = (await other.execute(SELECT, [1])).one()
        assert row.home == MAIN
        assert row.places == [{"name": "here", "at": MAIN}]


async def test_codecs_of_types_and_of_columns(session):
    await make(
        session, "CREATE TABLE things (id int PRIMARY KEY, color text, tags list<text>, n int)"
    )
    cluster = session.cluster
    column = (session.keyspace, "things", "color")
    cluster.register_codec(column=column, encode=lambda c: c.value, decode=Color)
    cluster.register_codec("list<text>", encode=str.split, decode=" ".join)
    insert = "INSERT INTO things (id, color, tags, n) VALUES (?, ?, ?, ?)"
    await session.execute(insert, [1, Color.RED, "a b", 3])
    row = (await session.execute("SELECT * FROM things WHERE id = ?", [1])).one()
    assert row == (1, Color.RED, 3, "a b")
    found = await session.execute(
        "SELECT id FROM things WHERE color = ? ALLOW FILTERING", [Color.RED]
    )
    assert found.scalar() == 1
    cluster.register_codec("int", decode=str)
    assert (await session.execute("SELECT id, n FROM things")).one() == ("1", "3")
    with pytest.raises(exceptions.ConfigurationError, match="lint"):
        cluster.register_codec("lint", decode=str)


async def test_a_codec_on_the_partition_key_routes(session):
    await make(session, "CREATE TABLE keyed (id text PRIMARY KEY, v int)")
    session.cluster.register_codec("text", encode=lambda u: u.hex, decode=uuid.UUID)
    ids = [uuid.uuid4() for _ in range(5)]
    for value in ids:
        await session.execute("INSERT INTO keyed (id, v) VALUES (?, 1)", [value])
    insert = await session.prepare("INSERT INTO keyed (id, v) VALUES (?, 1)")
    assert insert.routing([ids[0]])[0] == ids[0].hex.encode()
    rows = await (await session.execute("SELECT id FROM keyed")).all()
    assert {row.id for row in rows} == set(ids)


async def test_enumerations(session):
    await make(session, "CREATE TABLE colors (id text PRIMARY KEY, all set<text>)")
    await session.execute("INSERT INTO colors (id, all) VALUES (?, ?)", [Color.RED, {Color.RED}])
    row = (await session.execute("SELECT * FROM colors WHERE id = ?", [Color.RED])).one()
    assert row == ("red", {"red"})


async def test_a_type_that_grows_under_prepared_statements(session):
    await make(session)
    session.cluster.register_udt(session.keyspace, "address", Address)
    insert = await session.prepare("INSERT INTO people (id, home, work) VALUES (?, ?, ?)")
    select = await session.prepare("SELECT home, work FROM people WHERE id = ?")
    await session.execute(insert, [1, MAIN, MAIN])
    await session.execute("ALTER TYPE address ADD country text")
    # Bound by the old statement: the field is missing at the end.
    await session.execute(insert, [2, MAIN, MAIN])
    again = "INSERT INTO people (id, home, work) VALUES (?, ?, ?) USING TTL 1000"
    full = {"street": "Main", "zip": 7, "country": "DE"}
    await session.execute(again, [3, full, full])
    await session.execute(again, [4, MAIN, {"street": "Main"}])
    for key in (1, 2, 3):
        assert (await session.execute(select, [key])).one() == (MAIN, MAIN)
    session.cluster.register_udt(session.keyspace, "address", dict)
    old = {"street": "Main", "zip": 7, "country": None}
    text = "SELECT home, work FROM people WHERE id = ?"
    assert (await session.execute(text, [1])).one() == (old, old)
    assert (await session.execute(text, [2])).one() == (old, old)
    assert (await session.execute(text, [3])).one() == (full, full)
    short = {"street": "Main", "zip": None, "country": None}
    assert (await session.execute(text, [4])).one() == (old, short)


async def test_empty_values(face):
    async with face.connect() as session, face.connect(empty_values="keep") as keeping:
        await make(session, "CREATE TABLE empties (id int PRIMARY KEY, n int, t text)")
        await session.execute("INSERT INTO empties (id, n, t) VALUES (?, ?, ?)", [1, EMPTY, EMPTY])
        await session.execute("INSERT INTO empties (id, n, t) VALUES (2, null, null)")
        select = "SELECT n, t FROM empties WHERE id = ?"
        assert (await session.execute(select, [1])).one() == (None, "")
        assert (await keeping.execute(select, [1])).one() == (EMPTY, "")
        assert (await keeping.execute(select, [2])).one() == (None, None)
        await session.execute("ALTER TABLE empties ADD s smallint")
        with pytest.raises(
            exceptions.BadValue, match=r"s \(smallint\): the type has no empty value"
        ):
            await session.execute("UPDATE empties SET s = ? WHERE id = 1", [EMPTY])


async def test_options_are_checked(face):
    for options in ({"udt_factory": "list"}, {"empty_values": True}):
        with pytest.raises(exceptions.ConfigurationError, match=next(iter(options))):
            face.cluster(**options)
