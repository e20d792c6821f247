"""The same statement for many parameter sets, with a bounded number of requests under way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shardlane._core import UNSET
from shardlane.exceptions import BadValue, PreparedStatementChanged, ShardlaneError

from .checks import positive
from .steps import Deadline, Options, Parameters, Statement, Steps

if TYPE_CHECKING:
    from shardlane import _core

R = TypeVar("R")

CONCURRENCY = 128
"""Requests of one ``execute_many`` under way, unless told otherwise."""

MOST_CONCURRENT = 1_000_000
"""A bound for ``concurrency``: what a list of requests under way may hold."""

_END: Any = object()


@dataclass(frozen=True)
class ManyResult(Generic[R]):
    """What an ``execute_many`` did."""

    count: int
    """Parameter sets executed, those that failed included."""
    errors: tuple[tuple[int, ShardlaneError], ...] = ()
    """With ``raise_on_error=False``, positions (from 0) of parameter sets that failed, and why."""
    results: list[R | None] = field(default_factory=list, repr=False)
    """With ``results=True`` one result for each parameter set, in order; None where it failed."""

    @property
    def succeeded(self) -> int:
        """Parameter sets executed without an error."""
        return self.count - len(self.errors)


class Window(Generic[R]):
    """The requests under way, and what became of those that have ended.

    Which request to wait for: the oldest would do if all took the same time. But a single slow one
    would then hold up everything behind it, so the wait is for the one at a quarter of the window,
    and whatever else has ended by then is taken out and replaced, too. Up to a quarter of the
    requests may be slow before the window runs empty.
    """

    def __init__(
        self,
        keep: Callable[[_core.Page, Parameters], R] | None,
        raise_on_error: bool,
        execute: Callable[[Parameters], _core.Request[_core.Page]],
    ) -> None:
        self._keep = keep
        self._raise_on_error = raise_on_error
        self._execute = execute
        self._again: set[int] = set()
        self._under_way: list[tuple[int, Parameters, _core.Request[_core.Page]]] = []
        self._errors: list[tuple[int, ShardlaneError]] = []
        self._results: list[R | None] = []
        self.count = 0

    def __len__(self) -> int:
        return len(self._under_way)

    def has_stopped(self) -> bool:
        """Whether an error was found after which nothing more is to be sent."""
        return self._raise_on_error and bool(self._errors)

    def next_position(self) -> int:
        """Count a parameter set; return its position."""
        position = self.count
        self.count += 1
        if self._keep is not None:
            self._results.append(None)
        return position

    def add(
        self, position: int, parameters: Parameters, request: _core.Request[_core.Page]
    ) -> None:
        """Take charge of a request."""
        self._under_way.append((position, parameters, request))

    def failed(self, position: int, error: ShardlaneError) -> None:
        """Note that a parameter set failed."""
        error.parameter_set = position
        self._errors.append((position, error))

    def some_have_ended(self) -> Steps[None]:
        """Wait until there is room again, and take out whatever has ended."""
        request = self._under_way[len(self._under_way) // 4][2]
        raised = None
        if not request.done():
            try:
                yield request
            except ShardlaneError as error:
                # A request gives its error once.
                raised = (request, error)
        self.sweep(raised)

    def oldest_has_ended(self) -> bool:
        """Whether the request that was sent first has ended."""
        return bool(self._under_way) and self._under_way[0][2].done()

    def sweep(self, raised: tuple[_core.Request[_core.Page], ShardlaneError] | None = None) -> None:
        """Take out whatever has ended; ``raised``: a request that has given its error already."""
        still = []
        for entry in self._under_way:
            if not entry[2].done():
                still.append(entry)
                continue
            position, parameters, request = entry
            try:
                if raised is not None and raised[0] is request:
                    raise raised[1]
                page = request.result()
            except PreparedStatementChanged as error:
                if position in self._again:
                    self.failed(position, error)
                    continue
                # Once more, with values encoded for what the statement is now.
                self._again.add(position)
                try:
                    still.append((position, parameters, self._execute(parameters)))
                except BadValue as misfit:
                    self.failed(position, misfit)
            except ShardlaneError as error:
                self.failed(position, error)
            else:
                if self._keep is not None:
                    self._results[position] = self._keep(page, parameters)
        self._under_way = still

    def cancel(self) -> None:
        """Give up whatever is under way."""
        for _, _, request in self._under_way:
            request.cancel()

    def outcome(self) -> ManyResult[R]:
        """Return what was done.

        Raises:
            ShardlaneError: the first failure, by position, unless errors are collected.
        """
        self._errors.sort(key=lambda entry: entry[0])
        if self.has_stopped():
            raise self._errors[0][1]
        return ManyResult(self.count, tuple(self._errors), self._results)


def execute_many(
    core: _core.Session,
    statement: Statement,
    source: Any,
    options: Options,
    default_timeout: float | None,
    *,
    concurrency: int,
    raise_on_error: bool,
    keep: Callable[[_core.Page, Parameters], R] | None,
) -> Steps[ManyResult[R]]:
    """Execute a statement for each parameter set.

    A parameter set is taken from the source only when its request can be sent at once. An
    asynchronous source is served by yielding what its ``__anext__`` returns, which only the
    asyncio face answers.

    Raises:
        ConfigurationError: ``concurrency`` is not a positive int.
        ShardlaneError: the first failure, with ``parameter_set`` telling where. Nothing more is
            sent after it; what is under way is waited for, so that nothing happens after the error.
    """
    positive("concurrency", concurrency, MOST_CONCURRENT)
    if isinstance(statement, str):
        cached = core.cached(statement, options.get("keyspace"))
        if cached is None:
            deadline = Deadline(options.get("timeout", UNSET), default_timeout)
            cached = yield core.prepare(statement, deadline.timeout, options.get("keyspace"))
        statement = cached
    prepared = statement

    def execute(parameters: Parameters) -> _core.Request[_core.Page]:
        request = core.execute(prepared, parameters, **options)
        assert request is not None
        return request

    window: Window[R] = Window(keep, raise_on_error, execute)
    is_asynchronous = isinstance(source, AsyncIterator)
    try:
        while not window.has_stopped():
            if is_asynchronous:
                parameters = yield from _pull(source)
                # Meanwhile requests may have ended, in an error even.
                if window.oldest_has_ended():
                    window.sweep()
                if window.has_stopped():
                    break
            else:
                parameters = next(source, _END)
            if parameters is _END:
                break
            position = window.next_position()
            try:
                request = execute(parameters)
            except BadValue as error:
                window.failed(position, error)
                continue
            window.add(position, parameters, request)
            if len(window) >= concurrency:
                yield from window.some_have_ended()
        while len(window):
            yield from window.some_have_ended()
    except BaseException:
        window.cancel()
        raise
    return window.outcome()


def _pull(source: AsyncIterator[Parameters]) -> Steps[Any]:
    """Return the next parameter set of an asynchronous source; the end marker after the last."""
    awaitable: Any = source.__anext__()
    try:
        return (yield awaitable)
    except StopAsyncIteration:
        return _END
