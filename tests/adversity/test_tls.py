"""A table of TLS set-ups that are wrong: each is told at once, by kind, with a hint."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import struct
import threading
import time

import pytest

import shardlane
from shardlane import TLS, exceptions
from shardlane.testing import Cluster, ServerTLS

PATIENCE = 600
"""Seconds of connect_timeout: whoever waits for it is killed by the test's own limit."""


def refused(points, tls, timeout=PATIENCE):
    """The error of connecting."""
    with pytest.raises(exceptions.NoHostAvailable) as caught:
        shardlane.connect(points, tls=tls, connect_timeout=timeout).close()
    return caught.value


# What is wrong, the server's options, the client's, the fault, what the hint has to name.
WRONG = {
    "a CA that is not trusted": ({}, {"ca_data": None}, "unknown_issuer", "ca_file="),
    "another CA of the same name": ({"flaw": "other_issuer"}, {}, "unknown_issuer", "ca_file="),
    "an expired certificate": ({"flaw": "expired"}, {}, "expired", "renew"),
    "a certificate of the future": ({"flaw": "not_valid_yet"}, {}, "not_valid_yet", "clock"),
    "another name": ({"flaw": "wrong_name"}, {}, "wrong_name", "server_name="),
    "a name that is none": ({}, {"server_name": "other.test"}, "wrong_name", "server_name="),
    "no client certificate": (
        {"client_certificates": True},
        {"cert_data": None, "key_data": None},
        "client_certificate_wanted",
        "cert_file=",
    ),
    "no client certificate, TLS 1.2": (
        {"client_certificates": True, "version": "1.2"},
        {"cert_data": None, "key_data": None},
        "client_certificate_wanted",
        "cert_file=",
    ),
    "only TLS 1.2 at the server": (
        {"version": "1.2"},
        {"min_version": "1.3"},
        "nothing_in_common",
        "versions",
    ),
    "only TLS 1.3 at the server": (
        {"version": "1.3"},
        {"max_version": "1.2"},
        "nothing_in_common",
        "versions",
    ),
}


