"""Protocol versions and compression, as a real Cassandra speaks them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import shardlane

from .support import KEYSPACE, Client

WAYS = [
    (version, compression)
    for version, compression in itertools.product((3, 4, 5), (None, "lz4", "snappy"))
    if (version, compression) != (5, "snappy")
]


@pytest.mark.parametrize(("version", "compression"), WAYS)
def test_everything_goes_over_every_version(
    client: Client, version: int, compression: str | None
) -> None:
    session = client.connect(protocol_version=version, compression=compression)
    assert session.cluster.protocol_version == version
    table = client.table(session, "k int PRIMARY KEY, v text")
    insert = f"INSERT INTO {table} (k, v) VALUES (?, ?)"
    values = {k: "v" * (k * 37 % 3000) for k in range(200)}
    # Longer than a segment of v5; once it compresses, and once it does not.
    values[1000] = "v" * 400_000
    values[1001] = "".join(chr(33 + (n * 2_654_435_761 >> 7) % 90) for n in range(300_000))
    client.run(session.execute_many(insert, values.items()))
    assert dict(client.rows(session, f"SELECT k, v FROM {table}", page_size=30)) == values
    for k in (7, 1000, 1001):
        found = client.run(session.execute(f"SELECT v FROM {table} WHERE k = ?", [k]))
        assert found.scalar() == values[k]
    batch = shardlane.Batch()
    batch.add(f"INSERT INTO {table} (k, v) VALUES (2000, 'plain')")
    batch.add(insert, [2001, "bound"])
    client.run(session.execute_batch(batch))
    rows = client.rows(session, f"SELECT v FROM {table} WHERE k IN (2000, 2001)")
    assert {row.v for row in rows} == {"plain", "bound"}
    with pytest.raises(shardlane.exceptions.CqlSyntaxError):
        client.run(session.execute("SELEKT"))
    with pytest.raises(shardlane.exceptions.AlreadyExists):
        client.run(session.execute(f"CREATE TABLE {table} (k int PRIMARY KEY)"))


def test_the_best_version_is_chosen(client: Client) -> None:
    for compression, version in ((None, 5), ("lz4", 5), ("snappy", 4)):
        session = client.connect(compression=compression, protocol_version=None)
        assert session.cluster.protocol_version == version


@pytest.mark.parametrize("version", [3, 4, 5])
def test_columns_that_change_under_a_prepared_statement(client: Client, version: int) -> None:
    session = client.connect(protocol_version=version)
    other = client.connect(protocol_version=version)
    table = client.table(session, "k int PRIMARY KEY, v text")
    client.run(session.execute(f"INSERT INTO {table} (k, v) VALUES (1, 'one')"))
    select = client.run(session.prepare(f"SELECT * FROM {table} WHERE k = ?"))

    def row() -> dict[str, Any]:
        found: dict[str, Any] = client.run(session.execute(select, [1])).one()._asdict()
        return found

    for _ in range(3):
        assert row() == {"k": 1, "v": "one"}
    client.run(other.execute(f"ALTER TABLE {table} ADD w int"))
    client.run(other.execute(f"UPDATE {table} SET w = 7 WHERE k = 1"))
    for _ in range(5):
        assert row() == {"k": 1, "v": "one", "w": 7}
    client.run(other.execute(f"ALTER TABLE {table} DROP v"))
    for _ in range(5):
        assert row() == {"k": 1, "w": 7}


@pytest.mark.parametrize("version", [3, 4, 5])
def test_conditional_writes_have_columns_of_their_own(client: Client, version: int) -> None:
    session = client.connect(protocol_version=version)
    table = client.table(session, "k int PRIMARY KEY, v text")
    insert = client.run(session.prepare(f"INSERT INTO {table} (k, v) VALUES (?, ?) IF NOT EXISTS"))
    for k in range(4):
        assert client.run(session.execute(insert, [k, "first"])).was_applied is True
        result = client.run(session.execute(insert, [k, "second"]))
        assert result.was_applied is False
        assert result.one().v == "first"


@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_trace_tells_what_was_done(client: Client, version: int) -> None:
    session = client.connect(protocol_version=version)
    table = client.table(session, "k int PRIMARY KEY, v text")
    insert = f"INSERT INTO {table} (k, v) VALUES (?, ?)"
    result = client.run(session.execute(insert, [1, "x"], tracing=True))
    # Cassandra writes traces down on a thread of its own, when it has nothing better to do.
    trace = client.run(result.trace(wait=20))
    assert trace.id == result.tracing_id
    assert trace.command == "QUERY"
    assert trace.parameters["consistency_level"] == "LOCAL_QUORUM"
    assert trace.duration is not None
    assert trace.started_at is not None
    assert len(trace.events) > 1
    assert {event.source for event in trace.events} == {trace.coordinator}
    assert "activity" in str(trace)


def test_a_request_names_its_keyspace_and_its_time(client: Client) -> None:
    session = client.connect(keyspace="system")
    other = client.connect()
    table = client.table(other, "k int PRIMARY KEY, v text")
    insert = f"INSERT INTO {table} (k, v) VALUES (?, ?) USING TTL 10"
    client.run(session.execute(insert, [1, "x"], keyspace=KEYSPACE, now_in_seconds=1000))
    select = f"SELECT v FROM {table} WHERE k = 1"
    for now, found in ((1005, "x"), (1011, None)):
        result = client.run(session.execute(select, keyspace=KEYSPACE, now_in_seconds=now))
        assert result.scalar() == found
