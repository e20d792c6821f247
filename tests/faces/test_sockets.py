"""Options of sockets: what the servers see of them. What the kernel is told is tested in Rust."""

from __future__ import annotations

import ipaddress

import pytest

import shardlane
from shardlane import SocketOptions, exceptions

PING = "SELECT key FROM system.local"
LOCAL = "127.0.0.200"


@pytest.mark.parametrize("shard_awareness", ["full", "legacy"])
async def test_connections_come_from_the_local_address(face, shard_awareness):
    options = SocketOptions(local_address=LOCAL)
    async with face.connect(socket_options=options, shard_awareness=shard_awareness) as session:
        assert session.shards().is_fully_covered or shard_awareness == "legacy"
        for node in session.cluster.nodes():
            result = await session.execute(PING, node=node, tracing=True)
            trace = await result.trace()
            assert str(trace.client) == LOCAL
        algorithms = {a for pool in session.shards() for s in pool.shards for a in s.algorithms}
        expected = "shard-aware port" if shard_awareness == "full" else "legacy"
        assert expected in algorithms, "source ports are chosen on that address"


async def test_all_options_together(face):
    options = SocketOptions(
        tcp_nodelay=False,
        tcp_keepalive=None,
        send_buffer_bytes=16384,
        receive_buffer_bytes=16384,
        local_address=ipaddress.ip_address(LOCAL),
    )
    async with face.connect(socket_options=options) as session:
        # Far more than the buffers hold, there and back.
        blob = bytes(2_000_000)
        query = "SELECT key FROM system.local WHERE key = 'local'"
        assert (await session.execute(query)).scalar() == "local"
        await session.execute("CREATE TABLE IF NOT EXISTS blobs (k int PRIMARY KEY, v blob)")
        await session.execute("INSERT INTO blobs (k, v) VALUES (?, ?)", [1, blob])
        assert (await session.execute("SELECT v FROM blobs WHERE k = ?", [1])).scalar() == blob


@pytest.mark.parametrize(
    ("address", "why"),
    [("192.0.2.7", "not one of this host"), ("::1", "one is IPv4, the other IPv6")],
)
async def test_a_local_address_that_cannot_be(face, address, why):
    with pytest.raises(exceptions.NoHostAvailable) as caught:
        async with face.connect(socket_options=SocketOptions(local_address=address)):
            pass
    assert address in str(caught.value)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tcp_nodelay": 1}, "tcp_nodelay=1"),
        ({"tcp_keepalive": 0}, "tcp_keepalive=0"),
        ({"tcp_keepalive": 1.5}, "tcp_keepalive=1.5"),
        ({"tcp_keepalive": 40_000}, "tcp_keepalive=40000"),
        ({"send_buffer_bytes": 0}, "send_buffer_bytes=0"),
        ({"receive_buffer_bytes": "64k"}, "receive_buffer_bytes='64k'"),
        ({"local_address": "localhost"}, "local_address='localhost'"),
        ({"local_address": "127.0.0.1:80"}, "local_address='127.0.0.1:80'"),
        ({"local_address": 5}, "local_address=5"),
        ({"local_address": "fe80::1%eth0"}, "has a scope"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(exceptions.ConfigurationError) as caught:
        SocketOptions(**options)
    assert message in str(caught.value)


def test_options_are_values():
    given = SocketOptions(local_address="127.0.0.1")
    assert given == SocketOptions(local_address=ipaddress.ip_address("127.0.0.1"))
    assert SocketOptions.__module__ == "shardlane"
    with pytest.raises(exceptions.ConfigurationError, match="socket_options="):
        shardlane.connect(socket_options={"tcp_nodelay": False})
