"""Results of several pages."""

# ruff: noqa: SIM117, PT012, PERF401 - blocks show what happens while a fault is in force.

from __future__ import annotations

import pytest

from shardlane import exceptions
from shardlane.testing import faults

ROWS = 25
QUERY = "SELECT n FROM numbers WHERE k = ?"


async def fill(session, rows=ROWS):
    await session.execute("CREATE TABLE numbers (k int, n int, PRIMARY KEY (k, n))")
    insert = "INSERT INTO numbers (k, n) VALUES (?, ?)"
    await session.execute_many(insert, ((1, n) for n in range(rows)))


@pytest.mark.parametrize("page_size", [1, 7, 24, 25, 26, 1000, None])
async def test_all_pages(session, page_size):
    await fill(session)
    result = await session.execute(QUERY, [1], page_size=page_size)
    assert await result.all() == [(n,) for n in range(ROWS)]
    assert [row.n async for row in result] == list(range(ROWS))
    pages = [[row.n for row in page] async for page in result.pages()]
    assert [n for page in pages for n in page] == list(range(ROWS))
    if page_size is not None:
        assert all(len(page) <= page_size for page in pages)
    else:
        assert len(pages) == 1


@pytest.mark.parametrize("statement", ["text", "prepared", "plain"])
async def test_each_way_of_executing_has_pages(session, statement):
    await fill(session)
    if statement == "plain":
        result = await session.execute("SELECT n FROM numbers WHERE k = 1", page_size=10)
    elif statement == "text":
        result = await session.execute(QUERY, [1], page_size=10)
    else:
        result = await session.execute(await session.prepare(QUERY), {"k": 1}, page_size=10)
    assert result.has_more
    assert len(result.page_rows) == 10
    assert "more pages" in repr(result)
    assert [row.n async for row in result] == list(range(ROWS))


async def test_the_row_factory_holds_for_all_pages(session):
    await fill(session)
    result = await session.execute(QUERY, [1], page_size=10, row_factory="dict")
    assert await result.all() == [{"n": n} for n in range(ROWS)]


async def test_going_on_from_a_paging_state(session):
    await fill(session)
    first = await session.execute(QUERY, [1], page_size=10)
    rest = await session.execute(QUERY, [1], page_size=10, paging_state=first.paging_state)
    assert [row.n async for row in rest] == list(range(10, ROWS))


async def test_plain_iteration_over_several_pages(session, face):
    await fill(session)
    result = await session.execute(QUERY, [1], page_size=10)
    if face.is_blocking:
        assert [row.n for row in result] == list(range(ROWS))
    else:
        with pytest.raises(exceptions.MultiplePages, match="async for"):
            iter(result)


async def test_an_abandoned_iteration_leaves_the_session_in_order(session):
    await fill(session)
    result = await session.execute(QUERY, [1], page_size=5)
    async for row in result:
        if row.n == 7:
            break
    assert [row.n async for row in result] == list(range(ROWS))


async def test_the_next_page_is_fetched_meanwhile(session, server, face):
    await fill(session)
    await session.prepare(QUERY)
    result = await session.execute(QUERY, [1], page_size=10)
    counter = server.fault(faults.opcode("EXECUTE") & faults.text("numbers"), faults.delay(0.0))
    with counter:
        pages = aiter(result.pages())
        assert [row.n for row in await anext(pages)] == list(range(10))
        # Nobody has asked for the second page yet, but it is on its way; likewise the third.
        await face.until(counter, 1)
        assert [row.n for row in await anext(pages)] == list(range(10, 20))
        await face.until(counter, 2)
        assert len(await anext(pages)) == 5
        with pytest.raises(StopAsyncIteration):
            await anext(pages)
        assert counter.hits == 2


async def test_a_page_that_cannot_be_fetched(session, server):
    await fill(session)
    result = await session.execute(QUERY, [1], page_size=10)
    seen = []
    fault = faults.error(exceptions.ReadTimeout, "too slow", received=1, block_for=2)
    with server.fault(faults.opcode("EXECUTE"), fault):
        with pytest.raises(exceptions.ReadTimeout, match="too slow"):
            async for row in result:
                seen.append(row.n)
    assert seen == list(range(10))


async def test_statements_pushed_out_of_the_cache_while_paging(face):
    async with face.connect(statement_cache_size=1) as session:
        await fill(session)
        result = await session.execute(QUERY, [1], page_size=5)
        seen = []
        async for row in result:
            seen.append(row.n)
            await session.execute("SELECT k FROM numbers WHERE k = ?", [row.n])
        assert seen == list(range(ROWS))
