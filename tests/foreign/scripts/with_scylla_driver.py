"""What an application does with scylla-driver. Run as a program: HOST PORT REPLICAS."""

import sys

from cassandra.cluster import Cluster
from cassandra.protocol import SyntaxException
from cassandra.query import BatchStatement

KEYS = 300


def main() -> None:
    host, port, replicas = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    cluster = Cluster([host], port=port, connect_timeout=20)
    session = cluster.connect()
    session.default_timeout = 20
    session.execute(
        "CREATE KEYSPACE app WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}"
    )
    session.set_keyspace("app")
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v text, tags set<text>, m map<text, int>)")
    session.execute("CREATE TABLE hits (k int PRIMARY KEY, n counter)")
    insert = session.prepare("INSERT INTO t (k, v, tags, m) VALUES (?, ?, ?, ?)")
    select = session.prepare("SELECT v, tags, m FROM t WHERE k = ?")

    print("connected", flush=True)
    sys.stdin.readline()
    for key in range(KEYS):
        session.execute(insert, (key, f"v{key}", {"a", "b"}, {"x": key}))
    for key in range(KEYS):
        row = session.execute(select, (key,)).one()
        assert (row.v, set(row.tags), dict(row.m)) == (f"v{key}", {"a", "b"}, {"x": key}), row
    print("routed", 2 * KEYS, flush=True)
    sys.stdin.readline()

    scan = session.prepare("SELECT k FROM t")
    scan.fetch_size = 40
    assert sorted(row.k for row in session.execute(scan)) == list(range(KEYS))
    batch = BatchStatement()
    batch.add(insert, (1000, "batch", set(), {}))
    batch.add(insert, (1001, "batch", None, None))
    session.execute(batch)
    assert session.execute(select, (1001,)).one().tags is None
    session.execute("UPDATE hits SET n = n + 3 WHERE k = 1")
    assert session.execute("SELECT n FROM hits WHERE k = 1").one().n == 3
    once = "INSERT INTO t (k, v) VALUES (2000, 'once') IF NOT EXISTS"
    assert session.execute(once).was_applied
    assert not session.execute(once).was_applied
    try:
        session.execute("SELEC 1")
    except SyntaxException:
        pass
    else:
        raise AssertionError("no error for bad CQL")
    assert {"t", "hits"} <= set(cluster.metadata.keyspaces["app"].tables)
    cluster.shutdown()
    print("done", flush=True)


main()
