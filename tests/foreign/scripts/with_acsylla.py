"""What an application does with acsylla. Run as a program: HOST PORT REPLICAS."""

import asyncio
import sys

import acsylla

KEYS = 300


async def main() -> None:
    host, port, replicas = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    cluster = acsylla.create_cluster(
        [host],
        port=port,
        connect_timeout=20.0,
        request_timeout=20.0,
        # The local port it chooses may be taken; by default it then waits for two seconds.
        constant_reconnect_delay_ms=50,
    )
    session = await cluster.create_session()

    async def run(text: str):
        return await session.execute(acsylla.create_statement(text))

    async def bound(prepared, values):
        statement = prepared.bind(page_size=40)
        statement.bind_list(values)
        return await session.execute(statement)

    await run(
        "CREATE KEYSPACE app WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}"
    )
    await run("CREATE TABLE app.t (k int PRIMARY KEY, v text, tags list<text>)")
    await run("CREATE TABLE app.hits (k int PRIMARY KEY, n counter)")
    insert = await session.create_prepared("INSERT INTO app.t (k, v, tags) VALUES (?, ?, ?)")
    select = await session.create_prepared("SELECT v, tags FROM app.t WHERE k = ?")

    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for key in range(KEYS):
        await bound(insert, [key, f"v{key}", ["a", "b"]])
    for key in range(KEYS):
        row = (await bound(select, [key])).first()
        assert (row.v, list(row.tags)) == (f"v{key}", ["a", "b"]), row.as_dict()
    print("routed", 2 * KEYS, flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    scan = acsylla.create_statement("SELECT k FROM app.t", page_size=40)
    found = []
    while True:
        result = await session.execute(scan)
        found += [row.k for row in result]
        if not result.has_more_pages():
            break
        scan.set_page_state(result.page_state())
    assert sorted(found) == list(range(KEYS))
    batch = acsylla.create_batch_logged()
    for key in (1000, 1001):
        statement = insert.bind()
        statement.bind_list([key, "batch", []])
        batch.add_statement(statement)
    await session.execute_batch(batch)
    assert (await bound(select, [1001])).first().v == "batch"
    await run("UPDATE app.hits SET n = n + 3 WHERE k = 1")
    assert (await run("SELECT n FROM app.hits WHERE k = 1")).first().n == 3
    once = "INSERT INTO app.t (k, v) VALUES (2000, 'once') IF NOT EXISTS"
    assert (await run(once)).first().as_dict()["[applied]"] is True
    assert (await run(once)).first().as_dict()["[applied]"] is False
    try:
        await run("SELEC 1")
    except acsylla.errors.CassException:
        pass
    else:
        raise AssertionError("no error for bad CQL")
    await session.close()
    print("done", flush=True)


asyncio.run(main())
