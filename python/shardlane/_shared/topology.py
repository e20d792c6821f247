"""What a cluster object knows of its nodes and of the connections to them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Node:
    """A node of the cluster."""

    host_id: uuid.UUID
    address: str
    """Address and port: ``127.0.0.1:9042``, ``[::1]:9042``."""
    datacenter: str
    rack: str
    release_version: str
    """The version of Cassandra that it says it is compatible with."""


@dataclass(frozen=True)
class ShardConnections:
    """The connections to one shard of a node, and what went over them."""

    shard: int | None
    """Its number; None on a node without shards."""
    connections: int
    """Connections that take requests."""
    algorithms: tuple[str, ...]
    """How each was got: ``"first"`` (of the node), ``"shard-aware port"`` or ``"legacy"``."""
    in_flight: int
    """Requests sent and not yet answered."""
    requests: int
    """Requests sent so far, every attempt counted."""
    errors: int
    """Attempts that ended in an error, of the server or of the connection."""


@dataclass(frozen=True)
class NodeConnections:
    """The pool of one node."""

    host_id: uuid.UUID
    address: str
    """Address and port, as in ``Node``."""
    datacenter: str
    shard_count: int | None
    """None if the node has no shards, or has not been reached yet."""
    shard_aware_port_blocked: bool
    """Whether the shard-aware port is left alone for now: it failed or led to a wrong shard."""
    connections_opened: int
    """Connections opened to the node so far."""
    connections_closed: int
    """Connections to the node closed again, by either side."""
    last_error: str | None
    """Why the last attempt at a connection failed; None if it did not."""
    shards: tuple[ShardConnections, ...]
    """One for each shard; a single one on a node without shards."""

    @property
    def connections(self) -> int:
        """Connections that take requests."""
        return sum(shard.connections for shard in self.shards)

    @property
    def covered(self) -> int:
        """Shards with at least one connection."""
        return sum(shard.connections > 0 for shard in self.shards)


@dataclass(frozen=True)
class ClusterConnections:
    """All pools of a cluster object at one moment. ``print()`` it to see a table."""

    nodes: tuple[NodeConnections, ...]

    @property
    def is_shard_aware(self) -> bool:
        """Whether nodes have shards, so that requests can be sent to the one that owns the key."""
        return any(node.shard_count is not None for node in self.nodes)

    @property
    def is_fully_covered(self) -> bool:
        """Whether every shard of every node has a connection."""
        return bool(self.nodes) and self.covered == self.total

    @property
    def connections(self) -> int:
        """Connections that take requests."""
        return sum(node.connections for node in self.nodes)

    @property
    def covered(self) -> int:
        """Shards with at least one connection; nodes without shards count as one."""
        return sum(node.covered for node in self.nodes)

    @property
    def total(self) -> int:
        """Shards in all; nodes without shards count as one."""
        return sum(len(node.shards) for node in self.nodes)

    def __iter__(self) -> Iterator[NodeConnections]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __str__(self) -> str:
        rows = [_HEADINGS, *(row for node in self.nodes for row in _rows(node))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if index in _LEFT else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, self.summary()])

    def summary(self) -> str:
        """Return one line: ``3 nodes, 12 of 12 shards, 12 connections, shard-aware``."""
        nodes = _counted(len(self.nodes), "node")
        connections = _counted(self.connections, "connection")
        if not self.is_shard_aware:
            return f"{nodes}, {connections}, not shard-aware"
        return f"{nodes}, {self.covered} of {self.total} shards, {connections}, shard-aware"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


_HEADINGS = ("node", "shard", "connections", "in flight", "requests", "errors", "algorithm")
_LEFT = (0, 6)


def _rows(node: NodeConnections) -> Iterator[tuple[str, ...]]:
    for index, shard in enumerate(node.shards):
        blocked = " (port blocked)" if node.shard_aware_port_blocked and index == 0 else ""
        yield (
            f"{node.address}{blocked}" if index == 0 else "",
            "-" if shard.shard is None else str(shard.shard),
            str(shard.connections),
            str(shard.in_flight),
            str(shard.requests),
            str(shard.errors),
            ", ".join(dict.fromkeys(shard.algorithms)) or "-",
        )


def nodes(described: Sequence[Mapping[str, Any]]) -> tuple[Node, ...]:
    """Make `Node` objects of what the core says, by address."""
    found = [
        Node(
            uuid.UUID(node["host_id"]),
            address(node["address"], node["port"]),
            node["datacenter"],
            node["rack"],
            node["release_version"],
        )
        for node in described
    ]
    return tuple(sorted(found, key=lambda node: _natural(node.address)))


def connections(described: Sequence[Mapping[str, Any]]) -> ClusterConnections:
    """Make a `ClusterConnections` of what the core says, by address."""
    pools = [
        NodeConnections(
            host_id=uuid.UUID(pool["host_id"]),
            address=address(pool["address"], pool["port"]),
            datacenter=pool["datacenter"],
            shard_count=pool["nr_shards"],
            shard_aware_port_blocked=pool["shard_aware_port_blocked"],
            connections_opened=pool["opened_total"],
            connections_closed=pool["closed_total"],
            last_error=pool["last_error"],
            shards=tuple(
                ShardConnections(
                    shard=shard["shard"],
                    connections=shard["connections"],
                    algorithms=tuple(shard["algorithms"]),
                    in_flight=shard["in_flight"],
                    requests=shard["requests"],
                    errors=shard["errors"],
                )
                for shard in pool["shards"]
            ),
        )
        for pool in described
    ]
    return ClusterConnections(tuple(sorted(pools, key=lambda pool: _natural(pool.address))))


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """A key that puts 127.0.0.2 before 127.0.0.10."""
    parts = text.replace(":", ".").split(".")
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
