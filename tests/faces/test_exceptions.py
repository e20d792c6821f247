"""Exceptions without a server: the tree, what they say, and that they can be pickled."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from shardlane import exceptions
from shardlane._shared.errors import CODES, build

ATTEMPT = {
    "address": "127.0.0.1",
    "port": 9042,
    "host_id": "00000000-0000-0000-0000-000000000001",
    "shard": 3,
    "failure": "server",
    "message": "as the server said",
    "written": True,
    "code": 0,
    "detail": {},
}


def attempt(**changes):
    return {**ATTEMPT, **changes}


def failed(kind="attempt", *attempts, **fields):
    return build(
        {"kind": kind, "attempts": list(attempts), "statement": "SELECT a FROM t", **fields}
    )


DETAILS = {
    0x1000: {"consistency": "QUORUM", "required": 2, "alive": 1},
    0x1100: {"consistency": "ONE", "received": 0, "block_for": 1, "write_type": "CAS"},
    0x1200: {"consistency": "ONE", "received": 1, "block_for": 1, "data_present": False},
    0x1300: {
        "consistency": "ONE",
        "received": 1,
        "block_for": 2,
        "num_failures": 1,
        "data_present": True,
    },
    0x1400: {"keyspace": "ks", "function": "f", "argument_types": ["int", "text"]},
    0x1500: {
        "consistency": "ONE",
        "received": 1,
        "block_for": 2,
        "num_failures": 1,
        "write_type": "SIMPLE",
    },
    0x1700: {"consistency": "SERIAL", "received": 1, "block_for": 2},
    0x2400: {"keyspace": "ks", "table": "t"},
    0x2500: {"id": b"\x01\x02"},
}


@pytest.mark.parametrize(("cls", "code"), CODES.items(), ids=lambda v: getattr(v, "__name__", None))
def test_errors_of_the_server_have_a_class_for_each_code(cls, code):
    detail = DETAILS.get(code, {})
    error = failed("attempt", attempt(code=code, detail=detail))
    assert type(error) is cls
    assert (error.code, error.node, error.shard) == (code, "127.0.0.1:9042", 3)
    assert error.statement == "SELECT a FROM t"
    assert "as the server said" in str(error)
    assert f"0x{code:04x} from 127.0.0.1:9042 shard 3" in str(error)
    for name, value in detail.items():
        shown = tuple(value) if isinstance(value, list) else value
        assert getattr(error, name) == shown


def test_codes_without_a_class():
    for code in (0x0000, 0x000A, 0x7777):
        error = failed("attempt", attempt(code=code))
        assert type(error) is exceptions.ServerError
        assert error.code == code
    limited = {"operation": "write", "rejected_by_coordinator": True}
    error = failed("attempt", attempt(code=0x4321, detail=limited))
    assert type(error) is exceptions.RateLimitReached
    assert (error.operation, error.rejected_by_coordinator) == ("write", True)


def test_lost_connections():
    lost = attempt(failure="connection", message="reset by peer", code=None)
    error = failed("attempt", lost)
    assert type(error) is exceptions.ConnectionLost
    assert error.written
    assert "may have been applied" in str(error)
    assert "idempotent" in error.hint
    error = failed("attempt", {**lost, "written": False})
    assert not error.written
    assert error.hint is None


def test_the_history_of_attempts():
    error = failed(
        "attempt",
        attempt(code=0x1002, message="bootstrapping"),
        attempt(code=0x1000, address="::1", shard=None, detail=DETAILS[0x1000]),
    )
    assert [str(a) for a in error.attempts] == [
        "127.0.0.1:9042 shard 3: bootstrapping",
        "[::1]:9042: as the server said",
    ]
    assert error.attempts[0].code == 0x1002
    assert "2 attempts" in str(error)


def test_nobody_to_ask():
    error = failed("no_node")
    assert type(error) is exceptions.NoHostAvailable
    assert error.reasons == {}
    why = {"127.0.0.1:9042": "refused"}
    error = failed("no_node", unconnected=why)
    assert error.reasons == why
    assert "127.0.0.1:9042: refused" in str(error)
    error = failed(
        "no_node",
        attempt(failure="busy", message="too much", code=None),
        attempt(failure="not_connected", message="no connection", port=9043, code=None),
    )
    assert error.reasons == {"127.0.0.1:9042": "too much", "127.0.0.1:9043": "no connection"}
    error = failed("attempt", attempt(failure="busy", message="too much", code=None))
    assert type(error) is exceptions.NoHostAvailable


def test_unreachable_clusters():
    def unreached(point, message, **more):
        return {"point": point, "message": message, "is_login": False, **more}

    points = [unreached(f"10.0.0.{n}:9042", "refused") for n in range(7)]
    error = failed("unreachable", unreachable=points)
    assert type(error) is exceptions.NoHostAvailable
    assert error.reasons == {point["point"]: "refused" for point in points}
    assert "and 2 more" in str(error)
    assert "check the addresses" in error.hint
    points.append(unreached("h:1", "bad password", is_login=True))
    error = failed("unreachable", unreachable=points)
    assert type(error) is exceptions.AuthenticationError
    assert "username=" in error.hint
    error = failed("unreachable", unreachable=[{**points[-1], "cause": 2**60}])
    assert "auth=" in error.hint
    assert error.__cause__ is None, "it was too long ago"


@pytest.mark.parametrize("in_flight", [True, False])
def test_timeouts(in_flight):
    error = failed("timeout", timeout=2.5, in_flight=in_flight)
    assert type(error) is exceptions.RequestTimeout
    assert isinstance(error, TimeoutError)
    assert (error.timeout, error.in_flight) == (2.5, in_flight)
    assert "no answer within 2.5 s" in str(error)


KINDS = {
    "cancelled": exceptions.RequestCancelled,
    "closed": exceptions.SessionClosed,
    "prepared_changed": exceptions.PreparedStatementChanged,
    "fork": exceptions.ForkError,
    "protocol": exceptions.ProtocolError,
    "internal": exceptions.InternalError,
    "something new": exceptions.InternalError,
}


@pytest.mark.parametrize(("kind", "cls"), KINDS.items())
def test_other_kinds(kind, cls):
    assert type(failed(kind)) is cls
    assert type(build({"kind": kind, "message": "words"})) is cls


def examples():
    yield exceptions.ShardlaneError("plain")
    yield exceptions.ConfigurationError("bad", hint="do that")
    yield exceptions.UnknownKeyspace("none", keyspace="ks")
    yield exceptions.BadValue("bad", column="a[3]", cql_type="int", python_type="str", hint="h")
    yield exceptions.DecodeError("bad", column="a", cql_type="int")
    yield exceptions.MultiplePages("many")
    for code in CODES.values():
        yield failed("attempt", attempt(code=code, detail=DETAILS.get(code, {})))
    yield failed("attempt", attempt(code=0x4321, detail={"rejected_by_coordinator": False}))
    yield failed("attempt", attempt(failure="connection", message="gone"))
    reached = {"point": "h:1", "message": "refused", "is_login": False}
    yield failed("unreachable", unreachable=[reached])
    yield failed("unreachable", unreachable=[{**reached, "is_login": True}])
    yield failed("timeout", timeout=1.0, in_flight=True)
    yield from (failed(kind) for kind in KINDS)


@pytest.mark.parametrize("error", list(examples()), ids=lambda e: type(e).__name__)
def test_pickling_and_copying_keep_everything(error):
    error.parameter_set = 7
    assert "parameter set 7" in str(error)
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(same) is type(error)
        assert same.__dict__ == error.__dict__
        assert (str(same), repr(same), same.args) == (str(error), repr(error), error.args)


def test_every_public_class_is_listed_and_drawn():
    classes = {
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and value.__module__ == "shardlane.exceptions"
    }
    assert classes == set(exceptions.__all__)
    assert exceptions.__doc__ is not None
    for name in classes - {"Attempt"}:
        assert issubclass(getattr(exceptions, name), exceptions.ShardlaneError)
        assert name in exceptions.__doc__


def test_blame():
    assert issubclass(exceptions.BadValue, (TypeError, ValueError))
    assert issubclass(exceptions.ConfigurationError, ValueError)
    assert issubclass(exceptions.DecodeError, exceptions.ProtocolError)
    assert not issubclass(exceptions.ProtocolError, exceptions.RequestError)
