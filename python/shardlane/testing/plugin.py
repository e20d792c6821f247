"""The pytest plugin: fixtures over an embedded cluster, for the test suites of users.

It is loaded by pytest when shardlane is installed. One cluster serves the whole test run, and each
test gets a keyspace of its own::

    def test_users(shardlane_session):
        shardlane_session.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")

The asyncio fixture needs pytest-asyncio.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from shardlane import aio, sync
    from shardlane.testing import Cluster

_async_fixture: Any
try:
    from pytest_asyncio import fixture as _async_fixture
except ImportError:
    _async_fixture = None

NAME_CHARS_MAX = 48
"""Names of keyspaces have at most so many characters."""

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("shardlane", "embedded ScyllaDB-like cluster")
    group.addoption(
        "--shardlane-nodes", type=int, default=3, metavar="N", help="nodes of the cluster (3)"
    )
    group.addoption(
        "--shardlane-shards",
        type=int,
        default=2,
        metavar="N",
        help="shards of each node (2); 0 behaves like Apache Cassandra",
    )


def _number(config: pytest.Config, option: str) -> int:
    return cast("int", config.getoption(f"shardlane_{option}"))


@pytest.fixture(scope="session")
def shardlane_cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """An embedded cluster for the whole test run, on free ports."""
    from shardlane.testing import Cluster

    nodes, shards = _number(pytestconfig, "nodes"), _number(pytestconfig, "shards")
    with Cluster(nodes, shards) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shardlane_client(shardlane_cluster: Cluster) -> Iterator[sync.Cluster]:
    """A cluster object of the blocking face, whose connections the tests of a run share."""
    from shardlane import sync

    with sync.Cluster(shardlane_cluster.contact_points) as client:
        yield client


@pytest.fixture
def shardlane_keyspace(
    request: pytest.FixtureRequest, shardlane_client: sync.Cluster
) -> Iterator[str]:
    """The name of a keyspace of the test's own, on up to three replicas, dropped after the test.

    It has no tablets, with which ScyllaDB 6.2 has neither counters nor conditional writes.
    """
    test = re.sub(r"\W+", "_", request.node.name).strip("_").lower()
    name = f"t{next(_numbers)}_{test}"[:NAME_CHARS_MAX]
    replicas = min(3, _number(request.config, "nodes"))
    replication = f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}"
    tablets = " AND tablets = {'enabled': false}" if _number(request.config, "shards") else ""
    with shardlane_client.connect() as session:
        session.execute(f"CREATE KEYSPACE {name} WITH replication = {replication}{tablets}")
        yield name
        session.execute(f"DROP KEYSPACE {name}")


@pytest.fixture
def shardlane_session(
    shardlane_client: sync.Cluster, shardlane_keyspace: str
) -> Iterator[sync.Session[Any]]:
    """A session of the blocking face in the test's own keyspace."""
    with shardlane_client.connect(shardlane_keyspace) as session:
        yield session


async def _aio_session(
    shardlane_cluster: Cluster, shardlane_keyspace: str
) -> AsyncIterator[aio.Session[Any]]:
    """A session of the asyncio face in the test's own keyspace."""
    async with shardlane_cluster.aio_connect(shardlane_keyspace) as session:
        yield session


def _no_pytest_asyncio() -> None:
    """A session of the asyncio face in the test's own keyspace; needs pytest-asyncio."""
    pytest.fail(
        "the fixture aio_shardlane_session needs pytest-asyncio: pip install pytest-asyncio"
    )


if _async_fixture is not None:
    aio_shardlane_session = _async_fixture(_aio_session, name="aio_shardlane_session")
else:
    aio_shardlane_session = pytest.fixture(_no_pytest_asyncio, name="aio_shardlane_session")
