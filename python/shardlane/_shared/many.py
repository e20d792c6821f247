"""The same statement for many parameter sets, with a bounded number of requests under way."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shardlane._core import UNSET

from .checks import positive
from .steps import Deadline, Options, Parameters, Statement, Steps

if TYPE_CHECKING:
    from shardlane import _core
    from shardlane.exceptions import ShardlaneError

R = TypeVar("R")

CONCURRENCY = 128
"""Requests of one ``execute_many`` under way, unless told otherwise."""

MOST_CONCURRENT = 1_000_000
"""A bound for ``concurrency``: what a table of requests under way may hold."""

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
        prepared: _core.Prepared = cached
    else:
        prepared = statement
    many = core.many(prepared, concurrency, raise_on_error, keep, **options)
    errors: list[tuple[int, ShardlaneError]] = []
    is_asynchronous = isinstance(source, AsyncIterator)
    is_exhausted = False
    try:
        while not is_exhausted and not (errors and raise_on_error):
            if is_asynchronous:
                parameters = yield from _pull(source)
                # Meanwhile requests may have ended, in an error even.
                errors += many.sweep()
                is_exhausted = parameters is _END
                if not is_exhausted and not (errors and raise_on_error):
                    many.add(parameters)
            else:
                is_exhausted = many.fill(source)
            if len(many) >= concurrency:
                yield many.some()
            errors += many.sweep()
        while len(many):
            yield many.rest()
            errors += many.sweep()
    except BaseException:
        many.cancel()
        raise
    errors.sort(key=operator.itemgetter(0))
    if errors and raise_on_error:
        raise errors[0][1]
    return ManyResult(many.count, tuple(errors), many.results)


def _pull(source: AsyncIterator[Parameters]) -> Steps[Any]:
    """Return the next parameter set of an asynchronous source; the end marker after the last."""
    awaitable: Any = source.__anext__()
    try:
        return (yield awaitable)
    except StopAsyncIteration:
        return _END
