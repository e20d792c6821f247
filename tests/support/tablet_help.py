"""What tests of tables with tablets share: such a table, and what goes astray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster_help import INSERT, KEYSPACE, SELECT
from shardlane.testing import Cluster

KEYS = range(400)


def create_table(session: Any, replicas: int, initial: int, table: str = "t") -> None:
    session.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication ="
        f" {{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}"
        f" AND tablets = {{'enabled': true, 'initial': {initial}}}"
    )
    session.execute(f"USE {KEYSPACE}")
    session.execute(f"CREATE TABLE {table} (k int PRIMARY KEY, v text)")


def write_all(session: Any) -> None:
    session.execute_many(INSERT, ([key, f"v{key}"] for key in KEYS), concurrency=1)


def read_all(session: Any) -> None:
    found = session.execute_many(SELECT, ([key] for key in KEYS), results=True, concurrency=1)
    assert [result.scalar() for result in found.results] == [f"v{key}" for key in KEYS]


def misses(server: Cluster, work: Callable[[], object]) -> int:
    """Requests that did not meet an owner of their partition during ``work``."""
    server.reset_stats()
    work()
    stats = server.stats()
    assert stats.routable == len(KEYS), f"\n{stats}"
    return stats.total("wrong_node") + stats.total("wrong_shard")
