"""One Cassandra node: its configuration, its process, its end."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from .artifacts import HERE, LiveError, find_java, libraries

# The superuser that every fresh node has; needed only while it asks for passwords.
CREDENTIALS = ("cassandra", "cassandra")

START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 20
# Between two looks at a process that has no other way to tell that it is ready.
LOOK_SECONDS = 0.05

# A v4 OPTIONS request, and the opcode of its answer: more than an open port, the node talks CQL.
OPTIONS_REQUEST = bytes.fromhex("040000000500000000")
SUPPORTED_OPCODE = 0x06

# Outlives us by a moment whatever ends us: its standard input closes then.
WATCHER = 'cat >/dev/null; kill -9 "$1" 2>/dev/null'


STORE_PASSWORD = "not-a-secret"
TLS_SETTINGS = f"""
client_encryption_options:
  enabled: true
  optional: true
  keystore: "{{keystore}}"
  keystore_password: {STORE_PASSWORD}
  store_type: PKCS12
"""


class StartFailed(LiveError):  # noqa: N818
    """The node did not come up; the message has the end of its log."""


class Node:
    """A node on a loopback address and ports of its own, with a data directory of its own.

    Use it in ``with``, or ``start()`` and ``close()`` it. Stopped and started again it has the same
    address, port and data. It also dies when the process that made it does.

    Args:
        place: where it listens; None for a free place of its own.
        seeds: addresses of nodes whose cluster it joins; None: it is alone.
        tokens: what it owns of the ring; None for 16 that are drawn.
        heap_megabytes_max: what its heap may grow to.
        line: of releases: ``"5.0"`` or ``"4.1"``.
        tls: whether clients may come encrypted, on the same port.
        settings: lines of ``cassandra.yaml``, in addition to the template's.
    """

    def __init__(
        self,
        place: Place | None = None,
        *,
        seeds: Sequence[str] | None = None,
        tokens: Sequence[int] | None = None,
        heap_megabytes_max: int = 1024,
        line: str = "5.0",
        tls: bool = False,
        settings: str = "",
    ) -> None:
        self.place = place or free_place()
        self.address, self.port, self._storage_port = self.place
        self._seeds = list(seeds or [self.address])
        self._heap_megabytes_max = heap_megabytes_max
        self._settings = settings
        if tokens is not None:
            listed = ", ".join(map(str, tokens))
            self._settings += f"\nnum_tokens: {len(tokens)}\ninitial_token: '{listed}'\n"
        else:
            self._settings += "\nnum_tokens: 16\n"
        self._home = Path(tempfile.mkdtemp(prefix="shardlane-live-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self.login: dict[str, str] = {}
        """User name and password, by the names of `connect()`'s options, while it asks for them."""
        self.properties: list[str] = []
        """Of the JVM, at each start."""
        self.line = line
        if line == "5.0":
            self._settings += "\ndynamic_data_masking_enabled: true\n"
        self._tls = tls
        if tls:
            self._settings += TLS_SETTINGS.format(keystore=self._home / "keystore.p12")

    @property
    def certificate(self) -> Path:
        """The node's own certificate, signed by itself, in PEM; it is made by the first start."""
        return self._home / "certificate.pem"

    @property
    def log(self) -> str:
        """What the node has logged, over all its starts."""
        path = self._home / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, *properties: str, passwords: bool = False) -> None:
        """Start the node, and wait until it talks CQL.

        Args:
            *properties: of the JVM, such as ``"cassandra.test.fail_writes_ks=ks"``.
            passwords: whether clients have to log in, and roles need permissions.

        Raises:
            MissingTool: Java 17 or Maven is not installed.
            DownloadFailed: the artifacts could not be fetched.
            StartFailed: the node ended, or did not talk CQL in time.
        """
        if self.is_running:
            raise StartFailed("the node is running already")
        java, jars = find_java(), libraries(line=self.line)
        self._configure(passwords)
        if self._tls and not self.certificate.exists():
            self._make_certificate(java)
        arguments = [
            *[java, f"@{HERE / 'jvm.options'}", f"-Xmx{self._heap_megabytes_max}m"],
            *[f"-javaagent:{meter}" for meter in jars.glob("jamm-0.3.*.jar")],
            f"-Dcassandra.config={(self._home / 'cassandra.yaml').as_uri()}",
            f"-Dlogback.configurationFile={HERE / 'logback.xml'}",
            *[f"-Dcassandra.storagedir={self._home}", f"-Dcassandra.logdir={self._home}"],
            *[f"-D{name}" for name in (*self.properties, *properties)],
            *["-cp", f"{jars}/*", "org.apache.cassandra.service.CassandraDaemon"],
        ]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                arguments,
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests, which then stop the node themselves.
                start_new_session=True,
            )
        self._watcher = subprocess.Popen(
            ["sh", "-c", WATCHER, "watcher", str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._wait_until_it_talks()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Let the node finish in order; kill it if that takes too long."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS_MAX)
        self.kill()

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._watcher is not None:
            # Before its input closes: by now the pid may be somebody else's.
            self._watcher.kill()
            self._watcher.wait()
            assert self._watcher.stdin is not None
            self._watcher.stdin.close()
            self._watcher = None

    def close(self) -> None:
        """End the process, and remove its data."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Node:  # noqa: PYI034
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _configure(self, passwords: bool) -> None:
        template = string.Template((HERE / "cassandra.yaml").read_text())
        configuration = template.substitute(
            address=self.address,
            port=self.port,
            storage_port=self._storage_port,
            seeds=",".join(f"{seed}:{self._storage_port}" for seed in self._seeds),
            data=self._home,
            authenticator="PasswordAuthenticator" if passwords else "AllowAllAuthenticator",
            authorizer="CassandraAuthorizer" if passwords else "AllowAllAuthorizer",
        )
        (self._home / "cassandra.yaml").write_text(configuration + self._settings)
        username, password = CREDENTIALS
        self.login = {"username": username, "password": password} if passwords else {}

    def _make_certificate(self, java: str) -> None:
        keytool = [os.path.join(os.path.dirname(os.path.realpath(java)), "keytool")]
        common = ["-alias", "node", "-keystore", str(self._home / "keystore.p12")]
        common += ["-storetype", "PKCS12", "-storepass", STORE_PASSWORD]
        for arguments in (
            [
                *["-genkeypair", *common, "-keyalg", "EC", "-groupname", "secp256r1"],
                *["-dname", "CN=live", "-validity", "30", "-ext", f"SAN=ip:{self.address}"],
            ],
            ["-exportcert", *common, "-rfc", "-file", str(self.certificate)],
        ):
            done = subprocess.run(
                keytool + arguments, capture_output=True, text=True, timeout=60, check=False
            )
            if done.returncode != 0:
                raise StartFailed(f"keytool could not make a certificate:\n{done.stdout[-1000:]}")

    def _wait_until_it_talks(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._talks():
            if (status := self._process.poll()) is not None:
                raise StartFailed(f"Cassandra ended with status {status}:\n{self.log[-3000:]}")
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"Cassandra was not up after {START_SECONDS_MAX} s:\n{self.log[-3000:]}"
                )
            time.sleep(LOOK_SECONDS)

    def _talks(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=5) as connection:
                connection.sendall(OPTIONS_REQUEST)
                header = connection.recv(9, socket.MSG_WAITALL)
        except OSError:
            return False
        return len(header) == 9 and header[4] == SUPPORTED_OPCODE


class Place(NamedTuple):
    """Where a node listens."""

    address: str
    port: int
    """For clients."""
    storage_port: int
    """For other nodes."""


def free_place(count: int = 1) -> Place:
    """Return a loopback address, and two ports that are free there and on the addresses after it.

    An address that nobody else uses keeps the node apart from embedded clusters, which begin at
    127.0.0.1; not every system has more than that one.

    Args:
        count: of addresses that will be used.

    Raises:
        StartFailed: there are not that many addresses, or no port is free.
    """
    own = f"127.0.{random.randint(64, 191)}.{random.randint(1, 255 - count)}"
    for address in (own, "127.0.0.1"):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            # All are held at the same time, so they differ.
            ports = []
            for _ in range(2):
                port = 0
                for candidate in addresses_from(address, count):
                    listener = held.enter_context(socket.socket())
                    listener.bind((candidate, port))
                    port = listener.getsockname()[1]
                ports.append(port)
            return Place(address, *ports)
    raise StartFailed("no port is free on loopback")


def addresses_from(first: str, count: int) -> list[str]:
    """Return ``count`` addresses, beginning with ``first``."""
    network, _, last = first.rpartition(".")
    return [f"{network}.{int(last) + number}" for number in range(count)]
