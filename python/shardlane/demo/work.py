"""The kinds of work: load rows, read them back and check every value, read on the clock."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import data
from .measure import Timing
from .progress import watching

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from shardlane import _core, aio

    from .progress import Progress


@dataclass(frozen=True)
class Statements:
    """The prepared statements of one table."""

    insert: _core.Prepared
    select: _core.Prepared
    select_short: _core.Prepared

    @classmethod
    async def prepare(cls, session: aio.Session[Any], table: str) -> Statements:
        """Prepare them."""
        return cls(
            await session.prepare(data.insert(table)),
            await session.prepare(data.select(table)),
            await session.prepare(data.select(table, data.SHORT_COLUMNS)),
        )


@dataclass
class Checked:
    """Reads whose values were compared with what had been written."""

    right: int = 0
    mismatches: list[str] = field(default_factory=list)

    def note(self, number: int, difference: str | None) -> None:
        """Count one."""
        if difference is None:
            self.right += 1
        else:
            self.mismatches.append(f"row {number}: {difference}")


async def load(
    session: aio.Session[Any],
    statement: _core.Prepared,
    rows: Callable[[int], data.Row],
    count: int,
    concurrency: int,
    progress: Progress,
) -> None:
    """Write the rows from 0 to ``count``."""
    sent = 0

    def counted() -> Iterator[data.Row]:
        nonlocal sent
        for number in range(count):
            yield rows(number)
            sent += 1

    async with watching(progress, lambda: sent):
        await session.execute_many(statement, counted(), concurrency=concurrency)


async def verify(
    session: aio.Session[Any],
    statement: _core.Prepared,
    rows: Callable[[int], data.Row],
    count: int,
    concurrency: int,
    progress: Progress,
) -> Checked:
    """Read the rows from 0 to ``count`` and compare every value."""
    checked = Checked()
    numbers = iter(range(count))

    async def reader() -> None:
        for number in numbers:
            result = await session.execute(statement, data.key(number))
            checked.note(number, data.difference(rows(number), result.one()))

    async with watching(progress, lambda: checked.right + len(checked.mismatches)):
        await side_by_side(reader, min(concurrency, count))
    return checked


async def measure(
    session: aio.Session[Any],
    statement: _core.Prepared,
    expected: Sequence[data.Row],
    order: Sequence[int],
    concurrency: int,
    progress: Progress,
) -> tuple[Timing, Checked]:
    """Read rows in the given order, and clock each read. The values are checked off the clock."""
    latencies: list[int] = []
    checked = Checked()
    numbers = iter(order)
    keys = [data.key(number) for number in range(len(expected))]

    async def reader() -> None:
        clock, execute = time.perf_counter_ns, session.execute
        for number in numbers:
            key = keys[number]
            began = clock()
            result = await execute(statement, key)
            row = result.one()
            latencies.append(clock() - began)
            if row == expected[number]:
                checked.right += 1
            else:
                checked.note(number, data.difference(expected[number], row, data.SHORT_COLUMNS))

    async with watching(progress, lambda: len(latencies)):
        cpu_began, began = time.process_time(), time.perf_counter()
        await side_by_side(reader, min(concurrency, len(order)))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    return Timing(len(order), seconds, cpu, latencies), checked


async def side_by_side(work: Callable[[], Awaitable[None]], count: int) -> None:
    """Run the same coroutine function many times at once; if one fails, end all and raise."""

    async def run() -> None:
        await work()

    tasks = [asyncio.create_task(run()) for _ in range(count)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
