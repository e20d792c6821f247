"""The schema is told right, whatever becomes of the connection that hears of its changes."""

from __future__ import annotations

import threading

import pytest

import shardlane
from cluster_help import eventually
from shardlane import exceptions
from shardlane.testing import Cluster, faults

KEYSPACE = (
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
)


def test_what_changed_while_nobody_listened_is_found_out():
    with (
        Cluster(3, 2) as server,
        shardlane.connect(server.contact_points[0]) as session,
        shardlane.connect(server.contact_points[1:]) as other,
    ):
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE ks.before (id int PRIMARY KEY)")
        assert list(session.cluster.schema("ks")["ks"].tables) == ["before"]
        # The control connection is to the node that was given.
        server.nodes[0].kill()
        other.execute("CREATE TABLE ks.meanwhile (id int PRIMARY KEY)")
        other.execute("ALTER KEYSPACE ks WITH durable_writes = false")
        eventually(
            "the new control connection made the schema be read again",
            lambda: "meanwhile" in session.cluster.schema("ks")["ks"].tables,
        )
        assert not session.cluster.schema("ks")["ks"].durable_writes


def test_many_changes_and_many_readers():
    """Readers see each keyspace whole, and in the end everything."""
    with Cluster(2, 2) as server, server.connect() as session, server.connect() as other:
        session.execute(KEYSPACE)
        stop, strange = threading.Event(), []

        def look() -> list[object]:
            try:
                schema = session.cluster.schema()
            except exceptions.ShardlaneError as error:
                return [error]
            return [t for t in schema["ks"].tables.values() if len(t.partition_key) != 1]

        def read() -> None:
            while not stop.is_set():
                strange.extend(look())

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(30):
                other.execute(f"CREATE TABLE ks.t{number} (id int PRIMARY KEY, v int)")
                if number % 3 == 0:
                    other.execute(f"DROP TABLE ks.t{number}")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert strange == []
        eventually(
            "all changes are heard of", lambda: len(session.cluster.schema()["ks"].tables) == 20
        )


def test_a_server_that_refuses_is_an_error_and_not_half_a_schema():
    with Cluster(1, 1) as server, server.connect() as session:
        session.execute(KEYSPACE)
        session.cluster.schema()
        session.execute("CREATE TABLE ks.t (id int PRIMARY KEY)")
        refusal = faults.error(exceptions.InvalidQuery, "no")
        with server.fault(faults.text("system_schema.indexes"), refusal) as fault:
            with pytest.raises(exceptions.InvalidQuery):
                session.cluster.schema("ks")
            assert fault.hits == 1
        assert list(session.cluster.schema("ks")["ks"].tables) == ["t"]


def test_a_refresh_that_is_refused_moves_the_control_connection():
    with Cluster(2, 1) as server, server.connect() as session:
        session.execute(KEYSPACE)
        with server.fault(
            faults.text("system_schema.keyspaces") & faults.first(1),
            faults.error(exceptions.InvalidQuery, "no"),
        ) as fault:
            session.execute("ALTER KEYSPACE ks WITH durable_writes = false")
            assert fault.hits == 1
        assert not session.cluster.schema("ks")["ks"].durable_writes
        assert session.cluster.wait_for_schema_agreement()


def test_silence_ends_with_the_timeout():
    with Cluster(1, 1) as server, server.connect() as session:
        session.cluster.schema()
        with server.fault(faults.text("system_schema.keyspaces"), faults.silence()):
            session.execute(KEYSPACE, timeout=0.5)
            with pytest.raises(exceptions.RequestTimeout):
                session.cluster.schema("ks", timeout=0.2)
        with server.fault(faults.text("system.local"), faults.silence()):
            assert session.cluster.wait_for_schema_agreement(0.2) is False
