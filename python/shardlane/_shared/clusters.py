"""Cluster objects, as far as both faces agree."""

from __future__ import annotations

import atexit
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from shardlane.exceptions import ConfigurationError, RequestTimeout, ShardlaneError, UnknownKeyspace

from . import logs, topology, user_types
from .checks import seconds
from .errors import address, closed
from .metrics import Metrics
from .nodes import Listeners
from .options import ClusterOptions, SessionOptions
from .profiles import open_session
from .retry import Advisors
from .steps import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import Unpack

    from shardlane import _core

    from .auth import RunAwaitable
    from .callouts import Helpers
    from .contact_points import ContactPoints
    from .options import ClusterKeywords
    from .schema.model import Schema
    from .schema.read import SchemaReader
    from .steps import Steps

T = TypeVar("T")


class BaseCluster:
    """An I/O thread and pools of connections, shared by all sessions made from it.

    Nothing happens before the first session: the object can be made at import time, before
    ``fork()`` and outside of an event loop.
    """

    # In case __init__ raises: __del__ runs all the same.
    _client: _core.Cluster | None = None
    # Since the first session.
    _advisors: Advisors
    _helpers: Helpers

    def __init__(
        self, contact_points: ContactPoints = "127.0.0.1", **options: Unpack[ClusterKeywords]
    ) -> None:
        self._options = ClusterOptions.make(contact_points, **options)
        self._closed = False
        self._listeners = Listeners()
        self._lock = threading.Lock()
        self._schema: SchemaReader | None = None
        self._types = user_types.registry(self._options)
        # What the user holds: for messages.
        self._held_as = "cluster"

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self._closed

    @property
    def name(self) -> str | None:
        """The cluster's name, as the servers tell it; None before the first session."""
        return None if self._client is None else self._client.name

    @property
    def partitioner(self) -> str | None:
        """The class of the partitioner, as the servers tell it; None before the first session."""
        return None if self._client is None else self._client.partitioner

    @property
    def protocol_version(self) -> int | None:
        """The version of the native protocol in use: 3, 4 or 5; None before the first session."""
        return None if self._client is None else self._client.protocol_version

    def nodes(self) -> tuple[topology.Node, ...]:
        """Return the nodes, as last known; empty before the first session.

        Raises:
            ForkError: connected before ``fork()``, in the parent process.
        """
        return () if self._client is None else topology.nodes(self._client.nodes())

    def keyspaces(self) -> Mapping[str, Mapping[str, str]]:
        """Return the keyspaces, each with its replication options; empty before the first session.

        Raises:
            ForkError: connected before ``fork()``, in the parent process.
        """
        known = {} if self._client is None else self._client.keyspaces()
        return {name: dict(keyspace["replication"]) for name, keyspace in sorted(known.items())}

    def shards(self) -> topology.ClusterConnections:
        """Return the pools: per node and shard, connections and what went over them.

        Empty before the first session. It is a snapshot; call again for later numbers.

        Raises:
            ForkError: connected before ``fork()``, in the parent process.
        """
        return topology.connections([] if self._client is None else self._client.pools())

    def register_udt(self, keyspace: str, name: str, cls: Callable[..., T]) -> None:
        """Have values of a user-defined type come as instances of a class.

        The class is called with the fields by name. It need not know all of them: those that it
        has no parameter for are left out, so that it outlives ``ALTER TYPE ... ADD``. Instances can
        be bound as they are; their attributes are the fields.

        Statements that were prepared by hand before keep what they had.

        Args:
            keyspace: of the type.
            name: of the type, as in ``system_schema.types``.
            cls: a dataclass, a NamedTuple, ``dict``, or any other callable.

        Raises:
            ConfigurationError: ``cls`` cannot be called, or a name is not a text.
        """
        user_types.register_udt(self._types, keyspace, name, cls)
        self._forget_compiled()

    def register_codec(
        self,
        cql_type: str | None = None,
        *,
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
        column: str | tuple[str, str, str] | None = None,
    ) -> None:
        """Convert values of a CQL type, or of one column, by functions of your own.

        ``encode`` is given what is bound and returns what the type takes anyway; ``decode`` is
        given what the type would come as and returns what you want. Neither is asked about null.
        A type is converted wherever it occurs, inside collections and user-defined types, too. The
        codec of a column goes before that of its type; it applies to the whole value.

        Statements that were prepared by hand before keep what they had.

        Args:
            cql_type: as CQL: ``"int"``, ``"frozen<list<text>>"``, ``"'com.example.Point'"`` (a
                custom class, whose values are bytes).
            encode: from your value to a plain one; None leaves values as they are.
            decode: from a plain value to yours; None leaves values as they are.
            column: instead of a type: ``"keyspace.table.column"``, or a tuple of these.

        Raises:
            ConfigurationError: it is not clear what is to be converted, or how.
        """
        user_types.register_codec(self._types, cql_type, encode, decode, column)
        self._forget_compiled()

    def _forget_compiled(self) -> None:
        if self._client is not None:
            self._client.forget_compiled()

    def latency(self, percentile: float) -> float | None:
        """Return what so many per cent of the latest requests have not exceeded, in seconds.

        It is the time from writing a request to reading its answer, errors left out, up to 13 %
        too high. None before the first answer.

        Args:
            percentile: above 0, and at most 100.

        Raises:
            ConfigurationError: ``percentile`` is no such number.
            ForkError: connected before ``fork()``, in the parent process.
        """
        if not 0 < percentile <= 100:
            raise ConfigurationError(
                f"percentile={percentile!r} is not understood",
                hint="give a number above 0 and up to 100",
            )
        return None if self._client is None else self._client.latency(percentile)

    def metrics(self) -> Metrics:
        """Return what was done so far, in numbers; all zero before the first session.

        Cheap enough to be called every second, from any thread.

        Raises:
            ForkError: connected before ``fork()``, in the parent process.
        """
        return Metrics() if self._client is None else Metrics(**self._client.metrics())

    def _runner(self) -> RunAwaitable | None:
        """Return what runs coroutines of the application; only the face with an event loop does."""
        return None

    def _start(self) -> _core.Cluster:
        """Begin to connect, unless it was done before.

        Raises:
            SessionClosed: the cluster object has been closed.
        """
        with self._lock:
            if self._closed:
                raise closed()
            if self._client is None:
                self._client, helpers = self._options.start(
                    self._types, self._listeners, self._runner()
                )
                self._advisors = Advisors(helpers)
                self._helpers = helpers
                self._listeners.attach(self._client, helpers)
                _open.add(self)
            elif not self._client.is_closed:
                self._follow_logging(self._client)
            return self._client

    def _follow_logging(self, core: _core.Cluster) -> None:
        """Look again what is logged: it may have been set up since the last session was made."""
        least = logs.wanted()
        for lane, handler in logs.handlers(least).items():
            self._helpers.serve(lane, handler)
        core.log(least)

    def _open_session(self, keyspace: str | None, options: SessionOptions) -> Steps[_core.Session]:
        """Connect if need be, and open a session of the core.

        Raises:
            NoHostAvailable: no contact point could be reached.
            UnknownKeyspace: there is no such keyspace.
        """
        core = self._start()
        yield core.ready()
        if keyspace is not None and keyspace not in core.keyspaces():
            yield from self._look_for(core, keyspace, options)
        return open_session(core, keyspace, options, self)

    def _read_schema(
        self, keyspaces: str | Iterable[str] | None, timeout: float | None
    ) -> Steps[Schema]:
        """Connect if need be, and read what has changed.

        Raises:
            ConfigurationError: ``keyspaces`` is not a name, nor names; ``timeout`` is no number.
        """
        if timeout is not None:
            seconds("timeout", timeout, remedy="or None for no limit")
        wanted = _names(keyspaces)
        if self._schema is None:
            # Takes a while to import, and most programs do without.
            from .schema.read import SchemaReader

            self._schema = SchemaReader(remembers=self._options.schema_events)
        core = self._start()
        yield core.ready()
        session = open_session(core, None, SessionOptions(row_factory="dict"), self)
        return (yield from self._schema.read(core, session, wanted, Deadline(timeout, None)))

    def _await_agreement(self, timeout: float) -> Steps[bool]:
        """Connect if need be, and wait until the nodes agree on the schema."""
        seconds("timeout", timeout)
        core = self._start()
        yield core.ready()
        try:
            yield core.schema_agreement(timeout)
        except RequestTimeout:
            return False
        return True

    def _look_for(self, core: _core.Cluster, keyspace: str, options: SessionOptions) -> Steps[None]:
        """Ask the servers: a keyspace made a moment ago is not among the known ones yet."""
        literal = keyspace.replace("'", "''")
        cql = f"SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{literal}'"
        session = open_session(core, None, options, self)
        request = session.execute(cql, None, options.timeout, "LOCAL_ONE")
        assert request is not None
        page: _core.Page = yield request
        if not len(page):
            names = [name for name in sorted(core.keyspaces()) if not name.startswith("system")]
            raise UnknownKeyspace(
                f"there is no keyspace {keyspace!r}",
                keyspace=keyspace,
                hint=f"there are: {', '.join(names) or 'none but those of the system'}",
            )

    def _begin_close(self, drain: float) -> _core.Cluster | None:
        """Take no more requests; return the core that is to be joined, None if there is none."""
        with self._lock:
            core = None if self._closed else self._client
            self._closed = True
        _open.discard(self)
        if core is not None:
            core.close(drain)
        return core

    def _describe(self) -> str:
        """Where it is connected to, for reprs; never a password."""
        shown = [address(*point) for point in self._options.contact_points[:3]]
        points = ", ".join(shown) + (", ..." if len(self._options.contact_points) > 3 else "")
        if self._closed:
            return f"{points}: closed"
        if self._client is None:
            return f"{points}: not connected yet"
        try:
            return f"{points}: {self.shards().summary()}"
        except ShardlaneError as error:
            return f"{points}: {error.message}"

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} at {self._describe()}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._client is not None and not self._closed:
            _warn(f"unclosed {self._held_as}: {self!r}", ResourceWarning, source=self, stacklevel=2)
            self._begin_close(0.0)


def _names(keyspaces: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if keyspaces is None:
        return None
    names = (keyspaces,) if isinstance(keyspaces, str) else tuple(keyspaces)
    for name in names:
        if not isinstance(name, str):
            raise ConfigurationError(
                f"keyspaces: {name!r} is not a name", hint="give a str, several, or None for all"
            )
    return names


_open: weakref.WeakSet[BaseCluster] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Stop the I/O threads. No warning: the end of the process would close everything as well."""
    for cluster in list(_open):
        cluster._begin_close(0.0)
