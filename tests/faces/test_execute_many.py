"""One statement, many parameter sets."""

# ruff: noqa: SIM117 - blocks show what happens while a fault is in force.

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from shardlane import exceptions
from shardlane.testing import faults

TABLE = "CREATE TABLE numbers (id int PRIMARY KEY, square int)"
INSERT = "INSERT INTO numbers (id, square) VALUES (?, ?)"
SELECT = "SELECT square FROM numbers WHERE id = ?"


@pytest.mark.parametrize("concurrency", [1, 2, 7, 128, 1000])
async def test_all_are_executed(session, concurrency):
    await session.execute(TABLE)
    done = await session.execute_many(
        INSERT, ((n, n * n) for n in range(300)), concurrency=concurrency
    )
    assert (done.count, done.succeeded, done.errors, done.results) == (300, 300, (), [])
    found = await session.execute_many(
        SELECT, [(n,) for n in range(300)], concurrency=concurrency, results=True
    )
    assert [result.scalar() for result in found.results] == [n * n for n in range(300)]


async def test_prepared_statements_and_parameters_by_name(session):
    await session.execute(TABLE)
    insert = await session.prepare(INSERT)
    await session.execute_many(insert, [{"id": n, "square": n * n} for n in range(5)])
    many = await session.execute_many(SELECT, [[2], [9]], results=True, row_factory="dict")
    assert [result.one() for result in many.results] == [{"square": 4}, None]


async def test_nothing_to_execute(session):
    await session.execute(TABLE)
    assert (await session.execute_many(INSERT, [])).count == 0


async def test_no_more_is_taken_than_can_be_sent(session, server):
    """Back-pressure: with no answers, as many sets are taken as may be under way."""
    await session.execute(TABLE)
    await session.prepare(INSERT)
    taken = []

    def endless():
        for n in itertools.count():
            taken.append(n)
            yield (n, n)

    with server.fault(faults.opcode("EXECUTE"), faults.silence()):
        with pytest.raises(exceptions.RequestTimeout):
            await session.execute_many(INSERT, endless(), concurrency=16, timeout=0.2)
    assert len(taken) <= 16


async def test_the_first_error_is_raised_and_told_which(session):
    await session.execute(TABLE)
    sets = [(0, 0), (1, "x"), (2, 4), (3, "y")]
    with pytest.raises(exceptions.BadValue, match="square") as caught:
        await session.execute_many(INSERT, sets)
    assert caught.value.parameter_set == 1
    assert "parameter set 1" in str(caught.value)
    assert (await session.execute("SELECT count(*) FROM numbers")).scalar() == 1


async def test_an_error_of_the_server_stops_it(session, server):
    await session.execute(TABLE)
    await session.prepare(INSERT)
    taken = []

    def endless():
        for n in itertools.count():
            taken.append(n)
            yield (n, n)

    condition = faults.opcode("EXECUTE") & faults.first(1)
    with server.fault(condition, faults.error(exceptions.WriteTimeout)):
        with pytest.raises(exceptions.WriteTimeout) as caught:
            await session.execute_many(INSERT, endless(), concurrency=4)
    assert caught.value.parameter_set is not None
    # Everything that was taken has ended: all but the one that failed are there.
    count = (await session.execute("SELECT count(*) FROM numbers")).scalar()
    assert count == len(taken) - 1


async def test_errors_are_collected(session, server):
    await session.execute(TABLE)
    sets = [(n, "x" if n % 3 == 0 else n) for n in range(10)]
    many = await session.execute_many(
        INSERT, sets, raise_on_error=False, results=True, concurrency=3
    )
    assert (many.count, many.succeeded) == (10, 6)
    assert [position for position, _ in many.errors] == [0, 3, 6, 9]
    assert all(isinstance(error, exceptions.BadValue) for _, error in many.errors)
    assert [result is None for result in many.results] == [n % 3 == 0 for n in range(10)]


async def test_a_source_that_fails(session):
    await session.execute(TABLE)

    def broken():
        yield (0, 0)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        await session.execute_many(INSERT, broken())


async def test_a_statement_that_does_not_parse(session):
    with pytest.raises(exceptions.CqlSyntaxError):
        await session.execute_many("INSERT INTO", [(1,)])


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, "many", True])
async def test_concurrency_must_be_a_number(session, concurrency):
    with pytest.raises(exceptions.ConfigurationError, match="concurrency"):
        await session.execute_many("SELECT key FROM system.local", [()], concurrency=concurrency)


