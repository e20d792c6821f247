"""The three ways from a client to the shards of a node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """One way of connecting to a cluster whose nodes have shards."""

    name: str
    """As it is printed, and as ``--json`` spells it."""
    shard_awareness: str
    """The option of ``connect`` that chooses it."""
    table: str
    """A table of its own, so that no way can read back what another one wrote."""
    in_short: str
    """What it does, in one line."""
    aims_at_shards: bool
    """Whether each request is to arrive at the owning shard."""
    wastes_connections: bool
    """Whether it may open connections that it has to close again."""

    def pool_size(self, nodes: int, shards: int) -> int:
        """Return how many connections it must end up with, the control connection not counted."""
        return nodes * shards if self.aims_at_shards else nodes


WAYS = (
    Way(
        name="not shard-aware",
        shard_awareness="off",
        table="rows_not_shard_aware",
        in_short="one connection to each node; the server decides which shard serves it",
        aims_at_shards=False,
        wastes_connections=False,
    ),
    Way(
        name="legacy",
        shard_awareness="legacy",
        table="rows_legacy",
        in_short="connects to the normal port again and again, until every shard has been met",
        aims_at_shards=True,
        wastes_connections=True,
    ),
    Way(
        name="shard-aware port",
        shard_awareness="full",
        table="rows_shard_aware_port",
        in_short="chooses the shard by its own source port, so each connection fits at once",
        aims_at_shards=True,
        wastes_connections=False,
    ),
)
