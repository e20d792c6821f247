"""Operations of several requests, written once for both faces.

Each is a generator, after the model of psycopg. It *yields* a request of the core that is under way
and is *sent* the answer; what it returns is the outcome of the whole operation. It never waits: the
blocking face answers each request with ``request.wait()``, the asyncio face with ``await request``.
If the wait raises (an error of the server, ``KeyboardInterrupt``, ``CancelledError``), the face
throws that into the generator, at the ``yield``; a generator that has other requests under way
cancels them.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from shardlane import _core
from shardlane.exceptions import BadValue, PreparedStatementChanged, RequestTimeout

if TYPE_CHECKING:
    from .batches import Batch

T = TypeVar("T")

Steps = Generator["_core.Request[Any] | Pause", Any, T]
"""An operation: yields requests, is sent answers, returns its outcome."""


@dataclass(frozen=True)
class Pause:
    """What an operation yields to go on later: each face sleeps in its own way."""

    seconds: float


Statement = str | _core.Prepared
Parameters = Sequence[Any] | Mapping[str, Any] | None

Options = Mapping[str, Any]
"""Keyword options of ``_core.Session.execute`` or ``batch``: those that were given."""


class Deadline:
    """One timeout over several requests.

    Args:
        timeout: in seconds; None means no limit, ``UNSET`` the session's default.
        default: the session's default, in seconds or None.
    """

    __slots__ = ("_ends_at", "timeout")

    def __init__(self, timeout: float | _core.UnsetType | None, default: float | None) -> None:
        chosen = default if isinstance(timeout, _core.UnsetType) else timeout
        self.timeout = chosen
        # Anything but a number goes to the core as it is, which says what it takes.
        is_number = isinstance(chosen, (int, float))
        self._ends_at = time.monotonic() + chosen if is_number else None  # type: ignore[operator]

    def left(self) -> float | None:
        """What remains, in seconds.

        Raises:
            RequestTimeout: nothing does.
        """
        if self._ends_at is None:
            return self.timeout
        left = self._ends_at - time.monotonic()
        if left <= 0 and self.timeout is not None and self.timeout > 0:
            message = f"no answer within {self.timeout:g} s; the statement was not sent"
            raise RequestTimeout(message, timeout=self.timeout)
        return left


def prepare_and_execute(
    core: _core.Session,
    cql: Statement,
    parameters: Parameters,
    options: Options,
    default_timeout: float | None,
) -> Steps[tuple[_core.Page, _core.Prepared]]:
    """Execute a text with parameters that is not in the cache; return the statement, too."""
    assert isinstance(cql, str)
    deadline = Deadline(options.get("timeout", _core.UNSET), default_timeout)
    prepared: _core.Prepared = yield core.prepare(cql, deadline.timeout, options.get("keyspace"))
    request = core.execute(prepared, parameters, **{**options, "timeout": deadline.left()})
    assert request is not None
    try:
        page: _core.Page = yield request
    except PreparedStatementChanged:
        left = {**options, "timeout": deadline.left()}
        page, _ = yield from execute_again(core, prepared, parameters, left, default_timeout)
    return page, prepared


def execute_again(
    core: _core.Session,
    statement: Statement,
    parameters: Parameters,
    options: Options,
    default_timeout: float | None,
) -> Steps[tuple[_core.Page, Statement]]:
    """Execute a statement under which the schema has changed: it has been prepared anew.

    Its values are encoded for what it is now. That happens once: whoever changes a table all the
    time is told so.
    """
    request = core.execute(statement, parameters, **options)
    if request is None:
        page, prepared = yield from prepare_and_execute(
            core, statement, parameters, options, default_timeout
        )
        return page, prepared
    page = yield request
    return page, statement


def execute_batch(
    core: _core.Session, batch: Batch, options: Options, default_timeout: float | None
) -> Steps[_core.Page]:
    """Prepare what has to be, all at once, and execute the batch.

    Args:
        core: the session.
        batch: the batch.
        options: those of ``_core.Session.batch``, by name.
        default_timeout: the session's, in seconds or None.

    Raises:
        BadValue: the batch is empty.
    """
    if not batch.statements:
        raise BadValue("the batch is empty", hint="add() statements before executing it")
    deadline = Deadline(options.get("timeout", _core.UNSET), default_timeout)
    keyspace = options.get("keyspace")
    statements = batch.statements
    missing = {
        statement
        for statement, parameters in statements
        if isinstance(statement, str) and parameters and core.cached(statement, keyspace) is None
    }
    if missing:
        prepared = yield from _prepare_all(core, missing, deadline, keyspace)
        # Not left to the cache, which may be smaller than the batch.
        statements = [
            (
                prepared.get(statement, statement) if isinstance(statement, str) else statement,
                values,
            )
            for statement, values in statements
        ]

    def begin() -> _core.Request[_core.Page]:
        left = {**options, "timeout": deadline.left()}
        return core.batch(batch.kind, statements, **left)

    try:
        page: _core.Page = yield begin()
    except PreparedStatementChanged:
        # Once more, with values encoded for what the statement is now.
        page = yield begin()
    return page


def _prepare_all(
    core: _core.Session, texts: set[str], deadline: Deadline, keyspace: str | None
) -> Steps[dict[str, _core.Prepared]]:
    requests = {cql: core.prepare(cql, deadline.timeout, keyspace) for cql in texts}
    prepared = {}
    try:
        for cql, request in requests.items():
            prepared[cql] = yield request
    finally:
        for request in requests.values():
            request.cancel()
    return prepared
