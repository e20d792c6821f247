"""Results of the asyncio face."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from shardlane._shared.checks import seconds
from shardlane._shared.paging import Paging, whole
from shardlane._shared.results import TRACE_WAIT, BaseResult, RowT
from shardlane.exceptions import MultiplePages

from ._drive import drive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from shardlane._shared.traces import Trace


class Result(BaseResult[RowT]):
    """The outcome of one execution: rows, and what the server said about them.

    ``async for`` goes over the rows of all pages; while one page is gone through, the next one is
    fetched. Each loop begins at the first row again, and fetches further pages again. A result
    that has one page only, which is most of them, can be gone through with plain ``for`` as well.

    The rows of a large page are decoded some thousands at a time, and other tasks get their turn
    in between, as they do before a page that is there already. Each iteration decodes them again.
    """

    __slots__ = ()

    async def __aiter__(self) -> AsyncIterator[RowT]:
        """Iterate over the rows of all pages.

        Raises:
            RequestError: a further page could not be fetched; each has the timeout of the
                execution.
            DecodeError: the server sent no value of a column's type.
        """
        paging = Paging(self._page, self._more)
        try:
            while (rows := await drive(paging.advance_slice())) is not None:
                for row in rows:
                    yield row
        finally:
            paging.close()

    def __iter__(self) -> Iterator[RowT]:
        """Iterate over the rows of a result that has a single page.

        Raises:
            MultiplePages: there are more pages, which cannot be fetched without awaiting.
            DecodeError: the server sent no value of a column's type.
        """
        if self._more is not None:
            raise MultiplePages(
                "the result has more than one page",
                hint="use `async for`, `await result.all()`, or `page_rows` for the first page",
            )
        return chain.from_iterable(self._page.slices())

    async def pages(self) -> AsyncIterator[list[RowT]]:
        """Iterate over pages, each a list of rows, the next one being fetched meanwhile.

        Raises:
            RequestError: a further page could not be fetched; each has the timeout of the
                execution.
            DecodeError: the server sent no value of a column's type.
        """
        paging = Paging(self._page, self._more)
        try:
            while (page := await drive(paging.advance())) is not None:
                yield await drive(whole(page))
        finally:
            paging.close()

    async def all(self) -> list[RowT]:
        """Return the rows of all pages.

        Raises:
            RequestError: a further page could not be fetched; each has the timeout of the
                execution.
            DecodeError: the server sent no value of a column's type.
        """
        if self._more is None:
            return list(await drive(whole(self._page)))
        rows: list[RowT] = []
        paging = Paging(self._page, self._more)
        try:
            while (some := await drive(paging.advance_slice())) is not None:
                rows += some
        finally:
            paging.close()
        return rows

    async def trace(self, wait: float = TRACE_WAIT) -> Trace:
        """Return what the servers did for this execution, which had ``tracing=True``.

        Servers write traces down after they have answered, so it is read until it is complete.

        Args:
            wait: seconds to wait for that at most; what is there by then is returned.

        Raises:
            ConfigurationError: ``wait`` is not a number of seconds.
            TraceUnavailable: the execution was not traced, or nothing was written down in time.
            RequestError: the trace could not be read.
        """
        seconds("wait", wait, zero=True)
        from shardlane._shared.traces import fetch

        return await drive(fetch(self._page, wait))
