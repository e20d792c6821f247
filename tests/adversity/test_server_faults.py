"""Servers that break the protocol, or answer with errors: what users get is documented."""

from __future__ import annotations

import time

import pytest

from cluster_help import INSERT, SELECT, create_table, wait_for_coverage
from shardlane import exceptions
from shardlane.testing import Cluster, faults

EXECUTE = faults.opcode("EXECUTE")
PICKLE_FIELDS = ("code", "node", "shard", "host_id", "statement", "attempts")

BREAKING = {
    "half a frame, then closed": faults.half_frame_then_close(),
    "garbage": faults.garbage(),
    "length of 4 GiB": faults.oversized_length(),
    "closed": faults.close(),
}
SILENT = {
    "half a frame, then silence": faults.half_frame_then_silence(),
    "silence": faults.silence(),
}
HANDSHAKE = ("OPTIONS", "STARTUP")


@pytest.fixture(scope="module")
def server():
    with Cluster(3, 2) as server:
        with server.connect() as session:
            create_table(session, 3)
            session.execute_many(INSERT, ([key, f"v{key}"] for key in range(100)))
        yield server


@pytest.fixture(autouse=True)
def _without_faults(server):
    yield
    server.clear_faults()


def read_all(session, **options) -> list[exceptions.ShardlaneError]:
    """Read every key at once, check what came; returns the errors of the others."""
    result = session.execute_many(
        SELECT,
        ([key] for key in range(100)),
        results=True,
        raise_on_error=False,
        **options,
    )
    for key, found in enumerate(result.results):
        assert found is None or found.scalar() == f"v{key}"
    return [error for _, error in result.errors]


@pytest.mark.parametrize("fault", BREAKING)
def test_a_broken_answer_among_many(face, server, fault):
    """The connection is given up; what was under way on it ends; everything else goes on."""
    with face.connect(server, keyspace="app") as session:
        session.prepare(SELECT)
        with server.fault(EXECUTE & faults.first(1), BREAKING[fault]) as broken:
            errors = read_all(session)
            assert broken.hits == 1
        assert {type(error) for error in errors} <= {exceptions.ConnectionLost}
        assert 1 <= len(errors) < 100
        assert len({error.node for error in errors}) == 1, "one connection"
        for error in errors:
            assert error.written
            assert error.shard in (0, 1)
            assert error.hint
        wait_for_coverage(session, 6)
        with server.fault(EXECUTE & faults.first(1), BREAKING[fault]):
            assert read_all(session, idempotent=True) == []
        wait_for_coverage(session, 6)
        assert read_all(session) == []


@pytest.mark.parametrize("fault", BREAKING)
def test_every_connection_breaks_again_and_again(face, server, fault):
    with face.connect(server, keyspace="app", reconnect_delay_min=0.01) as session:
        session.prepare(SELECT)
        with server.fault(EXECUTE & faults.probability(0.1, seed=3), BREAKING[fault]) as broken:
            for _ in range(5):
                kinds = {type(error) for error in read_all(session, timeout=5)}
                assert kinds <= {
                    exceptions.ConnectionLost,
                    exceptions.NoHostAvailable,
                }, kinds
            assert broken.hits > 5
        wait_for_coverage(session, 6)
        assert read_all(session) == []


@pytest.mark.parametrize("fault", SILENT)
def test_silence_among_many(face, server, fault):
    with face.connect(server, keyspace="app") as session:
        session.prepare(SELECT)
        with server.fault(EXECUTE & faults.first(1), SILENT[fault]):
            began = time.monotonic()
            errors = read_all(session, timeout=0.5)
            took = time.monotonic() - began
        assert {type(error) for error in errors} == {exceptions.RequestTimeout}
        assert 0.5 <= took < 1.5
        if fault == "silence":
            # The rest of its connection is not touched; after half a frame nothing can follow.
            assert len(errors) == 1
            assert read_all(session) == []


def test_a_connection_stuck_in_half_a_frame_is_replaced(face, server):
    with face.connect(
        server, keyspace="app", keepalive_interval=0.2, keepalive_timeout=0.2, timeout=5
    ) as session:
        session.prepare(SELECT)
        with server.fault(EXECUTE & faults.first(1), SILENT["half a frame, then silence"]):
            # Keepalive gives the connection up long before the deadline; then it is retried.
            began = time.monotonic()
            assert read_all(session, idempotent=True) == []
            assert time.monotonic() - began < 3
        wait_for_coverage(session, 6)


@pytest.mark.parametrize("offset", [1, 100, -1])
def test_an_answer_on_another_stream(face, server, offset):
    """Whoever gets an answer gets his own, or an error; nobody waits for ever."""
    with face.connect(server, keyspace="app", timeout=1) as session:
        session.prepare(SELECT)
        with server.fault(EXECUTE & faults.first(1), faults.wrong_stream(offset)):
            with pytest.raises(exceptions.RequestError) as caught:
                session.execute(SELECT, [5])
            assert isinstance(caught.value, (exceptions.ConnectionLost, exceptions.RequestTimeout))
        wait_for_coverage(session, 6)
        assert read_all(session) == []


