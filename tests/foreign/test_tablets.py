"""scylla-driver learns our server's tablets, as it learns those of ScyllaDB."""

from __future__ import annotations

import pytest

from shardlane.testing import Cluster

from .application import Application, application
from .test_foreign_drivers import NODES, SHARDS, wait_until_connected

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(180)]


def astray(cluster: Cluster, running: Application) -> int:
    """How many requests of one round do not meet an owner of their partition."""
    cluster.reset_stats()
    running.go_on()
    sent = int(running.expect("routed")[1])
    stats = cluster.stats()
    assert stats.routable == sent, f"\n{stats}"
    return stats.total("wrong_node") + stats.total("wrong_shard")


@pytest.mark.parametrize("replicas", [1, 2])
def test_scylla_driver(replicas):
    with (
        Cluster(NODES, SHARDS) as cluster,
        application("scylla-driver", cluster, replicas, "tablets_scylla_driver.py") as running,
    ):
        running.expect("connected")
        wait_until_connected(cluster)
        tablets = cluster.tablets("app", "t")
        assert 0 < astray(cluster, running) <= len(tablets)
        assert astray(cluster, running) == 0, f"\n{cluster.stats()}"
        for tablet in tablets:
            (source, shard), *others = tablet.replicas
            free = {*range(NODES)} - {source, *(node for node, _ in others)}
            cluster.migrate_tablet("app", "t", tablet.last, source, (free.pop(), shard))
        # With two replicas it may not meet the one that has moved, and then is right as it is.
        assert 0 < astray(cluster, running) <= len(tablets)
        assert astray(cluster, running) <= (0 if replicas == 1 else len(tablets))
        running.go_on()
        running.ends_well()
