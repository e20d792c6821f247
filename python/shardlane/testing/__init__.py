"""A ScyllaDB-like cluster in the own process, for tests and for trying things out.

::

    with Cluster(nodes=3, shards=4) as cluster:
        with cluster.connect() as session:
            session.execute("CREATE KEYSPACE ks WITH replication = ...")
            cluster.nodes[1].kill()

It speaks the real protocol on real sockets and keeps its data in memory. `shardlane.testing.faults`
has the words for what may go wrong; `shardlane.testing.plugin` is the pytest plugin.
"""

from __future__ import annotations

from . import faults
from ._cluster import Cluster, Fault, NodeRoute, Tablet, TestNode
from ._stats import ClusterStats, NodeStats, ShardStats
from ._tls import ServerTLS

__all__ = [
    "Cluster",
    "ClusterStats",
    "Fault",
    "NodeRoute",
    "NodeStats",
    "ServerTLS",
    "ShardStats",
    "Tablet",
    "TestNode",
    "faults",
]

_classes = (
    Cluster,
    ClusterStats,
    Fault,
    NodeRoute,
    NodeStats,
    ServerTLS,
    ShardStats,
    Tablet,
    TestNode,
)
for _public in _classes:
    # What users see is where they import it from.
    _public.__module__ = __name__
