"""Going through the pages of a result, the next one being fetched meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shardlane._core import UNSET

from .steps import Options, Parameters, Pause, Statement, Steps

if TYPE_CHECKING:
    from shardlane import _core

TURN = Pause(0.0)
"""What an operation yields where it would go on without waiting: other tasks get their turn."""


class Continuation:
    """How the pages after the first one of an execution are got.

    Args:
        session: the session of the face, kept alive as long as there are pages to get.
        core: its core.
        statement: what was executed; a text with parameters if it was found in the cache.
        parameters: as executed.
        options: as executed.
    """

    __slots__ = ("_core", "_options", "_parameters", "_session", "_statement")

    def __init__(
        self,
        session: object,
        core: _core.Session,
        statement: Statement,
        parameters: Parameters,
        options: Options,
    ) -> None:
        self._session = session
        self._core = core
        self._statement: Statement = statement
        if isinstance(statement, str) and parameters:
            # The prepared statement stays good when its text is pushed out of the cache.
            self._statement = core.cached(statement, options.get("keyspace")) or statement
        self._parameters = parameters
        self._options = options

    def resolve(self) -> Steps[None]:
        """Prepare again what was pushed out of the cache in the meantime."""
        if isinstance(self._statement, str) and self._parameters:
            self._statement = yield self._core.prepare(
                self._statement,
                self._options.get("timeout", UNSET),
                self._options.get("keyspace"),
            )

    def begin(self, paging_state: bytes | None) -> _core.Request[_core.Page]:
        """Begin to fetch the page at ``paging_state``."""
        options = {**self._options, "paging_state": paging_state}
        request = self._core.execute(self._statement, self._parameters, **options)
        assert request is not None
        return request


class Paging:
    """One pass over the pages of a result. At most one request is under way.

    Args:
        first: the page that is there already.
        continuation: how to get the next ones; None if there are none.
    """

    __slots__ = ("_ahead", "_continuation", "_first", "_slices")

    def __init__(self, first: _core.Page, continuation: Continuation | None) -> None:
        self._first: _core.Page | None = first
        self._continuation = continuation
        self._ahead: _core.Request[_core.Page] | None = None
        self._slices: _core.Slices | None = None

    def advance(self) -> Steps[_core.Page | None]:
        """Return the next page, or None after the last one; the one after it is under way then."""
        if self._first is not None:
            page, self._first = self._first, None
            if self._continuation is None:
                return page
            yield from self._continuation.resolve()
        elif self._ahead is not None:
            if self._ahead.done():
                # A server that is faster than whoever uses the rows must not keep others waiting.
                yield TURN
            page = yield self._ahead
            self._ahead = None
        else:
            return None
        if self._continuation is not None and page.has_more:
            self._ahead = self._continuation.begin(page.paging_state)
        return page

    def advance_slice(self) -> Steps[list[Any] | None]:
        """Return the next rows, a page or less; None after the last ones."""
        if self._slices is not None and self._slices.has_more:
            yield TURN
        else:
            page = yield from self.advance()
            if page is None:
                return None
            self._slices = page.slices()
        return next(self._slices)

    def close(self) -> None:
        """Give up what is under way."""
        if self._ahead is not None:
            self._ahead.cancel()
            self._ahead = None


def whole(page: _core.Page) -> Steps[list[Any]]:
    """Return all rows of a page; others get their turn where decoding takes long."""
    slices = page.slices()
    rows = next(slices)
    while slices.has_more:
        yield TURN
        rows += next(slices)
    return rows
