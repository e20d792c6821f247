"""Contact points as users write them: ``"host"``, ``"host:port"``, ``("host", port)``, a list."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from shardlane.exceptions import ConfigurationError

DEFAULT_PORT = 9042

ContactPoint = str | tuple[str, int] | ipaddress.IPv4Address | ipaddress.IPv6Address
ContactPoints = ContactPoint | Sequence[ContactPoint]

_FORMS = 'give "host", "host:port", "[ipv6]:port", ("host", port), or a list of these'


def parse(given: Any, port: Any = DEFAULT_PORT) -> tuple[tuple[str, int], ...]:
    """Return hosts and ports, in the order given, each pair once.

    Args:
        given: one contact point, several in one text with commas, or an iterable of them.
        port: for those that do not name one.

    Raises:
        ConfigurationError: not a contact point, or there is none.
    """
    default = checked_port(port, "port")
    points = dict.fromkeys(point for item in _items(given) for point in _parse_one(item, default))
    if not points:
        raise ConfigurationError("contact_points is empty", hint=_FORMS)
    return tuple(points)


def checked_port(port: Any, name: str) -> int:
    """Return ``port`` if it is the number of a TCP port.

    Raises:
        ConfigurationError: it is not.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise ConfigurationError(
            f"{name}={port!r} is not a port", hint="give a number from 1 to 65535"
        )
    return port


def _items(given: Any) -> Iterable[Any]:
    if isinstance(given, (str, ipaddress.IPv4Address, ipaddress.IPv6Address)) or _is_pair(given):
        return (given,)
    if isinstance(given, Iterable) and not isinstance(given, (bytes, bytearray)):
        return given
    raise ConfigurationError(f"contact_points={given!r} is not understood", hint=_FORMS)


def _is_pair(given: Any) -> bool:
    # A tuple of two names is two contact points; a name and a number is one.
    return isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], int)


def _parse_one(item: Any, default: int) -> list[tuple[str, int]]:
    if _is_pair(item):
        host, port = item
        return [(_host(host, item), checked_port(port, f"the port of contact point {item!r}"))]
    if isinstance(item, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return [(str(item), default)]
    if isinstance(item, str):
        return [_parse_text(part.strip(), default) for part in item.split(",") if part.strip()]
    raise ConfigurationError(f"contact point {item!r} is not understood", hint=_FORMS)


def _parse_text(text: str, default: int) -> tuple[str, int]:
    if "://" in text or "/" in text or "@" in text:
        raise ConfigurationError(
            f"contact point {_without_login(text)!r} looks like a URL",
            hint=f"{_FORMS}; credentials go into username= and password=",
        )
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ConfigurationError(f"contact point {text!r} is not understood", hint=_FORMS)
        if ":" not in host:
            raise ConfigurationError(
                f"contact point {text!r}: {host!r} is no IPv6 address",
                hint="brackets are for IPv6 addresses only",
            )
        return _host(host, text), _port_text(rest[1:], text, default) if rest else default
    if text.count(":") > 1:
        # An IPv6 address without brackets has no port.
        return _host(text, text), default
    host, colon, port = text.partition(":")
    return _host(host, text), _port_text(port, text, default) if colon else default


def _host(host: Any, item: Any) -> str:
    if not isinstance(host, str) or not host.strip() or any(c.isspace() for c in host.strip()):
        raise ConfigurationError(f"contact point {item!r} has no host", hint=_FORMS)
    name: str = host.strip()
    if ":" in name:
        try:
            return str(ipaddress.IPv6Address(name))
        except ValueError:
            message = f"contact point {item!r}: {name!r} is no IPv6 address"
            raise ConfigurationError(message, hint=_FORMS) from None
    return name


def _port_text(port: str, text: str, default: int) -> int:
    if not port.isascii() or not port.isdigit():
        raise ConfigurationError(
            f"contact point {text!r}: {port!r} is not a port", hint=f"leave it out for {default}"
        )
    return checked_port(int(port), f"contact point {text!r}: the port")


def _without_login(text: str) -> str:
    """A URL without user and password, for messages."""
    scheme, separator, rest = text.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
