"""Results of the blocking face."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from shardlane._shared.checks import seconds
from shardlane._shared.paging import Paging
from shardlane._shared.results import TRACE_WAIT, BaseResult, RowT

from ._wait import wait as carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shardlane import _core
    from shardlane._shared.paging import Continuation
    from shardlane._shared.traces import Trace


class Result(BaseResult[RowT]):
    """The outcome of one execution: rows, and what the server said about them.

    Iterating goes over the rows of all pages; while one page is gone through, the next one is
    fetched. Each ``for`` begins at the first row again, and fetches further pages again.

    The rows of a large page are decoded some thousands at a time, by each iteration again, so that
    they need not all be there at once.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[RowT]:
        """Iterate over the rows of all pages.

        Raises:
            RequestError: a further page could not be fetched; each has the timeout of the
                execution.
            DecodeError: the server sent no value of a column's type.
        """
        return chain.from_iterable(self._slices())

    def _slices(self) -> Iterator[list[RowT]]:
        if self._more is None:
            return self._page.slices()
        return chain.from_iterable(page.slices() for page in self._pages(self._more))

    def _pages(self, more: Continuation) -> Iterator[_core.Page]:
        paging = Paging(self._page, more)
        try:
            while (page := carry_out(paging.advance())) is not None:
                yield page
        finally:
            paging.close()

    def pages(self) -> Iterator[list[RowT]]:
        """Iterate over pages, each a list of rows, the next one being fetched meanwhile.

        Raises:
            RequestError: a further page could not be fetched; each has the timeout of the
                execution.
            DecodeError: the server sent no value of a column's type.
        """
        if self._more is None:
            yield self.page_rows
            return
        for page in self._pages(self._more):
            yield page.rows()

    def all(self) -> list[RowT]:
        """Return the rows of all pages.

        Raises:
            RequestError: a further page could not be fetched; each has the timeout of the
                execution.
            DecodeError: the server sent no value of a column's type.
        """
        rows: list[RowT] = []
        for some in self._slices():
            rows += some
        return rows

    def trace(self, wait: float = TRACE_WAIT) -> Trace:
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

        return carry_out(fetch(self._page, wait))
