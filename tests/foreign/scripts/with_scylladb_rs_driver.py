"""What an application does with scylladb-rs-driver. Run as a program: HOST PORT REPLICAS."""

import asyncio
import sys

from scylla.session_builder import SessionBuilder

KEYS = 300


async def rows_of(result) -> list:
    rows = []
    while result is not None:
        rows += result.iter_current_page()
        result = await result.fetch_next_page()
    return rows


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

    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for key in range(KEYS):
        await session.execute(insert, (key, f"v{key}", ["a", "b"]))
    for key in range(KEYS):
        rows = await rows_of(await session.execute(select, (key,)))
        assert rows == [{"v": f"v{key}", "tags": ["a", "b"]}], rows
    print("routed", 2 * KEYS, flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    scan = (await session.prepare("SELECT k FROM app.t")).with_page_size(40)
    found = await rows_of(await session.execute(scan))
    assert sorted(row["k"] for row in found) == list(range(KEYS))
    await session.execute("UPDATE app.hits SET n = n + 3 WHERE k = 1")
    counted = await rows_of(await session.execute("SELECT n FROM app.hits WHERE k = 1"))
    assert counted[0]["n"] == 3, counted
    once = "INSERT INTO app.t (k, v) VALUES (2000, 'once') IF NOT EXISTS"
    assert (await rows_of(await session.execute(once)))[0]["[applied]"] is True
    assert (await rows_of(await session.execute(once)))[0]["[applied]"] is False
    try:
        await session.execute("SELEC 1")
    except Exception as error:  # its exception classes change from release to release
        assert "SELEC" in str(error) or "yntax" in str(error), error
    else:
        raise AssertionError("no error for bad CQL")
    print("done", flush=True)


asyncio.run(main())
