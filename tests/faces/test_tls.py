"""TLS: all shards by the encrypted shard-aware port, names, sessions, certificates."""

from __future__ import annotations

import asyncio
import ssl

import pytest

import shardlane
from shardlane import TLS, exceptions
from shardlane.testing import Cluster, ServerTLS

KEYSPACE = (
    "CREATE KEYSPACE ks WITH replication ="
    " {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}"
)
SHARDS = 3


@pytest.fixture(scope="module", params=["1.2", "1.3"])
def server(request):
    with Cluster(2, SHARDS, tls=ServerTLS(version=request.param)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def plain_and_tls():
    with Cluster(1, 2, tls=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def mutual():
    with Cluster(1, 2, tls=ServerTLS(client_certificates=True)) as cluster:
        yield cluster


def trusting(server, **options):
    return TLS(ca_data=server.ca_pem, **options)


async def test_every_shard_is_reached_by_the_encrypted_shard_aware_port(face, server):
    server.reset_stats()
    async with face.connect(
        server.tls_contact_points, tls=trusting(server), keyspace=None
    ) as session:
        shards = session.shards()
        assert shards.connections == 2 * SHARDS
        assert "shard-aware" in str(shards)
        stats = server.stats()
        for node in stats:
            for shard in node.shards:
                # The first connection of the node is by the normal port.
                pooled = shard.tls_shard_aware_connections + shard.tls_connections
                assert pooled >= 1, stats
            assert node.total("tls_shard_aware_connections") == SHARDS - 1
        # The control connection, and the first of each node.
        assert stats.total("tls_connections_opened") == 1 + len(stats.nodes)
        opened = stats.total("tls_connections_opened")
        opened += stats.total("tls_shard_aware_connections_opened")
        assert stats.total("connections_opened") == opened, "nothing in plain text"
        assert stats.total("tls_handshakes") == opened


async def test_sessions_are_resumed(face, server):
    server.reset_stats()
    tls = trusting(server)
    async with face.connect(server.tls_contact_points, tls=tls, keyspace=None):
        stats = server.stats()
    # Whoever comes first at each node has nothing to resume, and it gets few tickets to hand on.
    assert stats.total("tls_resumed") >= SHARDS, stats
    assert stats.total("tls_resumed") < stats.total("tls_handshakes")


async def test_requests_of_all_sizes_and_many_at_once(face, server):
    async with face.connect(
        server.tls_contact_points, tls=trusting(server), keyspace=None
    ) as session:
        name = f"ks_{face.name.replace('-', '_')}"
        await session.execute(KEYSPACE.replace("ks", name, 1) + " AND tablets = {'enabled': false}")
        table = f"{name}.blobs"
        await session.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, b blob)")
        # Around the limits of TLS records, and far beyond a socket's buffer.
        sizes = [0, 1, 16_300, 16_384, 16_385, 65_536, 3_000_001]
        insert = f"INSERT INTO {table} (id, b) VALUES (?, ?)"
        parameters = [(size, bytes(size)) for size in sizes]
        await session.execute_many(insert, parameters)
        for size in sizes:
            found = await session.execute(f"SELECT b FROM {table} WHERE id = ?", [size])
            assert found.one().b == bytes(size)
        await session.execute_many(insert, [(-n, b"%d" % n) for n in range(1, 2000)])
        count = await session.execute(f"SELECT count(*) FROM {table}", row_factory="scalar")
        assert count.one() == len(sizes) + 1999
        await session.execute(f"DROP KEYSPACE {name}")


async def test_which_name_is_verified(face, server):
    by_name = f"localhost:{server.tls_port}"
    good = [
        (by_name, {}),
        (server.tls_contact_points, {}),
        (server.tls_contact_points, {"server_name": "cluster.shardlane.test"}),
        (server.tls_contact_points, {"server_name": "127.0.0.2"}),
        (
            server.tls_contact_points,
            {"server_name": "other.test", "dangerously_disable_name_check": True},
        ),
    ]
    for points, options in good[:3] + good[4:]:
        async with face.connect(points, tls=trusting(server, **options), keyspace=None) as session:
            assert session.shards().connections == 2 * SHARDS, options
    points, options = good[3]
    # Only the second node's certificate has this address.
    async with face.connect(points, tls=trusting(server, **options), keyspace=None) as session:
        assert {node.connections for node in session.shards()} == {0, SHARDS}


async def test_wrong_names_are_told(face, server):
    for points, options in [
        (server.tls_contact_points, {"server_name": "other.test"}),
        (server.tls_contact_points[:1], {"server_name": "127.0.0.2"}),
    ]:
        with pytest.raises(exceptions.TlsError) as caught:
            async with face.connect(points, tls=trusting(server, **options), keyspace=None):
                pass
        assert caught.value.fault == "wrong_name"
        message = str(caught.value)
        assert f"not for {options['server_name']}, but for 127.0.0.1, cluster" in message


async def test_verification_can_be_disabled_if_one_insists(face, server):
    tls = TLS(dangerously_disable_verification=True)
    async with face.connect(server.tls_contact_points, tls=tls, keyspace=None) as session:
        assert session.shards().connections == 2 * SHARDS


async def test_client_certificates(face, mutual, tmp_path):
    whole = mutual.client_tls
    (tmp_path / "ca.pem").write_text(whole.ca_data)
    (tmp_path / "client.pem").write_text(whole.cert_data)
    (tmp_path / "client.key").write_text(whole.key_data)
    (tmp_path / "both.pem").write_text(whole.key_data + whole.cert_data)
    ways = [
        whole,
        TLS(
            ca_file=tmp_path / "ca.pem",
            cert_file=str(tmp_path / "client.pem"),
            key_file=tmp_path / "client.key",
        ),
        TLS(ca_data=whole.ca_data.encode(), cert_file=tmp_path / "both.pem"),
    ]
    for tls in ways:
        async with face.connect(mutual.tls_contact_points, tls=tls, keyspace=None) as session:
            assert session.shards().connections == 2


async def test_a_login_over_tls(face):
    with Cluster(1, 2, tls=True, username="ada", password="lovelace") as server:
        login = {"username": "ada", "password": "lovelace", "keyspace": None}
        async with face.connect(server.tls_contact_points, tls=trusting(server), **login):
            pass
        login["password"] = "wrong"
        with pytest.raises(exceptions.AuthenticationError):
            async with face.connect(server.tls_contact_points, tls=trusting(server), **login):
                pass


async def test_a_node_that_comes_back(face):
    with Cluster(2, 2, tls=True) as server:
        async with face.connect(
            server.tls_contact_points,
            tls=trusting(server),
            keyspace=None,
            reconnect_delay_max=0.1,
        ) as session:
            server.nodes[1].kill()
            server.nodes[1].start()
            while session.shards().connections < 4:
                await session.execute("SELECT key FROM system.local", idempotent=True)
                if not face.is_blocking:
                    await asyncio.sleep(0)


def context_for(server):
    context = ssl.create_default_context(cadata=server.ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def test_contexts_of_the_ssl_module(face, plain_and_tls):
    server = plain_and_tls
    good = context_for(server)
    any_name = context_for(server)
    any_name.check_hostname = False
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    only_1_2 = context_for(server)
    only_1_2.maximum_version = ssl.TLSVersion.TLSv1_2
    without_1_2 = context_for(server)
    without_1_2.minimum_version = ssl.TLSVersion.TLSv1_3
    for context in (good, any_name, anybody, only_1_2, without_1_2):
        async with face.connect(server.tls_contact_points, tls=context, keyspace=None) as session:
            assert session.shards().connections == 2
    # What it trusts is all that is trusted.
    stranger = ssl.create_default_context(cadata=OTHER_CA)
    with pytest.raises(exceptions.TlsError) as caught:
        async with face.connect(server.tls_contact_points, tls=stranger, keyspace=None):
            pass
    assert caught.value.fault == "unknown_issuer"


async def test_names_are_verified_as_the_context_says(face):
    with Cluster(1, 1, tls=ServerTLS(flaw="wrong_name")) as server:
        context = context_for(server)
        with pytest.raises(exceptions.TlsError) as caught:
            async with face.connect(server.tls_contact_points, tls=context, keyspace=None):
                pass
        assert caught.value.fault == "wrong_name"
        context.check_hostname = False
        async with face.connect(server.tls_contact_points, tls=context, keyspace=None):
            pass


async def test_no_tls_is_the_default(face, plain_and_tls):
    plain_and_tls.reset_stats()
    for none in ({}, {"tls": None}, {"tls": False}):
        async with face.connect(plain_and_tls.contact_points, keyspace=None, **none):
            pass
    assert plain_and_tls.stats().total("tls_handshakes") == 0


def test_the_embedded_cluster_connects_with_its_own_ca(mutual):
    with mutual.connect(tls=True) as session:
        assert session.shards().connections == 2


def test_options_show_no_secrets():
    secrets = {"key_data": "THE KEY", "key_password": "THE PASSWORD", "cert_data": "THE CERT"}
    shown = repr(TLS(server_name="db.test", **secrets))
    assert "db.test" in shown
    assert "THE " not in shown
    assert "THE " not in repr(shardlane.Cluster(tls=TLS(server_name="db.test"))._options)


# Self-signed by a key that was thrown away; valid for a hundred years.
OTHER_CA = """-----BEGIN CERTIFICATE-----
MIIBgjCCASegAwIBAgIUD6pjcJKSTSkBbNOZu4gywybH09owCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKYW5vdGhlciBDQTAgFw0yNjExMjYyMzI4NTZaGA8yMTI2MTEw
MjIzMjg1NlowFTETMBEGA1UEAwwKYW5vdGhlciBDQTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABNkIdsdK0uiQmJlrcP3fMOw7l/yRhbMboY8CtF/adBV1j1kdBO45
zWJaXVeLtlCUgOrjI4E6NhFLGgKnIC57M6SjUzBRMB0GA1UdDgQWBBQqYqX2QWZa
4J4QWb+Xv7kFpbzmjDAfBgNVHSMEGDAWgBQqYqX2QWZa4J4QWb+Xv7kFpbzmjDAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDViFeqyttDIuTLTL/7
woj+liaGZbUfOfgQWqYChj+UmAIhAMJYr36xB3TiLD4foDS1wGG7t6vZDXejeNe3
2Vv7dyAT
-----END CERTIFICATE-----
"""