async def test_an_unknown_option(session):
    with pytest.raises(TypeError, match="pagesize"):
        await session.execute_many("SELECT key FROM system.local", [()], pagesize=1)


async def test_an_asynchronous_source(session, face):
    if face.is_blocking:
        pytest.skip("the blocking face takes none")
    await session.execute(TABLE)

    async def source():
        for n in range(50):
            yield (n, n * n)

    many = await session.execute_many(INSERT, source(), concurrency=8)
    assert many.count == 50
    assert (await session.execute("SELECT count(*) FROM numbers")).scalar() == 50


async def test_an_asynchronous_source_hears_of_errors(session, face):
    if face.is_blocking:
        pytest.skip("the blocking face takes none")
    await session.execute(TABLE)

    async def source():
        for n in itertools.count():
            yield (n, "x" if n == 20 else n)

    with pytest.raises(exceptions.BadValue) as caught:
        await session.execute_many(INSERT, source(), concurrency=8)
    assert caught.value.parameter_set == 20


async def test_slow_ones_do_not_hold_up_the_others(session, server):
    await session.execute(TABLE)
    await session.prepare(INSERT)
    slow = faults.opcode("EXECUTE") & faults.first(1)
    with server.fault(slow, faults.delay(0.5)) as fault:
        many = await session.execute_many(
            INSERT, ((n, n) for n in range(400)), concurrency=8, timeout=5
        )
        assert fault.hits == 1
    assert many.count == 400


@pytest.mark.parametrize("concurrency", [1, 3, 64])
async def test_a_changed_statement_is_executed_again(session, server, concurrency):
    """Values are encoded anew for what the statement has become; each set is written once."""
    await session.execute(TABLE)
    await session.prepare(INSERT)
    await session.execute("ALTER TABLE numbers DROP square")
    await session.execute("ALTER TABLE numbers ADD square bigint")
    many = await session.execute_many(
        INSERT, [(n, 2**40 + n) for n in range(20)], concurrency=concurrency, raise_on_error=False
    )
    found = await session.execute("SELECT id, square FROM numbers")
    written = {row.id: row.square for row in found.page_rows}
    assert written == {n: 2**40 + n for n in range(20) if n not in dict(many.errors)}


async def test_the_first_of_several_errors_is_raised(session, server):
    await session.execute(TABLE)
    await session.prepare(INSERT)
    with server.fault(faults.opcode("EXECUTE"), faults.error(exceptions.WriteTimeout)):
        with pytest.raises(exceptions.WriteTimeout) as caught:
            await session.execute_many(INSERT, [(n, n) for n in range(8)], concurrency=8)
    assert caught.value.parameter_set == 0


async def test_what_is_no_error_of_a_request_is_raised(session):
    await session.execute(TABLE)
    await session.execute_many(INSERT, [(n, n) for n in range(3)])

    class Wrong:
        def __len__(self):
            raise LookupError("no length")

        def __getitem__(self, at):
            raise LookupError("no item")

    with pytest.raises(LookupError):
        await session.execute_many(INSERT, [(3, 3), Wrong()], raise_on_error=False)


async def test_what_was_taken_is_sent_while_the_source_waits(session, server, face):
    if not face.is_blocking:
        pytest.skip("it would hold up the loop, which may be what drives the connections")
    await session.execute(TABLE)
    await session.prepare(INSERT)
    with server.fault(faults.opcode("EXECUTE"), faults.delay(0)) as fault:

        def source():
            for n in range(1, 4):
                yield (n, n)
                give_up = time.monotonic() + 10
                while fault.hits < n and time.monotonic() < give_up:
                    time.sleep(0.001)
                assert fault.hits == n

        assert (await session.execute_many(INSERT, source())).count == 3


async def test_what_an_asynchronous_source_gave_is_sent_while_it_waits(session, server, face):
    if face.is_blocking:
        pytest.skip("the blocking face takes none")
    await session.execute(TABLE)
    await session.prepare(INSERT)
    with server.fault(faults.opcode("EXECUTE"), faults.delay(0)) as fault:

        async def source():
            for n in range(1, 4):
                yield (n, n)
                async with asyncio.timeout(10):
                    while fault.hits < n:  # noqa: ASYNC110 - the server is in another thread
                        await asyncio.sleep(0.001)

        assert (await session.execute_many(INSERT, source())).count == 3