@pytest.mark.parametrize("opcode", HANDSHAKE)
@pytest.mark.parametrize("fault", [*BREAKING, *SILENT])
def test_a_broken_handshake_once(face, server, opcode, fault):
    """The first handshakes fail; the client tries the next contact point and gets there."""
    reaction = {**BREAKING, **SILENT}[fault]
    with (
        server.fault(faults.opcode(opcode) & faults.first(2), reaction) as broken,
        face.connect(
            server, keyspace="app", connect_timeout=0.3, reconnect_delay_min=0.01
        ) as session,
    ):
        wait_for_coverage(session, 6)
        assert read_all(session) == []
        assert broken.hits == 2


@pytest.mark.parametrize("opcode", HANDSHAKE)
@pytest.mark.parametrize("fault", [*BREAKING, *SILENT])
def test_a_broken_handshake_always(face, server, opcode, fault):
    reaction = {**BREAKING, **SILENT}[fault]
    began = time.monotonic()
    with (
        server.fault(faults.opcode(opcode), reaction),
        pytest.raises(exceptions.NoHostAvailable) as caught,
        face.connect(server, connect_timeout=0.3),
    ):
        pytest.fail("it must not connect")
    assert time.monotonic() - began < 4
    assert set(caught.value.reasons) == set(server.contact_points)
    assert all(caught.value.reasons.values())
    assert caught.value.hint


# Everything that a test can ask the embedded cluster for; what makes no exception has its own test.
ERRORS = {
    exceptions.ServerError: 0x0000,
    **{
        cls: code
        for cls, code in faults.ERRORS.items()
        if cls not in (exceptions.UnpreparedStatement, exceptions.Bootstrapping)
    },
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda cls: cls.__name__)
def test_error_codes(face, server, error):
    with face.connect(server, keyspace="app") as session:
        session.prepare(INSERT)
        reaction = faults.error(ERRORS[error], "in the words of the server")
        with server.fault(EXECUTE, reaction), pytest.raises(exceptions.ServerError) as caught:
            session.execute(INSERT, [1, "v1"])
        raised = caught.value
        assert type(raised) is error
        assert raised.message == "in the words of the server"
        assert raised.code == ERRORS[error]
        assert raised.node in server.contact_points
        assert raised.shard in (0, 1)
        assert raised.statement == INSERT
        assert raised.attempts[-1].code == raised.code
        assert f"0x{raised.code:04x} from {raised.node} shard {raised.shard}" in str(raised)


@pytest.mark.parametrize("error", [exceptions.Overloaded, exceptions.ServerError])
@pytest.mark.parametrize("idempotent", [False, True])
def test_an_overloaded_node(face, server, error, idempotent):
    """It may have begun, so only what is idempotent goes to another node."""
    with face.connect(server, keyspace="app", idempotent=idempotent) as session:
        session.prepare(SELECT)
        condition = EXECUTE & faults.node(1)
        with server.fault(condition, faults.error(ERRORS[error], "busy")) as fault:
            errors = read_all(session)
            assert fault.hits > 0
        assert {type(one) for one in errors} == (set() if idempotent else {error})
        if not idempotent:
            assert {one.node for one in errors} == {server.contact_points[1]}


def test_a_bootstrapping_node(face, server):
    with face.connect(server, keyspace="app") as session:
        session.prepare(SELECT)
        with server.fault(
            EXECUTE & faults.node(1), faults.error(exceptions.Bootstrapping)
        ) as fault:
            assert read_all(session) == [], "it refuses before it begins: any request may go on"
            assert fault.hits > 0


def test_unavailable_is_tried_once_elsewhere(face, server):
    with face.connect(server, keyspace="app") as session:
        session.prepare(SELECT)
        with server.fault(EXECUTE & faults.node(1), faults.error(exceptions.Unavailable)):
            assert read_all(session) == []
        with (
            server.fault(EXECUTE, faults.error(exceptions.Unavailable, required=2, alive=1)),
            pytest.raises(exceptions.Unavailable) as caught,
        ):
            session.execute(SELECT, [1])
        assert len(caught.value.attempts) == 2
        assert len({attempt.node for attempt in caught.value.attempts}) == 2


def test_write_timeouts_are_not_repeated(face, server):
    with face.connect(server, keyspace="app", idempotent=True) as session:
        session.prepare(INSERT)
        reaction = faults.error(exceptions.WriteTimeout, received=1, block_for=2)
        with (
            server.fault(EXECUTE, reaction) as fault,
            pytest.raises(exceptions.WriteTimeout) as caught,
        ):
            session.execute(INSERT, [1, "v1"])
        assert fault.hits == 1
        assert (caught.value.received, caught.value.block_for) == (1, 2)


def test_slow_answers_do_not_hold_up_others(face, server):
    with face.connect(server, keyspace="app") as session:
        session.prepare(SELECT)
        with server.fault(EXECUTE & faults.node(2) & faults.first(10), faults.delay(0.5)):
            began = time.monotonic()
            assert read_all(session) == []
            assert time.monotonic() - began < 2
