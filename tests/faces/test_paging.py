"""Results of several pages."""

# ruff: noqa: SIM117, PT012, PERF401 - blocks show what happens while a fault is in force.

from __future__ import annotations

import asyncio

import pytest

from shardlane import exceptions
from shardlane._shared.paging import TURN, Paging
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


# Large pages are decoded in slices.

LARGE = 5000
SLICE = 1000


class Counting:
    """A row factory that counts its rows."""

    def __init__(self):
        self.count = 0

    def __call__(self, n):
        self.count += 1
        return n


async def select_large(session, **options):
    await fill(session, LARGE)
    counting = Counting()
    result = await session.execute(QUERY, [1], row_factory=counting, **options)
    return result, counting


@pytest.mark.parametrize("page_size", [None, LARGE - 1], ids=["one page", "two pages"])
async def test_rows_are_decoded_when_they_are_reached(session, page_size):
    result, counting = await select_large(session, page_size=page_size)
    rows = aiter(result)
    seen = [await anext(rows) for _ in range(SLICE)]
    assert seen == list(range(SLICE))
    assert counting.count == SLICE
    seen.append(await anext(rows))
    assert counting.count == 2 * SLICE
    seen += [n async for n in rows]
    assert seen == list(range(LARGE))
    assert counting.count == LARGE


async def test_the_list_of_a_page_is_made_once(session):
    result, counting = await select_large(session, page_size=None)
    assert result.page_rows == list(range(LARGE))
    assert result.page_rows is result.page_rows
    assert [n async for n in result] == await result.all() == list(range(LARGE))
    assert result.one() == 0
    assert counting.count == LARGE


async def test_all_rows_of_a_large_page(session):
    result, counting = await select_large(session, page_size=None)
    rows = await result.all()
    assert rows == list(range(LARGE))
    rows.clear()
    assert [page async for page in result.pages()] == [list(range(LARGE))]
    assert counting.count == 2 * LARGE
    assert await result.all() == list(range(LARGE))


async def test_a_row_that_cannot_be_made_ends_the_iteration(session):
    await fill(session, LARGE)

    def one_fails(n):
        if n == 3 * SLICE:
            raise ZeroDivisionError
        return n

    result = await session.execute(QUERY, [1], page_size=None, row_factory=one_fails)
    rows = aiter(result)
    seen = []
    with pytest.raises(ZeroDivisionError):
        while True:
            seen.append(await anext(rows))
    assert seen == list(range(3 * SLICE))
    with pytest.raises(StopAsyncIteration):
        await anext(rows)


@pytest.mark.parametrize("how", ["all", "pages", "iterate"])
async def test_other_tasks_get_their_turn_while_a_large_page_is_decoded(session, face, how):
    if face.is_blocking:
        return
    result, counting = await select_large(session, page_size=None)
    seen = []

    async def look():
        while True:
            seen.append(counting.count)
            await asyncio.sleep(0)

    other = asyncio.create_task(look())
    if how == "all":
        await result.all()
    elif how == "pages":
        assert [len(page) async for page in result.pages()] == [LARGE]
    else:
        assert len([row async for row in result]) == LARGE
    other.cancel()
    assert sorted({*seen}) == [*range(SLICE, LARGE, SLICE)]


def test_other_tasks_get_their_turn_before_a_page_that_is_there_already():
    class Page:
        paging_state = b"state"

        def __init__(self, *, has_more):
            self.has_more = has_more

    class Request:
        def __init__(self, *, done):
            self.done = lambda: done

    class Continuation:
        def resolve(self):
            yield from ()

        def begin(self, paging_state):
            return requests.pop()

    for done in (True, False):
        request = Request(done=done)
        requests = [request]
        paging = Paging(Page(has_more=True), Continuation())
        with pytest.raises(StopIteration):
            next(paging.advance())
        steps = paging.advance()
        yielded = next(steps)
        if done:
            assert yielded is TURN
            yielded = steps.send(None)
        assert yielded is request
        with pytest.raises(StopIteration):
            steps.send(Page(has_more=False))
