"""Results of the blocking face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shardlane._shared.paging import Paging
from shardlane._shared.results import BaseResult, RowT

from ._wait import wait

if TYPE_CHECKING:
    from collections.abc import Iterator


class Result(BaseResult[RowT]):
    """The outcome of one execution: rows, and what the server said about them.

    Iterating goes over the rows of all pages; while one page is gone through, the next one is
    fetched. Each ``for`` begins at the first row again, and fetches further pages again.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[RowT]:
        """Iterate over the rows of all pages.

        Raises:
            RequestError: a further page could not be fetched; each has the timeout of the
                execution.
            DecodeError: the server sent no value of a column's type.
        """
        if self._more is None:
            return iter(self.page_rows)
        return self._rows()

    def _rows(self) -> Iterator[RowT]:
        for rows in self.pages():
            yield from rows

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
        paging = Paging(self._page, self._more)
        try:
            while (page := wait(paging.advance())) is not None:
                yield page.rows()
        finally:
            paging.close()

    def all(self) -> list[RowT]:
        """Return the rows of all pages.

        Raises:
            RequestError: a further page could not be fetched; each has the timeout of the
                execution.
            DecodeError: the server sent no value of a column's type.
        """
        return list(self)
