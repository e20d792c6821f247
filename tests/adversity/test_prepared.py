"""Servers forget prepared statements, and schemas change under them."""

from __future__ import annotations

import asyncio

import pytest

from cluster_help import INSERT, SELECT, Traffic, check_all, create_table
from shardlane import Batch, exceptions
from shardlane.testing import Cluster, faults


def test_forgotten_everywhere_nobody_notices(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 3)
        for round_ in range(3):
            session.execute_many(INSERT, ([key, f"{round_}.{key}"] for key in range(200)))
            server.forget_prepared()
            found = session.execute_many(SELECT, ([key] for key in range(200)), results=True)
            expected = [f"{round_}.{key}" for key in range(200)]
            assert [row.scalar() for row in found.results] == expected
            server.forget_prepared()
        # Prepared again where it was unknown: that is no failed attempt.
        server.forget_prepared()
        assert session.execute(SELECT, [1]).attempts == 1


def test_forgotten_again_and_again_under_load():
    with Cluster(3, 2) as server, server.connect() as session:
        create_table(session, 3)
        with Traffic(session, threads=8) as traffic:
            for _ in range(15):
                server.forget_prepared()
                traffic.await_progress(30)
        assert [str(failure) for failure in traffic.failures] == []
        check_all(session, traffic.acknowledged)


def test_a_batch_of_forgotten_statements(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 3)
        session.execute("CREATE TABLE u (k int PRIMARY KEY, v text)")
        batch = Batch("unlogged")
        for key in range(5):
            batch.add(INSERT, [key, "x"])
            batch.add("INSERT INTO u (k, v) VALUES (?, ?)", [key, "y"])
        for _ in range(5):
            session.execute_batch(batch)
            server.forget_prepared()
        assert session.execute("SELECT v FROM u WHERE k = ?", [4]).scalar() == "y"


@pytest.mark.asyncio
async def test_a_crowd_shares_its_preparing():
    with Cluster(3, 2) as server, server.connect() as admin:
        create_table(admin, 3)
        async with server.aio_connect("app") as session:
            prepares = faults.opcode("PREPARE") & faults.text("FROM t")
            with server.fault(prepares, faults.delay(0.05)) as fault:
                await asyncio.gather(*(session.execute(SELECT, [key]) for key in range(200)))
                # Once on each node, and once more for each request to which that comes too late:
                # how many these are depends on the machine.
                assert 3 <= fault.hits < 190, "each for itself would be 200 and more"
                server.forget_prepared()
                await asyncio.gather(*(session.execute(SELECT, [key]) for key in range(300)))
                known = fault.hits
                assert known < 190 + 300
                await asyncio.gather(*(session.execute(SELECT, [key]) for key in range(300)))
                assert fault.hits == known


def test_unprepared_for_ever_is_an_error(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 3)
        session.prepare(SELECT)
        with (
            server.fault(
                faults.opcode("EXECUTE"), faults.error(exceptions.UnpreparedStatement, "never")
            ),
            pytest.raises(exceptions.ShardlaneError) as caught,
        ):
            session.execute(SELECT, [1], timeout=5)
        assert not isinstance(caught.value, (exceptions.RequestTimeout, exceptions.InternalError))
        assert session.execute(SELECT, [1]).one() is None


def test_tables_are_used_as_soon_as_they_are_made(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 3)
        for number in range(10):
            session.execute(f"CREATE TABLE t{number} (k int PRIMARY KEY, v text)")
            insert = f"INSERT INTO t{number} (k, v) VALUES (?, ?)"
            session.execute_many(insert, ([key, "x"] for key in range(20)))
            assert session.execute(f"SELECT count(*) FROM t{number}").scalar() == 20
        for number in range(10):
            session.execute(f"DROP TABLE t{number}")
            with pytest.raises(exceptions.InvalidQuery):
                session.execute(f"SELECT v FROM t{number} WHERE k = 1")


def test_a_table_of_the_same_name_with_other_columns(face):
    """A prepared statement must never give the values of one table the types of another."""
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 3)
        for columns in ("v text", "v int", "v bigint", "v text"):
            session.execute("DROP TABLE t")
            session.execute(f"CREATE TABLE t (k int PRIMARY KEY, {columns})")
            value = "text" if columns == "v text" else 7
            for _ in range(2):
                try:
                    session.execute(INSERT, [1, value])
                except (  # noqa: PERF203
                    exceptions.PreparedStatementChanged,
                    exceptions.BadValue,
                    exceptions.InvalidQuery,
                ):
                    session.execute(f"INSERT INTO t (k, v) VALUES (1, {value!r})")
            assert session.execute("SELECT v FROM t WHERE k = 1").scalar() == value


def test_a_column_is_added_while_a_statement_is_prepared(face):
    with Cluster(3, 2) as server, face.connect(server) as session:
        create_table(session, 3)
        select = "SELECT * FROM t WHERE k = ?"
        session.execute(INSERT, [1, "x"])
        assert session.execute(select, [1]).one() == (1, "x")
        session.execute("ALTER TABLE t ADD w int")
        session.execute("UPDATE t SET w = 5 WHERE k = 1")
        for _ in range(20):
            row = session.execute(select, [1]).one()
            assert row._asdict() in ({"k": 1, "v": "x", "w": 5}, {"k": 1, "v": "x"})
