"""The application's say about nodes: which to use, where they are; and what becomes of them."""

from __future__ import annotations

import inspect
import ipaddress
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shardlane.exceptions import ConfigurationError

from . import topology
from .contact_points import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shardlane import _core

    from .callouts import Handler, Helpers
    from .topology import Node

_log = logging.getLogger("shardlane")


@dataclass(frozen=True)
class NodeFilter:
    """Which nodes to use, by their names. A node is used unless something speaks against it.

    Args:
        allow: if it is not empty, only these: host ids, addresses, or addresses with ports.
        deny: none of these.
        datacenters: if it is not empty, only nodes of these datacenters.
    """

    allow: Sequence[str] = ()
    deny: Sequence[str] = ()
    datacenters: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("allow", "deny", "datacenters"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(item, str) for item in value):
                raise ConfigurationError(
                    f"{name}={value!r} is not understood", hint="give a list of str"
                )

    def __call__(self, node: Node) -> bool:
        """Return whether the node is to be used."""
        host, _, _ = node.address.rpartition(":")
        names = {str(node.host_id), node.address, host, host.strip("[]")}
        return (
            (not self.allow or not names.isdisjoint(self.allow))
            and names.isdisjoint(self.deny)
            and (not self.datacenters or node.datacenter in self.datacenters)
        )


@dataclass(frozen=True)
class NodeEvent:
    """Something has happened to a node."""

    kind: str
    """``"added"`` to the cluster, ``"removed"`` from it, ``"up"``: there is a connection to it, or
    ``"down"``: there is none any more. A node whose address changes is removed and added."""
    node: Node


if TYPE_CHECKING:
    AddressTranslation = Mapping[str, str] | Callable[[Node], str]
    """From the addresses that the servers tell to those where they can be reached."""

    NodeChoice = Callable[[Node], bool]
    """Whether a node is to be used."""


def checked_translation(given: Any) -> None:
    """Raise ConfigurationError unless ``given`` translates addresses, or is None."""
    if given is None or (callable(given) and not isinstance(given, type)):
        return
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"address_translation={given!r} is not understood",
            hint="give a dict of addresses, or a callable that takes a Node",
        )
    for told, used in given.items():
        for address in (told, used):
            _address(address, where="address_translation: ")


def checked_filter(given: Any) -> None:
    """Raise ConfigurationError unless ``given`` can choose nodes, or is None."""
    if given is not None and (not callable(given) or isinstance(given, type)):
        raise ConfigurationError(
            f"node_filter={given!r} is not understood",
            hint="give a NodeFilter, or a callable that takes a Node and returns a bool",
        )


class NodeHandler:
    """Answers the core's questions about nodes.

    Args:
        node_filter: whether a node is to be used; None: all are.
        translation: where nodes are; None: where the servers say.
    """

    def __init__(self, node_filter: NodeChoice | None, translation: Any) -> None:
        self._filter = node_filter
        self._translate: Callable[[Node], str] | None = translation
        if isinstance(translation, Mapping):
            # The form in which nodes are named.
            addresses = {_address(told): used for told, used in translation.items()}
            self._translate = lambda node: _looked_up(addresses, node)

    def __call__(self, info: dict[str, Any]) -> list[tuple[str, int] | None]:
        """Return where to reach each node, and None for those that are not to be used."""
        return [self._judge(described) for described in info["nodes"]]

    def _judge(self, described: dict[str, Any]) -> tuple[str, int] | None:
        (node,) = topology.nodes([described])
        address = (described["address"], described["port"])
        try:
            if self._filter is not None and not self._filter(node):
                return None
            # The node that was asked is where it was reached.
            if self._translate is not None and not described["is_reached"]:
                address = _address(self._translate(node), described["port"])
        except Exception:
            # Better to know of a node than to lose it.
            _log.exception("node_filter= or address_translation= has failed for %s", node)
        return address


def _looked_up(addresses: Mapping[tuple[str, int], str], node: Node) -> str:
    host, port = _address(node.address)
    return addresses.get((host, port)) or addresses.get((host, NO_PORT)) or node.address


NO_PORT = 0


def _address(text: Any, port: int = NO_PORT, where: str = "") -> tuple[str, int]:
    """Host and port of an address; ``port`` if it names none."""
    if isinstance(text, str):
        # Whatever is given for those that name no port shows whether this one does.
        ((host, one),), ((_, other),) = parse([text], 1), parse([text], 2)
        try:
            return str(ipaddress.ip_address(host)), one if one == other else port
        except ValueError:
            pass
    raise ConfigurationError(
        f"{where}{text!r} is not an address", hint="give an IP address, with or without a port"
    )


def checked_callback(callback: Any) -> Callable[[NodeEvent], object]:
    """Return a callback of ``on_event``.

    Raises:
        ConfigurationError: it is none.
    """
    if not callable(callback) or inspect.iscoroutinefunction(callback):
        raise ConfigurationError(
            f"{callback!r} is not a callback", hint="give a plain function that takes a NodeEvent"
        )
    return callback  # type: ignore[no-any-return]


class Listeners:
    """Who wants to hear of nodes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[NodeEvent], object]] = []
        self._core: _core.Cluster | None = None
        self._helpers: Helpers | None = None

    def add(self, callback: Callable[[NodeEvent], object]) -> Callable[[], None]:
        """Add a callback; return what removes it again."""

        def remove() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)
                self._listen()

        with self._lock:
            self._callbacks.append(callback)
            self._listen()
        return remove

    def handlers(self) -> dict[str, Handler]:
        """What answers for the core from its beginning, so that no event is missed."""
        with self._lock:
            return {"events": self._tell} if self._callbacks else {}

    def attach(self, core: _core.Cluster, helpers: Helpers) -> None:
        """There is a core now."""
        with self._lock:
            self._core, self._helpers = core, helpers
            self._listen()

    def _listen(self) -> None:
        if self._core is not None and self._helpers is not None:
            if self._callbacks:
                self._helpers.serve("events", self._tell)
            self._core.listen(bool(self._callbacks))

    def _tell(self, info: dict[str, Any]) -> None:
        (node,) = topology.nodes([info["node"]])
        event = NodeEvent(info["kind"], node)
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            _call(callback, event)


def _call(callback: Callable[[NodeEvent], object], event: NodeEvent) -> None:
    try:
        callback(event)
    except Exception:
        _log.exception("a callback of on_event() has failed")
