"""What scylla-driver does with a table that has tablets. Run as a program: HOST PORT REPLICAS."""

import os
import sys

from cassandra.cluster import Cluster
from common import KEYS, say, wait


def main() -> None:
    host, port, replicas = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    cluster = Cluster([host], port=port, connect_timeout=20)
    session = cluster.connect()
    session.default_timeout = 20
    session.execute(
        "CREATE KEYSPACE app WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}} "
        "AND tablets = {'enabled': true, 'initial': 16}"
    )
    session.set_keyspace("app")
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
    insert = session.prepare("INSERT INTO t (k, v) VALUES (?, ?)")
    select = session.prepare("SELECT v FROM t WHERE k = ?")
    say("connected")
    wait()
    for key in range(KEYS):
        session.execute(insert, (key, f"v{key}"))
    # Once more each time that the test says so: to count, after a migration, to count again.
    for _ in range(3):
        say("routed", KEYS)
        wait()
        for key in range(KEYS):
            assert session.execute(select, (key,)).one().v == f"v{key}"
    say("routed", KEYS)
    wait()
    cluster.shutdown()
    say("done")
    # Often its event loop does not hear that it should end, and exiting waits five seconds for it.
    os._exit(0)


main()
