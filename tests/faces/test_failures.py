"""What goes wrong on the way: errors of servers, lost connections, silence."""

# ruff: noqa: SIM117 - blocks show what happens while a fault is in force.

from __future__ import annotations

import pytest

from shardlane import exceptions
from shardlane._shared.errors import CODES
from shardlane.testing import faults

TABLE = "CREATE TABLE users (id int PRIMARY KEY, name text)"
INSERT = "INSERT INTO users (id, name) VALUES (?, ?)"
SELECT = "SELECT name FROM users WHERE id = ?"

EXECUTE = faults.opcode("EXECUTE")

# Not raised but mended by preparing again (0x2500), or repeated on other nodes until none is left.
MENDED = {exceptions.UnpreparedStatement, exceptions.Bootstrapping}


@pytest.mark.parametrize("cls", sorted(CODES.keys() - MENDED, key=lambda cls: cls.__name__))
async def test_errors_of_the_server(session, server, cls):
    await session.execute(TABLE)
    await session.prepare(SELECT)
    with server.fault(EXECUTE, faults.error(cls, "said the server")):
        with pytest.raises(cls, match="said the server") as caught:
            await session.execute(SELECT, [1])
    error = caught.value
    assert type(error) is cls
    assert error.code == CODES[cls]
    assert error.node in server.contact_points
    assert error.shard in (0, 1)
    assert error.host_id
    assert error.statement == SELECT
    assert error.attempts
    assert error.attempts[-1].node == error.node


async def test_fields_of_errors(session, server):
    await session.execute(TABLE)
    await session.prepare(SELECT)
    reaction = faults.error(exceptions.Unavailable, required=3, alive=1)
    with server.fault(EXECUTE, reaction), pytest.raises(exceptions.Unavailable) as caught:
        await session.execute(SELECT, [1])
    assert (caught.value.required, caught.value.alive) == (3, 1)
    assert caught.value.consistency == "QUORUM"
    reaction = faults.error(exceptions.WriteTimeout, received=1, block_for=2, write_type="BATCH")
    with server.fault(EXECUTE, reaction), pytest.raises(exceptions.WriteTimeout) as caught:
        await session.execute(SELECT, [1])
    assert (caught.value.received, caught.value.block_for) == (1, 2)
    assert caught.value.write_type == "BATCH"


async def test_an_error_on_one_node_is_not_the_end(session, server):
    """What was refused before it took effect goes to another node."""
    await session.execute(TABLE)
    await session.execute(INSERT, [1, "Ada"])
    await session.prepare(SELECT)
    condition = EXECUTE & faults.first(1)
    with server.fault(condition, faults.error(exceptions.Bootstrapping)) as fault:
        result = await session.execute(SELECT, [1])
        assert fault.hits == 1
    assert result.scalar() == "Ada"
    assert result.attempts == 2


async def test_nodes_that_all_refuse(session, server):
    await session.execute(TABLE)
    await session.prepare(SELECT)
    with server.fault(EXECUTE, faults.error(exceptions.Bootstrapping)):
        with pytest.raises(exceptions.RequestError) as caught:
            await session.execute(SELECT, [1])
    assert {attempt.node for attempt in caught.value.attempts} == set(server.contact_points)
    assert {attempt.code for attempt in caught.value.attempts} == {0x1002}


LOSSES = {
    "close": faults.close,
    "half frame": faults.half_frame_then_close,
    "garbage": faults.garbage,
    "oversized": faults.oversized_length,
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_lost_connections(face, server, loss):
    """A write that may have been applied is repeated only if that does no harm."""
    async with face.connect(reconnect_delay_min=0.01) as session:
        await session.execute(TABLE)
        await session.prepare(INSERT)
        condition = EXECUTE & faults.first(1)
        with server.fault(condition, LOSSES[loss]()) as fault:
            with pytest.raises(exceptions.ConnectionLost, match="may have been applied") as caught:
                await session.execute(INSERT, [1, "Ada"])
            assert fault.hits == 1
        assert caught.value.written
        assert caught.value.node in server.contact_points
        with server.fault(EXECUTE & faults.first(1), LOSSES[loss]()) as fault:
            result = await session.execute(INSERT, [1, "Ada"], idempotent=True)
            assert fault.hits == 1
        assert result.attempts == 2
        assert (await session.execute(SELECT, [1])).scalar() == "Ada"


@pytest.mark.parametrize("reaction", [faults.silence, faults.half_frame_then_silence])
async def test_silence_ends_in_a_timeout(session, server, reaction):
    await session.execute(TABLE)
    await session.prepare(INSERT)
    with server.fault(EXECUTE, reaction()):
        with pytest.raises(exceptions.RequestTimeout, match=r"within 0\.2 s") as caught:
            await session.execute(INSERT, [1, "Ada"], timeout=0.2)
    assert caught.value.timeout == pytest.approx(0.2)
    assert caught.value.in_flight
    assert isinstance(caught.value, TimeoutError)


async def test_the_timeout_of_the_session(face, server):
    async with face.connect(timeout=0.2) as session:
        with server.fault(faults.text("system.local"), faults.silence()):
            with pytest.raises(exceptions.RequestTimeout):
                await session.execute("SELECT key FROM system.local")
        await session.execute("SELECT key FROM system.local", timeout=None)


async def test_one_timeout_for_preparing_and_executing(session, server):
    await session.execute(TABLE)
    slow = faults.opcode("PREPARE") & faults.text("users")
    with server.fault(slow, faults.silence()):
        with pytest.raises(exceptions.RequestTimeout):
            await session.execute(SELECT, [1], timeout=0.2)
    with server.fault(EXECUTE, faults.silence()):
        with pytest.raises(exceptions.RequestTimeout):
            await session.execute(SELECT, [1], timeout=0.2)


async def test_late_answers_reach_nobody_else(session, server):
    await session.execute(TABLE)
    for key in range(20):
        await session.execute(INSERT, [key, f"n{key}"])
    await session.prepare(SELECT)
    with server.fault(EXECUTE & faults.first(3), faults.delay(0.3)):
        with pytest.raises(exceptions.RequestTimeout):
            await session.execute(SELECT, [0], timeout=0.1)
        for key in range(20):
            assert (await session.execute(SELECT, [key])).scalar() == f"n{key}"


async def test_a_server_that_speaks_another_protocol(face, server):
    with server.fault(faults.opcode("OPTIONS"), faults.garbage()):
        with pytest.raises(exceptions.NoHostAvailable) as caught:
            async with face.connect(connect_timeout=1):
                pass
    assert set(caught.value.reasons) == set(server.contact_points)
