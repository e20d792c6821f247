"""From contact points to a session in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from shardlane._shared.options import SessionOptions, checked_keyspace

from ._cluster import Cluster, Connecting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Unpack

    from shardlane._shared.auth import AuthProvider
    from shardlane._shared.client_routes import ClientRoutes
    from shardlane._shared.consistency import Consistency
    from shardlane._shared.contact_points import ContactPoints
    from shardlane._shared.load_balancing import AnyLoadBalancing
    from shardlane._shared.nodes import AddressTranslation, NodeChoice
    from shardlane._shared.options import ConnectKeywords
    from shardlane._shared.profiles import ExecutionProfile
    from shardlane._shared.retry import AnyRetry
    from shardlane._shared.row_types import AnyRowFactory, DictRow, NamedRow, TupleRow
    from shardlane._shared.sockets import SocketOptions
    from shardlane._shared.speculation import AnySpeculation
    from shardlane._shared.tls import TLS

T = TypeVar("T")


@overload
def connect(
    contact_points: ContactPoints = "127.0.0.1",
    *,
    row_factory: Literal["named"] = "named",
    **options: Unpack[ConnectKeywords],
) -> Connecting[NamedRow]: ...
@overload
def connect(
    contact_points: ContactPoints = "127.0.0.1",
    *,
    row_factory: Literal["tuple"],
    **options: Unpack[ConnectKeywords],
) -> Connecting[TupleRow]: ...
@overload
def connect(
    contact_points: ContactPoints = "127.0.0.1",
    *,
    row_factory: Literal["dict"],
    **options: Unpack[ConnectKeywords],
) -> Connecting[DictRow]: ...
@overload
def connect(
    contact_points: ContactPoints = "127.0.0.1",
    *,
    row_factory: Literal["scalar"],
    **options: Unpack[ConnectKeywords],
) -> Connecting[Any]: ...
@overload
def connect(
    contact_points: ContactPoints = "127.0.0.1",
    *,
    row_factory: type[T] | Callable[..., T],
    **options: Unpack[ConnectKeywords],
) -> Connecting[T]: ...
def connect(
    contact_points: ContactPoints = "127.0.0.1",
    *,
    port: int = 9042,
    keyspace: str | None = None,
    username: str | None = None,
    password: str | None = None,
    auth: AuthProvider | None = None,
    allowed_authenticators: Sequence[str] | None = None,
    tls: bool | TLS | ssl.SSLContext | None = None,
    local_datacenter: str | None = None,
    timeout: float | None = 10.0,
    consistency: Consistency | str = "LOCAL_QUORUM",
    serial_consistency: Consistency | str | None = None,
    page_size: int | None = 5000,
    idempotent: bool = False,
    client_timestamps: bool = True,
    row_factory: AnyRowFactory = "named",
    retry: AnyRetry | None = None,
    speculative: AnySpeculation | None = None,
    load_balancing: AnyLoadBalancing | None = None,
    profiles: Mapping[str, ExecutionProfile] | None = None,
    compression: str | None = None,
    protocol_version: int | None = None,
    shard_awareness: str = "full",
    connections_per_shard: int | None = None,
    connections_per_host: int | None = None,
    source_ports: tuple[int, int] | None = None,
    socket_options: SocketOptions | None = None,
    connect_timeout: float = 5.0,
    keepalive_interval: float = 30.0,
    keepalive_timeout: float = 30.0,
    reconnect_delay_min: float = 0.05,
    reconnect_delay_max: float = 10.0,
    pool_wait: float = 2.0,
    refresh_interval: float | None = 60.0,
    schema_events: bool = True,
    metadata_request_timeout: float | None = None,
    tablet_warm_up: bool = False,
    zero_token_nodes: bool = False,
    schema_agreement_timeout: float = 10.0,
    in_flight_per_connection_max: int | None = None,
    max_in_flight: int | None = None,
    max_queued: int = 65536,
    remote_nodes_per_datacenter: int | None = None,
    node_filter: NodeChoice | None = None,
    address_translation: AddressTranslation | None = None,
    client_routes: ClientRoutes | None = None,
    application_name: str | None = None,
    statement_cache_size: int = 1000,
    udt_factory: str = "named",
    empty_values: str = "none",
) -> Connecting[Any]:
    """Connect to a cluster: ``await`` it for a session, or use it in ``async with``.

    Closing the session closes the connections.

    Args:
        contact_points: nodes to start from: ``"host"``, ``"host:port"``, ``("host", port)``,
            several in one text with commas, or a list of these. The others are discovered.
        port: of contact points that do not name one.
        keyspace: of names without one; spelled as in ``system_schema.keyspaces``.
        username: for ``PasswordAuthenticator``.
        password: likewise.
        auth: an `Authenticator` of your own instead, or a callable that is given a node's
            ``"address:port"`` and returns one for each connection.
        allowed_authenticators: classes of authenticators, as the server names them, to which the
            password may be sent; None for those known to want it, ``["*"]`` for any.
        tls: True for TLS with certificates verified by the system's CAs, a `TLS` for more options,
            or an ``ssl.SSLContext`` to take them from (all but a client certificate, which cannot
            be read from it). None for plain text. The port may be another one: 9142 with ScyllaDB's
            defaults.
        local_datacenter: whose nodes come first; None for that of the first node reached.
        timeout: seconds until RequestTimeout for each request; None for no limit.
        consistency: how many replicas have to answer.
        serial_consistency: ``"SERIAL"`` or ``"LOCAL_SERIAL"``; None leaves it to the server
            (SERIAL).
        page_size: rows in each page; None for all rows at once.
        idempotent: whether statements may be repeated when it is not known whether they took
            effect.
        client_timestamps: whether writes get their timestamps here, each later than the last one,
            so that they are applied in order, and a repeated one is no later than the first.
        row_factory: ``"named"``, ``"tuple"``, ``"dict"``, ``"scalar"`` (only the first column), or
            a callable that takes the columns as keyword arguments: a dataclass, for instance.
        retry: what follows a failed attempt; one of ``shardlane.policies``, or your own. None for
            `DefaultRetry`.
        speculative: `ConstantSpeculation` or `PercentileSpeculation`: idempotent statements are
            executed on another node as well when an answer takes long. None: they are not.
        load_balancing: which nodes come first: a `LoadBalancing`, or your own. None for
            ``LoadBalancing()``.
        profiles: sets of options by name, `ExecutionProfile` objects, for ``execute(profile=...)``.
        compression: of what is sent and received: ``"lz4"``, ``"snappy"`` (up to protocol v4) or
            None.
        protocol_version: of the native protocol: 3, 4 or 5, and no other; None for the best that
            the servers speak, which the first one reached decides.
        shard_awareness: ``"full"``: over the shard-aware port where there is one; ``"legacy"``:
            over the normal port only; ``"off"``: as if nodes had no shards.
        connections_per_shard: for each shard; None for 1. On nodes without shards, for the node.
        connections_per_host: for each node, instead, on whichever shards they land.
        source_ports: lowest and highest local port for the shard-aware port; None for 49152 to
            65535.
        socket_options: what the kernel is told about sockets, and which address connections come
            from: a `SocketOptions`. None for ``SocketOptions()``.
        connect_timeout: seconds for each attempt to connect, handshake included.
        keepalive_interval: seconds without a byte from the server after which it is asked for one.
        keepalive_timeout: seconds without an answer to that after which the connection is given up.
        reconnect_delay_min: seconds before the first attempt to reconnect; doubled each time.
        reconnect_delay_max: seconds at most between attempts to reconnect.
        pool_wait: seconds at most to wait for connections to all shards before the session is
            returned; those that are missing follow in the background.
        refresh_interval: seconds after which the nodes of the cluster are read again although no
            server has told of a change, because what servers tell may get lost; None for never.
        schema_events: whether to follow changes of the schema by others. Without it routing goes by
            the keyspaces of the time when the control connection was made (its own changes aside),
            and ``Cluster.schema()`` reads everything each time.
        metadata_request_timeout: seconds for each query of system tables by the client itself;
            ScyllaDB is told, too (``USING TIMEOUT``). None for ``connect_timeout``.
        tablet_warm_up: whether to read where all tablets lie when connecting, on a ScyllaDB that
            tells (``system.tablets``), instead of learning each from a request that goes astray.
        zero_token_nodes: whether to connect to nodes that hold no data, too. They coordinate
            requests when no other node of the local datacenter can.
        schema_agreement_timeout: seconds at most to wait after CREATE, ALTER and DROP until all
            nodes know of it.
        in_flight_per_connection_max: requests under way on one connection; None for 32768.
        max_in_flight: requests under way over all connections; those beyond wait for their turn.
            None: as many as there are.
        max_queued: requests that wait for their turn; those beyond end with ClientOverloaded.
        remote_nodes_per_datacenter: nodes of each other datacenter to connect to; None for all.
        node_filter: which nodes to connect to at all: a `NodeFilter`, or a callable that is given
            a `Node` and returns a bool. None: all.
        address_translation: where nodes are, if that is not where the servers say: a dict of
            addresses, or a callable that is given a `Node` and returns an address. Both are called
            on a thread of the driver.
        client_routes: how to reach nodes behind the proxies of a private network (PrivateLink): a
            `ClientRoutes`. None: nodes are where the servers say.
        application_name: for the server, which lists its clients.
        statement_cache_size: prepared statements to keep for each keyspace, least recently used
            first out.
        udt_factory: what user-defined types without a registered class come as: ``"named"`` (named
            tuples) or ``"dict"``.
        empty_values: what values of no bytes come as where a type has no such value of its own:
            ``"none"`` (as null does) or ``"keep"`` (as ``EMPTY``).

    Raises:
        ConfigurationError: an option makes no sense; raised at once, without awaiting.
        AuthenticationError: the login failed; also a NoHostAvailable.
        TlsError: TLS failed, or one side speaks it and the other does not; also a NoHostAvailable.
        NoHostAvailable: no contact point could be reached; ``reasons`` tells why.
        UnknownKeyspace: there is no such keyspace.
    """
    options = SessionOptions.make(
        timeout=timeout,
        consistency=consistency,
        serial_consistency=serial_consistency,
        page_size=page_size,
        idempotent=idempotent,
        client_timestamps=client_timestamps,
        row_factory=row_factory,
        retry=retry,
        speculative=speculative,
        load_balancing=load_balancing,
        profiles=profiles,
    )
    keyspace = checked_keyspace(keyspace)
    cluster = Cluster(
        contact_points,
        port=port,
        username=username,
        password=password,
        auth=auth,
        allowed_authenticators=allowed_authenticators,
        tls=tls,
        local_datacenter=local_datacenter,
        compression=compression,
        protocol_version=protocol_version,
        shard_awareness=shard_awareness,
        connections_per_shard=connections_per_shard,
        connections_per_host=connections_per_host,
        source_ports=source_ports,
        socket_options=socket_options,
        connect_timeout=connect_timeout,
        keepalive_interval=keepalive_interval,
        keepalive_timeout=keepalive_timeout,
        reconnect_delay_min=reconnect_delay_min,
        reconnect_delay_max=reconnect_delay_max,
        pool_wait=pool_wait,
        refresh_interval=refresh_interval,
        schema_events=schema_events,
        metadata_request_timeout=metadata_request_timeout,
        tablet_warm_up=tablet_warm_up,
        zero_token_nodes=zero_token_nodes,
        schema_agreement_timeout=schema_agreement_timeout,
        in_flight_per_connection_max=in_flight_per_connection_max,
        max_in_flight=max_in_flight,
        max_queued=max_queued,
        remote_nodes_per_datacenter=remote_nodes_per_datacenter,
        node_filter=node_filter,
        address_translation=address_translation,
        client_routes=client_routes,
        application_name=application_name,
        statement_cache_size=statement_cache_size,
        udt_factory=udt_factory,
        empty_values=empty_values,
    )
    return Connecting(cluster, keyspace, options, owned=True)
