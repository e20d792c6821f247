"""Drivers written by others work with the embedded cluster, and reach the right shard there.

Our server and our client share code and might agree on an error; these drivers share nothing with
them. Each runs in a process of its own, against a cluster of its own.
"""

from __future__ import annotations

from typing import Any

import pytest

from cluster_help import eventually
from shardlane.testing import Cluster, ClusterStats

from .application import DRIVERS, Application, application
from .scripts.common import Typed

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(180)]

NODES, SHARDS = 3, 4


def wait_until_connected(cluster: Cluster) -> None:
    """A connection to each shard, one more for control, and none left over."""
    connections = sum(len(node.shards) for node in cluster.stats()) + 1

    def connected() -> bool:
        stats = cluster.stats()
        everywhere = all(shard.connections for node in stats for shard in node.shards)
        return everywhere and stats.connections == connections

    try:
        eventually(f"{connections} connections", connected, 30)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{cluster.stats()}") from None


def count_routed(cluster: Cluster, running: Application) -> ClusterStats:
    """Where the requests of one round arrived.

    The server has a connection before the driver makes use of it, so that one of the first requests
    may still take another one: then a second round has to do.
    """
    begin = running.go_on
    for _ in range(3):
        cluster.reset_stats()
        begin()
        sent = int(running.expect("routed")[1])
        stats = cluster.stats()
        assert stats.routable == sent, f"\n{stats}"
        if stats.total("right_shard") == sent:
            break
        begin = running.do_again
    return stats


def exchange_types(driver: str, cluster: Cluster, running: Application) -> None:
    """What the driver has written we read, and the driver reads what we write."""
    typed = Typed(driver)
    running.expect("typed")
    with cluster.connect() as session:
        row: Any = session.execute(typed.select, [1]).one()
        read = zip(typed.samples, row, strict=True)
        typed.check(v._asdict() if t == "frozen<place>" else v for t, v in read)
        session.execute(typed.insert, [2, *typed.samples.values()])
    running.go_on()


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("port", ["shard-aware port", "normal port"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_shard_aware_driver(driver, port, replicas):
    shard_aware_port = 0 if port == "shard-aware port" else None
    with (
        Cluster(NODES, SHARDS, shard_aware_port=shard_aware_port) as cluster,
        application(driver, cluster, replicas) as running,
    ):
        running.expect("connected")
        wait_until_connected(cluster)
        by_that_port = cluster.stats().total("shard_aware_connections")
        if shard_aware_port is None:
            assert by_that_port == 0
        else:
            # The first connection of a node may have come by the other one, to learn of this.
            assert by_that_port >= NODES * (SHARDS - 1)
        stats = count_routed(cluster, running)
        assert stats.right_shard_percent == 100.0, f"\n{stats}"
        busy = [shard.right_shard for node in stats for shard in node.shards]
        assert min(busy) > 0, f"every shard has its part\n{stats}"
        running.go_on()
        exchange_types(driver, cluster, running)
        running.ends_well()
        eventually("its connections are closed", lambda: cluster.stats().connections == 0)


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("driver", DRIVERS)
def test_driver_of_a_cluster_without_shards(driver, replicas):
    """As Apache Cassandra: there are no shards, but the right node must be reached."""
    with Cluster(NODES, 0) as cluster, application(driver, cluster, replicas) as running:
        running.expect("connected")
        wait_until_connected(cluster)
        stats = count_routed(cluster, running)
        assert stats.right_node_percent == 100.0, f"\n{stats}"
        running.go_on()
        exchange_types(driver, cluster, running)
        running.ends_well()
