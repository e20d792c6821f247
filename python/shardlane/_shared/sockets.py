"""What the kernel is told about the sockets of a cluster object."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shardlane.exceptions import ConfigurationError

from .checks import one_of, positive

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

TCP_KEEPALIVE_MAX = 32767
"""Seconds; the kernel takes no more."""

BUFFER_BYTES_MAX = 2**30
"""The kernel's own limits (``net.core.wmem_max``) are far lower."""


@dataclass(frozen=True)
class SocketOptions:
    """Options of sockets, for ``connect(socket_options=...)``; they hold for all connections.

    Args:
        tcp_nodelay: whether small requests leave at once, without waiting for more to send.
        tcp_keepalive: seconds without traffic after which the kernel probes the other side, which
            also keeps firewalls from forgetting a connection; None for never. The driver asks the
            servers for signs of life besides (``keepalive_interval=``).
        send_buffer_bytes: for what is sent and not yet confirmed (``SO_SNDBUF``); None leaves it to
            the kernel, which adapts it to the connection.
        receive_buffer_bytes: for what has arrived and is not yet read (``SO_RCVBUF``); likewise.
        local_address: the IP address of this host that connections come from; None leaves it to
            the kernel's routes. Together with ``source_ports=`` for the shard-aware port. Nodes of
            the other IP version cannot be reached then.

    Raises:
        ConfigurationError: a value makes no sense.
    """

    tcp_nodelay: bool = True
    tcp_keepalive: int | None = 60
    send_buffer_bytes: int | None = None
    receive_buffer_bytes: int | None = None
    local_address: str | IPv4Address | IPv6Address | None = None

    def __post_init__(self) -> None:
        one_of("tcp_nodelay", self.tcp_nodelay, (True, False))
        positive("tcp_keepalive", self.tcp_keepalive, TCP_KEEPALIVE_MAX, or_none=True)
        for name in ("send_buffer_bytes", "receive_buffer_bytes"):
            positive(name, getattr(self, name), BUFFER_BYTES_MAX, or_none=True)
        if self.local_address is not None:
            object.__setattr__(self, "local_address", _checked_address(self.local_address))


def _checked_address(given: Any) -> IPv4Address | IPv6Address:
    try:
        if isinstance(given, (int, bytes)):
            raise ValueError
        found = ipaddress.ip_address(given)
    except ValueError:
        raise ConfigurationError(
            f"local_address={given!r} is not an IP address",
            hint="give an address of this host, without a port, or None",
        ) from None
    if getattr(found, "scope_id", None):
        raise ConfigurationError(
            f"local_address={given!r} has a scope", hint="give an address without one"
        )
    return found


def checked_sockets(given: Any) -> None:
    """Raise ConfigurationError unless ``given`` is a `SocketOptions`, or None."""
    if given is not None and not isinstance(given, SocketOptions):
        raise ConfigurationError(
            f"socket_options={given!r} is not understood",
            hint="give a shardlane.SocketOptions, or None",
        )
