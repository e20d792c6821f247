"""Cluster objects of the asyncio face."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from shardlane._shared.checks import seconds
from shardlane._shared.clusters import BaseCluster
from shardlane._shared.nodes import checked_callback
from shardlane._shared.options import CLOSE_TIMEOUT, SessionOptions, checked_keyspace
from shardlane._shared.sessions import RowT

from ._drive import drive, run
from ._session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from shardlane._shared.auth import RunAwaitable
    from shardlane._shared.nodes import NodeEvent
    from shardlane._shared.options import SessionKeywords
    from shardlane._shared.row_types import AnyRowFactory, DictRow, NamedRow, TupleRow
    from shardlane._shared.schema.model import Schema

T = TypeVar("T")


class Connecting(Generic[RowT]):
    """What ``connect()`` returns: ``await`` it for a session, or use it in ``async with``.

    Nothing happens before that. Awaiting it again makes another session.
    """

    def __init__(
        self, cluster: Cluster, keyspace: str | None, options: SessionOptions, *, owned: bool
    ) -> None:
        self._cluster = cluster
        self._keyspace = keyspace
        self._options = options
        self._owned = owned
        self._session: Session[RowT] | None = None

    def __await__(self) -> Generator[Any, None, Session[RowT]]:
        return self._open().__await__()

    async def _open(self) -> Session[RowT]:
        cluster = self._cluster
        try:
            core = await drive(cluster._open_session(self._keyspace, self._options))
        except BaseException:
            if self._owned:
                await cluster.close(0.0)
            raise
        return Session(cluster, core, self._options, self._owned)

    async def __aenter__(self) -> Session[RowT]:
        self._session = await self._open()
        return self._session

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.__aexit__(error_type, error, traceback)


class Cluster(BaseCluster):
    """An I/O thread and pools of connections, shared by all sessions made from it.

    Nothing happens before the first session: the object can be made at import time, outside of an
    event loop and before ``fork()``, and used in several loops, one after another or in threads.
    Use it in ``async with``, or ``await close()`` it.

    Args:
        contact_points: as in ``shardlane.connect``.
        **options: as in ``shardlane.connect``, but for ``keyspace`` and the defaults of requests,
            which belong to sessions.

    Raises:
        ConfigurationError: an option makes no sense.
    """

    def _runner(self) -> RunAwaitable:
        return run

    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: Literal["named"] = "named",
        **options: Unpack[SessionKeywords],
    ) -> Connecting[NamedRow]: ...
    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: Literal["tuple"],
        **options: Unpack[SessionKeywords],
    ) -> Connecting[TupleRow]: ...
    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: Literal["dict"],
        **options: Unpack[SessionKeywords],
    ) -> Connecting[DictRow]: ...
    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: Literal["scalar"],
        **options: Unpack[SessionKeywords],
    ) -> Connecting[Any]: ...
    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: type[T] | Callable[..., T],
        **options: Unpack[SessionKeywords],
    ) -> Connecting[T]: ...
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: AnyRowFactory = "named",
        **options: Unpack[SessionKeywords],
    ) -> Connecting[Any]:
        """Make a session over the connections of this object; ``await`` it, or use ``async with``.

        Args:
            keyspace: of names without one; spelled as in ``system_schema.keyspaces``.
            row_factory: as in ``Session.execute``.
            **options: defaults of requests: ``timeout``, ``consistency``, ``serial_consistency``,
                ``page_size``, ``idempotent``, ``client_timestamps``, ``retry``, ``speculative``,
                ``load_balancing``, ``profiles``, as in ``shardlane.connect``.

        Raises:
            ConfigurationError: an option makes no sense; raised at once, without awaiting.
            NoHostAvailable: no contact point could be reached.
            UnknownKeyspace: there is no such keyspace.
            SessionClosed: this object was closed.
        """
        session_options = SessionOptions.make(row_factory=row_factory, **options)
        return Connecting(self, checked_keyspace(keyspace), session_options, owned=False)

    async def schema(
        self, keyspaces: str | Iterable[str] | None = None, *, timeout: float | None = 30.0
    ) -> Schema:
        """Read the schema: keyspaces, tables, types, indexes, views, functions ...

        What was read before is given out again unless its keyspace has changed meanwhile, which
        the servers tell. Connects if there is no session yet.

        Args:
            keyspaces: a name, or names: only these are read. None for all.
            timeout: seconds for all of it; None for no limit.

        Returns:
            a mapping of names to keyspaces; a keyspace that does not exist is not in it.

        Raises:
            NoHostAvailable: no contact point could be reached.
            RequestTimeout: it took too long.
            SessionClosed: this object was closed.
        """
        return await drive(self._read_schema(keyspaces, timeout))

    async def wait_for_schema_agreement(self, timeout: float = 10.0) -> bool:
        """Wait until all nodes that are up know the same schema.

        CREATE, ALTER and DROP wait for that by themselves. Connects if there is no session yet.

        Args:
            timeout: seconds to wait.

        Returns:
            whether they agree; False if they did not in time.

        Raises:
            NoHostAvailable: no contact point could be reached.
            SessionClosed: this object was closed.
        """
        return await drive(self._await_agreement(timeout))

    def on_event(self, callback: Callable[[NodeEvent], object]) -> Callable[[], None]:
        """Call ``callback`` when a node is added, removed, up or down; return what ends that.

        It is called by the event loop that runs now, as long as that is open; outside of a loop, on
        a thread of the driver. What it raises there is logged.

        Args:
            callback: takes a `NodeEvent`. A plain function: let it start a task if it has to wait.

        Raises:
            ConfigurationError: ``callback`` cannot be called, or is a coroutine function.
        """
        checked_callback(callback)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._listeners.add(callback)

        def call(event: NodeEvent) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(callback, event)

        return self._listeners.add(call)

    async def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Close all sessions and connections. Closing twice does nothing.

        Args:
            timeout: seconds that requests under way in other tasks get to end.

        Raises:
            ConfigurationError: ``timeout`` is not a number of seconds.
        """
        seconds("timeout", timeout, zero=True)
        core = self._begin_close(timeout)
        if core is not None:
            # The loop goes on meanwhile, so that other tasks get their answers.
            await asyncio.to_thread(core.join)
            core.detach_loop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever was cancelled does not want to wait for others.
        is_interrupt = error_type is not None and not issubclass(error_type, Exception)
        await self.close(0.0 if is_interrupt else CLOSE_TIMEOUT)
