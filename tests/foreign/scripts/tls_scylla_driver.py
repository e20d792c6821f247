"""scylla-driver over TLS. Run as a program: HOST PORT CA CERTIFICATE KEY."""

import os
import ssl
import sys

from cassandra.cluster import Cluster
from common import say, wait


def main() -> None:
    host, port, ca, certificate, key = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, key)
    cluster = Cluster([host], port=int(port), connect_timeout=20, ssl_context=context)
    session = cluster.connect()
    session.default_timeout = 20
    say("connected")
    wait()
    session.execute(
        "CREATE KEYSPACE app WITH replication = "
        "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}"
    )
    session.execute("CREATE TABLE app.t (k int PRIMARY KEY, v blob)")
    insert = session.prepare("INSERT INTO app.t (k, v) VALUES (?, ?)")
    select = session.prepare("SELECT v FROM app.t WHERE k = ?")
    for size in (0, 1, 16_384, 500_000):
        session.execute(insert, (size, bytes(size)))
        assert session.execute(select, (size,)).one().v == bytes(size)
    cluster.shutdown()
    say("done")
    # Often its event loop does not hear that it should end, and exiting waits five seconds for it.
    os._exit(0)


if __name__ == "__main__":
    main()
