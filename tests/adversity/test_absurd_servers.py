"""Servers that say what cannot be: of their shards and ports, and in what they answer."""

from __future__ import annotations

import contextlib
import struct
import time

import pytest

from cluster_help import INSERT, SELECT, create_table
from shardlane import exceptions
from shardlane.testing import Cluster
from wire_proxy import RESULT, SUPPORTED, WireProxy

NODES, SHARDS = 2, 3
ROWS, PREPARED = 2, 4


@pytest.fixture(scope="module")
def server():
    with Cluster(NODES, SHARDS) as server:
        with server.connect() as admin:
            create_table(admin, NODES)
        yield server


def read_multimap(body: bytes) -> dict[str, list[str]]:
    """A [string multimap]."""
    at = 0

    def short() -> int:
        nonlocal at
        at += 2
        return int(struct.unpack_from(">H", body, at - 2)[0])

    def string() -> str:
        nonlocal at
        size = short()
        at += size
        return body[at - size : at].decode()

    return {string(): [string() for _ in range(short())] for _ in range(short())}


def write_multimap(options: dict[str, list[str]]) -> bytes:
    def string(text: str) -> bytes:
        return struct.pack(">H", len(text.encode())) + text.encode()

    parts = [struct.pack(">H", len(options))]
    for key, values in options.items():
        parts += [string(key), struct.pack(">H", len(values)), *map(string, values)]
    return b"".join(parts)


def saying(changes: dict[str, str | None]):
    """An edit of SUPPORTED; None takes an option away."""

    def edit(opcode: int, body: bytes) -> bytes:
        if opcode != SUPPORTED:
            return body
        options = read_multimap(body)
        for key, value in changes.items():
            options.pop(key, None)
            if value is not None:
                options[key] = [value]
        return write_multimap(options)

    return edit


NR, SHARD, MSB = "SCYLLA_NR_SHARDS", "SCYLLA_SHARD", "SCYLLA_SHARDING_IGNORE_MSB"
PORT, ALGORITHM = "SCYLLA_SHARD_AWARE_PORT", "SCYLLA_SHARDING_ALGORITHM"

# Unlikely, but not impossible.
POSSIBLE: list[dict[str, str | None]] = [
    {MSB: "63"},
    {PORT: "0"},
    {PORT: "1"},
    {PORT: None},
    {NR: "1", SHARD: "0"},
    {NR: "20", SHARD: "19"},
    {"COMPRESSION": "zip", "CQL_VERSION": "9.9.9", "PROTOCOL_VERSIONS": "3/v3,99/v99"},
    {"SCYLLA_LWT_ADD_METADATA_MARK": "nonsense"},
]
ABSURD: list[dict[str, str | None]] = [
    *[{NR: value} for value in ("0", "-1", "65536", "4294967297", "x", "", None)],
    *[{SHARD: value} for value in ("3", "65535", "-1", "x", "", None)],
    *[{MSB: value} for value in ("64", "65", "255", "256", "-1", "x", None)],
    *[{PORT: value} for value in ("65536", "-1", "x", "")],
    *[{ALGORITHM: value} for value in ("none", "", None)],
    {"SCYLLA_PARTITIONER": "org.example.Random"},
    {"SCYLLA_RATE_LIMIT_ERROR": "ERROR_CODE=x"},
]


@pytest.mark.parametrize("changes", POSSIBLE + ABSURD, ids=str)
def test_absurd_sharding(face, server, changes):
    """What makes no sense is named at once; with what could be, the node is used."""
    with WireProxy(server, saying(changes)) as proxy:
        began = time.monotonic()
        try:
            with face.connect(
                proxy.contact_points, keyspace="app", pool_wait=0.2, connect_timeout=2
            ) as session:
                assert time.monotonic() - began < 4
                for key in range(30):
                    session.execute(INSERT, [key, f"v{key}"], timeout=2)
                    assert session.execute(SELECT, [key], timeout=2).scalar() == f"v{key}"
        except exceptions.NoHostAvailable as error:
            assert time.monotonic() - began < 1, "it is not tried again and again"
            (key, value), *_ = changes.items()
            for reason in error.reasons.values():
                assert "broke the protocol" in reason
                assert any(name in reason for name in changes), reason
                assert "leaves out" in reason if value is None else "has the value" in reason
            assert changes not in POSSIBLE
        else:
            assert changes in POSSIBLE, "nonsense that went unnoticed"
        # Where shards cannot be covered, ten connections for each that is said to be there are kept
        # at the most; then all of them begin again, ever more slowly.
        shards = 20 if changes.get(NR) == "20" else SHARDS
        assert proxy.accepted <= 1 + 8 * NODES * (11 * shards + 9), proxy.accepted


def test_a_node_that_loses_its_shards(face, server):
    """The first connection to a node says three shards, all later ones say that there are none."""
    count = 0

    def edit(opcode: int, body: bytes) -> bytes:
        nonlocal count
        if opcode != SUPPORTED:
            return body
        count += 1
        return saying({NR: None, SHARD: None} if count % 2 else {})(opcode, body)

    with (
        WireProxy(server, edit) as proxy,
        face.connect(proxy.contact_points, keyspace="app", pool_wait=0.2) as session,
    ):
        for key in range(50):
            assert session.execute(SELECT, [key], timeout=5, idempotent=True) is not None


