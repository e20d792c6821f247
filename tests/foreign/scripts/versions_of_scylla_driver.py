"""scylla-driver in one protocol version. Run as a program: HOST PORT VERSION COMPRESSION."""

import os
import sys
from typing import Any

from cassandra.cluster import Cluster
from cassandra.query import BatchStatement


def main() -> None:
    host, port, version, compression = sys.argv[1:]
    options: dict[str, Any] = {"compression": False if compression == "none" else compression}
    cluster = Cluster(
        [host], port=int(port), protocol_version=int(version), connect_timeout=20, **options
    )
    session = cluster.connect()
    session.default_timeout = 20
    assert cluster.protocol_version == int(version)
    session.execute("DROP KEYSPACE IF EXISTS versions")
    session.execute(
        "CREATE KEYSPACE versions WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 2}"
    )
    session.set_keyspace("versions")
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
    insert = session.prepare("INSERT INTO t (k, v) VALUES (?, ?)")
    select = session.prepare("SELECT * FROM t WHERE k = ?")
    # Longer than a segment of v5, once it compresses and once it does not.
    values = {k: "v" * (k * 37 % 3000) for k in range(100)}
    values[1000] = "v" * 400_000
    values[1001] = "".join(chr(33 + (n * 2_654_435_761 >> 7) % 90) for n in range(300_000))
    for k, v in values.items():
        session.execute(insert, (k, v))
    for k, v in values.items():
        assert session.execute(select, (k,)).one() == (k, v)
    session.default_fetch_size = 20
    assert {row.k: row.v for row in session.execute("SELECT k, v FROM t")} == values
    batch = BatchStatement()
    batch.add(insert, (2000, "bound"))
    batch.add("INSERT INTO t (k, v) VALUES (2001, 'plain')")
    session.execute(batch)
    session.execute("ALTER TABLE t ADD w int")
    for _ in range(4):
        assert session.execute(select, (2000,)).one() == (2000, "bound", None)
    conditional = session.prepare("INSERT INTO t (k, v) VALUES (?, ?) IF NOT EXISTS")
    assert session.execute(conditional, (3000, "x")).was_applied
    assert not session.execute(conditional, (3000, "y")).was_applied
    traced = session.execute(select, (2001,), trace=True)
    trace = traced.get_query_trace(max_wait_sec=20)
    assert trace.events
    assert trace.duration is not None
    print("done")
    sys.stdout.flush()
    # Often its event loop does not hear that it should end, and exiting waits five seconds for it.
    os._exit(0)


main()
