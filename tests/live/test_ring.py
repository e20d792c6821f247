"""A real cluster of three nodes: they are killed and restarted under load, and its schema changes.

`SHARDLANE_LIVE_ROUNDS` says how often each node goes: once, unless it says more.
"""

from __future__ import annotations

import bisect
import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

import shardlane
from cluster_help import create_table, eventually
from live_cassandra import Ring
from load import EXPECTED, Load, check_values, running
from shardlane.exceptions import Overloaded, RequestError

ROUNDS = int(os.environ.get("SHARDLANE_LIVE_ROUNDS", "1"))
SEED = int(os.environ.get("SHARDLANE_SOAK_SEED", "11"))
WORKERS = 4
TIMEOUT = 5.0


@pytest.fixture(scope="module")
def points(ring: Ring) -> list[str]:
    points = [f"{address}:{ring.port}" for address in ring.addresses]
    with shardlane.connect(points) as session:
        create_table(session, 3)
    return points


@contextlib.contextmanager
def both_faces(points: list[str]) -> Iterator[list[tuple[Load, Any]]]:
    """A load on each face, both at the same time."""
    options: dict[str, Any] = {
        "consistency": "QUORUM",
        "timeout": TIMEOUT,
        "reconnect_delay_max": 0.5,
        "pause": 0.01,
    }
    with (
        running("sync", points, SEED, WORKERS, **options) as of_sync,
        running("aio", points, SEED + 1, WORKERS, **options) as of_aio,
    ):
        yield [of_sync, of_aio]


def settled(session: Any) -> bool:
    pools = session.shards()
    return len(pools.nodes) == 3 and pools.is_fully_covered and pools.total == pools.connections


def strange(failures: list[RequestError]) -> list[str]:
    # A node that is told to stop answers "Server is shutting down" for a moment.
    expected = (*EXPECTED, Overloaded)
    return [repr(error) for error in failures if not isinstance(error, expected)]


@pytest.mark.timeout(120 + 120 * ROUNDS, func_only=True)
def test_each_node_goes_and_comes_back_under_load(ring: Ring, points: list[str]) -> None:
    with both_faces(points) as loads:

        def progress(count: int) -> None:
            for load, _ in loads:
                load.await_progress(count, 60)

        for turn in range(ROUNDS):
            for number, node in enumerate(ring.nodes):
                progress(100)
                # In order and in disorder by turns.
                (node.stop if (turn + number) % 2 else node.kill)()
                progress(200)
                node.start()
                for _, session in loads:
                    eventually(
                        "one connection to each node", lambda s=session: settled(s), seconds=60
                    )
        progress(100)
    with shardlane.connect(points, keyspace="app", consistency="QUORUM", timeout=10) as session:
        for load, _ in loads:
            assert strange(load.failures) == []
            assert load.slowest < TIMEOUT + 1, "nothing outlasts its deadline"
            check_values(session, load)


@pytest.mark.timeout(120, func_only=True)
def test_the_schema_changes_under_load(points: list[str]) -> None:
    with both_faces(points) as loads, shardlane.connect(points, keyspace="app") as session:
        for number in range(3):
            for cql in (
                f"ALTER TABLE t ADD extra{number} int",
                f"CREATE TABLE made{number} (id int PRIMARY KEY, v text)",
                f"CREATE INDEX ON made{number} (v)",
                f"INSERT INTO made{number} (id, v) VALUES (1, 'x')",
                f"DROP TABLE made{number}",
                f"ALTER TABLE t DROP extra{number}",
            ):
                # The INSERT finds its table on every node: DDL waits for agreement.
                session.execute(cql, timeout=30)
                for load, _ in loads:
                    load.await_progress(20, 60)
    with shardlane.connect(points, keyspace="app", consistency="QUORUM") as session:
        for load, _ in loads:
            # Replicas that do not know a column yet, or any more, fail reads.
            assert strange(load.failures) == []
            check_values(session, load)


@pytest.mark.timeout(60, func_only=True)
def test_each_request_goes_to_the_node_that_owns_it(ring: Ring, points: list[str]) -> None:
    """By the server's own tokens, in a keyspace with one replica."""
    with shardlane.connect(points, timeout=10) as session:
        session.execute(
            "CREATE KEYSPACE one WITH replication ="
            " {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.execute("CREATE TABLE one.t (k int PRIMARY KEY)")
        tokens: dict[str, set[str]] = {}
        for _ in range(6):
            # Each node in its turn; none of them has itself for a peer.
            for address, its in session.execute("SELECT peer, tokens FROM system.peers"):
                tokens[str(address)] = its
        assert set(tokens) == set(ring.addresses)
        owners = [(int(token), address) for address, its in tokens.items() for token in its]
        owners.sort()
        insert = session.prepare("INSERT INTO one.t (k) VALUES (?)")
        for key in range(200):
            result = session.execute(insert, [key])
            token = session.execute("SELECT token(k) FROM one.t WHERE k = ?", [key]).scalar()
            owner = owners[bisect.bisect_left(owners, (token, "")) % len(owners)][1]
            assert result.coordinator.rpartition(":")[0] == owner, f"key {key}, token {token}"
