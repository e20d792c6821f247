"""Connecting: discovery, compression, keyspaces, and what cannot be reached."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from shardlane.exceptions import NoHostAvailable, SessionClosed, UnknownKeyspace

from .support import KEYSPACE, LINE, Client, unique


def test_what_is_learnt_of_the_cluster(client: Client, session: Any) -> None:
    (row,) = client.rows(session, "SELECT host_id, data_center, rack FROM system.local")
    (known,) = session.cluster.nodes()
    assert known.host_id == row.host_id
    assert (known.datacenter, known.rack) == (row.data_center, row.rack)
    assert known.address == f"{client.node.address}:{client.node.port}"
    assert known.release_version.startswith(LINE)


def test_cassandra_has_no_shards(client: Client, session: Any) -> None:
    result = client.run(session.execute("SELECT key FROM system.local"))
    assert result.shard is None
    shards = session.shards()
    assert not shards.is_shard_aware
    assert shards.is_fully_covered
    assert shards.connections == 1
    assert "not shard-aware" in str(shards)


@pytest.mark.parametrize("algorithm", ["lz4", "snappy"])
def test_compression(client: Client, algorithm: str) -> None:
    # Some variants insist on a version, and not every version has every algorithm.
    session = client.connect(compression=algorithm, protocol_version=None)
    table = client.table(session, "id int PRIMARY KEY, body blob")
    bodies = {1: b"x" * 300_000, 2: bytes(range(256)) * 4, 3: b"", 4: b"\xff"}
    for key, body in bodies.items():
        client.run(session.execute(f"INSERT INTO {table} (id, body) VALUES (?, ?)", [key, body]))
    assert dict(client.rows(session, f"SELECT id, body FROM {table}")) == bodies
    # The server's own word for what the connections use; the virtual table lists them all.
    drivers = client.rows(session, "SELECT driver_name, client_options FROM system_views.clients")
    compressions = {row.client_options.get("COMPRESSION") for row in drivers if row.client_options}
    assert algorithm in compressions


def test_the_server_knows_who_we_are(client: Client) -> None:
    session = client.connect(application_name="live ring")
    rows = client.rows(
        session, "SELECT driver_name, protocol_version, client_options FROM system_views.clients"
    )
    mine = [
        row for row in rows if (row.client_options or {}).get("APPLICATION_NAME") == "live ring"
    ]
    assert mine
    assert {row.protocol_version for row in mine} == {session.cluster.protocol_version}
    assert {(row.driver_name or "").lower() for row in mine} == {"shardlane"}


def test_an_unknown_keyspace(client: Client) -> None:
    with pytest.raises(UnknownKeyspace) as caught:
        client.connect("nowhere")
    assert caught.value.keyspace == "nowhere"


def test_a_port_where_nobody_listens(client: Client) -> None:
    with socket.socket() as holder:
        holder.bind((client.node.address, 0))
        closed_port = holder.getsockname()[1]
        with pytest.raises(NoHostAvailable) as caught:
            client.connect(None, port=closed_port)
    assert list(caught.value.reasons) == [f"{client.node.address}:{closed_port}"]


def test_use_changes_the_session_alone(client: Client) -> None:
    cluster = client.cluster()
    first = client.run(cluster.connect(KEYSPACE))
    second = client.run(cluster.connect(KEYSPACE))
    client.run(first.execute("USE system"))
    assert (first.keyspace, second.keyspace) == ("system", KEYSPACE)
    assert client.rows(first, "SELECT key FROM local") == [("local",)]
    table = client.table(second, "id int PRIMARY KEY")
    assert client.rows(second, f"SELECT * FROM {table}") == []


def test_sessions_of_one_cluster_object_with_keyspaces_of_their_own(client: Client) -> None:
    cluster = client.cluster()
    sessions = {}
    admin = client.run(cluster.connect())
    for keyspace in (unique("live_a"), unique("live_B")):
        client.run(
            admin.execute(
                f'CREATE KEYSPACE "{keyspace}" WITH replication ='
                " {'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
        )
        session = sessions[keyspace] = client.run(cluster.connect(keyspace))
        client.run(session.execute("CREATE TABLE same (id int PRIMARY KEY, v text)"))
        client.run(session.execute("INSERT INTO same (id, v) VALUES (?, ?)", [1, keyspace]))
    for _ in range(3):
        # Taking turns on the same connection, with the same texts, prepared and not.
        for keyspace, session in sessions.items():
            prepared = client.rows(session, "SELECT v FROM same WHERE id = ?", [1])
            assert prepared == client.rows(session, "SELECT v FROM same") == [(keyspace,)]
    assert admin.shards().connections <= len(sessions) + 1
    for keyspace in sessions:
        client.run(admin.execute(f'DROP KEYSPACE "{keyspace}"'))


def test_closed_is_closed(client: Client) -> None:
    session = client.connect()
    client.run(session.close())
    with pytest.raises(SessionClosed):
        client.run(session.execute("SELECT key FROM system.local"))
