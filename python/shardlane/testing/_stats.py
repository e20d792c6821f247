"""What the nodes and shards of the embedded cluster have counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class ShardStats:
    """What one shard has counted since the start, or since ``reset_stats()``."""

    shard: int
    requests: int = 0
    """Requests of any kind that arrived on connections of this shard."""
    right_shard: int = 0
    """Of those with a known partition: arrived at a replica, at the shard that owns it."""
    wrong_shard: int = 0
    """Likewise: arrived at a replica, but at another of its shards."""
    wrong_node: int = 0
    """Likewise: arrived at a node that is no replica."""
    forwarded: int = 0
    """Operations sent on to another shard or node."""
    operations: int = 0
    """Reads and writes on this shard's own data."""
    errors: int = 0
    """Errors answered."""
    connections: int = 0
    """Connections open now."""
    connections_opened: int = 0
    """Connections accepted."""
    connections_closed: int = 0
    """Connections closed, by either side."""
    shard_aware_connections: int = 0
    """Connections open now that came in by the shard-aware port."""
    shard_aware_connections_opened: int = 0
    """Connections accepted on the shard-aware port."""
    tls_connections: int = 0
    """Connections open now that came in by the normal port with TLS."""
    tls_connections_opened: int = 0
    """Connections accepted on the normal port with TLS."""
    tls_shard_aware_connections: int = 0
    """Connections open now that came in by the shard-aware port with TLS."""
    tls_shard_aware_connections_opened: int = 0
    """Connections accepted on the shard-aware port with TLS."""
    tls_handshakes: int = 0
    """TLS handshakes that went through."""
    tls_resumed: int = 0
    """Those of them that resumed an earlier session."""


class _Sums:
    """Sums over shards."""

    def _all_shards(self) -> Iterator[ShardStats]:
        raise NotImplementedError

    def total(self, counter: str) -> int:
        """Return the sum of a counter of ``ShardStats``, by its name."""
        return sum(int(getattr(shard, counter)) for shard in self._all_shards())

    @property
    def routable(self) -> int:
        """Requests with a known partition, wherever they arrived."""
        return self.total("right_shard") + self.total("wrong_shard") + self.total("wrong_node")

    @property
    def right_shard_percent(self) -> float | None:
        """Per cent of routable requests that arrived at the owning shard; None without any."""
        return 100.0 * self.total("right_shard") / self.routable if self.routable else None

    @property
    def right_node_percent(self) -> float | None:
        """Per cent of routable requests that arrived at a replica; None without any."""
        right = self.total("right_shard") + self.total("wrong_shard")
        return 100.0 * right / self.routable if self.routable else None

    @property
    def connections(self) -> int:
        """Connections open now."""
        return self.total("connections")


@dataclass(frozen=True)
class NodeStats(_Sums):
    """What one node has counted."""

    node: int
    """Its number, from 0."""
    address: str
    host_id: str
    alive: bool
    shards: tuple[ShardStats, ...]
    """One for each shard; a single one on a node without shards."""

    def _all_shards(self) -> Iterator[ShardStats]:
        return iter(self.shards)


@dataclass(frozen=True)
class ClusterStats(_Sums):
    """What the cluster has counted. ``print()`` it to see a table."""

    nodes: tuple[NodeStats, ...]

    def _all_shards(self) -> Iterator[ShardStats]:
        return (shard for node in self.nodes for shard in node.shards)

    def __iter__(self) -> Iterator[NodeStats]:
        return iter(self.nodes)

    def __str__(self) -> str:
        headings = ("node", "shard", "connections", "right shard", "wrong shard", "wrong node")
        rows = [headings]
        for node in self.nodes:
            for index, shard in enumerate(node.shards):
                counters = (
                    shard.connections,
                    shard.right_shard,
                    shard.wrong_shard,
                    shard.wrong_node,
                )
                address = node.address if index == 0 else ""
                rows.append((address, str(shard.shard), *map(str, counters)))  # type: ignore[arg-type]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in rows]
        percent = self.right_shard_percent
        if percent is not None:
            lines.append(f"{percent:.1f} % of {self.routable} requests arrived at the owning shard")
        return "\n".join(lines)


def read(stats: Mapping[str, Any]) -> ClusterStats:
    """Make a `ClusterStats` of what the embedded cluster says."""
    return ClusterStats(
        tuple(
            NodeStats(
                node=node["node"],
                address=node["address"],
                host_id=node["host_id"],
                alive=node["alive"],
                shards=tuple(ShardStats(**shard) for shard in node["shards"]),
            )
            for node in stats["nodes"]
        )
    )
