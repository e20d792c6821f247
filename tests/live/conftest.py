"""Real Cassandra nodes for all tests here, which are skipped where Java 17 or Maven is missing.

`SHARDLANE_LIVE=1` makes that a failure, `SHARDLANE_LIVE=0` leaves the tests out.
`SHARDLANE_LIVE_LINE=4.1` takes an older Cassandra. Tests of `client` run once for each variant that
`SHARDLANE_LIVE_MATRIX` lists (see `support.py`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shardlane
from cluster_help import eventually
from live_cassandra import DownloadFailed, MissingTool, Node, Ring, find_java, libraries
from shardlane.exceptions import AuthenticationError

from .support import KEYSPACE, LINE, Client, is_wanted, variant_options, variants

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


def installed() -> None:
    """Skip, or fail if so asked, where Cassandra cannot be had; where it can, it has to start."""
    wanted = os.environ.get("SHARDLANE_LIVE", "")
    if wanted == "0":
        pytest.skip("SHARDLANE_LIVE=0")
    try:
        find_java()
        libraries(line=LINE)
    except (MissingTool, DownloadFailed) as error:
        if wanted:
            pytest.fail(f"SHARDLANE_LIVE={wanted}, but {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    installed()
    node = Node(line=LINE, tls=is_wanted("tls"))
    try:
        node.start(*FAILURES, passwords=is_wanted("auth"))

        def connected() -> shardlane.Session[Any] | None:
            # The superuser is made some time after the node is up.
            with contextlib.suppress(AuthenticationError):
                return shardlane.connect(node.address, port=node.port, **node.login)
            return None

        with eventually("the superuser may log in", connected, seconds=60, every=0.2) as session:
            session.execute(
                f"CREATE KEYSPACE {KEYSPACE} WITH replication ="
                " {'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
        yield node
    finally:
        node.close()


@pytest.fixture(scope="module")
def ring() -> Iterator[Ring]:
    """Three nodes that know each other."""
    installed()
    with Ring(3) as ring:
        for address in ring.addresses:
            with shardlane.connect(address, port=ring.port) as session:
                eventually(
                    f"{address} knows the others",
                    lambda session=session: (
                        len(session.execute("SELECT peer FROM system.peers").page_rows) == 2
                    ),
                    seconds=60,
                    every=0.1,
                )
        yield ring


FACES_AND_VARIANTS = [
    pytest.param((face, variant), id=f"{face}-{variant}")
    for variant in variants()
    for face in ("sync", "aio")
]


@pytest.fixture(scope="module", params=FACES_AND_VARIANTS)
def client(node: Node, request: pytest.FixtureRequest) -> Iterator[Client]:
    face, variant = request.param
    client = Client(face, node, variant_options(variant, node))
    yield client
    client.close()


@pytest.fixture(scope="module")
def session(client: Client) -> Any:
    """A session that a face's tests of a module share; those that change one make their own."""
    return client.connect()
