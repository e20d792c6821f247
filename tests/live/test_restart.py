"""The node goes away and comes back, with other manners: it asks for passwords, and reads slowly.

These tests come last, whatever the order of the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import shardlane
from live_cassandra import CREDENTIALS, Node
from shardlane import exceptions as exc

from .support import KEYSPACE, Client, unique

# Each row that a query of a table of ours touches takes this long, so that 30 take too long.
SLOW = "cassandra.test.read_iteration_delay_ms=100"
ROWS = 30


class Survivors(NamedTuple):
    """Sessions from before the restart, with what they had prepared."""

    table: str
    sync: tuple[Any, Any, Any]
    aio: tuple[Any, Any, Any]
    loop: asyncio.AbstractEventLoop
    while_down: list[Exception | None]


@pytest.fixture(scope="module")
def survivors(node: Node) -> Iterator[Survivors]:
    table = unique("kept")
    # Not asked for before the restart, needed after it.
    options: dict[str, Any] = {"port": node.port, "keyspace": KEYSPACE, "reconnect_delay_max": 0.5}
    options |= {"username": CREDENTIALS[0], "password": CREDENTIALS[1]}
    insert = f"INSERT INTO {table} (part, n) VALUES (?, ?)"
    select = f"SELECT n FROM {table} WHERE part = ? AND n = ?"
    loop = asyncio.new_event_loop()
    blocking = shardlane.connect(node.address, **options)
    awaiting = loop.run_until_complete(_opened(node, options))
    blocking.execute(f"CREATE TABLE {table} (part int, n int, PRIMARY KEY (part, n))")
    blocking.execute_many(insert, ((1, n) for n in range(ROWS)))
    before = (blocking, blocking.prepare(insert), blocking.prepare(select))
    after = (
        awaiting,
        loop.run_until_complete(awaiting.prepare(insert)),
        loop.run_until_complete(awaiting.prepare(select)),
    )
    node.stop()
    while_down = [
        _failure(lambda: blocking.execute(before[2], [1, 1], timeout=0.5)),
        _failure(lambda: loop.run_until_complete(awaiting.execute(after[2], [1, 1], timeout=0.5))),
    ]
    node.start(SLOW, passwords=True)
    yield Survivors(table, before, after, loop, while_down)
    blocking.close()
    loop.run_until_complete(awaiting.close())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def _failure(attempt: Callable[[], object]) -> Exception | None:
    try:
        attempt()
    except Exception as error:
        return error
    return None


async def _opened(node: Node, options: dict[str, Any]) -> Any:
    return await shardlane.aio.connect(node.address, **options)


@pytest.fixture
def user(client: Client, survivors: Survivors) -> Any:
    return client.connect(username=CREDENTIALS[0], password=CREDENTIALS[1])


def test_requests_while_the_node_is_down_fail_with_a_reason(survivors: Survivors) -> None:
    assert len(survivors.while_down) == 2
    for error in survivors.while_down:
        assert isinstance(error, exc.NetworkError | exc.RequestTimeout), repr(error)


@pytest.mark.parametrize("face", ["sync", "aio"])
def test_sessions_come_back_by_themselves(survivors: Survivors, face: str) -> None:
    session, insert, select = getattr(survivors, face)

    def run(outcome: Any) -> Any:
        return survivors.loop.run_until_complete(outcome) if face == "aio" else outcome

    deadline = time.monotonic() + 20
    while True:
        try:
            # Prepared before the restart; Cassandra keeps those, and if it did not, so would we.
            result = run(session.execute(select, [1, 1], timeout=5))
            break
        except exc.NetworkError:
            assert time.monotonic() < deadline, "no connection 20 s after the node came back"
    assert result.scalar() == 1
    run(session.execute(insert, [2, 5]))
    assert run(session.execute(select, [2, 5])).scalar() == 5
    assert session.shards().connections == 1
    assert session.shards().nodes[0].connections_closed >= 1


def test_wrong_and_missing_passwords(client: Client, survivors: Survivors) -> None:
    wrong = {"username": CREDENTIALS[0], "password": "wrong"}
    missing = {"username": None, "password": None}
    for options, words in ((wrong, "incorrect"), (missing, "no credentials were given")):
        with pytest.raises(exc.NoHostAvailable) as caught:
            client.connect(**options)
        (reason,) = caught.value.reasons.values()
        assert words in reason
        assert "username=" in (caught.value.hint or "")


def test_roles_need_permissions(client: Client, user: Any) -> None:
    role = unique("reader")
    create = f"CREATE ROLE {role} WITH PASSWORD = 'secret' AND LOGIN = true"
    client.run(user.execute(create))
    limited = client.connect(None, username=role, password="secret")
    with pytest.raises(exc.Unauthorized) as caught:
        client.run(limited.execute(f"CREATE TABLE {KEYSPACE}.mine (id int PRIMARY KEY)"))
    assert caught.value.code == 0x2100
    assert "GRANT" in (caught.value.hint or "")


def test_a_read_that_takes_too_long(client: Client, user: Any, survivors: Survivors) -> None:
    cql = f"SELECT n FROM {survivors.table} WHERE part = ?"
    with pytest.raises(exc.ReadTimeout) as caught:
        client.run(user.execute(cql, [1], timeout=20))
    error = caught.value
    assert (error.code, error.consistency) == (0x1200, "LOCAL_QUORUM")
    assert (error.received, error.block_for, error.data_present) == (0, 1, False)
