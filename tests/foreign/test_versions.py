"""scylla-driver in each protocol version, against embedded nodes with and without shards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from shardlane.testing import Cluster

from .application import SCRIPTS, STEP_SECONDS, need

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", params=[0, 2], ids=["cassandra", "scylla"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    need("scylla-driver")
    with Cluster(nodes=2, shards=request.param) as cluster:
        yield cluster


@pytest.mark.parametrize("compression", ["none", "lz4"])
@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_version(cluster: Cluster, version: int, compression: str) -> None:
    if version == 5 and cluster.shard_aware_port:
        pytest.skip("there is no such thing")
    host = cluster.contact_points[0].rsplit(":", 1)[0]
    script = SCRIPTS / "versions_of_scylla_driver.py"
    done = subprocess.run(
        [sys.executable, str(script), host, str(cluster.port), str(version), compression],
        capture_output=True,
        text=True,
        timeout=4 * STEP_SECONDS,
        check=False,
    )
    assert done.stdout.strip() == "done", done.stderr
