"""What an application does with scylladb-rs-driver. Run as a program: HOST PORT REPLICAS."""

import asyncio
import sys
from typing import Any

from common import KEYS, PAGE_ROWS, PAGES_MIN, Typed, say, wait
from scylla.batch import Batch, BatchType
from scylla.errors import ExecuteError
from scylla.session_builder import SessionBuilder


async def main() -> None:
    host, port, replicas = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    session = await SessionBuilder().contact_points([(host, port)]).connect()
    await session.execute(
        "CREATE KEYSPACE app WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}"
    )
    await session.execute("CREATE TABLE app.t (k int PRIMARY KEY, v text, tags list<text>)")
    await session.execute("CREATE TABLE app.hits (k int PRIMARY KEY, n counter)")
    insert = await session.prepare("INSERT INTO app.t (k, v, tags) VALUES (?, ?, ?)")
    select = await session.prepare("SELECT v, tags FROM app.t WHERE k = ?")

    say("connected")
    await asyncio.to_thread(wait)
    while True:
        for key in range(KEYS):
            await session.execute(insert, (key, f"v{key}", ["a", "b"]))
        for key in range(KEYS):
            rows = await rows_of(session, select, (key,))
            assert rows == [{"v": f"v{key}", "tags": ["a", "b"]}], rows
        say("routed", 2 * KEYS)
        if await asyncio.to_thread(wait):
            break

    await types(session)
    await pages(session)
    await batches_and_conditions(session, insert, select)
    # It has one class for whatever the server answers; the text says which error it was.
    for wrong, expected in (
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM app.t", "syntactically correct but invalid"),
        ("CREATE TABLE app.t (k int PRIMARY KEY)", "already exist"),
    ):
        try:
            await session.execute(wrong)
        except ExecuteError as error:
            assert expected in str(error), error
            continue
        raise AssertionError(f"no error for {wrong}")
    say("done")


async def rows_of(session: Any, statement: Any, values: Any = ()) -> list[Any]:
    result = await session.execute(statement, values)
    rows: list[Any] = await result.all()
    return rows


async def types(session: Any) -> None:
    typed = Typed("scylladb-rs-driver")
    for statement in typed.create:
        await session.execute(statement)
    insert, select = await session.prepare(typed.insert), await session.prepare(typed.select)
    await session.execute(insert, [1, *typed.samples.values()])
    say("typed")
    await asyncio.to_thread(wait)
    for key in (1, 2):
        (row,) = await rows_of(session, select, [key])
        typed.check(row.values())


async def pages(session: Any) -> None:
    scan = (await session.prepare("SELECT k FROM app.t")).with_page_size(PAGE_ROWS)
    result = await session.execute(scan)
    found, count = [], 0
    while result is not None:
        found += [row["k"] for row in result.iter_current_page()]
        count += 1
        result = await result.fetch_next_page()
    assert sorted(found) == list(range(KEYS))
    assert count >= PAGES_MIN, count


async def batches_and_conditions(session: Any, insert: Any, select: Any) -> None:
    for kind in (BatchType.Logged, BatchType.Unlogged):
        batch = Batch(kind)
        batch.add_all([(insert, (key, f"batch {kind}", [])) for key in (1000, 1001)])
        await session.batch(batch)
        assert (await rows_of(session, select, (1001,)))[0]["v"] == f"batch {kind}"
    await session.execute("UPDATE app.hits SET n = n + 3 WHERE k = 1")
    count = await session.prepare("UPDATE app.hits SET n = n + ? WHERE k = ?")
    batch = Batch(BatchType.Counter)
    batch.add_all([(count, (-1, 1)), (count, (7, 2))])
    await session.batch(batch)
    for key, expected in ((1, 2), (2, 7)):
        counted = await rows_of(session, f"SELECT n FROM app.hits WHERE k = {key}")
        assert counted == [{"n": expected}]
    once = await session.prepare("INSERT INTO app.t (k, v) VALUES (?, ?) IF NOT EXISTS")
    assert (await rows_of(session, once, (2000, "once")))[0]["[applied]"] is True
    (again,) = await rows_of(session, once, (2000, "twice"))
    assert (again["[applied]"], again["v"]) == (False, "once"), again


asyncio.run(main())
