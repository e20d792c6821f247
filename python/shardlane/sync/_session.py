"""Sessions of the blocking face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from shardlane._core import UNSET
from shardlane._shared import steps
from shardlane._shared.batches import Batch, BatchKind
from shardlane._shared.checks import seconds
from shardlane._shared.many import CONCURRENCY, ManyResult, execute_many
from shardlane._shared.options import CLOSE_TIMEOUT
from shardlane._shared.sessions import BaseSession, RowT
from shardlane.exceptions import PreparedStatementChanged

from ._result import Result
from ._wait import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from shardlane import _core
    from shardlane._shared.options import ExecuteKeywords, RequestKeywords
    from shardlane._shared.row_types import AnyRowFactory, DictRow, NamedRow, TupleRow
    from shardlane._shared.steps import Parameters, Statement

    from ._cluster import Cluster

T = TypeVar("T")


class Session(BaseSession[RowT]):
    """A keyspace and defaults over a cluster's connections, for many threads at once.

    Made by ``connect()`` or ``Cluster.connect()``. Use it in a ``with`` statement, or ``close()``
    it.
    """

    _cluster: Cluster

    @property
    def cluster(self) -> Cluster:
        """The cluster object whose connections this session uses."""
        return self._cluster

    @overload
    def execute(
        self,
        statement: Statement,
        parameters: Parameters = None,
        *,
        row_factory: _core.UnsetType = ...,
        **options: Unpack[ExecuteKeywords],
    ) -> Result[RowT]: ...
    @overload
    def execute(
        self,
        statement: Statement,
        parameters: Parameters = None,
        *,
        row_factory: Literal["named"],
        **options: Unpack[ExecuteKeywords],
    ) -> Result[NamedRow]: ...
    @overload
    def execute(
        self,
        statement: Statement,
        parameters: Parameters = None,
        *,
        row_factory: Literal["tuple"],
        **options: Unpack[ExecuteKeywords],
    ) -> Result[TupleRow]: ...
    @overload
    def execute(
        self,
        statement: Statement,
        parameters: Parameters = None,
        *,
        row_factory: Literal["dict"],
        **options: Unpack[ExecuteKeywords],
    ) -> Result[DictRow]: ...
    @overload
    def execute(
        self,
        statement: Statement,
        parameters: Parameters = None,
        *,
        row_factory: Literal["scalar"],
        **options: Unpack[ExecuteKeywords],
    ) -> Result[Any]: ...
    @overload
    def execute(
        self,
        statement: Statement,
        parameters: Parameters = None,
        *,
        row_factory: type[T] | Callable[..., T],
        **options: Unpack[ExecuteKeywords],
    ) -> Result[T]: ...
    def execute(
        self, statement: Statement, parameters: Parameters = None, **options: Any
    ) -> Result[Any]:
        """Execute a statement and return its first page of rows.

        A text with parameters is prepared when it is first seen, and kept in the cache; so it is
        routed to the node and shard that own the key. A text without parameters is sent as it is.

        Args:
            statement: CQL text, or what ``prepare()`` returned.
            parameters: values by position (``?``) or by name (``:name``). None writes null,
                ``UNSET`` leaves a column as it is.
            **options: those below. One that is left out has the default of the profile, or else of
                the session.

        Options:
            timeout: seconds until RequestTimeout, preparing included; None for no limit.
            consistency: how many replicas have to answer.
            serial_consistency: ``"SERIAL"`` or ``"LOCAL_SERIAL"``, for conditional writes.
            page_size: rows in each page; None for all rows at once.
            paging_state: where to begin, from an earlier result of the same statement.
            timestamp: of the write, in microseconds since 1970; None for the next one of the
                session (see ``client_timestamps`` of ``connect()``).
            idempotent: whether it may be repeated when it is not known whether it took effect.
            tracing: have the servers trace it; see ``Result.tracing_id``.
            custom_payload: named bytes for the server, if it has a use for them (protocol v4 and
                later).
            keyspace: of names without one, for this request only; None for the session's. A
                prepared statement keeps the one that it was prepared in.
            now_in_seconds: what the server takes for the time, in seconds since 1970: TTLs end and
                begin by it (protocol v5). For tests.
            row_factory: ``"named"``, ``"tuple"``, ``"dict"``, ``"scalar"`` (only the first
                column), or a callable that takes the columns as keyword arguments: a dataclass,
                for instance.
            profile: the name of one of the session's profiles, for options that are left out.
            retry: what follows a failed attempt; see ``shardlane.policies``.
            node: ask only this one: a ``Node``, a host id, or an address; or a tuple of that and
                the number of a shard.

        Raises:
            BadValue: parameters or options do not fit; nothing was sent.
            ServerError: the server answered with an error; a subclass says which.
            RequestTimeout: no answer came in time.
            NetworkError: no node could be asked, or the connection ended under the request.
            SessionClosed: the session is closed.
            ForkError: the session was made before ``fork()``, in the parent process.
        """
        core = self._core
        # Mostly there are none, and then they cost nothing: each keyword with a default of its own
        # would be looked up in a dict, in every call.
        if options:
            request = core.execute(statement, parameters, **options)
        else:
            request = core.execute(statement, parameters)
        try:
            page = None if request is None else request.wait()
        except PreparedStatementChanged:
            page = None
        if page is None:
            default = self._default_timeout(options)
            begin = steps.prepare_and_execute if request is None else steps.execute_again
            executed = wait(begin(core, statement, parameters, options, default))
            page, statement = executed
        # Nearly always; the rest is not worth a call for each request.
        more = None if page.is_complete else self._after(page, statement, parameters, options)
        return Result(page, more)

    def prepare(
        self,
        cql: str,
        *,
        timeout: float | _core.UnsetType | None = UNSET,
        keyspace: str | None = None,
    ) -> _core.Prepared:
        """Prepare a statement, to have it at hand whatever happens to the cache.

        It can be used with all sessions of the same cluster object.

        Args:
            cql: CQL text, with ``?`` or ``:name`` where values go.
            timeout: seconds until RequestTimeout; None for no limit.
            keyspace: of names without one; None for the session's.

        Raises:
            ServerError: the server answered with an error; a subclass says which.
            RequestTimeout: no answer came in time.
            NetworkError: no node could be asked, or the connection ended under the request.
            SessionClosed: the session is closed.
        """
        return self._core.prepare(cql, timeout, keyspace).wait()

    def batch(
        self, kind: BatchKind | str = BatchKind.LOGGED, **options: Unpack[RequestKeywords]
    ) -> SessionBatch[RowT]:
        """Begin a batch; ``add()`` statements to it and ``execute()`` it, or use ``with``.

        Args:
            kind: ``"logged"``, ``"unlogged"`` or ``"counter"``.
            **options: as those of ``execute``.

        Raises:
            BadValue: there is no such kind.
        """
        return SessionBatch(self, kind, options)

    def execute_batch(self, batch: Batch, **options: Unpack[RequestKeywords]) -> Result[RowT]:
        """Execute a batch. Texts with parameters are prepared first, unless they are in the cache.

        Args:
            batch: the statements, in a ``Batch``.
            **options: as those of ``execute``; the timeout is for all of it.

        Raises:
            BadValue: the batch is empty, or parameters or options do not fit; nothing was sent.
            ServerError: the server answered with an error; a subclass says which.
            RequestTimeout: no answer came in time.
            NetworkError: no node could be asked, or the connection ended under the request.
            SessionClosed: the session is closed.
        """
        default = self._default_timeout(options)
        page = wait(steps.execute_batch(self._core, batch, options, default))
        return Result(page, None)

    def execute_many(
        self,
        statement: Statement,
        parameter_sets: Iterable[Parameters],
        *,
        concurrency: int = CONCURRENCY,
        raise_on_error: bool = True,
        results: bool = False,
        row_factory: AnyRowFactory | _core.UnsetType = UNSET,
        **options: Unpack[ExecuteKeywords],
    ) -> ManyResult[Result[Any]]:
        """Execute a statement once for each parameter set, many at the same time.

        Args:
            statement: CQL text, prepared once; or what ``prepare()`` returned.
            parameter_sets: values, as ``parameters`` of ``execute``. Of an iterator no more is
                taken than can be sent.
            concurrency: the most requests under way at any time.
            raise_on_error: stop at the first error and raise it, with ``parameter_set`` telling
                where; what is under way by then is waited for. Otherwise errors are collected.
            results: whether to keep a result for each parameter set.
            row_factory: as in ``execute``.
            **options: as those of ``execute``, for each request.

        Raises:
            ConfigurationError: ``concurrency`` is not a positive int.
            BadValue: parameters or options do not fit.
            RequestError: a request failed, and ``raise_on_error`` is true.
            SessionClosed: the session is closed.
        """
        chosen = {**options, "row_factory": row_factory}

        def keep(page: _core.Page, parameters: Parameters) -> Result[Any]:
            more = None if page.is_complete else self._after(page, statement, parameters, chosen)
            return Result(page, more)

        return wait(
            execute_many(
                self._core,
                statement,
                iter(parameter_sets),
                chosen,
                self._default_timeout(options),
                concurrency=concurrency,
                raise_on_error=raise_on_error,
                keep=keep if results else None,
            )
        )

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Close the session, and its connections if ``connect()`` made them. Twice does nothing.

        Args:
            timeout: seconds that requests under way in other threads get to end.

        Raises:
            ConfigurationError: ``timeout`` is not a number of seconds.
        """
        seconds("timeout", timeout, zero=True)
        if self._detach():
            self._cluster.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever was interrupted does not want to wait for others.
        is_interrupt = error_type is not None and not issubclass(error_type, Exception)
        self.close(0.0 if is_interrupt else CLOSE_TIMEOUT)


class SessionBatch(Batch, Generic[RowT]):
    """A batch that knows its session.

    In a ``with`` statement it is executed at the end, unless an exception was raised or nothing was
    added.
    """

    __slots__ = ("_options", "_session")

    def __init__(
        self, session: Session[RowT], kind: BatchKind | str, options: RequestKeywords
    ) -> None:
        super().__init__(kind)
        self._session = session
        self._options = options

    def execute(self, **options: Unpack[RequestKeywords]) -> Result[RowT]:
        """Execute the batch, as ``Session.execute_batch``. Options override ``batch()``'s."""
        merged: RequestKeywords = {**self._options, **options}
        return self._session.execute_batch(self, **merged)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is None and self.statements:
            self.execute()
