"""Drivers written by others work with the embedded cluster, and reach the right shard there.

Our server and our client share code and might agree on an error; these drivers share nothing with
them. Each runs in a process of its own, against a cluster of its own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster_help import eventually
from shardlane.testing import Cluster

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

SCRIPTS = Path(__file__).parent / "scripts"
# The program, and the module that it needs.
DRIVERS = {
    "scylla-driver": ("with_scylla_driver.py", "cassandra"),
    "acsylla": ("with_acsylla.py", "acsylla"),
    "scylladb-rs-driver": ("with_scylladb_rs_driver.py", "scylla"),
}


@contextmanager
def application(driver: str, cluster: Cluster, replicas: int) -> Iterator[subprocess.Popen[str]]:
    script, package = DRIVERS[driver]
    if importlib.util.find_spec(package) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{driver} is not installed")
        pytest.skip(f"{driver} is not installed")
    host = cluster.contact_points[0].rsplit(":", 1)[0]
    command = [sys.executable, str(SCRIPTS / script), host, str(cluster.port), str(replicas)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def expect(process: subprocess.Popen[str], word: str) -> list[str]:
    """The words of the line with which the program says that it has come so far."""
    assert process.stdout is not None
    for line in process.stdout:
        if (words := line.split()) and words[0] == word:
            return words
    raise AssertionError(f"no {word!r}:\n{process.communicate()[1]}")


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def every_shard_is_connected(cluster: Cluster) -> bool:
    return all(shard.connections > 0 for node in cluster.stats() for shard in node.shards)


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("driver", DRIVERS)
def test_shard_aware_driver(driver, replicas):
    with Cluster(3, 4) as cluster, application(driver, cluster, replicas) as process:
        expect(process, "connected")
        eventually("every shard has a connection", lambda: every_shard_is_connected(cluster), 30)
        cluster.reset_stats()
        go_on(process)
        sent = int(expect(process, "routed")[1])
        stats = cluster.stats()
        assert stats.total("right_shard") == sent, f"\n{stats}"
        assert stats.right_shard_percent == 100.0, f"\n{stats}"
        go_on(process)
        expect(process, "done")


@pytest.mark.parametrize("driver", DRIVERS)
def test_driver_of_a_cluster_without_shards(driver):
    """As Apache Cassandra: there are no shards, but the right node must be reached."""
    with Cluster(3, 0) as cluster, application(driver, cluster, 1) as process:
        expect(process, "connected")
        eventually("every node has a connection", lambda: every_shard_is_connected(cluster), 30)
        cluster.reset_stats()
        go_on(process)
        expect(process, "routed")
        assert cluster.stats().right_node_percent == 100.0
        go_on(process)
        expect(process, "done")
