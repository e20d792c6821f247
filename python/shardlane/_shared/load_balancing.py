"""Load balancing: which node a request goes to."""

from __future__ import annotations

import uuid
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from shardlane.exceptions import ConfigurationError

from . import topology
from .checks import one_of
from .topology import Node, NodeConnections

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shardlane import _core

    from .clusters import BaseCluster

NodeName = Node | NodeConnections | uuid.UUID | str
"""A node: as ``cluster.nodes()`` gives it, its host id, or its address with or without the port."""

Target = NodeName | tuple[NodeName, int | None]
"""A node, or a node and a shard of it."""


@dataclass(frozen=True)
class LoadBalancing:
    """Which nodes come first: replicas before others, near ones before far ones.

    Each request goes to the shard that owns the key where that is known. Conditional writes go to
    replicas in a fixed order, so that their coordinators do not get in each other's way.

    Args:
        datacenter: the local one; None for the cluster object's ``local_datacenter``.
        rack: nodes of this rack come first within the datacenter; None if all are alike.
        remote: whether nodes of other datacenters are asked when no local one can be:
            ``"failover"``: yes, unless the consistency is a ``LOCAL_`` one, which would mean
            something else there; ``"never"``; or ``"always"``, whatever the consistency.
        choice: which of several equally near replicas: ``"least-busy"``: of two drawn at random
            the one with fewer requests in flight; ``"random"``: one drawn at random.

    Raises:
        ConfigurationError: an argument makes no sense.
    """

    datacenter: str | None = None
    rack: str | None = None
    remote: str = "failover"
    choice: str = "least-busy"

    def __post_init__(self) -> None:
        for name in ("datacenter", "rack"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise ConfigurationError(
                    f"{name}={value!r} is not a name", hint="give a str, or None"
                )
        one_of("remote", self.remote, ("failover", "never", "always"))
        one_of("choice", self.choice, ("least-busy", "random"))


@dataclass(frozen=True)
class RequestInfo:
    """What a load balancing of your own is told of a request."""

    keyspace: str | None
    """The keyspace of its table, as far as known, or the one in use."""
    table: str | None
    """Its table; known of prepared statements."""
    token: int | None
    """The token of its partition; None if that is not known."""
    consistency: str
    """The consistency asked for."""
    idempotent: bool
    """Whether it may be executed more than once."""
    is_lwt: bool
    """Whether it is a conditional write (ScyllaDB tells so of prepared statements)."""


@dataclass(frozen=True)
class ClusterView:
    """What a load balancing of your own is told of the cluster."""

    nodes: tuple[Node, ...]
    """All nodes, by address."""
    connected: frozenset[uuid.UUID]
    """The host ids of those that can be asked just now."""
    replicas: tuple[uuid.UUID, ...]
    """The host ids of the replicas of the request's token, in ring order; empty if they are not
    known. Tables with tablets have others."""


@runtime_checkable
class LoadBalancingPolicy(Protocol):
    """A load balancing of your own.

    It is called for each request, on the thread (or in the task) that makes the request: what it
    takes, the request takes. Whatever it raises comes out of ``execute``.
    """

    def plan(self, request: RequestInfo, cluster: ClusterView) -> Iterable[Target]:
        """Return the nodes to ask, one after another. Nodes that are not connected are skipped."""
        ...


AnyLoadBalancing = LoadBalancing | LoadBalancingPolicy


def checked_load_balancing(given: Any) -> None:
    """Raise ConfigurationError unless ``given`` says where requests go; None for the default."""
    if given is None:
        return
    is_class = isinstance(given, type)
    if not is_class and isinstance(given, (LoadBalancing, LoadBalancingPolicy)):
        return
    raise ConfigurationError(
        f"load_balancing={given!r} is not a load balancing",
        hint=f"give an object: {given.__name__}()"
        if is_class
        else "give a LoadBalancing, or an object with plan(request, cluster)",
    )


class Planner:
    """Between the core and a load balancing of the application."""

    def __init__(self, policy: LoadBalancingPolicy, cluster: BaseCluster) -> None:
        self._policy = policy
        # The cluster object owns the core, which holds this.
        self._cluster = weakref.ref(cluster)
        # What the cluster looked like last, and when that was.
        self._known: tuple[int, tuple[Node, ...], frozenset[uuid.UUID]] | None = None

    def __call__(
        self,
        keyspace: str | None,
        table: str | None,
        token: int | None,
        consistency: str,
        idempotent: bool,
        is_lwt: bool,
    ) -> Iterable[Target]:
        """Return the targets; the core checks them."""
        request = RequestInfo(keyspace, table, token, consistency, idempotent, is_lwt)
        cluster = self._cluster()
        core = None if cluster is None else cluster._client
        if core is None:
            return ()
        return self._policy.plan(request, self._view(core, request))

    def _view(self, core: _core.Cluster, request: RequestInfo) -> ClusterView:
        version, known = core.version, self._known
        if known is None or known[0] != version:
            connected = frozenset(map(uuid.UUID, core.connected()))
            self._known = known = (version, topology.nodes(core.nodes()), connected)
        _, nodes, connected = known
        replicas: list[str] = []
        if request.keyspace is not None and request.token is not None:
            replicas = core.replicas(request.keyspace, request.token)
        return ClusterView(nodes, connected, tuple(map(uuid.UUID, replicas)))
