"""The embedded cluster."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from shardlane import _core, aio, sync
from shardlane._shared.tls import TLS
from shardlane.exceptions import ConfigurationError

from . import _stats
from ._tls import ServerTLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from .faults import Condition, Reaction

PortState = Literal["open", "refused", "dropped", "silent", "nat"]


class Cluster:
    """A ScyllaDB-like cluster in this process: nodes on 127.0.0.1, 127.0.0.2 and so on.

    It runs from the constructor on. Use it in a ``with`` statement, or ``stop()`` it.

    Args:
        nodes: how many.
        shards: of each node, or a list with the number for each. 0 behaves like Apache Cassandra,
            which has none.
        port: of the CQL protocol, the same on all nodes; 0 for one that is free.
        shard_aware_port: likewise; None for a cluster that has none.
        datacenters: nodes in each datacenter (``datacenter1``, ...); None for a single one.
        racks: in each datacenter; nodes take turns.
        vnodes: tokens of each node.
        first_address: of the first node; the others follow.
        random_shard: whether connections to the normal port land on a random shard instead of the
            one with the fewest connections.
        username: if given, clients have to log in as this user, ...
        password: ... with this password.
        users: likewise, for several: names and passwords.
        authenticator: ``"plain"`` as ``PasswordAuthenticator``, or ``"challenge"`` for SASL
            with several steps: the client says its name, answers each of two challenges with
            ``md5(challenge + password)``, and is given ``md5(password + challenge)`` in the end.
        tls: whether there are ports with TLS as well: True, or a `ServerTLS`.
        seed: of tokens, host ids and whatever else looks random.
        tablets_routing: how clients are told of tablets: ``"v1"``; ``"v2"``, with versions, as
            newer ScyllaDB does as an experiment; ``"off"``, not at all.
        lwt_with_tablets: whether tables with tablets take conditional statements, as since
            ScyllaDB 2025.4; earlier versions refuse them.

    Raises:
        ConfigurationError: the options make no sense.
        OSError: a port is taken.
    """

    # In case __init__ raises: stop() must work.
    _server: _core.Server | None = None

    def __init__(
        self,
        nodes: int = 3,
        shards: int | Sequence[int] = 4,
        *,
        port: int = 0,
        shard_aware_port: int | None = 0,
        datacenters: Sequence[int] | None = None,
        racks: int = 1,
        vnodes: int = 16,
        first_address: str = "127.0.0.1",
        random_shard: bool = False,
        username: str | None = None,
        password: str | None = None,
        users: Mapping[str, str] | None = None,
        authenticator: Literal["plain", "challenge"] = "plain",
        tls: bool | ServerTLS = False,
        seed: int = 0,
        tablets_routing: Literal["off", "v1", "v2"] = "v1",
        lwt_with_tablets: bool = True,
    ) -> None:
        if (username is None) != (password is None):
            raise ConfigurationError("give both username and password, or neither")
        logins = dict(users or {})
        if username is not None and password is not None:
            logins[username] = password
        try:
            self._server = _core.Server(
                nodes=nodes,
                shards=shards if isinstance(shards, int) else list(shards),
                port=port,
                shard_aware_port=shard_aware_port,
                datacenters=None if datacenters is None else list(datacenters),
                racks=racks,
                vnodes=vnodes,
                first_address=first_address,
                random_shard=random_shard,
                users=list(logins.items()),
                authenticator=authenticator,
                tls=None if tls is False else (ServerTLS() if tls is True else tls)._rule(),
                seed=seed,
                tablets_routing=tablets_routing,
                lwt_with_tablets=lwt_with_tablets,
            )
        except (ValueError, TypeError, OverflowError) as error:
            raise ConfigurationError(str(error)) from error
        self._faults: list[Fault] = []
        self._login: dict[str, Any] = {}
        if username is not None:
            self._login = {"username": username, "password": password}

    @property
    def _running(self) -> _core.Server:
        if self._server is None:
            raise RuntimeError("the cluster is stopped")
        return self._server

    @property
    def contact_points(self) -> list[str]:
        """Address and port of each node: ``["127.0.0.1:9042", ...]``."""
        return [f"{address}:{self.port}" for address in self._running.addresses]

    @property
    def port(self) -> int:
        """The port of the CQL protocol."""
        return self._running.port

    @property
    def shard_aware_port(self) -> int | None:
        """The port where the client's source port picks the shard; None if there is none."""
        return self._running.shard_aware_port

    @property
    def tls_port(self) -> int | None:
        """The port of the CQL protocol with TLS; None if there is none."""
        return self._running.tls_port

    @property
    def tls_shard_aware_port(self) -> int | None:
        """The shard-aware port with TLS; None if there is none."""
        return self._running.tls_shard_aware_port

    @property
    def tls_contact_points(self) -> list[str]:
        """Address and TLS port of each node."""
        return [f"{address}:{self.tls_port}" for address in self._running.addresses]

    @property
    def ca_pem(self) -> str | None:
        """The certificate of the CA that has issued the nodes', as PEM; None without TLS."""
        return self._running.ca_pem

    @property
    def client_tls(self) -> TLS:
        """What a client needs to be sure of the cluster, and the cluster of it."""
        certificate, key = self._running.client_pem or (None, None)
        return TLS(ca_data=self.ca_pem, cert_data=certificate, key_data=key)

    @property
    def nodes(self) -> list[TestNode]:
        """The nodes that are members, alive or not, to control them."""
        members = self._running.stats()["nodes"]
        return [TestNode(self._running, node["node"], node["address"]) for node in members]

    def add_node(self, shards: int | None = None, *, vnodes: int | None = None) -> TestNode:
        """Add a node, which takes over its part of the data.

        Args:
            shards: how many; None for as many as the others have.
            vnodes: tokens; None for as many as the others have. A node with 0 holds no data.
        """
        index = self._running.add_node(shards, vnodes)
        return next(node for node in self.nodes if node.index == index)

    def tablets(self, keyspace: str, table: str) -> list[Tablet]:
        """Return the tablets of a table, in the order of their tokens.

        A keyspace has tablets if it is created ``WITH tablets = {'enabled': true}``; ``'initial'``
        beside it says how many.

        Raises:
            RuntimeError: there is no such table, or it has no tablets.
        """
        told = self._running.tablets(keyspace, table)
        return [Tablet(first, last, tuple(replicas)) for first, last, replicas in told]

    def migrate_tablet(
        self, keyspace: str, table: str, token: int, source: int, target: tuple[int, int]
    ) -> None:
        """Move one replica of a tablet, with its data, while clients are at work.

        Clients learn of it when they ask where the replica was.

        Args:
            keyspace: of the table.
            table: whose tablet.
            token: any token of the tablet.
            source: number of the node that has the replica.
            target: number of the node and shard where it shall be: on another node, which has no
                replica of this tablet, or on another shard of the same.

        Raises:
            RuntimeError: the table has no tablets, a node is not up or does not exist, the source
                has no replica, or the target has one or is no shard.
        """
        self._running.migrate_tablet(keyspace, table, token, source, target)

    def split_tablets(self, keyspace: str, table: str) -> int:
        """Cut each tablet of a table in two, which stay where they are; return how many there are.

        Raises:
            RuntimeError: there is no such table, it has no tablets, or there would be too many.
        """
        return self._running.split_tablets(keyspace, table)

    def connect(self, keyspace: str | None = None, **options: Any) -> sync.Session[Any]:
        """Connect to all nodes; see ``shardlane.connect`` for options.

        With ``tls=True`` the cluster's own CA is trusted.
        """
        points, options = self._for_clients(options)
        return sync.connect(points, keyspace=keyspace, **options)

    def aio_connect(self, keyspace: str | None = None, **options: Any) -> aio.Connecting[Any]:
        """Connect to all nodes, for asyncio; see ``shardlane.connect`` for options.

        With ``tls=True`` the cluster's own CA is trusted.
        """
        points, options = self._for_clients(options)
        return aio.connect(points, keyspace=keyspace, **options)

    def _for_clients(self, options: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
        options = {**self._login, **options}
        if not options.get("tls"):
            return self.contact_points, options
        if options["tls"] is True:
            options["tls"] = self.client_tls
        return self.tls_contact_points, options

    def fault(self, condition: Condition, reaction: Reaction) -> Fault:
        """Have something go wrong from now on; see `shardlane.testing.faults`.

        In a ``with`` statement the fault is removed at the end.

        Raises:
            ValueError: the embedded cluster does not know the condition or the reaction.
        """
        number = self._running.add_fault(condition.rule, reaction.rule)
        fault = Fault(self._running, number, f"{condition!r}: {reaction!r}")
        self._faults = [*(known for known in self._faults if known.is_in_force), fault]
        return fault

    def set_client_routes(self, routes: Sequence[NodeRoute]) -> None:
        """Change what ``system.client_routes`` tells: through which proxies nodes are reached.

        Clients that have ``client_routes=`` are told which rows have changed.

        Args:
            routes: all that there are from now on.

        Raises:
            RuntimeError: there is no such node, two routes of one connection id lead to one node,
                or a route has no address or port.
        """
        rows = [(r.connection_id, r.node, r.address, r.port, r.tls_port) for r in routes]
        self._running.set_client_routes(rows)

    def set_users(self, users: Mapping[str, str]) -> None:
        """Change who may log in: names and passwords. Connections that are open stay so."""
        self._running.set_users(list(users.items()))

    def clear_faults(self) -> None:
        """Remove all faults."""
        faults, self._faults = self._faults, []
        for fault in faults:
            fault.remove()

    def forget_prepared(self) -> None:
        """Have all nodes forget their prepared statements."""
        self._running.forget_prepared()

    def stats(self) -> _stats.ClusterStats:
        """Return what nodes and shards counted: connections, requests by where they arrived."""
        return _stats.read(self._running.stats())

    def reset_stats(self) -> None:
        """Set the counters to zero, but for connections that are open."""
        self._running.reset_stats()

    def stop(self) -> None:
        """Stop all nodes; the data is gone. Stopping twice does nothing."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        if self._server is None:
            return "<shardlane.testing.Cluster: stopped>"
        nodes = self.nodes
        return (
            f"<shardlane.testing.Cluster: {len(nodes)} nodes from {nodes[0].address} on,"
            f" port {self.port}, shard-aware port {self.shard_aware_port}>"
        )


class NodeRoute(NamedTuple):
    """A way to a node through a proxy: a row of ``system.client_routes``."""

    connection_id: str
    """Which proxy, or private connection."""
    node: int
    """Number of the node."""
    address: str
    """Host name or IP address of the proxy."""
    port: int
    """Its port for this node."""
    tls_port: int | None = None
    """Its port for this node's port with TLS."""


class Tablet(NamedTuple):
    """A range of tokens of one table, and where it lies."""

    first: int
    """The token before the range."""
    last: int
    """The greatest token of the range."""
    replicas: tuple[tuple[int, int], ...]
    """Number of the node and shard of each replica."""


class TestNode:
    """A node of the embedded cluster, to control it."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    def __init__(self, server: _core.Server, index: int, address: str) -> None:
        self._server = server
        self.index = index
        """Its number, from 0."""
        self.address = address
        """Its address, without a port."""

    @property
    def alive(self) -> bool:
        """Whether it runs; a paused node does not."""
        nodes = self._server.stats()["nodes"]
        return any(node["alive"] for node in nodes if node["node"] == self.index)

    def stop(self) -> None:
        """Shut it down in an orderly way: the others and the clients are told."""
        self._server.stop_node(self.index)

    def kill(self) -> None:
        """End it like a crash: connections are cut, nobody is told. Its data survives."""
        self._server.kill_node(self.index)

    def start(self, shards: int | None = None) -> None:
        """Start it again after ``stop()`` or ``kill()``.

        Args:
            shards: how many it has from now on; None for as many as before.

        Raises:
            RuntimeError: it runs, or cannot have so many shards: its tablets lie on more.
        """
        self._server.start_node(self.index, shards)

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""
        self._server.pause_node(self.index)

    def resume(self) -> None:
        """End a ``pause()``."""
        self._server.resume_node(self.index)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze it for the duration of a ``with`` statement."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def remove(self) -> None:
        """Remove it from the cluster; the others take over its part of the data."""
        self._server.remove_node(self.index)

    def forget_prepared(self) -> None:
        """Have it forget its prepared statements."""
        self._server.forget_prepared(self.index)

    def set_shard_aware_port(self, state: PortState) -> None:
        """Change what happens to those who connect to its shard-aware port.

        Args:
            state: ``"open"``; ``"refused"``; ``"dropped"``: connecting neither succeeds nor fails;
                ``"silent"``: connections are accepted and never served; ``"nat"``: they are served
                by another shard than the source port says, as behind address translation.

        Raises:
            ValueError: there is no such state.
        """
        self._server.set_shard_aware_port(self.index, state)

    def __repr__(self) -> str:
        return f"<node {self.index} at {self.address}>"


class Fault:
    """A fault that is in force until it is removed."""

    def __init__(self, server: _core.Server, number: int, description: str) -> None:
        self._server = server
        self._number = number
        self._description = description
        self._hits_at_the_end: int | None = None

    @property
    def is_in_force(self) -> bool:
        """Whether it has not been removed."""
        return self._hits_at_the_end is None

    @property
    def hits(self) -> int:
        """How often it was applied."""
        if self._hits_at_the_end is not None:
            return self._hits_at_the_end
        return self._server.fault_hits(self._number)

    def remove(self) -> None:
        """End it. Removing twice does nothing."""
        if self._hits_at_the_end is None:
            self._hits_at_the_end = self._server.fault_hits(self._number)
            self._server.remove_fault(self._number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<fault {self._number}: {self._description}>"
