"""The pytest plugin in a test suite of its own, as users have it."""

from __future__ import annotations

import pytest

SUITE = """
import pytest

def test_session(shardlane_session, shardlane_keyspace):
    assert shardlane_session.keyspace == shardlane_keyspace
    shardlane_session.execute("CREATE TABLE t (id int PRIMARY KEY, n counter)")
    shardlane_session.execute("UPDATE t SET n = n + 1 WHERE id = ?", [1])
    assert shardlane_session.execute("SELECT n FROM t").scalar() == 1

@pytest.mark.parametrize("name", ["a b", "x" * 100, "Größe"])
def test_each_test_has_a_keyspace_of_its_own(shardlane_session, name):
    shardlane_session.execute("CREATE TABLE t (id int PRIMARY KEY)")
    assert shardlane_session.execute("SELECT count(*) FROM t").scalar() == 0

@pytest.mark.asyncio
async def test_asyncio(aio_shardlane_session, shardlane_cluster):
    await aio_shardlane_session.execute("CREATE TABLE t (id int PRIMARY KEY)")
    result = await aio_shardlane_session.execute("SELECT count(*) FROM t")
    assert result.scalar() == 0
    assert len(shardlane_cluster.nodes) == NODES
    assert all(len(node.shards) == SHARDS for node in shardlane_cluster.stats())

def test_keyspaces_are_dropped(shardlane_client):
    with shardlane_client.connect() as session:
        rows = session.execute("SELECT keyspace_name FROM system_schema.keyspaces")
        assert [row for row in rows if not row[0].startswith("system")] == []
"""


@pytest.mark.parametrize(("nodes", "shards"), [(3, 2), (1, 4), (2, 1)])
def test_a_suite(pytester, nodes, shards):
    pytester.makepyfile(f"NODES, SHARDS = {nodes}, {shards}\n{SUITE}")
    options = ["-p", "no:randomly", "-W", "error", "-o", "asyncio_mode=strict"]
    options += ["-o", "asyncio_default_fixture_loop_scope=function"]
    counts = [] if (nodes, shards) == (3, 2) else [f"--shardlane-nodes={nodes}"]
    if counts:
        counts.append(f"--shardlane-shards={shards}")
    result = pytester.runpytest_subprocess(*options, *counts, timeout=60)
    result.assert_outcomes(passed=6)


def test_what_it_offers_is_listed(pytester):
    result = pytester.runpytest_subprocess("--fixtures", "-q", timeout=60)
    for fixture in ("shardlane_cluster", "shardlane_session", "aio_shardlane_session"):
        result.stdout.fnmatch_lines([f"{fixture}*"])
    result = pytester.runpytest_subprocess("--help", timeout=60)
    result.stdout.fnmatch_lines(["*--shardlane-nodes*", "*--shardlane-shards*"])
