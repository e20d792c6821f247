"""What an application does with scylla-driver. Run as a program: HOST PORT REPLICAS."""

import datetime as dt
import os
import sys
from ipaddress import ip_address
from typing import Any

from cassandra import AlreadyExists, InvalidRequest, util
from cassandra.cluster import Cluster
from cassandra.protocol import SyntaxException
from cassandra.query import BatchStatement, BatchType
from common import KEYS, PAGE_ROWS, PAGES_MIN, Typed, say, wait


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

    say("connected")
    wait()
    while True:
        for key in range(KEYS):
            session.execute(insert, (key, f"v{key}", {"a", "b"}, {"x": key}))
        for key in range(KEYS):
            row = session.execute(select, (key,)).one()
            assert (row.v, set(row.tags), dict(row.m)) == (f"v{key}", {"a", "b"}, {"x": key}), row
        say("routed", 2 * KEYS)
        if wait():
            break

    types(session)
    pages(session)
    batches_and_conditions(session, insert, select)
    errors(session)
    assert {"t", "hits", "typed"} <= set(cluster.metadata.keyspaces["app"].tables)
    assert list(cluster.metadata.keyspaces["app"].user_types) == ["place"]
    cluster.shutdown()
    say("done")
    # Often its event loop does not hear that it should end, and exiting waits five seconds for it.
    os._exit(0)


def types(session: Any) -> None:
    typed = Typed("scylla-driver")
    for statement in typed.create:
        session.execute(statement)
    insert, select = session.prepare(typed.insert), session.prepare(typed.select)
    given = [tuple(v.values()) if t == "frozen<place>" else v for t, v in typed.samples.items()]
    session.execute(insert, [1, *given])
    say("typed")
    wait()
    for key in (1, 2):
        row = session.execute(select, [key]).one()
        typed.check(map(plain, typed.samples, row))


def plain(cql_type: str, value: Any) -> Any:
    """The value as the samples have it."""
    if cql_type == "inet":
        return ip_address(value)
    if cql_type == "frozen<place>":
        return value._asdict()
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=dt.timezone.utc)
    if isinstance(value, util.Date):
        return value.date()
    if isinstance(value, util.Time):
        return value.time()
    return value


def pages(session: Any) -> None:
    scan = session.prepare("SELECT k FROM t")
    scan.fetch_size = PAGE_ROWS
    result = session.execute(scan)
    found, count = list(result.current_rows), 1
    while result.has_more_pages:
        result.fetch_next_page()
        found += result.current_rows
        count += 1
    assert sorted(row.k for row in found) == list(range(KEYS))
    assert count >= PAGES_MIN, count
    # Its own way of iterating over pages.
    assert sorted(row.k for row in session.execute(scan)) == list(range(KEYS))


def batches_and_conditions(session: Any, insert: Any, select: Any) -> None:
    for kind in (BatchType.LOGGED, BatchType.UNLOGGED):
        batch = BatchStatement(kind)
        batch.add(insert, (1000, f"batch {kind}", set(), {}))
        batch.add(insert, (1001, f"batch {kind}", None, None))
        session.execute(batch)
        row = session.execute(select, (1001,)).one()
        assert (row.v, row.tags) == (f"batch {kind}", None), row
    session.execute("UPDATE hits SET n = n + 3 WHERE k = 1")
    count = session.prepare("UPDATE hits SET n = n + ? WHERE k = ?")
    batch = BatchStatement(BatchType.COUNTER)
    batch.add(count, (-1, 1))
    batch.add(count, (7, 2))
    session.execute(batch)
    assert [session.execute(f"SELECT n FROM hits WHERE k = {key}").one().n for key in (1, 2)] == [
        2,
        7,
    ]
    once = session.prepare("INSERT INTO t (k, v) VALUES (?, ?) IF NOT EXISTS")
    assert session.execute(once, (2000, "once")).was_applied
    again = session.execute(once, (2000, "twice"))
    assert not again.was_applied
    assert again.one().v == "once"


def errors(session: Any) -> None:
    for wrong, expected in (
        ("SELEC 1", SyntaxException),
        ("SELECT nope FROM t", InvalidRequest),
        ("CREATE TABLE t (k int PRIMARY KEY)", AlreadyExists),
    ):
        try:
            session.execute(wrong)
        except expected:
            continue
        raise AssertionError(f"no error for {wrong}")


main()
