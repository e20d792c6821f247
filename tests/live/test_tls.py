"""TLS with a real Cassandra: Java at the other end, certificates and keys made by OpenSSL."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shardlane
from cluster_help import eventually
from live_cassandra import Node
from live_cassandra.node import free_place
from shardlane import TLS
from shardlane import exceptions as exc

from .conftest import installed
from .support import Client

PASSWORD = "correct horse"
LOGIN: dict[str, Any] = {"username": "cassandra", "password": "cassandra"}


class Authority:
    """Certificates by the program `openssl`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._openssl(
            *(
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=live CA",
            ),
            *("-keyout", "ca.key", "-out", "ca.pem"),
        )

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.directory, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def issue(self, name: str, alternative: str, newkey: tuple[str, ...]) -> None:
        """Write ``name.pem`` and ``name.key``."""
        self._openssl(
            *("req", *newkey, "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        (self.directory / "extensions").write_text(f"subjectAltName={alternative}\n")
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-days", "2", "-extfile", "extensions"),
            *("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.pem"),
        )

    def encrypt_key(self, name: str) -> None:
        self._openssl(
            *("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", f"pass:{PASSWORD}"),
            *("-in", f"{name}.key", "-out", f"{name}.encrypted"),
        )

    def read(self, name: str) -> str:
        return (self.directory / name).read_text()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not installed")
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def encrypted(authority: Authority) -> Iterator[Node]:
    """A node with a plain port, and one that wants TLS and a client's certificate."""
    installed()
    place = free_place()
    authority.issue("server", f"IP:{place.address}", ("-newkey", "rsa:2048"))
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    authority.issue("client", "DNS:client", curve)
    authority.encrypt_key("client")
    keystore = authority.directory / "keystore.pem"
    keystore.write_text(authority.read("server.key") + authority.read("server.pem"))
    settings = f"""
native_transport_port_ssl: {place.port + 1}
client_encryption_options:
  enabled: true
  optional: false
  keystore: {keystore}
  require_client_auth: true
  truststore: {authority.directory / "ca.pem"}
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
"""
    node = Node(place, settings=settings)
    try:
        node.start(passwords=True)
        # The role is made a moment after the node talks.
        eventually("the superuser", lambda: logs_in(node), seconds=60, every=0.2)
        yield node
    finally:
        node.close()


def logs_in(node: Node) -> bool:
    with contextlib.suppress(exc.AuthenticationError):
        shardlane.connect(node.address, port=node.port, **LOGIN).close()
        return True
    return False


@pytest.fixture(scope="module")
def tls(authority: Authority, encrypted: Node) -> TLS:
    return TLS(
        ca_file=authority.directory / "ca.pem",
        cert_file=authority.directory / "client.pem",
        key_file=authority.directory / "client.encrypted",
        key_password=PASSWORD,
    )


@pytest.fixture(params=["sync", "aio"])
def client(encrypted: Node, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param, encrypted, {"port": encrypted.port + 1})
    yield client
    client.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_requests_over_tls(client: Client, tls: TLS, version: Any) -> None:
    tls = dataclasses.replace(tls, min_version=version, max_version=version)
    session = client.connect(None, tls=tls, connections_per_host=3, **LOGIN)
    client.run(
        session.execute(
            "CREATE KEYSPACE IF NOT EXISTS tls WITH replication ="
            " {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
    )
    in_keyspace = client.connect("tls", tls=tls, **LOGIN)
    table = "tls." + client.table(in_keyspace, "id int PRIMARY KEY, v blob")
    insert = f"INSERT INTO {table} (id, v) VALUES (?, ?)"
    sizes = [0, 1, 16_384, 1_000_000]
    for size in sizes:
        client.run(session.execute(insert, [size, bytes(size)]))
    for size in sizes:
        (row,) = client.rows(session, f"SELECT v FROM {table} WHERE id = ?", [size])
        assert row.v == bytes(size)
    assert session.shards().connections == 3


def test_a_wrong_password_over_tls(client: Client, tls: TLS) -> None:
    with pytest.raises(exc.AuthenticationError):
        client.connect(None, tls=tls, username="cassandra", password="wrong")


def test_what_is_wrong_is_told(client: Client, tls: TLS, encrypted: Node) -> None:
    table: list[tuple[Any, int, set[str]]] = [
        (TLS(), 1, {"unknown_issuer"}),
        (dataclasses.replace(tls, server_name="other.test"), 1, {"wrong_name"}),
        (
            TLS(ca_file=tls.ca_file),
            1,
            {"client_certificate_wanted", "client_certificate_refused", "nothing_in_common"},
        ),
        (tls, 0, {"not_tls"}),
    ]
    for options, offset, faults in table:
        with pytest.raises(exc.TlsError) as caught:
            client.connect(None, tls=options, port=encrypted.port + offset, connect_timeout=50)
        assert caught.value.fault in faults, caught.value
        assert caught.value.hint
    # In plain text to a port that wants TLS: Java hangs up, with an alert or without.
    with pytest.raises(exc.NoHostAvailable) as refused:
        client.connect(None, connect_timeout=50)
    assert "tls=" in (refused.value.hint or ""), refused.value


def test_an_ssl_context(client: Client, tls: TLS, authority: Authority) -> None:
    context = ssl.create_default_context(cafile=str(tls.ca_file))
    # It has no certificate for the client, as far as can be read.
    with pytest.raises(exc.TlsError) as caught:
        client.connect(None, tls=context, connect_timeout=50)
    assert caught.value.fault != "unknown_issuer"
    assert isinstance(caught.value, shardlane.NoHostAvailable)