def changing(kind: int, change):
    """An edit of RESULTs of one kind, on demand."""

    class Edit:
        is_on = False

        def __call__(self, opcode: int, body: bytes) -> bytes:
            if self.is_on and opcode == RESULT and body[:4] == struct.pack(">i", kind):
                return bytes(change(body))
            return body

    return Edit()


def with_int(at: int, value: int):
    return lambda body: body[:at] + struct.pack(">i", value) + body[at + 4 :]


# Of an answer to EXECUTE: kind, flags, columns count, and without metadata the rows count.
ABSURD_ROWS = {
    "negative columns": with_int(8, -1),
    "a billion columns": with_int(8, 1 << 30),
    "unknown flags": with_int(4, 0x7FFFFFFF),
    "paging state of negative length": lambda body: (
        body[:4] + struct.pack(">iii", 2 | 4, 1, -5) + body[12:]
    ),
    "paging state of 2 GB": lambda body: (
        body[:4] + struct.pack(">iii", 2 | 4, 1, 0x7FFFFFFF) + body[12:]
    ),
    "negative rows": lambda body: body[:12] + struct.pack(">i", -7) + body[16:],
    "two billion rows": lambda body: body[:12] + struct.pack(">i", 0x7FFFFFFF) + body[16:],
    "a value of 2 GB": lambda body: body[:16] + struct.pack(">i", 0x7FFFFFFF) + body[20:],
    "a value of length -3": lambda body: body[:16] + struct.pack(">i", -3) + body[20:],
    "nothing": lambda _: b"",
    "an unknown kind": with_int(0, 99),
    "a kind below zero": with_int(0, -1),
    "only a kind": lambda body: body[:4],
    "trailing bytes": lambda body: body + b"\0" * 9,
}


@pytest.mark.parametrize("change", ABSURD_ROWS.values(), ids=ABSURD_ROWS)
def test_absurd_answers(face, server, change):
    """An error that names the problem or, where nothing depends on it, the right answer."""
    edit = changing(ROWS, change)
    with (
        WireProxy(server, edit) as proxy,
        face.connect(proxy.contact_points, keyspace="app", timeout=3) as session,
    ):
        session.execute(INSERT, [1, "one"])
        statement = session.prepare(SELECT)
        assert session.execute(statement, [1]).scalar() == "one"
        edit.is_on = True
        for _ in range(5):
            began = time.monotonic()
            with contextlib.suppress(
                exceptions.ProtocolError, exceptions.ConnectionLost, exceptions.NoHostAvailable
            ):
                result = session.execute(statement, [1])
                assert [tuple(row) for row in result.page_rows] in ([("one",)], [(None,)], [])
            assert time.monotonic() - began < 2, "it does not wait for anything"
        edit.is_on = False
        session.execute(INSERT, [2, "two"], idempotent=True)
        assert session.execute(statement, [2], idempotent=True).scalar() == "two"


@pytest.mark.parametrize("length", [(256 << 20) + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_frames_that_are_too_long(face, server, length):
    """Refused by their header: nothing is waited for or allocated."""
    with (
        WireProxy(server) as proxy,
        face.connect(proxy.contact_points, keyspace="app", timeout=3) as session,
    ):
        session.execute(INSERT, [1, "one"])
        statement = session.prepare(SELECT)
        proxy.frame_length = lambda opcode, body: length if opcode == RESULT else len(body)
        began = time.monotonic()
        with pytest.raises(exceptions.NetworkError) as caught:
            session.execute(statement, [1], idempotent=False)
        assert time.monotonic() - began < 1
        text = str(caught.value) + str(caught.value.attempts)
        assert "length" in text or "bytes" in text or "frame" in text, text


def replacing(old: bytes, new: bytes):
    return lambda opcode, body: body.replace(old, new) if opcode == RESULT else body


LIES = {
    "another partitioner": replacing(b"Murmur3Partitioner", b"Murmur9Partitioner"),
    "no such column": replacing(b"schema_version", b"schema_verzion"),
    "no host ids": replacing(b"host_id", b"hose_id"),
    "no tokens": replacing(b"tokens", b"tokenz"),
    "no addresses": replacing(b"rpc_address", b"rpc_addrezz"),
    "no datacenters": replacing(b"data_center", b"data_zenter"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_system_tables_that_lie(face, server, lie):
    """Connecting ends in time: with a session that works, or an error that says what is wrong."""
    with WireProxy(server, lie) as proxy:
        began = time.monotonic()
        try:
            with face.connect(
                proxy.contact_points, keyspace="app", pool_wait=0.2, connect_timeout=2
            ) as session:
                for key in range(10):
                    session.execute(INSERT, [key, str(key)], timeout=2)
                    assert session.execute(SELECT, [key], timeout=2).scalar() == str(key)
        except exceptions.NoHostAvailable as error:
            reason = f"{error}"
            assert "system" in reason or "host" in reason or "node" in reason, reason
        assert time.monotonic() - began < 6
