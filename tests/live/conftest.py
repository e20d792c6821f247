"""A real Cassandra node for all tests here, which are skipped where Java 17 or Maven is missing.

`SHARDLANE_LIVE=1` makes that a failure, `SHARDLANE_LIVE=0` leaves the tests out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shardlane
from live_cassandra import DownloadFailed, MissingTool, Node, find_java, libraries

from .support import KEYSPACE, Client

HERE = Path(__file__).parent
LAST = HERE / "test_restart.py"

# Failures that Cassandra can be asked for; both concern nothing but what their tests create.
FAILURES = (
    "cassandra.test.fail_writes_ks=live_failing",
    # No write to a table with a view ever gets its lock.
    "cassandra.test.fail_mv_locks_count=2147483647",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)
            # Fetching and starting Cassandra have limits of their own.
            item.add_marker(pytest.mark.timeout(60, func_only=True))
    # After its restart the node asks for passwords, so that comes last, whatever the order.
    items.sort(key=lambda item: item.path == LAST)


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    wanted = os.environ.get("SHARDLANE_LIVE", "")
    if wanted == "0":
        pytest.skip("SHARDLANE_LIVE=0")
    try:
        find_java()
        libraries()
    except (MissingTool, DownloadFailed) as error:
        if wanted:
            pytest.fail(f"SHARDLANE_LIVE={wanted}, but {error}")
        pytest.skip(str(error))
    node = Node()
    try:
        node.start(*FAILURES)
        with shardlane.connect(node.address, port=node.port) as session:
            session.execute(
                f"CREATE KEYSPACE {KEYSPACE} WITH replication ="
                " {'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
        yield node
    finally:
        node.close()


@pytest.fixture(scope="module", params=["sync", "aio"])
def client(node: Node, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, node)
    yield client
    client.close()


@pytest.fixture(scope="module")
def session(client: Client) -> Any:
    """A session that a face's tests of a module share; those that change one make their own."""
    return client.connect()
