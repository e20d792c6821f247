"""Sessions, as far as both faces agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar, cast

from .errors import closed
from .paging import Continuation
from .profiles import checked_profiles

if TYPE_CHECKING:
    from shardlane import _core

    from .clusters import BaseCluster
    from .metrics import Metrics
    from .options import RequestKeywords, SessionOptions
    from .steps import Options, Parameters, Statement
    from .topology import ClusterConnections

RowT = TypeVar("RowT")


class ClosedCore:
    """Stands in for the core of a closed session, so that open ones need no check per request."""

    def __init__(self, keyspace: str | None) -> None:
        self.keyspace = keyspace

    def _refuse(self, *args: object, **keywords: object) -> NoReturn:
        raise closed()

    cached = prepare = execute = batch = _refuse


class BaseSession(Generic[RowT]):
    """A keyspace and defaults over the pools of a cluster object."""

    def __init__(
        self, cluster: BaseCluster, core: _core.Session, options: SessionOptions, owns_cluster: bool
    ) -> None:
        self._cluster = cluster
        self._core = core
        self._options = options
        self._profiles = checked_profiles(options.profiles, options)
        self._owns_cluster = owns_cluster
        self._detached = False

    @property
    def keyspace(self) -> str | None:
        """The keyspace of names without one; ``execute("USE ...")`` changes it."""
        return self._core.keyspace

    @property
    def closed(self) -> bool:
        """Whether the session, or its cluster object, was closed."""
        return self._detached or self._cluster.closed

    def shards(self) -> ClusterConnections:
        """Return the pools: per node and shard, connections and what went over them.

        ``print()`` it to see a table; ``.is_shard_aware`` tells whether the cluster is. The pools
        are those of the cluster object, so other sessions of it are counted, too.

        Raises:
            ForkError: connected before ``fork()``, in the parent process.
        """
        return self._cluster.shards()

    def metrics(self) -> Metrics:
        """Return what was done so far, in numbers, by all sessions of the cluster object.

        Raises:
            ForkError: connected before ``fork()``, in the parent process.
        """
        return self._cluster.metrics()

    def _default_timeout(self, options: Options | RequestKeywords) -> float | None:
        """The timeout of requests with these options, if they give none of their own."""
        profile = options.get("profile")
        named = self._profiles.get(profile) if isinstance(profile, str) else None
        return (named or self._options).timeout

    def _after(
        self,
        page: _core.Page,
        statement: Statement,
        parameters: Parameters,
        options: Options,
    ) -> Continuation | None:
        """Do what an answer asks for; return how to get the pages after it, if there are any."""
        if page.has_more:
            return Continuation(self, self._core, statement, parameters, options)
        if page.kind == "set_keyspace":
            self._core.keyspace = page.keyspace
        return None

    def _detach(self) -> bool:
        """Refuse further use; return whether the cluster object has to be closed as well."""
        if not self._detached:
            self._detached = True
            self._core = cast("_core.Session", ClosedCore(self._core.keyspace))
        return self._owns_cluster

    def __repr__(self) -> str:
        name = f"{type(self).__module__}.{type(self).__name__}"
        keyspace = f"keyspace {self.keyspace!r}" if self.keyspace else "no keyspace"
        where = self._cluster._describe()
        if self.closed and not self._cluster.closed:
            where = f"closed, over {where}"
        return f"<{name} with {keyspace} at {where}>"
