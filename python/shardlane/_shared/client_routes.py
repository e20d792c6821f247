"""Nodes behind the proxies of a private network (PrivateLink, Private Service Connect)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shardlane.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ClientRoute:
    """A way into a private network.

    Args:
        connection_id: what the cluster's operator calls it; rows of ``system.client_routes`` with
            another one are not looked at.
        address: a host name or IP address to use in the place of those that the rows tell; the
            ports are theirs all the same. None: what the rows tell.

    Raises:
        ConfigurationError: the options make no sense.
    """

    connection_id: str
    address: str | None = None

    def __post_init__(self) -> None:
        _text("connection_id", self.connection_id)
        if self.address is not None:
            _text("address", self.address)
            if "://" in self.address or "/" in self.address or any(map(str.isspace, self.address)):
                raise ConfigurationError(
                    f"address={self.address!r} is not a host", hint="give a host name or IP address"
                )
            if self.address.count(":") == 1 or self.address.startswith("["):
                raise ConfigurationError(
                    f"address={self.address!r} has a port or brackets",
                    hint="give a host name or IP address; ports come from system.client_routes",
                )


@dataclass(frozen=True)
class ClientRoutes:
    """Nodes are reached through proxies, as ``system.client_routes`` tells, and in no other way.

    Contact points are the proxies' addresses. A node without a route gets no connections;
    ``session.shards()`` tells why. Names are resolved when connecting.

    Args:
        connections: the ways in, the preferred one first: a `ClientRoute`, or just its connection
            id.
        shard_aware_port: whether the proxies lead to the shard-aware port too, under its own
            number, and leave source ports as they are. Load balancers do not; without it each
            connection lands on the shard that the server picks, and those that are missing are
            tried for.

    Raises:
        ConfigurationError: the options make no sense.
    """

    connections: Sequence[ClientRoute | str]
    shard_aware_port: bool = False

    def __post_init__(self) -> None:
        given: Any = self.connections
        if isinstance(given, (str, ClientRoute)) or not hasattr(given, "__iter__"):
            raise ConfigurationError(
                f"connections={given!r} is not a list", hint="give a list of ClientRoute or str"
            )
        routes = tuple(ClientRoute(item) if isinstance(item, str) else item for item in given)
        for route in routes:
            if not isinstance(route, ClientRoute):
                raise ConfigurationError(
                    f"connections: {route!r} is no way into a network",
                    hint="give a ClientRoute, or a connection id as str",
                )
        if not routes:
            raise ConfigurationError("connections is empty", hint="give at least one ClientRoute")
        if len({route.connection_id for route in routes}) < len(routes):
            raise ConfigurationError("connections names a connection id twice")
        if not isinstance(self.shard_aware_port, bool):
            raise ConfigurationError(
                f"shard_aware_port={self.shard_aware_port!r} is not understood",
                hint="give True or False",
            )
        object.__setattr__(self, "connections", routes)


def described(given: ClientRoutes | None) -> tuple[list[tuple[str, str | None]], bool] | None:
    """Return the options as the core takes them."""
    if given is None:
        return None
    routes = [ClientRoute(item) if isinstance(item, str) else item for item in given.connections]
    return [(route.connection_id, route.address) for route in routes], given.shard_aware_port


def checked_routes(given: Any, address_translation: Any) -> None:
    """Raise ConfigurationError unless ``given`` tells how to reach nodes, or is None."""
    if given is None:
        return
    if not isinstance(given, ClientRoutes):
        raise ConfigurationError(
            f"client_routes={given!r} is not understood", hint="give a ClientRoutes"
        )
    if address_translation is not None:
        raise ConfigurationError(
            "client_routes= and address_translation= both say where nodes are",
            hint="give one of them",
        )


def _text(name: str, given: Any) -> None:
    if not isinstance(given, str) or not given:
        raise ConfigurationError(f"{name}={given!r} is not a name", hint="give a str")
