"""An embedded cluster with shardlane and scylla-driver side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster_help import create_table, wait_for_coverage
from shardlane.testing import Cluster

from .application import need
from .theirs import Theirs


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    need("scylla-driver")
    with Cluster(3, 4) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def session(cluster: Cluster) -> Iterator[Any]:
    """A session of shardlane in the keyspace `app`."""
    with cluster.connect() as session:
        create_table(session, 1)
        wait_for_coverage(session, 12)
        yield session


@pytest.fixture(scope="module")
def theirs(cluster: Cluster, session: Any) -> Iterator[Theirs]:
    """A session of scylla-driver in the keyspace `app`."""
    theirs = Theirs(cluster.contact_points[0].rsplit(":", 1)[0], cluster.port)
    yield theirs
    theirs.close()