@pytest.mark.parametrize(("server", "client", "fault", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_certificates_and_versions(server, client, fault, hint):
    with Cluster(2, 2, tls=ServerTLS(**server)) as cluster:
        tls = dataclasses.replace(cluster.client_tls, **client)
        error = refused(cluster.tls_contact_points, tls)
        assert isinstance(error, exceptions.TlsError)
        assert error.fault == fault
        assert set(error.reasons) == set(cluster.tls_contact_points), "each is named"
        assert hint in error.hint
        assert cluster.stats().connections == 0, "nothing is left open"


def test_a_client_certificate_of_a_stranger():
    with (
        Cluster(1, 1, tls=True, first_address="127.0.0.9") as stranger,
        Cluster(1, 1, tls=ServerTLS(client_certificates=True)) as cluster,
    ):
        theirs = stranger.client_tls
        tls = dataclasses.replace(
            cluster.client_tls, cert_data=theirs.cert_data, key_data=theirs.key_data
        )
        error = refused(cluster.tls_contact_points, tls)
        assert error.fault == "client_certificate_refused"
        assert "cert_file=" in error.hint


def test_one_side_speaks_plain_text():
    with Cluster(1, 2, tls=True) as cluster:
        error = refused(cluster.tls_contact_points, None)
        assert error.fault == "tls_wanted"
        assert "tls=" in error.hint
        error = refused(cluster.contact_points, cluster.client_tls)
        assert error.fault == "not_tls"
        assert "tls=" in error.hint
        assert "port=" in error.hint


def test_a_server_that_hangs_up_at_plain_text():
    """As Cassandra does that wants TLS: the connection is reset without a word."""

    def reset(connection):
        connection.recv(4096)
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()

    for serve in (reset, hello_then(b"")):
        with impostor(serve) as address:
            error = refused(address, None)
            assert "hung up before it said anything" in str(error)
            assert "tls=" in error.hint


@contextlib.contextmanager
def impostor(serve):
    """Something that listens and does ``serve`` with each connection; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        host, port = listener.getsockname()
        yield f"{host}:{port}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def hello_then(answer):
    def serve(connection):
        with connection:
            connection.recv(4096)
            if answer:
                connection.sendall(answer)

    return serve


IMPOSTORS = {
    "hangs up": (hello_then(b""), "closed"),
    "speaks HTTP": (hello_then(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "not_tls"),
    "speaks CQL": (hello_then(bytes.fromhex("840000000000000000")), "not_tls"),
    "sends half a record": (hello_then(bytes.fromhex("160303010002")), "closed"),
    "sends a record of nonsense": (hello_then(bytes.fromhex("1603030004deadbeef")), "other"),
    "alerts": (hello_then(bytes.fromhex("15030300020228")), "nothing_in_common"),
}


@pytest.mark.parametrize(("serve", "fault"), IMPOSTORS.values(), ids=IMPOSTORS)
def test_something_else_listens(serve, fault):
    with impostor(serve) as address:
        error = refused(address, True)
        assert isinstance(error, exceptions.TlsError), error
        assert error.fault == fault, error


def test_silence_is_bounded_by_the_connect_timeout():
    held = []
    with impostor(held.append) as address:
        begun = time.monotonic()
        error = refused(address, True, timeout=0.2)
        assert time.monotonic() - begun < 10
        assert "no connection within 200ms" in str(error)
    for connection in held:
        connection.close()


def test_keys_and_certificates_that_are_none(tmp_path):
    (tmp_path / "text").write_text("no PEM at all")
    with Cluster(1, 1, tls=True) as cluster:
        whole = cluster.client_tls
    legacy = (
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n"
        "c2VjcmV0\n-----END RSA PRIVATE KEY-----\n"
    )
    encrypted = (
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----"
    )
    certificate = {"cert_data": whole.cert_data}
    table = [
        ({"ca_file": tmp_path / "missing"}, "cannot be read"),
        ({"ca_file": tmp_path / "text"}, "BEGIN CERTIFICATE"),
        ({"ca_data": whole.key_data}, "BEGIN CERTIFICATE"),
        ({**certificate, "key_data": "nonsense"}, "no private key"),
        ({**certificate, "key_data": legacy}, "openssl pkcs8"),
        ({**certificate, "key_data": encrypted}, "give its password"),
        ({**certificate, "key_data": encrypted, "key_password": "hunter2"}, "cannot be read"),
        ({"cert_data": "nonsense", "key_data": whole.key_data}, "BEGIN CERTIFICATE"),
        ({"server_name": "not a name"}, "no host name"),
        ({"min_version": "1.3", "max_version": "1.2"}, "lowest version"),
    ]
    for options, words in table:
        with pytest.raises(exceptions.ConfigurationError, match=words) as caught:
            shardlane.connect(tls=TLS(**options))
        shown = str(caught.value) + repr(caught.value.__context__)
        assert "hunter2" not in shown
        assert "c2VjcmV0" not in shown
    # The key of another certificate.
    with Cluster(1, 1, tls=True) as cluster:
        options = {**certificate, "key_data": cluster.client_tls.key_data}
    with pytest.raises(exceptions.ConfigurationError, match="certificate and key"):
        shardlane.connect(tls=TLS(**options))


SILLY = [
    ({"ca_file": 3}, "ca_file= is a int"),
    ({"ca_data": ""}, "ca_data= is empty"),
    ({"key_password": 3}, "key_password= is a int"),
    ({"server_name": b"x"}, "server_name= is a bytes"),
    ({"min_version": "1.1"}, "min_version='1.1'"),
    ({"key_data": "x"}, "no certificate"),
    ({"key_password": "x"}, "without a certificate"),
    ({"cert_file": "a", "cert_data": "b"}, "cert_file= or cert_data="),
    ({"dangerously_disable_verification": "yes"}, "'yes'"),
    ({"dangerously_disable_verification": True, "ca_file": "x"}, "verification is disabled"),
]


@pytest.mark.parametrize(("options", "words"), SILLY, ids=[w for _, w in SILLY])
def test_options_that_make_no_sense(options, words):
    with pytest.raises(exceptions.ConfigurationError, match=words):
        TLS(**options)


def contexts():
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yield server, "for servers"
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    yield bare, "no CA certificates"
    revoking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    revoking.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    yield revoking, "revocation lists"
    ciphers = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ciphers.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    yield ciphers, "set_ciphers"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
    yield old, "neither TLS 1.2 nor 1.3"


@pytest.mark.filterwarnings("ignore:ssl.OP_NO:DeprecationWarning")
def test_contexts_that_cannot_be_taken_over():
    for context, words in contexts():
        with pytest.raises(exceptions.ConfigurationError, match=words) as caught:
            shardlane.connect(tls=context)
        assert caught.value.hint


@pytest.mark.parametrize("tls", ["yes", 1, object(), b"", {}])
def test_what_is_no_tls(tls):
    with pytest.raises(exceptions.ConfigurationError, match="tls= is a"):
        shardlane.connect(tls=tls)
