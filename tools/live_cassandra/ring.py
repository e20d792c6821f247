"""A cluster of several nodes, on consecutive loopback addresses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from .node import Node, Place, addresses_from, free_place

# Of a node that holds next to nothing.
HEAP_MEGABYTES_MAX = 448
TOKENS_PER_NODE = 4
# How long a node that starts waits for a word from the others before it gives up.
PATIENCE_MS = 10_000
TOKEN_MIN = -(2**63)


class Ring:
    """Nodes that form a cluster, each with equal parts of the ring. Use it in ``with``.

    Args:
        count: of nodes.
        settings: lines of ``cassandra.yaml`` for all of them.
    """

    def __init__(self, count: int = 3, *, settings: str = "") -> None:
        first, port, storage_port = free_place(count)
        step = 2**64 // (count * TOKENS_PER_NODE)
        self.nodes = [
            Node(
                place=Place(address, port, storage_port),
                seeds=[first],
                tokens=[
                    TOKEN_MIN + (turn * count + number) * step + 1
                    for turn in range(TOKENS_PER_NODE)
                ],
                heap_megabytes_max=HEAP_MEGABYTES_MAX,
                settings=settings,
            )
            for number, address in enumerate(addresses_from(first, count))
        ]
        for node in self.nodes:
            node.properties.append(f"cassandra.ring_delay_ms={PATIENCE_MS}")
        self.port = port

    @property
    def addresses(self) -> list[str]:
        """The nodes' addresses; their port is the same."""
        return [node.address for node in self.nodes]

    def start(self) -> None:
        """Start the first node, then all others at once, and wait until all talk CQL.

        Raises:
            LiveError: as ``Node.start()``.
        """
        first, *others = self.nodes
        first.start()
        with ThreadPoolExecutor(len(others) or 1) as pool:
            list(pool.map(Node.start, others))

    def close(self) -> None:
        """End all processes, and remove their data."""
        for node in self.nodes:
            node.close()

    def __enter__(self) -> Ring:  # noqa: PYI034
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
