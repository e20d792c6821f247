"""Cluster objects of the blocking face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from shardlane._shared.checks import seconds
from shardlane._shared.clusters import BaseCluster
from shardlane._shared.nodes import checked_callback
from shardlane._shared.options import CLOSE_TIMEOUT, SessionOptions, checked_keyspace

from ._session import Session
from ._wait import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from shardlane._shared.nodes import NodeEvent
    from shardlane._shared.options import SessionKeywords
    from shardlane._shared.row_types import AnyRowFactory, DictRow, NamedRow, TupleRow
    from shardlane._shared.schema.model import Schema

T = TypeVar("T")


class Cluster(BaseCluster):
    """An I/O thread and pools of connections, shared by all sessions made from it.

    Nothing happens before the first session: the object can be made at import time and before
    ``fork()``. Use it in a ``with`` statement, or ``close()`` it.

    Args:
        contact_points: as in ``shardlane.connect``.
        **options: as in ``shardlane.connect``, but for ``keyspace`` and the defaults of requests,
            which belong to sessions.

    Raises:
        ConfigurationError: an option makes no sense.
    """

    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: Literal["named"] = "named",
        **options: Unpack[SessionKeywords],
    ) -> Session[NamedRow]: ...
    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: Literal["tuple"],
        **options: Unpack[SessionKeywords],
    ) -> Session[TupleRow]: ...
    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: Literal["dict"],
        **options: Unpack[SessionKeywords],
    ) -> Session[DictRow]: ...
    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: Literal["scalar"],
        **options: Unpack[SessionKeywords],
    ) -> Session[Any]: ...
    @overload
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: type[T] | Callable[..., T],
        **options: Unpack[SessionKeywords],
    ) -> Session[T]: ...
    def connect(
        self,
        keyspace: str | None = None,
        *,
        row_factory: AnyRowFactory = "named",
        **options: Unpack[SessionKeywords],
    ) -> Session[Any]:
        """Return a new session over the connections of this object; the first one makes them.

        Args:
            keyspace: of names without one; spelled as in ``system_schema.keyspaces``.
            row_factory: as in ``Session.execute``.
            **options: defaults of requests: ``timeout``, ``consistency``, ``serial_consistency``,
                ``page_size``, ``idempotent``, ``client_timestamps``, ``retry``, ``speculative``,
                ``load_balancing``, ``profiles``, as in ``shardlane.connect``.

        Raises:
            ConfigurationError: an option makes no sense.
            NoHostAvailable: no contact point could be reached.
            UnknownKeyspace: there is no such keyspace.
            SessionClosed: this object was closed.
        """
        return self._connect(
            checked_keyspace(keyspace), SessionOptions.make(row_factory=row_factory, **options)
        )

    def _connect(
        self, keyspace: str | None, options: SessionOptions, *, owned: bool = False
    ) -> Session[Any]:
        core = wait(self._open_session(keyspace, options))
        return Session(self, core, options, owned)

    def schema(
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
        return wait(self._read_schema(keyspaces, timeout))

    def wait_for_schema_agreement(self, timeout: float = 10.0) -> bool:
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
        return wait(self._await_agreement(timeout))

    def on_event(self, callback: Callable[[NodeEvent], object]) -> Callable[[], None]:
        """Call ``callback`` when a node is added, removed, up or down; return what ends that.

        It is called on a thread of the driver, one event at a time. What it raises is logged.

        Args:
            callback: takes a `NodeEvent`.

        Raises:
            ConfigurationError: ``callback`` cannot be called, or is a coroutine function.
        """
        return self._listeners.add(checked_callback(callback))

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Close all sessions and connections. Closing twice does nothing.

        Args:
            timeout: seconds that requests under way in other threads get to end.

        Raises:
            ConfigurationError: ``timeout`` is not a number of seconds.
        """
        seconds("timeout", timeout, zero=True)
        core = self._begin_close(timeout)
        if core is not None:
            core.join()

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
