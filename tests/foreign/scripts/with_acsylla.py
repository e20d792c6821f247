"""What an application does with acsylla. Run as a program: HOST PORT REPLICAS."""

import asyncio
import sys
from ipaddress import ip_address
from time import monotonic
from typing import Any
from uuid import UUID

import acsylla
from acsylla import errors
from common import KEYS, PAGE_ROWS, PAGES_MIN, Typed, say, wait


async def main() -> None:
    host, port, replicas = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    cluster = acsylla.create_cluster(
        [host],
        port=port,
        connect_timeout=20.0,
        request_timeout=20.0,
        # The local port it chooses may be taken; by default it then waits for two seconds.
        constant_reconnect_delay_ms=50,
        # Above those that the system gives to everybody: it does not always come back to a shard
        # for which its choice was taken.
        local_port_range_min=61000,
        local_port_range_max=65535,
    )
    session = await cluster.create_session()
    await until_connected(session)
    await run(
        session,
        "CREATE KEYSPACE app WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}",
    )
    await run(session, "CREATE TABLE app.t (k int PRIMARY KEY, v text, tags list<text>)")
    await run(session, "CREATE TABLE app.hits (k int PRIMARY KEY, n counter)")
    insert = await session.create_prepared("INSERT INTO app.t (k, v, tags) VALUES (?, ?, ?)")
    select = await session.create_prepared("SELECT v, tags FROM app.t WHERE k = ?")

    say("connected")
    await asyncio.to_thread(wait)
    while True:
        for key in range(KEYS):
            await session.execute(insert.bind([key, f"v{key}", ["a", "b"]]))
        for key in range(KEYS):
            row = (await session.execute(select.bind([key]))).first()
            assert (row.v, list(row.tags)) == (f"v{key}", ["a", "b"]), row.as_dict()
        say("routed", 2 * KEYS)
        if await asyncio.to_thread(wait):
            break

    await types(session)
    await pages(session)
    await batches_and_conditions(session, insert, select)
    for wrong, expected in (
        ("SELEC 1", errors.CassErrorServerSyntaxError),
        ("SELECT nope FROM app.t", errors.CassErrorServerInvalidQuery),
        ("CREATE TABLE app.t (k int PRIMARY KEY)", errors.CassErrorServerAlreadyExists),
    ):
        try:
            await run(session, wrong)
        except expected:
            continue
        raise AssertionError(f"no error for {wrong}")
    await session.close()
    say("done")


async def run(session: Any, text: str) -> Any:
    return await session.execute(acsylla.create_statement(text))


async def until_connected(session: Any) -> None:
    """When its choices of local ports are taken it has no connection at first, and says so."""
    ends_at = monotonic() + 20
    while not await is_connected(session):
        assert monotonic() < ends_at, "no connection"
        await asyncio.sleep(0.01)


async def is_connected(session: Any) -> bool:
    try:
        await run(session, "SELECT key FROM system.local")
    except errors.CassErrorLibNoHostsAvailable:
        return False
    return True


async def types(session: Any) -> None:
    typed = Typed("acsylla")
    for statement in typed.create:
        await run(session, statement)
    insert = await session.create_prepared(typed.insert)
    select = await session.create_prepared(typed.select)
    await session.execute(insert.bind([1, *typed.samples.values()]))
    say("typed")
    await asyncio.to_thread(wait)
    for key in (1, 2):
        row = (await session.execute(select.bind([key]))).first()
        typed.check(map(plain, typed.samples, row.as_tuple()))


def plain(cql_type: str, value: Any) -> Any:
    """The value as the samples have it."""
    made = {"inet": ip_address, "uuid": UUID, "timeuuid": UUID}.get(cql_type)
    return made(value) if made else value


async def pages(session: Any) -> None:
    scan = acsylla.create_statement("SELECT k FROM app.t", page_size=PAGE_ROWS)
    found, count = [], 0
    while True:
        result = await session.execute(scan)
        found += [row.k for row in result]
        count += 1
        if not result.has_more_pages():
            break
        scan.set_page_state(result.page_state())
    assert sorted(found) == list(range(KEYS))
    assert count >= PAGES_MIN, count


async def batches_and_conditions(session: Any, insert: Any, select: Any) -> None:
    for batch in (acsylla.create_batch_logged(), acsylla.create_batch_unlogged()):
        mark = repr(batch)
        for key in (1000, 1001):
            batch.add_statement(insert.bind([key, mark, []]))
        await session.execute_batch(batch)
        assert (await session.execute(select.bind([1001]))).first().v == mark
    await run(session, "UPDATE app.hits SET n = n + 3 WHERE k = 1")
    count = await session.create_prepared("UPDATE app.hits SET n = n + ? WHERE k = ?")
    batch = acsylla.create_batch_counter()
    batch.add_statement(count.bind([-1, 1]))
    batch.add_statement(count.bind([7, 2]))
    await session.execute_batch(batch)
    for key, expected in ((1, 2), (2, 7)):
        counted = await run(session, f"SELECT n FROM app.hits WHERE k = {key}")
        assert counted.first().n == expected
    once = await session.create_prepared("INSERT INTO app.t (k, v) VALUES (?, ?) IF NOT EXISTS")
    assert (await session.execute(once.bind([2000, "once"]))).first().as_dict()["[applied]"] is True
    again = (await session.execute(once.bind([2000, "twice"]))).first().as_dict()
    assert (again["[applied]"], again["v"]) == (False, "once"), again


asyncio.run(main())
