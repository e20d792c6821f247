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
from ._cluster import Cluster, Fault, Tablet, TestNode
from ._stats import ClusterStats, NodeStats, ShardStats
from ._tls import ServerTLS

__all__ = [
    "Cluster",
    "ClusterStats",
    "Fault",
    "NodeStats",
    "ServerTLS",
    "ShardStats",
    "Tablet",
    "TestNode",
    "faults",
]

for _public in (Cluster, ClusterStats, Fault, NodeStats, ServerTLS, ShardStats, Tablet, TestNode):
    # What users see is where they import it from.
    _public.__module__ = __name__
