"""Options of cluster objects and sessions, checked where they are given."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypedDict

from shardlane import _core
from shardlane.exceptions import ConfigurationError

from . import logs
from .auth import LoginHandler, checked_auth, checked_authenticators
from .callouts import Helpers
from .checks import one_of, positive, seconds
from .client_routes import checked_routes, described
from .consistency import Consistency, checked_consistency, checked_serial_consistency
from .contact_points import DEFAULT_PORT, ContactPoints, checked_port, parse
from .load_balancing import checked_load_balancing
from .nodes import NodeHandler, checked_filter, checked_translation
from .profiles import checked_profiles
from .retry import checked_retry
from .sockets import SocketOptions, checked_sockets
from .speculation import describe_speculation
from .tls import TLS, prepared

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from .auth import AuthProvider, RunAwaitable
    from .callouts import Handler
    from .client_routes import ClientRoutes
    from .load_balancing import AnyLoadBalancing, Target
    from .nodes import AddressTranslation, Listeners, NodeChoice
    from .profiles import ExecutionProfile
    from .retry import AnyRetry
    from .row_types import AnyRowFactory
    from .speculation import AnySpeculation

CLOSE_TIMEOUT = 5.0
"""Seconds that ``close()`` gives to requests under way, unless told otherwise."""


IN_FLIGHT_MAX = 10_000_000
"""A bound for ``max_in_flight`` and ``max_queued``: so many requests fill the memory."""


class ClusterKeywords(TypedDict, total=False):
    """Keyword options of a cluster object; see ``shardlane.connect`` for what they mean."""

    port: int
    username: str | None
    password: str | None
    auth: AuthProvider | None
    allowed_authenticators: Sequence[str] | None
    tls: bool | TLS | ssl.SSLContext | None
    local_datacenter: str | None
    compression: str | None
    protocol_version: int | None
    shard_awareness: str
    connections_per_shard: int | None
    connections_per_host: int | None
    source_ports: tuple[int, int] | None
    socket_options: SocketOptions | None
    connect_timeout: float
    keepalive_interval: float
    keepalive_timeout: float
    reconnect_delay_min: float
    reconnect_delay_max: float
    pool_wait: float
    refresh_interval: float | None
    schema_events: bool
    metadata_request_timeout: float | None
    tablet_warm_up: bool
    zero_token_nodes: bool
    schema_agreement_timeout: float
    in_flight_per_connection_max: int | None
    max_in_flight: int | None
    max_queued: int
    remote_nodes_per_datacenter: int | None
    node_filter: NodeChoice | None
    address_translation: AddressTranslation | None
    client_routes: ClientRoutes | None
    application_name: str | None
    statement_cache_size: int
    udt_factory: str
    empty_values: str


class SessionKeywords(TypedDict, total=False):
    """Keyword options of a session except ``row_factory``, which overloads tell apart."""

    timeout: float | None
    consistency: Consistency | str
    serial_consistency: Consistency | str | None
    page_size: int | None
    idempotent: bool
    client_timestamps: bool
    retry: AnyRetry | None
    speculative: AnySpeculation | None
    load_balancing: AnyLoadBalancing | None
    profiles: Mapping[str, ExecutionProfile] | None


class ConnectKeywords(ClusterKeywords, SessionKeywords, total=False):
    """Keyword options of ``connect`` except ``row_factory``."""

    keyspace: str | None


class RequestKeywords(TypedDict, total=False):
    """Keyword options that all requests take; see ``Session.execute``."""

    timeout: float | _core.UnsetType | None
    consistency: Consistency | str | _core.UnsetType
    serial_consistency: Consistency | str | _core.UnsetType | None
    timestamp: int | None
    idempotent: bool | _core.UnsetType
    tracing: bool
    custom_payload: Mapping[str, bytes] | None
    keyspace: str | None
    now_in_seconds: int | None
    profile: str | _core.UnsetType
    retry: AnyRetry | _core.UnsetType | None
    node: Target | None


class ExecuteKeywords(RequestKeywords, total=False):
    """Keyword options of ``Session.execute`` except ``row_factory``."""

    page_size: int | _core.UnsetType | None
    paging_state: bytes | None


@dataclass(frozen=True)
class ClusterOptions:
    """Everything a cluster object is made from. Secrets are left out of the repr."""

    contact_points: tuple[tuple[str, int], ...]
    local_datacenter: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    auth: AuthProvider | None = field(default=None, repr=False)
    allowed_authenticators: Sequence[str] | None = None
    tls: _core.Tls | None = field(default=None, repr=False)
    compression: str | None = None
    protocol_version: int | None = None
    shard_awareness: str = "full"
    connections_per_shard: int | None = None
    connections_per_host: int | None = None
    source_ports: tuple[int, int] | None = None
    socket_options: SocketOptions | None = None
    connect_timeout: float = 5.0
    keepalive_interval: float = 30.0
    keepalive_timeout: float = 30.0
    reconnect_delay_min: float = 0.05
    reconnect_delay_max: float = 10.0
    pool_wait: float = 2.0
    refresh_interval: float | None = 60.0
    schema_events: bool = True
    metadata_request_timeout: float | None = None
    tablet_warm_up: bool = False
    zero_token_nodes: bool = False
    schema_agreement_timeout: float = 10.0
    in_flight_per_connection_max: int | None = None
    max_in_flight: int | None = None
    max_queued: int = 65536
    remote_nodes_per_datacenter: int | None = None
    node_filter: NodeChoice | None = None
    address_translation: AddressTranslation | None = None
    client_routes: ClientRoutes | None = None
    application_name: str | None = None
    statement_cache_size: int = 1000
    udt_factory: str = "named"
    empty_values: str = "none"

    @classmethod
    def make(
        cls, contact_points: ContactPoints, *, port: int = DEFAULT_PORT, **options: Any
    ) -> ClusterOptions:
        """Check and collect.

        Raises:
            ConfigurationError: an option is unknown or makes no sense; the message names it.
        """
        known = {option.name for option in fields(cls)}
        if unknown := options.keys() - known:
            raise ConfigurationError(
                f"unknown option {min(unknown)!r}",
                hint=f"there are: port, {', '.join(sorted(known))}",
            )
        options["tls"] = prepared(options.get("tls"))
        self = cls(parse(contact_points, port), **options)
        self._check()
        return self

    def _check(self) -> None:
        if (self.username is None) != (self.password is None):
            raise ConfigurationError("give both username= and password=, or neither")
        if self.username is not None and self.auth is not None:
            raise ConfigurationError("give username= and password=, or auth=, not both")
        checked_auth(self.auth)
        checked_authenticators(self.allowed_authenticators)
        for name in ("username", "password", "local_datacenter", "application_name"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                # Never the value itself: it may be the password.
                raise ConfigurationError(f"{name} is a {type(value).__name__}", hint="give a str")
        one_of("compression", self.compression, (None, "lz4", "snappy"))
        one_of("udt_factory", self.udt_factory, ("named", "dict"))
        one_of("empty_values", self.empty_values, ("none", "keep"))
        for name in ("schema_events", "tablet_warm_up", "zero_token_nodes"):
            one_of(name, getattr(self, name), (True, False))
        if self.metadata_request_timeout is not None:
            seconds("metadata_request_timeout", self.metadata_request_timeout)
        if self.refresh_interval is not None:
            seconds("refresh_interval", self.refresh_interval, remedy="or None for never")
        checked_sockets(self.socket_options)
        if self.protocol_version is not None:
            self._check_protocol(self.protocol_version)
        one_of("shard_awareness", self.shard_awareness, ("full", "legacy", "off"))
        if self.connections_per_shard is not None and self.connections_per_host is not None:
            raise ConfigurationError(
                "give connections_per_shard= or connections_per_host=, not both"
            )
        for name in ("connections_per_shard", "connections_per_host"):
            positive(name, getattr(self, name), most=1024, or_none=True)
        positive(
            "in_flight_per_connection_max", self.in_flight_per_connection_max, 32768, or_none=True
        )
        positive("max_in_flight", self.max_in_flight, IN_FLIGHT_MAX, or_none=True)
        positive("max_queued", self.max_queued, IN_FLIGHT_MAX, zero=True)
        remote = self.remote_nodes_per_datacenter
        positive("remote_nodes_per_datacenter", remote, 1_000_000, zero=True, or_none=True)
        checked_filter(self.node_filter)
        checked_translation(self.address_translation)
        checked_routes(self.client_routes, self.address_translation)
        positive("statement_cache_size", self.statement_cache_size, 2**31)
        for name in (
            "connect_timeout",
            "keepalive_interval",
            "keepalive_timeout",
            "reconnect_delay_min",
            "reconnect_delay_max",
            "pool_wait",
            "schema_agreement_timeout",
        ):
            seconds(name, getattr(self, name), zero=name == "pool_wait")
        if self.reconnect_delay_min > self.reconnect_delay_max:
            raise ConfigurationError(
                f"reconnect_delay_min={self.reconnect_delay_min!r} is more than"
                f" reconnect_delay_max={self.reconnect_delay_max!r}",
                hint="give the shorter delay as reconnect_delay_min=",
            )
        if self.source_ports is not None:
            self._check_source_ports(self.source_ports)

    def _check_protocol(self, version: Any) -> None:
        if isinstance(version, bool) or version not in (3, 4, 5):
            raise ConfigurationError(
                f"protocol_version={version!r} is not known here",
                hint="give 3, 4 or 5; or None for the best that the servers speak",
            )
        if version == 5 and self.compression == "snappy":
            raise ConfigurationError(
                "protocol v5 has no Snappy", hint="give compression='lz4', or another version"
            )

    def _check_source_ports(self, ports: Any) -> None:
        if not isinstance(ports, (tuple, list)) or len(ports) != 2:
            raise ConfigurationError(
                f"source_ports={ports!r} is not a range",
                hint="give the lowest and the highest port",
            )
        low, high = (checked_port(port, "source_ports: the port") for port in ports)
        if low > high:
            raise ConfigurationError(
                f"source_ports={ports!r} is empty", hint="give the lowest port first"
            )

    def start(
        self, types: _core.UserTypes, listeners: Listeners, run: RunAwaitable | None
    ) -> tuple[_core.Cluster, Helpers]:
        """Begin to connect.

        Args:
            types: what is registered for values.
            listeners: who wants to hear of nodes.
            run: what runs the coroutines of an authenticator; None where there are none.
        """
        options = {option.name: getattr(self, option.name) for option in fields(self)}
        # These two are in `types`.
        del options["udt_factory"], options["empty_values"]
        handlers: dict[str, Handler] = {}
        if (auth := options.pop("auth")) is not None:
            handlers["login"] = LoginHandler(auth, run)
        choice, translation = options.pop("node_filter"), options.pop("address_translation")
        if choice is not None or translation is not None:
            handlers["nodes"] = NodeHandler(choice, translation)
        options["client_routes"] = described(self.client_routes)
        handlers.update(listeners.handlers())
        least = logs.wanted()
        handlers.update(logs.handlers(least))
        helpers = Helpers(handlers)
        options.update(callouts=helpers.core, asks=helpers.lanes, log=least)
        try:
            core = _core.Cluster(options.pop("contact_points"), user_types=types, **options)
        except (ValueError, TypeError, OverflowError) as error:
            raise ConfigurationError(str(error)) from error
        helpers.start()
        return core, helpers


@dataclass(frozen=True)
class SessionOptions:
    """What a session's requests use unless they say otherwise."""

    timeout: float | None = 10.0
    consistency: str = "LOCAL_QUORUM"
    serial_consistency: str | None = None
    page_size: int | None = 5000
    idempotent: bool = False
    client_timestamps: bool = True
    row_factory: AnyRowFactory = "named"
    retry: AnyRetry | None = None
    speculative: AnySpeculation | None = None
    load_balancing: AnyLoadBalancing | None = None
    profiles: Mapping[str, ExecutionProfile] | None = None

    @classmethod
    def make(cls, **options: Any) -> SessionOptions:
        """Check and collect.

        Raises:
            ConfigurationError: an option is unknown or makes no sense; the message names it.
        """
        known = [option.name for option in fields(cls)]
        if unknown := options.keys() - set(known):
            raise ConfigurationError(
                f"unknown option {min(unknown)!r}", hint=f"there are: {', '.join(known)}"
            )
        if "consistency" in options:
            options["consistency"] = checked_consistency(options["consistency"])
        if "serial_consistency" in options:
            options["serial_consistency"] = checked_serial_consistency(
                options["serial_consistency"]
            )
        self = cls(**options)
        if self.timeout is not None:
            seconds("timeout", self.timeout, remedy="or None for no limit")
        positive("page_size", self.page_size, 2**31 - 1, or_none=True)
        one_of("idempotent", self.idempotent, (True, False))
        one_of("client_timestamps", self.client_timestamps, (True, False))
        if not callable(self.row_factory):
            one_of(
                "row_factory", self.row_factory, ("named", "tuple", "dict", "scalar"), "a callable"
            )
        checked_retry(self.retry)
        describe_speculation(self.speculative)
        checked_load_balancing(self.load_balancing)
        checked_profiles(self.profiles, self)
        return self


SESSION_OPTION_NAMES = frozenset(option.name for option in fields(SessionOptions))


def checked_keyspace(keyspace: Any) -> str | None:
    """Return the name of a keyspace, or None.

    Raises:
        ConfigurationError: it is neither.
    """
    if keyspace is None or (isinstance(keyspace, str) and keyspace):
        return keyspace
    raise ConfigurationError(f"keyspace={keyspace!r} is not a name", hint="give a str, or None")
