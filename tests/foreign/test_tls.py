"""TLS beside implementations of others: scylla-driver as a client, OpenSSL as a server."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from typing import Any

import pytest

import shardlane
from cluster_help import eventually
from shardlane import TLS
from shardlane.testing import Cluster, ServerTLS

from .application import application

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(120)]

SHARDS = 3


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_scylla_driver_with_a_client_certificate(version, tmp_path):
    tls = ServerTLS(client_certificates=True, version=version)
    with Cluster(2, SHARDS, tls=tls) as cluster:
        files = {"ca": "ca_data", "cert": "cert_data", "key": "key_data"}
        for name, field in files.items():
            (tmp_path / name).write_text(getattr(cluster.client_tls, field))
        host = cluster.nodes[0].address
        arguments = [host, str(cluster.tls_port), *(str(tmp_path / name) for name in files)]
        with application("scylla-driver", cluster, 1, "tls_scylla_driver.py", arguments) as running:
            running.expect("connected")

            def covered() -> bool:
                # By the encrypted shard-aware port, which it has learned of from the server.
                shards = [shard for node in cluster.stats() for shard in node.shards]
                by_it = sum(shard.tls_shard_aware_connections for shard in shards)
                return all(s.connections for s in shards) and by_it >= 2 * (SHARDS - 1)

            eventually("a connection to each shard", covered, 30)
            running.go_on()
            running.ends_well()
        stats = cluster.stats()
        encrypted = stats.total("tls_connections_opened")
        encrypted += stats.total("tls_shard_aware_connections_opened")
        assert stats.total("connections_opened") == encrypted


class Terminator:
    """OpenSSL, by way of Python, in front of a plain port."""

    def __init__(self, context: ssl.SSLContext, target: tuple[str, int]) -> None:
        self._context = context
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.versions: list[str | None] = []
        self.resumed: list[bool] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            connection,
            self._context.wrap_socket(connection, server_side=True) as client,
            socket.create_connection(self._target) as server,
            selectors.DefaultSelector() as selector,
        ):
            self.versions.append(client.version())
            self.resumed.append(bool(client.session_reused))
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    self._relay(key.fileobj, key.data)

    def _relay(self, source: Any, sink: Any) -> None:
        while True:
            data = source.recv(65_536)
            if not data:
                raise ConnectionResetError
            sink.sendall(data)
            if not (isinstance(source, ssl.SSLSocket) and source.pending()):
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_openssl_at_the_other_end(version, tmp_path):
    with Cluster(1, 0, tls=True) as cluster:
        tls = cluster.client_tls
        (tmp_path / "both").write_text(f"{tls.cert_data}{tls.key_data}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "both")
        exactly = ssl.TLSVersion[version.replace(".", "_")]
        context.minimum_version = context.maximum_version = exactly
        openssl = Terminator(context, ("127.0.0.1", cluster.port))
        try:
            # Its certificate is a client's: who it is for is not what is tested here.
            trusting = TLS(dangerously_disable_verification=True)
            with shardlane.connect(
                openssl.address, tls=trusting, connections_per_host=4
            ) as session:
                session.execute(
                    "CREATE KEYSPACE ks WITH replication ="
                    " {'class': 'SimpleStrategy', 'replication_factor': 1}"
                )
                session.execute("CREATE TABLE ks.t (k int PRIMARY KEY, v blob)")
                sizes = [0, 1, 16_384, 1_000_000]
                insert = "INSERT INTO ks.t (k, v) VALUES (?, ?)"
                session.execute_many(insert, [(size, bytes(size)) for size in sizes])
                for size in sizes:
                    row = session.execute("SELECT v FROM ks.t WHERE k = ?", [size]).one()
                    assert row.v == bytes(size)
                assert session.shards().connections == 4
        finally:
            openssl.close()
        assert set(openssl.versions) == {version}
        assert any(openssl.resumed), "sessions are resumed with it, too"
