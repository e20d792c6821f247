"""Clusters whose nodes differ: one with shards (v4 at most), one without (v5 as well)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster_help import INSERT, SELECT, Face, create_table, eventually
from shardlane.testing import Cluster


@pytest.fixture(scope="module")
def mixed() -> Iterator[Cluster]:
    with Cluster(nodes=2, shards=[0, 2]) as cluster:
        yield cluster


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("version", [3, 4])
def test_requests_are_laid_out_for_each_connection(
    face: Face, mixed: Cluster, first: int, version: int
) -> None:
    """Only one of the nodes offers result metadata ids: EXECUTE differs from node to node."""
    point = [mixed.contact_points[first]]
    with face.connect(point, protocol_version=version) as session:
        session.execute("DROP KEYSPACE IF EXISTS app")
        create_table(session, replicas=2)
        keys = range(60)
        session.execute_many(INSERT, [(k, str(k)) for k in keys])
        coordinators = set()
        for _ in range(3):
            for k in keys:
                result = session.execute(SELECT, [k])
                assert result.scalar() == str(k)
                coordinators.add(result.coordinator)
        assert len(coordinators) == 2, "both have been asked"
        session.execute("ALTER TABLE t ADD w int")
        for k in keys:
            assert session.execute("SELECT * FROM t WHERE k = ?", [k]).one() == (k, str(k), None)


def test_a_node_that_lacks_the_version_says_so(face: Face, mixed: Cluster) -> None:
    with face.connect([mixed.contact_points[0]]) as session:
        assert session.session.cluster.protocol_version == 5

        def reasons() -> list[str | None]:
            return [node.last_error for node in session.shards()]

        eventually("the node with shards is refused", lambda: any(reasons()))
        fine, refused = reasons()
        assert fine is None
        assert refused == "protocol v5 is not spoken by this server, which offers v3, v4"
        assert session.execute("SELECT key FROM system.local").scalar() == "local"
    with face.connect([mixed.contact_points[1]]) as session:
        assert session.session.cluster.protocol_version == 4
        assert [node.last_error for node in session.shards()] == [None, None]
