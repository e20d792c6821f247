"""What the servers counted: connections, and where requests arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shardlane.testing import ClusterStats


@dataclass(frozen=True)
class Cell:
    """Prepared requests for one partition that arrived at one shard of one node."""

    right_shard: int = 0
    """This shard owns the key."""
    wrong_shard: int = 0
    """This node has the key, but another of its shards owns it."""
    wrong_node: int = 0
    """This node does not have the key."""

    @property
    def total(self) -> int:
        """All that arrived here."""
        return self.right_shard + self.wrong_shard + self.wrong_node

    @property
    def right_shard_percent(self) -> float | None:
        """How much of what arrived here belonged here; None if nothing arrived."""
        return _percent(self.right_shard, self.total)

    @property
    def right_node_percent(self) -> float | None:
        """How much of what arrived here belonged to this node; None if nothing arrived."""
        return _percent(self.right_shard + self.wrong_shard, self.total)

    def __add__(self, other: Cell) -> Cell:
        return Cell(
            self.right_shard + other.right_shard,
            self.wrong_shard + other.wrong_shard,
            self.wrong_node + other.wrong_node,
        )


@dataclass(frozen=True)
class NodeRow:
    """One row of the heat map: a node."""

    address: str
    cells: tuple[Cell, ...]
    """One for each shard."""


@dataclass(frozen=True)
class Counters:
    """The servers' counters since they were last set to zero."""

    nodes: tuple[NodeRow, ...]
    forwarded: int
    """Operations handed on to another shard or node. With several replicas some have to be."""
    connections: int
    """Open now."""
    connections_opened: int
    connections_closed: int

    @classmethod
    def of(cls, stats: ClusterStats) -> Counters:
        """Take what is needed here from all that the embedded cluster counts."""
        return cls(
            nodes=tuple(
                NodeRow(
                    node.address,
                    tuple(
                        Cell(shard.right_shard, shard.wrong_shard, shard.wrong_node)
                        for shard in node.shards
                    ),
                )
                for node in stats.nodes
            ),
            forwarded=stats.total("forwarded"),
            connections=stats.connections,
            connections_opened=stats.total("connections_opened"),
            connections_closed=stats.total("connections_closed"),
        )

    @property
    def all(self) -> Cell:
        """The sum over all shards of all nodes."""
        return sum((cell for node in self.nodes for cell in node.cells), Cell())


def _percent(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None
