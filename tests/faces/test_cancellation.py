"""Giving up requests of the asyncio face, in all the ways asyncio has."""

# ruff: noqa: SIM117, PT012, ASYNC110, PERF401 - blocks show what happens while a fault is in force.

from __future__ import annotations

import asyncio

import pytest

from shardlane.testing import faults

TABLE = "CREATE TABLE users (id int PRIMARY KEY, name text)"
INSERT = "INSERT INTO users (id, name) VALUES (?, ?)"
SELECT = "SELECT name FROM users WHERE id = ?"
SILENT = faults.opcode("EXECUTE") & faults.text("users")


@pytest.fixture
def face(face):
    if face.is_blocking:
        pytest.skip("asyncio only")
    return face


async def fill(session):
    await session.execute(TABLE)
    await session.execute_many(INSERT, [(n, f"n{n}") for n in range(50)])
    await session.prepare(SELECT)


async def until(fault, hits=1):
    while fault.hits < hits:
        await asyncio.sleep(0)


async def still_in_order(session):
    """Whatever was given up, the others get their own answers."""
    results = await asyncio.gather(*(session.execute(SELECT, [n]) for n in range(50)))
    assert [result.scalar() for result in results] == [f"n{n}" for n in range(50)]


async def test_task_cancel(session, server):
    await fill(session)
    with server.fault(SILENT, faults.silence()) as fault:
        task = asyncio.create_task(session.execute(SELECT, [1]))
        await until(fault)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
    await still_in_order(session)


async def test_cancelled_before_it_began(session):
    await fill(session)
    task = asyncio.create_task(session.execute(SELECT, [1]))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await still_in_order(session)


async def test_cancelled_when_the_answer_is_on_its_way(session):
    """A race on purpose: whoever wins, nothing may be mixed up."""
    await fill(session)
    for rounds in range(100):
        task = asyncio.create_task(session.execute(SELECT, [rounds % 50]))
        for _ in range(rounds % 7):
            await asyncio.sleep(0)
        task.cancel()
        try:
            assert (await task).scalar() == f"n{rounds % 50}"
        except asyncio.CancelledError:
            assert task.cancelled()
    await still_in_order(session)


async def test_asyncio_timeout(session, server):
    await fill(session)
    with server.fault(SILENT, faults.silence()):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await session.execute(SELECT, [1])
    await still_in_order(session)


async def test_wait_for(session, server):
    await fill(session)
    with server.fault(SILENT, faults.silence()):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(session.execute(SELECT, [1]), 0.1)
    assert (await asyncio.wait_for(session.execute(SELECT, [1]), 10)).scalar() == "n1"
    await still_in_order(session)


async def test_shield(session, server):
    await fill(session)
    with server.fault(SILENT & faults.first(1), faults.delay(0.3)) as fault:
        inner = asyncio.ensure_future(session.execute(SELECT, [1]))
        outer = asyncio.ensure_future(asyncio.shield(inner))
        await until(fault)
        outer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outer
        assert (await inner).scalar() == "n1"


async def test_gather(session, server):
    await fill(session)
    with server.fault(SILENT, faults.silence()) as fault:
        group = asyncio.gather(*(session.execute(SELECT, [n]) for n in range(10)))
        await until(fault, 10)
        group.cancel()
        with pytest.raises(asyncio.CancelledError):
            await group
    await still_in_order(session)


async def test_gather_with_a_failure(session):
    await fill(session)
    results = await asyncio.gather(
        session.execute(SELECT, [1]),
        session.execute("nonsense"),
        session.execute(SELECT, [2]),
        return_exceptions=True,
    )
    assert [results[0].scalar(), results[2].scalar()] == ["n1", "n2"]
    assert type(results[1]).__name__ == "CqlSyntaxError"


async def test_task_group(session, server):
    await fill(session)
    with server.fault(SILENT, faults.silence()) as fault:
        with pytest.raises(ExceptionGroup) as caught:  # noqa: F821
            async with asyncio.TaskGroup() as group:
                for n in range(10):
                    group.create_task(session.execute(SELECT, [n]))
                await until(fault, 10)
                group.create_task(session.execute("nonsense"))
        assert [type(error).__name__ for error in caught.value.exceptions] == ["CqlSyntaxError"]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(session.execute(SELECT, [n])) for n in range(50)]
    assert [task.result().scalar() for task in tasks] == [f"n{n}" for n in range(50)]


async def test_execute_many_is_given_up_as_a_whole(session, server):
    await fill(session)
    with server.fault(SILENT, faults.silence()) as fault:
        task = asyncio.create_task(
            session.execute_many(SELECT, ([n] for n in range(1000)), concurrency=32)
        )
        await until(fault, 32)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await still_in_order(session)


async def test_iteration_is_given_up(session, server):
    await session.execute("CREATE TABLE numbers (k int, n int, PRIMARY KEY (k, n))")
    insert = "INSERT INTO numbers (k, n) VALUES (?, ?)"
    await session.execute_many(insert, ((1, n) for n in range(20)))
    result = await session.execute("SELECT n FROM numbers WHERE k = ?", [1], page_size=5)
    seen = []
    with server.fault(faults.opcode("EXECUTE") & faults.text("numbers"), faults.silence()):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                async for row in result:
                    seen.append(row.n)
    assert seen == list(range(5))
    assert [row.n async for row in result] == list(range(20))


async def test_connecting_is_given_up(face, server):
    with server.fault(faults.opcode("STARTUP"), faults.silence()):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                async with face.connect():
                    pass


async def test_waiting_for_several_at_once(session, server):
    await fill(session)
    with server.fault(SILENT & faults.first(1), faults.delay(0.2)) as fault:
        slow = asyncio.ensure_future(session.execute(SELECT, [1]))
        await until(fault)
        fast = asyncio.ensure_future(session.execute(SELECT, [2]))
        done, pending = await asyncio.wait([slow, fast], return_when=asyncio.FIRST_COMPLETED)
        assert (done, pending) == ({fast}, {slow})
        assert (await slow).scalar() == "n1"
    order = [
        (await each).scalar()
        for each in asyncio.as_completed([session.execute(SELECT, [n]) for n in range(20)])
    ]
    assert sorted(order) == sorted(f"n{n}" for n in range(20))


async def test_debug_mode(face):
    asyncio.get_running_loop().set_debug(True)
    async with face.connect() as session:
        await fill(session)
        await still_in_order(session)


async def test_context_variables_stay_those_of_their_task(session):
    import contextvars

    await fill(session)
    number = contextvars.ContextVar("number", default=-1)

    async def one(n):
        number.set(n)
        for _ in range(5):
            await session.execute(SELECT, [n])
            assert number.get() == n

    await asyncio.gather(*(one(n) for n in range(50)))
    assert number.get() == -1
